"""Event ids: UUIDv7, in the order in which they are made."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from hub.protocol.errors import Malformed
from hub.protocol.moment import read_time

_COUNTER_BITS: Final = 26
# An event's id is made a moment behind the time that the connector gives it, by the same clock.
SAME_MOMENT: Final = timedelta(seconds=5)


class EventIds:
    """Makes UUIDv7 texts that sort in the order they were made, also within one millisecond.

    Source: RFC 9562, section 5.7 and 6.2 (method 1): 12 + 14 bits of counter, begun at random, behind the time.
    """

    __slots__ = ("_counter", "_last_ms", "_now_ms")

    def __init__(self, now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000) -> None:
        self._now_ms = now_ms
        self._last_ms = 0
        self._counter = 0

    def make(self) -> str:
        """Return the next id, for example `0190a5f4-5a6b-7c8d-9e0f-112233445566`."""
        now_ms = self._now_ms()
        if now_ms > self._last_ms:
            self._last_ms = now_ms
            self._counter = int.from_bytes(os.urandom(4), "big") >> 7  # leaves half of the counter's range free
        else:
            self._counter += 1
            if self._counter >> _COUNTER_BITS:  # a clock set back, or 30 million ids a millisecond: borrow the next one
                self._last_ms += 1
                self._counter = 0
        high = (self._last_ms & 0xFFFF_FFFF_FFFF) << 16 | 0x7000 | self._counter >> 14
        low = 0x8000 << 48 | (self._counter & 0x3FFF) << 48 | int.from_bytes(os.urandom(6), "big")
        text = f"{high << 64 | low:032x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def time_of(event_id: str) -> datetime:
    """Return when an id was made, by the clock of that machine, to the millisecond."""
    return datetime.fromtimestamp(int(event_id.replace("-", "")[:12], 16) / 1000, UTC)


def is_misdated(moment: str, event_id: str, now: datetime | None) -> bool:
    """Return whether the connector itself gave an event its time, for the row had none, and gave a wrong one.

    Shapes: now is None where nobody knows what time it is.
    """
    if now is None:
        return False
    with contextlib.suppress(Malformed, ValueError, OverflowError, OSError):
        given = read_time(moment)
        return abs(given - time_of(event_id)) <= SAME_MOMENT and given > now + SAME_MOMENT
    return False
