"""Promises of the package check: what would exhaust memory or mislead the parser is refused before it is parsed."""

from __future__ import annotations

import io
import struct
import zipfile

import pytest

from connectors.source import FileRefused, Limits, ProblemCode, Table, read_table
from connectors.source.problem import FileCode

_TYPES = (
    '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="xml" ContentType="application/xml"/></Types>'
)
_WORKBOOK = (
    '<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" '
    'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships">'
    '<sheets><sheet name="A &amp; B" sheetId="1" r:id="rId1"/></sheets></workbook>'
)
_RELATIONS = (
    '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" '
    'Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="{}"/></Relationships>'
)
_ROOT = (
    '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" '
    'Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="{}"/>'
    "</Relationships>"
)
_SHEET = (
    '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>{}</sheetData></worksheet>'
)
_HEAD = '<row r="1"><c r="A1" t="str"><v>a</v></c><c r="B1" t="str"><v>b</v></c></row>'


def package(
    rows: str,
    *,
    root: str = "xl/workbook.xml",
    target: str = "worksheets/sheet1.xml",
    sheet: str = _SHEET,
    **parts: str,
) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", _TYPES)
        archive.writestr("_rels/.rels", _ROOT.format(root))
        archive.writestr("xl/workbook.xml", _WORKBOOK)
        archive.writestr("xl/_rels/workbook.xml.rels", _RELATIONS.format(target))
        archive.writestr("xl/worksheets/sheet1.xml", sheet.format(rows))
        for name, text in parts.items():
            archive.writestr(f"xl/{name}.xml", text)
    return out.getvalue()


def read(data: bytes, **limits: int) -> Table:
    return read_table("a.xlsx", data, limits=Limits(**limits))


def refusal(data: bytes, **limits: int) -> FileCode:
    with pytest.raises(FileRefused) as caught:
        read(data, **limits)
    return caught.value.code


def test_read_minimal_package_is_read() -> None:
    """The packages of these tests are sound where nothing is done to them."""
    table = read(package(_HEAD + '<row r="2"><c r="A2"><v>1</v></c><c r="B2"><v>2.5</v></c></row>'))
    assert (table.format.sheet, [row.number for row in table.rows]) == ("A & B", [2])


@pytest.mark.parametrize(
    "stray",
    [
        '<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>',
        "<row r='1048576'><c s='1' r='XFD1048576'><v>1</v></c></row>",
        '<row r="9"><c r="ABCDEF9"><v>1</v></c></row>',
        '<row r="99999999"><c r="A99999999"><v>1</v></c></row>',
    ],
)
def test_read_stray_cell_far_away_is_refused(stray: str) -> None:
    """One cell in the far corner would make the parser lay out billions of empty ones."""
    assert refusal(package(_HEAD + stray)) is FileCode.EXPANDS_TOO_MUCH


def test_read_stray_cells_without_places_are_counted() -> None:
    """Cells that do not say where they are still count where they come to lie."""
    wide = "<row>" + "<c><v>1</v></c>" * 300 + "</row>"
    assert refusal(package(_HEAD + wide + "<row><c><v>1</v></c></row>" * 50), sheet_cells_max=10_000) is (
        FileCode.EXPANDS_TOO_MUCH
    )


def test_read_cells_with_only_a_style_take_no_room() -> None:
    """A sheet that is formatted down to its last row is as small as its values."""
    styled = '<row r="2"><c r="A2"><v>1</v></c></row><row r="1048576"><c r="XFD1048576" s="0"/></row>'
    assert len(read(package(_HEAD + styled)).rows) == 1


def test_read_prefixed_names_are_understood() -> None:
    """Some libraries write every element with a prefix; an error cell is seen there too."""
    sheet = (
        '<x:worksheet xmlns:x="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><x:sheetData>{}'
        "</x:sheetData></x:worksheet>"
    )
    head = _HEAD.replace("<", "<x:").replace("<x:/", "</x:")
    table = read(package(head + '<x:row r="2"><x:c r="A2" t="e"><x:v>#REF!</x:v></x:c></x:row>', sheet=sheet))
    assert (table.row_count, table.blank_count) == (1, 0)
    assert [(problem.row_number, problem.code) for problem in table.problems] == [(2, ProblemCode.ERROR_CELL)]


@pytest.mark.parametrize(
    ("cell", "is_problem"),
    [
        ('<c r="A2" t="e"><v>#DIV/0!</v></c>', True),
        ('<c r="A2"><f>1/0</f></c>', True),
        ('<c r="A2"><f>A1</f><v/></c>', True),
        ('<c r="A2"><f t="shared" si="0"/><v></v></c>', True),
        ('<c r="A2" t="str"><f>IF(1,"")</f><v></v></c>', False),
        ('<c r="A2"><f>2+3</f><v>5</v></c>', False),
        ('<c r="A2" s="1"/>', False),
    ],
)
def test_read_formula_without_a_value_is_told_from_an_empty_cell(cell: str, *, is_problem: bool) -> None:
    """The parser gives an empty cell for all of these; only some of them are."""
    table = read(package(_HEAD + f'<row r="2">{cell}<c r="B2"><v>2</v></c></row>'))
    assert bool(table.problems) is is_problem


def test_read_zip_bomb_is_refused_by_its_declared_size() -> None:
    """A few kilobytes that declare a gigabyte are not unpacked."""
    data = package(_HEAD, comments=" " * 3_000_000)
    assert len(data) < 10_000
    assert refusal(data, expanded_bytes_max=1_000_000) is FileCode.EXPANDS_TOO_MUCH


def test_read_zip_bomb_that_lies_about_its_size_is_refused() -> None:
    """A part that unpacks to more than it declares is damage."""
    data = bytearray(package(_HEAD, sharedStrings="<sst>" + " " * 3_000_000 + "</sst>"))
    size = struct.pack("<I", 3_000_011)
    while (place := data.find(size)) >= 0:
        data[place : place + 4] = struct.pack("<I", 100)
    assert refusal(bytes(data)) is FileCode.BROKEN_WORKBOOK


def test_read_shared_text_repeated_endlessly_is_refused() -> None:
    """A long text that every cell refers to is gigabytes when written out."""
    strings = '<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><si><t>' + "x" * 1_000_000
    row = '<row r="{0}"><c r="A{0}" t="s"><v>0</v></c><c r="B{0}" t="s"><v>0</v></c></row>'
    rows = "".join(row.format(number) for number in range(2, 602))
    assert refusal(package(_HEAD + rows, sharedStrings=strings + "</t></si></sst>")) is FileCode.EXPANDS_TOO_MUCH


def test_read_part_that_the_index_does_not_name_is_still_checked() -> None:
    """An unusual index does not lead past the check."""
    stray = '<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'
    assert refusal(package(_HEAD + stray, target="worksheets/SHEET1.xml")) is FileCode.EXPANDS_TOO_MUCH


@pytest.mark.parametrize("root", ["other/workbook.xml", "xl/workbook2.xml", ""])
def test_read_package_of_another_kind_is_refused(root: str) -> None:
    """A document, an OpenDocument sheet or a package with another start is no workbook that is read."""
    assert refusal(package(_HEAD, root=root)) is FileCode.BROKEN_WORKBOOK


def test_read_repeated_part_is_refused() -> None:
    """Of two parts with one name, two readers may see different ones."""
    out = io.BytesIO(package(_HEAD))
    with (
        zipfile.ZipFile(out, "a") as archive,
        pytest.warns(UserWarning, match="Duplicate"),
        archive.open("xl/worksheets/sheet1.xml", "w") as part,
    ):
        part.write(b"<worksheet/>")
    assert refusal(out.getvalue()) is FileCode.BROKEN_WORKBOOK
