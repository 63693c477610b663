"""LogRows in SQL, on any open connection to HQ's database: the worker's own or a read-only one."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from typing import Any, Final

import orjson

from hub.domain.stream import HQ
from hub.ledger.lane import Status
from hub.ledger.notary import Leaf
from hub.ledger.witness import STRANGE, Witnesses
from hub.protocol.errors import Malformed
from hub.protocol.keys import COSIGNATURE_ED25519, Verifier
from hub.protocol.moment import from_us
from hub.store.database import Questions, Row
from hub.store.log_rows import Heard, StoredCheckpoint, StoredCosignature
from hub.store.rows import is_count

_CHECKPOINT: Final = (
    "SELECT size, CAST(note AS BLOB), CAST(edge AS BLOB), CAST(signed_at_us AS INTEGER) FROM checkpoint"
)
# A cursor that no notary has written is read from the leaves that there are.
_UPTO: Final = (
    "CASE WHEN c.upto IS NULL THEN 0 WHEN typeof(c.upto) = 'integer' AND c.upto BETWEEN 0 AND l.size THEN c.upto"
    " ELSE (SELECT coalesce(max(f.last), 0) FROM log_leaf f WHERE f.lane_id = l.id) END"
)
# Of a receipt `o` that HQ has signed beyond a copy: that its lane has not come to it again.
NOT_COME_TO: Final = "NOT EXISTS (SELECT 1 FROM lane l WHERE l.origin = o.origin AND l.size >= o.last)"
# A table that is derived has a name: servers before 16 want one.
_NEWEST_COSIGNED: Final = "(SELECT center FROM cosignature ORDER BY size DESC LIMIT 1000) AS newest"


class SqlLogRows:
    """LogRows through questions, whose connection stays the caller's."""

    def __init__(self, query: Questions) -> None:
        self._query = query

    def ends(self) -> tuple[int, int]:
        """See LogRows."""
        # In one statement: between two of them somebody may append.
        ((leaves, size),) = self._query.all(
            "SELECT (SELECT coalesce(max(leaf_index) + 1, 0) FROM (SELECT max(leaf_index) AS leaf_index FROM log_leaf"
            " UNION ALL SELECT max(leaf_index) FROM log_lost) AS ends),"
            " (SELECT coalesce(max(size), 0) FROM checkpoint)"
        )
        return leaves, size

    def leaf_of(self, lane_id: int, sequence: int) -> int | None:
        """See LogRows."""
        row = self._query.one(
            "SELECT f.leaf_index FROM log_leaf f JOIN receipt r ON r.lane_id = f.lane_id AND r.last = f.last"
            " WHERE f.lane_id = ? AND f.last >= ? AND r.first <= ? ORDER BY f.last LIMIT 1",
            (lane_id, sequence, sequence),
        )
        return None if row is None else int(row[0])

    def leaves(self, first: int, end: int) -> Iterator[Leaf]:
        """See LogRows."""
        rows = self._query.each(
            "SELECT leaf_index, lane_id, last, CAST(hash AS BLOB) FROM log_leaf WHERE leaf_index >= ?"
            " AND leaf_index < ? UNION ALL SELECT leaf_index, 0, 0, CAST(hash AS BLOB) FROM log_lost"
            " WHERE leaf_index >= ? AND leaf_index < ? ORDER BY leaf_index",
            (first, end, first, end),
        )
        return (Leaf(*row) for row in rows)

    def receipts(self, first: int, end: int) -> Iterator[tuple[int, bytes]]:
        """See LogRows."""
        rows = self._query.each(
            "SELECT f.leaf_index, CAST(r.note AS BLOB) FROM log_leaf f"
            " JOIN receipt r ON r.lane_id = f.lane_id AND r.last = f.last"
            " WHERE f.leaf_index >= ? AND f.leaf_index < ? ORDER BY f.leaf_index",
            (first, end),
        )
        return ((index, note) for index, note in rows)

    def tile(self, level: int, index: int) -> bytes | None:
        """See LogRows."""
        row = self._query.one(
            "SELECT CAST(hashes AS BLOB) FROM log_tile WHERE level = ? AND tile_index = ?", (level, index)
        )
        return None if row is None else bytes(row[0])

    def checkpoint(self, size: int) -> StoredCheckpoint | None:
        """See LogRows."""
        return self._checkpoint("WHERE size = ?", size)

    def newest(self) -> StoredCheckpoint | None:
        """See LogRows."""
        return self._checkpoint("ORDER BY size DESC LIMIT 1")

    def checkpoints(self, after: int) -> Iterator[StoredCheckpoint]:
        """See LogRows."""
        return map(_checkpoint, self._query.each(f"{_CHECKPOINT} WHERE size > ? ORDER BY size", (after,)))

    def size_upto(self, size: int) -> int:
        """See LogRows."""
        ((found,),) = self._query.all("SELECT max(size) FROM checkpoint WHERE size <= ?", (size,))
        return found or 0

    def notes(self, after: int, limit: int) -> list[tuple[int, bytes]]:
        """See LogRows."""
        sql = "SELECT size, CAST(note AS BLOB) FROM checkpoint WHERE size > ? ORDER BY size LIMIT ?"
        return [(size, note) for size, note in self._query.all(sql, (after, limit))]

    def cosignatures(self, size: int) -> list[StoredCosignature]:
        """See LogRows."""
        rows = self._query.all(
            "SELECT name, CAST(key_id AS BLOB), center, CAST(value AS BLOB), cosigned_at_us, received_at_us"
            " FROM cosignature WHERE size = ? ORDER BY received_at_us, name, key_id",
            (size,),
        )
        return [
            StoredCosignature(size, name, key_id, center, value, from_us(cosigned), from_us(received))
            for name, key_id, center, value, cosigned, received in rows
        ]

    def cosigned(self, after: int, centers: Collection[str], *, newest: bool) -> int | None:
        """See LogRows."""
        row = self._query.one(
            "SELECT size FROM cosignature WHERE size > ? AND size IN (SELECT size FROM checkpoint)"  # noqa: S608
            " AND center IN (SELECT value FROM json_each(?))"
            f" GROUP BY size HAVING 2 * count(DISTINCT center) > ? ORDER BY size {'DESC' if newest else 'ASC'} LIMIT 1",
            (after, json.dumps(sorted(centers)), len(centers)),
        )
        return None if row is None else int(row[0])

    def lanes_behind(self) -> list[tuple[int, int]]:
        """See LogRows."""
        rows = self._query.all(
            f"SELECT l.id, {_UPTO} FROM lane l LEFT JOIN logged c ON c.lane_id = l.id"  # noqa: S608
            f" WHERE {_UPTO} < l.size ORDER BY l.id"
        )
        return [(lane_id, upto) for lane_id, upto in rows]

    def receipts_behind(self, lane_id: int, after: int, limit: int) -> list[tuple[int, bytes]]:
        """See LogRows."""
        rows = self._query.all(
            "SELECT last, CAST(note AS BLOB) FROM receipt WHERE lane_id = ? AND last > ? ORDER BY last LIMIT ?",
            (lane_id, after, limit),
        )
        return [(last, note) for last, note in rows]

    def behind(self) -> int:
        """See LogRows."""
        ((count,),) = self._query.all(
            "SELECT coalesce(sum((SELECT count(*) FROM receipt r"  # noqa: S608
            f" WHERE r.lane_id = l.id AND r.last > {_UPTO})), 0)"
            f" FROM lane l LEFT JOIN logged c ON c.lane_id = l.id WHERE {_UPTO} < l.size"
        )
        return int(count)

    def owed(self) -> tuple[int, int]:
        """See LogRows."""
        ((owed, lost),) = self._query.all(
            f"SELECT (SELECT count(*) FROM owed o WHERE {NOT_COME_TO}), (SELECT count(*) FROM log_lost)"  # noqa: S608
        )
        return owed, lost

    def begun(self) -> int:
        """See LogRows."""
        ((size,),) = self._query.lenient("SELECT coalesce(max(size), 0) FROM log_begun")
        return size if is_count(size) else 0

    def evidence(self) -> list[bytes]:
        """See LogRows."""
        sql = "SELECT CAST(theirs AS BLOB) FROM evidence WHERE origin LIKE '%/log' ORDER BY size DESC"
        return [note for (note,) in self._query.all(sql)]

    def newest_quarantined(self) -> int:
        """See LogRows."""
        ((newest,),) = self._query.all("SELECT coalesce(max(id), 0) FROM quarantine")
        return int(newest)

    def strange_cosignatures(self, after: int, upto: int) -> Iterator[tuple[str, str, bytes]]:
        """See LogRows."""
        rows = self._query.each(
            "SELECT CAST(center AS TEXT), reason, CAST(data AS BLOB) FROM quarantine"
            " WHERE id > ? AND id <= ? AND reason IN (SELECT value FROM json_each(?)) ORDER BY id",
            (after, upto, json.dumps(STRANGE)),
        )
        yield from ((center, reason, data) for center, reason, data in rows)

    def witnesses(self) -> Witnesses:
        """See LogRows."""
        rows = self._query.lenient(
            "SELECT CAST(id AS TEXT), CAST(document AS BLOB) FROM entity"
            " WHERE stream = 'center' AND center = ? AND status = 'active' AND id <> ?",
            (HQ, f"{HQ}:{HQ}"),
        )
        keys = {entity_id.partition(":")[2]: _witness_keys(document) for entity_id, document in rows}
        return Witnesses(frozenset(keys), keys)

    def hearing(self, witnesses: Witnesses) -> dict[str, Heard]:
        """See LogRows."""
        having_keys = {center for center, keys in witnesses.keys.items() if keys}
        cosigned = self._cosigners(_NEWEST_COSIGNED)
        if not having_keys <= cosigned:  # all rows are gone through only where the newest do not tell of everybody
            cosigned = self._cosigners("cosignature")
        # A lane that waits for a seal, or for a key, stands still at its position, and is heard further on.
        rows = self._query.lenient(
            "SELECT center, CASE WHEN read_upto > next_offset THEN read_upto ELSE next_offset END, status, reads_on"
            " FROM intake"
        )
        return {
            center: Heard(
                position if is_count(position) else None, status == Status.READING or bool(reads_on), center in cosigned
            )
            for center, position, status, reads_on in rows
            if center in having_keys
        }

    def _cosigners(self, rows: str) -> set[str]:
        return {center for (center,) in self._query.lenient(f"SELECT DISTINCT center FROM {rows}")}  # noqa: S608

    def _checkpoint(self, rest: str, *values: Any) -> StoredCheckpoint | None:
        row = self._query.one(f"{_CHECKPOINT} {rest}", values)
        return None if row is None else _checkpoint(row)


def _witness_keys(document: bytes) -> list[Verifier]:
    """Return a center's active witness keys; none where its row was edited, as an audit finds."""
    try:
        keys = orjson.loads(document)["record"]["keys"]
        active = [key["vkey"] for key in keys if (key["purpose"], key["status"]) == ("witness", "active")]
        return [key for key in map(Verifier.from_text, active) if key.algorithm == COSIGNATURE_ED25519]
    except (Malformed, ValueError, LookupError, TypeError, AttributeError):
        return []


def _checkpoint(row: Row) -> StoredCheckpoint:
    size, note, edge, signed_at_us = row
    return StoredCheckpoint(size, note, edge, from_us(signed_at_us))
