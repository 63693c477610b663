"""The hq lane's rows, a page at a time, for whoever verifies them: nothing of what HQ says is read anywhere else."""

from __future__ import annotations

from sqlalchemy import Connection, func, select

from hub.domain.stream import HQ
from hub.store.hq_rows import PAGE_RECEIPTS, named_by, page_of, stretches
from hub.store.store import HqRows
from hub.store.tables import LANE, LEDGER, RECEIPT


def hq_rows(db: Connection, after: int) -> HqRows:
    """Return what is stored of the hq lane behind `after`, as much as one page holds; nothing of it is believed."""
    lanes = db.execute(select(LANE.c.id, LANE.c.origin, LANE.c.size).where(LANE.c.center == HQ).order_by(LANE.c.id))
    found = lanes.all()
    newest = select(func.max(RECEIPT.c.basis)).join(LANE, LANE.c.id == RECEIPT.c.lane_id)
    named = 0 if after else db.execute(newest.where(RECEIPT.c.last == LANE.c.size)).scalar_one() or 0
    if len(found) != 1:
        return page_of(found, (), named_by(named))
    number = found[0].id
    receipts = db.execute(
        select(RECEIPT.c.last, RECEIPT.c.seal, RECEIPT.c.note)
        .where(RECEIPT.c.lane_id == number, RECEIPT.c.last > after)
        .order_by(RECEIPT.c.last)
        .limit(PAGE_RECEIPTS)
    ).all()
    if not receipts:
        return page_of(found, (), named_by(named))
    events = db.execute(
        select(LEDGER.c.sequence, LEDGER.c.data)
        .where(LEDGER.c.lane_id == number, LEDGER.c.sequence > after, LEDGER.c.sequence <= receipts[-1].last)
        .order_by(LEDGER.c.sequence)
    )
    return page_of(found, stretches(receipts, events), named_by(named))
