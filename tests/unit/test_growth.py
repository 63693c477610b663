"""Every reader of strangers' bytes takes at most 2.2 times as long for twice the bytes, whatever they are."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import PurePath
from typing import Any, Final

import pytest

from connectors.mapping import compile_mapping, read_mapping
from connectors.mapping.moment import read_moment_text
from connectors.mapping.number import read_number
from connectors.mapping.outcome import Outcomes
from connectors.mapping.unit import read_beside
from connectors.source import Row, read_table
from connectors.source.copy import find_copies, original_name
from connectors.source.number_format import read_format
from hub.base.text import in_one_line, visible, visible_json
from hub.base.zips import open_zip
from hub.evidence.container import read_zip
from hub.evidence.markup import text as html_text
from hub.evidence.report import Report
from hub.hq.code_lists import read_terms
from hub.protocol.avro import Codec
from hub.protocol.checkpoint import open_checkpoint
from hub.protocol.control import Presence, open_enrolment
from hub.protocol.errors import CohubError
from hub.protocol.keys import Signature, Verifier
from hub.protocol.moment import read_time
from hub.protocol.note import Note
from hub.protocol.proof import TlogProof
from hub.protocol.receipt import Receipt, read_answer
from hub.protocol.schema import parse_released, parse_schema
from hub.protocol.tiles import read_bundle
from hub.protocol.trust import Trust, open_trust
from tests.support.growth import check_growth

REFUSED: Final = (CohubError, ValueError, zipfile.BadZipFile)
MAPPING: Final = read_mapping(
    'files: ["*.xlsx", "*.csv"]\nstream: request\nkey: k\n'
    "fields: {title: {column: t}, summary: {column: s}, language: {value: en}}\n",
    "m.yaml",
)
# What a stranger repeats; each stands for a kind of place where an expression may begin again and again.
PUMPS: Final = (
    " ",
    "1",
    "a",
    "я",
    "漢",
    "'",
    '"',
    ",",
    ".",
    "-",
    "(",
    "[",
    "#",
    "=",
    "1 ",
    "a ",
    "1,",
    "[$",
    "\u200b",
    "年1",
)
NS: Final = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
RELATIONS: Final = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE: Final = "http://schemas.openxmlformats.org/package/2006/relationships"


def book(rows: Iterable[str], *, behind: str = "", styles: str = "", strings: str = "", names: str = "") -> bytes:
    """Return a workbook of one sheet, as text puts it."""
    parts = {
        "_rels/.rels": f'<Relationships xmlns="{PACKAGE}"><Relationship Id="r1" Type="{RELATIONS}/officeDocument" '
        'Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook {NS} xmlns:r="{RELATIONS}"><sheets><sheet name="S" sheetId="1" r:id="r1"/>'
        f"</sheets>{names}</workbook>",
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{PACKAGE}"><Relationship Id="r1" '
        f'Type="{RELATIONS}/worksheet" Target="worksheets/sheet1.xml"/><Relationship Id="r2" '
        f'Type="{RELATIONS}/styles" Target="styles.xml"/><Relationship Id="r3" Type="{RELATIONS}/sharedStrings" '
        'Target="sharedStrings.xml"/></Relationships>',
        "xl/worksheets/sheet1.xml": f"<worksheet {NS}><sheetData>{''.join(rows)}</sheetData>{behind}</worksheet>",
        "xl/styles.xml": f"<styleSheet {NS}>{styles}</styleSheet>",
        "xl/sharedStrings.xml": f"<sst {NS}>{strings}</sst>",
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        for name, text in parts.items():
            made.writestr(name, text)
    return out.getvalue()


def row(number: int, *cells: str, style: int = 0) -> str:
    """Return one row of texts."""
    said = "".join(
        f'<c r="{letter}{number}" s="{style}" t="inlineStr"><is><t>{cell}</t></is></c>'
        for letter, cell in zip("ABCDEFG", cells, strict=False)
    )
    return f'<row r="{number}">{said}</row>'


HEAD: Final = row(1, "k", "t", "s")


def numbers(code: str, count: int = 1) -> str:
    """Return styles, the last of which has a format."""
    code = code.replace('"', "&quot;")
    formats = "".join(f'<numFmt numFmtId="{170 + at}" formatCode="{code}{at}"/>' for at in range(count))
    used = "".join(f'<xf numFmtId="{170 + at}"/>' for at in range(count))
    return f'<numFmts>{formats}</numFmts><cellXfs><xf numFmtId="0"/>{used}</cellXfs>'


def merged(size: int) -> bytes:
    """Return a sheet with so many merged areas over ten times as many rows."""
    areas = "".join(f'<mergeCell ref="B{2 + 10 * at}:B{11 + 10 * at}"/>' for at in range(size))
    return book((HEAD, *(row(2 + at, str(at)) for at in range(10 * size))), behind=f"<mergeCells>{areas}</mergeCells>")


def side_by_side(size: int) -> bytes:
    """Return a sheet with as many tall merged areas beside each other, in columns that nobody reads, as it has rows."""
    width, height = min(size // 8, 900), size
    letters = [f"{chr(65 + at // 26)}{chr(65 + at % 26)}" for at in range(width)]
    areas = "".join(f'<mergeCell ref="{letter}2:{letter}{height}"/>' for letter in letters)
    return book((HEAD, *(row(2 + at, str(at)) for at in range(height))), behind=f"<mergeCells>{areas}</mergeCells>")


WORKBOOKS: Final[dict[str, Callable[[int], bytes]]] = {
    "rows": lambda size: book((HEAD, *(row(at + 2, str(at), "Pump") for at in range(size)))),
    "merged areas": merged,
    "merged areas side by side": side_by_side,
    "one cell": lambda size: book((HEAD, row(2, "1", "a " * size, "s"))),
    "quotes in a format": lambda size: book((HEAD, row(2, "1", "t", style=1)), styles=numbers('"' + "0" * size)),
    "many formats": lambda size: book((HEAD, row(2, "1", "t")), styles=numbers('"' * 50 + "[$" * 40, size)),
    "many styles": lambda size: book(
        (HEAD, row(2, "1")), styles="<cellXfs>" + '<xf numFmtId="0"/>' * size + "</cellXfs>"
    ),
    "shared texts": lambda size: book((HEAD, row(2, "1")), strings="<si><t>x</t></si>" * size),
    "one shared text": lambda size: book((HEAD, row(2, "1")), strings=f"<si><t>{'x' * size}</t></si>"),
    "defined names": lambda size: book(
        (HEAD, row(2, "1")),
        names="<definedNames>" + '<definedName name="a">S!$A$1</definedName>' * size + "</definedNames>",
    ),
    "deep": lambda size: book((HEAD, row(2, "1")), styles="<a>" * size + "</a>" * size),
    "attributes": lambda size: book((HEAD, ("<row r='2'><c " + 'a="1" ' * 20 + "r='A2'><v>1</v></c></row>") * size)),
    "formulas": lambda size: book((HEAD, '<row r="2">' + "<c><f>1</f><v></v></c>" * size + "</row>")),
    "spaces": lambda size: book((HEAD, '<row r="2"><c r="A2">' + " " * size + "<f>" + " " * size + "</row>")),
}


@pytest.mark.parametrize("name", WORKBOOKS)
@pytest.mark.long
def test_workbooks_are_read_in_time_of_their_size(name: str) -> None:
    """Cells, merged areas, formats, styles, shared texts, names, nesting."""
    check_growth(WORKBOOKS[name], lambda data: taken("a.xlsx", data), start=64, size_max=1 << 14, refused=REFUSED)


TEXTS: Final[dict[str, Callable[[int], bytes]]] = {
    "rows": lambda size: b"k,t,s\n" + b"1,Pump,x\n" * size,
    "quotes": lambda size: b"k,t,s\n" + b'"' * size,
    "quoted lines": lambda size: b"k,t,s\n" + b'1,"a\n' * size,
    "commas": lambda size: b"k,t,s\n" + b"," * size,
    "lines": lambda size: b"k,t,s\n" + b"\n" * size,
    "one cell": lambda size: b"k,t,s\n1," + b"a" * size + b",x\n",
    "cyrillic of 8 bits": lambda size: b"k,t,s\n" + "1,Насос,x\n".encode("cp1251") * size,
    "bytes": lambda size: bytes(range(1, 256)) * (size // 16),
    "wide": lambda size: ("k,t,s\n" + "1,Насос,x\n" * size).encode("utf-16"),
    "short rows": lambda size: b"k,t,s\n" + b"1\n1,2\n" * size,
}


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.long
def test_texts_are_read_in_time_of_their_size(name: str) -> None:
    """CSV in any encoding, well made or not."""
    check_growth(TEXTS[name], lambda data: taken("a.csv", data), size_max=1 << 16, refused=REFUSED)


LINES: Final[dict[str, Callable[[int], bytes]]] = {
    "lines": lambda size: b'{"k":"1","t":"Pump"}\n' * size,
    "one line": lambda size: b'{"k":"1","t":"' + b"a" * size + b'"}\n',
    "names": lambda size: b"{" + b",".join(b'"k%d":1' % at for at in range(size)) + b"}\n",
    "deep": lambda size: b'{"k":' + b"[" * size + b"]" * size + b"}\n",
    "escapes": lambda size: b'{"k":"' + b"\\ud800" * size + b'"}\n',
    "broken": lambda size: b'{"k":\n' * size,
}


@pytest.mark.parametrize("name", LINES)
@pytest.mark.long
def test_json_lines_are_read_in_time_of_their_size(name: str) -> None:
    """Long, deep, broken, of many names."""
    check_growth(LINES[name], lambda data: read_table(PurePath("a.jsonl"), data), size_max=1 << 17, refused=REFUSED)


BEGINS: Final = ("", "'", *(pytest.param(begin, marks=pytest.mark.long) for begin in ('="', "(", "1")))


@pytest.mark.parametrize("begin", BEGINS)
@pytest.mark.parametrize("pump", PUMPS)
def test_cells_are_understood_in_time_of_their_length(pump: str, begin: str) -> None:
    """Whatever is repeated in a cell: as a number, a moment, a unit, a key, a text, and where all of it stands."""
    read = compile_mapping(MAPPING, "uz").read

    def understand(cell: str) -> None:
        read(Row(2, {"k": cell, "t": cell, "s": cell}))
        for one in (read_number, read_moment_text, read_beside, read_format, visible, in_one_line, html_text):
            with_refusals(one, cell)

    check_growth(partial(repeated, begin, pump), understand, size_max=1 << 13, refused=REFUSED)


def repeated(begin: str, pump: str, size: int) -> str:
    return begin + pump * size + "!"


MAPPINGS: Final[dict[str, Callable[[int], str]]] = {
    "a list": lambda size: f"files: [{'a,' * size}]\n",
    "lines": lambda size: "a: 1\n" * size,
    "a text": lambda size: f"files: '{'a' * size}'\n",
    "values": lambda size: (
        "stream: request\nfields: {a: {table: {" + "".join(f"a{at}: b, " for at in range(size)) + "}}}\n"
    ),
}


@pytest.mark.parametrize("name", MAPPINGS)
def test_mappings_are_read_in_time_of_their_size(name: str) -> None:
    """YAML is slow, and not more than that."""
    check_growth(MAPPINGS[name], lambda text: read_mapping(text, "m.yaml"), size_max=1 << 12, refused=REFUSED)


def lines(size: int, line: str) -> str:
    return f"{line}\n" * size


NOTES: Final[dict[str, Callable[[int], bytes]]] = {
    "signatures": lambda size: f"a\n\n{lines(size, '— a+AAAA AAAAAAAA')}".encode(),
    "lines": lambda size: f"cohub-receipt/v1\n{lines(size, 'a 1 b')}\n— a AAAAAAAA\n".encode(),
    "trust": lambda size: (
        f"cohub-trust/v2\nhub.example\n{lines(size, 'receipts a+00000000+AAAA')}\n— a AAAA\n".encode()
    ),
    "one line": lambda size: b"cohub-receipt/v1 " + b"a" * size + b"\n\n" + "— a AAAA\n".encode(),
    "dashes": lambda size: ("— " * size + "\n\n— a AAAA\n").encode(),
    "empty lines": lambda size: b"\n" * size,
    "controls": lambda size: b"\x00" * size + b"\n\n" + "— a AAAA\n".encode(),
}


@pytest.mark.parametrize("name", NOTES)
def test_notes_are_read_in_time_of_their_size(name: str) -> None:
    """Receipts, resends, presence, trust notes, enrolments, checkpoints, proofs, keys, lines of signatures, times."""

    def read(data: bytes) -> None:
        text = data.decode()
        for whole in (Note.from_bytes, open_trust, open_enrolment, open_checkpoint, read_bundle):
            with_refusals(whole, data)
        for one in (
            Receipt.from_text, read_answer, Presence.from_text, Trust.from_text, TlogProof.from_text,
            Verifier.from_text, Signature.from_text, read_time,
        ):  # fmt: skip
            with_refusals(one, text)

    check_growth(NOTES[name], read, size_max=1 << 17, refused=REFUSED)


SCHEMAS: Final[dict[str, Callable[[int], bytes]]] = {
    "fields": lambda size: (
        b'{"type":"record","name":"A","namespace":"n","fields":['
        + b",".join(b'{"name":"f%d","type":"string"}' % at for at in range(size))
        + b"]}"
    ),
    "deep": lambda size: b"[" * size + b"]" * size,
    "text": lambda size: b'"' + b"a" * size + b'"',
    "spaces": lambda size: b" " * size,
}


@pytest.mark.parametrize("name", SCHEMAS)
def test_schemas_are_read_in_time_of_their_size(name: str) -> None:
    """A schema is announced by HQ, and stands in bundles."""

    def read(data: bytes) -> None:
        with_refusals(parse_schema, data)
        with_refusals(parse_released, data)

    check_growth(SCHEMAS[name], read, size_max=1 << 14, refused=REFUSED)


ARRAY: Final = Codec(
    parse_schema(
        b'{"type":"record","name":"A","namespace":"n","fields":[{"name":"a","type":{"type":"array","items":"string"}}]}'
    )
)
BODIES: Final[dict[str, Callable[[int], bytes]]] = {
    "blocks of one": lambda size: b"\x02\x02a" * size + b"\x00",
    "one block": lambda size: zigzag(size) + b"\x02a" * size + b"\x00",
    "empty texts": lambda size: zigzag(size) + b"\x00" * size + b"\x00",
    "a huge count": lambda size: zigzag(1 << 62) + b"\x02a" * size,
    "negative blocks": lambda size: b"\x01\x04\x02a" * size + b"\x00",
    "a long number": lambda size: b"\xff" * size,
}


@pytest.mark.parametrize("name", BODIES)
def test_avro_is_read_in_time_of_its_size(name: str) -> None:
    """Blocks of any kind, and counts of more than there is."""
    check_growth(BODIES[name], ARRAY.decode, size_max=1 << 17, refused=REFUSED)


ZIPS: Final[dict[str, Callable[[int], bytes]]] = {
    "entries": lambda size: zipped({f"{at}.note": b"" for at in range(size)}),
    "one entry": lambda size: zipped({"a.note": b"a" * size}),
    "ends": lambda size: b"PK\x05\x06" * size,
    "heads": lambda size: b"PK\x03\x04" * size,
}


@pytest.mark.parametrize("name", ZIPS)
def test_bundles_are_opened_in_time_of_their_size(name: str) -> None:
    """Bundles and workbooks are zips; their ends are looked for backwards."""

    def read(data: bytes) -> None:
        read_zip(data, Report())
        with_refusals(lambda file: open_zip(file).close(), io.BytesIO(data))

    check_growth(ZIPS[name], read, size_max=1 << 14, refused=REFUSED)


def test_code_lists_names_and_json_are_read_in_time_of_their_size() -> None:
    """What an operator gives, what files are called, and what is shown."""
    check_growth(lambda size: "code,zh,en,ru\n" + "a,b,c,d\n" * size, lambda text: read_terms(text, "a.csv"),
                 size_max=1 << 15, refused=REFUSED)  # fmt: skip
    check_growth(lambda size: [f"copy of {at} (1).csv" for at in range(size)], copies_anew, size_max=1 << 12)
    check_growth(lambda size: "\x9b\u202e" * size, visible_json, size_max=1 << 20)


def copies_anew(names: list[str]) -> None:
    """Find the copies among names that nobody asked about before: 4,096 are remembered, and twice as many are not."""
    original_name.cache_clear()
    find_copies(names)


def taken(name: str, data: bytes) -> None:
    """Read a sheet and all of its rows."""
    table = read_table(PurePath(name), data, MAPPING.format_options())
    for _ in Outcomes(MAPPING, table, "uz", None):
        pass


def with_refusals(read: Callable[[Any], object], data: Any) -> None:
    """Read, and take a refusal for an answer."""
    try:
        read(data)
    except REFUSED:
        return


def zigzag(number: int) -> bytes:
    number <<= 1
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes((*out, number))


def zipped(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        for name, data in files.items():
            made.writestr(name, data)
    return out.getvalue()


@pytest.mark.long
def test_a_reader_that_looks_at_every_pair_is_found() -> None:
    """The measure itself: what grows by its square is told, and a list that is walked once is not."""
    check_growth(lambda size: list(range(size)), lambda numbers: [str(one) for one in numbers])
    with pytest.raises(AssertionError, match="doubled takes"):
        check_growth(lambda size: "a" * size, lambda text: [text.count("b") for _ in text])
