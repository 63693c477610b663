"""The sums over all centers."""

from __future__ import annotations

from collections import Counter

from pydantic import Field
from sqlalchemy import Connection, Select, func, select

from hub.domain.stream import HQ
from hub.store.read.intakes import rejected_by_center
from hub.store.read.model import ReadModel
from hub.store.tables import ENTITY, EVIDENCE, INTAKE, LANE, LANE_AND_CURSOR, PUBLISHED_UPTO, QUARANTINE, RECEIPT


class Totals(ReadModel):
    """The sums over all centers; what HQ itself said is counted as the basis alone."""

    events: int = Field(default=0, description="How many events HQ has of centers")
    accepted: int = Field(default=0, description="How many of them became facts")
    rejected: dict[str, int] = Field(
        default_factory=dict, description="How many of them did not, by the verdict's code"
    )
    duplicates: int = Field(default=0, description="How many records came again")
    missing: int = Field(default=0, description="How many events centers wrote and HQ never had")
    receipts: int = Field(default=0, description="How many receipts HQ has given centers")
    quarantined: int = Field(default=0, description="How many records were kept without becoming events")
    forks: int = Field(default=0, description="How many positions were sealed twice over other events")
    entities: dict[str, int] = Field(default_factory=dict, description="How many entities HQ has, by stream")
    published_backlog: int = Field(default=0, description="How many decided events are not out yet")
    basis: int = Field(default=0, description="How many events the hq lane has")


def totals(db: Connection) -> Totals:
    """Return the sums over all centers."""
    events, unpublished, missing = db.execute(
        select(
            func.coalesce(func.sum(LANE.c.size), 0),
            func.coalesce(func.sum(LANE.c.size - PUBLISHED_UPTO), 0),
            func.coalesce(func.sum(LANE.c.missing), 0),
        )
        .select_from(LANE_AND_CURSOR)
        .where(LANE.c.center != HQ)
    ).one()
    rejected: Counter[str] = Counter()
    for center, codes in rejected_by_center(db).items():
        if center != HQ:
            rejected += codes
    of_centers = select(LANE.c.id).where(LANE.c.center != HQ)
    of_lanes = EVIDENCE.c.origin.in_(select(LANE.c.origin))
    return Totals(
        events=int(events),
        accepted=int(events) - sum(rejected.values()),
        rejected=dict(sorted(rejected.items())),
        duplicates=_number(db, select(func.coalesce(func.sum(INTAKE.c.duplicates), 0))),
        missing=int(missing),
        receipts=_number(db, select(func.count()).select_from(RECEIPT).where(RECEIPT.c.lane_id.in_(of_centers))),
        quarantined=_number(db, select(func.count()).select_from(QUARANTINE)),
        forks=_number(db, select(func.count()).select_from(EVIDENCE).where(of_lanes)),
        entities=entities_by_stream(db),
        published_backlog=int(unpublished),
        basis=_number(db, select(func.coalesce(func.sum(LANE.c.size), 0)).where(LANE.c.center == HQ)),
    )


def entities_by_stream(db: Connection) -> dict[str, int]:
    """Return how many entities HQ has of each stream that centers write facts in."""
    rows = db.execute(
        select(ENTITY.c.stream, func.count())
        .where(ENTITY.c.center != HQ, ENTITY.c.stream != "lane")
        .group_by(ENTITY.c.stream)
        .order_by(ENTITY.c.stream)
    )
    return {stream: int(count) for stream, count in rows}


def _number(db: Connection, query: Select[int]) -> int:
    return int(db.execute(query).scalar_one())
