"""One source as one closure: a row's cells in, a value or BLANK out. Everything that can be decided before is."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from connectors.mapping.cell import BLANK, Cells, Read, filled, read_cell
from connectors.mapping.column import CONSTANT, Column, Writing, converter, moment_column
from connectors.mapping.convert import (
    Convert,
    Unfit,
    as_key_text,
    as_said,
    as_text,
    as_value,
    codes_of,
    item_type,
    reads_text,
    shown,
    unwrap,
)
from connectors.mapping.fault import WrongMapping
from connectors.mapping.model import Source
from connectors.mapping.problem import LocalCode
from connectors.mapping.value_table import GIVEN_BYTES_MAX, first_of, look_up, read_table
from connectors.source.problem import ProblemCode
from connectors.source.table import NO_NOTATION, Notation
from hub.domain.key import key_part, make_key

Look = Callable[[Cells], None]
# The settings that say how a cell is read, by the type of the field.
SETTINGS: Final[dict[Any, tuple[str, ...]]] = {
    Decimal: ("decimal", "factor", "round"),
    int: ("decimal", "factor", "round"),
    dt.date: ("date_order", "time", "year_pivot"),
    dt.datetime: ("date_order", "year_pivot"),
}
_CODES_SHOWN_MAX: Final = 20
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
    if isinstance(convert, Column):
        if convert.conventions.is_open:
            setting.looks.append(_look_at(source, convert.conventions.look))
        convert = convert.convert
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
            parts = [part for part in cell if filled(part) is not BLANK]
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
