"""Promises of reading JSON lines: numbers are exact, nesting is kept, a broken line harms no other."""

from __future__ import annotations

from decimal import Decimal

import pytest

from connectors.source import FileRefused, Limits, ProblemCode, Table, read_table
from connectors.source.problem import FileCode, WarningCode


def read(text: str | bytes) -> Table:
    return read_table("a.jsonl", text if isinstance(text, bytes) else text.encode())


def test_read_values_are_exact_and_nested() -> None:
    """What JSON says is what the mapping gets: no float anywhere, no digit lost."""
    table = read(
        '{"id": 12345678901234567890, "p": 0.10, "t": ["a", {"x": 1.5}], "ok": true, "no": null, "k": "имя"}\n'
    )
    assert table.header == ("id", "p", "t", "ok", "no", "k")
    assert table.rows[0].cells == {
        "id": 12345678901234567890,
        "p": Decimal("0.10"),
        "t": ["a", {"x": Decimal("1.5")}],
        "ok": True,
        "no": None,
        "k": "имя",
    }
    assert str(table.rows[0].cells["p"]) == "0.10"


@pytest.mark.parametrize(
    "line",
    [
        '{"a": 1',
        "{'a': 1}",
        "[1]",
        '"text"',
        "5",
        '{"a": NaN}',
        '{"a": -Infinity}',
        '{"a": 1e999999}',
        '{"a": 0e999999999}',
        '{"a": 1e99999999999999999999}',
        '{"a": -0.0e-99999999999999999999}',
        '{"a": 1, "a": 2}',
        '{"a": "\\ud800"}',
        '{"a": ["\\u0000"]}',
        '{"\\udfff": 1}',
        '{"a": 1} {"a": 2}',
        '{"a": ' + "9" * 5_000 + "}",
        '{"a": ' + "[" * 100_000 + "}",
    ],
)
def test_read_broken_line_is_a_problem_of_its_own(line: str) -> None:
    """Whatever is wrong with a line, its neighbours are read and it is named."""
    table = read(f'{{"a": "1"}}\n{line}\n\n{{"a": "2"}}')
    assert [(problem.row_number, problem.code) for problem in table.problems] == [(2, ProblemCode.BROKEN_JSON)]
    assert [(row.number, row.cells) for row in table.rows] == [(1, {"a": "1"}), (4, {"a": "2"})]
    assert (table.blank_count, table.row_count) == (1, 4)


def test_read_surrogate_pair_is_a_letter() -> None:
    """An escaped letter beyond the basic plane is fine; only halves are refused."""
    assert read('{"a": "\\ud83d\\ude00 \\\\u0000"}').rows[0].cells == {"a": "\U0001f600 \\u0000"}


def test_read_undecodable_bytes_harm_one_line() -> None:
    """Bytes that are no text are named by their line."""
    table = read('{"a": "имя"}\n'.encode() * 5 + b'{"a": "\xff"}\n' + b'{"a": "x"}\n')
    assert [(problem.row_number, problem.code) for problem in table.problems] == [(6, ProblemCode.UNREADABLE_BYTES)]
    assert len(table.rows) == 6


def test_read_limits_hold() -> None:
    """A line beyond the limit is named; too many keys are refused."""
    table = read_table("a.jsonl", b'{"a": "' + b"x" * 200 + b'"}\n', limits=Limits(cell_chars_max=100))
    assert table.problems[0].code is ProblemCode.CELL_TOO_LONG
    with pytest.raises(FileRefused) as caught:
        read_table("a.jsonl", b'{"a":1,"b":1,"c":1}', limits=Limits(columns_max=2))
    assert caught.value.code is FileCode.TOO_MANY_COLUMNS


def test_read_empty_file_is_an_empty_table() -> None:
    """Nothing in the file is no error; a warning says so."""
    table = read(b"\xef\xbb\xbf\n")
    assert (table.row_count, table.blank_count) == (1, 1)
    assert [warning.code for warning in table.warnings] == [WarningCode.EMPTY_FILE]
