"""How the cells of a column of numbers or dates can be read, where the column does not tell by itself. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from connectors.propose.facts import FieldFacts
from connectors.propose.profile import Profile

_THREE: Final = re.compile(r"[+-]?[1-9]\d{0,2}[.,]\d{3}")
_TELLS: Final = re.compile(r".*\d([.,])(?!\d{3}(?!\d))\d+\D*|.*\d[.,]\d{3}[.,].*")
_DAY_MONTH: Final = re.compile(r"(\d{1,2})([/-])(\d{1,2})\2\d{4}.*")


@dataclass(frozen=True, slots=True)
class OpenReading:
    """A setting that only a person can give: its choices, and a text that has several meanings under them."""

    setting: str
    choices: tuple[str, ...]
    example: str


def open_readings(facts: FieldFacts, column: Profile) -> OpenReading | None:
    """Return what has to be asked of a column before its texts have one meaning, None if nothing."""
    texts = column.written
    if facts.form in ("number", "whole"):
        unclear = [text for text in texts if _THREE.fullmatch(text)]
        if unclear and not any(_TELLS.fullmatch(text) for text in texts):
            return OpenReading("decimal", (".", ","), unclear[0])
    if facts.form in ("date", "moment"):
        found = [match for match in map(_DAY_MONTH.fullmatch, texts) if match is not None]
        pairs = [(int(match[1]), int(match[3])) for match in found]
        if found and all(first <= 12 and second <= 12 for first, second in pairs):
            unclear = [match[0] for match, (first, second) in zip(found, pairs, strict=True) if first != second]
            if unclear:
                return OpenReading("date_order", ("dmy", "mdy"), unclear[0])
    return None
