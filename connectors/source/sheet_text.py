"""What a sheet's XML says that the parser does not tell: how far it reaches, broken cells, styles, what is hidden.

The text comes in pieces that end where a row ends, in the form that `sheet_form` has found it in, and is searched by
regular expressions, which takes a tenth of an XML parser's time. No expression here reads over a `<`, which cannot
stand inside a tag: so each character is looked at a bounded number of times, whatever the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from connectors.source.header import column_letters
from connectors.source.problem import ProblemCode
from connectors.source.sheet_form import COLUMNS_MAX, ROW_OR_CELL, attributes, column_number

_CELL: Final = re.compile(rb"<(?:\w{1,9}:)?c(?:\s([^<>]*))?/?>")
_ROW: Final = re.compile(rb"<(?:\w{1,9}:)?row(?:\s([^<>]*))?/?>")
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
_NUMBERED: Final = re.compile(  # of a number, or of a shared text's place, the parser takes what stands before it
    rb"<(?:\w{1,9}:)?c\s([^<>]*)>\s*(?:<(?:\w{1,9}:)?f\b[^<>]*>[^<]*</(?:\w{1,9}:)?f>\s*)?"
    rb"<(?:\w{1,9}:)?v\b[^<>]*>[^<&]*&"
)
_EMPTY_SHARED: Final = re.compile(rb"<(?:\w{1,9}:)?c\s([^<>]*)>\s*<(?:\w{1,9}:)?v(?:\s*/>|>\s*</)")
_SHARED: Final = re.compile(rb"<(?:\w{1,9}:)?c\s([^<>]*)>\s*<(?:\w{1,9}:)?v>\s*(\d{1,9})")
_REF: Final = re.compile(rb"([A-Za-z]{1,7})(\d{1,9})")

_BROKEN_FORMULA: Final = "the formula in this cell shows an error; mend it and save"
_NO_STORED_RESULT: Final = "the formula's result was not stored; open the file in Excel and save it"
_TEXT_ELSEWHERE: Final = "the cell's text does not stand where spreadsheets look for it; type it again"


class StyledCell(NamedTuple):
    """Where a cell stands (from 0) and the style it has."""

    row: int
    column: int
    style: int


@dataclass(slots=True)
class BrokenCells:
    """The cells that have no value, or not where it is looked for: row -> column -> why, both from 0."""

    found: dict[int, dict[int, tuple[ProblemCode, str]]] = field(default_factory=dict)
    has_unplaced: bool = False  # there is one that does not say where it stands

    def take(self, piece: bytes) -> None:
        """Look through some rows."""
        if b'"e"' in piece or b"'e'" in piece:
            for cell in _CELL.finditer(piece):
                if attributes(cell[1]).get(b"t") == b"e":
                    self._note(cell[1], ProblemCode.ERROR_CELL, _BROKEN_FORMULA)
        if b"<f" in piece or b":f" in piece:
            for cell in _FORMULA.finditer(piece):
                # A formula may well have the empty text as its result.
                if _NO_RESULT.match(piece, cell.end()) and attributes(cell[1]).get(b"t") != b"str":
                    self._note(cell[1], ProblemCode.ERROR_CELL, _NO_STORED_RESULT)
        self._take_misplaced(piece)

    def _take_misplaced(self, piece: bytes) -> None:
        if piece.count(b'inlineStr"><is><t') != piece.count(b"inlineStr"):
            for cell in _MISPLACED.finditer(piece):
                if attributes(cell[1]).get(b"t") == b"inlineStr":
                    self._note(cell[1], ProblemCode.MISPLACED_TEXT, _TEXT_ELSEWHERE)
        if b"<![CDATA[" in piece:
            for cell in _CDATA.finditer(piece):
                self._note(cell[1], ProblemCode.MISPLACED_TEXT, _TEXT_ELSEWHERE)
        if b"&#" in piece:
            for cell in _NUMBERED.finditer(piece):
                if attributes(cell[1]).get(b"t") != b"str":
                    self._note(cell[1], ProblemCode.MISPLACED_TEXT, _TEXT_ELSEWHERE)
        if b"<v></" in piece or b"<v/>" in piece or b"<v />" in piece:
            for cell in _EMPTY_SHARED.finditer(piece):
                if attributes(cell[1]).get(b"t") == b"s":
                    self._note(cell[1], ProblemCode.MISPLACED_TEXT, _TEXT_ELSEWHERE)

    def _note(self, tag: bytes | None, code: ProblemCode, message: str) -> None:
        place = _place(tag)
        if place is None:
            self.has_unplaced = True
            return
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
        for tag in ROW_OR_CELL.finditer(piece):
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


def _place(tag: bytes | None) -> tuple[int, int] | None:
    return _place_of(attributes(tag).get(b"r", b"")) if tag else None


def _place_of(ref: bytes) -> tuple[int, int] | None:
    found = _REF.fullmatch(ref)
    return (int(found[2]) - 1, column_number(found[1].upper()) - 1) if found else None
