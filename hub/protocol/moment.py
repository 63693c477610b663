"""Moments: as RFC 3339 text in notes and headers, as microseconds since 1970 in Avro and in tables. Always UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

from hub.protocol.errors import Malformed

EPOCH_START: Final = datetime.fromtimestamp(0, UTC)
MICROSECOND: Final = timedelta(microseconds=1)
_TIME: Final = re.compile(
    r"\d{4}-\d\d-\d\d[Tt](?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,9})?(?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)",
    re.ASCII,
)


@lru_cache(maxsize=64)  # a commit says one moment in every record, and the division takes longer than all else of it
def to_us(moment: datetime) -> int:
    """Return an aware moment in microseconds since 1970, UTC: Avro's timestamp-micros."""
    return (moment - EPOCH_START) // MICROSECOND


def from_us(moment_us: int) -> datetime:
    """Return the moment of microseconds since 1970, in UTC. Errors: OverflowError."""
    return EPOCH_START + timedelta(microseconds=moment_us)


def read_time(text: str) -> datetime:
    """Return an RFC 3339 time as UTC, cut to microseconds. Errors: Malformed.

    A leap second (`:60`) is refused: no language's clock types hold one alike.
    """
    try:
        if not _TIME.fullmatch(text):
            raise ValueError(text)
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Malformed(f"expected RFC 3339, got {text[:40]}") from None


def write_time(moment: datetime) -> str:
    """Return `moment` as RFC 3339 in UTC with microseconds, the one form that cohub writes."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
