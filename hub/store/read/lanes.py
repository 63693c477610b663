"""Lanes: what HQ has of each, what they count, and the proofs of a fork."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from pydantic import Field
from sqlalchemy import Connection, select

from hub.store.read.intakes import IntakeStanding, intakes
from hub.store.read.model import ReadModel, moment
from hub.store.tables import EVIDENCE, LANE, LANE_AND_CURSOR, MEASURE, PUBLISHED_UPTO

FORKS_SHOWN_MAX: Final = 100


class LaneStanding(ReadModel):
    """What HQ has of one lane."""

    origin: str = Field(description="Its name: hub, center and epoch")
    center: str = Field(description="Whose it is; `hq` for HQ's own")
    epoch: str = Field(description="Which of the center's lanes, 8 hex digits")
    size: int = Field(description="How many events HQ has of it")
    published: int = Field(description="How many of them are out")
    missing: int = Field(description="How many more its center wrote, known when it was closed")
    closed_by: str | None = Field(description="The origin of the lane that followed it")
    recorded_at: datetime | None = Field(description="When HQ gave its newest receipt")
    state_digest: str = Field(description="What HQ holds of its center after it")


class ForkProof(ReadModel):
    """Two notes that seal one position of a lane over other events."""

    origin: str = Field(description="The lane")
    size: int = Field(description="The position")
    ours: str = Field(description="The note that HQ had")
    theirs: str = Field(description="The note that came later")
    recorded_at: datetime | None = Field(description="When HQ noticed")


class LaneReport(IntakeStanding):
    """All that there is to say of one center's lanes."""

    lanes: tuple[LaneStanding, ...] = Field(description="Its lanes, oldest first")
    measures: dict[str, str] = Field(description="What they count, by lane and measure; exact decimals")
    evidence: tuple[ForkProof, ...] = Field(description="The proofs of its forks")


def lanes(db: Connection, center: str | None = None) -> tuple[LaneStanding, ...]:
    """Return every lane that HQ has taken events of, the hq lane too, oldest first within its center."""
    query = (
        select(LANE, PUBLISHED_UPTO.label("published")).select_from(LANE_AND_CURSOR).order_by(LANE.c.center, LANE.c.id)
    )
    if center is not None:
        query = query.where(LANE.c.center == center)
    return tuple(
        LaneStanding(
            origin=row.origin,
            center=row.center,
            epoch=row.epoch,
            size=row.size,
            published=row.published,
            missing=row.missing,
            closed_by=row.closed_by,
            recorded_at=moment(row.recorded_at_us),
            state_digest=bytes(row.state_digest).hex(),
        )
        for row in db.execute(query)
    )


def lane_report(db: Connection, center: str) -> LaneReport | None:
    """Return all that there is to say of a center's lanes, None where no worker has read it yet."""
    intake = next((found for found in intakes(db) if found.center == center), None)
    if intake is None:
        return None
    return LaneReport(
        **dict(intake), lanes=lanes(db, center), measures=_measures(db, center), evidence=_evidence(db, center)
    )


def lane_number(db: Connection, origin: str) -> int | None:
    """Return the number that a lane's rows go by."""
    return db.execute(select(LANE.c.id).where(LANE.c.origin == origin)).scalar_one_or_none()


def _measures(db: Connection, center: str) -> dict[str, str]:
    """Return what a center's lanes count; whoever reads it sums it, exactly, where there are several."""
    rows = db.execute(
        select(LANE.c.origin, MEASURE.c.key, MEASURE.c.value)
        .join(LANE, LANE.c.id == MEASURE.c.lane_id)
        .where(LANE.c.center == center)
        .order_by(MEASURE.c.key, LANE.c.id)
    )
    return {f"{origin} {key}": value for origin, key, value in rows}


def _evidence(db: Connection, center: str) -> tuple[ForkProof, ...]:
    rows = db.execute(
        select(EVIDENCE)
        .where(EVIDENCE.c.origin.in_(select(LANE.c.origin).where(LANE.c.center == center)))
        .order_by(EVIDENCE.c.recorded_at_us)
        .limit(FORKS_SHOWN_MAX)
    )
    return tuple(
        ForkProof(
            origin=row.origin,
            size=row.size,
            ours=bytes(row.ours).decode("utf-8", "replace"),
            theirs=bytes(row.theirs).decode("utf-8", "replace"),
            recorded_at=moment(row.recorded_at_us),
        )
        for row in rows
    )
