"""A consistent copy of a hub's database, made while the hub runs, and what a copy holds.

The port of `hub backup`: whatever the engine, a copy is one SQLite file with all tables as of one moment, and of the
schema of this release. On SQLite it is made page by page, from a connection of its own that holds one snapshot: a
worker commits meanwhile as ever, and what it commits is not in the copy. Of a database at a server a mirror is made
(docs/adr/0015), and a restore fills one there. What is true if the process dies: the copy is not whole, and nobody has
been told that it is.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from hub.base import files
from hub.protocol.errors import Conflict, Fatal, NotFound, Retriable, UsageError
from hub.protocol.moment import from_us, to_us
from hub.store.postgres_server import Server
from hub.store.sqlite_open import open_database
from hub.store.sqlite_query import BUSY_MS
from hub.store.version import HEAD

PAGES_A_STEP: Final = 2_048  # 16 MiB: between two steps others have the processor, and progress is told
PAUSE_S: Final = 0.002
CHECK_CACHE_KIB: Final = 256 << 10
_IN_USE: Final = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)

Tell = Callable[[int, int], None]  # pages or rows that are copied, and all; 0: nobody knows how many


def _nobody(_done: int, _total: int) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class CopyFacts:
    """What a copy holds: its schema's revision, events with a verdict, receipts, the size of HQ's log and its moment.

    Shapes: `segments` are the places in the archive that hold the bytes of older events, which are in no copy.
    Units:  `recorded_at` is the newest time that HQ had recorded anything at, in UTC; None in an empty hub.
    """

    revision: str
    events: int
    receipts: int
    log_size: int
    recorded_at: datetime | None
    segments: tuple[str, ...]


def copy_of(place: Path | Server, target: Path, tell: Tell = _nobody) -> None:
    """Copy a hub's database, wherever it is, as `copy_database` does. Of a server's, rows are told in place of pages.

    Errors: as of `copy_database`; Retriable while the server is away.
    """
    if isinstance(place, Path):
        copy_database(place, target, tell)
        return
    from hub.store.copying import mirror  # noqa: PLC0415 - a hub in SQLite has no driver for it

    done: dict[str, int] = {}

    def told(table: str, rows: int) -> None:
        done[table] = rows
        tell(sum(done.values()), 0)

    asyncio.run(mirror(place, target, told, mark=0))  # a backup is no mirror, nor is what is restored


def note_restored(copy: Path, made_at: datetime) -> None:
    """Note in a copy that it is put back, from a backup of then: whoever opens it knows that HQ has to hear itself.

    A copy that an older release made is brought up to date. Errors: Fatal.
    """
    try:
        with closing(open_database(copy)) as db:
            db.execute("BEGIN")
            db.execute("DELETE FROM restored")
            db.execute("INSERT INTO restored(made_at_us) VALUES (?)", (to_us(made_at),))
            db.execute("COMMIT")
    except sqlite3.Error as exc:
        raise Fatal(f"{copy}: can't be written: {exc}") from exc


def put_at(server: Server, copy: Path) -> None:
    """Fill a database at a server, which has no row yet, with what a copy holds: all of it, or nothing.

    One that has the very rows of the copy was filled by a restore that broke off behind that, and is left as it is.
    Errors: Conflict where there are others; Retriable while the server is away; Fatal.
    """
    from hub.store.copying import HasRows, fill, postgres_proofs, sqlite_proofs  # noqa: PLC0415 - it has a driver
    from hub.store.postgres_open import bring_up_to_date  # noqa: PLC0415

    bring_up_to_date(server).refuse_others(server.location)
    try:
        asyncio.run(fill(copy, server))
    except HasRows as exc:
        if asyncio.run(postgres_proofs(server)) != sqlite_proofs(copy):
            raise Conflict(
                f"{server.location} has rows in {exc.table} already, and not just those of this backup: name a "
                "database without any. If a restore that broke off has filled it: stop what uses it, drop it, make it "
                "again, and run the same command again"
            ) from exc


def copy_database(source: Path, target: Path, tell: Tell = _nobody) -> None:
    """Copy a hub's SQLite file as it is at this moment to `target`, which is not there yet; return when it is written.

    Errors: NotFound where there is no database; Retriable where another program has it locked; Fatal where it can't be
    read, or the disk refuses.
    """
    if not files.is_file(source):
        raise NotFound(f"{source}: there is no database of a hub here; name its data directory: --data-dir")
    files.creating(target, files.PRIVATE).close()
    try:
        with (
            closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_MS / 1000)) as ours,
            closing(sqlite3.connect(target, isolation_level=None)) as copy,
        ):
            ours.isolation_level = None
            copy.execute("PRAGMA synchronous=OFF")  # the file as a whole is brought to the disk afterwards
            # The snapshot is held from here on. Without it each commit of a worker would have the copy begun anew.
            ours.execute("BEGIN")
            ours.execute("SELECT count(*) FROM sqlite_master").fetchone()
            ours.backup(
                copy, pages=PAGES_A_STEP, progress=lambda _, left, total: tell(total - left, total), sleep=PAUSE_S
            )
    except sqlite3.Error as exc:
        if getattr(exc, "sqlite_errorcode", None) in _IN_USE:
            raise Retriable(f"{source}: another program has it locked just now: try again") from exc
        raise Fatal(f"{source} can't be copied to {target}: {exc}") from exc


def check_copy(path: Path) -> CopyFacts:
    """Return what a copy holds, once all of its pages and indexes were found whole. Errors: UsageError, with why."""
    try:
        with closing(_reading(path)) as db:
            db.execute(f"PRAGMA cache_size=-{CHECK_CACHE_KIB}")  # indexes are walked in another order than their rows
            found = [text for (text,) in db.execute("PRAGMA integrity_check(3)")]
            if found != ["ok"]:
                raise UsageError(f"{path}: the copy of the database is damaged: {'; '.join(map(str, found))[:300]}")
            return _facts(db)
    except (sqlite3.Error, ValueError, TypeError, OverflowError) as exc:
        raise UsageError(f"{path}: the copy of the database can't be read: {exc}") from exc


def check_revision(facts: CopyFacts) -> None:
    """Return if this release can open a copy. Errors: UsageError where a later one wrote it."""
    if not facts.revision.isdecimal() or facts.revision > HEAD:
        raise UsageError(
            f"the database in the backup is at revision {facts.revision}, and this release knows up to {HEAD}: restore "
            "it by the release that the hub's workers had when it was made, or a later one"
        )


def _reading(path: Path) -> sqlite3.Connection:
    # Nobody writes a copy: nothing is made beside it.
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True, isolation_level=None)


def _facts(db: sqlite3.Connection) -> CopyFacts:
    def one(sql: str) -> int:
        return int(db.execute(sql).fetchone()[0] or 0)

    recorded_us = one("SELECT max(recorded_at_us) FROM lane")
    places = db.execute("SELECT DISTINCT CAST(location AS TEXT) FROM segment ORDER BY 1").fetchall()
    (revision,) = db.execute("SELECT CAST(version_num AS TEXT) FROM alembic_version").fetchone()
    return CopyFacts(
        revision,
        one("SELECT sum(size) FROM lane"),
        one("SELECT count(*) FROM receipt"),
        one("SELECT max(size) FROM checkpoint"),
        from_us(recorded_us) if recorded_us else None,
        tuple(place for (place,) in places),
    )
