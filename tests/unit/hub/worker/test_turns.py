"""Who is fetched next: a lane with much to say holds up none that has little."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Final

import pytest

from hub.worker.turns import (
    AHEAD_POLL_S,
    AHEAD_S,
    FETCH_RECORDS_MAX,
    FETCH_S,
    LITTLE_FOR_S,
    LITTLE_RECORDS_MAX,
    MUCH_FOR_S,
    PACE_RECORDS,
    SLICE_RECORDS_MAX,
    SLICE_RECORDS_MIN,
    SLICE_REST_S,
    SLICE_S,
    SLICE_STEPS,
    STEP_S,
    Turns,
)
from tests.support.simulated import FOREVER, Simulated

MUCH = LITTLE_RECORDS_MAX + 1
MANY = 5


def fed(**fetched: int) -> Turns:
    """Return turns in which each of these lanes was fetched once, at 0 s, with so many records, and all was handled."""
    turns = Turns()
    for center, records in fetched.items():
        turns.admitted(center, records, 0.0)
        turns.handled(center, records, STEP_S + (records * 0.0001 if records >= MUCH else 0.0))
    return turns


ALL: Final = round(FETCH_S / 0.0001)
SLICE_WORK_S: Final = (SLICE_STEPS - 1) * STEP_S
SLICE: Final = round(SLICE_WORK_S / 0.0001)


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
        turns.handled(center, records, STEP_S + records * record_s)
    assert turns.next({"uz", "kz"}, 0.0)[1] == of_a_slice
    turns.admitted("uz", MUCH, LITTLE_FOR_S)
    turns.handled("uz", MUCH, STEP_S + MUCH * record_s)
    assert turns.next({"uz", "kz"}, LITTLE_FOR_S)[1] == of_a_fetch


@pytest.mark.parametrize("records", [LITTLE_RECORDS_MAX, SLICE_RECORDS_MIN])
def test_who_fills_slices_has_much_to_say_however_few_records_they_are(records: int) -> None:
    """Slow records come by a few: a lane that fills its slices with them is not thought to have said all."""
    turns, record_s = Turns(), SLICE_WORK_S / records
    turns.admitted("uz", MUCH, 0.0)
    turns.handled("uz", MUCH, STEP_S + MUCH * record_s)
    for at in range(5):
        turns.admitted("kz", 3, at / 2)
        turns.handled("kz", 3, STEP_S)
        assert turns.next({"uz", "kz"}, at / 2) == ({"uz", "kz"}, records)
        turns.admitted("uz", records, at / 2, has_more=True)
        turns.handled("uz", records, STEP_S + records * record_s)


def test_what_waits_is_much_however_long_ago_it_was_fetched() -> None:
    """Slow records that were fetched at once take seconds: nothing is added to them meanwhile."""
    turns = fed(uz=MUCH)
    turns.admitted("uz", MUCH, 0.0)
    turns.admitted("kz", 1, MUCH_FOR_S)
    assert turns.next({"uz", "kz"}, MUCH_FOR_S) == ({"kz"}, LITTLE_RECORDS_MAX)  # whole, however many a slice has


def test_what_was_fetched_and_not_handled_takes_no_longer_than_a_moment() -> None:
    """By number alone 4,000 slow records would be fetched before a row."""
    turns = fed(uz=MUCH, kz=MUCH, by=1)
    turns.admitted("uz", round(AHEAD_S / 0.0001 / 2), LITTLE_FOR_S)
    turns.admitted("kz", round(AHEAD_S / 0.0001 / 2), LITTLE_FOR_S)
    read = {"uz", "kz", "by", "new"}
    assert turns.next(read, LITTLE_FOR_S)[0] == read
    turns.admitted("uz", MUCH, LITTLE_FOR_S)
    assert turns.next(read, LITTLE_FOR_S)[0] == {"by", "new"}  # of both together: what comes of these comes behind it


@pytest.mark.parametrize("record_s", [0.0001, 0.001, 0.01])
def test_first_row_after_a_while_waits_for_what_was_fetched_ahead(record_s: float) -> None:
    """Of thirty lanes together that is no more than of one: it was, and the row waited for 14 s."""
    simulated = Simulated({f"c{number}": record_s for number in range(30)}, lambda: STEP_S, LITTLE_FOR_S + 2.0)
    simulated.run(3_000 * record_s + 40.0)
    simulated.run(60.0)
    assert len(simulated.waits) > MANY
    assert max(simulated.waits) < AHEAD_S + FETCH_S


def test_who_has_used_least_comes_first() -> None:
    """Who was silent for long has the first place, and nothing else: it is behind the others once it has used more."""
    turns = fed(uz=MUCH, kz=MUCH)
    for _ in range(9):
        for center in ("uz", "kz"):
            turns.admitted(center, MUCH, 0.0)
            turns.handled(center, MUCH, STEP_S + MUCH * 0.0001)
    assert sorted(("uz", "kz", "by"), key=turns.rank) == ["by", "uz", "kz"]
    turns.admitted("by", 2 * MUCH, 0.0)
    turns.handled("by", 2 * MUCH, STEP_S + 2 * MUCH * 0.0001)
    assert sorted(("by", "uz", "kz"), key=turns.rank) == ["uz", "kz", "by"]


def test_many_steps_of_few_records_are_no_use_of_time() -> None:
    """A row a second costs as many commits as an import: its lane is before the import all the same."""
    turns = fed(uz=MUCH)
    for _ in range(9):
        turns.admitted("kz", 1, 0.0)
        turns.handled("kz", 1, STEP_S)
    turns.admitted("uz", MUCH, 0.0)
    turns.handled("uz", MUCH, STEP_S / 2 + MUCH * 0.0001)
    assert sorted(("uz", "kz"), key=turns.rank) == ["kz", "uz"]


@pytest.mark.parametrize("took_s", [0.006, 1.0])
def test_row_that_took_long_throttles_nobody(took_s: float) -> None:
    """Most of it was its commit; and who says no more is no measure for others."""
    turns = fed(uz=MUCH)
    turns.admitted("kz", 1, 0.0)
    turns.handled("kz", 1, took_s)
    turns.admitted("uz", 2 * MUCH, LITTLE_FOR_S)
    turns.handled("uz", 2 * MUCH, STEP_S + 2 * MUCH * 0.0001)
    assert turns.next({"uz", "kz"}, LITTLE_FOR_S) == ({"uz", "kz"}, ALL)


def test_a_moment_in_which_everything_took_long_is_forgotten() -> None:
    """A disk that was busy for a second is no reason for the smallest slices ever after."""
    turns = fed(uz=MUCH)
    turns.admitted("uz", PACE_RECORDS, 0.0)
    turns.handled("uz", PACE_RECORDS, 1.0)
    for at in range(100):
        turns.admitted("kz", 1, at * SLICE_S)
        turns.handled("kz", 1, STEP_S)
        _, records = turns.next({"uz", "kz"}, at * SLICE_S)
        turns.admitted("uz", records, at * SLICE_S)
        turns.handled("uz", records, STEP_S + records * 0.0001)
    assert records > SLICE / 2


def test_the_end_of_what_lay_at_hand_is_not_the_end_of_a_lane() -> None:
    """A fetch that brings few records of a long lane is followed by a slice, not by all that a fetch may bring."""
    turns = fed(uz=MUCH, kz=1)
    turns.admitted("uz", 1, 0.1)
    turns.handled("uz", 1, STEP_S + 0.0001)
    assert turns.next({"uz", "kz"}, 0.1)[1] == pytest.approx(SLICE, rel=0.05)
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
    turns.handled("uz", MUCH, STEP_S + MUCH * 0.0001)
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
        turns.handled(center, records, STEP_S + records * 0.0001)
        now_s += FETCH_S
        wanted, at_most = turns.next(names, now_s)
        assert (wanted, at_most) == (set(names), ALL)
        assert turns.before(center, now_s) == []


def test_lane_that_has_said_all_says_little_from_then_on() -> None:
    """What it had at hand is at its end, and the broker has no more: the next row is waited for."""
    turns = fed(uz=MUCH, kz=MUCH)
    for at in (0.5, 2.0):
        turns.admitted("kz", 3, at)
        turns.handled("kz", 3, STEP_S)
        turns.admitted("uz", MUCH, at, has_more=True)
        turns.handled("uz", MUCH, STEP_S + MUCH * 0.0001)
    assert turns.next({"uz", "kz"}, 2.0) == ({"uz", "kz"}, SLICE)
    assert turns.before("uz", 2.0) == ["kz"]
    turns.admitted("kz", 3, 2.1, has_more=True)  # a fetch was full: that makes no large lane of it
    turns.handled("kz", 3, STEP_S)
    assert turns.before("uz", 2.1) == ["kz"]


def test_the_end_of_much_is_no_sign_of_little() -> None:
    """One of many lanes comes to its end; those that are read on are not read in slices for its sake."""
    turns = fed(uz=MUCH)
    for records, has_more in ((MUCH, True), (3, False)):
        turns.admitted("kz", records, 2.0, has_more=has_more)
        turns.handled("kz", records, STEP_S + (records * 0.0001 if has_more else 0.0))
    turns.admitted("uz", MUCH, 4.0, has_more=True)
    turns.handled("uz", MUCH, STEP_S + MUCH * 0.0001)
    assert turns.next({"uz", "kz"}, 4.0) == ({"uz", "kz"}, ALL)
    turns.admitted("kz", 1, 4.1)  # a row, behind all that there was
    turns.handled("kz", 1, STEP_S)
    assert turns.next({"uz", "kz"}, 4.1) == ({"uz", "kz"}, SLICE)


def test_import_that_slices_cut_into_small_parts_is_much() -> None:
    """An office that begins one beside another's would say little until 64 of its records wait."""
    turns = fed(uz=MUCH, kz=1)
    for _ in range(LITTLE_RECORDS_MAX // SLICE_RECORDS_MIN):
        turns.admitted("kz", SLICE_RECORDS_MIN, 0.0, has_more=True)
        turns.handled("kz", SLICE_RECORDS_MIN, STEP_S)
        assert turns.next({"uz", "kz"}, 0.0) == ({"uz", "kz"}, SLICE)
        assert turns.before("uz", 0.0) == ["kz"]
    turns.admitted("kz", 1, 0.0, has_more=True)
    turns.handled("kz", 1, STEP_S)
    assert turns.next({"uz", "kz"}, 0.0) == ({"uz", "kz"}, ALL)
    turns.admitted("kz", 1, MUCH_FOR_S + 1)  # the end of it
    turns.admitted("kz", 1, MUCH_FOR_S + 2)
    turns.admitted("uz", MUCH, MUCH_FOR_S + 2, has_more=True)
    assert turns.next({"uz", "kz"}, MUCH_FOR_S + 2)[0] == {"kz"}


def test_poll_is_short_where_lanes_are_left_out() -> None:
    """Nothing may come of the others for a second, and the next slice would be fetched only then."""
    turns = fed(uz=MUCH, kz=1)
    turns.next({"uz", "kz"}, 0.0)
    assert turns.patience_s == float("inf")
    turns.admitted("uz", MUCH, 0.0, has_more=True)
    turns.next({"uz", "kz"}, 0.0)
    assert turns.patience_s == pytest.approx(SLICE_STEPS * STEP_S + SLICE_REST_S)
    turns.handled("uz", MUCH, STEP_S + MUCH * 0.0001)
    turns.next({"uz", "kz"}, 0.0)
    assert turns.patience_s == float("inf")
    turns.admitted("uz", round(AHEAD_S / 0.0001) + MUCH, LITTLE_FOR_S, has_more=True)
    assert turns.next({"uz", "kz"}, LITTLE_FOR_S)[0] == {"kz"}
    assert turns.patience_s == AHEAD_POLL_S


def test_lane_that_is_read_on_is_fetched_by_its_pace_also_after_a_fetch_that_took_long() -> None:
    """It had much to say when that was fetched, seconds ago; as many of its records again would take seconds again."""
    turns = Turns()
    turns.admitted("uz", SLICE_RECORDS_MAX, 0.0, has_more=True)
    assert turns.next({"uz", "kz"}, 0.0)[0] == {"kz"}  # nobody knows how long they take
    turns.handled("uz", SLICE_RECORDS_MAX, STEP_S + SLICE_RECORDS_MAX * 0.01)
    assert turns.next({"uz", "kz"}, SLICE_RECORDS_MAX * 0.01) == ({"uz", "kz"}, round(FETCH_S / 0.01))


WARM_UP_S, MEASURED_S = 120.0, 10.0  # of virtual time: two first fetches of the slowest records take 102 s


def measured(
    imports: dict[str, float], step_s: Callable[[], float], rows_every_s: float = FOREVER, rows: int = 1
) -> tuple[float, list[float]]:
    """Return how many records of imports are handled in a second, and how long the office's rows wait."""
    simulated = Simulated(imports, step_s, rows_every_s, rows)
    simulated.run(WARM_UP_S if max(imports.values()) > 0.01 else WARM_UP_S / 10)
    simulated.run(MEASURED_S)
    return simulated.of_each(MEASURED_S), sorted(simulated.waits)


@pytest.mark.parametrize("record_s", [0.00005, 0.0001, 0.001, 0.01, 0.1])
@pytest.mark.parametrize("step_s", [0.002, 0.004, 0.008, 0.012, 0.02, 0.03])
def test_import_and_office_live_beside_each_other(step_s: float, record_s: float) -> None:
    """However long a commit takes, an import rests behind each slice; a row waits for one slice and its own step."""
    alone, _ = measured({"uz": record_s}, lambda: step_s)
    beside, waits = measured({"uz": record_s}, lambda: step_s, 0.35)
    slice_s = max(SLICE_S, SLICE_STEPS * step_s, step_s + (SLICE_RECORDS_MIN + 1) * record_s)
    assert beside > 0.7 * alone * (slice_s - step_s) / (slice_s + SLICE_REST_S)
    assert waits[-1] < 1.1 * (slice_s + step_s)


@pytest.mark.parametrize("rows", [1, 3, 10])
@pytest.mark.parametrize("step_s", [0.004, 0.012, 0.03])
@pytest.mark.parametrize("kind", ["uneven", "often none", "seldom very long"])
def test_steps_need_not_be_alike(kind: str, step_s: float, rows: int) -> None:
    """A disk is busy now and then, and what has no seal yet is committed with what follows."""
    random = Random(1)
    step = {
        "uneven": lambda: step_s * random.uniform(0.3, 1.7),
        "often none": lambda: step_s * random.choice([0.05, 1.0]),
        "seldom very long": lambda: step_s * (20.0 if random.random() < 0.02 else 1.0),
    }[kind]
    alone, _ = measured({"uz": 0.0001}, step)
    beside, waits = measured({"uz": 0.0001}, step, 0.25, rows)
    assert beside > 0.2 * alone
    assert waits[len(waits) // 2] < (SLICE_STEPS + 1) * 1.2 * step_s


@pytest.mark.parametrize("step_s", [0.004, 0.02])
def test_row_waits_for_one_slice_however_many_lanes_have_much_to_say(step_s: float) -> None:
    """Not for one of each of them; and without an office there are no slices."""
    imports = {f"c{number}": 0.0001 for number in range(30)}
    alone, _ = measured(imports, lambda: step_s)
    beside, waits = measured(imports, lambda: step_s, 0.25)
    assert alone > 0.9 * FETCH_S / (FETCH_S + step_s) / 0.0001
    assert beside > 0.7 * alone * (SLICE_STEPS - 1) * step_s / (SLICE_STEPS * step_s + SLICE_REST_S)
    assert waits[-1] < 1.1 * (SLICE_STEPS + 1) * step_s


@pytest.mark.parametrize("long_s", [0.02, 0.1, 0.5])
@pytest.mark.parametrize("rows", [1, 2, 6])
def test_rows_whose_steps_took_long_are_no_slow_records(rows: int, long_s: float) -> None:
    """Of a busy disk one step in twenty takes long: its lane would be thought to have much to say.

    Then nothing is read in slices for it, and its rows wait for a fetch of each of the others; with more rows at once,
    so that it stays like that.
    """
    random = Random(1)
    imports = {f"c{number}": 0.0001 for number in range(30)}
    beside, waits = measured(imports, lambda: random.choice([STEP_S] * 19 + [long_s]), 0.1, rows)
    assert beside > 4 / (STEP_S + long_s / 20)
    assert len(waits) > MANY
    assert waits[-1] < 2 * long_s


def test_slow_records_do_not_slow_the_lane_beside_them() -> None:
    """A fetch may have as many of its own records as take their time, while the slow ones wait."""
    simulated = Simulated({"hostile": 0.01, "uz": 0.00005}, lambda: STEP_S)
    simulated.run(WARM_UP_S / 5)
    simulated.run(MEASURED_S)
    assert simulated.handled["uz"] > 20 * simulated.handled["hostile"] > 0
