"""The hq lane's rows in SQLite, a page at a time: what HQ folds its registry from, once it is verified."""

from __future__ import annotations

from typing import Any, Final

from hub.domain.hq_lane import HqStretch
from hub.domain.stream import HQ
from hub.protocol.head import SIZE_MAX
from hub.store.sqlite_database import SqliteDatabase
from hub.store.store import HqRows

PAGE_RECEIPTS: Final = 256


class SqliteHqLane:
    """Reads the hq lane. Its rows are never archived: every verdict is judged under them."""

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database

    def page(self, after: int) -> HqRows:
        """See Store."""
        db = self._database.connection
        db.execute("BEGIN")
        try:
            lanes = db.execute("SELECT id, origin, size FROM lane WHERE center = ? ORDER BY id", (HQ,)).fetchall()
            named = 0 if after else self._named()
            stretches = self._stretches(lanes[0][0], after) if len(lanes) == 1 else ()
        finally:
            db.execute("COMMIT")
        sizes = [lane[2] for lane in lanes]
        size = sum(sizes) if all(isinstance(size, int) for size in sizes) else -1  # never what was read already
        return HqRows(tuple(str(lane[1]) for lane in lanes), size, stretches, named)

    def _named(self) -> int:
        """Return the largest basis that the newest receipt of any lane names."""
        row = self._database.connection.execute(
            "SELECT coalesce(max(r.basis), 0) FROM lane l JOIN receipt r ON r.lane_id = l.id AND r.last = l.size"
        ).fetchone()
        return row[0] if isinstance(row[0], int) else SIZE_MAX

    def _stretches(self, lane_id: int, after: int) -> tuple[HqStretch, ...]:
        db = self._database.connection
        receipts = db.execute(
            "SELECT last, seal, note FROM receipt WHERE lane_id = ? AND last > ? ORDER BY last LIMIT ?",
            (lane_id, after, PAGE_RECEIPTS),
        ).fetchall()
        if not receipts:
            return ()
        rows = iter(
            db.execute(
                "SELECT sequence, data FROM ledger WHERE lane_id = ? AND sequence > ? AND sequence <= ?"
                " ORDER BY sequence",
                (lane_id, after, receipts[-1][0]),
            ).fetchall()
        )
        found, row = [], next(rows, None)
        for last, seal, note in receipts:
            events = []
            while row is not None and row[0] <= last:
                events.append(_bytes(row[1]))
                row = next(rows, None)
            found.append(HqStretch(tuple(events), _bytes(seal), _bytes(note)))
        return tuple(found)


def _bytes(content: Any) -> bytes:
    """Return a column's bytes; in a database that somebody has edited anything may stand in it."""
    return content if isinstance(content, bytes) else b""
