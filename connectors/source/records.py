"""Delimited text as records, in the dialect that it is written in; one broken record takes no other along."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from connectors.source.table import Limits

_LINE: Final = re.compile(r"[^\r\n]*(?:\r\n?|\n)|[^\r\n]+")
_ESCAPE: Final = re.compile(r"\\(.)")
_NULL: Final = re.compile(r"(?:^|(?<=[,;\t|\r\n]))\\N(?=[,;\t|\r\n]|$)")
_QUOTE: Final = "\udc81"  # stands for an escaped quote while cells are told apart; no decoder gives it
_ESCAPED: Final = {"n": " ", "r": "", "t": " ", "0": "", "b": "", "Z": "", "\\": "\\"}


class Dialect(NamedTuple):
    """How cells are told apart: by what delimiter, in what quotes; whether a backslash escapes, or spaces precede."""

    delimiter: str
    quote: str = '"'
    has_escapes: bool = False
    has_spaces: bool = False


def unescaped(text: str, quote: str) -> str:
    """Return a text that escapes with backslashes, as databases export it, without them; its quotes are marked.

    Null is an empty cell; an escaped line end becomes a space.
    """
    return _ESCAPE.sub(
        lambda found: _QUOTE if found[1] == quote else _ESCAPED.get(found[1], found[1]), _NULL.sub("", text)
    )


def read_records(text: str, dialect: Dialect, limits: Limits) -> Iterator[list[str] | str]:
    """Yield each record's cells, or the reason why a line is no record.

    Shapes: a text with escapes comes as `unescaped` returns it.
    After a broken quotation mark, reading goes on at the line after the one where its record began: one lost quote
    would otherwise swallow every row below it.
    """
    csv.field_size_limit(limits.cell_chars_max)
    lines = Lines(text)
    while True:
        record_start = lines.end
        try:
            for cells in _reader(lines, dialect):
                yield [cell.replace(_QUOTE, dialect.quote) for cell in cells] if dialect.has_escapes else cells
                record_start = lines.end  # the reader takes no line before it needs it
        except csv.Error as exc:
            yield _explain(exc, limits)
            lines = Lines(text, record_start)
            next(lines)
        else:
            return


def read_sample(text: str, dialect: Dialect, count: int) -> tuple[list[list[str]], bool]:
    """Return the first records, and whether all is well with them: a broken one ends them."""
    records: list[list[str]] = []
    try:
        for cells in _reader(Lines(text), dialect):
            records.append(cells)
            if len(records) >= count:
                break
    except csv.Error:
        return records, False
    return records, True


def _reader(lines: Lines, dialect: Dialect) -> Iterator[list[str]]:
    return csv.reader(
        lines,
        delimiter=dialect.delimiter,
        quotechar=dialect.quote,
        skipinitialspace=dialect.has_spaces,
        strict=True,
    )


class Lines:
    """The lines of a text with their ends, and where the last one taken ends; line ends are those of office files.

    `str.splitlines` would also split at characters that may stand inside a cell, `io.StringIO` takes four bytes a
    character.
    """

    def __init__(self, text: str, start: int = 0) -> None:
        self._found = _LINE.finditer(text, start)
        self.end = start

    def __iter__(self) -> Lines:
        return self

    def __next__(self) -> str:
        found = next(self._found)
        self.end = found.end()
        return found[0]


def _explain(exc: csv.Error, limits: Limits) -> str:
    if "field larger" in str(exc):
        return f"a cell is longer than the limit of {limits.cell_chars_max} characters"
    return 'a quotation mark is not closed, or stands inside a quoted cell (there it is written twice: "")'
