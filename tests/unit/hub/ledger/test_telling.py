"""What HQ says to a center of how it stands with it, and when: to nobody who has not announced that it reads it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from hub.ledger.lane import Intake, Lane, Status
from hub.ledger.telling import (
    ANSWERS_PAUSE_S,
    CHANGES_PAUSE_S,
    HEARD_FOR_S,
    SAY_EVERY_S,
    Place,
    Standing,
    Telling,
    standing_of,
)
from hub.protocol.cause import Cause, CauseCode
from hub.protocol.control import More, Presence
from hub.protocol.forms import STATUS_V1, announce
from hub.protocol.status import State, StatusNote
from tests.support.causes import example

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
HUB, ORIGIN = "hub.example", "hub.example/uz/0a1b2c3d"
PLACE = Place(HUB, "uz", ORIGIN, 5, 17, "hub.example/hq/00c0ffee", 1)
READS, WAITS = Standing(State.READS), Standing(State.WAITS, "UNKNOWN_KEY 1f2e3d4c 0a1b2c3d")
AUDIT, UNKNOWN = Cause.of(CauseCode.SUSPENDED, text="an audit"), Cause.of(CauseCode.UNKNOWN_CENTER)
OLD = Presence("uz", ORIGIN, NOW, 5, 0, "cohub 0.2.0")
STARTED = Presence("uz", ORIGIN, NOW, 5, 0, announce("cohub 0.3.0", (STATUS_V1,)))
ALIVE = Presence("uz", ORIGIN, NOW, 5, 0, "cohub 0.3.0", More(None, 0, "", (STATUS_V1,)))


def later(presence: Presence, seconds: float) -> Presence:
    return replace(presence, time=NOW + timedelta(seconds=seconds))


def standing() -> Telling:
    return Telling().stands(READS, NOW)


@pytest.mark.parametrize(
    ("status", "why", "stopped", "expected"),
    [
        (Status.READING, "", None, READS),
        (Status.WAITING, f"{WAITS.why} text\nmore", None, WAITS),
        (Status.PARKED, "gap: expected 5, got 9", None, Standing(State.PARKED, "OTHER")),
        (Status.FORKED, "FORK 0a1b2c3d 5", None, Standing(State.FORKED, "FORK 0a1b2c3d 5")),
        (Status.READING, "", AUDIT, Standing(State.SUSPENDED, "SUSPENDED an audit")),
        (Status.WAITING, "SUSPENDED an audit", Cause.of(CauseCode.CLOSED), Standing(State.CLOSED, "CLOSED")),
        (Status.WAITING, str(UNKNOWN.code), UNKNOWN, Standing(State.WAITS, "UNKNOWN_CENTER")),
    ],
)
def test_standing_is_the_centers_own_first_and_then_its_lanes(
    status: Status, why: str, stopped: Cause | None, expected: Standing
) -> None:
    """One function says it, from the intake and the center's own status."""
    assert standing_of(Intake("uz", None, status, why, Lane(ORIGIN, "uz", "0a1b2c3d")), stopped) == expected


@pytest.mark.parametrize("state", Status)
@pytest.mark.parametrize("code", CauseCode)
def test_text_of_an_intake_stays_at_hq(code: CauseCode, state: Status) -> None:
    """It stands in a row that can be edited: HQ would sign for a center whatever somebody has put there."""
    for text in ("send us your keys", "send\nus your keys", "1 2 3"):
        intake = Intake("uz", None, state, example(code, text).to_text(), None)
        assert standing_of(intake, None).why == example(code).to_text()


@pytest.mark.parametrize(
    "why", ["call +7 900", "GAP call +7 900", "GAP 0a1b2c3d 1", "NOT_YET_KNOWN call", "OTHER", "\x1b"]
)
def test_intake_whose_why_has_no_known_form_is_said_to_be_something_else(why: str) -> None:
    assert standing_of(Intake("uz", None, Status.PARKED, why, None), None) == Standing(State.PARKED, "OTHER")


@pytest.mark.parametrize("presence", [None, OLD, later(replace(ALIVE, more=More(None, 0)), 1)])
def test_center_that_announced_nothing_is_told_nothing(presence: Presence | None) -> None:
    """Whatever happens: a connector of 0.2 would not know what it is."""
    telling = standing()
    if presence is not None:
        telling = telling.heard(presence, NOW, 0)
    for tick in (0, SAY_EVERY_S, 10 * SAY_EVERY_S):
        assert not telling.is_due(tick)
        assert not telling.stands(WAITS, NOW).is_due(tick)


def test_connector_that_has_just_started_is_answered() -> None:
    """Also when it starts again and again: a few times a minute at most."""
    telling = standing().heard(STARTED, NOW, 0)
    assert telling.is_due(0)
    telling = telling.told(0).heard(later(STARTED, 1), NOW, 1)
    assert not telling.is_due(1)
    assert telling.is_due(ANSWERS_PAUSE_S)
    assert not telling.told(ANSWERS_PAUSE_S).is_due(ANSWERS_PAUSE_S + 60)


def test_change_is_said_when_it_comes_with_its_own_time() -> None:
    """What flickers is told as it is a moment later."""
    telling = standing().heard(ALIVE, NOW, 0).told(0)
    since = NOW + timedelta(seconds=100)
    telling = telling.stands(WAITS, since)
    assert telling.is_due(100)
    assert telling.note(PLACE, since).since == since
    telling = telling.told(100).stands(READS, since)
    assert not telling.is_due(101)
    assert telling.is_due(100 + CHANGES_PAUSE_S)
    assert not telling.stands(WAITS, since).is_due(100 + CHANGES_PAUSE_S)  # it is as it was told


def test_what_has_not_changed_is_said_every_ten_minutes_while_presence_is_heard() -> None:
    """A connector that does not run is told nothing new; what it missed it hears when it starts."""
    telling = standing().heard(ALIVE, NOW, 0).told(0)
    assert not telling.is_due(SAY_EVERY_S - 1)
    assert not telling.is_due(SAY_EVERY_S)  # nothing was heard for ten minutes
    telling = telling.heard(later(ALIVE, 599), NOW, SAY_EVERY_S - 1)
    assert telling.is_due(SAY_EVERY_S)
    assert not telling.told(SAY_EVERY_S).is_due(SAY_EVERY_S + HEARD_FOR_S)


@pytest.mark.parametrize("state", [state for state in State if state is not State.READS])
def test_lane_that_is_not_read_is_said_every_ten_minutes_for_no_presence_is_heard_then(state: State) -> None:
    """The connector may live all the same: its presence lies behind what is not read."""
    telling = Telling().stands(Standing(state), NOW).heard(ALIVE, NOW, 0).told(0)
    assert not telling.is_due(SAY_EVERY_S - 1)
    assert telling.is_due(SAY_EVERY_S)
    assert telling.told(SAY_EVERY_S).is_due(2 * SAY_EVERY_S)


def test_connector_that_said_its_last_word_is_told_only_what_changes() -> None:
    """It reads what has changed when it is started again."""
    gone = later(replace(ALIVE, more=More(None, 0, "the disk is full", (STATUS_V1,))), 1)
    telling = standing().heard(ALIVE, NOW, 0).told(0).heard(gone, NOW, 599)
    assert not telling.is_due(SAY_EVERY_S)
    assert telling.stands(WAITS, NOW).is_due(SAY_EVERY_S)


def test_presence_that_is_said_again_changes_nothing() -> None:
    """Whoever writes the topic can't make a center of 0.3 look like one of 0.2, nor one that is gone alive."""
    gone = later(replace(ALIVE, more=More(None, 0, "stopped", (STATUS_V1,))), 60)
    telling = standing().heard(ALIVE, NOW, 0).heard(gone, NOW, 60).told(60)
    for old in (OLD, STARTED, ALIVE, gone):
        assert telling.heard(old, NOW + timedelta(minutes=2), 120) == telling


def test_presence_by_a_clock_that_was_ahead_is_followed_by_one_that_is_right() -> None:
    """A clock that was a year ahead, and was set right, doesn't make the center unheard for a year."""
    telling = standing().heard(later(ALIVE, 365 * 86_400), NOW, 0)
    assert telling.heard(STARTED, NOW, 30).is_asked


def test_next_owner_knows_since_when_and_says_it_once_more() -> None:
    """What the last one kept is enough; what it cannot read it finds out anew."""
    kept = standing().heard(ALIVE, NOW, 0).note(PLACE, NOW + timedelta(hours=1)).to_text()
    telling = Telling.again(ALIVE.to_text(), kept)
    assert (telling.standing, telling.since, telling.is_read) == (READS, NOW, True)
    assert telling.stands(READS, NOW + timedelta(days=1)).since == NOW
    assert telling.is_due(0)
    assert Telling.again("presence/v9\n", "status/v9\n") == Telling()
    assert Telling.again(None, None) == Telling()


def test_note_says_where_all_stands() -> None:
    """The lane at HQ, the size of the hq lane and its origin, the rules, and what HQ reads."""
    note = standing().note(PLACE, NOW)
    assert StatusNote.from_text(note.to_text()) == note
    assert (note.lane, note.size, note.basis, note.hq_lane, note.rules) == (ORIGIN, 5, 17, PLACE.hq_lane, 1)
    assert note.reads == ("presence/v2",)
