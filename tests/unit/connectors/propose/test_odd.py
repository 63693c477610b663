"""Rows that seem to be no data: totals, section lines, signatures, numbers of the columns."""

from __future__ import annotations

import pytest
import yaml

from connectors.mapping import read_mapping
from connectors.propose.draft import to_yaml
from connectors.propose.guess import Answers
from connectors.propose.odd import odd_rows
from connectors.propose.profile import profiles
from connectors.propose.proposal import Proposal, Sheet, propose
from connectors.propose.sources import Context
from connectors.source import read_table

HEAD = "№;Код;Название;Язык;Экспортный контроль;Статус\n"
ROWS = "".join(
    f"{n};{n + 6:03d};{title};ru;не ограничен;снято\n"
    for n, title in enumerate(("Насос", "Сортировщик", "Сушилка", "Теплица"), 1)
)


def sheet(text: str) -> Sheet:
    table = read_table("offers.csv", text.encode())
    odd = odd_rows(table)
    columns = profiles(table, {row.number for row in odd if row.is_aside})
    return Sheet("offers.csv", columns, ("offers",), odd=odd)


def kinds(text: str) -> list[tuple[int, str, str]]:
    return [(row.number, row.kind, row.text) for row in odd_rows(read_table("x.csv", text.encode()))]


def made(context: Context, text: str, answers: Answers | None = None) -> Proposal:
    return propose(sheet(text), context, answers or {})


@pytest.mark.parametrize(
    ("row", "kind", "text"),
    [
        ("Итого;;;;;", "total", "Итого"),
        (";;Всего: 4;;;", "total", "Всего: 4"),
        ("合计;4;;;;", "total", "合计"),
        ("Jami;12,5;;;;", "total", "Jami"),
        ("И Т О Г О;4;;;;", "total", "И Т О Г О"),
        ("Итого;;4 предложения;;;", "maybe_total", "Итого"),
        ("9;015;Total;ru;не ограничен;снято", "maybe_total", "Total"),
        ("Исп. Каримов;;;;;", "lone", "Исп. Каримов"),
        ("Раздел 2. Энергетика;;;;;", "lone", "Раздел 2. Энергетика"),
    ],
)
def test_row_that_is_no_data_is_seen(row: str, kind: str, text: str) -> None:
    """By what stands in it, whichever column that is."""
    assert kinds(HEAD + ROWS + row + "\n") == [(6, kind, text)]


@pytest.mark.parametrize(
    "row",
    ["9;015;Итоговый отчёт;ru;не ограничен;снято", "9;015;Total Energies;ru;не ограничен;снято", "9;015;Насос;;;"],
)
def test_row_of_the_table_is_none_of_these(row: str) -> None:
    """A name that begins like a total, and a row with few cells, are data."""
    assert kinds(HEAD + ROWS + row + "\n") == []


def test_narrow_table_has_rows_of_one_cell() -> None:
    """Where every row has two or three cells, one with a single cell is a mistake, which is told as one."""
    assert kinds("a;b;c\nx;2;3\ny;;\nz;6;7\n") == []


def test_numbers_of_the_columns_are_not_judged_by(context: Context) -> None:
    """A row 1, 2, 3 … below the header is the reader's to skip, and says nothing of the columns."""
    found = made(context, HEAD + "1;2;3;4;5;6\n" + ROWS)
    assert {guess.place: guess.source for guess in found.guesses}["key"] == "Код"
    assert not [question for question in found.questions if question.id.startswith("rows")]


def test_total_does_not_hide_that_a_column_only_counts(context: Context) -> None:
    """1, 2, 3 … and a total below are still no numbers for good: another column is taken, and the total is skipped."""
    found = made(context, HEAD + ROWS + "Всего;4;;;;\n")
    assert found.draft is not None
    assert found.draft.key == ("Код",)
    data = yaml.safe_load(to_yaml(found.draft))
    assert data["skip"] == [{"column": "№", "is": ["Всего"]}]


def test_what_only_looks_like_a_total_is_asked(context: Context) -> None:
    """Whoever is there says which; without an answer, the mapping says nothing and the row is refused as before."""
    text = HEAD + ROWS + "5;015;Total;ru;не ограничен;снято\n"
    found = made(context, text)
    assert found.draft is not None
    assert not found.draft.skip
    assert not found.draft.keep
    (question,) = (question for question in found.questions if question.id == "rows:total")
    assert (question.needed, question.suggested) == (False, None)
    kept = made(context, text, {"rows:total": ("keep",)}).draft
    assert kept is not None
    mapping = read_mapping(to_yaml(kept), "m")
    assert [(one.column, one.equal) for one in mapping.keep] == [("Название", ("Total",))]
    skipped = made(context, text, {"rows:total": ("skip",)}).draft
    assert skipped is not None
    assert [(rows.column, rows.texts) for rows in skipped.skip] == [("Название", ("Total",))]


def test_signature_below_the_table_is_skipped_if_a_person_says_so(context: Context) -> None:
    """It is suggested; left alone, the row is refused."""
    text = HEAD + ROWS + "Исп. Каримов;;;;;\n"
    (question,) = (question for question in made(context, text).questions if question.id == "rows:lone")
    assert (question.needed, question.suggested) == (False, "skip")
    skipped = made(context, text, {"rows:lone": ("skip",)}).draft
    assert skipped is not None
    assert [(rows.column, rows.texts) for rows in skipped.skip] == [("№", ("Исп. Каримов",))]


def test_number_that_stands_twice_by_mistake_is_suggested(context: Context) -> None:
    """It is still the number; the two rows are refused until somebody mends them. It stands first among the answers."""
    rows = "".join(f"{n};{max(n, 2) + 6:03d};Насос {n};ru;не ограничен;снято\n" for n in range(1, 15))
    found = made(context, HEAD + rows)
    (question,) = (question for question in found.needed if question.id == "key")
    assert question.suggested == "column:Код"
    assert question.options[0].answer == "column:Код"
