"""How the cells of a column of numbers or dates can be read, where the column does not tell by itself. Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from connectors.mapping.convention import possible_readings
from connectors.mapping.convert import as_said
from connectors.mapping.unit import read_header
from connectors.propose.facts import FieldFacts
from connectors.propose.profile import Profile

_KINDS: Final[dict[str, type]] = {"number": Decimal, "whole": int, "date": dt.date, "moment": dt.datetime}
PIVOT: Final = 50  # what is suggested for years of two digits: 49 is 2049, 50 is 1950


@dataclass(frozen=True, slots=True)
class OpenReading:
    """A setting that only a person can give.

    Shapes: choices has what the example means under each; example is a text of the column, or its name.
    """

    setting: str
    choices: dict[str, str]
    example: str


def open_readings(facts: FieldFacts, column: Profile) -> Iterator[OpenReading]:
    """Yield what has to be asked of a column before its texts have one meaning."""
    kind = _KINDS.get(facts.form)
    if kind is None:
        return
    found = possible_readings(column.written, kind)
    if issubclass(kind, dt.date) and found.unread:
        pivoted = possible_readings(column.written, kind, year_pivot=PIVOT)
        short = [text for text in found.unread if text not in pivoted.unread]
        if short:
            yield OpenReading("year_pivot", {str(PIVOT): "", "100": ""}, short[0])
            found = pivoted
    if found.example is not None:
        text, values = found.example
        setting = "date_order" if issubclass(kind, dt.date) else "decimal"
        yield OpenReading(setting, {name: _shown(value) for name, value in values.items()}, text)
    factor = None if issubclass(kind, dt.date) else read_header(column.name)[1].factor
    if factor is not None:
        yield OpenReading("factor", {as_said(factor): "", "1": ""}, column.name)


def _shown(value: Any) -> str:
    return as_said(value)
