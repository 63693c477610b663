"""Who is fetched next: a lane with much to say holds up none that has little."""

from __future__ import annotations

from typing import Final

import pytest

from hub.worker.turns import (
    AHEAD_S,
    FETCH_RECORDS_MAX,
    FETCH_S,
    FIXED_S,
    LITTLE_FOR_S,
    LITTLE_RECORDS_MAX,
    MUCH_FOR_S,
    PACE_RECORDS,
    SLICE_RECORDS_MAX,
    SLICE_RECORDS_MIN,
    SLICE_S,
    Turns,
)

MUCH = LITTLE_RECORDS_MAX + 1


def fed(**fetched: int) -> Turns:
    """Return turns in which each of these lanes was fetched once, at 0 s, with so many records, and all was handled."""
    turns = Turns()
    for center, records in fetched.items():
        turns.admitted(center, records, 0.0)
        turns.handled(center, records, FIXED_S + records * 0.0001)
    return turns


ALL: Final = round((FETCH_S - FIXED_S) / 0.0001)
SLICE: Final = round((SLICE_S - FIXED_S) / 0.0001)


@pytest.mark.parametrize("fetched", [{"uz": MUCH}, {"uz": MUCH, "kz": MUCH}])
def test_lanes_that_say_much_are_fetched_at_once(fetched: dict[str, int]) -> None:
    """Nobody is held up by anybody: not longer than one fetch takes."""
    assert fed(**fetched).next({"uz", "kz", "by"}, 0.0) == ({"uz", "kz", "by"}, ALL)


@pytest.mark.parametrize("fetched", [{}, {"uz": 1}, {"uz": 1, "kz": 1}])
def test_where_nobody_says_much_the_first_that_does_so_is_not_fetched_at_once(fetched: dict[str, int]) -> None:
    """Nobody knows how long its records take, and two thousand of the slowest would keep a row waiting for seconds."""
    assert fed(**fetched).next({"uz", "kz"}, 0.0) == ({"uz", "kz"}, SLICE_RECORDS_MAX)


def test_much_is_read_in_slices_beside_little() -> None:
    """A slice takes about as long as it may, by what the lane's records took so far."""
    assert fed(uz=MUCH, kz=1).next({"uz", "kz"}, 0.0) == ({"uz", "kz"}, SLICE)


def test_who_has_much_waits_until_its_slice_is_handled() -> None:
    """Otherwise slices would queue before the row that comes next from a small office."""
    turns = fed(uz=MUCH, kz=1)
    turns.admitted("uz", MUCH, 0.1)
    turns.admitted("kz", 1, 0.1)
    assert turns.next({"uz", "kz"}, 0.1)[0] == {"kz"}
    turns.handled("uz", MUCH, 0.01)
    assert turns.next({"uz", "kz"}, 0.2)[0] == {"uz", "kz"}


@pytest.mark.parametrize(
    ("record_s", "of_a_slice", "of_a_fetch"),
    [(1.0, SLICE_RECORDS_MIN, SLICE_RECORDS_MIN), (1e-7, SLICE_RECORDS_MAX, FETCH_RECORDS_MAX)],
)
def test_fetches_have_bounds(record_s: float, of_a_slice: int, of_a_fetch: int) -> None:
    """Neither a record that takes long nor one that takes nothing makes a fetch without bounds."""
    turns = Turns()
    for center, records in (("uz", MUCH), ("kz", 1)):
        turns.admitted(center, records, 0.0)
        turns.handled(center, records, FIXED_S + records * record_s)
    assert turns.next({"uz", "kz"}, 0.0)[1] == of_a_slice
    turns.admitted("uz", MUCH, LITTLE_FOR_S)
    turns.handled("uz", MUCH, FIXED_S + MUCH * record_s)
    assert turns.next({"uz", "kz"}, LITTLE_FOR_S)[1] == of_a_fetch


@pytest.mark.parametrize("records", [LITTLE_RECORDS_MAX, SLICE_RECORDS_MIN])
def test_who_fills_slices_has_much_to_say_however_few_records_they_are(records: int) -> None:
    """Slow records come by a few: a lane that fills its slices with them is not thought to have said all."""
    turns, record_s = Turns(), (SLICE_S - FIXED_S) / records
    turns.admitted("uz", MUCH, 0.0)
    turns.handled("uz", MUCH, FIXED_S + MUCH * record_s)
    for at in range(5):
        turns.admitted("kz", 3, at / 2)
        turns.handled("kz", 3, FIXED_S)
        assert turns.next({"uz", "kz"}, at / 2) == ({"uz", "kz"}, records)
        turns.admitted("uz", records, at / 2)
        turns.handled("uz", records, SLICE_S)


def test_what_waits_is_much_however_long_ago_it_was_fetched() -> None:
    """Slow records that were fetched at once take seconds: nothing is added to them meanwhile."""
    turns = fed(uz=MUCH)
    turns.admitted("uz", MUCH, 0.0)
    turns.admitted("kz", 1, MUCH_FOR_S)
    assert turns.next({"uz", "kz"}, MUCH_FOR_S) == ({"kz"}, SLICE)


def test_what_was_fetched_and_not_handled_takes_no_longer_than_a_moment() -> None:
    """By number alone 4,000 slow records would be fetched before a row."""
    turns = fed(uz=MUCH, kz=MUCH)
    turns.admitted("uz", round(AHEAD_S / 0.0001), 0.0)
    assert turns.next({"uz", "kz"}, 0.0)[0] == {"uz", "kz"}
    turns.admitted("uz", MUCH, 0.0)
    assert turns.next({"uz", "kz"}, 0.0)[0] == {"kz"}


@pytest.mark.parametrize("took_s", [0.006, 1.0])
def test_row_that_took_long_throttles_nobody(took_s: float) -> None:
    """Most of it was its commit; and who says no more is no measure for others."""
    turns = fed(uz=MUCH)
    turns.admitted("kz", 1, 0.0)
    turns.handled("kz", 1, took_s)
    turns.admitted("uz", 2 * MUCH, LITTLE_FOR_S)
    turns.handled("uz", 2 * MUCH, FIXED_S + 2 * MUCH * 0.0001)
    assert turns.next({"uz", "kz"}, LITTLE_FOR_S) == ({"uz", "kz"}, ALL)


def test_a_moment_in_which_everything_took_long_is_forgotten() -> None:
    """A disk that was busy for a second is no reason for the smallest slices ever after."""
    turns = fed(uz=MUCH)
    turns.admitted("uz", PACE_RECORDS, 0.0)
    turns.handled("uz", PACE_RECORDS, 1.0)
    for at in range(100):
        turns.admitted("kz", 1, at * SLICE_S)
        turns.handled("kz", 1, FIXED_S)
        _, records = turns.next({"uz", "kz"}, at * SLICE_S)
        turns.admitted("uz", records, at * SLICE_S)
        turns.handled("uz", records, FIXED_S + records * 0.0001)
    assert records > SLICE / 2


def test_the_end_of_what_lay_at_hand_is_not_the_end_of_a_lane() -> None:
    """A fetch that brings few records of a long lane is followed by a slice, not by all that a fetch may bring."""
    turns = fed(uz=MUCH, kz=1)
    turns.admitted("uz", 1, 0.1)
    turns.handled("uz", 1, FIXED_S + 0.0001)
    assert turns.next({"uz", "kz"}, 0.1)[1] == SLICE
    assert turns.next({"uz", "kz"}, MUCH_FOR_S)[1] == SLICE_RECORDS_MAX


def test_answers_to_those_that_say_little_go_out_before_a_slice_is_handled() -> None:
    """They would share the processor with it. Nothing waits where nothing is read in slices."""
    turns = fed(uz=MUCH, kz=1, by=MUCH)
    assert turns.before("uz", 0.0) == []
    turns.next({"uz", "kz", "by"}, 0.0)
    assert turns.before("uz", 0.0) == ["kz"]
    assert turns.before("kz", 0.0) == turns.before("unknown", 0.0) == []
    turns.next({"uz", "kz", "by"}, LITTLE_FOR_S)
    assert turns.before("uz", LITTLE_FOR_S) == []


def test_an_office_that_says_nothing_slows_nobody_down() -> None:
    """What was little, and long ago, is no reason for slices."""
    turns = fed(uz=MUCH, kz=1)
    turns.admitted("uz", MUCH, LITTLE_FOR_S)
    turns.handled("uz", MUCH, FIXED_S + MUCH * 0.0001)
    assert turns.next({"uz", "kz"}, LITTLE_FOR_S) == ({"uz", "kz"}, ALL)


def test_lanes_that_were_dealt_out_anew_begin_anew() -> None:
    """What waited for the owner before is never handled here."""
    turns = fed(uz=MUCH, kz=1)
    turns.admitted("uz", MUCH, 0.1)
    turns.clear()
    turns.handled("uz", MUCH, 0.1)
    assert turns.next({"uz", "kz"}, 0.1) == ({"uz", "kz"}, SLICE_RECORDS_MAX)


def test_presence_is_no_row_that_waits() -> None:
    """Every center says twice a minute that it is there: a topic is not read in slices for that."""
    turns = fed(uz=MUCH)
    turns.admitted("kz", 1, 0.0, has_events=False)
    assert turns.next({"uz", "kz"}, 0.0) == ({"uz", "kz"}, ALL)
    turns.admitted("kz", 1, 0.0)
    assert turns.next({"uz", "kz"}, 0.0)[1] < ALL


@pytest.mark.parametrize("lanes", [2, 8, 30, 200])
def test_many_lanes_with_much_to_say_are_never_thought_to_say_little(lanes: int) -> None:
    """Each is silent while the others have their turns, and the last records of what lay at hand are few."""
    turns, now_s = Turns(), 0.0
    names = [f"c{number}" for number in range(lanes)]
    for number in range(4 * lanes):
        center = names[number % lanes]
        records = 10 if number % 7 == 6 else 2000  # cut off by the end of what lay at hand: the broker has more
        turns.admitted(center, records, now_s, has_more=True)
        turns.handled(center, records, FIXED_S + records * 0.0001)
        now_s += FETCH_S
        wanted, at_most = turns.next(names, now_s)
        assert (wanted, at_most) == (set(names), ALL)
        assert turns.before(center, now_s) == []


def test_lane_that_has_said_all_says_little_from_then_on() -> None:
    """What it had at hand is at its end, and the broker has no more: the next row is waited for."""
    turns = fed(uz=MUCH, kz=MUCH)
    for at in (0.5, 2.0):
        turns.admitted("kz", 3, at)
        turns.handled("kz", 3, FIXED_S + 0.0003)
        turns.admitted("uz", MUCH, at, has_more=True)
        turns.handled("uz", MUCH, FIXED_S + MUCH * 0.0001)
    assert turns.next({"uz", "kz"}, 2.0) == ({"uz", "kz"}, SLICE)
    assert turns.before("uz", 2.0) == ["kz"]
    turns.admitted("kz", 3, 2.1, has_more=True)  # a fetch was full: that makes no large lane of it
    turns.handled("kz", 3, FIXED_S + 0.0003)
    assert turns.before("uz", 2.1) == ["kz"]


def test_the_end_of_much_is_no_sign_of_little() -> None:
    """One of many lanes comes to its end; those that are read on are not read in slices for its sake."""
    turns = fed(uz=MUCH)
    for records, has_more in ((MUCH, True), (3, False)):
        turns.admitted("kz", records, 2.0, has_more=has_more)
        turns.handled("kz", records, FIXED_S + records * 0.0001)
    turns.admitted("uz", MUCH, 4.0, has_more=True)
    turns.handled("uz", MUCH, FIXED_S + MUCH * 0.0001)
    assert turns.next({"uz", "kz"}, 4.0) == ({"uz", "kz"}, ALL)
    turns.admitted("kz", 1, 4.1)  # a row, behind all that there was
    turns.handled("kz", 1, FIXED_S)
    assert turns.next({"uz", "kz"}, 4.1) == ({"uz", "kz"}, SLICE)
