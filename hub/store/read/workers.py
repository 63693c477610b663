"""What each worker said of itself, and of the rules that it knows."""

from __future__ import annotations

from sqlalchemy import Connection, select

from hub.store.tables import LEASE
from hub.store.workers import WORKER, LivingWorker


def workers(db: Connection) -> tuple[LivingWorker, ...]:
    """Return what workers said of themselves, those too that live no more, by their names."""
    rows = db.execute(select(LEASE).where(LEASE.c.name.startswith(WORKER)).order_by(LEASE.c.name))
    return tuple(LivingWorker.of(row.name, row.owner, row.until_us) for row in rows)
