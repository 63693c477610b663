"""XLSX as rows: typed cells, merged cells as a person reads them, the table wherever it stands on its sheet."""

from __future__ import annotations

import io
import math
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import PurePath
from typing import Any

from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

from connectors.source.header import clean_name, column_letters, find_header, name_columns
from connectors.source.package import Package, SheetFacts
from connectors.source.problem import FileCode, FileRefused, ProblemCode, TableWarning, WarningCode
from connectors.source.table import Cell, Format, FormatOptions, Limits, Problems, Table, TableRows

_HEADER_SEARCH = 200
_HEADER_LEVELS_MAX = 5
_MERGES_MAX = 100_000
_EXACT_INT_MAX = 2**53
Merge = tuple[tuple[int, int], tuple[int, int]]  # top left and bottom right, (row, column) from 0, both inside


def read_workbook(path: PurePath, data: bytes, wanted: FormatOptions, limits: Limits) -> Table:
    """Return the table on the named sheet, or on the first visible one that has any cell.

    Shapes: numbers are int or Decimal at the 15 digits a sheet keeps, dates are date or datetime, a time of day is
            text; a cell under a vertical merge has the merge's value.
    Errors: FileRefused.
    """
    package = Package(data, limits)
    with _translated(path), CalamineWorkbook.from_filelike(io.BytesIO(data)) as workbook:
        names = _sheet_names(workbook, wanted.sheet, path)
        for name in names:
            facts = package.inspect_sheet(name)
            sheet = workbook.get_sheet_by_name(name)
            if sheet.start is not None or name == names[-1]:
                break
        grid = _Grid(sheet, facts, limits)
    warnings = []
    if len(names) > 1:
        message = f"the sheet {name!r} is read; also there: {', '.join(map(repr, names))}; name one in the mapping"
        warnings.append(TableWarning(WarningCode.OTHER_SHEETS, message))
    return _read_grid(path, grid, wanted=wanted, limits=limits, warnings=warnings)


def worksheets(path: PurePath, data: bytes, limits: Limits) -> list[str]:
    """Return the names of a workbook's visible worksheets. Errors: FileRefused."""
    Package(data, limits)
    with _translated(path), CalamineWorkbook.from_filelike(io.BytesIO(data)) as workbook:
        return _sheet_names(workbook, None, path)


def _sheet_names(workbook: CalamineWorkbook, wanted: str | None, path: PurePath) -> list[str]:
    sheets = [sheet for sheet in workbook.sheets_metadata if sheet.typ == SheetTypeEnum.WorkSheet]
    if wanted is None:
        names = [sheet.name for sheet in sheets if sheet.visible == SheetVisibleEnum.Visible]
    else:
        names = [sheet.name for sheet in sheets if sheet.name.strip().casefold() == wanted.strip().casefold()][:1]
    if not names:
        came = ", ".join(repr(sheet.name) for sheet in sheets) or "none"
        asked = "a visible sheet" if wanted is None else f"the sheet {wanted!r}"
        said = f"expected {asked} in {path.name}, its sheets are: {came}"
        raise FileRefused(FileCode.NO_SUCH_SHEET, said, **({} if wanted is None else {"sheet": wanted}))
    return names


class _Grid:
    """A sheet's filled rows, converted; row and column numbers are from 0 and as in the sheet."""

    def __init__(self, sheet: CalamineSheet, facts: SheetFacts, limits: Limits) -> None:
        self.sheet_name: str = sheet.name
        self.facts = facts
        self._limits = limits
        self.bad: dict[int, dict[int, tuple[ProblemCode, str]]] = {}
        self.columns_rounded: set[int] = set()
        self.rows: dict[int, list[Cell]] = {}
        self.merges: list[Merge] = list(sheet.merged_cell_ranges or ())
        if len(self.merges) > _MERGES_MAX:
            raise FileRefused(FileCode.EXPANDS_TOO_MUCH, f"expected at most {_MERGES_MAX} merged areas on a sheet")
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
        if lost := (facts.errors.keys() | self.bad.keys()) - self.rows.keys():
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
                values.append(self._texts.setdefault(text, text) if text else None)
            elif kind is float:
                values.append(self._number(number, len(values), cell))
            elif kind is time:
                values.append(cell.isoformat())
            elif kind is timedelta:
                seconds = round(cell.total_seconds())
                values.append(f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}")
            else:
                values.append(cell)
        return values

    def _number(self, number: int, index: int, value: float) -> Cell:
        if value.is_integer():
            if abs(value) <= _EXACT_INT_MAX:
                return int(value)
            self.columns_rounded.add(self.first_column + index)
            return int(Decimal(repr(value)))
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


def _read_grid(
    path: PurePath,
    grid: _Grid,
    *,
    wanted: FormatOptions,
    limits: Limits,
    warnings: list[TableWarning],
) -> Table:
    detected = {part for part in ("kind", "sheet", "header_row") if getattr(wanted, part) is None}
    header_number = _header_number(grid, wanted.header_row, wanted.columns)
    if header_number is None:
        warnings.append(TableWarning(WarningCode.EMPTY_FILE, f"the sheet {grid.sheet_name!r} is empty"))
        empty = TableRows((), array("L"), [])
        form = Format(kind="xlsx", sheet=grid.sheet_name, detected=frozenset(detected))
        return Table(path, (), empty, form, tuple(warnings))
    labels, header_end = _header_labels(grid, header_number)
    below = {number: values for number, values in grid.rows.items() if number > header_end}
    is_filled = _fill_down(grid, below, header_end)
    if is_filled or any(first[0] <= header_end and header_number <= last[0] for first, last in grid.merges):
        message = "merged cells are read as a person reads them: their value counts for every row and name they cover"
        warnings.append(TableWarning(WarningCode.MERGED_CELLS, message))

    blank_names = [index for index, label in enumerate(labels) if not label]
    used = {index for index in blank_names if any(values[index] is not None for values in below.values())}
    header, indexes, name_warnings = name_columns(
        labels, used.__contains__, limits.columns_max, grid.first_column, wanted.columns
    )
    places = {grid.first_column + index: name for index, name in zip(indexes, header, strict=True)}
    problems = Problems(limits.problems_max)
    numbers = array("L")
    kept: list[list[Cell]] = []
    last_number = header_end
    is_whole = len(indexes) == len(labels)
    for number, values in below.items():
        if _has_problem(number, values, grid, places, columns=wanted.columns, problems=problems):
            last_number = number
            continue
        if values.count(None) == len(values):
            continue
        last_number = number
        numbers.append(number + 1)
        kept.append(values if is_whole else [values[index] for index in indexes])
    problem_count = len({problem.row_number for problem in problems.found})
    blank_count = last_number - header_end - len(kept) - problem_count
    for column in sorted(grid.columns_rounded & places.keys()):
        message = "a sheet keeps 15 digits of a number, longer ones have lost theirs; store such numbers as text"
        warnings.append(TableWarning(WarningCode.DIGITS_LOST, message, places[column]))
    return Table(
        path=path,
        header=header,
        rows=TableRows(header, numbers, kept),
        format=Format(
            kind="xlsx",
            sheet=grid.sheet_name,
            header_row=header_number + 1,
            detected=frozenset(detected),
        ),
        warnings=(*warnings, *name_warnings),
        problems=tuple(problems.found),
        blank_count=blank_count,
    )


def _has_problem(
    number: int,
    values: list[Cell],
    grid: _Grid,
    places: dict[int, str],
    *,
    columns: frozenset[str] | None,
    problems: Problems,
) -> bool:
    """Note what is wrong in the columns that are used, and return whether anything is."""
    found = dict(grid.bad.get(number, ()))
    for column, message in grid.facts.errors.get(number, {}).items():
        found[column] = (ProblemCode.ERROR_CELL, message)
    if grid.facts.has_nul:
        for index, value in enumerate(values):
            if isinstance(value, str) and "\0" in value:
                message = "a cell holds a NUL character, as a damaged file does; type it again"
                found[grid.first_column + index] = (ProblemCode.NUL_CHARACTER, message)
    is_found = False
    for column in sorted(found):
        name = places.get(column)
        if name is not None and (columns is None or name in columns):
            code, message = found[column]
            problems.add(number + 1, name, code, f"{column_letters(column)}{number + 1}: {message}")
            is_found = True
    return is_found


def _header_number(grid: _Grid, named_row: int | None, names: frozenset[str] | None) -> int | None:
    if named_row is None:
        numbers = list(grid.rows)[:_HEADER_SEARCH]
        index = find_header((grid.rows[number] for number in numbers), names)
        return None if index is None else numbers[index]
    if all(value is None for value in grid.rows.get(named_row - 1, ())):
        said = f"the mapping names header_row {named_row}; that row is empty"
        raise FileRefused(FileCode.NO_SUCH_ROW, said, row=named_row)
    return named_row - 1


def _header_labels(grid: _Grid, header_number: int) -> tuple[list[str], int]:
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
        for (top, left), (bottom, right) in merges:
            if top <= number <= bottom:
                first = max(left - grid.first_column, 0)
                for index in range(first, min(right - grid.first_column + 1, width)):
                    cells[index] = _label(grid.cell(top, left))
        for index, cell in enumerate(cells):
            if cell and cell not in levels[index]:
                levels[index].append(cell)
    return [" / ".join(parts) for parts in levels], end


def _label(value: Cell) -> str:
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, date | datetime):
        return value.isoformat()
    return "" if value is None else clean_name(str(value).replace("\0", "\ufffd"))


def _fill_down(grid: _Grid, below: dict[int, list[Cell]], header_end: int) -> bool:
    """Give the rows under a vertical merge its value, unless they are otherwise empty; return whether any got it."""
    is_filled = False
    last_row = max(below, default=-1)
    for (top, left), (bottom, _) in grid.merges:
        index = left - grid.first_column
        value = grid.cell(top, left)
        if top <= header_end or bottom == top or value is None:
            continue
        for number in range(top + 1, min(bottom, last_row) + 1):
            values = below.get(number)
            if values is not None and values[index] is None:
                values[index] = value
                is_filled = True
    return is_filled


@contextmanager
def _translated(path: PurePath) -> Iterator[None]:
    """Turn whatever the parser raises, a panic of its Rust code included, into one of our errors."""
    try:
        yield
    except (CalamineError, OSError, ValueError, OverflowError) as exc:
        raise _damaged(path, exc) from exc
    except BaseException as exc:
        if type(exc).__name__ != "PanicException":  # it is no Exception, and its class cannot be imported
            raise
        raise _damaged(path, exc) from exc


def _damaged(path: PurePath, exc: BaseException) -> FileRefused:
    message = f"{path.name} is damaged or is no workbook ({exc}); open it in Excel and save it again"
    return FileRefused(FileCode.BROKEN_WORKBOOK, message)
