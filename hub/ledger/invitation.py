"""An invitation at HQ: who may join by it, what came, and what HQ says to whoever asked.

    invited ──> asked ──> confirmed
       │          │
       └──────────┴─────> contested | withdrawn | expired          contested ──> withdrawn

One request is a use. The same one again is the same use; a different one before HQ confirmed is an alarm, after which
neither can be confirmed: one of the two is somebody who should not have the bundle, and nobody here can tell which.
After HQ confirmed it changes nothing any more, and is told. All times are by HQ's clock.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from hub.protocol.joining import State, Why

VALID_FOR: Final = timedelta(hours=72)
ANSWERED_FOR: Final = timedelta(days=1)  # behind its time: whoever comes late is told that it is over


class Stage(StrEnum):
    """How far an invitation is."""

    INVITED = "invited"
    ASKED = "asked"
    CONFIRMED = "confirmed"
    CONTESTED = "contested"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"


OPEN: Final = frozenset({Stage.INVITED, Stage.ASKED})
# While one of a center's is at one of these there is no other.
STANDING: Final = OPEN | {Stage.CONTESTED}


@dataclass(frozen=True, slots=True)
class Issued:
    """An invitation as HQ has it.

    Shapes: `request` is the digest of the request that is to be confirmed, `other` of the first different one. One that
            is confirmed has `ended_at` once all that follows from it is done.
    """

    id: str
    center: str
    made_at: datetime
    expires_at: datetime
    stage: Stage = Stage.INVITED
    request: str | None = None
    asked_at: datetime | None = None
    other: str | None = None
    other_at: datetime | None = None
    ended_at: datetime | None = None
    heeded_at: datetime | None = None  # when somebody took note of a different request behind the confirmation

    def at(self, now: datetime) -> Issued:
        """Return it as it is at a time: what is open and past its time has expired, for good."""
        if self.stage in OPEN and now >= self.expires_at:
            return replace(self, stage=Stage.EXPIRED, ended_at=self.expires_at)
        return self

    def asked(self, request: str, now: datetime) -> Issued:
        """Return it after a request came; itself where that changes nothing."""
        found = self.at(now)
        if found.stage is Stage.INVITED:
            return replace(found, stage=Stage.ASKED, request=request, asked_at=now)
        if request == found.request:
            return found
        return found.doubted(request, now)

    def doubted(self, request: str, now: datetime) -> Issued:
        """Return it after a request came that is not the one to be confirmed; itself where that changes nothing."""
        found = self.at(now)
        if found.stage in OPEN:
            return replace(found, stage=Stage.CONTESTED, other=request, other_at=now)
        if found.stage is Stage.CONFIRMED and found.other is None:
            return replace(found, other=request, other_at=now)
        return found

    @property
    def is_alarming(self) -> bool:
        """Whether somebody else has the bundle, and nobody here has taken note of it."""
        late = self.stage is Stage.CONFIRMED and self.other is not None and self.heeded_at is None
        return self.stage is Stage.CONTESTED or late

    @property
    def is_unfinished(self) -> bool:
        """Whether it was confirmed, and what follows from that was broken off."""
        return self.stage is Stage.CONFIRMED and self.ended_at is None

    def lets_in(self, now: datetime) -> bool:
        """Return whether HQ's brokers let somebody in by it: to ask, and to hear the answer."""
        return (self.stage in STANDING or self.is_unfinished) and now < self.expires_at

    def is_answered(self, now: datetime) -> bool:
        """Return whether somebody may still ask by it, and is to be answered."""
        return self.stage in STANDING or now < self.expires_at + ANSWERED_FOR

    def answer(self, request: str, now: datetime) -> tuple[State, str]:
        """Return what HQ says to whoever sent this request: a state, and why it is refused."""
        match self.at(now).stage:
            case Stage.EXPIRED:
                return State.REFUSED, Why.EXPIRED
            case Stage.WITHDRAWN:
                return State.REFUSED, Why.WITHDRAWN
            case Stage.CONTESTED:
                return State.REFUSED, Why.CONTESTED
            case Stage.CONFIRMED if request != self.request:
                return State.REFUSED, Why.USED
            case Stage.CONFIRMED if self.ended_at is not None:
                return State.ACCEPTED, ""
            case _:
                return State.WAITS, ""
