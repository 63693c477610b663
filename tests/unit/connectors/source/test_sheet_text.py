"""Promises of searching a sheet's XML: broken cells are found however they are written, in time linear in the text."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import date
from itertools import pairwise
from time import process_time

import pytest

from connectors.source import FileRefused, FormatOptions, ProblemCode, Table, read_table
from connectors.source.problem import FileCode
from connectors.source.sheet_form import Form, reach_of_filled
from connectors.source.sheet_text import BrokenCells, StyledCell, hidden_rows, shared_texts, styled_cells
from connectors.source.styles import read_styles
from tests.unit.connectors.source.test_package import package

HEAD = '<row r="1"><c r="A1" t="str"><v>a</v></c><c r="B1" t="str"><v>b</v></c></row>'
GROWTH_MAX = 2.2


def read(cell: str, **parts: str) -> Table:
    rows = f'{HEAD}<row r="2"><c r="A2"><v>1</v></c>{cell}</row>'
    return read_table("a.xlsx", package(rows, **parts), FormatOptions(columns=frozenset({"a", "b"})))


@pytest.mark.parametrize(
    ("cell", "code"),
    [
        ('<c r="B2" t="inlineStr"><v>text</v></c>', ProblemCode.MISPLACED_TEXT),
        ('<c t="inlineStr" r="B2" s="0"><v>text</v></c>', ProblemCode.MISPLACED_TEXT),
        ('<c r="B2" t="inlineStr"><is/><v>text</v></c>', ProblemCode.MISPLACED_TEXT),
        ('<c r="B2" t="inlineStr"><is></is> <v>text</v></c>', ProblemCode.MISPLACED_TEXT),
        ("<c r='B2' t='inlineStr'><v>text</v></c>", ProblemCode.MISPLACED_TEXT),
        ('<c r="B2" t="inlineStr"><v>one</v><is><t>two</t></is></c>', ProblemCode.MISPLACED_TEXT),
        ('<c r="B2" t="s"><v></v></c>', ProblemCode.MISPLACED_TEXT),
        ('<c r="B2" t="str"><v>a<![CDATA[<b>]]></v></c>', ProblemCode.MISPLACED_TEXT),
        ('<c r="B2" t="e"><v>#REF!</v></c>', ProblemCode.ERROR_CELL),
        ('<c r="B2"><f>A1</f></c>', ProblemCode.ERROR_CELL),
        ('<c r="B2"><f>A1</f><v></v></c>', ProblemCode.ERROR_CELL),
    ],
)
def test_cell_without_a_value_where_it_belongs_keeps_its_row(cell: str, code: ProblemCode) -> None:
    """What a parser takes for an empty cell is no empty cell: something was there."""
    table = read(cell)
    assert [(problem.row_number, problem.column, problem.code) for problem in table.problems] == [(2, "b", code)]


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ('<c r="B2" t="inlineStr"><is><t>x</t></is></c>', "x"),
        ('<c r="B2" t="inlineStr"><is><r><t>x</t></r><r><t>y</t></r><rPh sb="0" eb="1"><t>p</t></rPh></is></c>', "xy"),
        ('<c r="B2" t="inlineStr"><v></v></c>', None),
        ('<c r="B2" t="str"><f>A1</f></c>', None),
        ('<c r="B2" t="str"><v>007</v></c>', "007"),
        ('<c r="B2" t="inlineStr"><is><t>a<![CDATA[<b>]]></t></is></c>', "a<b>"),
        ('<c r="B2" t="d"><v>2024-03-01</v></c>', date(2024, 3, 1)),
        ('<c r="B2" t="b"><v>1</v></c>', True),
    ],
)
def test_cell_in_its_usual_form_is_read(cell: str, value: object) -> None:
    """Texts in the sheet itself, rich or plain, without what tells how to pronounce them."""
    table = read(cell)
    assert [row.cells["b"] for row in table.rows] == [value]


@pytest.mark.parametrize("cell", ['<c r="B2" t="s"><v>9</v></c>', '<c r="B2" t="s"><v>x</v></c>'])
def test_text_that_is_nowhere_refuses_the_file(cell: str) -> None:
    """A cell that refers to no text is damage."""
    with pytest.raises(FileRefused) as caught:
        read(cell)
    assert caught.value.code is FileCode.BROKEN_WORKBOOK


def test_styled_cells_are_found_however_they_are_written() -> None:
    """Attributes in any order, quotes of both kinds, places left out, prefixes, and the first style unsaid."""
    plain = b'<row r="2"><c r="A2" s="3"><v>1</v></c><c r="B2"><v>1</v></c><c r="AA2" t="n" s="3"/></row>'
    odd = b"<row r='3'><c s='3'><v>1</v></c><c t='n' s='4' r='C3'/><c s='3'/></row><x:row><x:c s=\"3\"/></x:row>"
    found = list(styled_cells([plain, odd], frozenset({3}), frozenset(range(30))))
    assert found == [
        StyledCell(1, 0, 3), StyledCell(1, 26, 3), StyledCell(2, 0, 3), StyledCell(2, 3, 3), StyledCell(3, 0, 3),
    ]  # fmt: skip
    assert list(styled_cells([plain], frozenset({0, 3}), frozenset({1, 26}))) == [
        StyledCell(1, 1, 0),
        StyledCell(1, 26, 3),
    ]


def test_styles_with_a_document_type_are_refused() -> None:
    """No spreadsheet writes one, and entities could be gigabytes."""
    bomb = '<!DOCTYPE a [<!ENTITY b "bbbb">]><styleSheet>&b;</styleSheet>'
    with pytest.raises(ValueError, match="document type"):
        read_styles(bomb)
    with pytest.raises(FileRefused):
        read('<c r="B2"><v>7</v></c>', styles=bomb)


def search(piece: bytes) -> None:
    with suppress(ValueError):
        Form().take(b"<sheetData>" + piece)
    with suppress(ValueError):
        Form().take(piece)
    with suppress(ValueError):
        reach_of_filled([piece])
    BrokenCells().take(piece)
    list(hidden_rows(piece))
    list(shared_texts(piece))
    list(styled_cells([piece], frozenset({3}), frozenset(range(30))))


def seconds(search_it: Callable[[], object]) -> float:
    start = process_time()
    search_it()
    return process_time() - start


@pytest.mark.parametrize(
    "unit",
    [
        b"<c ", b"<c", b"<", b"<row ", b'<c r="', b' r="A1"', b' t="e"', b' t="s"', b' t="inlineStr"', b"<c><f",
        b"<c> ", b'<c t="e"', b"<c><f>", b"<v></", b"<c t='s'><v>", b" hidden=", b"<c t='inlineStr'><is>",
        b"<a:", b"<![CDATA[", b"a:c", b"=''",
    ],
)  # fmt: skip
@pytest.mark.long
def test_search_grows_with_the_text(unit: bytes) -> None:
    """Twice as much of anything takes twice the time: no text makes an expression look at it again and again."""
    for head in (b"", b"<c t=\"e\" t='e' <f :f <v></ inlineStr hidden= "):
        sizes = [head + unit * (count // len(unit)) for count in (50_000, 100_000)]
        best = min(
            seconds(lambda more=more: search(more)) / max(seconds(lambda less=less: search(less)), 0.005)  # type: ignore[misc]
            for less, more in pairwise(sizes * 4)
            if len(more) > len(less)
        )
        assert best <= GROWTH_MAX


def merged(areas: list[str], row_count: int) -> bytes:
    """Return a sheet of two columns whose first has a number every ten rows, with merged areas."""
    rows = "".join(
        f'<row r="{n}">{f"""<c r="A{n}"><v>{n}</v></c>""" if n % 10 == 2 else ""}<c r="B{n}"><v>1</v></c></row>'
        for n in range(2, row_count + 2)
    )
    cells = "".join(f'<mergeCell ref="{area}"/>' for area in areas)
    sheet = "<worksheet xmlns='http://schemas.openxmlformats.org/spreadsheetml/2006/main'><sheetData>{}</sheetData>"
    return package(HEAD + rows, sheet=f"{sheet}<mergeCells>{cells}</mergeCells></worksheet>")


def test_merged_areas_take_time_by_their_rows() -> None:
    """Each row is filled once, however many areas there are."""

    def read_merged(row_count: int) -> Callable[[], object]:
        data = merged([f"A{n}:A{n + 9}" for n in range(2, row_count, 10)], row_count)
        return lambda: read_table("a.xlsx", data)

    table = read_table("a.xlsx", merged(["A2:A11", "A12:A21"], 20))
    assert [row.cells["a"] for row in table.rows] == [2] * 10 + [12] * 10
    less, more = read_merged(10_000), read_merged(20_000)
    assert min(seconds(more) / seconds(less) for _ in range(3)) <= GROWTH_MAX


@pytest.mark.parametrize(
    "areas",
    [[f"A{n}:A20001" for n in range(2, 2002)], ["A1:B1", "B1:XFD1"], ["A2:A5", "A5:A9"]],
    ids=["many", "header", "two"],
)
def test_overlapping_merged_areas_refuse_the_file(areas: list[str]) -> None:
    """A cell has one value; which of two areas gives it is not for a reader to choose."""
    start = process_time()
    with pytest.raises(FileRefused, match="overlap"):
        read_table("a.xlsx", merged(areas, 20_000 if len(areas) > 2 else 20))
    assert process_time() - start < 20
