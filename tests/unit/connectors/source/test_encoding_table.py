"""Promises of detection over languages, encodings and lengths: right, or not certain; never certain and wrong."""

from __future__ import annotations

from collections.abc import Iterator
from time import process_time

import pytest

from connectors.source.encoding import detect_encoding, rank_encodings
from tests.support.languages import ENCODINGS, TEXTS

PLAIN = ("No", "Title", "Summary")


def sheet(header: tuple[str, ...], cells: tuple[str, ...]) -> str:
    rows = (f"T-{number};{cell};{cells[-1 - number]}\r\n" for number, cell in enumerate(cells))
    return ";".join(header) + "\r\n" + "".join(rows)


def sheets(language: str) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield sheets of one word to some pages, with an ASCII header and with the language's own."""
    names, cells = TEXTS[language]
    words = tuple(word for cell in cells for word in cell.split())
    for header in (PLAIN, names):
        for part in (words[:1], words[:3], cells[:1], cells[2:4], cells[:5], cells):
            yield header, sheet(header, part)
        yield header, sheet(header, tuple(map(str.upper, cells[:4])))
        yield header, sheet(header, tuple(map(str.lower, cells[:4])))


@pytest.mark.parametrize("language", TEXTS)
def test_certain_is_right(language: str) -> None:
    """What is called certain gives the letters that were written, in every encoding that can write them."""
    wrong = []
    for header, text in sheets(language):
        for encoding in ENCODINGS:
            try:
                data = text.encode(encoding)
            except UnicodeEncodeError:
                continue
            found, is_certain = detect_encoding(data, () if header is PLAIN else header)
            if is_certain and data.decode(found, "replace").lstrip("\ufeff") != text:
                wrong.append((encoding, found, text[:60]))
    assert wrong == []


@pytest.mark.parametrize(
    ("language", "encoding"),
    [("ru", "windows-1251"), ("zh", "gb18030"), *((language, "utf-8") for language in TEXTS)],
)
def test_usual_files_raise_no_question(language: str, encoding: str) -> None:
    """A row or two of Russian in windows-1251, of Chinese in GB18030, and anything in UTF-8, are certain."""
    names, cells = TEXTS[language]
    for header in (PLAIN, names):
        for part in (cells[:2], cells[2:4], cells, cells * 20):
            text = sheet(header, part).encode(encoding, "ignore").decode(encoding)
            data = text.encode(encoding)
            found, is_certain = detect_encoding(data, header)
            assert (data.decode(found), is_certain) == (text, True)


def test_doubtful_bytes_are_shown_as_each_would_read() -> None:
    """A person who sees both knows at once which is Kazakh."""
    text = sheet(("№", "Название", "Кратко"), ("Қазақстан ауылдарына арналған",))
    shown = {one.encoding: one.example for one in rank_encodings(text.encode("kz1048"))}
    assert "Қазақстан ауылдарына арналған" in shown["kz1048"]
    assert "Ќазаќстан ауылдарына арналєан" in shown["windows-1251"]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("ru", "cp1251"), ("ru", "cp866")),
        (("ru", "cp1251"), ("ru", "koi8-r")),
        (("ru", "cp1251"), ("ru", "utf-8")),
        (("zh", "gb18030"), ("ru", "cp1251")),
        (("ru", "cp1251"), ("zh", "gb18030")),
        (("zh", "gb18030"), ("zh", "utf-8")),
        (("ru", "cp1251"), ("ur", "utf-8")),
        (("ru", "mac-cyrillic"), ("ru", "cp1251")),
        (("ru", "cp1251"), ("tr", "cp1254")),
    ],
)
@pytest.mark.parametrize("times", [1, 5, 50])
def test_two_files_appended_to_each_other_are_in_doubt(
    first: tuple[str, str], second: tuple[str, str], times: int
) -> None:
    """A file of two encodings has no right one, whichever has more rows of it."""
    data = b"".join(
        sheet(TEXTS[language][0], TEXTS[language][1] * count).encode(encoding, "ignore")
        for (language, encoding), count in ((first, times), (second, 3))
    )
    assert detect_encoding(data)[1] is False


def test_rare_letter_far_below_is_seen() -> None:
    """One Kazakh letter after a megabyte of Russian makes windows-1251 doubtful."""
    russian = sheet(TEXTS["ru"][0], TEXTS["ru"][1] * 800)
    assert detect_encoding(russian.encode("cp1251", "ignore")) == ("windows-1251", True)
    data = (russian + "T-1;Қазақстан;Қызылорда\r\n").encode("kz1048", "ignore")
    found, is_certain = detect_encoding(data)
    assert found == "kz1048" or not is_certain


@pytest.mark.parametrize(
    "cell",
    [
        "São",
        "naïve",
        "Łódź",
        "Ñandú",
        "5 µm",
        "10 °C",
        "½",
        "€",
        "😀",
        "Δt",
        "Tiếng Việt",
        "Ægir Þór",
        "ð",
        "שלום",
        "Հայերեն",
        "ქართული",
        "и\u0306",
        "ё",
        "é",
        "ñ",
        "中",
        "ا",
        "Ω",
        "हिन्दी",
        "Ўзб",
        "ʻ",
        "№",
        "«",
        "ə",
        "Ĉ",
        "ž",
    ],
)
def test_one_cell_in_utf8_raises_no_question(cell: str) -> None:
    """UTF-8 is certain however little there is of it, in any language."""
    assert detect_encoding(f"No;Title\n1;{cell}\n".encode()) == ("utf-8", True)


@pytest.mark.parametrize("encoding", ["cp1251", "gb18030", "cp866"])
@pytest.mark.parametrize("part", ["Насос ", "Насос", "«", "а;", "中文字"])
@pytest.mark.long
def test_detection_is_linear(part: str, encoding: str) -> None:
    """Twice the bytes take at most about twice the time, whatever stands in them."""

    def seconds(count: int) -> float:
        data = (part * count).encode(encoding, "ignore")
        started = process_time()
        detect_encoding(data)
        return process_time() - started

    seconds(1000)
    assert min(seconds(200_000) for _ in range(2)) < 2.2 * min(seconds(100_000) for _ in range(2)) + 0.05
