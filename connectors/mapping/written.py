"""What was written in a cell, where a program that saved the sheet has put something else there.

Exports guard an id against spreadsheets (`="007"`, `'008`), and what they guard is certain: it is given back. What a
spreadsheet made of an id is not: a rounded number (`6,11203E+15`), a date (`2-Jan`), a formula. Then the cell is
refused. All that a person sees as it stands is left as it is.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from connectors.mapping.month import fold_name, months
from connectors.mapping.problem import LocalCode
from connectors.source.problem import ProblemCode

_CHARS_MAX: Final = 80  # what is longer is a sentence
_MADE_CHARS_MAX: Final = 24  # of a rounded number, of a month with its year
_QUOTED: Final = re.compile(r'=\s?"((?:[^"]|"")*)"|=\s?\'([^\']*)\'')
_APOSTROPHE: Final = "['\u2019\u2018\u02bc`]"
# An apostrophe before a number, or before a code: before a word it may be a letter of that word.
_GUARDED: Final = re.compile(rf"{_APOSTROPHE}([+=@-]?\d(?:[\d\s().,:/+-]*|[^\s'\u2019\u2018\u02bc`\"]*)){_APOSTROPHE}?")
_GUARDED_ID: Final = re.compile(rf"{_APOSTROPHE}([^\s'\u2019\u2018\u02bc`\"]+){_APOSTROPHE}?|\"([^\"]*)\"")
_GUARDS: Final = frozenset("='\"\u2019\u2018\u02bc`")
_FORMULA: Final = re.compile(r"=[\s\w+\-@($'\"{\[]")
# A spreadsheet always writes the sign; Java writes none, but always a point.
_ROUNDED: Final = re.compile(r"[+\-\u2212]?\d{1,3}(?:[.,]\d+)?[eE\u0415\u0435][+\-\u2212]\d{1,3}|-?\d[.]\d+E\d{1,3}")
# The forms that spreadsheets give to a day without a year, and to a month with one: 2-Jan, 02.01 in words, Mar-05.
_DAY: Final = re.compile(r"\d{1,2}[-.]\s?([^\W\d_]{3,9})\.?(?:[-.]\d{2})?|([^\W\d_]{3,9})\.?[-.]\d{2}")
_CHINESE_DAY: Final = re.compile("\\d{1,2}\u6708\\d{1,2}\u65e5")


class Spoiled(Exception):
    """What was written in a cell is no longer there; `code` says why."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def as_written(text: str) -> str:
    """Return a text as a person wrote it: composed characters, no space around, without a guard against spreadsheets.

    Errors: Spoiled for a formula, and for what a spreadsheet made of a number or a code.
    """
    plain = (text if text.isascii() else unicodedata.normalize("NFC", text)).strip()
    if not plain:
        return plain
    first = plain[0]
    if not (first.isalnum() or first in "+-\u2212"):
        return _unguarded(plain)
    if len(plain) <= _MADE_CHARS_MAX and not plain.isdigit() and (not first.isalpha() or plain[-1].isdigit()):
        _refuse_what_was_made(plain if plain.isascii() else unicodedata.normalize("NFKC", plain))
    return plain


def unguarded(text: str) -> str:
    """Return a number or a date without a guard against spreadsheets; a text that has none, as it is."""
    if text[:1] not in _GUARDS:
        return text
    plain = text.strip()
    found = _QUOTED.fullmatch(plain) or _GUARDED.fullmatch(plain)
    return text if found is None else next(filter(None, found.groups()), "")


def without_guard(text: str) -> str:
    """Return a text, as `as_written` gives it, as an id: a guard before letters is none of its characters either."""
    found = _GUARDED_ID.fullmatch(text)
    return text if found is None else found[1] or found[2]


def _unguarded(plain: str) -> str:
    if found := _QUOTED.fullmatch(plain):
        return (found[1] or found[2] or "").replace('""', '"').strip()
    if len(plain) <= _CHARS_MAX and (found := _GUARDED.fullmatch(plain)):
        return found[1].strip()
    if _FORMULA.match(plain):
        raise Spoiled(LocalCode.FORMULA_TEXT)
    return plain


def _refuse_what_was_made(plain: str) -> None:
    if _ROUNDED.fullmatch(plain):
        raise Spoiled(ProblemCode.DIGITS_LOST)
    found = _DAY.fullmatch(plain)
    if found is None:
        is_day = _CHINESE_DAY.fullmatch(plain) is not None
    else:
        name = found[1] or found[2]
        # In capitals it is a code: no spreadsheet shouts a month.
        is_day = name in (name.lower(), name.capitalize()) and fold_name(name) in months()
    if is_day:
        raise Spoiled(LocalCode.MADE_A_DATE)
