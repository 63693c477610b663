"""When HQ records something: by its clock, and never before what the lane has; but for a time that HQ took back. Pure.

A receipt's time is signed, and stays. Where HQ's clock was ahead, a lane would have to wait until the right time has
reached what it says. HQ takes such times back in its own lane (`net.cohub.clock.corrected.v1`): from that basis on, a
lane that stands at one of them goes on with HQ's clock. It is the only step back that there is, and everybody who has
the hq lane sees from when to when.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Correction:
    """What HQ said last of its clock: times behind `since`, up to `until`, were given by a clock that was ahead.

    Units:  UTC. `since` is HQ's clock when it said so: nothing goes back before it. `number` counts the corrections.
    """

    since: datetime
    until: datetime
    reason: str
    number: int = 1

    def takes_back(self, moment: datetime) -> bool:
        """Return whether a receipt's time is one of those that HQ took back."""
        return self.since < moment <= self.until

    def allows(self, before: datetime, after: datetime) -> bool:
        """Return whether a lane that stood at `before` may go on at `after`, which is earlier."""
        return self.takes_back(before) and self.since <= after


def recorded_at(now: datetime, before: datetime, correction: Correction | None) -> datetime:
    """Return when HQ records something in a lane that stands at `before`, by its clock `now`."""
    if now < before and correction is not None and correction.allows(before, now):
        return now
    return max(now, before)


def goes_back(before: datetime, after: datetime, correction: Correction | None) -> bool:
    """Return whether a lane's times go back, from `before` to `after`, and HQ has not taken the first of them back."""
    return after < before and (correction is None or not correction.allows(before, after))
