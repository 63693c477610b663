"""HQ's clock: whether lanes stand at times to come, and taking these back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from pydantic import Field

from hub.hq.folder import HubFolder
from hub.hq.headquarters import HqEvent
from hub.hq.saying import again, say_once
from hub.protocol.errors import Conflict, UsageError
from hub.protocol.limits import BROKER_CLOCK_OFF_MAX
from hub.protocol.moment import write_time
from hub.store.read.model import ReadModel
from hub.store.read.reads import Snapshot

if TYPE_CHECKING:
    from hub.kafka.clock import Stamped

CORRECTED: Final = "net.cohub.clock.corrected.v1"
SOON: Final = timedelta(seconds=5)  # so little a worker waits for by itself


class LaneAhead(ReadModel):
    """A lane whose newest receipt names a time to come."""

    origin: str = Field(description="The lane")
    center: str = Field(description="Whose it is; `hq` for HQ's own")
    recorded_at: datetime = Field(description="The time that it stands at")
    taken_back: bool = Field(description="Whether HQ took that time back, so that the lane goes on by the right one")


class ClockStanding(ReadModel):
    """How HQ's lanes stand to its clock."""

    at: datetime = Field(description="This computer's clock")
    ahead: tuple[LaneAhead, ...] = Field(description="The lanes that stand at times to come, the furthest first")
    since: datetime | None = Field(description="When HQ last took times back, by the right clock; None: never")
    ahead_until: datetime | None = Field(description="Up to which time it took them back")
    reason: str | None = Field(description="Why")
    corrections: int = Field(description="How often HQ took times back")

    @property
    def stops(self) -> tuple[LaneAhead, ...]:
        """The lanes at which HQ stops until their time has come."""
        return tuple(lane for lane in self.ahead if not lane.taken_back)


def clock_standing(now: Snapshot, at: datetime) -> ClockStanding:
    """Return how the lanes stand to a clock. Errors: Retriable."""
    correction = now.registry.clock
    ahead = [
        LaneAhead(
            origin=lane.origin,
            center=lane.center,
            recorded_at=lane.recorded_at,
            taken_back=correction is not None and correction.takes_back(lane.recorded_at) and correction.since <= at,
        )
        for lane in now.lanes()
        if lane.recorded_at is not None and lane.recorded_at > at + SOON
    ]
    return ClockStanding(
        at=at,
        ahead=tuple(sorted(ahead, key=lambda lane: lane.recorded_at, reverse=True)),
        since=correction and correction.since,
        ahead_until=correction and correction.until,
        reason=correction and correction.reason,
        corrections=correction.number if correction else 0,
    )


@dataclass(frozen=True, slots=True)
class Corrected:
    """Times that HQ took back."""

    since: datetime
    ahead_until: datetime


async def correct(
    where: HubFolder,
    reason: str,
    ask: Callable[[], Awaitable[Stamped]],
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Corrected:
    """Take back the times to come that lanes stand at: they go on by the right clock from now on.

    Shapes: `ask` returns the broker's time, beside this computer's.
    Errors: Conflict where no lane stands at one, or this computer's clock is off the broker's; Retriable if no broker
        answers; AgainstRules.
    """
    gap = (await ask()).gap
    if abs(gap) > BROKER_CLOCK_OFF_MAX:
        raise Conflict(
            f"this computer's clock and the broker's are {abs(gap).total_seconds():.0f} s apart: set the one that is "
            "wrong first, since HQ goes on by this one"
        )
    if not reason.strip():
        raise UsageError("--reason: say why; it stands in HQ's lane, and in every bundle")
    async with where.headquarters() as (store, headquarters):

        async def take_back() -> Corrected:
            basis, now = await headquarters.basis(), clock()
            newest = await store.newest_recorded_at(basis.registry.clock)
            if newest is None or newest <= now:
                raise Conflict("no lane of HQ's stands at a time to come: there is nothing to correct")
            until = await store.newest_recorded_at()
            assert until is not None
            value = {"since": write_time(now), "ahead_until": write_time(until), "reason": reason}
            await say_once(headquarters, [HqEvent(CORRECTED, "clock", value)], basis.size)
            return Corrected(now, until)

        return await again(take_back)
