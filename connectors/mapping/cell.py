"""One source's raw cell: what a row has there, BLANK where nothing is written. Errors of a spreadsheet are refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

import jmespath
from jmespath.exceptions import JMESPathError

from connectors.mapping.convert import Convert, Unfit, as_said, as_text
from connectors.mapping.model import Source
from connectors.mapping.problem import LocalCode
from connectors.source.error_text import has_error_text, is_error_text
from connectors.source.folding import fold
from connectors.source.problem import ProblemCode

Cells = dict[str, Any]
Read = Callable[[Cells], Any]


class _Blank:
    """Stands for "nothing is written there"; None would be JSON's null, which means the same here."""

    def __bool__(self) -> bool:
        return False


BLANK: Final = _Blank()
# An error's text begins so, has a number sign, or a colon before its number; a blank text is empty or begins with a
# space. Most cells do neither, and are spared the rest.
_LOOKED_AT: Final = frozenset(("", *"#\uff03=\"'\ufeff\u200b", *filter(str.isspace, map(chr, range(0x3001)))))
_NUMBERED_CHARS_MAX: Final = 16
_NAME: Final = re.compile(r'[A-Za-z_][A-Za-z0-9_]*|"[^"\\\\\x00-\x1f]+"')  # a JMESPath that is nothing but a key
_REMEMBERED_MAX: Final = 4096
_REMEMBERED_CHARS_MAX: Final = 40  # what is longer is a sentence, and hardly recurs


def read_cell(source: Source, part: Convert = as_text) -> Read:
    """Return what gets a source's raw cell: BLANK for an empty one and for one that counts as empty.

    `part` makes a text of each of several columns before they are joined.
    """
    read: Read
    if source.column is not None:
        if not source.blanks:
            return _read_column(source.column)
        read = _read_any(source.column)
    elif source.path is not None:
        read = _read_path(source.path)
    else:
        read = _read_joined(source.columns or (), source.join, part)
    if not source.blanks:
        return _without_errors(read)
    blanks = frozenset(map(fold, source.blanks))

    def read_known(cells: Cells) -> Any:
        cell = read(cells)
        if cell is BLANK or isinstance(cell, list | dict):
            return cell
        return BLANK if fold(as_said(cell)) in blanks else cell

    return _without_errors(read_known)


def remembered(source: Source, read: Read) -> Read:
    """Return the same reader with a bounded memory if its source is one column: stages, countries and days recur.

    It must not read before all of the table's rows were looked at. What it must not keep, such as persons, it is not
    for.
    """
    column = source.column
    if column is None:
        return read
    seen: dict[str, Any] = {}

    def read_remembered(cells: Cells) -> Any:
        cell = cells.get(column)
        if cell.__class__ is not str or len(cell) > _REMEMBERED_CHARS_MAX:
            return read(cells)
        found = seen.get(cell)
        if found is None:
            found = read(cells)
            if len(seen) < _REMEMBERED_MAX:
                seen[cell] = found
        return found.copy() if found.__class__ is list else found

    return read_remembered


def _read_column(column: str) -> Read:
    """Return what gets one column's cell: a call less for each cell than a reader around another."""

    def read(cells: Cells) -> Any:
        cell = cells.get(column)
        if cell.__class__ is str:
            if cell[:1] in _LOOKED_AT:
                if not cell or cell.isspace():
                    return BLANK
                _refuse_error(cell)
            elif "#" in cell or (len(cell) < _NUMBERED_CHARS_MAX and ":" in cell):
                _refuse_error(cell)
        elif cell.__class__ is list:
            _refuse_errors(cell)
        return BLANK if cell is None else cell

    return read


def _read_any(column: str) -> Read:
    """Return what gets one column's cell, of which a text may yet count as empty before it is an error."""

    def read(cells: Cells) -> Any:
        cell = cells.get(column)
        return BLANK if cell is None or cell == "" or (cell.__class__ is str and cell.isspace()) else cell

    return read


def _read_path(path: str) -> Read:
    if _NAME.fullmatch(path):
        name = path.strip('"')
        return lambda cells: filled(cells.get(name))
    search = jmespath.compile(path).search

    def read(cells: Cells) -> Any:
        try:
            return filled(search(cells))
        except JMESPathError as exc:  # a function was given another type than it takes
            raise Unfit(LocalCode.BAD_SHAPE, str(exc).partition(",")[0]) from exc

    return read


def _read_joined(columns: tuple[str, ...], join: str, part: Convert) -> Read:
    def read(cells: Cells) -> Any:
        parts = [part(cell) for cell in map(cells.get, columns) if cell is not None]
        for text in parts:
            _refuse_error(text)
        return filled(join.join(filter(None, parts)))

    return read


def _without_errors(read: Read) -> Read:
    """Return the same, with the text of a spreadsheet's error refused: it stands where a formula had no result."""

    def checked(cells: Cells) -> Any:
        cell = read(cells)
        if cell.__class__ is str:
            _refuse_error(cell)
        elif cell.__class__ is list:
            _refuse_errors(cell)
        return cell

    return checked


def _refuse_errors(cell: list[Any]) -> None:
    for item in cell:
        if item.__class__ is str:
            _refuse_error(item)


def _refuse_error(text: str) -> None:
    if is_error_text(text) or has_error_text(text):
        raise Unfit(ProblemCode.ERROR_CELL, text)


def filled(value: Any) -> Any:
    """Return a value, BLANK for what has nothing in it."""
    if value is None or value in ([], {}) or (isinstance(value, str) and not value.strip()):
        return BLANK
    return value
