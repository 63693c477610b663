"""Keys of which their whole column tells that a program changed them while it saved the sheet as text.

A spreadsheet makes 12.05.2024 of the code 12-5, and zeros of all digits behind the fifteenth; a program that keeps
numbers as binary fractions writes 7.0 for 7. Nothing tells it in the cell alone: among codes a date is none, and where
all long numbers end in zeros, these are not what was typed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from connectors.mapping.convert import shown
from connectors.mapping.moment import read_moment_text
from hub.domain.key import show_key

_DIGITS_KEPT: Final = 15
_LOST_MIN: Final = 3  # zeros beyond them, in all keys together: two may be so by chance
_FLOATS_MIN: Final = 2
_PIVOT: Final = 50
_MAY_BE_DAY: Final = re.compile(
    r"\d{1,4}([-./])\d{1,2}\1\d{2,4}(?:(?:%20|T)\d.*)?|\d{1,2}[-.]?(?:%20)?[^\d.-]{3,60}[-.]?(?:%20)?\d{4}(?:%20.*)?"
    r"|\d{4}%E5%B9%B4.*"
)
_TWO_PARTS: Final = re.compile(r"\d{1,4}[-./]\d{1,4}")
_FLOAT: Final = re.compile(r"\d+\.0")
_DIGITS: Final = re.compile(r"\d+")


def changed_keys(keys: Sequence[str]) -> dict[int, str]:
    """Return, by their place, the keys of a column that a program has hardly left as they were typed.

    Shapes: keys are without their prefix, "" where a row has none; what is told of each are the parameters of its
            problem. Of a key of several columns nothing is told.
    """
    days: dict[str, list[int]] = {}
    long: dict[str, list[int]] = {}
    floats: dict[str, list[int]] = {}
    others: set[str] = set()
    for index, key in enumerate(keys):
        if key.isdigit():
            if len(key) > _DIGITS_KEPT:
                long.setdefault(key, []).append(index)
            others.add(key)
        elif key and key[0].isdigit() and "|" not in key:
            if _FLOAT.fullmatch(key):
                floats.setdefault(key, []).append(index)
            if _is_day(key):
                days.setdefault(key, []).append(index)
            else:
                others.add(key)
        elif key:
            others.add(key)
    found: list[int] = []
    if days and _are_codes(days, others):
        found += [index for places in days.values() for index in places]
    behind = "".join(key[_DIGITS_KEPT:] for key in long)
    if len(behind) >= _LOST_MIN and not behind.strip("0"):
        found += [index for places in long.values() for index in places]
    if len(floats) >= _FLOATS_MIN and not days and others == set(floats):
        found += [index for places in floats.values() for index in places]
    return {index: f"value={shown(show_key(keys[index]))}" for index in found}


def _is_day(key: str) -> bool:
    return _MAY_BE_DAY.fullmatch(key) is not None and bool(read_moment_text(show_key(key), _PIVOT).days.by_order)


def _are_codes(days: dict[str, list[int]], others: set[str]) -> bool:
    """Return whether the keys that are no days say that the days were codes: none of them is written like a day."""
    if not others:
        return False
    shapes = {_DIGITS.sub("9", key) for key in days}
    if any(_DIGITS.sub("9", key) in shapes for key in others):
        return False
    return any(map(_TWO_PARTS.fullmatch, others)) or len(others) >= len(days)
