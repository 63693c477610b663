"""A LedgerReader in SQL: of HQ's own database, or of a mirror of one that is elsewhere. Opened to be read alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Final

from hub.domain.stream import HQ
from hub.store.log import LogReader
from hub.store.rows import (
    Archivable,
    HistoryLink,
    Newest,
    RejectedRow,
    StoredEvent,
    StoredLane,
    StoredReceipt,
    StoredSegment,
    StoredStretch,
    Touch,
    columns,
    made,
)
from hub.store.sql_audit import LANES, SqlAudit
from hub.store.sql_log_rows import SqlLogRows
from hub.store.sqlite_query import Query

_EVENTS: Final = (
    f"SELECT {columns(StoredEvent)} FROM ledger"  # noqa: S608
    " WHERE lane_id = ? AND sequence BETWEEN ? AND ? ORDER BY sequence"
)
_RECEIPTS: Final = (
    f"SELECT {columns(StoredReceipt)} FROM receipt"  # noqa: S608
    " WHERE lane_id = ? AND last > ? AND last <= ? ORDER BY last"
)
_RECEIPTS_BEFORE: Final = (
    f"SELECT {columns(StoredReceipt)} FROM receipt"  # noqa: S608
    " WHERE lane_id = ? AND last > ? AND last <= (SELECT last FROM receipt"
    " WHERE lane_id = ? AND last <= ? AND recorded_at_us < ? ORDER BY last DESC LIMIT 1) ORDER BY last"
)
_STEPS_BACK: Final = (
    "SELECT last, later FROM (SELECT last, recorded_at_us, lead(recorded_at_us) OVER (ORDER BY last) AS later"
    " FROM receipt WHERE lane_id = ? AND last <= ?) AS followed WHERE later < recorded_at_us ORDER BY last"
)
_COVERING: Final = f"SELECT {columns(StoredStretch)} FROM receipt WHERE lane_id = ? AND last >= ? ORDER BY last LIMIT 1"  # noqa: S608
_TOUCHES: Final = (
    f"SELECT {columns(Touch)} FROM ledger"  # noqa: S608
    " WHERE lane_id = ? AND sequence > ? AND sequence <= ? AND code = 'ACCEPTED' ORDER BY sequence"
)
_SEGMENTS: Final = f"SELECT {columns(StoredSegment)} FROM segment"  # noqa: S608
_NEWEST: Final = f"SELECT {columns(Newest)} FROM entity"  # noqa: S608
# By the partial index of rejected events' subjects: accepted ones, the many, are not in it.
_REJECTED: Final = "FROM ledger WHERE subject = ? AND code <> 'ACCEPTED'"
_CHAIN: Final = f"""
    WITH RECURSIVE chain({columns(HistoryLink)}) AS (
        SELECT {columns(HistoryLink)} FROM ledger WHERE lane_id = ? AND sequence = ?
        UNION ALL
        SELECT {columns(HistoryLink, "ledger")}
        FROM chain JOIN ledger ON ledger.lane_id = chain.previous_lane_id AND ledger.sequence = chain.previous
    )
    SELECT * FROM chain
"""  # noqa: S608 - the names are ours


class SqlEntityReader:
    """An EntityReader through an open connection."""

    def __init__(self, query: Query) -> None:
        self._query = query

    def newest(self, stream: str, entity_id: str) -> Newest | None:
        """See EntityReader."""
        row = self._query.one(f"{_NEWEST} WHERE stream = ? AND id = ?", (stream, entity_id))
        return None if row is None else Newest._make(row)

    def page(self, stream: str, after: str, limit: int) -> list[Newest]:
        """See EntityReader."""
        rows = self._query.all(f"{_NEWEST} WHERE stream = ? AND id > ? ORDER BY id LIMIT ?", (stream, after, limit))
        return made(Newest, rows)

    def document(self, stream: str, entity_id: str) -> tuple[Newest, str] | None:
        """See EntityReader."""
        sql = f"SELECT {columns(Newest)}, document FROM entity WHERE stream = ? AND id = ?"  # noqa: S608
        row = self._query.one(sql, (stream, entity_id))
        return None if row is None else (Newest._make(row[:-1]), row[-1])

    def documents(self, stream: str, center: str = "") -> list[str]:
        """See EntityReader."""
        sql = "SELECT document FROM entity WHERE stream = ? AND (? = '' OR center = ?) ORDER BY id"
        return [document for (document,) in self._query.all(sql, (stream, center, center))]

    def documents_of(self, center: str) -> list[str]:
        """See EntityReader."""
        rows = self._query.all("SELECT document FROM entity WHERE center = ?", (center,))
        return [document for (document,) in rows]

    def naming(self, stream: str, field: str, entity_id: str) -> list[str]:
        """See EntityReader."""
        sql = "SELECT id FROM entity WHERE stream = ? AND json_extract(document, ?) = ? ORDER BY id"
        return [found for (found,) in self._query.all(sql, (stream, f"$.record.{field}", entity_id))]

    def chain(self, lane_id: int, sequence: int) -> Iterator[HistoryLink]:
        """See EntityReader."""
        return map(HistoryLink._make, self._query.each(_CHAIN, (lane_id, sequence)))

    def rejected(self, entity_id: str) -> list[RejectedRow]:
        """See EntityReader."""
        rows = self._query.all(f"SELECT {columns(RejectedRow)} {_REJECTED}", (entity_id,))
        return made(RejectedRow, rows)

    def rejected_types(self, entity_id: str) -> list[str]:
        """See EntityReader."""
        rows = self._query.all(f"SELECT DISTINCT type {_REJECTED}", (entity_id,))
        return [event_type for (event_type,) in rows]


class SqlReader:
    """A LedgerReader through a connection, which is its own from then on. `hub.store.opener` makes it."""

    def __init__(self, query: Query) -> None:
        self.location = query.location
        self._query = query
        self.entities = SqlEntityReader(self._query)
        self.log = LogReader(SqlLogRows(self._query))
        self.audit = SqlAudit(self._query)

    def close(self) -> None:
        """See LedgerReader."""
        self._query.close()

    def snapshot(self) -> AbstractContextManager[None]:
        """See LedgerReader."""
        return self._query.snapshot()

    def lanes(self) -> list[StoredLane]:
        """See LedgerReader."""
        return made(StoredLane, self._query.lenient(LANES))

    def receipts(self, lane_id: int, after: int, upto: int) -> Iterator[StoredReceipt]:
        """See LedgerReader."""
        return map(StoredReceipt._make, self._query.each(_RECEIPTS, (lane_id, after, upto)))

    def covering(self, lane_id: int, sequence: int) -> StoredStretch | None:
        """See LedgerReader."""
        row = self._query.one(_COVERING, (lane_id, sequence))
        return None if row is None else StoredStretch._make(row)

    def ends_recorded(self, lane_id: int, since_us: int, before_us: int, upto: int) -> tuple[int, int] | None:
        """See LedgerReader."""
        row = self._query.one(
            "SELECT min(last), max(last) FROM receipt WHERE lane_id = ? AND recorded_at_us >= ? AND recorded_at_us < ?"
            " AND last <= ?",
            (lane_id, since_us, before_us, upto),
        )
        return None if row is None or row[0] is None else (row[0], row[1])

    def steps_back(self, lane_id: int, upto: int) -> list[tuple[int, int]]:
        """See LedgerReader."""
        return [(last, later_us) for last, later_us in self._query.all(_STEPS_BACK, (lane_id, upto))]

    def events(self, lane_id: int, first: int, last: int) -> list[StoredEvent]:
        """See LedgerReader."""
        return made(StoredEvent, self._query.all(_EVENTS, (lane_id, first, last)))

    def accepted(self, lane_id: int, first: int, last: int) -> list[tuple[int, bytes]]:
        """See LedgerReader."""
        rows: list[tuple[int, bytes]] = self._query.all(
            "SELECT sequence, data FROM ledger WHERE lane_id = ? AND sequence BETWEEN ? AND ? AND code = 'ACCEPTED'"
            " ORDER BY sequence",
            (lane_id, first, last),
        )
        return rows

    def data(self, lane_id: int, first: int, last: int) -> list[tuple[int, bytes]]:
        """See LedgerReader."""
        rows: list[tuple[int, bytes]] = self._query.all(
            "SELECT sequence, data FROM ledger WHERE lane_id = ? AND sequence BETWEEN ? AND ? ORDER BY sequence",
            (lane_id, first, last),
        )
        return rows

    def digests(self, lane_id: int, first: int, last: int) -> list[bytes]:
        """See LedgerReader."""
        rows = self._query.all(
            "SELECT digest FROM ledger WHERE lane_id = ? AND sequence BETWEEN ? AND ? ORDER BY sequence",
            (lane_id, first, last),
        )
        return [bytes(digest) for (digest,) in rows]

    def touches(self, lane_id: int, after: int, upto: int) -> list[Touch]:
        """See LedgerReader."""
        return made(Touch, self._query.all(_TOUCHES, (lane_id, after, upto)))

    def leaf_of(self, lane_id: int, last: int) -> int | None:
        """See LedgerReader."""
        row = self._query.one("SELECT leaf_index FROM log_leaf WHERE lane_id = ? AND last = ?", (lane_id, last))
        return None if row is None else int(row[0])

    def archivable(self) -> list[Archivable]:
        """See LedgerReader."""
        rows = self._query.all(
            "SELECT l.id, l.origin, min(c.upto, p.upto),"
            " coalesce((SELECT max(last) FROM segment WHERE lane_id = l.id), 0)"
            " FROM lane l JOIN logged c ON c.lane_id = l.id JOIN published p ON p.lane_id = l.id"
            " WHERE l.center <> ? ORDER BY l.id",
            (HQ,),
        )
        return made(Archivable, rows)

    def receipts_before(self, lane_id: int, after: int, upto: int, before_us: int) -> list[StoredReceipt]:
        """See LedgerReader."""
        return made(StoredReceipt, self._query.all(_RECEIPTS_BEFORE, (lane_id, after, lane_id, upto, before_us)))

    def newest_segment(self) -> StoredSegment | None:
        """See LedgerReader."""
        row = self._query.one(f"{_SEGMENTS} ORDER BY rowid DESC LIMIT 1")
        return None if row is None else StoredSegment._make(row)

    def segments(self) -> list[StoredSegment]:
        """See LedgerReader."""
        return made(StoredSegment, self._query.all(f"{_SEGMENTS} ORDER BY rowid"))

    def segment_of(self, lane_id: int, sequence: int) -> StoredSegment | None:
        """See LedgerReader."""
        sql = f"{_SEGMENTS} WHERE lane_id = ? AND last >= ? ORDER BY last LIMIT 1"
        row = self._query.one(sql, (lane_id, sequence))
        return None if row is None or row[2] > sequence else StoredSegment._make(row)
