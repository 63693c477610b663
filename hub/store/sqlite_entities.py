"""Entities as rows of SQLite: written with their commit, read for the next one."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection

from hub.domain.entity import Entity
from hub.domain.state import micros
from hub.ledger.step import EntityKey, Known
from hub.store.sqlite_database import SqliteDatabase, from_us


class SqliteEntities:
    """Reads and writes entities."""

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database

    def find(self, keys: Collection[EntityKey]) -> dict[EntityKey, Known]:
        """Return those of `keys` that HQ knows."""
        by_stream: dict[str, list[str]] = {}
        for stream, entity_id in keys:
            by_stream.setdefault(stream, []).append(entity_id)
        return {
            (stream, known.entity.id): known for stream, ids in by_stream.items() for known in self._known(stream, ids)
        }

    def _known(self, stream: str, ids: list[str]) -> list[Known]:
        rows = self._database.connection.execute(
            "SELECT id, center, status, version, document, digest, lane_id, sequence, changed_by, recorded_at_us,"
            " record_lane_id, record_sequence FROM entity WHERE stream = ? AND id IN (SELECT value FROM json_each(?))",
            (stream, json.dumps(ids)),
        ).fetchall()
        return [
            Known(
                Entity.unread(stream, entity_id, center, status, version, document),
                document.encode(),
                digest,
                self._database.origin(lane_id),
                sequence,
                changed_by,
                from_us(recorded_at_us),
                self._database.origin(record_lane_id),
                record_sequence,
            )
            for (
                entity_id,
                center,
                status,
                version,
                document,
                digest,
                lane_id,
                sequence,
                changed_by,
                recorded_at_us,
                record_lane_id,
                record_sequence,
            ) in rows
        ]

    def write(self, db: sqlite3.Connection, entities: Collection[Known]) -> None:
        """Write entities as they are now, inside the caller's transaction `db`."""
        recorded_at_us = {moment: micros(moment) for moment in {k.recorded_at for k in entities}}  # one or two
        db.executemany(
            "INSERT INTO entity(stream, id, center, status, version, document, digest, lane_id, sequence,"
            " record_lane_id, record_sequence, changed_by, recorded_at_us)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT(stream, id) DO UPDATE SET status = excluded.status, version = excluded.version,"
            " document = excluded.document, digest = excluded.digest, lane_id = excluded.lane_id,"
            " sequence = excluded.sequence, record_lane_id = excluded.record_lane_id,"
            " record_sequence = excluded.record_sequence, changed_by = excluded.changed_by,"
            " recorded_at_us = excluded.recorded_at_us",
            [
                (
                    k.entity.stream,
                    k.entity.id,
                    k.entity.center,
                    k.entity.status,
                    k.entity.version,
                    k.document.decode(),
                    k.digest,
                    self._database.lane_id(k.origin),
                    k.sequence,
                    self._database.lane_id(k.record_origin),
                    k.record_sequence,
                    k.changed_by,
                    recorded_at_us[k.recorded_at],
                )
                for k in entities
            ],
        )
