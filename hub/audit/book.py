"""The entities of one center while its lanes are folded: the newest in memory, the rest in a file.

The file is a second state: the same entities as HQ's table, in a database of its own. It holds nothing that the
ledger does not give again, so nothing is synced to disk but where a rebuild wants to resume.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Literal, TypeVar, overload

from hub.domain.entity import Entity
from hub.domain.state import micros
from hub.ledger.step import EntityKey, Known
from hub.store.sqlite_database import from_us

KEPT: Final = 16_000  # entities in memory, some 3 KB each; half of them make room at once
_ROW: Final = (
    "stream, id, center, status, version, document, digest, origin, sequence, record_origin, record_sequence,"
    " changed_by, recorded_at_us"
)
TABLES: Final = f"""
CREATE TABLE IF NOT EXISTS entity({_ROW}, PRIMARY KEY(stream, id));
"""


def open_state(path: Path | Literal[":memory:"], *, is_kept: bool = False) -> sqlite3.Connection:
    """Return a connection to a second state, made if there is none; `is_kept` is one that must outlive a power cut."""
    db = sqlite3.connect(path, isolation_level=None, cached_statements=64)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute(f"PRAGMA synchronous={'NORMAL' if is_kept else 'OFF'}")
    db.execute("PRAGMA cache_size=-8000")
    db.executescript(TABLES)
    return db


_MANY: Final = f"SELECT {_ROW} FROM entity WHERE stream = ? AND id IN (SELECT value FROM json_each(?))"  # noqa: S608
T = TypeVar("T")


class EntityBook(Mapping[EntityKey, Known]):
    """Every entity that was folded. `get` finds it; `update` takes what one receipt changed.

    What goes to the file stands in one transaction from `commit` to `commit`: after a kill the file has the state of
    the last one, whole.
    """

    def __init__(self, state: sqlite3.Connection, kept: int = KEPT) -> None:
        self._db = state
        self._half = max(1, kept // 2)
        self._young: dict[EntityKey, Known] = {}
        self._old: dict[EntityKey, Known] = {}
        self._changed: set[EntityKey] = set()  # in memory, and not so in the file
        self._filed = bool(state.execute("SELECT 1 FROM entity LIMIT 1").fetchone())
        state.execute("BEGIN")

    def __getitem__(self, key: EntityKey) -> Known:
        found = self.get(key)
        if found is None:
            raise KeyError(key)
        return found

    @overload
    def get(self, key: EntityKey, default: None = None, /) -> Known | None: ...
    @overload
    def get(self, key: EntityKey, default: Known, /) -> Known: ...
    @overload
    def get(self, key: EntityKey, default: T, /) -> Known | T: ...
    def get(self, key: EntityKey, default: Any = None, /) -> Any:
        """Return an entity, `default` where there is none. Asked for nearly every event."""
        found = self._young.get(key)
        if found is not None:
            return found
        found = self._old.pop(key, None)
        if found is None:
            found = self._read(key) if self._filed else None
            if found is None:
                return default
        self._young[key] = found
        return found

    def prefetch(self, keys: Iterable[EntityKey]) -> None:
        """Read those entities from the file that are not in memory, many at once."""
        if not self._filed:
            return
        young, old = self._young, self._old
        wanted: dict[str, list[str]] = {}
        for key in keys:
            if key not in young and key not in old:
                wanted.setdefault(key[0], []).append(key[1])
        for stream, ids in wanted.items():
            for row in self._db.execute(_MANY, (stream, json.dumps(ids))):
                young[stream, row[1]] = _known(row)

    def __len__(self) -> int:
        self.flush()
        return int(self._db.execute("SELECT count(*) FROM entity").fetchone()[0])

    def __iter__(self) -> Iterator[EntityKey]:
        self.flush()
        yield from self._db.execute("SELECT stream, id FROM entity ORDER BY stream, id")

    def update(self, changed: Mapping[EntityKey, Known]) -> None:
        """Take the entities that changed; what was not asked for in a long time goes to the file."""
        young, old = self._young, self._old
        for key, known in changed.items():
            young[key] = known
            if old:
                old.pop(key, None)
        self._changed.update(changed)
        if len(young) > self._half:
            self._write(old)
            self._old, self._young = young, {}

    def flush(self) -> None:
        """Write all that changed to the file."""
        self._write(self._old)
        self._write(self._young)

    def commit(self) -> None:
        """Write all that changed, and what the caller wrote beside it, for good."""
        self.flush()
        self._db.execute("COMMIT")
        self._db.execute("BEGIN")

    def all(self) -> Iterator[Known]:
        """Yield every entity: those that were never filed as they came, others by stream and id."""
        if not self._filed:
            yield from self._old.values()
            yield from self._young.values()
            return
        self.flush()
        for row in self._db.execute(f"SELECT {_ROW} FROM entity ORDER BY stream, id"):  # noqa: S608
            yield _known(row)

    def _write(self, entities: Mapping[EntityKey, Known]) -> None:
        changed = self._changed
        rows = [_row(known) for key, known in entities.items() if key in changed]
        if not rows:
            return
        marks = ", ".join("?" * len(rows[0]))
        self._db.executemany(f"INSERT OR REPLACE INTO entity({_ROW}) VALUES ({marks})", rows)  # noqa: S608
        changed.difference_update(entities)
        self._filed = True

    def _read(self, key: EntityKey) -> Known | None:
        row = self._db.execute(f"SELECT {_ROW} FROM entity WHERE stream = ? AND id = ?", key).fetchone()  # noqa: S608
        return None if row is None else _known(row)


def _row(known: Known) -> tuple[object, ...]:
    entity = known.entity
    return (
        entity.stream,
        entity.id,
        entity.center,
        entity.status,
        entity.version,
        known.document,
        known.digest,
        known.origin,
        known.sequence,
        known.record_origin,
        known.record_sequence,
        known.changed_by,
        micros(known.recorded_at),
    )


def _known(row: Iterable[object]) -> Known:
    stream, id_, center, status, version, document, digest, origin, sequence, source, at, changed_by, us = row
    return Known(
        Entity.unread(stream, id_, center, status, version, document),  # type: ignore[arg-type] # our own file
        document,  # type: ignore[arg-type]
        digest,  # type: ignore[arg-type]
        origin,  # type: ignore[arg-type]
        sequence,  # type: ignore[arg-type]
        changed_by,  # type: ignore[arg-type]
        from_us(us),  # type: ignore[arg-type]
        source,  # type: ignore[arg-type]
        at,  # type: ignore[arg-type]
    )
