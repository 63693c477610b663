"""Promises about headers: found by the names that are wanted, and read as they look."""

from __future__ import annotations

import pytest

from connectors.source import FileRefused, FormatOptions, read_table
from connectors.source.header import find_header, take_wanted_names
from connectors.source.problem import FileCode

WANTED = frozenset({"№", "Название", "Кратко"})


def test_header_is_where_the_most_wanted_names_are() -> None:
    """Titles, periods and groups of columns stand above it."""
    rows = [
        ["Отчёт за", "март 2024"],
        ["", "Сведения", "Сведения"],
        ["№", "Название", "Кратко"],
        ["1", "Название", "x"],
    ]
    assert find_header(rows, WANTED) == 2
    assert find_header([["a", "b"], *rows], frozenset({"нет такого"})) == 0
    assert find_header([["Отчёт", None], [2024, "Сумма"]], frozenset({"2024"})) == 1


def test_header_without_some_of_the_names_is_still_the_header() -> None:
    """An optional column may be missing; the rows below don't become the header for it."""
    rows = [["Период", "2024"], ["№", "Название"], *([["1", "x"]] * 300)]
    assert find_header(rows, WANTED) == 1


@pytest.mark.parametrize(
    ("cells", "names"),
    [
        (["№", "Нaзвание", "Кратко"], ["№", "Название", "Кратко"]),  # a Latin a
        (["No", "Название", "Кратко"], ["№", "Название", "Кратко"]),
        (["№", "Название", "Ｋратко"], ["№", "Название", "Кратко"]),
        (["№", "No", "Название"], ["№", "No", "Название"]),  # the exact one is there
        (["№", "Названия", "Кратко"], ["№", "Названия", "Кратко"]),
    ],
)
def test_name_that_looks_like_a_wanted_one_is_it(cells: list[str], names: list[str]) -> None:
    """A column is called as the mapping calls it, if its name only looks the same."""
    assert take_wanted_names(cells, WANTED) == names


@pytest.mark.parametrize("second", ["Название", "Haзвание", "Назва\u00adние", "Название ", "Назван\u200bие"])
def test_two_columns_that_look_the_same_are_refused(second: str) -> None:
    """Which of two is meant is not guessed, and the letters of both columns are told."""
    with pytest.raises(FileRefused) as caught:
        read_table("a.csv", f"№;Название;{second}\n1;a;b\n".encode(), FormatOptions(columns=WANTED))
    assert caught.value.code is FileCode.REPEATED_COLUMN
    assert caught.value.params == {"column": "Название", "columns": "B and C"}


def test_two_columns_that_nobody_uses_may_have_one_name() -> None:
    """Unused columns harm nothing, and one that the mapping calls by its number is meant so."""
    table = read_table("a.csv", "№;x;x\n1;a;b\n".encode(), FormatOptions(columns=frozenset({"№"})))
    assert table.header == ("№", "x", "x (2)")
    table = read_table("a.csv", "№;x;x\n1;a;b\n".encode(), FormatOptions(columns=frozenset({"№", "x", "x (2)"})))
    assert table.header == ("№", "x", "x (2)")


def test_keys_of_json_lines_are_spelled_as_the_mapping_does() -> None:
    """A key with a soft hyphen or a Latin letter in it never reads as a missing column."""
    lines = '{"Назва\u00adние": "a", "№": 1}\n{"Нaзвание": "b", "№": 2}\n{"Название": "c", "Нaзвание": "d"}\n'
    table = read_table("a.jsonl", lines.encode(), FormatOptions(columns=WANTED))
    assert [row.cells["Название"] for row in table.rows] == ["a", "b"]
    assert [problem.row_number for problem in table.problems] == [3]


def test_header_of_two_rows_is_one() -> None:
    """Groups stand above their columns; a column is called by its own name, or by both."""
    text = "№;Бюджет;;Название\n;от;до;\n1;2;3;a\n2;3;4;b\n"
    for names in (("№", "от", "до", "Название"), ("№", "Бюджет / от", "Бюджет / до", "Название")):
        table = read_table("a.csv", text.encode(), FormatOptions(columns=frozenset(names)))
        assert table.header == names
        assert [row.number for row in table.rows] == [3, 4]
        assert table.format.header_row == 2
