"""Where HQ stands with every center: its position in the center's topic, what came, was rejected, is missing."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any, Final

from pydantic import Field
from sqlalchemy import ColumnElement, Connection, Row, func, literal_column, select

from hub.domain.stream import HQ
from hub.protocol.cause import Cause
from hub.protocol.control import Presence
from hub.protocol.errors import Malformed
from hub.protocol.status import StatusNote
from hub.protocol.witness import Alarm
from hub.store.read.model import ReadModel, moment
from hub.store.tables import EVIDENCE, INTAKE, LANE, LANE_AND_CURSOR, LEDGER, PUBLISHED_UPTO, TOLD, UNKEPT
from schemas.words.causes import cause_said

# Written out, not bound: so the partial index on rejected rows serves it.
_REJECTED: Final[ColumnElement[bool]] = literal_column("ledger.code <> 'ACCEPTED'")


class LastPresence(ReadModel):
    """What a center last said of itself."""

    origin: str = Field(description="The lane that it writes, empty where it writes none yet")
    time: datetime = Field(description="When it said so, by its own clock")
    size: int = Field(description="How many events its lane has")
    backlog: int = Field(description="How many events it has not had answered yet")
    version: str = Field(description="The release of its connector")
    oldest_s: int | None = Field(
        default=None, description="The age of the oldest event that it has not had answered, in seconds"
    )
    refused: int | None = Field(
        default=None, description="How many rows of its sheets it refused itself; None: an older release says nothing"
    )
    ended: str = Field(default="", description="Why its connector ended, empty while it runs")
    reads: tuple[str, ...] = Field(default=(), description="The forms that it announced to read, such as status/v1")


class LastTold(ReadModel):
    """How HQ stands with a center, as the center is told, if it reads that."""

    state: str = Field(description="reads, waits, parked, forked, suspended or closed")
    since: datetime = Field(description="Since when")
    why: str = Field(description="Why, by its code; empty where there is nothing to say")


class LastAlarm(ReadModel):
    """What a center's witness holds against HQ's log."""

    time: datetime = Field(description="When it said so, by its own clock")
    size: int = Field(description="The newest size of the log that it stands by")
    reason: str = Field(description="What is wrong, in its words")


class IntakeStanding(ReadModel):
    """Where HQ stands with one center. The defaults are those of a center that no worker has read yet."""

    center: str = Field(description="The center's id")
    status: str = Field(default="new", description="new, reading, waiting, parked or forked")
    why: str = Field(
        default="no worker has read it yet",
        description="Why it is not being read, or what of it waits or is not taken; empty where all is well",
    )
    cause: str = Field(
        default="", description="The same by its code (schemas/PROTOCOL.md), with all that is kept of a fault"
    )
    owner: str = Field(default="", description="The worker that reads it")
    position: int | None = Field(
        default=None, description="The offset of the next record of `in.<center>`; None: from the earliest on"
    )
    origin: str | None = Field(default=None, description="The lane that is open")
    size: int = Field(default=0, description="How many events of that lane HQ has")
    epochs: int = Field(default=0, description="How many lanes the center ever had")
    events: int = Field(default=0, description="How many events HQ has of all its lanes")
    accepted: int = Field(default=0, description="How many of them became facts")
    rejected: dict[str, int] = Field(
        default_factory=dict, description="How many of them did not, by the verdict's code"
    )
    duplicates: int = Field(default=0, description="How many records came again")
    missing: int = Field(
        default=0, description="How many events its center wrote and HQ never had, known when a lane was closed"
    )
    unpublished: int = Field(default=0, description="How many decided events are not out yet")
    forks: int = Field(default=0, description="How often it sealed one position twice over other events")
    last_receipt_at: datetime | None = Field(default=None, description="When HQ gave it its newest receipt")
    seen_at: datetime | None = Field(default=None, description="When HQ last heard its presence")
    presence: LastPresence | None = Field(default=None, description="What it then said of itself")
    told: LastTold | None = Field(default=None, description="What it is told of how HQ stands with it, and since when")
    alarm: LastAlarm | None = Field(default=None, description="What its witness holds against HQ's log")
    reads_on: bool = Field(default=False, description="Whether it is read all the same, though it waits or is parked")
    strangers: int = Field(
        default=0, description="How many control records were passed over, for HQ does not know the key they are under"
    )
    quarantined_bytes: int = Field(default=0, description="How much of it was kept without becoming events")
    unkept: int = Field(default=0, description="How many records more are over its quota: counted, and not kept")


def intakes(db: Connection) -> tuple[IntakeStanding, ...]:
    """Return where HQ stands with every center that a worker has read, by id; the hq lane is left out."""
    last = select(LANE.c.center, func.max(LANE.c.recorded_at_us).label("at")).group_by(LANE.c.center).subquery()
    query = (
        select(INTAKE, LANE.c.origin, LANE.c.epoch, LANE.c.size, last.c.at, TOLD.c.text.label("told"))
        .outerjoin(TOLD, TOLD.c.center == INTAKE.c.center)
        .outerjoin(LANE, LANE.c.id == INTAKE.c.lane_id)
        .outerjoin(last, last.c.center == INTAKE.c.center)
        .where(INTAKE.c.center != HQ)
        .order_by(INTAKE.c.center)
    )
    rejected = rejected_by_center(db)
    sums = _sums(db)
    forks, unkept = _forks(db), _unkept(db)
    return tuple(
        _intake(row, sums.get(row.center), rejected.get(row.center, Counter())).model_copy(
            update={"forks": forks.get(row.center, 0), "unkept": unkept.get(row.center, 0)}
        )
        for row in db.execute(query)
    )


def rejected_by_center(db: Connection) -> dict[str, Counter[str]]:
    """Return how many events of each center were rejected, by the verdict's code."""
    found: dict[str, Counter[str]] = {}
    for center, code, count in db.execute(
        select(LANE.c.center, LEDGER.c.code, func.count())
        .join(LANE, LANE.c.id == LEDGER.c.lane_id)
        .where(_REJECTED)
        .group_by(LANE.c.center, LEDGER.c.code)
    ):
        found.setdefault(center, Counter())[code] += count
    return found


def alarms(db: Connection) -> dict[str, LastAlarm | None]:
    """Return what each center's witness holds against HQ's log."""
    return {row.center: _alarm(row.alarm) for row in db.execute(select(INTAKE.c.center, INTAKE.c.alarm))}


def _sums(db: Connection) -> dict[str, Row[Any]]:
    rows = db.execute(
        select(
            LANE.c.center,
            func.count().label("epochs"),
            func.sum(LANE.c.size).label("events"),
            func.sum(LANE.c.missing).label("missing"),
            func.sum(LANE.c.size - PUBLISHED_UPTO).label("unpublished"),
        )
        .select_from(LANE_AND_CURSOR)
        .group_by(LANE.c.center)
    )
    return {row.center: row for row in rows}


def _forks(db: Connection) -> dict[str, int]:
    rows = db.execute(
        select(LANE.c.center, func.count().label("forks"))
        .join(EVIDENCE, EVIDENCE.c.origin == LANE.c.origin)
        .group_by(LANE.c.center)
    )
    return {row.center: int(row.forks) for row in rows}


def _unkept(db: Connection) -> dict[str, int]:
    rows = db.execute(select(UNKEPT.c.center, func.sum(UNKEPT.c.records).label("records")).group_by(UNKEPT.c.center))
    return {row.center: int(row.records) for row in rows}


def _intake(row: Row[Any], sums: Row[Any] | None, rejected: Counter[str]) -> IntakeStanding:
    events = int(sums.events) if sums else 0
    cause = Cause.stored(row.why) if isinstance(row.why, str) and row.why else None
    return IntakeStanding(
        center=row.center,
        status=row.status,
        why=cause_said(cause.to_line()).text() if cause else row.why,
        cause=cause.to_text() if cause else "",
        owner=row.owner,
        position=row.next_offset,
        origin=row.origin,
        size=row.size or 0,
        epochs=int(sums.epochs) if sums else 0,
        events=events,
        accepted=events - sum(rejected.values()),
        rejected=dict(sorted(rejected.items())),
        duplicates=row.duplicates,
        missing=int(sums.missing) if sums else 0,
        unpublished=int(sums.unpublished) if sums else 0,
        last_receipt_at=moment(row.at),
        seen_at=moment(row.seen_at_us),
        presence=_presence(row.presence),
        told=_told(row.told),
        alarm=_alarm(row.alarm),
        reads_on=bool(row.reads_on),
        strangers=row.strangers,
        quarantined_bytes=row.quarantined_bytes,
    )


def _presence(text: str | None) -> LastPresence | None:
    if text is None:
        return None
    try:
        said = Presence.from_text(text)
    except Malformed:
        return None
    more = said.more
    return LastPresence(
        origin=said.origin,
        time=said.time,
        size=said.size,
        backlog=said.backlog,
        version=said.version,
        oldest_s=None if more is None else more.oldest_s,
        refused=None if more is None else more.refused,
        ended="" if more is None else more.ended,
        reads=said.reads,
    )


def _told(text: str | None) -> LastTold | None:
    if text is None:
        return None
    try:
        said = StatusNote.from_text(text)
    except Malformed:
        return None
    return LastTold(state=str(said.state), since=said.since, why=said.why)


def _alarm(text: str | None) -> LastAlarm | None:
    if text is None:
        return None
    try:
        said = Alarm.from_text(text)
    except Malformed:
        return None
    return LastAlarm(time=said.time, size=said.size, reason=said.reason) if said.reason else None
