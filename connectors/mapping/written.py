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
GUARDS: Final = frozenset("='\u2019\u2018\u02bc`\"")  # what a guarded text begins with
_APOSTROPHE: Final = "['\u2019\u2018\u02bc`]"
# An apostrophe before a number, or before a code: before a word it may be a letter of that word.
_GUARDED: Final = re.compile(rf"{_APOSTROPHE}([+=@-]?\d(?:[\d\s().,:/+-]*|[^\s'\u2019\u2018\u02bc`\"]*)){_APOSTROPHE}?")
_GUARDED_ID: Final = re.compile(rf"{_APOSTROPHE}([^\s'\u2019\u2018\u02bc`\"]+){_APOSTROPHE}?|\"([^\"]*)\"")
_FORMULA: Final = re.compile(r"=[\s\w+\-@($'\"{\[]")
# What a spreadsheet made of a text, in one expression, so that most texts are done with at once. Rounded: it always
# writes the sign; Java writes none, but always a point. Days: the forms that spreadsheets give to a day without a
# year, and to a month with one: 2-Jan, 02.01 in words, Mar-05.
_MADE: Final = re.compile(
    r"(?P<rounded>[+\-\u2212]?\d{1,3}(?:[.,]\d+)?[eE\u0415\u0435][+\-\u2212]\d{1,3}|-?\d[.]\d+E\d{1,3})"
    r"|\d{1,2}[-.]\s?(?P<month>[^\W\d_]{3,9})\.?(?:[-.]\d{2})?|(?P<month_first>[^\W\d_]{3,9})\.?[-.]\d{2}"
    "|\\d{1,2}\u6708\\d{1,2}\u65e5"
)


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
    first = plain[:1]
    if first.isalpha():
        if len(plain) > _MADE_CHARS_MAX or not plain[-1].isdigit():
            return plain
    elif not (first.isalnum() or first in "+-\u2212"):
        return _unguarded(plain)
    if len(plain) <= _MADE_CHARS_MAX and not plain.isdigit():
        _refuse_what_was_made(plain if plain.isascii() else unicodedata.normalize("NFKC", plain))
    return plain


def unguarded(text: str) -> str:
    """Return a number or a date without a guard against spreadsheets; a text that has none, as it is."""
    if text[:1] not in GUARDS:
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
    found = _MADE.fullmatch(plain)
    if found is None:
        return
    if found["rounded"] is not None:
        raise Spoiled(ProblemCode.DIGITS_LOST)
    name = found["month"] or found["month_first"]
    # In capitals it is a code: no spreadsheet shouts a month. Without a name it is a Chinese day.
    if name is None or (name in (name.lower(), name.capitalize()) and fold_name(name) in months()):
        raise Spoiled(LocalCode.MADE_A_DATE)
