"""The hq lane's rows, a page at a time: what HQ folds its registry from, once it is verified."""

from __future__ import annotations

from hub.domain.hq_lane import HqStretch
from hub.domain.stream import HQ
from hub.store.database import Database
from hub.store.hq_rows import PAGE_RECEIPTS, named_by, page_of, stretches
from hub.store.store import HqRows


class SqlHqLane:
    """Reads the hq lane. Its rows are never archived: every verdict is judged under them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def page(self, after: int) -> HqRows:
        """See Store."""
        with self._database.snapshot():
            lanes = self._database.lenient("SELECT id, origin, size FROM lane WHERE center = ? ORDER BY id", (HQ,))
            named = 0 if after else self._named()
            found = self._stretches(lanes[0][0], after) if len(lanes) == 1 else ()
        return page_of(lanes, found, named)

    def _named(self) -> int:
        """Return the largest basis that the newest receipt of any lane names."""
        row = self._database.connection.execute(
            "SELECT coalesce(max(r.basis), 0) FROM lane l JOIN receipt r ON r.lane_id = l.id AND r.last = l.size"
        ).fetchone()
        return named_by(row[0])

    def _stretches(self, lane_id: int, after: int) -> tuple[HqStretch, ...]:
        db = self._database.connection
        receipts = db.execute(
            "SELECT last, seal, note FROM receipt WHERE lane_id = ? AND last > ? ORDER BY last LIMIT ?",
            (lane_id, after, PAGE_RECEIPTS),
        ).fetchall()
        if not receipts:
            return ()
        rows = db.execute(
            "SELECT sequence, data FROM ledger WHERE lane_id = ? AND sequence > ? AND sequence <= ? ORDER BY sequence",
            (lane_id, after, receipts[-1][0]),
        ).fetchall()
        return stretches(receipts, rows)
