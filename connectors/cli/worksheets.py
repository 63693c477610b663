"""A file as the worksheets that a mapping may be for: each read with the header that its names point to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from connectors.propose.match import names_known
from connectors.propose.profile import profiles
from connectors.propose.proposal import Sheet
from connectors.propose.vocabulary import Vocabulary
from connectors.source.problem import FileRefused
from connectors.source.reader import read_table, sheet_names
from connectors.source.table import FormatOptions, Limits, Table

_HEADER_ROWS_TRIED = 15
_ENOUGH_NAMES = 3
_SEARCHED_BYTES_MAX = 8 * 1024 * 1024  # a larger file is read once: its header stands where the reader finds it


@dataclass(frozen=True, slots=True)
class Worksheet:
    """One worksheet of a file, or the whole of a file that has none. Shapes: `sheet` None if it holds no table."""

    name: str | None
    table: Table
    sheet: Sheet | None


def read_worksheets(
    path: Path, data: bytes, vocabulary: Vocabulary, limits: Limits, only: str | None = None
) -> list[Worksheet]:
    """Return every visible worksheet of a file, or the one that is named. Errors: FileRefused."""
    names = sheet_names(path, data, limits)
    wanted: Sequence[str | None] = [only] if only is not None else names or [None]
    return [_read(path, data, vocabulary, limits, name, is_one_of_several=len(names or ()) > 1) for name in wanted]


def _read(
    path: Path, data: bytes, vocabulary: Vocabulary, limits: Limits, name: str | None, *, is_one_of_several: bool
) -> Worksheet:
    table = read_table(path, data, FormatOptions(sheet=name), limits)
    form = {"sheet": name} if name is not None and is_one_of_several else {}
    known = names_known(table.header, vocabulary)
    if known < _ENOUGH_NAMES and len(data) <= _SEARCHED_BYTES_MAX:
        for row in range(1, _HEADER_ROWS_TRIED + 1):
            other = _try_header(path, data, limits, name, row)
            if other is not None and (found := names_known(other.header, vocabulary)) > known:
                table, known = other, found
                form = {**form, "header_row": str(row)}
    if not len(table.rows) or (len(table.header) < 2 and table.format.kind != "jsonl"):
        return Worksheet(name, table, None)
    titles = tuple(title for title in (name, path.stem) if title)
    return Worksheet(name, table, Sheet(path.name, profiles(table), titles, form, table.format.kind == "jsonl"))


def _try_header(path: Path, data: bytes, limits: Limits, name: str | None, row: int) -> Table | None:
    try:
        return read_table(path, data, FormatOptions(sheet=name, header_row=row), limits)
    except FileRefused:
        return None
