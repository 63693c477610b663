"""How one mapped column writes its numbers or dates: as its own texts tell, or as the mapping says.

A convention (a decimal mark, an order of dates) stays possible while every text of the column that can be read at all
can be read under it. What then still has two values is not guessed: that cell is refused. No other column, no typed
cell and no delimiter has a say. Dates tell of each other only where the same marks stand between their parts.

`possible_readings` says the same of any texts, for whoever proposes a mapping.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from decimal import Decimal
from functools import cache
from typing import Any, Final, NamedTuple

from connectors.mapping.moment import day_part, read_moment_text
from connectors.mapping.number import read_number
from connectors.source.table import DecimalMark

_REMEMBERED_MAX: Final = 4096


class Readings(NamedTuple):
    """What one text says under each convention under which it can be read; texts of one family are written alike."""

    values: dict[Any, Any]
    family: str = ""


ReadText = Callable[[str], Readings]


class Possible(NamedTuple):
    """What the texts of one column tell of how they are written.

    Shapes: conventions are those under which all texts that are numbers (dates) can be read: `.` and `,`, or `dmy`,
            `mdy` and `ymd`; empty if the texts contradict each other. example is the first text that has several values
            under them, with these values; None if there is none, and then nothing need be asked. unread has the first
            texts that are no number (no date) at all.
    """

    conventions: tuple[str, ...]
    example: tuple[str, dict[str, Any]] | None
    unread: tuple[str, ...]

    @property
    def is_certain(self) -> bool:
        """Whether no text has two values: no setting is needed."""
        return self.example is None


class Conventions:
    """The conventions that one column's texts leave possible."""

    def __init__(self, read: ReadText, answer: str | None = None, telling: Callable[[str], str] = str) -> None:
        self._read = read
        self._telling = telling  # what of a text tells its convention, so that texts which tell the same cost little
        self._answer = answer
        self._possible: dict[str, frozenset[str]] = {}
        self._seen: set[str] = set()

    @property
    def is_open(self) -> bool:
        """Whether the column's texts have a say: an answer in the mapping wins."""
        return self._answer is None

    def look(self, text: str) -> None:
        """Take one text of the column into account."""
        text = self._telling(text)
        if text in self._seen:
            return
        if len(self._seen) < _REMEMBERED_MAX:
            self._seen.add(text)
        values, family = self._read(text)
        if values:
            before = self._possible.get(family)
            self._possible[family] = frozenset(values) if before is None else before.intersection(values)

    def settle(self, values: dict[Any, Any], family: str) -> dict[Any, Any]:
        """Return those values of a text that the column leaves possible.

        Shapes: where the column's texts contradict each other, each stands by itself.
        """
        if self._answer is not None:
            return {self._answer: values[self._answer]} if self._answer in values else {}
        if len(values) == 1:
            return values
        possible = self._possible.get(family)
        if possible is None:
            possible = frozenset(values)
        if not possible:
            return values
        usual = _usual(possible, family)
        if values.keys() <= usual:
            return values
        return {convention: value for convention, value in values.items() if convention in usual} or values

    def common(self) -> frozenset[str] | None:
        """Return the conventions that are possible for all families, None if no text was read."""
        found: frozenset[str] | None = None
        for family, possible in self._possible.items():
            usual = _usual(possible, family)
            found = usual if found is None else found & usual
        return found


@cache
def _usual(possible: frozenset[str], family: str) -> frozenset[str]:
    """Return what is possible without the month first behind points, which nobody writes unless the column says so."""
    return possible - {"mdy"} if family.endswith(".") and "dmy" in possible else possible


def number_readings(text: str, *, whole: bool = False, factor: Decimal = Decimal(1)) -> Readings:
    """Return what a text says under each decimal mark; of `whole` ones only what is a whole number."""
    values = read_number(text).values
    return Readings(whole_ones(values, factor) if whole else values)


def whole_ones(values: dict[DecimalMark, Decimal], factor: Decimal) -> dict[DecimalMark, Decimal]:
    """Return those readings of a number which are whole, once they are multiplied by a factor."""
    return {mark: value for mark, value in values.items() if value * factor == int(value * factor)}


def date_readings(text: str, *, year_pivot: int | None = None) -> Readings:
    """Return the days that a text shows, by the orders of dates."""
    days = read_moment_text(text, year_pivot).days
    return Readings(days.by_order, days.family)


def possible_readings(cells: Iterable[Any], kind: type, *, year_pivot: int | None = None) -> Possible:
    """Return what the cells of one column tell of how they are written; `kind` is the type of the field.

    Shapes: kind is Decimal, int, date or datetime. Only texts tell: numbers and dates of a workbook's own need nothing.
    """
    if issubclass(kind, dt.date):

        def read(text: str) -> Readings:
            return date_readings(text, year_pivot=year_pivot)
    else:

        def read(text: str) -> Readings:
            return number_readings(text, whole=kind is int)

    conventions = Conventions(read, telling=day_part if issubclass(kind, dt.date) else str)
    texts = list(dict.fromkeys(cell for cell in cells if isinstance(cell, str) and cell.strip()))
    for text in texts:
        conventions.look(text)
    example = None
    unread = []
    for text in texts:
        values, family = read(text)
        if not values:
            unread.append(text)
        elif example is None and len(set((left := conventions.settle(values, family)).values())) > 1:
            example = (text, left)
    common = conventions.common()
    order = ("dmy", "mdy", "ymd") if issubclass(kind, dt.date) else (".", ",")
    found = order if common is None else tuple(name for name in order if name in common)
    return Possible(found, example, tuple(unread[:5]))
