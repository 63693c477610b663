"""What an audit has found about a center's events, and HQ tells it: no stop, no verdict."""

from __future__ import annotations

from dataclasses import dataclass

from hub.protocol.cause import Cause, CauseCode


@dataclass(frozen=True, slots=True)
class RepeatedIds:
    """An audit found `count` accepted events whose `ce_id` an earlier one has; the first is `sequence` of `epoch`."""

    count: int
    epoch: str
    sequence: int

    def to_text(self) -> str:
        """Return it as the cause that the status note names."""
        return Cause.of(CauseCode.REPEATED_ID, self.count, self.epoch, self.sequence).to_text()
