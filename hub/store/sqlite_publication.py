"""What is still to be published, and how far the publisher is, in SQLite."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import replace
from sqlite3 import Connection

from hub.domain.catalogue import KINDS
from hub.ledger.derived import Partition, Reach
from hub.ledger.publication import Event, Publication
from hub.ledger.step import KnownEntity
from hub.protocol.record import split_canonical
from hub.protocol.verdict import Code
from hub.store.released import record_value
from hub.store.sqlite_database import SqliteDatabase
from hub.store.sqlite_entities import SqliteEntities

_CURSORS = (
    "SELECT l.origin, coalesce(p.upto, 0), l.size FROM lane l LEFT JOIN published p ON p.lane_id = l.id"
    " WHERE l.center IN (SELECT value FROM json_each(?))"
)


class SqlitePublication:
    """Reads publications, and keeps the publisher's cursors."""

    def __init__(self, database: SqliteDatabase, entities: SqliteEntities) -> None:
        self._database = database
        self._entities = entities

    def unpublished(self, centers: Collection[str]) -> list[tuple[str, int, int]]:
        """See Store."""
        query = f"{_CURSORS} AND coalesce(p.upto, 0) < l.size ORDER BY l.id"
        return self._database.connection.execute(query, (json.dumps(list(centers)),)).fetchall()

    def cursors(self, centers: Collection[str]) -> list[tuple[str, int]]:
        """See Store."""
        rows = self._database.connection.execute(_CURSORS, (json.dumps(list(centers)),))
        return [(origin, published) for origin, published, _ in rows]

    def set_published(self, cursors: Mapping[str, int], reach: Mapping[Partition, Reach]) -> None:
        """See Store."""
        # In the order of the lanes' numbers, as the notary does: two writers of many rows never wait for each other.
        rows = sorted((self._database.lane_id(origin), last) for origin, last in cursors.items())
        with self._database.writing() as db:
            db.executemany(
                "INSERT INTO published(lane_id, upto) VALUES (?, ?)"
                " ON CONFLICT(lane_id) DO UPDATE SET upto = excluded.upto WHERE published.upto < excluded.upto",
                rows,
            )
            write_reach(db, reach)

    def publication(self, origin: str, after: int, limit: int) -> Publication | None:
        """See Store."""
        db, lane_id = self._database.connection, self._database.lane_id(origin)
        receipts, last = [], after
        for note, end in db.execute(
            "SELECT note, last FROM receipt WHERE lane_id = ? AND last > ? ORDER BY last",
            (lane_id, after),
        ):
            receipts.append(bytes(note))
            last = end
            if last - after >= limit:
                break
        if not receipts:
            return None
        rows = db.execute(
            "SELECT sequence, subject, data, type FROM ledger"
            " WHERE lane_id = ? AND sequence > ? AND sequence <= ? AND code = ? ORDER BY sequence",
            (lane_id, after, last, Code.ACCEPTED),
        )
        events, touched = [], set()
        for sequence, subject, data, kind in rows:
            headers, value = split_canonical(data)
            events.append(Event(sequence, subject.encode(), headers, value))
            touched.add((KINDS[kind].stream, subject))
        # The state as it is now, perhaps newer than `last`: readers keep the highest version.
        entities = [self.with_value(known) for known in self._entities.find(touched).values()]
        return Publication(origin, origin.split("/")[-2], after + 1, last, receipts, events, entities)

    def with_value(self, known: KnownEntity) -> KnownEntity:
        """Return an entity with the framed value that its record came with."""
        row = self._database.connection.execute(
            "SELECT data FROM ledger WHERE lane_id = ? AND sequence = ?",
            (self._database.lane_id(known.record_origin), known.record_sequence),
        ).fetchone()
        # What was archived is encoded again: a worker must not wait for an archive.
        return replace(known, value=split_canonical(row[0])[1] if row[0] else record_value(known.entity))


def write_reach(db: Connection, reaches: Mapping[Partition, Reach]) -> None:
    """Note how far partitions reach, inside the caller's transaction `db`; the first offset that was noted stays."""
    db.executemany(
        "INSERT INTO said(topic, partition, first_offset, next_offset, upto) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT(topic, partition) DO UPDATE SET next_offset = max(next_offset, excluded.next_offset),"
        " upto = max(upto, excluded.upto)",
        [(*at, reach.first, reach.next, reach.upto) for at, reach in sorted(reaches.items())],
    )
