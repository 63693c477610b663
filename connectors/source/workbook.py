"""XLSX as rows: typed cells, merged cells as a person reads them, the table wherever it stands on its sheet."""

from __future__ import annotations

import io
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePath

from python_calamine import CalamineError, CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

from connectors.source.folding import fold, skeleton
from connectors.source.grid import Grid, fill_down, header_labels, row_labels
from connectors.source.header import column_letters, find_header, join_levels, name_columns
from connectors.source.look import looks, show_cells
from connectors.source.package import Package
from connectors.source.problem import FileCode, FileRefused, ProblemCode, TableWarning, WarningCode
from connectors.source.table import Cell, Format, FormatOptions, Limits, Problems, Table, TableRows

_HEADER_SEARCH = 200


def read_workbook(path: PurePath, data: bytes, wanted: FormatOptions, limits: Limits) -> Table:
    """Return the table on the named sheet, or on the one visible sheet that has the columns that are wanted.

    Shapes: numbers are int or Decimal at the 15 digits a sheet keeps, dates are date or datetime, a time of day is
            text; a cell under a vertical merge has the merge's value. In the columns that are shown, a number is a
            ShownNumber where the sheet shows something else than its digits.
    Errors: FileRefused.
    """
    package = Package(data, limits)
    with _translated(path), CalamineWorkbook.from_filelike(io.BytesIO(data)) as workbook:
        names = _sheet_names(workbook, wanted.sheet, path)
        sheet = _choose(_sheets(workbook, package, names, wanted, limits), wanted, limits, path)
        warnings = []
        if len(names) > 1:
            others = ", ".join(repr(name) for name in names if name != sheet.name)
            message = f"the sheet {sheet.name!r} is read; also there: {others}; name one in the mapping"
            warnings.append(TableWarning(WarningCode.OTHER_SHEETS, message))
        return _read_sheet(path, package, sheet, wanted=wanted, limits=limits, warnings=warnings)


@dataclass(frozen=True, slots=True)
class _Sheet:
    """A worksheet and where its header is: None for an empty one. `labels` are the header's names as far as it goes."""

    name: str
    grid: Grid
    header_number: int | None
    header_end: int
    labels: tuple[str, ...]


def _sheets(
    workbook: CalamineWorkbook, package: Package, names: list[str], wanted: FormatOptions, limits: Limits
) -> Iterator[_Sheet]:
    for name in names:
        facts = package.inspect_sheet(name)
        grid = Grid(workbook.get_sheet_by_name(name), facts, limits)
        try:
            number = _header_number(grid, wanted.header_row, wanted.columns)
        except FileRefused:
            if len(names) == 1:
                raise
            number = None
        labels, end = ([], -1) if number is None else header_labels(grid, number)
        if number == end and wanted.columns and not wanted.columns <= set(labels):
            number, end, labels = _two_rows(grid, end, labels, wanted.columns)
        yield _Sheet(name, grid, number, end, tuple(labels))


def _two_rows(grid: Grid, number: int, labels: list[str], names: frozenset[str]) -> tuple[int, int, list[str]]:
    """Return the header's first and last row and its names, with the row above or below where only both have all."""
    for upper in (number - 1, number):
        if upper in grid.rows and upper + 1 in grid.rows:
            joined = join_levels(row_labels(grid, upper), row_labels(grid, upper + 1), names)
            if joined is not None:
                return upper, upper + 1, joined
    return number, number, labels


def _choose(sheets: Iterator[_Sheet], wanted: FormatOptions, limits: Limits, path: PurePath) -> _Sheet:
    """Return the sheet to read: where none is named, the only one with all of the columns, else the first with rows.

    Errors: FileRefused(WHICH_SHEET), if several have them: which is meant is for a person to say.
    """
    first: _Sheet | None = None
    fitting: list[_Sheet] = []
    needed = wanted.columns_needed
    for sheet in sheets:
        if first is None or (first.header_number is None and sheet.header_number is not None):
            first = sheet
        if needed is None and first.header_number is not None:
            break
        if needed and needed <= _names_of(sheet, wanted, limits.columns_max):
            fitting.append(sheet)
    assert first is not None  # a workbook without a sheet that can be read was refused before
    if len(fitting) > 1:
        names = ", ".join(repr(sheet.name) for sheet in fitting)
        said = f"several sheets of {path.name} have the columns of the mapping: {names}; name one in the mapping"
        raise FileRefused(FileCode.WHICH_SHEET, said, sheets=names[:200])
    return fitting[0] if fitting else first


def _names_of(sheet: _Sheet, wanted: FormatOptions, columns_max: int) -> frozenset[str]:
    """Return the names of a sheet's columns; all that are needed where two look like one of these: it is meant."""
    try:
        names, _, _ = name_columns(sheet.labels, lambda _: True, columns_max, sheet.grid.first_column, wanted.columns)
    except FileRefused as exc:
        return wanted.columns_needed or frozenset() if exc.code is FileCode.REPEATED_COLUMN else frozenset()
    return frozenset(names)


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
        all_names = [sheet.name for sheet in sheets]
        names = [wanted] if wanted in all_names else [name for name in all_names if fold(name) == fold(wanted)]
        names = names or [name for name in all_names if skeleton(fold(name)) == skeleton(fold(wanted))]
        if len(names) > 1:
            shown = ", ".join(map(repr, names))
            said = f"{path.name} has several sheets of the name {wanted!r}: {shown}; rename one"
            raise FileRefused(FileCode.WHICH_SHEET, said, sheets=shown[:200])
    if not names:
        came = ", ".join(repr(sheet.name) for sheet in sheets) or "none"
        asked = "a visible sheet" if wanted is None else f"the sheet {wanted!r}"
        said = f"expected {asked} in {path.name}, its sheets are: {came}"
        raise FileRefused(FileCode.NO_SUCH_SHEET, said, **({} if wanted is None else {"sheet": wanted}))
    return names


def _read_sheet(
    path: PurePath,
    package: Package,
    sheet: _Sheet,
    *,
    wanted: FormatOptions,
    limits: Limits,
    warnings: list[TableWarning],
) -> Table:
    grid, header_number, header_end = sheet.grid, sheet.header_number, sheet.header_end
    detected = {part for part in ("kind", "sheet", "header_row") if getattr(wanted, part) is None}
    if header_number is None:
        warnings.append(TableWarning(WarningCode.EMPTY_FILE, f"the sheet {grid.sheet_name!r} is empty"))
        empty = TableRows((), array("L"), [])
        form = Format(kind="xlsx", sheet=grid.sheet_name, detected=frozenset(detected))
        return Table(path, (), empty, form, tuple(warnings))
    below = {number: values for number, values in grid.rows.items() if number > header_end}
    blank_names = [index for index, label in enumerate(sheet.labels) if not label]
    used = {index for index in blank_names if any(values[index] is not None for values in below.values())}
    first = grid.first_column
    header, indexes, name_warnings = name_columns(
        sheet.labels, used.__contains__, limits.columns_max, first, wanted.columns
    )
    places = {first + index: name for index, name in zip(indexes, header, strict=True)}
    show_cells(package, grid, below, places, wanted)
    used_places = None if wanted.columns is None else {at for at, name in places.items() if name in wanted.columns}
    is_filled = fill_down(grid, below, header_end, used_places)
    if is_filled or any(first[0] <= header_end and header_number <= last[0] for first, last in grid.merges):
        message = "merged cells are read as a person reads them: their value counts for every row and name they cover"
        warnings.append(TableWarning(WarningCode.MERGED_CELLS, message))
    warnings += looks(package, grid.facts, places, below.keys())

    problems = Problems(limits.problems_max)
    numbers = array("L")
    kept: list[list[Cell]] = []
    last_number = header_end
    is_whole = len(indexes) == len(sheet.labels)
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
    grid: Grid,
    places: dict[int, str],
    *,
    columns: frozenset[str] | None,
    problems: Problems,
) -> bool:
    """Note what is wrong in the columns that are used, and return whether anything is."""
    found = dict(grid.bad.get(number, ()))
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


def _header_number(grid: Grid, named_row: int | None, names: frozenset[str] | None) -> int | None:
    if named_row is None:
        numbers = list(grid.rows)[:_HEADER_SEARCH]
        index = find_header((grid.rows[number] for number in numbers), names)
        return None if index is None else numbers[index]
    if all(value is None for value in grid.rows.get(named_row - 1, ())):
        said = f"the mapping names header_row {named_row}; that row is empty"
        raise FileRefused(FileCode.NO_SUCH_ROW, said, row=named_row)
    return named_row - 1


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
