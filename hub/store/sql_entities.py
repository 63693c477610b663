"""Entities as rows: written with their commit, read for the next one."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Final

from hub.ledger.step import EntityKey, KnownEntity
from hub.store.database import Connection, Database, reading
from hub.store.rows import StoredEntity, columns, entity_row, known_of

CHANGED: Final = "ON CONFLICT(stream, id) DO UPDATE SET " + ", ".join(
    f"{name} = excluded.{name}" for name in StoredEntity._fields if name not in {"stream", "id", "center"}
)


class SqlEntities:
    """Reads and writes entities."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._insert = database.insert("entity", StoredEntity._fields, CHANGED)

    def find(self, keys: Collection[EntityKey], upto: tuple[int, int] = (0, 0)) -> dict[EntityKey, KnownEntity]:
        """Return those of `keys` that HQ knows. Errors: Damaged.

        Shapes: with a lane's number and a sequence, those are left out that a later event of this lane has changed.
        """
        by_stream: dict[str, list[str]] = {}
        for stream, entity_id in keys:
            by_stream.setdefault(stream, []).append(entity_id)
        with reading(self._database.location, "entities"):
            return {
                (stream, known.entity.id): known
                for stream, ids in by_stream.items()
                for known in self._known(stream, ids, upto)
            }

    def _known(self, stream: str, ids: list[str], upto: tuple[int, int]) -> list[KnownEntity]:
        rows = self._database.connection.execute(
            f"SELECT {columns(StoredEntity)} FROM entity"  # noqa: S608
            " WHERE stream = ? AND id IN (SELECT value FROM json_each(?)) AND NOT (lane_id = ? AND sequence > ?"
            " AND sequence <= (SELECT size FROM lane WHERE id = ?))",  # what is no place in it is found, and refused
            (stream, json.dumps(ids), *upto, upto[0]),
        ).fetchall()
        return [known_of(row, self._database.origin) for row in rows]

    def write(self, db: Connection, entities: Collection[KnownEntity]) -> None:
        """Write entities as they are now, inside the caller's transaction `db`."""
        self._insert.write(db, [entity_row(known, self._database.lane_id, self._database.bound) for known in entities])
