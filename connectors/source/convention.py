"""How a table writes numbers and dates: a decimal comma or point, the day or the month first.

A mapping that names them is obeyed. Otherwise the values decide, and where they leave it open the table carries a
warning, because `03/04/2024` and `1,234` cannot be read right by looking at one cell.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from connectors.source.problem import TableWarning, WarningCode
from connectors.source.table import DateOrder, DecimalMark, FormatOptions

ROWS_LOOKED_AT = 10_000
_ROWS_SAMPLED = 200
_LIKENESS = 0.5  # a column is of numbers (or dates) if this share of its filled cells looks so

_NUMBER = re.compile(r"[+\-\u2212]?\d+(?:[.,' \u00a0\u2009\u202f]\d+)*")
_PUNCTUATION = re.compile(r"[.,]")
_DATE = re.compile(r"(\d{1,2})([./-])(\d{1,2})\2\d{4}(?:[ T].*)?|\d{4}([./-])\d{1,2}\4\d{1,2}(?:[ T].*)?")


def settle_conventions(
    header: Sequence[str], values: Sequence[Sequence[Any]], wanted: FormatOptions, delimiter: str | None
) -> tuple[dict[str, Any], set[str], list[TableWarning]]:
    """Return decimal and date_order, which of them were guessed, and what is uncertain about the guess."""
    settled: dict[str, Any] = {"decimal": wanted.decimal, "date_order": wanted.date_order}
    guessed = {name for name, value in settled.items() if value is None}
    warnings: list[TableWarning] = []
    if not guessed:
        return settled, guessed, warnings
    columns = _text_columns(header, values)
    if wanted.decimal is None:
        settled["decimal"], warning = detect_decimal(_alike(columns, _NUMBER), delimiter)
        warnings += [warning] if warning else []
    if wanted.date_order is None:
        settled["date_order"], warning = detect_date_order(_alike(columns, _DATE))
        warnings += [warning] if warning else []
    return settled, guessed, warnings


def detect_decimal(
    columns: Iterable[tuple[str, Iterable[str]]], delimiter: str | None
) -> tuple[DecimalMark, TableWarning | None]:
    """Return the decimal mark that most of the telling numbers use.

    `1,5` `1.234,56` `1.234.567` tell a comma, `1.5` `1,234.56` `1,234,567` a point; `1,234` and `1.234` tell nothing.
    If none tells, a `;` between cells means a comma: that is why such files have it.
    """
    comma = point = 0
    open_column = None
    for name, cells in columns:
        for cell in cells:
            match _telling(cell):
                case ",":
                    comma += 1
                case ".":
                    point += 1
                case "?":
                    open_column = open_column or name
                case _:
                    pass
    mark: DecimalMark = "," if comma > point or (comma == point and delimiter == ";") else "."
    if comma and point:
        message = f"{comma} numbers have a decimal comma and {point} a point; taken: {mark!r}; name it in the mapping"
        return mark, TableWarning(WarningCode.DECIMAL_UNCERTAIN, message)
    if not comma and not point and open_column is not None:
        message = f"numbers such as 1,234 can be read two ways; taken as the decimal mark: {mark!r}; name it"
        return mark, TableWarning(WarningCode.DECIMAL_UNCERTAIN, message, open_column)
    return mark, None


def _telling(cell: str) -> str:
    """Return the decimal mark that a number shows, "?" if it can be read two ways, "" if it has no mark."""
    marks = _PUNCTUATION.findall(cell)
    if not marks:
        return ""
    last: str = marks[-1]
    other = "," if last == "." else "."
    if len(marks) > 1:
        # Two kinds: the last is the decimal mark. One kind, repeated: it separates thousands.
        return last if other in marks else other
    whole, _, fraction = cell.rpartition(last)
    if len(fraction) != 3 or whole.lstrip("+-\u2212").startswith("0") or len(whole.lstrip("+-\u2212")) > 3:
        return last
    return "?"


def detect_date_order(columns: Iterable[tuple[str, Iterable[str]]]) -> tuple[DateOrder, TableWarning | None]:
    """Return the order that the telling dates show: a first number over 12 is a day, a second one over 12 too.

    Where none tells: year first if all dates are written so, else the day first.
    """
    day_first = month_first = year_first = 0
    open_column = None
    for name, cells in columns:
        for cell in cells:
            found = _DATE.fullmatch(cell)
            if found is None:
                continue
            if found[1] is None:
                year_first += 1
            elif int(found[1]) > 12 >= int(found[3]):
                day_first += 1
            elif int(found[3]) > 12 >= int(found[1]):
                month_first += 1
            elif found[2] != ".":  # with points nobody writes the month first
                open_column = open_column or name
            else:
                day_first += 1
    order: DateOrder = "mdy" if month_first > day_first else "dmy"
    if day_first and month_first:
        message = f"{day_first} dates have the day first and {month_first} the month; taken: {order}; name date_order"
        return order, TableWarning(WarningCode.DATE_ORDER_UNCERTAIN, message)
    if not day_first and not month_first:
        if open_column is not None:
            message = f"dates such as 03/04/2024 can be read two ways; taken: {order}; name date_order in the mapping"
            return order, TableWarning(WarningCode.DATE_ORDER_UNCERTAIN, message, open_column)
        if year_first:
            return "ymd", None
    return order, None


def _text_columns(header: Sequence[str], values: Sequence[Sequence[Any]]) -> list[tuple[str, list[str]]]:
    """Return each column's filled text cells, as far down as we look."""
    looked_at = values[:ROWS_LOOKED_AT]
    columns = []
    for index, name in enumerate(header):
        sample = [row[index] for row in values[:_ROWS_SAMPLED] if isinstance(row[index], str)]
        if any(map(_may_tell, sample)):
            columns.append((name, [row[index] for row in looked_at if isinstance(row[index], str)]))
    return columns


def _may_tell(cell: str) -> bool:
    return len(cell) <= 40 and cell[-1:].isdigit()


def _alike(columns: list[tuple[str, list[str]]], form: re.Pattern[str]) -> list[tuple[str, list[str]]]:
    """Return the columns whose sampled cells mostly have this form, with the cells that have it."""
    found = []
    for name, cells in columns:
        sample = cells[:_ROWS_SAMPLED]
        alike = sum(len(cell) <= 40 and form.fullmatch(cell) is not None for cell in sample)
        if alike and alike >= _LIKENESS * len(sample):
            found.append((name, [cell for cell in cells if len(cell) <= 40 and form.fullmatch(cell)]))
    return found
