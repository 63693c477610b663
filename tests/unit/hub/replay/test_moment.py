"""What people type as a time."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from hub.protocol.errors import UsageError
from hub.protocol.moment import from_us, to_us
from hub.replay.moment import read_moment

NOW = datetime(2026, 3, 9, tzinfo=UTC)
END = datetime(2026, 3, 1, 23, 59, 59, 999999, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-03-01T12:00:00Z", datetime(2026, 3, 1, 12, tzinfo=UTC)),
        ("2026-03-01T12:00:00.000001+08:00", datetime(2026, 3, 1, 4, 0, 0, 1, tzinfo=UTC)),
        ("2026-03-01 12:00:00-05:00", datetime(2026, 3, 1, 17, tzinfo=UTC)),
        ("2026-03-01", END),
        ("2026-03-01Z", END),
        ("2026-03-01+08:00", datetime(2026, 3, 1, 15, 59, 59, 999999, tzinfo=UTC)),
        ("now", NOW),
    ],
)
def test_moment_is_what_was_typed_with_its_offset(text: str, expected: datetime) -> None:
    """A date has all of its day; an offset counts, with a date too."""
    assert read_moment(text, NOW) == expected


def test_date_that_begins_is_its_first_moment() -> None:
    assert read_moment("2026-03-01", NOW, begins=True) == datetime(2026, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize("text", ["2026-03-01T12:00", "2026-03-01 12:00:00", "2026-03-01T12:00:00.5"])
def test_time_without_offset_is_refused_with_the_remedy(text: str) -> None:
    with pytest.raises(UsageError, match="add Z, or an offset"):
        read_moment(text, NOW)


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2026-02-30", "9999-12-31-12:00", "2026-03-01T25:00:00Z", "1772366400"]
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is no time"):
        read_moment(text, NOW)


def test_microseconds_go_round() -> None:
    assert from_us(to_us(END)) == END
