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
from connectors.propose.vocabulary import Vocabulary
from connectors.source.encoding import rank_encodings
from connectors.source.problem import FileRefused
from connectors.source.reader import read_table, sheet_names
from connectors.source.table import FormatOptions, Limits, Table

_HEADER_ROWS_TRIED = 15
_ENOUGH_NAMES = 3
_ENCODINGS_MAX = 6
_LOOKED_AT = 64 * 1024
_CELLS_SHOWN = 3
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
        if not len(table.rows) or (len(table.header) < 2 and not is_nested):
            return Worksheet(name, table, None)
        titles = tuple(title for title in (name, self.path.stem) if title)
        odd = odd_rows(table)
        columns = profiles(table, {row.number for row in odd if row.is_aside})
        return Worksheet(name, table, Sheet(self.path.name, columns, titles, form, is_nested, odd=odd))

    def _table(self, name: str | None, row: int | None) -> Table:
        wanted = FormatOptions(sheet=name, header_row=row, encoding=self.encoding)
        return read_table(self.path, self.data, wanted, self.limits)

    def _try(self, name: str | None, row: int) -> Table | None:
        try:
            return self._table(name, row)
        except FileRefused:
            return None
