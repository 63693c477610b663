"""What a spreadsheet shows of a number under a display format, where that is certain; nothing where it is not.

Certain are digits (`00000`), decimals (`0.00`), texts around and between them (`"P-"000`, `000-00-00`), per cent and
the sections by sign or condition. What depends on the reader's country (the mark between thousands, month names), on
the width of the column or on rounding is not certain, and then nothing is shown: the caller refuses the cell.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from typing import Final, Literal

BUILT_IN: Final = {  # of the formats that a file names by number alone, those that are the same in every country
    0: "General",
    1: "0",
    2: "0.00",
    3: "#,##0",
    4: "#,##0.00",
    9: "0%",
    10: "0.00%",
    14: "m/d/yyyy",  # each country has its own order; a date without a time it is everywhere
    15: "d-mmm-yy",
    16: "d-mmm",
    17: "mmm-yy",
    18: "h:mm AM/PM",
    19: "h:mm:ss AM/PM",
    20: "h:mm",
    21: "h:mm:ss",
    22: "m/d/yyyy h:mm",
    45: "mm:ss",
    46: "[h]:mm:ss",
    47: "mm:ss.0",
    49: "@",
}
_CODE_CHARS_MAX: Final = 255  # what a spreadsheet takes
_EXPONENT_MAX: Final = 20
_GENERAL_CHARS_MAX: Final = 11  # a longer decimal is rounded by the format General
_TOKEN: Final = re.compile(
    r'"(?P<quoted>[^"]*)"|\\(?P<escaped>.)|_(?P<space>.)|\*(?P<fill>.)|\[(?P<bracket>[^\]]*)\]|(?P<general>General)'
    r"|(?P<clock>AM/PM|A/P)|(?P<other>.)",
    re.DOTALL | re.IGNORECASE,
)
_ZEROS: Final = re.compile("(l*)(0+)l*")  # kinds of parts by their first letters
_COLOUR: Final = re.compile(r"black|blue|cyan|green|magenta|red|white|yellow|color ?\d{1,2}", re.IGNORECASE)
_CONDITION: Final = re.compile(r"(<=|>=|<>|<|>|=)(-?\d{1,15}(?:\.\d{1,15})?)")
_CURRENCY: Final = re.compile(r"\$([^-\]]*)(?:-([0-9a-f]{1,8}))?", re.IGNORECASE)
_ELAPSED: Final = re.compile(r"h+|m+|s+", re.IGNORECASE)
_BARE: Final = frozenset("$-+():!^&'~{}<>= 123456789")  # are shown as they stand, without quotation marks
_BARE_CATEGORIES: Final = frozenset({"Sc", "So", "Pd", "Ps", "Pe", "Pi", "Pf", "Zs"})

Kind = Literal["literal", "gap", "digit", "point", "group", "percent", "general", "text"]
Part = tuple[Kind, str]


@dataclass(slots=True)
class _Section:
    """One part of a format, between `;`: what it is made of, and for which numbers it is."""

    parts: list[Part] = field(default_factory=list)
    condition: tuple[str, Decimal] | None = None
    is_certain: bool = True
    has_day: bool = False
    has_clock: bool = False

    def has(self, kind: Kind) -> bool:
        return any(part == kind for part, _ in self.parts)

    def show(self, value: Decimal) -> str | None:
        """Return a number that is not negative as this section shows it; None if that is not certain."""
        parts = self.without_outer_gaps()
        if parts is None or self.has("text"):
            return None
        if self.has("general"):
            number = show_general(value)
            if number is None or self.has("digit") or self.has("point") or self.has("percent"):
                return None
            return "".join(number if kind == "general" else text for kind, text in parts)
        value = value.scaleb(2 * sum(kind == "percent" for kind, _ in parts))
        return _show_digits(parts, value)

    def show_text(self, text: str) -> str | None:
        """Return a text as this section shows it; None if that is not certain."""
        parts = self.without_outer_gaps()
        if parts is None or not all(kind in ("literal", "text") for kind, _ in parts):
            return None
        return "".join(text if kind == "text" else part for kind, part in parts)

    def without_outer_gaps(self) -> list[Part] | None:
        """Return the parts; None if they are not certain: a gap between others is as wide as the column leaves it."""
        if self.has_day or self.has_clock or not self.is_certain:
            return None
        kinds = [kind for kind, _ in self.parts]
        first = next((index for index, kind in enumerate(kinds) if kind != "gap"), len(kinds))
        last = next((index for index in range(len(kinds), 0, -1) if kinds[index - 1] != "gap"), 0)
        return None if "gap" in kinds[first:last] else self.parts[first:last]


def _show_digits(parts: list[Part], value: Decimal) -> str | None:
    kinds = [kind for kind, _ in parts]
    point = kinds.index("point") if "point" in kinds else len(kinds)
    places = [text for kind, text in parts[point:] if kind == "digit"]
    behind = kinds[point + 1 : point + 1 + len(places)]
    if "digit" not in kinds[:point] or kinds.count("point") > 1 or any(kind != "digit" for kind in behind):
        return None
    whole, _, fraction = format(value, "f").partition(".")
    fraction = fraction.rstrip("0")
    if len(fraction) > len(places):
        return None  # the sheet shows a rounded number: which of the two is meant is not certain
    separators = [index for index, kind in enumerate(kinds) if kind == "group"]
    if any(kinds[max(index - 1, 0) : index + 2] != ["digit", "group", "digit"] for index in separators):
        return None  # a mark behind the digits divides by a thousand
    before = _fill_from_right(parts[:point], "" if whole == "0" else whole)
    if before is None or ("group" in kinds and sum(map(str.isdigit, before)) > 3):
        return None
    while len(fraction) < len(places) and "0" in places[len(fraction) :]:
        fraction += "0"
    rest = [text for kind, text in parts[point:] if kind in ("literal", "percent")]
    return before + ("." if point < len(kinds) else "") + fraction + "".join(rest)


def _fill_from_right(parts: list[Part], digits: str) -> str | None:
    """Return the digits in their places, all that are left over in the first; None if a mark would stand alone."""
    first = next(index for index, (kind, _) in enumerate(parts) if kind == "digit")
    shown: list[str] = []
    for index in range(len(parts) - 1, -1, -1):
        kind, text = parts[index]
        if kind == "digit":
            taken, digits = (digits, "") if index == first else (digits[-1:], digits[:-1])
            shown.append(taken or ("0" if text == "0" else ""))
        elif kind != "group":
            is_between = index > first and not digits and not any(t == "0" for k, t in parts[:index] if k == "digit")
            if is_between and text.strip():
                return None
            shown.append("" if is_between else text)
    return "".join(reversed(shown))


@dataclass(frozen=True, slots=True)
class NumberFormat:
    """A display format, read.

    Shapes: is_plain tells that integers are shown as they are, is_general that decimals are, too; is_moment that the
            format is one of dates or times.
    """

    code: str
    is_plain: bool
    is_general: bool
    is_moment: bool
    is_text_plain: bool
    _sections: tuple[_Section, ...]
    _text: _Section | None
    _padded: tuple[str, int, str] | None  # the usual case: one run of zeros, and what stands around it

    def show(self, value: Decimal | int) -> str | None:
        """Return what the sheet shows of a number, without outer spaces; None if that is not certain, or nothing."""
        if self._padded is not None and value.__class__ is int and value >= 0:
            before, width, behind = self._padded
            return f"{before}{value:0{width}}{behind}".strip()
        number = Decimal(value)
        if not number.is_finite() or abs(number.adjusted()) > _EXPONENT_MAX:
            return None
        if self.is_general:
            return show_general(number)
        section = self._section_of(number)
        shown = None if section is None else section.show(abs(number))
        if not shown:
            return None
        return f"-{shown}".strip() if number < 0 else shown.strip() or None

    def show_text(self, text: str) -> str | None:
        """Return what the sheet shows of a text; None if that is not certain, or nothing."""
        if self._text is None:
            return text
        return (self._text.show_text(text) or "").strip() or None

    def _section_of(self, number: Decimal) -> _Section | None:
        sections = self._sections
        if any(section.condition for section in sections):
            if number < 0 or sections[0].condition is None:
                return None
            return next((section for section in sections if _holds(section.condition, number)), None)
        if len(sections) == 1:
            return sections[0]
        if number < 0:
            return None  # its sign is lost, or stands in marks of a book-keeper
        return sections[2] if number == 0 and len(sections) == 3 else sections[0]


def show_general(value: Decimal) -> str | None:
    """Return what the format General shows of a number; None for a decimal that it rounds or writes with an exponent.

    An integer's digits are all there, even where a narrow column shows 1.23457E+11.
    """
    if not value.is_finite() or abs(value.adjusted()) > _EXPONENT_MAX:
        return None
    if value == value.to_integral_value():
        return format(value.quantize(Decimal(1)), "f")
    text = format(value.normalize(), "f")
    return text if len(text.lstrip("-")) <= _GENERAL_CHARS_MAX and abs(value) >= Decimal("0.0001") else None


@lru_cache(maxsize=1024)
def read_format(code: str) -> NumberFormat:
    """Return the format that a code stands for; one that cannot be read shows nothing."""
    sections = list(_sections(code)) if len(code) <= _CODE_CHARS_MAX else [_Section(is_certain=False)]
    text = None
    if len(sections) == 4 or (sections[-1].has("text") and len(sections) > 1) or _is(sections, "text"):
        text = sections.pop() if len(sections) > 1 else sections[0]
    if len(sections) > 3:
        sections = [_Section(is_certain=False)]
    first = sections[0]
    is_general = len(sections) == 1 and (first.parts in ([("general", "")], [("text", "")]) or not code)
    return NumberFormat(
        code=code[:_CODE_CHARS_MAX],
        is_plain=is_general or (len(sections) == 1 and first.is_certain and first.parts == [("digit", "0")]),
        is_general=is_general,
        is_moment=all(section.has_day or section.has_clock for section in sections),
        is_text_plain=text is None or (text.is_certain and text.parts == [("text", "")]),
        _sections=tuple(sections),
        _text=text,
        _padded=_padded(first) if len(sections) == 1 else None,
    )


def _padded(section: _Section) -> tuple[str, int, str] | None:
    parts = section.without_outer_gaps()
    if parts is None or section.condition is not None:
        return None
    found = _ZEROS.fullmatch("".join("0" if part == ("digit", "0") else part[0][0] for part in parts))
    if found is None:
        return None
    texts = [text for _, text in parts]
    return "".join(texts[: found.end(1)]), found.end(2) - found.end(1), "".join(texts[found.end(2) :])


def _is(sections: list[_Section], kind: Kind) -> bool:
    return len(sections) == 1 and sections[0].has(kind)


def _holds(condition: tuple[str, Decimal] | None, number: Decimal) -> bool:
    if condition is None:
        return True
    sign, limit = condition
    return ("<" in sign and number < limit) or (">" in sign and number > limit) or ("=" in sign and number == limit)


def _sections(code: str) -> Iterator[_Section]:
    section = _Section()
    for token in _TOKEN.finditer(code):
        kind, text = token.lastgroup, token[token.lastgroup or 0]
        if kind == "other" and text == ";":
            yield section
            section = _Section()
        elif kind in ("quoted", "escaped"):
            section.parts.append(("literal", text))
        elif kind == "general":
            section.parts.append(("general", ""))
        elif kind == "clock":
            section.has_clock = True
        elif kind == "bracket":
            _take_bracket(section, text)
        elif kind in ("space", "fill"):
            section.is_certain = section.is_certain and (kind == "space" or text == " ")
            section.parts.append(("gap", " "))
        else:
            _take(section, text)
    yield section


def _take_bracket(section: _Section, text: str) -> None:
    if _COLOUR.fullmatch(text):
        return
    if found := _CONDITION.fullmatch(text):
        section.condition = (found[1], Decimal(found[2]))
    elif found := _CURRENCY.fullmatch(text):
        # The upper half of a locale's number asks for other digits than 0-9.
        section.is_certain = section.is_certain and int(found[2] or "0", 16) <= 0xFFFF
        if found[1]:
            section.parts.append(("literal", found[1]))
    elif _ELAPSED.fullmatch(text):
        section.has_clock = True
    else:
        section.is_certain = False


def _take(section: _Section, character: str) -> None:
    if character in "0#":
        section.parts.append(("digit", character))
    elif character == ".":
        section.parts.append(("point", character))
    elif character == "%":
        section.parts.append(("percent", character))
    elif character == "@":
        section.parts.append(("text", ""))
    elif character == ",":
        section.parts.append(("group", ""))
    elif character in "dDyY":
        section.has_day = True
    elif character in "mM":
        section.has_day = True  # a minute only beside an hour or a second, which say that there is a clock
    elif character in "hHsS":
        section.has_clock = True
    elif character in _BARE or (not character.isascii() and unicodedata.category(character) in _BARE_CATEGORIES):
        section.parts.append(("literal", character))
    elif not (section.has_day and character in "/,"):
        section.is_certain = False
