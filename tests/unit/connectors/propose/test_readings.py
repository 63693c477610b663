"""What a column's own cells leave open is asked, and nothing that they settle."""

from __future__ import annotations

import pytest

from connectors.mapping import outcomes, read_mapping
from connectors.propose.draft import to_yaml
from connectors.propose.guess import Answers
from connectors.source import read_table
from tests.unit.connectors.propose.conftest import Propose, asked

DEALS = "Код;Название;Вид;Язык;{amount};Валюта;Дата подписания;Состояние\n"


def sheet(amounts: tuple[str, ...], days: tuple[str, ...], amount: str = "Сумма") -> str:
    """Return deals with these amounts and days."""
    rows = (
        f"K{n};a;лицензия;ru;{given};USD;{day};подписана\n"
        for n, (given, day) in enumerate(zip(amounts, days, strict=True))
    )
    return DEALS.format(amount=amount) + "".join(rows)


DAYS = ("2026-01-02", "2026-01-03")


@pytest.mark.parametrize(
    ("amounts", "days", "questions"),
    [
        (("1.234", "2.500"), DAYS, ["decimal:Сумма"]),
        (("1,234", "2,500"), DAYS, ["decimal:Сумма"]),
        (("1.234", "2.50"), DAYS, []),
        (("1 234,5", "2"), DAYS, []),
        (("1234", "2500"), ("03/04/2026", "05/06/2026"), ["date_order:Дата подписания"]),
        (("1234", "2500"), ("03/04/2026", "25/06/2026"), []),
        (("1234", "2500"), ("03.04.2026", "05.06.2026"), []),
        # 13.04.26 may be a day of 2013 as well.
        (
            ("1234", "2500"),
            ("13.04.26", "15.06.26"),
            ["year_pivot:Дата подписания", "date_order:Дата подписания"],
        ),
        (("1.234", "2.500"), ("03/04/2026", "05/06/2026"), ["decimal:Сумма", "date_order:Дата подписания"]),
    ],
)
def test_reading_is_asked_where_the_column_is_open(
    guess: Propose, amounts: tuple[str, ...], days: tuple[str, ...], questions: list[str]
) -> None:
    """A second look at the same column may settle it; another column never does."""
    text, answers = sheet(amounts, days), {"stream": ("deal",)}
    proposal = guess(text, answers)
    assert asked(proposal) == questions
    for question in proposal.needed:
        answers[question.id] = (question.options[0].answer,)
    answered = guess(text, answers)
    assert answered.draft is not None
    mapping = read_mapping(to_yaml(answered.draft), "x")
    assert [row.problems for row in outcomes(mapping, read_table("x.csv", text.encode()), "uz")] == [(), ()]


@pytest.mark.parametrize(("answer", "amount"), [("point", "1.234"), ("comma", "1234")])
def test_answer_is_what_the_rows_are_read_by(guess: Propose, answer: str, amount: str) -> None:
    """What a person saw beside the answer is what HQ gets."""
    text, answers = sheet(("1.234", "2.500"), DAYS), {"stream": ("deal",)}
    (question,) = guess(text, answers).needed
    (option,) = (o for o in question.options if o.label.name == f"readings.{answer}")  # type: ignore[union-attr]
    assert option.label.values["value"] == amount  # type: ignore[union-attr]
    draft = guess(text, {**answers, question.id: (option.answer,)}).draft
    assert draft is not None
    mapping = read_mapping(to_yaml(draft), "x")
    first = outcomes(mapping, read_table("x.csv", text.encode()), "uz")[0]
    assert first.wanted is not None
    assert str(first.wanted.record["amount"]) == amount


def test_column_that_counts_in_thousands_is_asked(guess: Propose) -> None:
    """Its name says so; what its numbers are times is a person's word."""
    text = sheet(("12", "15"), DAYS, amount='"Сумма, тыс."')
    answers: Answers = {"stream": ("deal",), "field:amount": ("column:Сумма, тыс.",)}
    proposal = guess(text, answers)
    assert asked(proposal) == ["factor:Сумма, тыс."]
    assert [option.answer for option in proposal.needed[0].options] == ["1000", "1"]
    draft = guess(text, {**answers, "factor:Сумма, тыс.": ("1000",)}).draft
    assert draft is not None
    mapping = read_mapping(to_yaml(draft), "x")
    first = outcomes(mapping, read_table("x.csv", text.encode()), "uz")[0]
    assert first.wanted is not None
    assert str(first.wanted.record["amount"]) == "12000"
