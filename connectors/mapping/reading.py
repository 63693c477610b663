"""One source as one closure: a row's cells in, a value or BLANK out. Everything that can be decided before is."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Final

import jmespath
from jmespath.exceptions import JMESPathError
from pydantic import TypeAdapter, ValidationError

from connectors.mapping.column import CONSTANT, Column, Writing, converter, moment_column
from connectors.mapping.convert import (
    Convert,
    Unfit,
    as_key_text,
    as_said,
    as_text,
    as_value,
    codes_of,
    fold_case,
    item_type,
    reads_text,
    shown,
    unwrap,
)
from connectors.mapping.fault import WrongMapping
from connectors.mapping.model import Source
from connectors.mapping.problem import LocalCode
from connectors.mapping.value_table import GIVEN_BYTES_MAX, first_of, look_up, read_table
from connectors.source.error_text import has_error_text, is_error_text
from connectors.source.problem import ProblemCode
from connectors.source.table import NO_NOTATION, Notation
from hub.domain.key import key_part, make_key

Cells = dict[str, Any]
Read = Callable[[Cells], Any]
Look = Callable[[Cells], None]


class _Blank:
    """Stands for "nothing is written there"; None would be JSON's null, which means the same here."""

    def __bool__(self) -> bool:
        return False


BLANK: Final = _Blank()
# Every error text begins so, or has a colon before its number; most cells don't, and are spared the rest.
_ERROR_BEGINNINGS: Final = frozenset("#\uff03=\"'\ufeff \u00a0\u200b")
_ERROR_NUMBERED_MAX: Final = 16
# The settings that say how a cell is read, by the type of the field.
SETTINGS: Final[dict[Any, tuple[str, ...]]] = {
    Decimal: ("decimal", "factor", "round"),
    int: ("decimal", "factor", "round"),
    dt.date: ("date_order", "time", "year_pivot"),
    dt.datetime: ("date_order", "year_pivot"),
}
_CODES_SHOWN_MAX: Final = 20
_NAME: Final = re.compile(r'[A-Za-z_][A-Za-z0-9_]*|"[^"\\\\\x00-\x1f]+"')  # a JMESPath that is nothing but a key
_ENTITY_ID: Final = re.compile(r"([a-z0-9-]{1,63}):(.+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Setting:
    """What all sources of one mapping share.

    Shapes: `looks` are filled while the sources are compiled: each takes one row's cells of a column whose own texts
            tell how it is written.
    """

    name: str  # the mapping file, for messages
    center: str
    notation: Notation = NO_NOTATION
    zone: dt.tzinfo = dt.UTC
    is_zone_named: bool = False
    looks: list[Look] = field(default_factory=list)

    def wrong(self, reason: str) -> WrongMapping:
        """Return the error for one thing that is wrong with the mapping."""
        return WrongMapping(self.name, [reason])


def read_cell(source: Source, part: Convert = as_text) -> Read:
    """Return what gets a source's raw cell: BLANK for an empty one and for one that counts as empty.

    `part` makes a text of each of several columns before they are joined.
    """
    read: Read
    if source.column is not None:
        if not source.blanks:
            return _read_column(source.column)
        read = _read_column(source.column, refuses_errors=False)
    elif source.path is not None:
        read = _read_path(source.path)
    else:
        read = _read_joined(source.columns or (), source.join, part)
    if not source.blanks:
        return _without_errors(read)
    blanks = frozenset(map(fold_case, source.blanks))

    def read_known(cells: Cells) -> Any:
        cell = read(cells)
        return BLANK if cell is not BLANK and not isinstance(cell, list | dict) and _folded(cell) in blanks else cell

    return _without_errors(read_known)


def _read_path(path: str) -> Read:
    if _NAME.fullmatch(path):
        name = path.strip('"')
        return lambda cells: _filled(cells.get(name))
    search = jmespath.compile(path).search

    def read(cells: Cells) -> Any:
        try:
            return _filled(search(cells))
        except JMESPathError as exc:  # a function was given another type than it takes
            raise Unfit(LocalCode.BAD_SHAPE, str(exc).partition(",")[0]) from exc

    return read


def _read_joined(columns: tuple[str, ...], join: str, part: Convert) -> Read:
    def read(cells: Cells) -> Any:
        parts = [part(cell) for cell in map(cells.get, columns) if cell is not None]
        for text in parts:
            _refuse_error(text)
        return _filled(join.join(filter(None, parts)))

    return read


def _read_column(column: str, *, refuses_errors: bool = True) -> Read:
    """Return what gets one column's cell: a call less for each cell than a reader around another."""

    def read(cells: Cells) -> Any:
        cell = cells.get(column)
        if cell.__class__ is str:
            if not cell or cell.isspace():
                return BLANK
            if cell[0] in _ERROR_BEGINNINGS or "#" in cell or (len(cell) < _ERROR_NUMBERED_MAX and ":" in cell):
                _refuse_error(cell)
        elif cell.__class__ is list:
            _refuse_errors(cell)
        return BLANK if cell is None else cell

    def read_any(cells: Cells) -> Any:
        cell = cells.get(column)
        return BLANK if cell is None or cell == "" or (cell.__class__ is str and cell.isspace()) else cell

    return read if refuses_errors else read_any


def _without_errors(read: Read) -> Read:
    """Return the same, with the text of a spreadsheet's error refused: it stands where a formula had no result."""

    def checked(cells: Cells) -> Any:
        cell = read(cells)
        if cell.__class__ is str:
            _refuse_error(cell)
        elif cell.__class__ is list:
            _refuse_errors(cell)
        return cell

    return checked


def _refuse_errors(cell: list[Any]) -> None:
    for item in cell:
        if item.__class__ is str:
            _refuse_error(item)


def _refuse_error(text: str) -> None:
    if is_error_text(text) or has_error_text(text):
        raise Unfit(ProblemCode.ERROR_CELL, text)


def _filled(value: Any) -> Any:
    if value is None or value in ([], {}) or (isinstance(value, str) and not value.strip()):
        return BLANK
    return value


def _folded(cell: Any) -> str:
    return fold_case(as_said(cell))


def read_value(source: Source, annotation: Any, setting: Setting, place: str) -> Read:
    """Return what gets a field's value.

    Errors: WrongMapping now for a constant or a table that is no value of the field, and for a setting that says
            nothing to such a field; Unfit later for a cell.
    """
    items = item_type(annotation)
    kind = annotation if items is None else items
    one, fixed = converter(kind, _writing(source, setting)), converter(kind, CONSTANT)
    if one is None or fixed is None:
        raise setting.wrong(f"{place}: a cell cannot hold this field; map its parts, as in {place}.<part>")
    _check_settings(source, SETTINGS.get(unwrap(kind), ()), setting, place)
    part = as_value if reads_text(kind) else as_said
    if source.value is None and source.table is None and source.default is None:
        return _reading(source, one, fixed, place, setting, is_list=items is not None, part=part)
    rules = TypeAdapter(kind)

    def ruled(cell: Any) -> Any:
        try:
            return rules.validate_python(fixed(cell), strict=True)
        except ValidationError as exc:
            raise Unfit(LocalCode.NOT_IN_TABLE, cell) from exc

    allowed = ", ".join(codes_of(kind)[:_CODES_SHOWN_MAX])
    return _reading(source, one, ruled, place, setting, is_list=items is not None, allowed=allowed, part=part)


def _writing(source: Source, setting: Setting) -> Writing:
    """Return how a source's cells are written as a mapping says it; what the source says goes before the format."""
    given = source.notation.model_dump(exclude_none=True)
    return Writing(
        notation=setting.notation.model_copy(update=given) if given else setting.notation,
        factor=source.factor,
        round_to=source.round,
        label=source.label,
        zone=setting.zone,
        is_zone_named=setting.is_zone_named,
    )


def _check_settings(source: Source, allowed: Collection[str], setting: Setting, place: str) -> None:
    for name in source.reading_settings:
        if name not in allowed:
            known = f"; it knows {', '.join(allowed)}" if allowed else ""
            raise setting.wrong(f"{place}.{name}: this setting says nothing to such a field{known}")
        if source.value is not None or source.table is not None:
            raise setting.wrong(f"{place}.{name}: there is nothing to read beside `value` or `table`")


def read_entity(source: Source, setting: Setting, place: str) -> Read:
    """Return what gets another entity's id: `<center>:<key>` as it stands, or a key of the own center's.

    The key is made as the other sheet's mapping makes it, `prefix` being that one's `key_prefix`.
    """
    center, prefix = setting.center, source.prefix

    def identify(cell: Any) -> str:
        text = as_key_text(cell)
        found = _ENTITY_ID.fullmatch(text)
        owner, key = (found[1], found[2].strip()) if found else (center, text)
        try:
            if not key_part(key):
                raise Unfit(LocalCode.NO_KEY, cell)
            return f"{owner}:{make_key((key,), prefix)}"
        except UnicodeEncodeError as exc:
            raise Unfit(ProblemCode.UNREADABLE_BYTES, cell) from exc

    _check_settings(source, (), setting, place)
    return _reading(source, identify, identify, place, setting, is_list=False)


def read_status(source: Source, statuses: Collection[str], setting: Setting) -> Read:
    """Return what gets the wanted status; every constant and every table entry is one the stream has."""

    def known(cell: Any) -> str:
        status = as_text(cell)
        if status not in statuses:
            raise Unfit(LocalCode.NOT_IN_TABLE, shown(cell, GIVEN_BYTES_MAX), allowed=first_of(tuple(sorted(statuses))))
        return status

    _check_settings(source, (), setting, "status")
    return _reading(source, known, known, "status", setting, is_list=False, allowed=", ".join(sorted(statuses)))


def read_moment(source: Source, setting: Setting) -> Read:
    """Return what gets a moment in UTC."""
    _check_settings(source, SETTINGS[dt.datetime], setting, "occurred_at")
    one, fixed = moment_column(_writing(source, setting)), moment_column(replace(CONSTANT, zone=setting.zone))
    return _reading(source, one, fixed, "occurred_at", setting, is_list=False, part=as_said)


def _reading(
    source: Source,
    one: Convert,
    fixed: Convert,
    place: str,
    setting: Setting,
    *,
    is_list: bool,
    allowed: str = "",
    part: Convert = as_text,
) -> Read:
    def settle(text: str | tuple[str, ...], where: str) -> Any:
        parts = (text,) if isinstance(text, str) else text
        try:
            values = [fixed(part) for part in parts]
        except Unfit as exc:
            expected = f"; expected one of {allowed}" if allowed else ""
            raise setting.wrong(f"{place}.{where}: {text!r} is no value of this field{expected}") from exc
        if is_list:
            return values
        if len(values) != 1:
            raise setting.wrong(f"{place}.{where}: expected one value, came a list")
        return values[0]

    if source.value is not None:
        constant = settle(source.value, "value")
        return (lambda _: list(constant)) if is_list else (lambda _: constant)
    if source.split is not None and not is_list:
        raise setting.wrong(f"{place}.split: this field holds one value, not a list")
    read = read_cell(source, part)
    table = read_table(source, settle, place, setting.name)
    convert = one if table is None else look_up(table, tuple(source.table or ()))
    if isinstance(convert, Column) and convert.conventions.is_open:
        setting.looks.append(_look_at(source, convert.conventions.look))
    default = BLANK if source.default is None else settle(source.default, "default")
    if is_list:
        return _read_list(read, convert, source.split, default)

    def read_one(cells: Cells) -> Any:
        cell = read(cells)
        return default if cell is BLANK else convert(cell)

    return read_one


def _look_at(source: Source, look: Callable[[str], None]) -> Look:
    """Return what takes a row's text into account before any is converted."""
    column, split = source.column, source.split
    if column is not None and split is None and not source.blanks:

        def look_at_column(cells: Cells) -> None:
            cell = cells.get(column)
            if cell.__class__ is str:
                look(cell)

        return look_at_column
    read = read_cell(source)

    def look_at(cells: Cells) -> None:
        try:
            cell = read(cells)
        except Unfit:
            return  # said when the row is read
        if isinstance(cell, str):
            parts = [cell] if split is None else [part for part in map(str.strip, cell.split(split)) if part]
        else:
            parts = [part for part in cell if isinstance(part, str)] if isinstance(cell, list) else []
        for part in parts:
            look(part)

    return look_at


def _read_list(read: Read, convert: Convert, split: str | None, default: Any) -> Read:
    def read_list(cells: Cells) -> Any:
        cell = read(cells)
        if cell is BLANK:
            return default if default is BLANK else list(default)
        if isinstance(cell, list):
            parts = [part for part in cell if _filled(part) is not BLANK]
        elif split is None or not isinstance(cell, str):
            parts = [cell]
        else:
            parts = [part for part in map(str.strip, cell.split(split)) if part]
        values: list[Any] = []
        for part in parts:
            value = convert(part)
            if not isinstance(value, list):
                if value not in values:
                    values.append(value)
                continue
            for item in value:
                if item not in values:
                    values.append(item)
        return values or BLANK

    return read_list
