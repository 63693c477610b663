"""Which rules are in force, and what each worker said of those that it knows."""

from __future__ import annotations

import orjson
from sqlalchemy import Connection, select

from hub.domain.stream import HQ
from hub.protocol.rules import FIRST
from hub.store.tables import ENTITY, LEASE
from hub.store.workers import WORKER, LivingWorker


def workers(db: Connection) -> tuple[LivingWorker, ...]:
    """Return what workers said of themselves, those too that live no more, by their names."""
    rows = db.execute(select(LEASE).where(LEASE.c.name.startswith(WORKER)).order_by(LEASE.c.name))
    return tuple(LivingWorker.of(row.name, row.owner, row.until_us) for row in rows)


def rules(db: Connection) -> int:
    """Return the number of the rules in force."""
    row = db.execute(select(ENTITY.c.document).where(ENTITY.c.stream == "rules", ENTITY.c.id == f"{HQ}:rules")).first()
    return FIRST.number if row is None else int(orjson.loads(row.document)["record"]["number"])
