"""Cells as field values. What a field is decides how its cell is read, so a mapping names no types."""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from collections.abc import Callable, Iterator
from decimal import Decimal
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from connectors.mapping.problem import LocalCode
from connectors.mapping.written import GUARDS, Spoiled, as_written, without_guard
from connectors.source.folding import fold, key_text, name_of, odd_letters
from connectors.source.number_format import show_general
from connectors.source.problem import ProblemCode
from connectors.source.shown import ClockText, HiddenText, ShownNumber, WrittenNumber
from hub.domain.fields import OneOf

Convert = Callable[[Any], Any]
_DIGITS_MAX: Final = 100
_PARAMS_BYTES_MAX: Final = 100
_EXACT_INT_MAX: Final = 2**53 - 1  # beyond it, programs that keep numbers as doubles lose digits
# Nothing else can be in such a text, which most keys beyond ASCII are.
_OF_ONE_ALPHABET: Final = re.compile(
    "[\x20-\x40\\x5b-\x5f\x7b-\x7d\u0401\u0410-\u044f\u0451\u2116]+|[\x20-\x7d\u4e00-\u9fff]+"
)
# What programs write for nothing, in their own spelling: Null is a name, and N/A may be one.
_EMPTY_WORDS: Final = frozenset(
    {
        "nan", "NaN", "NAN", "NaT", "<NA>", "NULL", "null", "None", "undefined", "(null)", "<null>", "<NULL>", "[NULL]",
        "\\N", "[object Object]", "(blank)", "(пусто)", "(空白)", "(boş)",
    }
)  # fmt: skip
# What people write in place of a key.
_NO_KEYS: Final = frozenset(
    {
        "n/a", "n.a.", "none", "null", "nil", "nan", "undefined", "unknown", "no number", "without number",
        "not assigned",
        "н/д", "нет", "нет номера", "б/н", "бн", "без номера", "отсутствует", "не присвоен", "неизвестно", "无", "暂无",
        "空", "无编号", "yo'q", "йўқ", "жоқ", "жок", "нест", "raqamsiz", "ندارد", "نہیں",
    }
)  # fmt: skip
_EMPTY_CHARS_MAX: Final = 20
_CONTROLS: Final = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f]+")
_YES: Final = frozenset({"true", "yes", "y", "1", "да", "是", "有"})
_NO: Final = frozenset({"false", "no", "n", "0", "нет", "否", "无"})


class Unfit(Exception):
    """A cell that is no value of its field; it becomes a problem of the row.

    `facts` are further parameters, such as the readings that a text has.
    """

    def __init__(self, code: str, given: object, **facts: object) -> None:
        super().__init__(code)
        self.code = code
        more = "".join(f" {name}={value}" for name, value in facts.items())
        self.params = f"value={shown(given, _PARAMS_BYTES_MAX - 6 - len(more.encode()))}{more}"


def shown(value: object, bytes_max: int = 80) -> str:
    """Return a value for a message: one line, at most 80 bytes."""
    text = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in str(value))
    return text.encode("utf-8", "replace")[: max(0, min(80, bytes_max))].decode("utf-8", "ignore")


def unwrap(annotation: Any) -> Any:
    """Return a field's type without Annotated and without None."""
    while True:
        origin = get_origin(annotation)
        if origin is Annotated:
            annotation = get_args(annotation)[0]
        elif origin in (Union, UnionType):
            rest = [part for part in get_args(annotation) if part is not NoneType]
            if len(rest) != 1:
                return annotation
            annotation = rest[0]
        else:
            return annotation


def as_text(cell: Any) -> str:
    """Return a cell as a person sees it: composed characters, no space around, a number as the sheet shows it.

    Errors: Unfit where what was written can no longer be seen: a number whose format is not certain, a date that a
            spreadsheet made of something, digits that are lost; and for a list or a group, which JSON lines can have.
    """
    if cell.__class__ is str:
        try:
            return as_written(cell)
        except Spoiled as exc:
            raise Unfit(exc.code, cell) from exc
    if cell.__class__ is int:
        if abs(cell) > _EXACT_INT_MAX:
            raise Unfit(ProblemCode.DIGITS_LOST, cell)
        return str(cell)
    if isinstance(cell, ShownNumber):
        if cell.shown is None:
            raise Unfit(LocalCode.SHOWN_OTHERWISE, f"{Decimal(cell)} [{cell.code}]")
        return cell.shown
    if isinstance(cell, ClockText | dt.date):
        raise Unfit(LocalCode.MADE_A_DATE, cell)
    if isinstance(cell, HiddenText):
        raise Unfit(LocalCode.SHOWN_OTHERWISE, f"{cell} [{cell.code}]")
    if isinstance(cell, Decimal) and not isinstance(cell, WrittenNumber):
        text = show_general(cell)
        if text is not None:
            return text
    if isinstance(cell, list | dict):
        raise Unfit(LocalCode.NOT_ONE_VALUE, cell)
    raise Unfit(LocalCode.SHOWN_OTHERWISE, cell)


def as_value(cell: Any) -> str:
    """Return a cell as the text of a field, as `as_text` does.

    Errors: Unfit, also for a word that a program wrote where nothing was.
    """
    text = as_text(cell)
    if text in _EMPTY_WORDS:
        raise Unfit(LocalCode.EMPTY_WORD, text)
    return text


def as_id(cell: Any) -> str:
    """Return what tells a thing from all others of its kind, as `as_text` does, without any guard around it.

    Errors: Unfit.
    """
    text = as_text(cell)
    if text[:1] not in GUARDS:
        return text
    text = without_guard(text)
    if text.startswith("="):
        raise Unfit(LocalCode.FORMULA_TEXT, cell)
    return text


def as_said(cell: Any) -> str:
    """Return a cell as text to compare it, or to read a date or number in it: whatever it is, and never for a value.

    Errors: Unfit for a list or a group, which JSON lines can have.
    """
    if isinstance(cell, str):
        return (cell if cell.isascii() else unicodedata.normalize("NFC", cell)).strip()
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, Decimal):
        if not cell.is_finite() or abs(cell.adjusted()) > _DIGITS_MAX:
            return str(cell)
        whole = cell.to_integral_value()
        return format(whole, "f") if whole == cell else format(cell.normalize(), "f")
    if isinstance(cell, dt.date):
        midnight = isinstance(cell, dt.datetime) and cell.time() == dt.time() and cell.tzinfo is None
        return (cell.date() if midnight else cell).isoformat()  # type: ignore[attr-defined]
    if isinstance(cell, list | dict):
        raise Unfit(LocalCode.NOT_ONE_VALUE, cell)
    return str(cell)


def as_key_text(cell: Any) -> str:
    """Return a cell as it stands in a key: as `as_text`, of one width, without what nobody can see.

    Errors: Unfit for letters that look like others than they are: whoever types the key again would make another.
    """
    text = as_id(cell)
    if not text.isprintable():
        text = _CONTROLS.sub("", text)
    if len(text) <= _EMPTY_CHARS_MAX and not text[-1:].isdigit() and _is_no_key(text):
        raise Unfit(LocalCode.EMPTY_WORD, text)
    if text.isascii() or _OF_ONE_ALPHABET.fullmatch(text):
        return text
    text = key_text(text)
    if odd := odd_letters(text):
        raise Unfit(LocalCode.LOOK_ALIKE, text, letter=f"{odd[0]} {name_of(odd[0])}")
    return text


def _is_no_key(text: str) -> bool:
    """Return whether a text says that there is no key, or is nothing but signs."""
    return bool(text) and (
        text in _EMPTY_WORDS or fold(text).strip("()[]<>-") in _NO_KEYS or not any(map(str.isalnum, text))
    )


def reads_text(annotation: Any) -> bool:
    """Return whether a field's cells are read as text."""
    kind = unwrap(annotation)
    return kind is str or get_origin(kind) is Literal


def is_record(annotation: Any) -> bool:
    """Return whether a field holds a record of its own."""
    kind = unwrap(annotation)
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def item_type(annotation: Any) -> Any:
    """Return the type of a list's items, None if the field is no list."""
    kind = unwrap(annotation)
    return get_args(kind)[0] if get_origin(kind) is list else None


def places_max(annotation: Any) -> int | None:
    """Return how many decimals a field of numbers may have, None if any number of them."""
    found = (getattr(rule, "decimal_places", None) for rule in rules_of(annotation))
    return next((int(places) for places in found if places is not None), None)


def codes_of(annotation: Any) -> tuple[str, ...]:
    """Return the codes that a field may have; none if it is not of a fixed list."""
    return next((rule.codes for rule in rules_of(annotation) if isinstance(rule, OneOf)), ())


def rules_of(annotation: Any) -> Iterator[Any]:
    """Yield all that a type is annotated with, and then what the types are annotated with that it is made of."""
    for rule in getattr(annotation, "__metadata__", ()):
        yield rule
        yield from getattr(rule, "metadata", ())
    for part in get_args(annotation):
        yield from rules_of(part)


def as_yes_no(cell: Any) -> bool:
    """Return a cell as yes or no. Errors: Unfit."""
    said = fold(as_said(cell))
    if said in _YES:
        return True
    if said in _NO:
        return False
    raise Unfit(LocalCode.BAD_YES_NO, cell)
