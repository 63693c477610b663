"""Which of HQ's words are for an office, and news; and for how long what HQ said of itself holds."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from connectors.runtime.standing import STALE, Kept, Passed, lost_from, passed_over, status_passed_over
from hub.protocol.receipt import Receipt, Resend
from tests.support.end import CENTER, HUB
from tests.unit.connectors.runtime.test_receipts import BEFORE, LANE, NOW, OURS, status


def test_age_of_a_status_is_told_though_this_clock_is_wrong() -> None:
    """It is as old as it was when it came, and as long as it lies here by the same clock."""
    note, wall = status(time=NOW), NOW - timedelta(days=365)
    kept = Kept.read(note, wall, NOW + timedelta(minutes=1))
    assert Kept.from_text(kept.to_text()) == kept
    assert not kept.is_stale(wall + STALE - timedelta(minutes=1))
    assert kept.is_stale(wall + STALE)
    assert kept.is_stale(wall - timedelta(hours=1))  # the clock was set back: nobody knows
    assert Kept.read(note, wall, NOW - timedelta(hours=1)).age == timedelta()


def test_words_for_us_are_told_from_those_for_others() -> None:
    """By the names that HQ has signed, and by nothing beside the note."""
    for said in (Receipt(OURS, 1, 1, b"x" * 32, NOW, 1), Resend(OURS, 1, "gap"), status()):
        assert passed_over(said, HUB, CENTER) is None
        assert passed_over(said, HUB, "kz") is Passed.OTHERS
        assert passed_over(said, "other.example", CENTER) is Passed.OTHERS
    assert status_passed_over(status(time=NOW), None, NOW - timedelta(minutes=4)) is None
    assert status_passed_over(status(time=NOW), None, NOW - timedelta(minutes=6)) is Passed.AHEAD
    assert status_passed_over(status(time=NOW), status(time=NOW), NOW) is Passed.OLD
    for minutes, reason in ((1, Passed.OLD), (5, Passed.OLD), (6, None), (600_000, None)):  # both clocks were set back
        newest = status(time=NOW + timedelta(minutes=minutes))
        assert status_passed_over(status(time=NOW), newest, NOW) is reason


@pytest.mark.parametrize(
    ("lane", "size", "recorded_at", "expected"),
    [
        (LANE, 9, BEFORE, None),
        (LANE, 12, BEFORE, None),
        (LANE, 4, BEFORE, 5),
        (LANE, 0, BEFORE, 1),
        ("", 0, BEFORE, 1),
        (f"{HUB}/{CENTER}/0000beef", 40, BEFORE, 1),
        (LANE, 4, NOW, None),
        (LANE, 4, None, None),
    ],
)
def test_hq_that_went_back_says_so_by_a_note_newer_than_the_receipt(
    lane: str, size: int, recorded_at: datetime | None, expected: int | None
) -> None:
    """Nine events are receipted: what HQ has less of them, in a note behind that receipt, it has lost."""
    note = status(time=NOW, lane=lane, size=size)
    assert lost_from(note, LANE, 9, recorded_at) == expected
