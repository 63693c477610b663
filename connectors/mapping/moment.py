"""A text as a day, perhaps with a time of day: what it says with the day first, the month first, the year first.

The calendar is the Gregorian one. A year that is none of its near ones (1403 of Iran, 2567 of Thailand, 113 of Taiwan)
is never taken for one of it.
"""

from __future__ import annotations

import datetime as dt
import re
from functools import lru_cache
from typing import Final, NamedTuple

from connectors.mapping.month import fold_name, halves, months, weekdays
from connectors.mapping.plain import plain_text
from connectors.mapping.problem import LocalCode
from connectors.source.table import DateOrder

ORDERS: Final[tuple[DateOrder, ...]] = ("dmy", "mdy", "ymd")
YEAR_MIN: Final = 1900
YEAR_MAX: Final = 2100
_CHARS_MAX: Final = 100

# What most sheets have, so that it costs little.
_PLAIN: Final = re.compile(
    r"((\d{4}|\d{1,2})([-./])(\d{1,2})\3(\d{4}|\d{1,2}))(?:[ T](\d{1,2}):(\d\d)(?::(\d\d))?)?", re.ASCII
)
# What of a plain date tells its order: which of its parts may be a month, and how many digits each has.
_TELLING: Final = {
    **{f"{month}": "1" for month in range(1, 10)},
    **{f"{month:02}": "01" for month in range(1, 13)},
    **{f"{day}": "13" for day in range(13, 29)},
    **{f"{year}": "2000" for year in range(YEAR_MIN, YEAR_MAX + 1)},
}
_YEAR_FIRST: Final = re.compile(
    r"(\d{4}) ?([-./]) ?(\d{1,2}) ?\2 ?(\d{1,2})|(\d{4})(\d{2})(\d{2})|(\d{4}) ?年 ?(\d{1,2}) ?月 ?(\d{1,2}) ?[日号號]?"
)
_YEAR_LAST: Final = re.compile(r"(\d{1,2}) ?([-./]) ?(\d{1,2}) ?\2 ?(\d{4})")
_SHORT: Final = re.compile(r"(\d{1,2}) ?([-./]) ?(\d{1,2}) ?\2 ?(\d{1,2})")
_CLOCK: Final = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?(?!\d)(.*)")
_HAN_CLOCK: Final = re.compile(r"(\d{1,2}) ?[时時点點] ?(\d{1,2}) ?分(?: ?(\d{1,2}) ?秒)?")
_ZONE: Final = re.compile(r"(?:(Z|GMT|UTC)|(?:GMT|UTC)? ?([+-])(\d{1,2})(?::?(\d{2}))?)", re.IGNORECASE)
_HAN_WEEKDAY: Final = re.compile(r"(.+[日号號]) ?\(?((?:星期|周)[一二三四五六日])\)?")
_AT: Final = re.compile(r"(?: (?:в|at))$")
_YEAR_WORD: Final = re.compile(r"(?<=\d) ?г(?:\.|ода|од)?$")
_WORDS: Final = re.compile(r"\d+|[^\W\d_]+(?:'[^\W\d_]+)*")
_BETWEEN: Final = re.compile(r"[\s,.\-/«»\"'()]*")
# What stands beside the numbers of a written date and says nothing that they don't say.
_FILLING: Final = frozenset(
    {
        "г",
        "год",
        "года",
        "st",
        "nd",
        "rd",
        "th",
        "of",
        "yil",
        "yili",
        "yilning",
        "ж",
        "жыл",
        "жылғы",
        "й",
        "йил",
        "с",
        "соли",
    }
)
_SERIAL: Final = re.compile(r"\d{5}(?:[.,]\d+)?")


class Days(NamedTuple):
    """The day that one text shows.

    Shapes: by_order has it under each order under which it can be read. family tells which texts of a column are
            written alike: by the marks between their parts, "" if no order is needed.
    """

    by_order: dict[DateOrder, dt.date]
    family: str


class MomentReadings(NamedTuple):
    """One text as a moment: its day, and its time of day, which is midnight if it has none.

    Shapes: without days, fault says why the text is no date. A clock without an offset has no tzinfo.
    """

    days: Days
    clock: dt.time = dt.time()
    fault: LocalCode = LocalCode.BAD_DATE

    @property
    def values(self) -> dict[DateOrder, dt.datetime]:
        """What the text says under each order under which it can be read."""
        return {order: dt.datetime.combine(day, self.clock) for order, day in self.days.by_order.items()}


class _Fault(Exception):
    def __init__(self, code: LocalCode = LocalCode.BAD_DATE) -> None:
        super().__init__(code)
        self.code = code


_NO_DAYS: Final = Days({}, "")
_MIDNIGHT: Final = dt.time()


def read_moment_text(text: str, year_pivot: int | None = None) -> MomentReadings:
    """Return what a text says as a moment.

    Shapes: without `year_pivot` a year has four digits; with it, two digits below it are of this century.
    """
    try:
        found = _PLAIN.fullmatch(text)
        if found is None:
            plain = plain_text(text)
            if len(plain) > _CHARS_MAX:
                raise _Fault
            day_text, clock = _split(plain)
            return MomentReadings(_read_day(day_text, year_pivot), clock)
        day_text, first, mark, middle, last, hour, minute, second = found.groups()
        clock = _MIDNIGHT if hour is None else _clock(int(hour), minute, second, None, None)
        is_full = 4 < len(first) + len(last) < 8  # a year of four digits, and only one
        days = _plain_day(first, mark, middle, last) if is_full else _read_day(day_text, year_pivot)
        return MomentReadings(days, clock)
    except _Fault as exc:
        return MomentReadings(_NO_DAYS, _MIDNIGHT, exc.code)


def day_part(text: str) -> str:
    """Return a text that tells as much of the order of its date as this one; most dates of a column tell the same."""
    found = _PLAIN.fullmatch(text)
    if found is None:
        return text
    day_text, first, mark, middle, last = found.group(1, 2, 3, 4, 5)
    if first in _TELLING and middle in _TELLING and last in _TELLING:
        return f"{_TELLING[first]}{mark}{_TELLING[middle]}{mark}{_TELLING[last]}"
    return day_text  # how long a month is may tell


def _plain_day(first: str, mark: str, middle: str, last: str) -> Days:
    if len(first) == 4:
        return Days(dict.fromkeys(ORDERS, _date(int(first), int(middle), int(last))), "")
    one, other, year = int(first), int(middle), int(last)
    if YEAR_MIN <= year <= YEAR_MAX and 1 <= one <= 28 and 1 <= other <= 28 and min(one, other) <= 12:
        found: dict[DateOrder, dt.date] = {}
        if other <= 12:
            found["dmy"] = dt.date(year, other, one)
        if one <= 12:
            found["mdy"] = dt.date(year, one, other)
        return Days(found, mark)
    return _day_of({"dmy": (last, middle, first), "mdy": (last, first, middle)}, mark)


def _split(plain: str) -> tuple[str, dt.time]:
    """Return the part of a text that is a day, and the time of day, midnight if there is none."""
    if "分" in plain:
        plain = _HAN_CLOCK.sub(lambda found: f"{found[1]}:{found[2]:0>2}:{found[3] or '00':0>2}", plain)
    found = _CLOCK.search(plain)
    if found is None:
        return plain, dt.time()
    hour, minute, second, fraction, rest = found.groups()
    day_text = plain[: found.start()]
    if not day_text or day_text[-1].isdigit():
        raise _Fault
    rest, zone = _take_zone(rest.strip())
    day_text, is_afternoon = _take_half(day_text.rstrip(" ,"), rest)
    day_text = _AT.sub("", day_text.rstrip(" ,"))
    if day_text[-1:] in ("T", "t"):
        day_text = day_text[:-1]
    hours = int(hour)
    if is_afternoon is not None:
        if not 1 <= hours <= 12:
            raise _Fault
        hours = hours % 12 + 12 * is_afternoon
    return day_text, _clock(hours, minute, second, fraction, zone)


def _clock(hours: int, minute: str, second: str | None, fraction: str | None, zone: dt.timezone | None) -> dt.time:
    try:
        return dt.time(hours, int(minute), int(second or 0), int((fraction or "0").ljust(6, "0")[:6]), zone)
    except ValueError as exc:
        raise _Fault from exc


def _take_half(day_text: str, rest: str) -> tuple[str, bool | None]:
    """Return the day's text without the word for a half of the day, and whether it means the afternoon."""
    if rest:
        half = halves().get(fold_name(rest))
        if half is None:
            raise _Fault
        return day_text, half
    if day_text[-1:].isdigit() or day_text[-1:] in (*"Tt日号號.", ""):
        return day_text, None
    head, _, last = day_text.rpartition(" ")
    if head and fold_name(last) in halves():
        return head, halves()[fold_name(last)]
    for name in ("上午", "下午"):
        if day_text.endswith(name):
            return day_text.removesuffix(name), halves()[name]
    return day_text, None


def _take_zone(rest: str) -> tuple[str, dt.timezone | None]:
    """Return what follows the digits of a clock without the offset at its end, and the offset."""
    for start in (0, rest.find(" ") + 1):
        found = _ZONE.fullmatch(rest[start:])
        if found is None:
            continue
        if found[1] is not None:
            return rest[:start].strip(), dt.UTC
        offset = dt.timedelta(hours=int(found[3]), minutes=int(found[4] or 0))
        if offset > dt.timedelta(hours=14) or int(found[4] or 0) > 59:
            raise _Fault
        return rest[:start].strip(), dt.timezone(-offset if found[2] == "-" else offset)
    return rest, None


@lru_cache(maxsize=4096)
def _read_day(plain: str, year_pivot: int | None) -> Days:
    plain = _YEAR_WORD.sub("", plain).strip(" ,").rstrip(".")
    if found := _HAN_WEEKDAY.fullmatch(plain):  # 2024年3月1日 星期五
        read = _read_day(found[1], year_pivot)
        if any(day.weekday() != weekdays().get(found[2]) for day in read.by_order.values()):
            raise _Fault
        return read
    if found := _YEAR_FIRST.fullmatch(plain):
        year, month, day = (int(part) for part in found.groups() if part is not None and part.isdigit())
        return Days(dict.fromkeys(ORDERS, _date(year, month, day)), "")
    if found := _YEAR_LAST.fullmatch(plain):
        return _day_of({"dmy": (found[4], found[3], found[1]), "mdy": (found[4], found[1], found[3])}, found[2])
    if found := _SHORT.fullmatch(plain):
        if year_pivot is None:
            raise _Fault(LocalCode.SHORT_YEAR)
        first, last = _full_year(found[1], year_pivot), _full_year(found[4], year_pivot)
        orders: dict[DateOrder, tuple[str, str, str]] = {
            "dmy": (last, found[3], found[1]),
            "mdy": (last, found[1], found[3]),
            "ymd": (first, found[3], found[4]),
        }
        return _day_of({order: parts for order, parts in orders.items() if parts[0]}, "2" + found[2])
    if _SERIAL.fullmatch(plain):
        raise _Fault(LocalCode.DATE_AS_NUMBER)
    return _read_words(plain, year_pivot)


def _full_year(part: str, year_pivot: int) -> str:
    if len(part) != 2:
        return ""
    return str(int(part) + (2000 if int(part) < year_pivot else 1900))


def _day_of(orders: dict[DateOrder, tuple[str, str, str]], family: str) -> Days:
    found: dict[DateOrder, dt.date] = {}
    fault = LocalCode.BAD_DATE
    for order, parts in orders.items():
        year, month, day = map(int, parts)
        if month and day and not YEAR_MIN <= year <= YEAR_MAX:
            fault = LocalCode.OTHER_CALENDAR
        elif month <= 12:  # most often one of two orders is out of the question
            try:
                found[order] = dt.date(year, month, day)
            except ValueError:
                continue
    if not found:
        raise _Fault(fault)
    return Days(found, family)


def _read_words(plain: str, year_pivot: int | None) -> Days:
    """Return a day whose month has a name: `1 марта 2024 г.`, `Mar 1, 2024`, `2024-yil 1-mart`."""
    if any(not _BETWEEN.fullmatch(part) for part in _WORDS.split(plain)):
        raise _Fault
    numbers: list[str] = []
    place = month = weekday = None
    for word in _WORDS.findall(plain):
        folded = fold_name(word)
        if word.isdigit():
            numbers.append(word)
        elif folded in months() and month is None:
            month, place = months()[folded], len(numbers)
        elif folded in weekdays() and weekday is None:
            weekday = weekdays()[folded]
        elif folded not in _FILLING:
            raise _Fault
    if month is None or place is None or len(numbers) != 2:
        raise _Fault
    first, last = numbers
    orders: dict[DateOrder, tuple[str, str, str]]
    if len(first) == 4 and len(last) <= 2:
        orders = dict.fromkeys(ORDERS, (first, str(month), last))
    elif len(last) == 4 and len(first) <= 2:
        orders = dict.fromkeys(ORDERS, (last, str(month), first))
    elif len(last) > 2 or len(first) > 2:
        raise _Fault
    elif year_pivot is None:
        raise _Fault(LocalCode.SHORT_YEAR)
    else:
        orders = {
            "dmy": (_full_year(last, year_pivot), str(month), first),
            "ymd": (_full_year(first, year_pivot), str(month), last),
        }
        if place == 0:  # Mar 1, 24
            orders = dict.fromkeys(ORDERS, orders["dmy"])
    found = _day_of({order: parts for order, parts in orders.items() if parts[0]}, "name")
    if weekday is not None and any(day.weekday() != weekday for day in found.by_order.values()):
        raise _Fault
    return found


def _date(year: int, month: int, day: int) -> dt.date:
    if not (month and day):
        raise _Fault  # 0000-00-00 is a day of no calendar
    if not YEAR_MIN <= year <= YEAR_MAX:
        raise _Fault(LocalCode.OTHER_CALENDAR)
    try:
        return dt.date(year, month, day)
    except ValueError as exc:
        raise _Fault from exc
