"""A sheet's cells, converted and placed: numbers exact, merged areas as a person reads them."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Collection
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from python_calamine import CalamineSheet

from connectors.source.header import clean_name
from connectors.source.package import SheetFacts
from connectors.source.problem import FileCode, FileRefused, ProblemCode
from connectors.source.sheet_form import MERGES_MAX
from connectors.source.shown import ClockText
from connectors.source.table import Cell, Limits

_HEADER_LEVELS_MAX = 5
_DIGITS_LOST_FROM = 10**15  # a sheet keeps 15 digits of a number
Merge = tuple[tuple[int, int], tuple[int, int]]  # top left and bottom right, (row, column) from 0, both inside


class Grid:
    """A sheet's filled rows, converted; row and column numbers are from 0 and as in the sheet."""

    def __init__(self, sheet: CalamineSheet, facts: SheetFacts, limits: Limits) -> None:
        self.sheet_name: str = sheet.name
        self.facts = facts
        self._limits = limits
        self.bad = facts.broken  # row -> column -> why its value is none
        self.rows: dict[int, list[Cell]] = {}
        self.merges: list[Merge] = list(dict.fromkeys(sheet.merged_cell_ranges or ()))
        if len(self.merges) > MERGES_MAX:
            raise FileRefused(FileCode.EXPANDS_TOO_MUCH, f"expected at most {MERGES_MAX} merged areas on a sheet")
        self.first_column = sheet.start[1] if sheet.start else 0
        # Texts repeat in office sheets (a status, a country): one object for all of them saves most of their memory.
        self._texts: dict[str, str] = {}
        if sheet.start is None:
            return
        for number, cells in enumerate(sheet.iter_rows()):
            values = self._convert(number, cells)
            if values.count(None) < len(values):
                self.rows[number] = values
        # A row of nothing but broken cells is no blank row.
        if lost := self.bad.keys() - self.rows.keys():
            width = sheet.width
            self.rows |= {number: [None] * width for number in lost}
            self.rows = dict(sorted(self.rows.items()))

    def _convert(self, number: int, cells: list[Any]) -> list[Cell]:
        values: list[Cell] = []
        for cell in cells:
            kind = type(cell)
            if kind is str:
                text = cell.strip()
                if len(text) > self._limits.cell_chars_max:
                    message = f"a cell is longer than the limit of {self._limits.cell_chars_max} characters"
                    self._note(number, len(values), ProblemCode.CELL_TOO_LONG, message)
                    text = ""  # nothing is made of it
                values.append(self._texts.setdefault(text, text) if text else None)
            elif kind is float:
                values.append(self._number(number, len(values), cell))
            elif kind is time:
                values.append(ClockText(cell.isoformat()))
            elif kind is timedelta:
                seconds = round(cell.total_seconds())
                clock = f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
                values.append(ClockText(clock))
            else:
                values.append(cell)
        return values

    def _number(self, number: int, index: int, value: float) -> Cell:
        if value.is_integer():
            if abs(value) >= _DIGITS_LOST_FROM:
                message = "a sheet keeps 15 digits of a number, and this one has more; store it as text"
                self._note(number, index, ProblemCode.DIGITS_LOST, message)
                return None
            return int(value)
        if not math.isfinite(value):
            self._note(number, index, ProblemCode.ERROR_CELL, "the number is out of any sensible range")
            return None
        return Decimal(f"{value:.15g}")  # a sheet keeps 15 digits; more are noise of its binary sums

    def _note(self, number: int, index: int, code: ProblemCode, message: str) -> None:
        self.bad.setdefault(number, {})[self.first_column + index] = (code, message)

    def cell(self, number: int, column: int) -> Cell:
        """Return the cell at a place of the sheet."""
        values = self.rows.get(number, [])
        index = column - self.first_column
        return values[index] if 0 <= index < len(values) else None


def header_labels(grid: Grid, header_number: int) -> tuple[list[str], int]:
    """Return each column's name and the header's last row.

    A header cell merged downwards makes a header of several rows; a column is then named by all of its levels, as
    `Budget / from`.
    """
    width = len(grid.rows[header_number])
    merges = [merge for merge in grid.merges if merge[0][0] <= header_number + _HEADER_LEVELS_MAX]
    end = header_number
    for (top, _), (bottom, _) in merges:
        if top <= header_number < bottom < header_number + _HEADER_LEVELS_MAX:
            end = max(end, bottom)
    levels: list[list[str]] = [[] for _ in range(width)]
    for number in range(header_number, end + 1):
        cells = [_label(grid.cell(number, grid.first_column + index)) for index in range(width)]
        covered = bytearray(width)
        for (top, left), (bottom, right) in merges:
            if top <= number <= bottom:
                first = max(left - grid.first_column, 0)
                last = min(right - grid.first_column + 1, width)
                if any(covered[first:last]):
                    raise _overlapping()
                covered[first:last] = b"\1" * max(last - first, 0)
                cells[first:last] = [_label(grid.cell(top, left))] * max(last - first, 0)
        for index, cell in enumerate(cells):
            if cell and cell not in levels[index]:
                levels[index].append(cell)
    return [" / ".join(parts) for parts in levels], end


def row_labels(grid: Grid, number: int) -> list[str]:
    """Return the cells of one row as names."""
    return [_label(value) for value in grid.rows[number]]


def _label(value: Cell) -> str:
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, date | datetime):
        return value.isoformat()
    return "" if value is None else clean_name(str(value).replace("\0", "\ufffd"))


def fill_down(
    grid: Grid, below: dict[int, list[Cell]], header_end: int, columns: Collection[int] | None = None
) -> bool:
    """Give the rows under a vertical merge its value, unless they are otherwise empty; return whether any got it.

    Shapes: `columns` are those that are used; the others are as they were, so that what nobody reads costs nothing.

    What keeps the merge's own cell from being read does so in each of the rows, too.
    Errors: FileRefused, if two areas give one cell a value.
    """
    is_filled = False
    numbers = sorted(below)
    filled_to: dict[int, int] = {}
    for (top, left), (bottom, _) in sorted(grid.merges, key=lambda merge: merge[0]):
        if top <= filled_to.get(left, -1):
            raise _overlapping()
        filled_to[left] = bottom
        if top <= header_end or bottom == top or (columns is not None and left not in columns):
            continue
        index = left - grid.first_column
        value = grid.cell(top, left)
        why = grid.bad.get(top, {}).get(left)
        if value is None and why is None:
            continue
        for number in numbers[bisect_right(numbers, top) : bisect_right(numbers, bottom)]:
            values = below[number]
            if why is not None:
                grid.bad.setdefault(number, {})[left] = why
            elif values[index] is None:
                values[index] = value
            is_filled = True
    return is_filled


def _overlapping() -> FileRefused:
    return FileRefused(
        FileCode.BROKEN_WORKBOOK, "two merged areas overlap, as a damaged workbook's do; open it in Excel and save it"
    )
