"""Promises of ids in workbooks: they are what the sheet shows, or the cell is refused; and of looks: they are told."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from typing import Any

import openpyxl
import pytest
from openpyxl.styles import Font, PatternFill
from openpyxl.worksheet.worksheet import Worksheet

from connectors.mapping import outcomes, read_mapping
from connectors.source import FileRefused, read_table
from connectors.source.problem import FileCode, WarningCode

PARTNERS = """
files: "*.xlsx"
stream: partner
key: [Code]
fields:
  kind: {value: enterprise}
  name: {column: Name}
  country: {value: UZ}
  registration_number: {column: Number, optional: true}
"""
MOMENT = datetime(2024, 3, 1, 14, 7, 11)  # noqa: DTZ001


def book(*sheets: Callable[[Worksheet], object] | tuple[str, Callable[[Worksheet], object]]) -> bytes:
    workbook = openpyxl.Workbook()
    workbook.remove(workbook.worksheets[0])
    for index, given in enumerate(sheets):
        name, fill = given if isinstance(given, tuple) else (f"Sheet {index + 1}", given)
        fill(workbook.create_sheet(name))
    out = io.BytesIO()
    workbook.save(out)
    return out.getvalue()


def codes_of(*cells: tuple[Any, str]) -> Callable[[Worksheet], None]:
    """Return what fills a sheet of partners: their codes, each a value and its display format."""

    def fill(sheet: Worksheet) -> None:
        sheet.append(["Code", "Name"])
        for number, (value, form) in enumerate(cells, 2):
            sheet.cell(number, 1, value).number_format = form
            sheet.cell(number, 2, f"Partner {number}")

    return fill


def read(data: bytes, mapping: str = PARTNERS) -> list[Any]:
    """Return each row's key, or its codes."""
    found = read_mapping(mapping, "a.yaml")
    table = read_table("a.xlsx", data, found.format_options())
    return [o.key if o.wanted else [p.code for p in o.problems] for o in outcomes(found, table, "uz") if not o.blank]


@pytest.mark.parametrize(
    ("value", "form", "key"),
    [
        (7, "General", "7"),
        (7, "0", "7"),
        (7, "00000", "00007"),
        (7, '"P-"000', "P-007"),
        (12.1, "0.00", "12.10"),
        (12, "0.00", "12.00"),
        (999, "#,##0", "999"),
        (123456789012, "General", "123456789012"),
        (9161234567, "+7 (000) 000-00-00", "+7%20(916)%20123-45-67"),
        (0.5, "0%", "50%25"),
        (7, "@", "7"),
        ("007", "@", "007"),
        ("7", '"P-"@', "P-7"),
        (0.1 + 0.2, "General", "0.3"),
    ],
)
def test_key_is_what_the_sheet_shows(value: Any, form: str, key: str) -> None:
    """A display format is part of an id: who reads the sheet knows no other."""
    assert read(book(codes_of((value, form)))) == [key]


@pytest.mark.parametrize(
    ("value", "form", "code"),
    [
        (1234, "#,##0", "SHOWN_OTHERWISE"),
        (1.234, "0.00", "SHOWN_OTHERWISE"),
        (12.5, "0", "SHOWN_OTHERWISE"),
        (0.5, "# ?/?", "SHOWN_OTHERWISE"),
        (5, "0.00E+00", "SHOWN_OTHERWISE"),
        (12.123456789012, "General", "SHOWN_OTHERWISE"),
        (5, ";;;", "SHOWN_OTHERWISE"),
        ("007", ";;;", "SHOWN_OTHERWISE"),
        (True, "General", "SHOWN_OTHERWISE"),
        (date(2024, 5, 12), "d-mmm", "MADE_A_DATE"),
        (date(2024, 5, 12), "dd.mm.yyyy", "MADE_A_DATE"),
        (MOMENT, "yyyy-mm-dd h:mm", "MADE_A_DATE"),
        (time(12, 5), "h:mm", "MADE_A_DATE"),
        (timedelta(hours=100), "[h]:mm", "MADE_A_DATE"),
        (6112031505780002, "0", "DIGITS_LOST"),
        (10**15, "General", "DIGITS_LOST"),
        (911101080000001000, "0", "DIGITS_LOST"),
    ],
)
def test_key_that_nobody_can_be_sure_of_is_refused(value: Any, form: str, code: str) -> None:
    """What is shown by country, width or rounding, what became a date, and what has lost digits."""
    assert read(book(codes_of((value, form)))) == [[code]]


def test_formats_count_cell_by_cell() -> None:
    """One column may have cells of several formats, and cells of the first style, which XML leaves out."""
    data = book(codes_of((7, "00000"), (7, "General"), (7, "000"), ("7a", "000"), (8, "0.0"), (9, "#,##0.00")))
    assert read(data) == ["00007", "7", "007", "7a", "8.0", "9.00"]


def test_number_columns_keep_their_values_whatever_is_shown() -> None:
    """A format rounds what is seen of an amount; the amount is what is stored."""

    def fill(sheet: Worksheet) -> None:
        sheet.append(["Code", "Name", "Amount", "Signed"])
        sheet.append(["D-1", "Deal", 1234.5678, MOMENT])
        sheet["C2"].number_format, sheet["D2"].number_format = "#,##0", "dd.mm.yyyy"

    mapping = """
files: "*.xlsx"
stream: deal
key: Code
fields:
  title: {column: Name}
  language: {value: ru}
  kind: {value: licence}
  amount: {column: Amount}
  currency: {value: USD}
  signed_on: {column: Signed}
status: {value: signed}
"""
    found = read_mapping(mapping, "a.yaml")
    (outcome,) = outcomes(found, read_table("a.xlsx", book(fill), found.format_options()), "uz")
    assert outcome.wanted is not None
    assert (str(outcome.wanted.record["amount"]), str(outcome.wanted.record["signed_on"])) == (
        "1234.5678",
        "2024-03-01",
    )


def test_merged_cell_counts_as_it_is_shown_for_all_its_rows() -> None:
    """Rows below a merged id have it as it is shown, and are refused with it."""

    def fill(sheet: Worksheet) -> None:
        for row in (["Number", "Code", "Name"], [7, "a", "A"], [None, "b", "B"], [10**16, "c", "C"], [None, "d", "D"]):
            sheet.append(row)
        sheet["A2"].number_format = "000"
        sheet.merge_cells("A2:A3")
        sheet.merge_cells("A4:A5")

    found = read_mapping(PARTNERS, "a.yaml")
    table = read_table("a.xlsx", book(fill), found.format_options())
    shown = [
        [problem.code for problem in o.problems] or (o.wanted and o.wanted.record["registration_number"])
        for o in outcomes(found, table, "uz")
    ]
    assert shown == ["007", "007", ["DIGITS_LOST"], ["DIGITS_LOST"]]


def rows_of(*rows: list[Any]) -> Callable[[Worksheet], None]:
    def fill(sheet: Worksheet) -> None:
        for row in rows:
            sheet.append(row)

    return fill


ONE = rows_of(["Code", "Name"], ["a", "A"])
OTHER = rows_of(["Year", "Sum"], [2024, 5])


def test_sheet_with_all_columns_is_read_wherever_it_stands() -> None:
    """A mapping that names no sheet means the one that has its columns."""
    assert read(book(("Cover", rows_of(["About", "this"], ["x", "y"])), ("Sums", OTHER), ("Partners", ONE))) == ["a"]


def test_several_sheets_with_all_columns_are_refused() -> None:
    """Two sheets of one form: which is meant is for a person to say, and the refusal says between which."""
    data = book(("2023", ONE), ("Sums", OTHER), ("2024", rows_of(["Name", "Code"], ["B", "b"])))
    with pytest.raises(FileRefused, match="'2023', '2024'") as caught:
        read(data)
    assert caught.value.code is FileCode.WHICH_SHEET
    assert caught.value.params == {"sheets": "'2023', '2024'"}
    assert read(data, PARTNERS + "format: {sheet: '2024'}\n") == ["b"]
    assert read(data, PARTNERS + "format: {sheet: '2023'}\n") == ["a"]


def test_hidden_sheet_is_read_only_if_it_is_named() -> None:
    """A copy that somebody hid does not make a workbook uncertain."""

    def hidden(sheet: Worksheet) -> None:
        rows_of(["Code", "Name"], ["h", "H"])(sheet)
        sheet.sheet_state = "hidden"

    data = book(("Old", hidden), ("New", ONE))
    assert read(data) == ["a"]
    assert read(data, PARTNERS + "format: {sheet: old}\n") == ["h"]


def test_sheet_names_are_compared_as_they_look() -> None:
    """Spaces, capitals and composed letters make no difference, unless two sheets are told apart by them alone."""
    data = book(("\u0418\u0306  2024", ONE), ("Sums", OTHER))
    assert read(data, PARTNERS + "format: {sheet: '\u0439 2024'}\n") == ["a"]
    twins = book(("A 1", ONE), ("A  1", rows_of(["Code", "Name"], ["b", "B"])))
    assert read(twins, PARTNERS + "format: {sheet: 'A  1'}\n") == ["b"]
    with pytest.raises(FileRefused) as caught:
        read(twins, PARTNERS + "format: {sheet: 'a 1'}\n")
    assert caught.value.code is FileCode.WHICH_SHEET


def test_hidden_and_struck_and_coloured_are_told_and_change_nothing() -> None:
    """What a look may mean is said once; the rows are read as all others."""

    def fill(sheet: Worksheet) -> None:
        rows_of(["Code", "Name"], ["a", "A"], ["b", "B"], ["c", "C"], ["d", "D"])(sheet)
        sheet.row_dimensions[3].hidden = True
        sheet.column_dimensions["B"].hidden = True
        sheet["A4"].font = Font(strike=True)
        for place, colour in (("A1", "FF00FF00"), ("A2", "FFFFFF00"), ("A3", "FFFF0000")):
            sheet[place].fill = PatternFill("solid", fgColor=colour)

    found = read_mapping(PARTNERS, "a.yaml")
    table = read_table("a.xlsx", book(fill), found.format_options())
    said = {warning.code: warning.message for warning in table.warnings}
    assert set(said) == {WarningCode.HIDDEN, WarningCode.STRUCK_THROUGH, WarningCode.COLOURED}
    assert "1 rows are hidden" in said[WarningCode.HIDDEN]
    assert "'Name'" in said[WarningCode.HIDDEN]
    assert "row 4" in said[WarningCode.STRUCK_THROUGH]
    assert "'Code' (2)" in said[WarningCode.COLOURED]
    assert len(table.rows) == 4


def test_coloured_header_alone_is_no_news() -> None:
    """Nearly every header is coloured."""

    def fill(sheet: Worksheet) -> None:
        ONE(sheet)
        for cell in sheet[1]:
            cell.fill = PatternFill("solid", fgColor="FFCCCCCC")

    found = read_mapping(PARTNERS, "a.yaml")
    assert read_table("a.xlsx", book(fill), found.format_options()).warnings == ()
