"""What an entity says becomes facts with their times, whatever it said before and however its changes are grouped."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.views.table import FOREVER, Fact, FactTable, columns_of
from hub.views.view import Span, course


class Pair(NamedTuple):
    """A fact of this test."""

    name: str
    value: int | None


TABLE = FactTable("pair", Pair, key=("name",))
facts = st.dictionaries(st.sampled_from("abc"), st.none() | st.integers(0, 2)).map(
    lambda found: [Pair(name, value) for name, value in found.items()]
)
moments = st.lists(st.tuples(st.integers(0, 3), facts), max_size=8)


def taken(held: list[Span], past: list[Span], said: list[tuple[int, list[Pair]]]) -> tuple[list[Span], list[Span]]:
    """Return what holds and what has held once these are taken."""
    found = course(TABLE, held, said)
    ended = {span.fact: span for span in found.ended}
    still = [span for span in held if span.fact not in ended]
    over = [span for span in (*found.ended, *found.begun) if span.until_us != FOREVER]
    return still + [span for span in found.begun if span.until_us == FOREVER], past + [
        span for span in over if span.until_us > span.since_us
    ]


def known_at(spans: list[Span], at_us: int) -> set[Fact]:
    """Return the facts of then."""
    return {span.fact for span in spans if span.since_us <= at_us < span.until_us}


@given(steps=moments, cuts=st.lists(st.integers(0, 8), max_size=4))
def test_facts_of_any_moment_are_what_was_said_last_by_then(
    steps: list[tuple[int, list[Pair]]], cuts: list[int]
) -> None:
    """However the changes are cut into transactions, and with several of them at one moment."""
    at_us, said = 0, []
    for passed, told in steps:
        at_us += passed
        said.append((at_us, told))
    held: list[Span] = []
    past: list[Span] = []
    bounds = sorted({0, len(said), *(cut for cut in cuts if cut <= len(said))})
    for first, last in itertools.pairwise(bounds):
        held, past = taken(held, past, said[first:last])
    for moment in range(at_us + 2):
        wanted: list[Pair] = next((told for when, told in reversed(said) if when <= moment), [])
        assert known_at([*held, *past], moment) == set(wanted)
    at_once, before = taken([], [], said)
    assert sorted(at_once, key=str) == sorted(held, key=str)
    assert sorted(before, key=str) == sorted(past, key=str)


def test_two_facts_of_one_key_are_a_mistake_of_the_view() -> None:
    with pytest.raises(ValueError, match="two facts of one key"):
        course(TABLE, [], [(1, [Pair("a", 1), Pair("a", 2)])])


def test_a_lane_that_goes_back_in_time_is_not_guessed_at() -> None:
    with pytest.raises(ValueError, match="ends at 4"):
        course(TABLE, [Span(Pair("a", 1), 5, FOREVER)], [(4, [])])


def test_columns_are_those_of_the_row_and_no_others() -> None:
    assert [(column.name, column.kind, column.may_lack) for column in columns_of(Pair)] == [
        ("name", "TEXT", False),
        ("value", "INTEGER", True),
    ]

    class Wrong(NamedTuple):
        value: float

    with pytest.raises(TypeError, match=r"Wrong\.value"):
        columns_of(Wrong)
