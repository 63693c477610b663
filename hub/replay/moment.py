"""The times and numbers of events that people ask about, out of what they type.

A moment is RFC 3339 with its offset, or a date: the end of that day, so that "as of the 1st" has all of the 1st. A day
is UTC's unless an offset follows it (`2026-03-01+08:00`). All of a moment counts: what was recorded at T is known at T.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Final

from hub.protocol.errors import Malformed, UsageError
from hub.protocol.moment import MICROSECOND, read_time
from hub.protocol.record import SEQUENCE_MAX

_DAY: Final = re.compile(r"(\d{4}-\d\d-\d\d)([Zz]|[+-]\d\d:\d\d)?", re.ASCII)
_LOCAL: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d+)?)?", re.ASCII)
_DIGITS_MAX: Final = 4_000  # Python makes no number of many more
EXPECTED: Final = "expected a time with its offset such as 2026-03-01T12:00:00+08:00, or a date"


def read_moment(text: str, now: datetime, *, begins: bool = False) -> datetime:
    """Return the moment that a person means, in UTC.

    Shapes: `now` is what the word means; of a date the last microsecond, or the first where `begins`.
    Errors: UsageError, saying what was expected.
    """
    given = text.strip()
    if given.lower() == "now":
        return now
    day = _DAY.fullmatch(given)
    if _LOCAL.fullmatch(given):
        raise UsageError(f"{text!r} is another moment in every time zone: add Z, or an offset such as +08:00")
    try:
        if day is None:
            return read_time(given.replace(" ", "T", 1))
        midnight = read_time(f"{day[1]}T00:00:00{day[2] or 'Z'}")
        return midnight if begins else midnight + timedelta(days=1) - MICROSECOND
    except (Malformed, OverflowError):
        raise UsageError(f"{text!r} is no time: {EXPECTED}") from None


def read_sequence(text: str) -> int:
    """Return the number that decimal digits say; where no lane has so many events, the largest that one could have."""
    return min(int(text), SEQUENCE_MAX) if len(text) <= _DIGITS_MAX else SEQUENCE_MAX
