"""Which of a center's notes are news: whoever can write its topic can say each again, in any order."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.ledger.control import AHEAD_MAX, SignedTimes, hear_alarms, hear_presences
from hub.protocol.control import Presence
from hub.protocol.witness import Alarm

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ALIVE = Presence("uz", "hub.example/uz/0a1b2c3d", NOW, 5, 0, "cohub 0.3.0")
ALARM = Alarm("uz", NOW, 5, "HQ has signed two roots at size 5")


def at(minutes: float) -> datetime:
    return NOW + timedelta(minutes=minutes)


def heard(times: SignedTimes, *said: tuple[float, float]) -> list[bool]:
    """Return which notes are news, of each the minute that it is signed by and the minute when it comes."""
    news = []
    for signed, came in said:
        after = times.heard(at(signed), at(came))
        news.append(after is not None)
        times = after or times
    return news


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ([(0, 0), (1, 1), (0, 2), (1, 3), (2, 3)], "yy..y"),
        ([(1, 0), (1, 0), (5, 0), (5, 5), (6, 6)], "y.y.y"),  # ahead by the limit at most is right
        ([(600, 0), (1, 1), (600, 2), (1, 3), (600, 600), (600, 700)], "yy...."),  # once, also when its time has come
        ([(600, 0), (601, 1), (602, 2), (3, 3), (600, 4), (602, 5), (601, 6), (7, 7)], "yyyy...y"),
        ([(9000, 0), (600, 1), (9001, 2), (600, 3), (9000, 4), (601, 5)], "yyy..y"),  # ahead by less, and by more again
        ([(-600, 0), (-599, 1), (2, 2), (-598, 3)], "yyy."),  # a clock that is behind, and is set right
        ([(600, 0), (599, 599), (600, 600), (601, 601)], "yy.y"),
    ],
)
def test_each_note_is_news_once_and_a_wrong_clock_silences_nobody(
    said: list[tuple[float, float]], expected: str
) -> None:
    """Of right times the newest counts; one that was ahead is heard once, and holds up nothing that comes later."""
    assert "".join(".y"[each] for each in heard(SignedTimes(), *said)) == expected


@given(st.lists(st.tuples(st.integers(-20, 3000), st.integers(0, 3000)), max_size=40))
def test_no_note_is_news_twice_however_it_is_said_again(said: list[tuple[int, int]]) -> None:
    """Any notes in any order, and all of them once more behind each other later, also by who reads what was kept."""
    times, came = SignedTimes(), 0
    seen: set[int] = set()
    for signed, later in said:
        came = max(came, later)
        for again in range(2):
            after = times.heard(at(signed), at(came + again))
            assert not (signed in seen and after is not None)
            if after is not None:
                seen.add(signed)
                times = SignedTimes.from_text(after.to_text())
    for signed in sorted(seen):
        assert times.heard(at(signed), at(9000)) is None


def test_what_is_kept_is_bounded_and_so_is_who_is_a_day_ahead() -> None:
    """More than is remembered: what is forgotten is older than all of it, and is not heard while it is ahead."""
    times = SignedTimes()
    for number in range(AHEAD_MAX + 10):
        after = times.heard(at(10_000 + number), NOW)
        assert after is not None
        times = after
    assert len(times.ahead) == AHEAD_MAX
    assert not any(heard(times, *((10_000 + number, 1) for number in (0, 9, 10, AHEAD_MAX))))
    assert len(times.to_text()) < 20 * AHEAD_MAX
    assert heard(times, (2, 2)) == [True]


def test_times_are_read_as_they_were_kept() -> None:
    """Also where nothing was ahead, or nothing right was heard yet."""
    for times in (SignedTimes(NOW), SignedTimes(NOW, (at(9), at(10))), SignedTimes(None, (at(9),)), SignedTimes()):
        assert SignedTimes.from_text(times.to_text()) == times
    for text in ("", "x", "1 ", "- -", "1 x", "9" * 30):
        with pytest.raises((ValueError, OverflowError)):
            SignedTimes.from_text(text)


def test_of_presences_and_alarms_the_newest_is_told_and_of_two_alarms_of_one_moment_the_last() -> None:
    """An alarm that was taken back is not raised by who says it again, whatever clock signed it."""
    older, ahead = replace(ALIVE, time=at(-1)), replace(ALIVE, time=at(600))
    times, newest = hear_presences([older, ahead, ALIVE, ahead, older], SignedTimes(), NOW)
    assert (newest, times) == (ALIVE, SignedTimes(NOW, (at(600),)))
    assert hear_presences([ahead, ALIVE], times, at(1)) == (times, None)
    raised, back = replace(ALARM, time=at(600)), replace(ALARM, reason="")
    assert hear_alarms([ALARM, back], SignedTimes(), NOW)[1] == back
    times, newest_alarm = hear_alarms([raised, back, raised], SignedTimes(), NOW)
    assert newest_alarm == back
    assert hear_alarms([raised], times, at(600)) == (times, None)
