"""Whose dates are wrong: a certificate's, or this computer's clock. It takes another clock to know."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from hub.base.second_clock import SecondClock, judge_clock, judge_dates
from hub.base.shown_certificate import ShownCertificate

BEGINS, ENDS = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 12, 31, tzinfo=UTC)
SHOWN = ShownCertificate(("hq.example",), "CN=ca", BEGINS, ENDS)
DAY = timedelta(days=1)
WITHIN = BEGINS + 100 * DAY
EARLY, LATE = BEGINS - 30 * DAY, ENDS + 30 * DAY


@pytest.mark.parametrize(
    ("now", "clocks", "expected"),
    [
        (LATE, [], "expired_or_ahead"),
        (LATE, [SecondClock(LATE)], "certificate_expired"),
        (LATE, [SecondClock(WITHIN)], "clock_ahead"),
        (LATE, [SecondClock(EARLY)], "clock_ahead"),
        (LATE, [SecondClock(WITHIN, is_past=True)], "expired_or_ahead"),  # it is later than that, and how much?
        (LATE, [SecondClock(ENDS + DAY, is_past=True)], "certificate_expired"),
        (LATE, [SecondClock(WITHIN, is_past=True), SecondClock(WITHIN + DAY)], "clock_ahead"),
        (EARLY, [], "early_or_behind"),
        (EARLY, [SecondClock(EARLY)], "certificate_early"),
        (EARLY, [SecondClock(WITHIN)], "clock_behind"),
        (EARLY, [SecondClock(LATE)], "clock_behind"),
        (EARLY, [SecondClock(WITHIN, is_past=True)], "clock_behind"),  # it can't be earlier than what was
        (EARLY, [SecondClock(EARLY - DAY, is_past=True)], "early_or_behind"),
    ],
)
def test_second_clock_tells_which_is_off(now: datetime, clocks: list[SecondClock], expected: str) -> None:
    """Without one both are named; a time that has been proves only what can't be earlier."""
    assert judge_dates(SHOWN, now, clocks).name == f"obstacles.{expected}"


def test_both_possibilities_are_told_with_both_times() -> None:
    """A person who looks at the wall knows at once which of them is wrong."""
    text = judge_dates(SHOWN, EARLY).text()
    assert "2026-01-01 00:00:00 UTC" in text
    assert "2025-12-02 00:00:00 UTC here" in text
    assert "set this computer's clock" in text
    assert "tell HQ" in text


def test_how_much_a_clock_is_off_is_told_and_when_it_is_the_least() -> None:
    """A time that has been says how much it is at least."""
    assert "ahead by about 294 days" in judge_dates(SHOWN, LATE, [SecondClock(WITHIN)]).text()
    assert "behind by at least 130 days" in judge_dates(SHOWN, EARLY, [SecondClock(WITHIN, is_past=True)]).text()
    assert judge_dates(SHOWN, LATE, [SecondClock(WITHIN)]).values["seconds"] == (LATE - WITHIN).total_seconds()


def test_clocks_that_agree_say_nothing() -> None:
    """The way between them takes a moment."""
    assert judge_clock(WITHIN, WITHIN + timedelta(seconds=30)) is None
    behind = judge_clock(WITHIN, WITHIN + timedelta(hours=2))
    assert behind is not None
    assert behind.text() == "this computer's clock is behind by about 2:00:00: set it right"
