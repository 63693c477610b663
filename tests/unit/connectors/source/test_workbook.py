"""Promises of reading XLSX: values as the sheet shows them, the table wherever it stands, merges as a person reads."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from time import process_time

import openpyxl
import pytest
from openpyxl.worksheet.worksheet import Worksheet

from connectors.source import FileRefused, FormatOptions, Limits, ProblemCode, Table, read_table
from connectors.source.problem import FileCode, WarningCode


def book(fill: Callable[[Worksheet], None], *more: tuple[str, str, Callable[[Worksheet], None]]) -> bytes:
    """Return a workbook; more are further sheets as (name, state, fill)."""
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    assert isinstance(sheet, Worksheet)
    sheet.title = "Main"
    fill(sheet)
    for name, state, fill_it in more:
        extra = workbook.create_sheet(name)
        extra.sheet_state = state
        fill_it(extra)
    out = io.BytesIO()
    workbook.save(out)
    return out.getvalue()


def rows_of(*rows: list[object]) -> Callable[[Worksheet], None]:
    def fill(sheet: Worksheet) -> None:
        for row in rows:
            sheet.append(row)

    return fill


def read(data: bytes, **options: object) -> Table:
    return read_table("a.xlsx", data, FormatOptions.model_validate(options))


def cells(table: Table) -> list[tuple[int, list[object]]]:
    return [(row.number, list(row.cells.values())) for row in table.rows]


def codes(table: Table) -> list[WarningCode]:
    return [warning.code for warning in table.warnings]


def test_read_cells_are_typed_and_exact() -> None:
    """A number is what the sheet shows, never a binary float; dates are dates; outer spaces are gone."""
    moment = datetime(2024, 5, 1, 10, 30, 15)  # noqa: DTZ001
    values = [7, 0.1 + 0.2, 1234567.89, date(2024, 5, 1), moment, True, " text\u00a0", time(9, 5), timedelta(hours=30)]
    table = read(book(rows_of([f"c{i}" for i in range(9)], values)))
    expected = [
        7,
        Decimal("0.3"),
        Decimal("1234567.89"),
        date(2024, 5, 1),
        moment,
        True,
        "text",
        "09:05:00",
        "30:00:00",
    ]
    found = list(table.rows[0].cells.values())
    assert found == expected
    assert all(isinstance(value, type(wanted)) for value, wanted in zip(found, expected, strict=True))
    assert type(found[1]) is Decimal
    assert str(found[1]) == "0.3"


@pytest.mark.parametrize("number", [0, -1, 2**31, 10**15 - 1, -(10**15) + 1, 1.5, -0.0001, 1e-7, 123456.123456, 99.99])
def test_read_number_round_trips(number: float) -> None:
    """Every number of up to 15 digits comes back digit for digit."""
    found = read(book(rows_of(["a", "b"], [number, "x"]))).rows[0].cells["a"]
    assert found == Decimal(repr(number))
    assert not isinstance(found, float)


def test_read_long_number_lost_digits_keep_its_row() -> None:
    """A registration number typed as a number has lost its last digits in the sheet itself: no row goes out with it."""
    data = book(
        rows_of(["id", "b"], [12345678901234567890, "x"], [6112031505780002, "y"], [10**15 - 1, "z"], [1e300, 1])
    )
    table = read(data)
    assert [(problem.row_number, problem.column, problem.code) for problem in table.problems] == [
        (row, "id", ProblemCode.DIGITS_LOST) for row in (2, 3, 5)
    ]
    assert cells(table) == [(4, [10**15 - 1, "z"])]
    assert cells(read(data, columns=["b"]))[0] == (2, [None, "x"])


def test_read_table_away_from_the_corner_keeps_its_numbers() -> None:
    """Titles, empty rows and empty columns around a table do not shift its row numbers or its names."""

    def fill(sheet: Worksheet) -> None:
        sheet["C2"] = "Our offers in 2024"
        for column, name in zip("CDF", ("id", "name", "price"), strict=True):
            sheet[f"{column}4"] = name
        sheet["C5"], sheet["D5"], sheet["F5"] = 1, "bolt", 2.5
        sheet["C8"], sheet["D8"] = 2, "nut"

    table = read(book(fill))
    assert (table.header, table.format.header_row) == (("id", "name", "price"), 4)
    assert cells(table) == [(5, [1, "bolt", Decimal("2.5")]), (8, [2, "nut", None])]
    assert (table.blank_count, table.row_count, table.warnings) == (2, 4, ())


def test_read_column_without_a_name_is_kept_if_used() -> None:
    """Cells under an empty name are not lost: the column goes by its letter on the sheet."""

    def fill(sheet: Worksheet) -> None:
        sheet["B1"], sheet["D1"] = "id", "x"
        sheet["B2"], sheet["C2"], sheet["D2"] = 1, "note", 2

    table = read(book(fill))
    assert (table.header, codes(table)) == (("id", "Column C", "x"), [WarningCode.UNNAMED_COLUMN])


def test_read_named_header_row_is_obeyed_or_refused() -> None:
    """A named header row is taken as it is, and an empty one is an error of the mapping."""
    data = book(rows_of(["x", "y"], ["a", "b"], [1, 2]))
    assert read(data, header_row=2).header == ("a", "b")
    with pytest.raises(FileRefused) as caught:
        read(data, header_row=9)
    assert caught.value.code is FileCode.NO_SUCH_ROW


def test_read_repeated_names_are_numbered_with_a_warning() -> None:
    """Each column can be addressed."""
    table = read(book(rows_of(["Name", "Name", 2024, date(2024, 1, 1)], ["a", "b", "c", "d"])))
    assert (table.header, codes(table)) == (
        ("Name", "Name (2)", "2024", "2024-01-01"),
        [WarningCode.REPEATED_HEADER],
    )


def test_read_merged_header_names_every_column_and_level() -> None:
    """A name merged to the right counts for each column it covers, one merged downwards for each row of the header."""

    def fill(sheet: Worksheet) -> None:
        sheet["A1"], sheet["B1"], sheet["D1"] = "id", "Budget", "Notes"
        sheet["B2"], sheet["C2"] = "from", "to"
        sheet.append([1, 10, 20, "x"])
        for area in ("A1:A2", "B1:C1", "D1:D2"):
            sheet.merge_cells(area)

    table = read(book(fill))
    assert table.header == ("id", "Budget / from", "Budget / to", "Notes")
    assert cells(table) == [(3, [1, 10, 20, "x"])]
    assert codes(table) == [WarningCode.MERGED_CELLS]


def test_read_merged_single_row_header_repeats_to_the_right() -> None:
    """Without a second level the repeated name is numbered."""

    def fill(sheet: Worksheet) -> None:
        sheet.append(["id", "Contact", None])
        sheet.merge_cells("B1:C1")
        sheet.append([1, "mail", "phone"])

    assert read(book(fill)).header == ("id", "Contact", "Contact (2)")


def test_read_merged_cells_count_for_each_row_they_cover() -> None:
    """A country merged over three rows is the country of each; rows that are otherwise empty stay blank."""

    def fill(sheet: Worksheet) -> None:
        for row in (["country", "name"], ["KZ", "a"], [None, "b"], [None, None], [None, "c"], ["UZ", "d"]):
            sheet.append(row)
        sheet.merge_cells("A2:A5")

    table = read(book(fill))
    assert cells(table) == [(2, ["KZ", "a"]), (3, ["KZ", "b"]), (5, ["KZ", "c"]), (6, ["UZ", "d"])]
    assert (table.blank_count, codes(table)) == (1, [WarningCode.MERGED_CELLS])


def test_read_error_cell_is_a_problem_unless_the_column_is_unused() -> None:
    """A formula that shows an error is never an empty cell; where the column is not used it harms nothing."""

    def fill(sheet: Worksheet) -> None:
        for row in (["id", "price", "note"], [1, 5, "#N/A"], [2, 6, "ok"]):
            sheet.append(row)
        sheet["C2"].data_type = "e"
        sheet["D1"], sheet["D2"], sheet["D3"] = "sum", "=A2+B2", 8

    table = read(book(fill))
    assert [(problem.row_number, problem.column, problem.code) for problem in table.problems] == [
        (2, "note", ProblemCode.ERROR_CELL),
        (2, "sum", ProblemCode.ERROR_CELL),
    ]
    assert "C2" in table.problems[0].message
    assert "not stored" in table.problems[1].message
    assert ([row.number for row in table.rows], table.row_count) == ([3], 2)
    used = read(book(fill), columns=["id", "price"])
    assert (used.problems, len(used.rows), used.rows[0].cells["note"]) == ((), 2, None)


def test_read_sheet_first_visible_filled_one_unless_named() -> None:
    """Hidden and empty sheets are passed over; a named sheet is read even if hidden, letter case aside."""
    data = book(
        lambda sheet: None,
        ("Secret", "hidden", rows_of(["s", "t"], [1, 2])),
        ("Data", "visible", rows_of(["a", "b"], [3, 4])),
        ("More", "visible", rows_of(["c", "d"])),
    )
    table = read(data)
    assert (table.format.sheet, table.header, codes(table)) == ("Data", ("a", "b"), [WarningCode.OTHER_SHEETS])
    assert "sheet" in table.format.detected
    named = read(data, sheet="secret ")
    assert (named.format.sheet, named.header, named.warnings) == ("Secret", ("s", "t"), ())
    assert "sheet" not in named.format.detected
    with pytest.raises(FileRefused, match="'Main', 'Secret', 'Data', 'More'") as caught:
        read(data, sheet="Prices")
    assert caught.value.code is FileCode.NO_SUCH_SHEET


@pytest.mark.parametrize("rows", [[], [[None]], [["only a title"]]])
def test_read_sheet_without_rows_is_an_empty_table(rows: list[list[object]]) -> None:
    """Nothing on the sheet is no error."""
    table = read(book(rows_of(*rows)))
    assert (table.row_count, len(table.header)) == (0, len(rows) and rows[0][0] is not None)


def test_read_cell_over_limit_and_nul_are_problems_of_their_rows() -> None:
    """A cell beyond the limit, or one with a NUL in it, is named by column."""
    data = book(rows_of(["id", "text"], [1, "x" * 200], [2, "a_x0000_b"], [3, "ok"]))
    table = read_table("a.xlsx", data, limits=Limits(cell_chars_max=100))
    assert [(problem.row_number, problem.column, problem.code) for problem in table.problems] == [
        (2, "text", ProblemCode.CELL_TOO_LONG),
        (3, "text", ProblemCode.NUL_CHARACTER),
    ]
    assert [row.number for row in table.rows] == [4]


def test_read_too_many_columns_is_refused() -> None:
    """A header far wider than any office sheet is refused."""
    with pytest.raises(FileRefused) as caught:
        read(book(rows_of([f"c{i}" for i in range(1_001)])))
    assert caught.value.code is FileCode.TOO_MANY_COLUMNS


def test_header_of_thousands_of_equal_names_is_refused_at_once() -> None:
    """Names are told apart only where there are not too many of them."""
    data = book(rows_of(["x"] * 16_000, [1]))
    start = process_time()
    with pytest.raises(FileRefused) as caught:
        read(data)
    assert caught.value.code is FileCode.TOO_MANY_COLUMNS
    assert process_time() - start < 5
