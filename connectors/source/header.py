"""Column names from header cells: trimmed, composed, unique, never empty."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Sequence

from connectors.source.problem import FileCode, FileRefused, TableWarning, WarningCode


def clean_name(text: str) -> str:
    """Return a column name as a person reads it: one line, single spaces, composed letters."""
    return " ".join(unicodedata.normalize("NFC", text).replace("\ufeff", "").split())


def column_letters(index: int) -> str:
    """Return the sheet's letters of a column; index is from 0 (0 = A, 26 = AA)."""
    letters = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


def is_blank(value: object) -> bool:
    """Return whether a person sees nothing in this cell."""
    return value is None or (isinstance(value, str) and not value.strip())


def find_header(records: Iterable[Sequence[object]]) -> int | None:
    """Return the index of the header: the first record with two cells filled, or else the first with one."""
    only = None
    for index, record in enumerate(records):
        filled = sum(not is_blank(value) for value in record)
        if filled >= 2:  # a title above the table fills one cell
            return index
        if filled and only is None:
            only = index
    return only


def name_columns(
    cells: Sequence[str], is_used: Callable[[int], bool], columns_max: int, first_column: int = 0
) -> tuple[tuple[str, ...], tuple[int, ...], list[TableWarning]]:
    """Return the names, the indexes of the columns they name, and warnings.

    Shapes: is_used(index) tells whether a column without a name has any cell filled; if not, it is left out.
            first_column is where the cells begin on the sheet, from 0, for the letters in messages.
    Errors: FileRefused(TOO_MANY_COLUMNS).
    """
    names: list[str] = []
    indexes: list[int] = []
    warnings: list[TableWarning] = []
    cleaned = [clean_name(cell) for cell in cells]
    taken = {name for name in cleaned if name}
    seen: set[str] = set()
    for index, wanted in enumerate(cleaned):
        name = wanted
        if not name:
            if not is_used(index):
                continue
            name = _free_name(f"Column {column_letters(first_column + index)}", taken)
            warnings.append(
                TableWarning(
                    WarningCode.UNNAMED_COLUMN, f"column {column_letters(first_column + index)} has no name", name
                )
            )
        elif name in seen:
            name = _free_name(wanted, taken)
            warnings.append(
                TableWarning(
                    WarningCode.REPEATED_HEADER,
                    f"column {column_letters(first_column + index)} repeats the name {wanted!r}",
                    name,
                )
            )
        seen.add(name)
        taken.add(name)
        names.append(name)
        indexes.append(index)
    if len(names) > columns_max:
        raise FileRefused(
            FileCode.TOO_MANY_COLUMNS,
            f"expected at most {columns_max} columns, the header has {len(names)}",
            max=columns_max,
        )
    return tuple(names), tuple(indexes), warnings


def _free_name(name: str, taken: set[str]) -> str:
    if name not in taken:
        return name
    count = 2
    while f"{name} ({count})" in taken:
        count += 1
    return f"{name} ({count})"
