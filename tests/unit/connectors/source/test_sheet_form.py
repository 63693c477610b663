"""Promises of a sheet's form: what the parser would find and a search would not is refused, before it is parsed.

The parser lays a sheet out as one block as large as its last cell is far away, and ends the process where the memory is
too small: a cell that is overlooked here stops the office for good.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable

import pytest

from connectors.source import FileRefused, FormatOptions, ProblemCode, Table, read_table
from connectors.source.problem import FileCode
from connectors.source.sheet_form import Form, check_strings
from tests.support.growth import check_growth
from tests.unit.connectors.source.test_package import package

HEAD = '<row r="1"><c r="A1" t="str"><v>a</v></c><c r="B1" t="str"><v>b</v></c></row>'
LAST = "XFD1048576"
FAR = (FileCode.EXPANDS_TOO_MUCH, FileCode.BROKEN_WORKBOOK)


def read(data: bytes) -> Table:
    return read_table("a.xlsx", data, FormatOptions(columns=frozenset({"a", "b"})))


def refusal(data: bytes) -> FileCode:
    with pytest.raises(FileRefused) as caught:
        read(data)
    return caught.value.code


def with_parts(data: bytes, **parts: Callable[[str], str] | str | None) -> bytes:
    """Return a package with other parts: text, what makes text of the old one, or none."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as made:
        for name in old.namelist():
            change = parts.pop(name, old.read(name).decode())
            text = change(old.read(name).decode()) if callable(change) else change
            if text is not None:
                made.writestr(name, text)
        for name, added in parts.items():
            assert isinstance(added, str)
            made.writestr(name, added)
    return out.getvalue()


@pytest.mark.parametrize("row", [2, 1048576])
@pytest.mark.parametrize(
    "cell",
    [
        f'<c r="{LAST}"><v>1</v></c>',
        f'<c\tr="{LAST}"><v>1</v></c>',
        f'<c\n r="{LAST}"><v>1</v></c>',
        f'<c r="{LAST}" t="str"/>',
        f'<c r="{LAST}" t="inlineStr"><is/></c>',
        f'<c r="{LAST.lower()}"><v>1</v></c>',
        f'<c r="A2" r="{LAST}"><v>1</v></c>',
        f"<c r=\"A2\"\tr = '{LAST}'><v>1</v></c>",
        f'<c a=">" r="{LAST}"><v>1</v></c>',
        f'<c a="<" r="{LAST}"><v>1</v></c>',
        '<c r="&#88;FD1048576"><v>1</v></c>',
        f'<abcdefghijk:c r="{LAST}"><v>1</v></abcdefghijk:c>',
        f'<a-b:c r="{LAST}"><v>1</v></a-b:c>',
        f'<я:c r="{LAST}"><v>1</v></я:c>',
        '<c r="XFC1048576"/><c><v>1</v></c>',
    ],
)
def test_cell_far_away_is_seen_however_it_is_written(cell: str, row: int) -> None:
    """Among them the simplest: a cell that says another row than the one that it stands in."""
    assert refusal(package(f'{HEAD}<row r="{row}">{cell}</row>')) in FAR


def test_row_far_away_is_seen_though_its_cells_say_no_place() -> None:
    """They follow one another."""
    cells = "<c><v>1</v></c>" * 40
    for tag in ('<row r="1048576">', "<row\tr='1048576'>", '<x:row r="1048576">'):
        end = "</x:row>" if ":" in tag else "</row>"
        assert refusal(package(HEAD + tag + cells + end)) in FAR


@pytest.mark.parametrize(
    "parts",
    [
        {"xl/worksheets/SHEET1.xml": "far"},
        {"xl/worksheets/sheet1.xml": None, "xl\\worksheets\\sheet1.xml": "far"},
        {"xl/worksheets/sheet1.xml": None, "xl/worksheets/sheet1.dat": "far", "target": "worksheets/SHEET1.DAT"},
        {"xl/xl/worksheets/sheet1.xml": "near", "target": "xl/worksheets/sheet1.xml"},
        {"xl/b.xml": "far", "relation": '<Relationship Id="rId1" Type="x/worksheet" Target="b.xml"/>'},
        {"xl/b.xml": "far", "sheet": '<sheet name="A &amp; B" sheetId="2" r:id="rId2"/>'},
    ],
)
def test_sheet_is_in_one_part_whoever_looks_for_it(parts: dict[str, str | None]) -> None:
    """The parser takes names by any letter case and slash, counts targets from elsewhere, and ids that repeat."""
    sheet = '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>{}</sheetData>'
    texts = {
        "far": sheet.format(f'{HEAD}<row r="1048576"><c r="{LAST}"><v>1</v></c></row>') + "</worksheet>",
        "near": sheet.format(HEAD) + "</worksheet>",
    }
    changes: dict[str, Callable[[str], str] | str | None] = {
        name: None if text is None else texts[text] for name, text in parts.items() if "/" in name or "\\" in name
    }
    more, ids = parts.get("relation") or "", parts.get("sheet") or ""
    changes["xl/_rels/workbook.xml.rels"] = lambda old: old.replace("</Relat", f"{more}</Relat", 1)
    changes["xl/workbook.xml"] = lambda old: old.replace("</sheets>", f"{ids}</sheets>")
    target = parts.get("target") or "worksheets/sheet1.xml"
    assert refusal(with_parts(package(HEAD, target=target), **changes)) in FAR


@pytest.mark.parametrize(
    "rows",
    [
        '<row r="2"><c r="A2"><v>1</v></c></row><row r="2"><c r="A2"><v>2</v></c></row>',
        '<row r="2"><c r="A2"><v>1</v></c><c r="A2"><v>2</v></c></row>',
        '<row r="2"><c r="A2" s="1"><v>1</v></c><c r="A2"><v>2</v></c></row>',
        "<row r='2'><c r='A2'><v>1</v></c></row><row r='2'><c r='A2'><v>2</v></c></row>",
        '<row r="2"><c r="B2"><v>1</v></c></row><row><c r="A3"/><c><v>2</v></c><c r="B3"><v>3</v></c></row>',
        '<row r="2"><c r="A2"><v>1</v><v>2</v></c></row>',
        '<row r="2"><c r="A2"><v>1</v>\n<v>2</v></c></row>',
        '<row r="2"><c r="A2" t="inlineStr"><is><t>a</t></is><is><t>b</t></is></c></row>',
        '<row r="2"><c r="A2"><v>1<!-- -->2</v></c></row>',
        '<row r="2"><c r="A2"><v><t>1</t>2</v></c></row>',
        '<row r="2"><c r="A2"><v>1<t>2</t></v></c></row>',
        '<row r="2"><c r="A2"><v>1 <is><t>2</t></is></v></c></row>',
        '<row r="2"><c r="A2"><v><v>1</v></v></c></row>',
        '<row r="2"><c r="A2"><v xml:space="preserve"><f>1</f>2</v></c></row>',
        '<row r="2"><x:c r="A2"><x:v><x:t>1</x:t>2</x:v></x:c></row>',
        '<row r="2"><c r="A2"><f>B2<v>1</v></f></c></row>',
        '<row r="2"><c r="A2" t="inlineStr"><is><t>a<t>b</t></t></is></c></row>',
        '<row r="2"><c r="A2"><v>1<?x?>2</v></c></row>',
        '<row r="2"><!-- --><c r="A2"><v>1</v></c></row>',
        '<row r="2"><c r="A2" t="e" t="n"><v>1</v></c></row>',
        '<row r="2"><c r="A3"><v>1</v></c></row>',
        '<row r="0"><c r="A0"><v>1</v></c></row>',
        '<c r="A2"><v>1</v></c>',
        "<row><c t='e'><v>#REF!</v></c></row>",
        "<row><c><f>A1</f></c></row>",
        '</sheetData><sheetData><row r="2"><c r="A2"><v>1</v></c></row>',
    ],
)
def test_what_has_two_readings_is_refused(rows: str) -> None:
    """A place that is filled twice, a number in two pieces, and what is broken nobody knows where."""
    assert refusal(package(HEAD + rows)) is FileCode.BROKEN_WORKBOOK


@pytest.mark.parametrize("text", ["<si><t>a<t>b</t></t></si>", "<si><t><r>a</r></t></si>", "<si><t>a:<b/></t></si>"])
def test_shared_text_with_a_tag_inside_is_refused(text: str) -> None:
    check_strings(b"<si><t>a b</t></si><si><r><t>a: </t></r>\n<r><t></t></r></si><si><t/></si>")
    with pytest.raises(ValueError, match="a tag inside"):
        check_strings(text.encode())


@pytest.mark.parametrize("value", ["<v>4&#53;</v>", "<v>&#x34;5</v>", "<f>A1</f><v>4&#53;</v>"])
def test_number_with_a_character_reference_keeps_its_row(value: str) -> None:
    """The parser would take 4 for 45."""
    table = read(package(f'{HEAD}<row r="2"><c r="A2">{value}</c><c r="B2" t="str"><v>x&#53;</v></c></row>'))
    assert [(problem.column, problem.code) for problem in table.problems] == [("a", ProblemCode.MISPLACED_TEXT)]


def test_error_is_seen_though_its_place_is_in_small_letters() -> None:
    """And however its kind is written."""
    table = read(package(f'{HEAD}<row r="2"><c r="a2"><v>1</v></c><c r="b2" t = \'e\'><v>#REF!</v></c></row>'))
    assert [(problem.column, problem.code) for problem in table.problems] == [("b", ProblemCode.ERROR_CELL)]


@pytest.mark.parametrize("encoding", ["utf-16", "cp1251"])
def test_sheet_in_another_encoding_is_refused(encoding: str) -> None:
    """The parser reads some of them, and no search does."""
    sheet = f'<?xml version="1.0" encoding="{encoding}"?><worksheet><sheetData>{HEAD}</sheetData></worksheet>'
    data = with_parts(package(HEAD), **{"xl/worksheets/sheet1.xml": None})
    out = io.BytesIO(data)
    with zipfile.ZipFile(out, "a") as archive:
        archive.writestr("xl/worksheets/sheet1.xml", sheet.encode(encoding))
    assert refusal(out.getvalue()) is FileCode.BROKEN_WORKBOOK


def test_what_programs_write_is_read() -> None:
    """Remarks and signs before and behind the rows, attributes of extensions, rows in any order, formulas, spaces."""
    sheet = (
        '\ufeff<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n<!-- made by x --><worksheet '
        'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><cols><col min="1" max="2"/></cols>'
        '<sheetData>{}</sheetData><dataValidation prompt="a > b"/><extLst><x14:ext-a uri="{{1}}"/></extLst></worksheet>'
    )
    rows = (
        HEAD + '\n<row r="3" spans="1:2" x14ac:dyDescent="0.2"><c r="A3" s="1"><f t="shared" si="0">IF(1&gt;0,1)</f>'
        '<v>1</v></c>\n<c r="B3" t="inlineStr"><is><t xml:space="preserve"> a > b r=5 </t></is></c></row>'
        '<row r="2"><c r="A2"><v>2</v></c><c r="B2" t="str"><v>y</v></c></row><row r="9"/>'
    )
    table = read(package(rows, sheet=sheet))
    assert [dict(row.cells) for row in table.rows] == [{"a": 2, "b": "y"}, {"a": 1, "b": "a > b r=5"}]


@pytest.mark.parametrize("prefix", ["", "x:"])
def test_text_that_ends_like_a_row_cuts_none(prefix: str) -> None:
    """A sheet of some megabytes is taken in pieces, and each of them ends where a row does."""
    long = f"arrow>{'x' * 900}row>"
    rows = "".join(
        f'<row r="{n}"><c r="A{n}"><v>{n}</v></c><c r="B{n}" t="inlineStr"><is><t>{long}</t></is></c></row>'
        for n in range(2, 3_000)
    )
    sheet = '<worksheet xmlns:x="x"><sheetData>{}</sheetData></worksheet>'
    text = sheet.replace("<", f"<{prefix}").replace(f"<{prefix}/", f"</{prefix}")
    rows = (HEAD + rows).replace("<", f"<{prefix}").replace(f"<{prefix}/", f"</{prefix}")
    table = read(package(rows, sheet=text))
    assert [(row.number, row.cells["a"]) for row in table.rows] == [(n, n) for n in range(2, 3_000)]


def test_merged_areas_without_end_are_not_laid_out() -> None:
    """A few kilobytes hold millions of one area, and while the parser collects them nothing else goes on."""
    area = '<mergeCell ref="B2:B3"/>'
    sheet = f"<worksheet><sheetData>{{}}</sheetData><mergeCells>{area * 200_010}</mergeCells></worksheet>"
    assert refusal(package(HEAD, sheet=sheet)) is FileCode.BROKEN_WORKBOOK


PUMPS = (
    "<",
    "<c ",
    '<c r="',
    '<c r="A2" ',
    ' a="1"',
    " ",
    "=",
    '"',
    "'",
    "<!--",
    "<?",
    "<![CDATA[",
    "<v></v> ",
    ">",
    "a:",
)


@pytest.mark.parametrize("pump", PUMPS)
@pytest.mark.long
def test_form_takes_time_of_the_text(pump: str) -> None:
    """Whatever is repeated, in a tag and before it."""
    unit = pump.encode()
    check_growth(lambda size: b"<sheetData>" + unit * size, lambda data: Form().take(data), size_max=1 << 17)
    check_growth(lambda size: b'<sheetData><c r="A2"' + unit * size, lambda data: Form().take(data), size_max=1 << 17)
    check_growth(lambda size: unit * size, check_strings, size_max=1 << 17)
