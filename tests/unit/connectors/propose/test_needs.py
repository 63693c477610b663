"""A field that may not stand without another is asked about, so that not every row is refused."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from connectors.mapping.path import mapped_streams
from connectors.propose.needs import NEEDS
from schemas.vectors.samples import sample_of
from tests.unit.connectors.propose.conftest import Propose, asked

SHEET = (
    "Код;Название;Язык;Экспортный контроль;Дата регистрации;Действует до;Статус\n"
    "T-1;Насос;ru;не ограничен;15.01.2026;15.01.2027;опубликовано\n"
    "T-2;Сушилка;ru;ограничен;25.01.2026;15.01.2027;снято\n"
)


def test_needed_field_is_asked(guess: Propose) -> None:
    """With the columns that could be it; the mapping is not whole before."""
    proposal = guess(SHEET, {"stream": ("offer",)})
    assert asked(proposal) == ["needs:expires_on:published_on"]
    (question,) = proposal.needed
    assert [option.answer for option in question.options] == ["column:Дата регистрации", "-"]
    taken = guess(SHEET, {"stream": ("offer",), question.id: ("column:Дата регистрации",)})
    assert not taken.needed
    assert taken.draft is not None
    assert taken.draft.fields["published_on"].column == "Дата регистрации"


def test_field_is_left_out_where_what_it_needs_is_not_there(guess: Propose) -> None:
    """And its column is named as one that nothing is read from."""
    proposal = guess(SHEET, {"stream": ("offer",), "needs:expires_on:published_on": ("-",)})
    assert proposal.draft is not None
    assert "expires_on" not in proposal.draft.fields
    assert "Действует до" in proposal.unused
    assert not [made for made in proposal.guesses if made.place == "fields.expires_on"]


VALUES = {
    "expires_on": dt.date(2026, 6, 1), "published_on": dt.date(2026, 1, 1), "closed_on": dt.date(2026, 6, 1),
    "signed_on": dt.date(2026, 1, 1), "rate_on": dt.date(2026, 1, 1), "amount": Decimal("5.0000"), "currency": "USD",
    "budget": Decimal("5.0000"), "budget_currency": "USD", "rate": Decimal("2.00000000"), "rate_currency": "CNY",
    "milestone": "a", "milestone_on": dt.date(2026, 1, 1), "next_milestone": "a",
    "next_milestone_on": dt.date(2026, 6, 1),
    "starts_on": dt.date(2026, 1, 1), "ends_on": dt.date(2026, 6, 1), "organisations": 2, "attendees": 3,
    "earned_from": dt.date(2026, 1, 1), "earned_to": dt.date(2026, 6, 1), "disbursed_amount": Decimal("5.0000"),
    "disbursed_on": dt.date(2026, 6, 1), "proceeds": Decimal("5.0000"), "exited_on": dt.date(2026, 6, 1),
    "revenue": Decimal("5.0000"), "industry_output": Decimal("5.0000"),
}  # fmt: skip
# What a record demands one of several of, which no field alone needs.
BESIDE: dict[str, dict[str, Any]] = {
    "output": {"partner": "uz:1", "people": 1, "industry_output": Decimal("5.0000"), "currency": "USD"},
    "activity": {"format": "online"},
}


@pytest.mark.parametrize(("path", "other"), [(path, other) for path, needed in NEEDS.items() for other in needed])
def test_need_is_what_the_record_demands(path: str, other: str) -> None:
    """Of every stream that has both: all that is needed makes a record, and without that one it is refused."""
    found = [stream for stream in mapped_streams() if {path, other} <= set(stream.record.model_fields)]
    assert found
    for stream in found:
        record, sample = stream.record, sample_of(stream.events[0].type)
        required = {name: sample[name] for name, info in record.model_fields.items() if info.is_required()}
        if stream.name == "revenue" and not path.startswith("earned"):
            required["earned_on"] = dt.date(2026, 1, 1)
        values = required | BESIDE.get(stream.name, {})
        names = values.keys() | {path, *NEEDS[path]}
        while not names.issuperset(more := {need for name in names for need in NEEDS.get(name, ())}):
            names |= more
        names &= set(record.model_fields)
        values = VALUES | values
        record.model_validate({name: values[name] for name in names})
        with pytest.raises(ValidationError):
            record.model_validate({name: values[name] for name in names - {other}})
