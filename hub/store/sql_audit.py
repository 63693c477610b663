"""An AuditReader of a SQLite file: no text need be UTF-8, no column of its type, no page whole."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Final

from hub.store.audit_reader import (
    CheckpointRow,
    CosignatureRow,
    Cursor,
    EvidenceRow,
    LeafRow,
    MeasureRow,
    Numbered,
    QuarantinedRow,
    Stray,
    TileRow,
    Unread,
)
from hub.store.reader import Unreadable
from hub.store.rows import StoredEntity, StoredEvent, StoredLane, StoredReceipt, StoredSegment, columns, made
from hub.store.sqlite_query import READ_AHEAD, Query, Row

TILES_AHEAD: Final = 32  # tiles of a level that are read at once, 8 KiB each
NOTES_AHEAD: Final = 64  # checkpoints that are read at once: an ML-DSA-44 signature line has 3 KB
RECORDS_AHEAD: Final = 32  # quarantined records that are read at once: each may be as large as a record can be

LANES: Final = f"SELECT {columns(StoredLane)} FROM lane ORDER BY id"  # noqa: S608
_NUMBER: Final[dict[Numbered, str]] = {"ledger": "sequence", "receipt": "last"}
_EVENTS: Final = (
    f"SELECT {columns(StoredEvent)} FROM ledger"  # noqa: S608
    " WHERE lane_id = ? AND sequence BETWEEN ? AND ? ORDER BY sequence"
)
_RECEIPTS: Final = (
    f"SELECT {columns(StoredReceipt)} FROM receipt WHERE lane_id = ? AND last BETWEEN ? AND ? ORDER BY last"  # noqa: S608
)
_ENTITIES: Final = (
    f"SELECT {columns(StoredEntity)} FROM entity"  # noqa: S608
    " WHERE stream = ? AND id IN (SELECT value FROM json_each(?))"
)
_LEAVES: Final = (
    "SELECT leaf_index, log_leaf.lane_id, log_leaf.last, hash, CAST(note AS BLOB)"
    " FROM log_leaf LEFT JOIN receipt ON receipt.lane_id = log_leaf.lane_id AND receipt.last = log_leaf.last"
    " WHERE leaf_index > ? UNION ALL SELECT leaf_index, NULL, NULL, hash, NULL FROM log_lost WHERE leaf_index > ?"
    " ORDER BY leaf_index LIMIT ?"
)
_UNLOGGED: Final = (
    "SELECT first, last FROM receipt r WHERE lane_id = ? AND last <= ? AND NOT EXISTS"
    " (SELECT 1 FROM log_leaf f WHERE f.lane_id = r.lane_id AND f.last = r.last) ORDER BY last"
)


class SqlAudit:
    """The tables as they are, through an open connection."""

    def __init__(self, query: Query) -> None:
        self._query = query

    # -- lanes and what belongs to them -----------------------------------------------------------------------------

    def lanes(self) -> list[StoredLane]:
        """See AuditReader."""
        return made(StoredLane, self._query.lenient(LANES))

    def origin(self, lane_id: int) -> str | None:
        """See AuditReader."""
        found = self._query.lenient("SELECT origin FROM lane WHERE id = ?", (lane_id,))
        return found[0][0] if found else None

    def end(self, table: Numbered, lane_id: int) -> int | None:
        """See AuditReader."""
        number = _NUMBER[table]
        sql = f"SELECT max({number}) FROM {table} WHERE lane_id = ? AND typeof({number}) = 'integer'"  # noqa: S608
        found: int | None = self._query.lenient(sql, (lane_id,))[0][0]
        return found

    def count_events(self, lane_id: int) -> int:
        """See AuditReader."""
        return int(self._query.lenient("SELECT count(*) FROM ledger WHERE lane_id = ?", (lane_id,))[0][0])

    def receipt_notes(self, lane_id: int, limit: int) -> list[bytes]:
        """See AuditReader."""
        sql = "SELECT CAST(note AS BLOB) FROM receipt WHERE lane_id = ? ORDER BY last LIMIT ?"
        return [note for (note,) in self._query.lenient(sql, (lane_id, limit))]

    def events(self, lane_id: int, first: int, last: int) -> list[StoredEvent]:
        """See AuditReader."""
        return made(StoredEvent, self._query.lenient(_EVENTS, (lane_id, first, last)))

    def receipts(self, lane_id: int, first: int, last: int) -> list[StoredReceipt]:
        """See AuditReader."""
        return made(StoredReceipt, self._query.lenient(_RECEIPTS, (lane_id, first, last)))

    def walk_receipts(self, lane_id: int, after: int, upto: int, unread: Unread) -> Iterator[StoredReceipt]:
        """See AuditReader."""
        where, values = "lane_id = ? AND last > ? AND last <= ?", (lane_id, after, upto)
        rows = self._query.walk("receipt", columns(StoredReceipt), ("lane_id", "last"), unread, where, values)
        return map(StoredReceipt._make, rows)

    def segment_end(self, lane_id: int, sequence: int) -> int | None:
        """See AuditReader."""
        sql = "SELECT last FROM segment WHERE lane_id = ? AND last >= ? ORDER BY last LIMIT 1"
        found = self._query.lenient(sql, (lane_id, sequence))
        return found[0][0] if found else None

    def walk_segments(self, unread: Unread) -> Iterator[StoredSegment]:
        """See AuditReader. SQLite numbers rows as they come."""
        return map(StoredSegment._make, self._query.walk("segment", columns(StoredSegment), ("rowid",), unread))

    # -- what follows from the ledger -------------------------------------------------------------------------------

    def entities(self, stream: str, ids: Sequence[str]) -> list[StoredEntity]:
        """See AuditReader."""
        return made(StoredEntity, self._query.lenient(_ENTITIES, (stream, json.dumps(ids))))

    def count_entities(self, center: str) -> int:
        """See AuditReader."""
        return int(self._query.lenient("SELECT count(*) FROM entity WHERE center = ?", (center,))[0][0])

    def walk_entity_keys(self, center: str, unread: Unread) -> Iterator[tuple[str, str]]:
        """See AuditReader."""
        rows = self._query.walk("entity", "stream, id", ("stream", "id"), unread, "center = ?", (center,))
        return ((stream, entity_id) for stream, entity_id in rows)

    def walk_measures(self, lane_id: int, unread: Unread) -> Iterator[MeasureRow]:
        """See AuditReader."""
        keys = ("lane_id", "key")
        rows = self._query.walk("measure", columns(MeasureRow), keys, unread, "lane_id = ?", (lane_id,))
        return map(MeasureRow._make, rows)

    # -- HQ's log ---------------------------------------------------------------------------------------------------

    def walk_leaves(self, unread: Unread) -> Iterator[LeafRow]:
        """See AuditReader."""
        done = -1
        try:
            while True:
                rows = self._query.lenient(_LEAVES, (done, done, READ_AHEAD))
                yield from map(LeafRow._make, rows)
                if len(rows) < READ_AHEAD:
                    return
                done = rows[-1][0]
        except Unreadable:
            pass
        names = "leaf_index, lane_id, last, hash"
        for index, lane_id, last, digest in self._query.walk(
            "log_leaf", names, ("leaf_index",), unread, "leaf_index > ?", (done,)
        ):
            yield LeafRow(index, lane_id, last, digest, self._note(lane_id, last))

    def _note(self, lane_id: int, last: int) -> bytes | None:
        try:
            sql = "SELECT CAST(note AS BLOB) FROM receipt WHERE lane_id = ? AND last = ?"
            found = self._query.lenient(sql, (lane_id, last))
        except Unreadable:
            return b""
        return found[0][0] if found else None

    def walk_tiles(self, level: int, unread: Unread) -> Iterator[TileRow]:
        """See AuditReader."""
        rows = self._query.walk(
            "log_tile", "level, tile_index, hashes", ("level", "tile_index"), unread, "level = ?", (level,),
            ahead=TILES_AHEAD,
        )  # fmt: skip
        return map(TileRow._make, rows)

    def tiles_beyond(self, levels: int) -> list[tuple[int, int]]:
        """See AuditReader."""
        sql = "SELECT level, tile_index FROM log_tile WHERE typeof(level) <> 'integer' OR level < 0 OR level >= ?"
        return [(level, index) for level, index in self._query.lenient(sql, (levels,))]

    def walk_checkpoints(self, unread: Unread) -> Iterator[CheckpointRow]:
        """See AuditReader."""
        rows = self._query.walk("checkpoint", columns(CheckpointRow), ("size",), unread, ahead=NOTES_AHEAD)
        return map(CheckpointRow._make, rows)

    def walk_cosignatures(self, unread: Unread) -> Iterator[CosignatureRow]:
        """See AuditReader."""
        rows = self._query.walk("cosignature", columns(CosignatureRow), ("size", "name", "key_id"), unread)
        return map(CosignatureRow._make, rows)

    def cursors(self) -> list[Cursor]:
        """See AuditReader."""
        sql = "SELECT id, origin, coalesce(upto, 0) FROM lane LEFT JOIN logged ON lane_id = id ORDER BY id"
        return made(Cursor, self._query.lenient(sql))

    def unlogged(self, lane_id: int, upto: int) -> list[tuple[int, int]]:
        """See AuditReader."""
        return [(first, last) for first, last in self._query.lenient(_UNLOGGED, (lane_id, upto))]

    # -- what nothing leads to --------------------------------------------------------------------------------------

    def strays(self, table: Numbered) -> list[Stray]:
        """See AuditReader."""
        number = _NUMBER[table]
        rows: list[Row] = self._query.lenient(
            f"SELECT t.lane_id, t.{number}, l.origin FROM {table} t LEFT JOIN lane l ON l.id = t.lane_id"  # noqa: S608
            f" WHERE l.id IS NULL OR t.{number} > l.size OR t.{number} < 1 OR typeof(t.{number}) <> 'integer'"
            f" ORDER BY t.lane_id, t.{number}"
        )
        return made(Stray, rows)

    def measures_of_nobody(self) -> list[tuple[int, str]]:
        """See AuditReader."""
        sql = "SELECT lane_id, key FROM measure WHERE lane_id NOT IN (SELECT id FROM lane)"
        return [(lane_id, key) for lane_id, key in self._query.lenient(sql)]

    def entities_of_nobody(self) -> list[tuple[str, str]]:
        """See AuditReader."""
        sql = "SELECT stream, id FROM entity WHERE center NOT IN (SELECT center FROM lane) OR typeof(center) <> 'text'"
        return [(stream, entity_id) for stream, entity_id in self._query.lenient(sql)]

    def walk_quarantine(self, unread: Unread) -> Iterator[QuarantinedRow]:
        """See AuditReader."""
        rows = self._query.walk("quarantine", columns(QuarantinedRow), ("id",), unread, ahead=RECORDS_AHEAD)
        return map(QuarantinedRow._make, rows)

    def walk_evidence(self, unread: Unread) -> Iterator[EvidenceRow]:
        """See AuditReader."""
        return map(EvidenceRow._make, self._query.walk("evidence", columns(EvidenceRow), ("origin", "size"), unread))
