"""What is missing of a lane, and how often HQ asks its center for it. Pure; schemas/PROTOCOL.md, "Taking"."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf
from typing import Final

from hub.protocol.cause import Cause

RESEND_BACKOFF_S: Final = (5.0, 20.0, 60.0)


@dataclass(frozen=True, slots=True)
class Gap:
    """A hole in a lane: why it is thought to be there, how often a resend was asked for, when the next step is due.

    `why` is what the request to the center says, `cause` what the lane is parked for.

    `is_proved` tells that a key of the center has sealed what lies behind it. Anybody can write a number that is too
    high: only a hole that is proved can park a lane.
    Units: `due` is a tick, in seconds; infinite once the lane is parked.
    """

    origin: str
    why: str
    cause: Cause
    is_proved: bool
    tries: int
    due: float

    @property
    def is_parked(self) -> bool:
        """Whether nothing more is asked for."""
        return self.due == inf

    def after(self, old: Gap | None) -> Gap:
        """Return which of two holes HQ goes on with: this one, which was just found, or the `old` one, if any."""
        if old is None:
            return self
        if old.is_proved or not self.is_proved:
            return old
        if old.origin == self.origin and old.tries == 1:
            # What was just asked for may be this very hole. How often a stranger made us ask before says nothing of it.
            return replace(self, tries=1, due=old.due)
        return self

    def asked(self, tick: float) -> Gap | None:
        """Return the hole once it was due: asked for again, or after the last try parked if it is proved, else None."""
        if self.tries < len(RESEND_BACKOFF_S):
            return replace(self, tries=self.tries + 1, due=tick + RESEND_BACKOFF_S[self.tries])
        return replace(self, due=inf) if self.is_proved else None
