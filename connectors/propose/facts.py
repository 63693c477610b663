"""What a stream's model says of itself, for people who fill in a sheet: every field, its form and its codes. Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Final, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from connectors.mapping.convert import is_record, item_type, unwrap
from connectors.mapping.path import statuses
from hub.domain.codes.country import COUNTRIES
from hub.domain.codes.currency import CURRENCIES
from hub.domain.codes.office import OFFICES
from hub.domain.codes.timezone import TIMEZONES
from hub.domain.fields import Ipc, LanguageTag, Latin, Lei, OneOf, Web, many_lines, one_line
from hub.domain.sealed import sealed_fields
from hub.domain.stream import EventKind, StatusChange, Stream

Form = Literal[
    "line", "lines", "latin", "language", "ipc", "lei", "web", "text", "code", "listed", "whole", "number", "date",
    "moment", "yes_no", "entity", "center", "person",
]  # fmt: skip
STANDARDS: Final = {
    "country": tuple(sorted(COUNTRIES)),
    "currency": tuple(sorted(CURRENCIES)),
    "office": tuple(sorted(OFFICES)),
    "timezone": tuple(sorted(TIMEZONES)),
}


def _pattern(annotation: Any) -> str:
    return next(str(mark.pattern) for mark in annotation.__metadata__ if getattr(mark, "pattern", None))


_TEXT_FORMS: Final[dict[str, Form]] = {
    _pattern(LanguageTag): "language",
    _pattern(Ipc): "ipc",
    _pattern(Lei): "lei",
    _pattern(Web): "web",
    _pattern(Latin): "latin",
}
_ONE_LINE: Final = one_line(1).pattern
_MANY_LINES: Final = many_lines(1).pattern


@dataclass(frozen=True, slots=True)
class FieldFacts:
    """One field of a record.

    Shapes: path is as a mapping has it. codes are all that may stand there, `standard` the list of a standard that they
            are ("country", "currency", "office", "timezone"; None if they are our own); code_list names the list of
            HQ's. items_max is of a list, None where the field holds one value.
    """

    path: str
    form: Form
    required: bool
    chars_min: int | None = None
    chars_max: int | None = None
    least: Any = None
    below: Any = None  # the number must be less
    above: Any = None  # the number must be more
    most: Any = None
    decimals: int | None = None
    pattern: str | None = None  # of texts that have one beyond "no control characters"
    codes: tuple[str, ...] = ()
    standard: str | None = None
    code_list: str | None = None
    refers_to: str | None = None  # the stream that the id is of
    foreign: bool = False  # of another center than the own
    items_max: int | None = None


@dataclass(frozen=True, slots=True)
class StreamFacts:
    """One stream as a sheet can say it: its fields, its statuses in the order of life, its events."""

    name: str
    fields: tuple[FieldFacts, ...]
    statuses: tuple[str, ...]
    events: tuple[EventKind, ...]  # of each, the newest version
    changes: tuple[FieldFacts, ...] = ()  # what an event says that changes only the status

    def of(self, path: str) -> FieldFacts:
        """Return the facts of one field. Errors: KeyError."""
        for found in (*self.fields, *self.changes):
            if found.path == path:
                return found
        raise KeyError(path)


def facts_of(stream: Stream) -> StreamFacts:
    """Return what a person may write for a stream."""
    newest: dict[str, EventKind] = {}
    for kind in stream.events:
        newest.setdefault(kind.name, kind)
    changes = any(not kind.carries_record for kind in newest.values())
    return StreamFacts(
        stream.name,
        tuple(_fields(stream.record, stream)),
        statuses(stream),
        tuple(newest.values()),
        tuple(_fields(StatusChange, stream)) if changes else (),
    )


def _fields(model: type[BaseModel], stream: Stream, before: str = "") -> Iterator[FieldFacts]:
    sealed = sealed_fields(model)
    for name, info in model.model_fields.items():
        path = before + name
        if is_record(info.annotation):
            yield from _fields(unwrap(info.annotation), stream, f"{path}.")
        else:
            yield _field(path, info, stream, is_sealed=name in sealed)


def _field(path: str, info: FieldInfo, stream: Stream, *, is_sealed: bool) -> FieldFacts:
    items = item_type(info.annotation)
    inner = list(_marks(info.annotation if items is None else items))
    marks = [*info.metadata, *inner] if items is None else inner
    found = FieldFacts(path, _form(unwrap(info.annotation if items is None else items)), info.is_required())
    found = replace(
        found,
        chars_min=_get(marks, "min_length"),
        chars_max=_get(marks, "max_length"),
        least=_get(marks, "ge"),
        most=_get(marks, "le"),
        above=_get(marks, "gt"),
        below=_get(marks, "lt"),
        decimals=_get(marks, "decimal_places"),
        items_max=None if items is None else _get([*info.metadata, *_marks(info.annotation)], "max_length"),
        foreign=path in stream.foreign_fields,
    )
    codes = next((mark for mark in marks if isinstance(mark, OneOf)), None)
    if is_sealed:
        return replace(found, form="person", chars_max=None)
    if path in stream.references:
        return replace(found, form="entity", refers_to=stream.references[path])
    if path in stream.network_fields:
        return replace(found, form="center")
    if path in stream.code_list_fields:
        return replace(found, form="listed", code_list=stream.code_list_fields[path])
    if codes is not None:
        standard = next((name for name, known in STANDARDS.items() if known == codes.codes), None)
        return replace(found, form="code", codes=codes.codes, standard=standard)
    if found.form == "text":
        pattern = _get(marks, "pattern")
        form = _text_form(pattern)
        return replace(found, form=form, pattern=None if form in ("line", "lines") else pattern)
    return found


def _form(kind: Any) -> Form:
    if kind is Decimal:
        return "number"
    if kind is bool:
        return "yes_no"
    if kind is int:
        return "whole"
    if kind is dt.datetime:
        return "moment"
    return "date" if kind is dt.date else "text"


def _text_form(pattern: str | None) -> Form:
    if pattern is None:
        return "text"
    if pattern in (_ONE_LINE, _MANY_LINES):
        return "line" if pattern == _ONE_LINE else "lines"
    return _TEXT_FORMS.get(pattern, "text")


def _marks(annotation: Any) -> Iterator[Any]:
    """Yield the marks of a type and of a union's branches, not those of a list's items."""
    for mark in getattr(annotation, "__metadata__", ()):
        yield from mark.metadata if isinstance(mark, FieldInfo) else (mark,)
    if get_origin(annotation) is not list:
        for part in get_args(annotation):
            if get_args(part):
                yield from _marks(part)


def _get(marks: list[Any], name: str) -> Any:
    return next((found for mark in marks if (found := getattr(mark, name, None)) is not None), None)
