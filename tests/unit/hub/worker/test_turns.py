"""Who is fetched next: a lane with much to say holds up none that has little."""

from __future__ import annotations

import pytest

from hub.worker.turns import (
    LITTLE_FOR_S,
    LITTLE_RECORDS_MAX,
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
        turns.handled(center, records, records * 0.0001)
    return turns


@pytest.mark.parametrize("fetched", [{}, {"uz": MUCH}, {"uz": MUCH, "kz": MUCH}, {"uz": 1}, {"uz": 1, "kz": 1}])
def test_lanes_that_are_alike_are_fetched_without_limits(fetched: dict[str, int]) -> None:
    """Where all say much, or all say little, nobody is held up by anybody."""
    assert fed(**fetched).next({"uz", "kz", "by"}, 0.0) == ({"uz", "kz", "by"}, None)


def test_much_is_read_in_slices_beside_little() -> None:
    """A slice takes about as long as it may, by what the lane's records took so far."""
    assert fed(uz=MUCH, kz=1).next({"uz", "kz"}, 0.0) == ({"uz", "kz"}, round(SLICE_S / 0.0001))


def test_who_has_much_waits_until_its_slice_is_handled() -> None:
    """Otherwise slices would queue before the row that comes next from a small office."""
    turns = fed(uz=MUCH, kz=1)
    turns.admitted("uz", MUCH, 0.1)
    turns.admitted("kz", 1, 0.1)
    assert turns.next({"uz", "kz"}, 0.1)[0] == {"kz"}
    turns.handled("uz", MUCH, 0.01)
    assert turns.next({"uz", "kz"}, 0.2)[0] == {"uz", "kz"}


@pytest.mark.parametrize(("record_s", "expected"), [(1.0, SLICE_RECORDS_MIN), (1e-7, SLICE_RECORDS_MAX)])
def test_slices_have_bounds(record_s: float, expected: int) -> None:
    """Neither a record that takes long nor one that takes nothing makes a slice without bounds."""
    turns = Turns()
    for center, records in (("uz", MUCH), ("kz", 1)):
        turns.admitted(center, records, 0.0)
        turns.handled(center, records, records * record_s)
    assert turns.next({"uz", "kz"}, 0.0)[1] == expected


def test_an_office_that_says_nothing_slows_nobody_down() -> None:
    """What was little, and long ago, is no reason for slices."""
    turns = fed(uz=MUCH, kz=1)
    assert turns.next({"uz", "kz"}, LITTLE_FOR_S + 0.1) == ({"uz", "kz"}, None)


def test_lanes_that_were_dealt_out_anew_begin_anew() -> None:
    """What waited for the owner before is never handled here."""
    turns = fed(uz=MUCH, kz=1)
    turns.admitted("uz", MUCH, 0.1)
    turns.clear()
    turns.handled("uz", MUCH, 0.1)
    assert turns.next({"uz", "kz"}, 0.1) == ({"uz", "kz"}, None)


def test_presence_is_no_row_that_waits() -> None:
    """Every center says twice a minute that it is there: a topic is not read in slices for that."""
    turns = fed(uz=MUCH)
    turns.admitted("kz", 1, 0.0, has_events=False)
    assert turns.next({"uz", "kz"}, 0.0) == ({"uz", "kz"}, None)
    turns.admitted("kz", 1, 0.0)
    assert turns.next({"uz", "kz"}, 0.0)[1] is not None
