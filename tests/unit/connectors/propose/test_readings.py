"""What a column's own cells leave open is asked, and nothing that they settle."""

from __future__ import annotations

import pytest

from tests.unit.connectors.propose.conftest import Propose

DEALS = "Код;Название;Вид;Язык;Сумма;Валюта;Дата подписания;Состояние\n"


@pytest.mark.parametrize(
    ("amounts", "days", "asked"),
    [
        (("1.234", "2.500"), ("2026-01-02", "2026-01-03"), ["decimal:Сумма"]),
        (("1.234", "2.50"), ("2026-01-02", "2026-01-03"), []),
        (("1234", "2500"), ("03/04/2026", "05/06/2026"), ["date_order:Дата подписания"]),
        (("1234", "2500"), ("03/04/2026", "25/06/2026"), []),
        (("1 234,5", "2"), ("03.04.2026", "05.06.2026"), []),
    ],
)
def test_reading_is_asked_where_the_column_is_open(
    guess: Propose, amounts: tuple[str, str], days: tuple[str, str], asked: list[str]
) -> None:
    """A second look at the same column may settle it; another column never does."""
    rows = "".join(
        f"K{n};a;лицензия;ru;{amount};USD;{day};подписана\n"
        for n, (amount, day) in enumerate(zip(amounts, days, strict=True))
    )
    proposal = guess(DEALS + rows, {"stream": ("deal",)})
    assert [question.id for question in proposal.needed] == asked
    if asked:
        question = proposal.needed[0]
        answered = guess(DEALS + rows, {"stream": ("deal",), question.id: (question.options[1].answer,)})
        assert answered.draft is not None
        path = "amount" if asked[0].startswith("decimal") else "signed_on"
        setting = asked[0].partition(":")[0]
        assert answered.draft.fields[path].reading == {setting: question.options[1].answer}
