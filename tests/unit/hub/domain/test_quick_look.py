"""A quick look says yes only where pydantic does, and to nearly everything that centers send."""

from __future__ import annotations

import datetime as dt
import random
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Self

import pytest
from pydantic import Field, ValidationError, model_validator

from hub.domain.catalogue import KINDS
from hub.domain.exact_text import validator
from hub.domain.fields import Day, FieldRules, Lei, Title, inconsistent
from hub.domain.quick_look import Look, quick_look
from hub.domain.stream import EventKind
from hub.protocol.rules import RULES
from schemas.vectors.samples import sample_of
from tests.support.odd_values import odd_value

SAMPLES = {kind: sample_of(kind.type) for kind in KINDS.values()}
LOOKED_AT = {kind: look for kind in KINDS.values() if (look := quick_look(kind.model)) is not None}


class Text(str):
    """A text that is none to pydantic's strict core, or may be anything."""

    __slots__ = ()


# What Avro never decodes to, and what is nearly what a field holds.
STRANGE: tuple[Any, ...] = (
    None, "", "a", b"a", 0, 1, True, 1.0, 2**70, [], {}, (), ["a"], [None], [["a"]], "A01B 1/00\n", Text("a"),
    Text("free"), dt.date(2026, 1, 1), dt.datetime(2026, 1, 1, tzinfo=dt.UTC), dt.date.min, dt.date.max, Decimal(1),
    Decimal("NaN"), Decimal("sNaN"), Decimal("Infinity"), Decimal("1E+3"), Decimal("1.000000000"), Decimal("-0"),
    "\ud800", "a\ud800", "İ", "ǅ", "a\u0301", "\u200d", "１", "١", "a\x00",
)  # fmt: skip


def mutated(kind: EventKind, draw: random.Random) -> dict[str, Any]:
    """Return an event of which a field or two are near the borders of what they may be, or strange, or not there."""
    value = dict(SAMPLES[kind])
    for _ in range(draw.choice((1, 1, 2))):
        if draw.random() < 0.8:
            name, odd = odd_value(kind, draw)
            value[name] = odd
        else:
            value[draw.choice([*value, "another"])] = draw.choice(STRANGE)
    if draw.random() < 0.02:
        del value[draw.choice(list(value))]
    return value


def agree(kind: EventKind, look: Look, value: dict[str, Any]) -> bool:
    """Return whether the look says yes; then pydantic must, under each number's rules."""
    if not look(value):
        return False
    for rules in RULES.values():
        validator(kind.model, rules).validate_python(value)
    return True


def try_mutated(count: int, seed: int) -> None:
    draw, kinds, yes = random.Random(seed), list(LOOKED_AT.items()), 0
    for number in range(count):
        kind, look = kinds[number % len(kinds)]
        value = mutated(kind, draw)
        try:
            yes += agree(kind, look, value)
        except ValidationError as exc:
            pytest.fail(f"seed {seed}, {kind.type}: the look says yes to {value}, pydantic: {exc}")
    assert yes > count / 10


def test_quick_look_never_says_yes_where_pydantic_does_not() -> None:
    try_mutated(20_000, random.SystemRandom().randrange(2**32))


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_quick_look_never_says_yes_where_pydantic_does_not_for_long() -> None:
    try_mutated(1_000_000, random.SystemRandom().randrange(2**32))


def test_quick_look_says_yes_to_the_sample_of_each_kind_of_a_center() -> None:
    """A new stream gets a quick look by itself; what needs pydantic for every event is named here."""
    asked = {kind.type for kind in KINDS.values() if (look := LOOKED_AT.get(kind)) is None or not look(SAMPLES[kind])}
    of_hq = {"center.registered", "center.revised", "center.key_added", "center.key_revoked", "clock.corrected"}
    of_hq |= {"code_list.published", "code_list.revised", "schema.announced"}
    persons = {"partner.registered", "partner.revised"}  # of 0.1, whose sample has an LEI
    assert asked == {f"net.cohub.{name}.v1" for name in of_hq | persons}


class Sample(FieldRules):
    """A record with a check of its own, which calls a method and reads a class variable."""

    FIRST: ClassVar[dt.date] = dt.date(2000, 1, 1)
    title: Title
    lei: Lei | None = None
    day: Day | None = None
    marks: Annotated[list[Title], Field(max_length=2)] = Field(default_factory=list)

    @model_validator(mode="after")
    def _check(self) -> Self:
        self.check_day()
        return self

    def check_day(self) -> None:
        """Errors: pydantic's."""
        if self.day is not None and self.day < self.FIRST:
            raise inconsistent("day", "too early")


@pytest.mark.parametrize(
    ("changes", "yes"),
    [
        ({}, True),
        ({"title": " a"}, False),
        ({"title": "a\n"}, False),
        ({"title": ""}, False),
        ({"title": "x" * 256}, True),
        ({"title": "x" * 257}, False),
        ({"day": dt.date(2000, 1, 1)}, True),
        ({"day": dt.date(1999, 12, 31)}, False),
        ({"lei": "25340077S9WKUJJ9YT95"}, False),  # its checksum is pydantic's to say
        ({"marks": ["a", "b"]}, True),
        ({"marks": ["a", "b", "c"]}, False),
        ({"marks": ["a", ""]}, False),
        ({"marks": "ab"}, False),
        ({"more": 1}, False),
    ],
)
def test_quick_look_is_written_from_the_model(changes: dict[str, Any], yes: bool) -> None:
    look = quick_look(Sample)
    assert look is not None
    value = {"title": "a", "lei": None, "day": None, "marks": []} | changes
    before = dict(value)
    assert look(value) is yes
    assert value == before


@pytest.mark.parametrize("name", ["title", "lei", "day", "marks"])
def test_record_that_lacks_a_field_is_pydantics(name: str) -> None:
    look = quick_look(Sample)
    assert look is not None
    value: dict[str, Any] = {"title": "a", "lei": None, "day": None, "marks": []}
    del value[name]
    assert not look(value)
    assert not look({})


def test_model_with_a_part_that_is_never_certain_has_none() -> None:
    class Within(FieldRules):
        samples: list[Sample]

    class Number(FieldRules):
        number: float

    assert quick_look(Within) is None
    assert quick_look(Number) is None
