"""What becomes of an invitation: one use, no second one, and an end."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.ledger.invitation import ANSWERED_FOR, OPEN, STANDING, VALID_FOR, Issued, Stage
from hub.protocol.joining import State, Why

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ONE, OTHER = "11" * 32, "22" * 32
LATE = NOW + VALID_FOR
MOVES = st.lists(st.tuples(st.sampled_from(["a", "b", "c", "!", "confirm"]), st.integers(0, 90)), max_size=8)


def issued() -> Issued:
    """Return a new invitation."""
    return Issued("0badcafe", "uz", NOW, LATE)


def test_request_is_the_use_and_the_same_again_is_none() -> None:
    """An office that is killed and asks again has asked once."""
    asked = issued().asked(ONE, NOW)
    assert (asked.stage, asked.request, asked.asked_at) == (Stage.ASKED, ONE, NOW)
    assert asked.asked(ONE, NOW + timedelta(hours=1)) is asked
    assert asked.answer(ONE, NOW) == (State.WAITS, "")
    assert not asked.is_alarming


def test_different_request_contests_for_good() -> None:
    """Neither can be confirmed, whichever comes again."""
    found = issued().asked(ONE, NOW).asked(OTHER, NOW + timedelta(minutes=1))
    assert (found.stage, found.request, found.other) == (Stage.CONTESTED, ONE, OTHER)
    assert found.is_alarming
    for request in (ONE, OTHER, "33" * 32):
        assert found.asked(request, NOW + timedelta(hours=1)) == found
        assert found.answer(request, NOW) == (State.REFUSED, Why.CONTESTED)


def test_time_is_over_for_asked_and_unasked_alike() -> None:
    """At the second at which its time is over, by HQ's clock, and not before."""
    for open_one in (issued(), issued().asked(ONE, NOW)):
        assert open_one.at(LATE - timedelta(microseconds=1)) is open_one
        over = open_one.at(LATE)
        assert (over.stage, over.ended_at) == (Stage.EXPIRED, LATE)
        assert over.at(NOW) == over  # a clock that is set back brings nothing back
        assert open_one.asked(OTHER, LATE).stage is Stage.EXPIRED
        assert open_one.answer(ONE, LATE) == (State.REFUSED, Why.EXPIRED)


def test_confirmed_one_is_told_to_its_office_once_all_is_done() -> None:
    """Before that it waits; whoever else asks is told that the file was used, and is an alarm until it is heeded."""
    decided = replace(issued().asked(ONE, NOW), stage=Stage.CONFIRMED)
    assert decided.is_unfinished
    assert decided.answer(ONE, NOW) == (State.WAITS, "")
    done = replace(decided, ended_at=NOW)
    assert done.answer(ONE, LATE + timedelta(days=9)) == (State.ACCEPTED, "")
    late = done.asked(OTHER, NOW + timedelta(hours=1))
    assert (late.stage, late.request, late.other) == (Stage.CONFIRMED, ONE, OTHER)
    assert late.answer(OTHER, NOW) == (State.REFUSED, Why.USED)
    assert late.answer(ONE, NOW) == (State.ACCEPTED, "")
    assert late.is_alarming
    assert not replace(late, heeded_at=NOW).is_alarming
    assert late.asked("33" * 32, NOW) == late  # it is told once


@pytest.mark.parametrize("stage", Stage)
def test_brokers_let_in_only_whom_they_have_to(stage: Stage) -> None:
    """Nobody once it has ended; who is late is answered for a while all the same."""
    ended = None if stage in STANDING else NOW
    found = replace(issued(), stage=stage, request=ONE, ended_at=ended)
    assert found.lets_in(NOW) == (stage in STANDING)
    assert not found.lets_in(LATE)
    assert found.is_answered(LATE)
    assert found.is_answered(LATE + ANSWERED_FOR) == (stage in STANDING)


@given(MOVES)
def test_whatever_comes_one_request_at_most_is_ever_accepted(moves: list[tuple[str, int]]) -> None:
    """And none of those that somebody else's use has put in doubt before it was confirmed."""
    found, now, confirmed = issued(), NOW, ""
    seen: set[str] = set()
    for name, hours in moves:
        now += timedelta(hours=hours)
        if name == "confirm":
            if found.at(now).stage is Stage.ASKED:
                confirmed = found.request or ""
                assert seen == {confirmed}
                found = replace(found, stage=Stage.CONFIRMED, ended_at=now)
            continue
        before = found
        found = found.doubted("!" * 64, now) if name == "!" else found.asked(name * 64, now)
        if before.at(now).stage in OPEN:
            seen.add(name * 64)
        accepted = {each for each in ("a" * 64, "b" * 64, "c" * 64) if found.answer(each, now)[0] is State.ACCEPTED}
        assert accepted == ({confirmed} if confirmed else set())
    if len(seen) > 1 and not confirmed:
        assert found.stage in (Stage.CONTESTED, Stage.EXPIRED)
