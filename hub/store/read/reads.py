"""HQ's database, opened for people: the command line, the demo's view, a web shell.

None of it is for the worker, whose reads are the store's own. One transaction sees one moment on either engine
(PostgreSQL: repeatable read). HQ's log is asked through LogRows; all else is SQLAlchemy Core.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property, partial, wraps
from pathlib import Path
from typing import Any, Concatenate, Final, ParamSpec, Self, TypeVar

from pydantic import ValidationError
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, OperationalError

from hub.base import files
from hub.base.durable import disk_errors
from hub.domain.hq_lane import HqLane
from hub.domain.registry import Registry
from hub.ledger.witness import Witnesses
from hub.protocol.errors import Fatal, NotFound, Retriable
from hub.store.log import LogReader, LogStanding
from hub.store.log_rows import LogRows
from hub.store.migrate import check_usable
from hub.store.postgres_server import Server
from hub.store.read import (
    access,
    centers,
    entities,
    intakes,
    invitations,
    lanes,
    quarantine,
    totals,
    witnesses,
    workers,
)
from hub.store.read.access import GivenAccess
from hub.store.read.centers import RegisteredCenter
from hub.store.read.entities import HeldEntity, TracedEntity
from hub.store.read.hq_lane import hq_rows
from hub.store.read.intakes import IntakeStanding
from hub.store.read.invitations import InvitationStanding
from hub.store.read.lanes import LaneReport, LaneStanding
from hub.store.read.quarantine import QuarantinedContent, QuarantinedRecord, Unkept
from hub.store.read.totals import Totals
from hub.store.read.witnesses import WitnessStanding
from hub.store.rows import UNREADABLE
from hub.store.sql_log_rows import SqlLogRows
from hub.store.sqlite_query import BUSY_MS, Query
from hub.store.store import HqRows
from hub.store.version import Version
from hub.store.workers import LivingWorker

_P = ParamSpec("_P")
_R = TypeVar("_R")
_S = TypeVar("_S", bound="Snapshot")

EDITED: Final = "somebody has edited it; `hub audit verify` says what else is not as it was signed"

# Verifies the hq lane: given what returns its rows behind a sequence, it returns the lane. Errors: Fatal.
HqSource = Callable[[Callable[[int], HqRows]], HqLane]


def nobody_vouches(_page: Callable[[int], HqRows]) -> HqLane:
    """Refuse to tell what HQ says, for whoever has opened a database without HQ's keys. Errors: Fatal."""
    raise Fatal("what HQ says can't be told without the keys that it is signed by: name the hub's data directory")


@contextmanager
def _edited(asked: str) -> Iterator[None]:
    """Let a row that no release of ours has written be told as that. Errors: Fatal."""
    try:
        yield
    except ValidationError:
        raise  # it names the column, see `_translated`
    except (*UNREADABLE, MemoryError) as exc:  # a number where bytes should be asks for so many
        said = str(exc) or type(exc).__name__
        raise Fatal(
            f"HQ's database has a row that no release of cohub has written ({asked}: {said}): {EDITED}"
        ) from exc


def _in_words(question: Callable[Concatenate[_S, _P], _R]) -> Callable[Concatenate[_S, _P], _R]:
    """Let what a question meets be told, see `_edited`."""

    @wraps(question)
    def asked(snapshot: _S, /, *arguments: _P.args, **named: _P.kwargs) -> _R:
        with _edited(question.__name__):
            return question(snapshot, *arguments, **named)

    return asked


class Snapshot:
    """HQ's database at one moment: its answers agree with each other."""

    def __init__(self, db: Connection, log_rows: LogRows, hq: HqSource) -> None:
        self._db = db
        self._hq = hq
        self._log = LogReader(log_rows, lambda: Witnesses.of(self.registry))

    @cached_property
    def lane(self) -> HqLane:
        """The hq lane, verified: what HQ says is read here and from no row. Errors: Fatal where it does not verify."""
        return self._hq(partial(hq_rows, self._db))

    @cached_property
    def registry(self) -> Registry:
        """What the hq lane says. Errors: as of `lane`."""
        return self.lane.registry()

    @_in_words
    def centers(self) -> tuple[RegisteredCenter, ...]:
        """Return every center with its keys, by id; HQ itself is not one."""
        return centers.centers(self.lane)

    @_in_words
    def intakes(self) -> tuple[IntakeStanding, ...]:
        """Return where HQ stands with every center that a worker has read, by id."""
        return intakes.intakes(self._db)

    @_in_words
    def access(self) -> dict[str, GivenAccess]:
        """Return what each center was given to reach HQ by, of those that were given anything."""
        return access.access(self._db)

    @_in_words
    def invitations(self, now: datetime) -> tuple[InvitationStanding, ...]:
        """Return every invitation as it is at this time, the oldest first."""
        return invitations.invitations(self._db, now)

    @_in_words
    def workers(self) -> tuple[LivingWorker, ...]:
        """Return what workers said of themselves, those too that live no more."""
        return workers.workers(self._db)

    @_in_words
    def rules(self) -> int:
        """Return the number of the rules in force."""
        return self.registry.rules

    @_in_words
    def totals(self) -> Totals:
        """Return the sums over all centers."""
        return totals.totals(self._db)

    @_in_words
    def lanes(self) -> tuple[LaneStanding, ...]:
        """Return every lane that HQ has taken events of, the hq lane too, oldest first within its center."""
        return lanes.lanes(self._db)

    @_in_words
    def lane_report(self, center: str) -> LaneReport | None:
        """Return all that there is to say of a center's lanes, None where no worker has read it yet."""
        return lanes.lane_report(self._db, center)

    @_in_words
    def entity(self, stream: str, entity_id: str) -> TracedEntity | None:
        """Return one entity and the event that made it what it is, None where HQ has no such one."""
        return entities.entity(self._db, self.lane, stream, entity_id)

    @_in_words
    def entities(self, stream: str, limit: int | None, center: str | None = None) -> tuple[HeldEntity, ...]:
        """Return the first `limit` entities of a stream by id, or of one center's."""
        return tuple(entities.entities(self._db, self.lane, stream, limit, center))

    @_in_words
    def count_entities(self, stream: str, center: str | None = None) -> int:
        """Return how many entities a stream has, or one center's."""
        return entities.count_entities(self._db, self.lane, stream, center)

    @_in_words
    def quarantined(self, limit: int, center: str | None = None) -> tuple[QuarantinedRecord, ...]:
        """Return the newest records that were kept without becoming events."""
        return quarantine.quarantined(self._db, limit, center)

    @_in_words
    def unkept(self, center: str | None = None) -> tuple[Unkept, ...]:
        """Return what is over the quotas of the centers' quarantine, and was counted only."""
        return quarantine.unkept(self._db, center)

    @_in_words
    def quarantined_content(self, number: int) -> QuarantinedContent | None:
        """Return one of them with what was in it, None where there is no such one."""
        return quarantine.quarantined_content(self._db, number)

    @_in_words
    def witnesses(self) -> tuple[WitnessStanding, ...]:
        """Return how far each active center has cosigned HQ's log, by id."""
        return witnesses.witnesses(self._db, self.centers())

    @_in_words
    def strange_cosignatures(self) -> int:
        """Return how many good cosignatures stand under checkpoints that HQ's database does not have."""
        return witnesses.strange_cosignatures(self._db)

    @_in_words
    def log_standing(self) -> LogStanding:
        """Return how HQ's log stands."""
        return self._log.standing()

    @_in_words
    def leaf_of(self, origin: str, sequence: int) -> int | None:
        """Return where in HQ's log the receipt of an event is, None where it is not in it yet."""
        number = lanes.lane_number(self._db, origin)
        return None if number is None else self._log.leaf_of(number, sequence)


class Reads:
    """Opens snapshots of one database. Whoever stays keeps it, and closes it at the end; any thread may read."""

    def __init__(
        self, engine: Engine, log_rows: Callable[[Connection], LogRows], hq: HqSource = nobody_vouches
    ) -> None:
        self._engine = engine
        self._log_rows = log_rows
        self._hq = hq
        self.version = Version()  # of the tables, as they were found

    @classmethod
    def open(cls, place: Path | Server, hq: HqSource = nobody_vouches, busy_ms: int = BUSY_MS) -> Self:
        """Open a database to read it; where a SQLite file is locked, wait for `busy_ms`. `hq` verifies HQ's own lane.

        Errors: NotFound where there is none; UsageError for one of another release; Retriable, Fatal as `snapshot`.
        """
        reads = cls._at_file(place, hq, busy_ms) if isinstance(place, Path) else cls._at_server(place, hq)
        try:
            with _translated():
                location = str(getattr(place, "location", place))
                reads.version = check_usable(reads._engine, location)  # noqa: SLF001 - its own
        except BaseException:
            reads.close()
            raise
        return reads

    @classmethod
    def _at_file(cls, path: Path, hq: HqSource, busy_ms: int) -> Self:
        if not path.exists():
            raise NotFound(f"{path}: there is no hub here yet: run `hub up` or `hub init`, or name another --data-dir")
        with disk_errors(path):
            files.settle_database(path, make=False)
        return cls(_engine(path, busy_ms), lambda db: SqlLogRows(Query(str(path), _driver(db))), hq)

    @classmethod
    def _at_server(cls, server: Server, hq: HqSource) -> Self:
        from hub.store.postgres_open import engine_of  # noqa: PLC0415 - a hub in SQLite has no driver for it
        from hub.store.postgres_query import PostgresQuery  # noqa: PLC0415

        return cls(engine_of(server), lambda db: SqlLogRows(PostgresQuery.of(server.location, _driver(db))), hq)

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        """Yield the database as it is at this moment.

        Errors: Retriable while it is locked; Fatal where it is damaged, or has a row that no release of ours wrote.
        """
        with _translated(), self._engine.connect() as db, db.begin():
            yield Snapshot(db, self._log_rows(db), self._hq)

    @contextmanager
    def log(self) -> Iterator[LogReader]:
        """Yield a reader of HQ's log. It sees what is committed meanwhile, for all of it may take long to read.

        Errors: Fatal where it is damaged.
        """
        with _translated(), self._engine.connect() as db, _edited("HQ's log"):
            yield LogReader(self._log_rows(db), lambda: Witnesses.of(self._hq(partial(hq_rows, db)).registry()))

    def close(self) -> None:
        """Close every connection. Idempotent."""
        self._engine.dispose()


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except OperationalError as exc:
        # A text that Python can't decode has no code of SQLite's; sums that are too large have that of a bad question.
        if isinstance(exc.orig, sqlite3.Error) and getattr(exc.orig, "sqlite_errorcode", 1) == sqlite3.SQLITE_ERROR:
            raise Fatal(f"HQ's database does not give back what was asked for ({exc.orig}): {EDITED}") from exc
        raise Retriable(f"HQ's database can't be read at this moment: {exc.orig}") from exc
    except DBAPIError as exc:
        if not isinstance(exc.orig, sqlite3.Error):
            from hub.store.postgres_open import heard  # noqa: PLC0415 - a hub in SQLite has no driver for it

            raise heard("HQ's database can't be read", exc.orig or exc) from exc
        raise Fatal(f"this can't be read as HQ's database: {exc.orig}") from exc
    except ValidationError as exc:
        first = exc.errors()[0]
        field = ".".join(map(str, first["loc"]))
        raise Fatal(
            f"HQ's database has a {exc.title} whose {field} no release of cohub has written ({first['msg']}): {EDITED}"
        ) from exc


def _driver(db: Connection) -> Any:
    return db.connection.driver_connection


def _engine(path: Path, busy_ms: int) -> Engine:
    url = URL.create("sqlite", database=path.absolute().as_uri(), query={"mode": "ro", "uri": "true"})
    engine = create_engine(url)

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver begins no transaction before a SELECT: it is begun below
        connection.execute(f"PRAGMA busy_timeout={busy_ms}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    return engine
