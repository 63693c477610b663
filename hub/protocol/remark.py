"""What HQ tells a center of its own events in the `why` of a status note whose state is `reads`: no stop, no verdict.

    REPEATED_ID <how many> <epoch> <sequence>

Source: schemas/PROTOCOL.md, "The status note".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Self

_REPEATED: Final = re.compile(r"REPEATED_ID ([1-9][0-9]{0,18}) ([0-9a-f]{8}) ([1-9][0-9]{0,18})")


@dataclass(frozen=True, slots=True)
class RepeatedIds:
    """An audit found `count` accepted events whose `ce_id` an earlier one has; the first is `sequence` of `epoch`."""

    count: int
    epoch: str
    sequence: int

    @classmethod
    def read(cls, why: str) -> Self | None:
        """Return what `to_text` has written, None for any other reason."""
        found = _REPEATED.fullmatch(why)
        return None if found is None else cls(int(found[1]), found[2], int(found[3]))

    def to_text(self) -> str:
        """Return it on one line, for whatever language an office has."""
        return f"REPEATED_ID {self.count} {self.epoch} {self.sequence}"
