"""Cells as numbers and dates, strictly: what can be read two ways is read the way the format says, or refused."""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal

from connectors.source.problem import UnreadableValue
from connectors.source.table import Cell, DateOrder, DecimalMark

_DIGITS_MAX = 100

# Thousands are separated by one mark throughout; Pakistan and India also write 12,34,567.
_NUMBER: dict[DecimalMark, re.Pattern[str]] = {
    ".": re.compile(r"([+-]?)(\d+|\d{1,3}([ ,'])\d{3}(?:\3\d{3})*|\d{1,2}(?:,\d{2})+,\d{3})(?:\.(\d+))?"),
    ",": re.compile(r"([+-]?)(\d+|\d{1,3}([ .'])\d{3}(?:\3\d{3})*)(?:,(\d+))?"),
}
_SCIENTIFIC = re.compile(r"[+-]?\d+(?:[.,]\d+)?[eE][+-]?\d+")
_YEAR_FIRST = re.compile(r"(\d{4})([-./])(\d{1,2})\2(\d{1,2})|(\d{4})(\d{2})(\d{2})|(\d{4})年(\d{1,2})月(\d{1,2})日")
_YEAR_LAST = re.compile(r"(\d{1,2})([-./])(\d{1,2})\2(\d{4})")
_SHORT_YEAR = re.compile(r"\d{1,2}([-./])\d{1,2}\1\d{2}")
_TIME = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,6})\d*)?)?\s*(Z|[+-]\d{2}:?\d{2})?")


def parse_decimal(text: str, decimal: DecimalMark) -> Decimal:
    """Return the number that a text shows under a decimal mark.

    Thousands may be separated by a space of any width, an apostrophe, or the other mark.
    Errors: UnreadableValue.
    """
    plain = _plain(text)
    found = _NUMBER[decimal].fullmatch(plain) if len(plain) <= 2 * _DIGITS_MAX else None
    if found is None:
        if _SCIENTIFIC.fullmatch(plain):
            raise UnreadableValue(
                f"{_shown(text)} is a rounded number: its digits were lost when the sheet was saved; "
                "show the column as a plain number and save again"
            )
        example = "1234.56" if decimal == "." else "1234,56"
        raise UnreadableValue(f"expected a number such as {example}, the cell has {_shown(text)}")
    sign, whole, separator, fraction = found.groups()
    digits = re.sub(r"\D", "", whole) if separator or not whole.isdigit() else whole
    return Decimal(f"{sign}{digits}.{fraction}" if fraction else f"{sign}{digits}")


def parse_date(text: str, order: DateOrder) -> date:
    """Return the date that a text shows; the year has four digits.

    A year that comes first is read so under any order. A time of midnight, which databases add, is ignored.
    Errors: UnreadableValue for a day that no calendar has, a two-digit year, a time of day.
    """
    moment = parse_datetime(text, order)
    if moment.time() != time() or moment.tzinfo is not None:
        raise UnreadableValue(f"expected a date without a time, the cell has {_shown(text)}")
    return moment.date()


def parse_datetime(text: str, order: DateOrder) -> datetime:
    """Return the moment that a text shows, without an offset if the text has none; a bare date is its midnight.

    Errors: UnreadableValue.
    """
    plain = _plain(text)
    day_text, time_text = _split_time(plain)
    day = _parse_day(day_text, order, text)
    if time_text is None:
        return datetime(day.year, day.month, day.day)  # noqa: DTZ001  the sheet names no zone; its center's is applied later
    found = _TIME.fullmatch(time_text)
    if found is None:
        raise UnreadableValue(f"expected a time such as 14:30, the cell has {_shown(text)}")
    hour, minute, second, fraction, offset = found.groups()
    try:
        clock = time(int(hour), int(minute), int(second or 0), int((fraction or "0").ljust(6, "0")), _zone(offset))
        return datetime.combine(day, clock)
    except ValueError as exc:
        raise UnreadableValue(f"no clock shows the time in {_shown(text)}") from exc


def as_decimal(cell: Cell, decimal: DecimalMark) -> Decimal:
    """Return a cell as a number, whether the sheet stored a number or a text.

    Errors: UnreadableValue.
    """
    if isinstance(cell, str):
        return parse_decimal(cell, decimal)
    if isinstance(cell, Decimal):
        return cell
    if isinstance(cell, int) and not isinstance(cell, bool):
        return Decimal(cell)
    raise UnreadableValue(f"expected a number, the cell has {_shown(cell)}")


def as_date(cell: Cell, order: DateOrder) -> date:
    """Return a cell as a date, whether the sheet stored a date or a text.

    Errors: UnreadableValue; a plain number is no date.
    """
    if isinstance(cell, datetime):
        if cell.time() != time():
            raise UnreadableValue(f"expected a date without a time, the cell has {_shown(cell)}")
        return cell.date()
    if isinstance(cell, date):
        return cell
    if isinstance(cell, str):
        return parse_date(cell, order)
    raise UnreadableValue(f"expected a date, the cell has {_shown(cell)}; format the column as dates")


def as_datetime(cell: Cell, order: DateOrder) -> datetime:
    """Return a cell as a moment, whether the sheet stored one or a text.

    Errors: UnreadableValue; a plain number is no moment.
    """
    if isinstance(cell, datetime):
        return cell
    if isinstance(cell, date):
        return datetime(cell.year, cell.month, cell.day)  # noqa: DTZ001  as in parse_datetime
    if isinstance(cell, str):
        return parse_datetime(cell, order)
    raise UnreadableValue(f"expected a date and time, the cell has {_shown(cell)}; format the column as dates")


def _plain(text: str) -> str:
    """Return the text with ASCII digits, signs and spaces: full-width, Arabic and typographic forms replaced."""
    if text.isascii():
        return text.strip()
    plain = unicodedata.normalize("NFKC", text).replace("\u2212", "-").replace("\u2019", "'").strip()
    return "".join(str(unicodedata.digit(c)) if c.isdigit() and not c.isascii() else c for c in plain)


def _split_time(plain: str) -> tuple[str, str | None]:
    for separator in ("T", " ", "日"):
        day, found, clock = plain.partition(separator)
        if found and clock.strip():
            return day + (found if found == "日" else ""), clock.strip()
    return plain, None


def _parse_day(plain: str, order: DateOrder, text: str) -> date:
    if found := _YEAR_FIRST.fullmatch(plain):
        year, month, day = (int(part) for part in found.groups() if part is not None and part.isdigit())
    elif found := _YEAR_LAST.fullmatch(plain):
        if order == "ymd":
            raise UnreadableValue(f"expected the year first as in 2024-05-31, the cell has {_shown(text)}")
        first, second, year = int(found[1]), int(found[3]), int(found[4])
        day, month = (first, second) if order == "dmy" else (second, first)
    elif _SHORT_YEAR.fullmatch(plain):
        raise UnreadableValue(f"expected a year of four digits, the cell has {_shown(text)}")
    else:
        example = {"dmy": "31.05.2024", "mdy": "05/31/2024", "ymd": "2024-05-31"}[order]
        raise UnreadableValue(f"expected a date such as {example}, the cell has {_shown(text)}")
    try:
        return date(year, month, day)
    except ValueError as exc:
        raise UnreadableValue(f"no calendar has the date {_shown(text)} (read as {order})") from exc


def _zone(offset: str | None) -> timezone | None:
    if offset is None:
        return None
    if offset == "Z":
        return UTC
    minutes = int(offset[1:3]) * 60 + int(offset[-2:])
    return timezone(timedelta(minutes=-minutes if offset[0] == "-" else minutes))


def _shown(value: object) -> str:
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else text[:57] + "..."
