"""Promises of the one way in: any bytes give a table or our error, and what was written comes back."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.source import FileBusy, FileRefused, FormatOptions, Limits, Table, load, read_table
from connectors.source.problem import FileCode, ProblemCode
from hub.protocol.errors import Malformed, Retriable

DATA = Path(__file__).parents[3] / "data" / "source"
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ALPHABETS = {
    "utf-8": "abc,;\t|\"'\n\r 1жЯ中文\u00a0ñ€\U0001f600=+-",
    "utf-8-sig": "abc,;\t|\"'\n\r 1жЯ中文",
    "utf-16": "abc,;\t|\"'\n\r 1жЯ中文\U0001f600",
    "gb18030": "abc,;\t|\"'\n\r 1中文技术成果、《》жЯ\U0001f600",
    "windows-1251": "abc,;\t|\"'\n\r 1жЯёЁ№«»—",
}


def _workbook() -> bytes:
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    assert sheet is not None
    for row in (["id", "name", "Имя"], [1, "a", "Привет"], [2.5, None, "=1/0"], [None, "c", True]):
        sheet.append(row)
    sheet.merge_cells("A2:A3")
    out = io.BytesIO()
    workbook.save(out)
    return out.getvalue()


SAMPLES = {
    "a.csv": (DATA / "centers.ru.windows-1251.csv").read_bytes(),
    "b.csv": (DATA / "patent_titles.zh.gb18030.csv").read_bytes(),
    "c.csv": 'id,"na me"\n1,"x\ny"\n2,"имя"\n'.encode("utf-16"),
    "d.jsonl": '{"id": 1, "p": 1.5, "имя": ["a", {"b": null}]}\n{"id": 2}\n'.encode(),
    "e.xlsx": _workbook(),
}


@st.composite
def _sheets(draw: st.DrawFn) -> tuple[str, str, list[list[str]]]:
    encoding = draw(st.sampled_from(sorted(_ALPHABETS)))
    delimiter = draw(st.sampled_from(",;\t|"))
    cell = st.text(st.sampled_from(_ALPHABETS[encoding]), max_size=8)
    width = draw(st.integers(1, 5))
    rows = draw(st.lists(st.lists(cell, min_size=width, max_size=width), max_size=6))
    return encoding, delimiter, [[f"c{index}" for index in range(width)], *rows]


@given(_sheets())
def test_read_csv_round_trips_through_every_encoding_and_delimiter(sheet: tuple[str, str, list[list[str]]]) -> None:
    """Whatever a sheet holds comes back, outer spaces aside, under the encoding and delimiter it was written in.

    Or it is told: a row of random letters may look like a row in another encoding.
    """
    encoding, delimiter, rows = sheet
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter, quoting=csv.QUOTE_ALL).writerows(rows)
    options = FormatOptions(encoding=encoding, delimiter=delimiter, header_row=1)
    table = read_table("a.csv", out.getvalue().encode(encoding), options)
    expected = [[cell.strip() or None for cell in row] for row in rows[1:]]
    filled = [(number, row) for number, row in enumerate(expected, 2) if any(row)]
    assert table.header == tuple(rows[0])
    told = {problem.row_number for problem in table.problems}
    assert {problem.code for problem in table.problems} <= {ProblemCode.UNREADABLE_BYTES}
    assert [(row.number, list(row.cells.values())) for row in table.rows] == [f for f in filled if f[0] not in told]
    assert table.row_count == len(rows) - 1


@given(st.data())
@settings(max_examples=300)
def test_read_damaged_file_gives_a_table_or_our_error(data: st.DataObject) -> None:
    """Truncation and flipped bits never raise anything but our errors, and the count of rows stays consistent."""
    name = data.draw(st.sampled_from(sorted(SAMPLES)))
    damaged = bytearray(SAMPLES[name])
    for place in data.draw(st.lists(st.integers(0, len(damaged) - 1), max_size=4)):
        damaged[place] ^= 1 << data.draw(st.integers(0, 7))
    damaged = damaged[: data.draw(st.integers(0, len(damaged)))]
    _check(name, bytes(damaged))


_TOKENS = [
    *(bytes([byte]) for byte in b'",;\t|\n\r\0\xff\x98 a}['),
    b"\xfe\xff",
    b"\xef\xbb\xbf",
    b"1,5",
    b"01.02.2024",
]
_TOKENS += [b"sep=;\n", b'{"a":', b"\\ud800", "И".encode(), "И".encode("cp1251"), "中".encode("gb18030")]


@given(
    st.sampled_from(sorted(SAMPLES)),
    st.one_of(st.binary(max_size=200), st.lists(st.sampled_from(_TOKENS), max_size=40).map(b"".join)),
)
@settings(max_examples=300)
def test_read_any_bytes_give_a_table_or_our_error(name: str, data: bytes) -> None:
    """Bytes of any kind under any name are read or refused."""
    _check(name, data)


def _check(name: str, data: bytes) -> None:
    try:
        table = read_table(name, data)
    except FileRefused:
        return
    numbers = [row.number for row in table.rows]
    broken = {problem.row_number for problem in table.problems}
    assert numbers == sorted(set(numbers))
    assert not broken & set(numbers)
    for row in table.rows:
        for value in row.cells.values():
            assert not isinstance(value, float)
            if isinstance(value, str):
                value.encode("utf-8")
    assert read_again(name, data) == table_facts(table)


def read_again(name: str, data: bytes) -> tuple[object, ...]:
    return table_facts(read_table(name, data))


def table_facts(table: Table) -> tuple[object, ...]:
    return table.header, list(table.rows), table.format, table.warnings, table.problems, table.blank_count


@pytest.mark.parametrize(
    ("name", "data", "code"),
    [
        ("a.xlsx", b"", FileCode.BROKEN_WORKBOOK),
        ("a.xlsx", b"id,name\n1,a\n", FileCode.NO_WORKBOOK),
        ("a.csv", SAMPLES["e.xlsx"][:-30], FileCode.BROKEN_WORKBOOK),
        ("a.xlsx", _OLE + b"\0" * 100 + "EncryptedPackage".encode("utf-16-le"), FileCode.ENCRYPTED),
        ("a.xls", _OLE + b"\0" * 100, FileCode.OLD_WORKBOOK),
        ("a.pdf", b"%PDF-1.7", FileCode.UNKNOWN_KIND),
        ("a.csv", bytes(range(128, 256)) * 50, FileCode.NOT_TEXT),
    ],
)
def test_read_hopeless_file_is_refused_with_the_remedy(name: str, data: bytes, code: FileCode) -> None:
    """Each file that cannot be read says why, as one of ours."""
    options = FormatOptions(encoding="utf-8" if code is FileCode.NOT_TEXT else None)
    with pytest.raises(FileRefused) as caught:
        read_table(name, data, options)
    assert caught.value.code is code
    assert isinstance(caught.value, Malformed)


def test_read_workbook_under_a_csv_name_is_read_as_what_it_is() -> None:
    """People change a file's name and think they have changed the file."""
    assert read_table("a.csv", SAMPLES["e.xlsx"]).format.kind == "xlsx"


def test_read_file_over_limit_is_refused() -> None:
    """A file beyond the limit is not parsed."""
    with pytest.raises(FileRefused) as caught:
        read_table("a.csv", b"x" * 11, limits=Limits(file_bytes_max=10))
    assert caught.value.code is FileCode.FILE_TOO_LARGE


def test_load_missing_file_is_busy(tmp_path: Path) -> None:
    """A file that is away may come back: that is worth another try."""
    with pytest.raises(FileBusy) as caught:
        load(tmp_path / "a.csv")
    assert isinstance(caught.value, Retriable)


@pytest.mark.parametrize("name", ["CP1251", "windows-1251", "cp1251"])
def test_format_options_know_an_encoding_by_its_names(name: str) -> None:
    """People name encodings in many ways."""
    assert FormatOptions(encoding=name).encoding == "windows-1251"


def test_format_options_refuse_what_cannot_be_meant() -> None:
    """A wrong setting is said at once, with what would be right."""
    for options in (
        {"encoding": "ansi"},
        {"delimiter": '"'},
        {"delimiter": ";;"},
        {"header_row": 0},
        {"sheets": "A"},
    ):
        with pytest.raises(ValueError, match=re.escape("FormatOptions")):
            FormatOptions.model_validate(options)


def test_text_that_only_mentions_markup_is_read() -> None:
    """A cell in angle brackets makes no web page."""
    assert len(read_table("a.csv", b"<id>;title\n1;<b>x</b>\n").rows) == 1
