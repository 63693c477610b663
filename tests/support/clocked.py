"""A hub whose clock was over a year ahead for a while: what it recorded then, and HQ's word that takes it back."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hub.domain.clock import Correction
from hub.hq.clock import CORRECTED
from hub.hq.headquarters import HqEvent
from hub.ledger.step import Step
from hub.protocol.moment import write_time
from hub.store.consolidate import Driver, Instant
from tests.support.center import offer
from tests.support.evidence import Story
from tests.support.hq import IDENTITY

HOUR = timedelta(hours=1)
AHEAD = timedelta(days=400)
REVISED = "net.cohub.center.revised.v1"


class Clocked(Story):
    """A story whose days are told by `at`."""

    right: datetime
    wrong: datetime

    async def offered(self, center: str, key: str, at: datetime) -> datetime:
        """Let a center publish an offer at a time of HQ's clock; return when HQ recorded it."""
        self.now = at
        record = self.event(center, "offer.published", key, offer(key), time=self.right - HOUR)
        step = await self.hq.feed(center, [self.centers[center].sealed(record)], at)
        return step.commits[0].lane.recorded_at

    async def said(self, at: datetime) -> datetime:
        """Let HQ say something of a center at a time of its clock; return when it recorded that."""
        found = await self.hq.store.entities([("center", "hq:cn")])
        value = {**found["center", "hq:cn"].entity.record, "name": f"cn {at:%H%M%S%f}"}
        step = await self.hq.headquarters.say([HqEvent(REVISED, "cn", value)], at)
        return step.commits[0].lane.recorded_at

    async def correct(self, at: datetime, until: datetime | None = None) -> Step:
        """Let HQ take back the times up to `until`, at a time of its clock."""
        newest = until or await self.hq.store.newest_recorded_at()
        assert newest is not None
        value = {"since": write_time(at), "ahead_until": write_time(newest), "reason": "the clock was ahead"}
        return await self.hq.headquarters.say([HqEvent(CORRECTED, "clock", value)], at)

    async def antedate(self, center: str, key: str, at: datetime, believed: Correction) -> datetime:
        """Do what a hostile HQ may: record under a correction that it never said."""
        basis = await self.hq.headquarters.basis()
        basis = replace(basis, registry=replace(basis.registry, clock=believed))
        reading, term = self.hq.readings[center]
        record = self.event(center, "offer.published", key, offer(key), time=self.right - HOUR)
        driver = Driver(self.hq.store, self.hq.store, IDENTITY)
        step = await driver.consolidate(
            reading, term, [self.centers[center].sealed(record)], basis, Instant(at, self.hq.monotonic_s)
        )
        self.hq.readings[center] = (step.reading, term)
        return step.commits[0].lane.recorded_at


async def clocked(folder: Path, *, hq_too: bool) -> Clocked:
    """Return a hub that recorded by the right clock, then, of two centers, by a wrong one; HQ's own lane too or not."""
    story = await Clocked.open(folder)
    assert isinstance(story, Clocked)
    # The hq lane was opened by the real clock just now; nothing is recorded before it.
    story.right = datetime.now(UTC) + HOUR
    story.wrong = story.right + AHEAD
    for center in ("uz", "kz", "cn"):
        await story.offered(center, "K-1", story.right)
    await story.offered("uz", "K-2", story.wrong)
    if hq_too:
        await story.said(story.wrong + HOUR)
    await story.offered("uz", "K-3", story.wrong + 2 * HOUR)
    await story.offered("kz", "K-2", story.wrong)
    return story
