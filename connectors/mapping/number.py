"""A text as a number: what it says under a decimal point, what under a comma, and what stands beside its digits."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final, NamedTuple

from connectors.mapping.plain import ARABIC_DECIMAL, ARABIC_THOUSANDS, plain_text
from connectors.mapping.unit import Beside, join_beside, read_beside
from connectors.source.table import DecimalMark

DIGITS_MAX: Final = 100
MARKS: Final[tuple[DecimalMark, ...]] = (".", ",")

# Thousands are separated by one mark throughout, and never below a leading zero; Pakistan and India also write
# 12,34,567. A mark that separates thousands in every convention leaves none open.
_NUMBER: Final[dict[DecimalMark, re.Pattern[str]]] = {
    ".": re.compile(r"(\d+|[1-9]\d{0,2}([ ,'_])\d{3}(?:\2\d{3})*|[1-9]\d?(?:,\d{2})+,\d{3})(?:\.(\d+))?"),
    ",": re.compile(r"(\d+|[1-9]\d{0,2}([ .'_])\d{3}(?:\2\d{3})*)(?:,(\d+))?"),
}
# What most sheets have, so that it costs little: a mark that can't be one of thousands.
_PLAIN: Final = re.compile(r"-?\d+(?:([.,])(?:\d\d?|\d{4,}))?", re.ASCII)
_NO_DIGIT: Final = re.compile(r"\D")
_DIGITS: Final = re.compile(r"\d(?:.*\d)?")
_IN_BRACKETS: Final = re.compile(r"\((.*)\)")


class NumberReadings(NamedTuple):
    """One text as a number.

    Shapes: values has what the text says under each mark under which it can be read, before any factor; none of them
            if it is no number. beside is what stands beside the digits.
    """

    values: dict[DecimalMark, Decimal]
    beside: Beside | None


_UNREADABLE: Final = NumberReadings({}, None)


def read_number(text: str) -> NumberReadings:
    """Return what a text says as a number.

    Shapes: thousands may be separated by spaces of any width, apostrophes, underscores, or the other mark.
    """
    found = _PLAIN.fullmatch(text)
    if found is not None and len(text) <= DIGITS_MAX:
        if found[1] is None:
            return NumberReadings(dict.fromkeys(MARKS, Decimal(text)), None)
        mark: DecimalMark = "." if found[1] == "." else ","
        return NumberReadings({mark: Decimal(text if mark == "." else text.replace(",", "."))}, None)
    plain = plain_text(text)
    if len(plain) > 2 * DIGITS_MAX:
        return _UNREADABLE
    values = _values(plain, "")
    if values:
        return NumberReadings(values, None)
    return _beside(plain)


def mark_part(text: str) -> str:
    """Return a text that tells as much of the decimal mark as this one."""
    found = _PLAIN.fullmatch(text)
    return text if found is None else "" if found[1] is None else f"1{found[1]}5"


def _beside(plain: str) -> NumberReadings:
    if plain.endswith(("/-", "/=")):  # "and nothing more", as sums are closed in India and Pakistan
        plain = plain[:-2].rstrip()
    found = _DIGITS.search(plain)
    if found is None:
        return _UNREADABLE
    before, after = plain[: found.start()].strip(), plain[found.end() :].strip()
    if (before[-1:] == "." and not before[-2:-1].isalpha()) or after[:1] in (".", ","):
        return _UNREADABLE  # the half of a fraction is no number
    signs = 0
    if "(" in before and ")" in after:  # as accounting writes what is below zero
        before, after, signs = before.replace("(", "", 1), after.replace(")", "", 1), 1
    elif named := _IN_BRACKETS.fullmatch(after):
        after = named[1]
    before, signs = _without_sign(before, signs)
    if after == "-" or after.startswith("- ") or after.endswith("-"):
        after, signs = _without_sign(after, signs)
    left, right = read_beside(before), read_beside(after)
    beside = None if left is None or right is None else join_beside(left, right)
    if beside is None or signs > 1:
        return _UNREADABLE
    return NumberReadings(_values(found[0], "-" if signs else ""), beside)


def _without_sign(text: str, signs: int) -> tuple[str, int]:
    """Return a text without the minus at one of its ends, and how many were found so far."""
    if text.startswith("-"):
        return text[1:].lstrip(), signs + 1
    if text.endswith("-"):
        return text[:-1].rstrip(), signs + 1
    return text, signs


def _values(digits: str, sign: str) -> dict[DecimalMark, Decimal]:
    if digits[:1] in "+-":
        sign, digits = digits[:1], digits[1:].lstrip(" ")
    is_arabic = ARABIC_DECIMAL in digits or ARABIC_THOUSANDS in digits
    found = {}
    for mark in MARKS:
        written = digits.replace(ARABIC_DECIMAL, mark).replace(ARABIC_THOUSANDS, "'") if is_arabic else digits
        match = _NUMBER[mark].fullmatch(written)
        if match is not None:
            whole, _, fraction = match.groups()
            if fraction and len(fraction) == 3 and whole[0] == "0" != whole:
                continue  # nobody writes 01,234 for either of the numbers that it might be
            whole = whole if whole.isdigit() else _NO_DIGIT.sub("", whole)
            found[mark] = Decimal(f"{sign}{whole}.{fraction}" if fraction else f"{sign}{whole}")
    return found
