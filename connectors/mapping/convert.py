"""Cells as field values. What a field is decides how its cell is read, so a mapping names no types."""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from collections.abc import Callable
from decimal import Decimal
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from connectors.mapping.problem import LocalCode
from connectors.source.folding import fold, key_text, name_of, odd_letters
from connectors.source.problem import UnreadableValue
from connectors.source.table import DateOrder, DecimalMark
from connectors.source.values import as_date, as_datetime, as_decimal

Convert = Callable[[Any], Any]
_DIGITS_MAX: Final = 100
_PARAMS_BYTES_MAX: Final = 100
_REMEMBERED_MAX: Final = 4096
# Nothing else can be in such a text, which most keys beyond ASCII are.
_OF_ONE_ALPHABET: Final = re.compile(
    "[\x20-\x40\\x5b-\x5f\x7b-\x7d\u0401\u0410-\u044f\u0451\u2116]+|[\x20-\x7d\u4e00-\u9fff]+"
)
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
    """Return a cell as a person sees it: composed characters, no space around, numbers without an exponent.

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
    text = as_text(cell)
    if text.isascii() or _OF_ONE_ALPHABET.fullmatch(text):
        return text
    text = key_text(text)
    if odd := odd_letters(text):
        raise Unfit(LocalCode.LOOK_ALIKE, text, letter=f"{odd[0]} {name_of(odd[0])}")
    return text


def fold_case(text: str) -> str:
    """Return a text as value tables compare it: capitals, widths, spaces and what nobody sees make no difference."""
    return fold(text)


def converter(annotation: Any, decimal: DecimalMark, order: DateOrder) -> Convert | None:
    """Return what turns a filled cell into a value of a type; None for a type that no cell can hold (a record, a list).

    Errors: the converter raises Unfit.
    """
    kind = unwrap(annotation)
    if kind is str or get_origin(kind) is Literal:
        return as_text
    if kind is Decimal:
        return remember(lambda cell: _number(cell, decimal))
    if kind is bool:
        return remember(_yes_no)
    if kind is int:
        return remember(lambda cell: _whole(cell, decimal))
    if kind is dt.datetime:
        return remember(lambda cell: as_moment(cell, order, dt.UTC))
    if kind is dt.date:
        return remember(lambda cell: _day(cell, order))
    return None


def remember(convert: Convert) -> Convert:
    """Return the same conversion with a bounded memory: a column's texts (dates, stages, currencies) recur."""
    seen: dict[str, Any] = {}

    def remembered(cell: Any) -> Any:
        if cell.__class__ is not str:
            return convert(cell)
        found = seen.get(cell)
        if found is None:
            found = convert(cell)
            if len(seen) < _REMEMBERED_MAX:
                seen[cell] = found
        return found

    return remembered


def is_record(annotation: Any) -> bool:
    """Return whether a field holds a record of its own."""
    kind = unwrap(annotation)
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def item_type(annotation: Any) -> Any:
    """Return the type of a list's items, None if the field is no list."""
    kind = unwrap(annotation)
    return get_args(kind)[0] if get_origin(kind) is list else None


def as_moment(cell: Any, order: DateOrder, zone: dt.tzinfo) -> dt.datetime:
    """Return a cell as a moment in UTC; one that names no offset is read in `zone`.

    Errors: Unfit.
    """
    try:
        moment = as_datetime(cell, order)
        return (moment.replace(tzinfo=zone) if moment.tzinfo is None else moment).astimezone(dt.UTC)
    except (UnreadableValue, OverflowError) as exc:
        raise Unfit(LocalCode.BAD_DATE, cell) from exc


def _day(cell: Any, order: DateOrder) -> dt.date:
    try:
        return as_date(cell, order)
    except UnreadableValue as exc:
        raise Unfit(LocalCode.BAD_DATE, cell) from exc


def _number(cell: Any, decimal: DecimalMark) -> Decimal:
    try:
        number = as_decimal(cell, decimal)
    except UnreadableValue as exc:
        raise Unfit(LocalCode.BAD_NUMBER, cell) from exc
    if not number.is_finite() or number.adjusted() > _DIGITS_MAX:
        raise Unfit(LocalCode.BAD_NUMBER, cell)  # JSON can write 1e999999999; its digits would fill the memory
    return number


def _whole(cell: Any, decimal: DecimalMark) -> int:
    number = _number(cell, decimal)
    whole = int(number)
    if whole != number:
        raise Unfit(LocalCode.BAD_NUMBER, cell)
    return whole


def _yes_no(cell: Any) -> bool:
    said = fold_case(as_text(cell))
    if said in _YES:
        return True
    if said in _NO:
        return False
    raise Unfit(LocalCode.BAD_YES_NO, cell)
