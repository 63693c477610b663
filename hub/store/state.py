"""A second state: what the accepted events of one center fold to, in a SQLite file of its own (docs/adr/0014).

It holds nothing that the ledger does not give again. What is written stands in one transaction from `commit` to
`commit`: after a kill the file has the state of the last one, whole, and a rebuild goes on from there.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, NamedTuple

from hub.base import files
from hub.base.durable import disk_errors
from hub.ledger.step import EntityKey, KnownEntity
from hub.protocol.errors import Fatal, Malformed
from hub.store.rows import UNREADABLE, entity_row, known_of

# StoredEntity's columns in their order; a place's lane is its origin, for the file has no table of lanes.
_ENTITY: Final = (
    "stream, id, center, status, version, document, digest, origin, sequence, record_origin, record_sequence,"
    " changed_by, recorded_at_us"
)
# A file that release 0.2 began has bytes where the text of a document stands.
_KNOWN: Final = f"SELECT {_ENTITY.replace('document', 'CAST(document AS TEXT)')} FROM entity"  # noqa: S608
_TABLES: Final = f"""
CREATE TABLE IF NOT EXISTS entity({_ENTITY}, PRIMARY KEY(stream, id));
CREATE TABLE IF NOT EXISTS place(
    lane_id INTEGER PRIMARY KEY, origin TEXT NOT NULL, size INTEGER NOT NULL, state_digest BLOB NOT NULL,
    recorded_at_us INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS count(accepted INTEGER NOT NULL, checkpoints INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS measure(
    origin TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY(origin, key)
);
CREATE TABLE IF NOT EXISTS difference(
    number INTEGER PRIMARY KEY, what TEXT, tab TEXT, lane TEXT, first INTEGER, last INTEGER, detail TEXT
);
"""


class FoldedLane(NamedTuple):
    """How far a lane is folded, and what it folds to."""

    lane_id: int
    origin: str
    size: int
    state_digest: bytes
    recorded_at_us: int


class StoredFinding(NamedTuple):
    """What was found on the way: a finding's name, table, lane, first and last event, and detail."""

    what: str
    table: str
    lane: str
    first: int | None
    last: int | None
    detail: str


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a fold is: its places, what it counted and measured, what it found."""

    places: Sequence[FoldedLane] = ()
    accepted: int = 0
    state_digests: int = 0  # of receipts, each compared; the column has the name that release 0.2 gave it
    measures: Mapping[tuple[str, str], Decimal] = field(default_factory=dict)  # by lane origin and measure key
    differences: Sequence[StoredFinding] = ()


def _same(origin: str) -> str:
    return origin


class SecondState:
    """The state in one file. Errors: Fatal, of every method, where the file can't be read or written."""

    def __init__(self, name: str, db: sqlite3.Connection) -> None:
        self._name = name
        self._db = db
        with self._translated():
            db.executescript(_TABLES)
            db.execute("BEGIN")

    def close(self) -> None:
        """Close the file; what was not committed is not there any more."""
        self._db.close()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as exc:
            raise self._failed(exc) from exc

    def _failed(self, exc: Exception) -> Fatal:
        return Fatal(f"{self._name}: the second state can't be read or written: {exc}")

    def commit(self) -> None:
        """Write for good what was put and saved. If we are killed before it ends, the state before it stands."""
        with self._translated():
            self._db.execute("COMMIT")
            self._db.execute("BEGIN")

    # -- entities ---------------------------------------------------------------------------------------------------

    @property
    def is_empty(self) -> bool:
        """Whether it has no entity."""
        return self._one("SELECT 1 FROM entity LIMIT 1") is None

    def get(self, key: EntityKey) -> KnownEntity | None:
        """Return an entity, None where there is none."""
        row = self._one(f"{_KNOWN} WHERE stream = ? AND id = ?", key)
        return None if row is None else self._known(row)

    def put(self, entities: Iterable[KnownEntity]) -> None:
        """Write these entities over what there is of them."""
        rows = [entity_row(known, _same) for known in entities]
        marks = ", ".join("?" * len(_ENTITY.split(",")))
        with self._translated():
            self._db.executemany(f"INSERT OR REPLACE INTO entity({_ENTITY}) VALUES ({marks})", rows)  # noqa: S608

    def count(self) -> int:
        """Return how many entities there are."""
        row = self._one("SELECT count(*) FROM entity")
        return 0 if row is None else int(row[0])

    def keys(self) -> Iterator[EntityKey]:
        """Yield stream and id of every entity, in their order."""
        return self._each("SELECT stream, id FROM entity ORDER BY stream, id", lambda row: (row[0], row[1]))

    def all(self) -> Iterator[KnownEntity]:
        """Yield every entity by stream and id."""
        return self._each(f"{_KNOWN} ORDER BY stream, id", self._known)

    def _known(self, row: tuple[Any, ...]) -> KnownEntity:
        try:
            return known_of(row, _same)
        except (*UNREADABLE, Malformed) as exc:
            raise self._failed(exc) from exc

    # -- how far the fold is ----------------------------------------------------------------------------------------

    def folded(self) -> int:
        """Return how many events are folded."""
        row = self._one("SELECT coalesce(sum(size), 0) FROM place")
        return 0 if row is None else int(row[0])

    def load(self) -> Progress:
        """Return what was saved last, nothing where nothing was."""
        accepted, state_digests = self._one("SELECT accepted, checkpoints FROM count") or (0, 0)
        measures = self._each("SELECT origin, key, value FROM measure", lambda row: ((row[0], row[1]), Decimal(row[2])))
        differences = "SELECT what, tab, lane, first, last, detail FROM difference ORDER BY number"
        return Progress(
            list(self._each("SELECT * FROM place", FoldedLane._make)),
            accepted,
            state_digests,
            dict(measures),
            list(self._each(differences, StoredFinding._make)),
        )

    def save(self, progress: Progress) -> None:
        """Put `progress` in the place of what was saved before."""
        db = self._db
        with self._translated():
            db.executemany("INSERT OR REPLACE INTO place VALUES (?, ?, ?, ?, ?)", progress.places)
            db.executemany(
                "INSERT OR REPLACE INTO measure VALUES (?, ?, ?)",
                [(origin, key, format(value, "f")) for (origin, key), value in progress.measures.items()],
            )
            db.execute("DELETE FROM count")
            db.execute("INSERT INTO count VALUES (?, ?)", (progress.accepted, progress.state_digests))
            db.execute("DELETE FROM difference")
            db.executemany(
                "INSERT INTO difference(what, tab, lane, first, last, detail) VALUES (?, ?, ?, ?, ?, ?)",
                progress.differences,
            )

    def _one(self, sql: str, values: Sequence[object] = ()) -> tuple[Any, ...] | None:
        try:  # not `_translated`: this is asked for every entity that is not in memory
            found: tuple[Any, ...] | None = self._db.execute(sql, values).fetchone()
        except sqlite3.Error as exc:
            raise self._failed(exc) from exc
        return found

    def _each(self, sql: str, make: Callable[[tuple[Any, ...]], Any]) -> Iterator[Any]:
        with self._translated():
            for row in self._db.execute(sql):
                yield make(row)


def open_state(path: Path | None = None, *, is_kept: bool = False) -> SecondState:
    """Return the second state in the file at `path`, made if there is none; without a path, one in memory.

    Shapes: `is_kept` is one that must outlive a power cut; any other is synced to no disk.
    Errors: Fatal, where the file can't be opened.
    """
    name = "memory" if path is None else str(path)
    if path is not None:
        with disk_errors(path):
            files.settle_database(path)
    try:
        db = sqlite3.connect(":memory:" if path is None else path, isolation_level=None, cached_statements=64)
        db.execute("PRAGMA journal_mode=WAL")
        db.execute(f"PRAGMA synchronous={'NORMAL' if is_kept else 'OFF'}")
        db.execute("PRAGMA cache_size=-8000")
    except sqlite3.Error as exc:
        raise Fatal(f"{name}: the second state can't be opened: {exc}") from exc
    return SecondState(name, db)
