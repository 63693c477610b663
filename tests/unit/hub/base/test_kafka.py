"""What a broker's stamp tells of the time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from hub.base.kafka import LOG_APPEND_TIME, STAMP_MAX_MS, stamped_at
from hub.protocol.limits import BROKER_CLOCK_OFF_MAX


@dataclass
class Stamped:
    timestamp: int
    timestamp_type: int = LOG_APPEND_TIME


def test_stamp_of_the_brokers_own_clock_is_a_time() -> None:
    """To the millisecond; one that the writer gave is his word."""
    assert stamped_at(Stamped(1_700_000_000_123)) == datetime(2023, 11, 14, 22, 13, 20, 123_000, UTC)
    assert stamped_at(Stamped(0)) == datetime(1970, 1, 1, tzinfo=UTC)
    assert stamped_at(Stamped(1_700_000_000_123, 0)) is None


@pytest.mark.parametrize("stamp_ms", [-(2**63), -62_135_596_800_000, -1, STAMP_MAX_MS, 253_402_300_799_999, 2**63 - 1])
def test_stamp_that_no_clock_can_have_is_none(stamp_ms: int) -> None:
    """Whatever is said to be at a time can have a limit added to it."""
    assert stamped_at(Stamped(stamp_ms)) is None
    latest = stamped_at(Stamped(STAMP_MAX_MS - 1))
    assert latest is not None
    assert (latest + BROKER_CLOCK_OFF_MAX).year == 9999
