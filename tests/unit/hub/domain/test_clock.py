"""When HQ records: by its clock, never before what the lane has, but for times that HQ took back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from hub.domain.clock import Correction, goes_back, recorded_at

SINCE = datetime(2026, 3, 1, tzinfo=UTC)
UNTIL = SINCE + timedelta(days=365)
SAID = Correction(SINCE, UNTIL, "a year ahead")
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("now", "before", "expected"),
    [
        (SINCE + HOUR, SINCE, SINCE + HOUR),  # time goes on
        (SINCE + HOUR, UNTIL, SINCE + HOUR),  # the lane stands at a time that was taken back
        (SINCE, UNTIL, SINCE),
        (SINCE - HOUR, UNTIL, UNTIL),  # nothing goes back before the correction
        (SINCE + HOUR, UNTIL + HOUR, UNTIL + HOUR),  # a time that was not taken back
        (SINCE - HOUR, SINCE, SINCE),  # nor was this one
    ],
)
def test_lane_goes_back_from_a_time_that_was_taken_back_and_from_no_other(
    now: datetime, before: datetime, expected: datetime
) -> None:
    """What HQ records is what everybody who checks it allows."""
    assert recorded_at(now, before, SAID) == expected
    assert not goes_back(before, recorded_at(now, before, SAID), SAID)
    assert recorded_at(now, before, None) == max(now, before)


def test_step_back_without_a_correction_is_one() -> None:
    assert goes_back(UNTIL, SINCE + HOUR, None)
    assert goes_back(UNTIL, SINCE - HOUR, SAID)
    assert goes_back(UNTIL + HOUR, SINCE + HOUR, SAID)
    assert not goes_back(SINCE, UNTIL, None)
