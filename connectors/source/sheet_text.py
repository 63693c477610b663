"""What a sheet's XML says that the parser does not tell: how far it reaches, broken cells, styles, what is hidden.

The text comes in pieces that end where a row ends, and is searched by regular expressions, which takes a tenth of an
XML parser's time. No expression here reads over a `<`, which cannot stand inside a tag: so each character is looked
at a bounded number of times, whatever the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from connectors.source.header import column_letters
from connectors.source.problem import ProblemCode

ROWS_MAX: Final = 1_048_576
COLUMNS_MAX: Final = 16_384

_PLAIN_REF: Final = re.compile(rb'<c r="([A-Z]{1,7})')
_PLAIN_ROW: Final = re.compile(rb'<row r="(\d{1,9})"')
_CELL: Final = re.compile(rb"<(?:\w{1,9}:)?c(?:\s([^<>]*))?/?>")
_ROW: Final = re.compile(rb"<(?:\w{1,9}:)?row(?:\s([^<>]*))?/?>")
_ROW_OR_CELL: Final = re.compile(rb"<(?:\w{1,9}:)?(row|c)(?:\s([^<>]*))?/?>")
_COLUMN: Final = re.compile(rb"<(?:\w{1,9}:)?col\s([^<>]*)>")
_FORMULA: Final = re.compile(rb"<(?:\w{1,9}:)?c(?:\s([^<>]*))?>\s*<(?:\w{1,9}:)?f\b[^<>]*>(?:[^<]*</(?:\w{1,9}:)?f>)?")
_NO_RESULT: Final = re.compile(rb"\s*(?:</(?:\w{1,9}:)?c>|<(?:\w{1,9}:)?v\s*/>|<(?:\w{1,9}:)?v>\s*</)")
_MISPLACED: Final = re.compile(
    rb"<(?:\w{1,9}:)?c\s([^<>]*)>\s*(?:<(?:\w{1,9}:)?is\s*(?:/>|>\s*</(?:\w{1,9}:)?is>)\s*)?<(?:\w{1,9}:)?v\b[^<>]*>[^<]"
)
_CDATA: Final = re.compile(  # the parser passes it over where a value is
    rb"<(?:\w{1,9}:)?c\s([^<>]*)>\s*(?:<(?:\w{1,9}:)?f\b[^<>]*>[^<]*</(?:\w{1,9}:)?f>\s*)?"
    rb"<(?:\w{1,9}:)?v\b[^<>]*>[^<]*<!\[CDATA\["
)
_EMPTY_SHARED: Final = re.compile(rb"<(?:\w{1,9}:)?c\s([^<>]*)>\s*<(?:\w{1,9}:)?v(?:\s*/>|>\s*</)")
_SHARED: Final = re.compile(rb"<(?:\w{1,9}:)?c\s([^<>]*)>\s*<(?:\w{1,9}:)?v>\s*(\d{1,9})")
_ATTRIBUTE: Final = re.compile(rb"(?:^|\s)(\w{1,20})\s{0,9}=\s{0,9}[\"']([^\"'<>]*)[\"']")
_REF: Final = re.compile(rb"([A-Z]{1,7})(\d{1,9})")

_BROKEN_FORMULA: Final = "the formula in this cell shows an error; mend it and save"
_NO_STORED_RESULT: Final = "the formula's result was not stored; open the file in Excel and save it"
_TEXT_ELSEWHERE: Final = "the cell's text does not stand where spreadsheets look for it; type it again"


class StyledCell(NamedTuple):
    """Where a cell stands (from 0) and the style it has."""

    row: int
    column: int
    style: int


@dataclass(slots=True)
class Bounds:
    """How far a sheet's cells reach; height and width count from the sheet's first row and column."""

    height: int = 0
    width: int = 0
    cell_count: int = 0
    _row_count: int = 0

    def fit(self, cells_max: int) -> bool:
        """Return whether a dense block of this size may be laid out."""
        if self.width > COLUMNS_MAX or self.height > ROWS_MAX:
            return False
        return self.height * self.width <= cells_max

    def take(self, piece: bytes) -> None:
        """Count in some rows, as nearly all programs write them; what is written otherwise is looked at closely."""
        columns = _PLAIN_REF.findall(piece)
        rows = _PLAIN_ROW.findall(piece)
        cell_count = piece.count(b"<c ") + piece.count(b"<c>") + piece.count(b"<c/")
        row_count = piece.count(b"<row")
        if len(columns) != cell_count or len(rows) != row_count or b":c " in piece or b":row" in piece:
            self.take_filled(piece)
            return
        self.cell_count += cell_count
        self._row_count += row_count
        self.width = max(self.width, *map(column_number, set(columns)), 0)
        self.height = max(self.height, *map(int, rows), 0)

    def take_filled(self, piece: bytes) -> None:
        """Count in some rows, whatever their form, leaving out the cells that have no content."""
        filled = [cell[1] or b"" for cell in _CELL.finditer(piece) if not cell[0].endswith(b"/>")]
        places = [place for place in map(_place, filled) if place is not None]
        self.cell_count += len(filled)
        self._row_count += len(_ROW.findall(piece))
        self.width = max(self.width, *(column + 1 for _, column in places), 0)
        self.height = max(self.height, *(row + 1 for row, _ in places), 0)
        if len(filled) > len(places):  # cells may leave out where they are; then they follow one another
            self.width = max(self.width, *(len(_CELL.findall(row)) for row in piece.split(b"row>")))
            self.height = max(self.height, self._row_count)


@dataclass(slots=True)
class BrokenCells:
    """The cells that have no value, or not where it is looked for: row -> column -> why, both from 0."""

    found: dict[int, dict[int, tuple[ProblemCode, str]]] = field(default_factory=dict)

    def take(self, piece: bytes) -> None:
        """Look through some rows."""
        if b't="e"' in piece or b"t='e'" in piece:
            for cell in _CELL.finditer(piece):
                if attributes(cell[1]).get(b"t") == b"e":
                    self._note(cell[1], ProblemCode.ERROR_CELL, _BROKEN_FORMULA)
        if b"<f" in piece or b":f" in piece:
            for cell in _FORMULA.finditer(piece):
                # A formula may well have the empty text as its result.
                if _NO_RESULT.match(piece, cell.end()) and attributes(cell[1]).get(b"t") != b"str":
                    self._note(cell[1], ProblemCode.ERROR_CELL, _NO_STORED_RESULT)
        if piece.count(b'inlineStr"><is><t') != piece.count(b"inlineStr"):
            for cell in _MISPLACED.finditer(piece):
                if attributes(cell[1]).get(b"t") == b"inlineStr":
                    self._note(cell[1], ProblemCode.MISPLACED_TEXT, _TEXT_ELSEWHERE)
        if b"<![CDATA[" in piece:
            for cell in _CDATA.finditer(piece):
                self._note(cell[1], ProblemCode.MISPLACED_TEXT, _TEXT_ELSEWHERE)
        if b"<v></" in piece or b"<v/>" in piece or b"<v />" in piece:
            for cell in _EMPTY_SHARED.finditer(piece):
                if attributes(cell[1]).get(b"t") == b"s":
                    self._note(cell[1], ProblemCode.MISPLACED_TEXT, _TEXT_ELSEWHERE)

    def _note(self, tag: bytes | None, code: ProblemCode, message: str) -> None:
        if place := _place(tag):
            self.found.setdefault(place[0], {})[place[1]] = (code, message)


def styled_cells(pieces: Iterable[bytes], styles: frozenset[int], columns: frozenset[int]) -> Iterator[StyledCell]:
    """Yield the cells of these styles, in these columns (from 0), in the order of the text."""
    letters = "|".join(map(column_letters, sorted(columns))).encode()
    plain = re.compile(rb'<c r="(%b)(\d{1,7})"([^<>]*)' % letters)
    style_of: dict[bytes, int] = {}
    column_of: dict[bytes, int] = {}
    row = column = -1
    for piece in pieces:
        cell_count = piece.count(b"<c ") + piece.count(b"<c>") + piece.count(b"<c/")
        if b":c" not in piece and piece.count(b'<c r="') == cell_count:
            for name, number, rest in plain.findall(piece):
                style = style_of.get(rest)
                if style is None:
                    style = style_of[rest] = _style(attributes(rest))
                if style in styles:
                    place = column_of.get(name)
                    if place is None:
                        place = column_of[name] = column_number(name) - 1
                    yield StyledCell(int(number) - 1, place, style)
            row += piece.count(b"<row")
            continue
        for tag in _ROW_OR_CELL.finditer(piece):
            said = attributes(tag[2])
            if tag[1] == b"row":
                number = said.get(b"r", b"")
                row, column = int(number) - 1 if number.isdigit() and len(number) <= 9 else row + 1, -1
                continue
            row, column = _place_of(said.get(b"r", b"")) or (row, column + 1)
            style = _style(said)
            if style in styles and column in columns:
                yield StyledCell(row, column, style)


def _style(said: dict[bytes, bytes]) -> int:
    text = said.get(b"s", b"0")
    return int(text) if text.isdigit() and len(text) <= 9 else 0


def hidden_rows(piece: bytes) -> Iterator[int]:
    """Yield the rows (from 0) that the sheet hides, by hand or by a filter."""
    if b"hidden=" in piece:
        for tag in _ROW.finditer(piece):
            said = attributes(tag[1])
            if said.get(b"hidden") in (b"1", b"true") and said.get(b"r", b"").isdigit():
                yield int(said[b"r"][:9]) - 1


def hidden_columns(head: bytes) -> Iterator[range]:
    """Yield the columns (from 0) that the sheet hides; `head` is what stands before its rows."""
    for tag in _COLUMN.finditer(head):
        said = attributes(tag[1])
        first, last = said.get(b"min", b""), said.get(b"max", b"")
        if said.get(b"hidden") in (b"1", b"true") and first.isdigit() and last.isdigit():
            yield range(int(first[:9]) - 1, min(int(last[:9]), COLUMNS_MAX))


def shared_texts(piece: bytes) -> Iterator[int]:
    """Yield the places of the shared texts that cells refer to."""
    for cell in _SHARED.finditer(piece):
        if attributes(cell[1]).get(b"t") == b"s":
            yield int(cell[2])


def attributes(tag: bytes | None) -> dict[bytes, bytes]:
    """Return the attributes of a tag that have no prefix."""
    return dict(_ATTRIBUTE.findall(tag)) if tag else {}


def column_number(letters: bytes) -> int:
    """Return a column's number, from 1, by its letters."""
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number


def _place(tag: bytes | None) -> tuple[int, int] | None:
    return _place_of(attributes(tag).get(b"r", b"")) if tag else None


def _place_of(ref: bytes) -> tuple[int, int] | None:
    found = _REF.fullmatch(ref)
    return (int(found[2]) - 1, column_number(found[1]) - 1) if found else None
