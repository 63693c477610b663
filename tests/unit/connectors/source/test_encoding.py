"""Promises of encoding detection: real files are told apart, guesses are owned up to, damage stays where it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.source.encoding import MARK, decode, detect_encoding
from connectors.source.problem import FileCode, FileRefused

DATA = Path(__file__).parents[3] / "data" / "source"
RUSSIAN = "Институт химии;Экстракция бетулина, «сухой» способ;ТОО Алатау"
CHINESE = "一种水电站高压输电线路驱鸟保护装置,基于人脸智能的流体输送系统"


@pytest.mark.parametrize(
    ("name", "encoding"),
    [
        ("nasa_patents.en.csv", "utf-8"),
        ("companies_lei.csv", "utf-8"),
        ("patent_titles.zh.gb18030.csv", "gb18030"),
        ("centers.ru.windows-1251.csv", "windows-1251"),
    ],
)
def test_detect_encoding_real_file_is_told_and_certain(name: str, encoding: str) -> None:
    """What offices send is recognised without a doubt."""
    assert detect_encoding((DATA / name).read_bytes()) == (encoding, True)


@pytest.mark.parametrize("name", ["patent_titles.zh.gb18030.csv", "centers.ru.windows-1251.csv"])
def test_detect_encoding_single_real_line_is_told(name: str) -> None:
    """Even one row with a few words is enough to tell Chinese from Russian."""
    expected = "gb18030" if "zh" in name else "windows-1251"
    for line in (DATA / name).read_bytes().splitlines()[1:]:
        if not line.isascii():
            assert detect_encoding(line)[0] == expected, line


def test_detect_encoding_capitals_only_is_told() -> None:
    """Russian in capitals is made of the bytes of common Chinese characters; its odd words give it away."""
    assert detect_encoding(RUSSIAN.upper().encode("cp1251"))[0] == "windows-1251"


@pytest.mark.parametrize("text", [RUSSIAN, CHINESE, "Zürich", ""])
@pytest.mark.parametrize(("encoding", "found"), [("utf-8", "utf-8"), ("utf-8-sig", "utf-8-sig"), ("utf-16", "utf-16")])
def test_detect_encoding_unicode_is_told(text: str, encoding: str, found: str) -> None:
    """Unicode needs no guessing."""
    assert detect_encoding(text.encode(encoding)) == (found, True)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_detect_encoding_utf16_without_mark_is_told(encoding: str) -> None:
    """Some databases export UTF-16 without a mark; delimiters and digits show it."""
    text = "id;имя;date\r\n1;Алатау;2024-01-01\r\n2;Каспий;2024-01-02\r\n"
    data = text.encode(encoding)
    assert detect_encoding(data) == (encoding, True)
    assert decode(data, "utf-16") == (text, True)


def test_detect_encoding_short_text_is_uncertain() -> None:
    """Two letters may be anything: the guess is marked as one."""
    assert detect_encoding(b"\xcf\xf0")[1] is False


def test_detect_encoding_one_foreign_row_in_utf8_stays_utf8() -> None:
    """A row pasted from another program does not change what the other rows are."""
    rows = [f"{i};{RUSSIAN}".encode() for i in range(20)]
    rows[7] = RUSSIAN.encode("cp1251")
    assert detect_encoding(b"\n".join(rows)) == ("utf-8", True)


def test_detect_encoding_letters_far_below_are_seen() -> None:
    """The first bytes above ASCII may stand after a mebibyte of plain rows."""
    data = b"id;name\n" + b"1;plain\n" * 200_000 + RUSSIAN.encode("cp1251") + b"\n"
    assert detect_encoding(data) == ("windows-1251", True)


@pytest.mark.parametrize(
    ("encoding", "broken"),
    [("utf-8", b"\xff"), ("utf-8-sig", b"\xc3"), ("gb18030", b"\xb1"), ("windows-1251", b"\x98")],
)
def test_decode_broken_byte_spares_delimiter_and_neighbours(encoding: str, broken: bytes) -> None:
    """A broken byte takes neither the delimiter behind it nor any other line along."""
    data = "имя\n".encode(encoding) + b"a" + broken + b",b\n"
    text, is_clean = decode(data + "имя\n".encode(encoding.removesuffix("-sig")), encoding)
    assert (text.split("\n"), is_clean) == (["имя", f"a{MARK},b", "имя", ""], False)


def test_decode_replacement_character_in_good_line_is_text() -> None:
    """A replacement character that was saved as such is text, though another line is broken."""
    assert decode("a\ufffd\n".encode() + b"\xff\n", "utf-8") == (f"a\ufffd\n{MARK}\n", False)


def test_decode_truncated_utf16_marks_its_end() -> None:
    """Half a UTF-16 unit at the end harms only the end."""
    assert decode("ab\ncd".encode("utf-16")[:-1], "utf-16") == (f"ab\nc{MARK}", False)


def test_decode_noise_is_refused() -> None:
    """What is no text at all is refused as a file, not reported row by row."""
    with pytest.raises(FileRefused) as caught:
        decode(bytes(range(128, 256)) * 100, "utf-8")
    assert caught.value.code is FileCode.NOT_TEXT
