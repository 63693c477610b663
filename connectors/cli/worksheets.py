"""A file as the worksheets that a mapping may be for: each read with the header that its names point to."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from connectors.propose.guess import Option, Question, Told
from connectors.propose.match import names_known
from connectors.propose.odd import odd_rows
from connectors.propose.profile import profiles
from connectors.propose.proposal import Sheet
from connectors.propose.vocabulary import GROUP, Vocabulary
from connectors.source.encoding import rank_encodings
from connectors.source.header import clean_name
from connectors.source.problem import FileRefused, WarningCode
from connectors.source.reader import read_table, sheet_names
from connectors.source.table import FormatOptions, Limits, Table

_HEADER_ROWS_TRIED = 15
_ENOUGH_NAMES = 3
_ENCODINGS_MAX = 6
_LOOKED_AT = 64 * 1024
_CELLS_SHOWN = 3
_LOWER_NAMES_MIN = 2
_CELL = re.compile(r"[\r\n;,\t|]+")
_SEARCHED_BYTES_MAX = 2 * 1024 * 1024  # a larger file is read once: its header stands where the reader finds it


@dataclass(frozen=True, slots=True)
class Worksheet:
    """One worksheet of a file, or the whole of a file that has none. Shapes: `sheet` None if it holds no table."""

    name: str | None
    table: Table
    sheet: Sheet | None


def read_worksheets(
    path: Path,
    data: bytes,
    vocabulary: Vocabulary,
    limits: Limits,
    only: str | None = None,
    encoding: str | None = None,
) -> list[Worksheet]:
    """Return every visible worksheet of a file, or the one that is named. Errors: FileRefused."""
    names = sheet_names(path, data, limits)
    wanted: Sequence[str | None] = [only] if only is not None else names or [None]
    reading = _Reading(path, data, vocabulary, limits, encoding)
    return [reading.read(name, is_one_of_several=len(names or ()) > 1) for name in wanted]


def encoding_question(data: bytes) -> Question:
    """Return the question in which encoding a file's text is, with what reads otherwise in each of them."""
    encodings = [found.encoding for found in rank_encodings(data)[:_ENCODINGS_MAX]]
    cells = {encoding: _CELL.split(data[:_LOOKED_AT].decode(encoding, "replace")) for encoding in encodings}
    apart = sorted(zip(*cells.values(), strict=False), key=lambda texts: -len(set(texts)))
    telling = [texts for texts in apart[:_CELLS_SHOWN] if len(set(texts)) > 1]
    options = tuple(
        Option(encoding, f"{encoding}: {'; '.join(' '.join(texts[place].split()) for texts in telling)}")
        for place, encoding in enumerate(encodings)
    )
    return Question("encoding", Told("questions.encoding"), options)


@dataclass(frozen=True, slots=True)
class _Reading:
    """How the worksheets of one file are read."""

    path: Path
    data: bytes
    vocabulary: Vocabulary
    limits: Limits
    encoding: str | None

    def read(self, name: str | None, *, is_one_of_several: bool) -> Worksheet:
        """Return one worksheet, with the header that most names that are known point to. Errors: FileRefused."""
        table = self._table(name, None)
        form = {"sheet": name} if name is not None and is_one_of_several else {}
        if self.encoding is not None:
            form["encoding"] = self.encoding
        known = names_known(table.header, self.vocabulary)
        if known < _ENOUGH_NAMES and len(self.data) <= _SEARCHED_BYTES_MAX:
            for row in range(1, _HEADER_ROWS_TRIED + 1):
                other = self._try(name, row)
                if other is not None and (found := names_known(other.header, self.vocabulary)) > known:
                    table, known = other, found
                    form["header_row"] = str(row)
        is_nested = table.format.kind == "jsonl"
        joined = None if is_nested else self._joined(name, table)
        if joined is not None:
            table, row = joined
            form["header_row"] = str(row)
        if not len(table.rows) or (len(table.header) < 2 and not is_nested):
            return Worksheet(name, table, None)
        titles = tuple(title for title in (name, self.path.stem) if title)
        odd = odd_rows(table)
        columns = profiles(table, {row.number for row in odd if row.is_aside})
        return Worksheet(name, table, Sheet(self.path.name, columns, titles, form, is_nested, odd=odd))

    def _joined(self, name: str | None, found: Table) -> tuple[Table, int] | None:
        """Return the table with a header of two rows, and the upper one, where only both of them name every column."""
        if all(warning.code is not WarningCode.UNNAMED_COLUMN for warning in found.warnings):
            return None
        number = found.format.header_row or 1
        for row in (number, number - 1):
            upper = self._try(name, row) if row > 0 else None
            names = two_levels(upper, self.vocabulary) if upper is not None else None
            table = self._try(name, row, names) if names else None
            if table is not None and names and names <= set(table.header):
                return table, row
        return None

    def _table(self, name: str | None, row: int | None, columns: frozenset[str] | None = None) -> Table:
        wanted = FormatOptions(sheet=name, header_row=row, encoding=self.encoding, columns=columns)
        return read_table(self.path, self.data, wanted, self.limits)

    def _try(self, name: str | None, row: int, columns: frozenset[str] | None = None) -> Table | None:
        try:
            return self._table(name, row, columns)
        except FileRefused:
            return None


def two_levels(upper: Table, vocabulary: Vocabulary) -> frozenset[str] | None:
    """Return the names of a header whose lower row was read as the first row of the table; None if it is data.

    A cell of the upper row stands over the columns behind it, up to the next. The lower row is one of names if it has
    nothing but texts, names a column that had none, and most of its cells are called as something that a mapping says.
    """
    if not len(upper.rows):
        return None
    unnamed = {warning.column for warning in upper.warnings if warning.code is WarningCode.UNNAMED_COLUMN}
    cells = {name: cell for name, cell in upper.rows[0].cells.items() if cell is not None and cell != ""}
    lower = {name: clean_name(cell) for name, cell in cells.items() if isinstance(cell, str)}
    if len(lower) < len(cells) or unnamed.isdisjoint(lower):
        return None
    if names_known(list(lower.values()), vocabulary) < max(_LOWER_NAMES_MIN, len(lower) / 2):
        return None
    names, group = [], ""
    for name in upper.header:
        group = group if name in unnamed else name
        low = lower.get(name, "")
        names.append(f"{group}{GROUP}{low}" if group and low else low or ("" if name in unnamed else name))
    return frozenset(filter(None, names)) if len(set(names)) == len(names) else None
