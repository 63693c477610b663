"""A mapping as its YAML says it: data only, read by a loader that makes nothing but text, lists and tables.

YAML's own guesses would change what an office wrote: `no` (Norway) becomes false, `010` eight, `1.10` a float. So every
scalar is text here, and the field it goes to decides how the text is read.
"""

from __future__ import annotations

import re
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Annotated, Any, Final

import jmespath
import yaml
from jmespath.exceptions import JMESPathError
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator

from connectors.mapping.fault import WrongMapping
from connectors.mapping.selection import Selection
from connectors.mapping.shown_columns import shown_columns
from connectors.source.folding import fold
from connectors.source.header import clean_name
from connectors.source.table import FormatOptions, Notation
from hub.protocol.errors import UsageError
from hub.protocol.plain_yaml import BoundedLoader, load_yaml

MAPPING_CHARS_MAX: Final = 1024 * 1024
PARTS_MAX: Final = 12
_OFFSET: Final = re.compile(r"[+-](?:0\d|1[0-4]):[0-5]\d")
_KEY_PREFIX: Final = re.compile(r"[!-$&-{}]{0,40}")  # what `key.py` never writes for its own marks: no % | ~

# Stands for what a mapping with open questions leaves out; nothing is ever read by it.
_UNFINISHED: Final[dict[str, Any]] = {"key": "?", "fields": {"?": {"value": "?"}}}
_PART: Final = re.compile(r"[a-z][a-z0-9_]{0,31}")


def _one_or_more(value: Any) -> Any:
    return [value] if isinstance(value, str | dict) else value


Names = Annotated[tuple[str, ...], BeforeValidator(_one_or_more)]


class Source(Notation):
    """Where one value comes from, and what happens to it on the way.

    Exactly one of `column`, `columns` (joined by `join`), `path` (JMESPath, for JSON lines) and `value` (the same for
    every row). Then, in this order: a text in `blanks` counts as empty; an empty one becomes `default`; `split` makes a
    list; `table` replaces each value, and one that it does not have is a problem of that row; `prefix` precedes the
    key in a field that names another entity.

    What a `Notation` says, and `factor` and `round`, is for fields that hold numbers or dates: a number is multiplied
    by `factor` (10000 where a column counts in ten thousands), then rounded to `round` decimals, a half away from zero.
    """

    column: str | None = Field(default=None, min_length=1)
    columns: tuple[str, ...] | None = Field(default=None, min_length=1)
    path: str | None = Field(default=None, min_length=1)
    value: str | tuple[str, ...] | None = None
    join: str = " "
    split: str | None = Field(default=None, min_length=1)
    table: dict[str, str | tuple[str, ...]] | None = Field(default=None, min_length=1)
    blanks: Names = ()
    default: str | tuple[str, ...] | None = None
    optional: bool = False  # the column may be missing from the sheet as a whole
    prefix: str = ""
    factor: Decimal | None = Field(default=None, gt=0, le=Decimal(10) ** 12, allow_inf_nan=False)
    round: int | None = Field(default=None, ge=0, le=10)

    @field_validator("column")
    @classmethod
    def _clean_column(cls, value: str | None) -> str | None:
        return clean_name(value) if value else value

    @field_validator("columns")
    @classmethod
    def _clean_columns(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        return tuple(clean_name(name) for name in value) if value else value

    @field_validator("path")
    @classmethod
    def _compiles(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                jmespath.compile(value)
            except JMESPathError as exc:
                raise ValueError(f"no JMESPath expression: {str(exc).splitlines()[0]}") from exc
        return value

    @model_validator(mode="after")
    def _one_origin(self) -> Source:
        given = [n for n in ("column", "columns", "path", "value") if getattr(self, n) is not None]
        if len(given) != 1:
            came = " and ".join(given) or "none of them"
            raise ValueError(f"expected exactly one of column, columns, path, value; came {came}")
        return self

    @property
    def used_columns(self) -> tuple[str, ...]:
        """The columns that the value is read from; none for a path or a constant."""
        if self.column is not None:
            return (self.column,)
        return self.columns or ()

    @property
    def notation(self) -> Notation:
        """How this source's numbers and dates are written, as far as it says so."""
        return Notation(decimal=self.decimal, date_order=self.date_order, time=self.time, year_pivot=self.year_pivot)

    @property
    def reading_settings(self) -> tuple[str, ...]:
        """The names of those settings that say how a number or a date is read."""
        return tuple(name for name in (*Notation.model_fields, "factor", "round") if getattr(self, name) is not None)

    @property
    def label(self) -> str:
        """What a person should look at in the sheet."""
        return " + ".join(self.used_columns) or self.path or ""


def _key_sources(value: Any) -> Any:
    return [{"column": v} if isinstance(v, str) else v for v in _one_or_more(value)] if value else value


def _column_source(value: Any) -> Any:
    return {"column": value} if isinstance(value, str) else value


class Person(BaseModel):
    """What a row says of a person: `id` tells them from everybody else, all other settings are what is sealed of them.

    The parts have the names that they are given here (`name`, `email`, `phone`, `role` ...); HQ never sees them.
    """

    model_config = ConfigDict(frozen=True, extra="allow")
    __pydantic_extra__: dict[str, Annotated[Source, BeforeValidator(_column_source)]] = Field(init=False)

    id: Annotated[tuple[Source, ...], BeforeValidator(_key_sources)] = Field(min_length=1, max_length=4)

    @field_validator("id")
    @classmethod
    def _id_from_the_row(cls, value: tuple[Source, ...]) -> tuple[Source, ...]:
        for source in value:
            if source.value is not None or source.default is not None or source.optional:
                raise ValueError("a person is told from others by the row: expected column or path, without default")
        return value

    @model_validator(mode="after")
    def _has_parts(self) -> Person:
        if not 1 <= len(self.parts) <= PARTS_MAX:
            raise ValueError(f"expected 1 to {PARTS_MAX} things to seal beside id, such as name and email")
        for name in self.parts:
            if not _PART.fullmatch(name):
                raise ValueError(f"expected names of a-z, 0-9 and _, came {name!r}")
        return self

    @property
    def parts(self) -> dict[str, Source]:
        """What is sealed, by name."""
        return self.__pydantic_extra__

    def sources(self) -> list[tuple[str, Source]]:
        """Return every source with the place of it below this person."""
        return [*((f"id.{index}", source) for index, source in enumerate(self.id)), *self.parts.items()]


class Mapping(BaseModel):
    """How the rows of some files become wanted states of one stream.

    `key` finds the entity and is required: an id never derives from a row number or from chance. `utc_offset` is that
    of times which name none. `reason` and `effective_on` are what a status-only event says (why, and on which day).
    `skip` names rows that are no data, `keep` those that are though they look like a total or a header. `persons` are
    by the field that they are sealed in; what a person is read from may serve nothing else. `questions` are what nobody
    has answered yet: while there are any, no sheet is taken by this mapping.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    files: Names = Field(min_length=1)
    stream: str = Field(min_length=1)
    key: Annotated[tuple[Source, ...], BeforeValidator(_key_sources)] = Field(min_length=1, max_length=8)
    key_prefix: str = ""
    fields: dict[str, Source] = Field(min_length=1)
    persons: dict[str, Person] = Field(default_factory=dict)
    status: Source | None = None
    occurred_at: Source | None = None
    reason: Source | None = None
    effective_on: Source | None = None
    utc_offset: str = "+00:00"
    skip: Annotated[tuple[Selection, ...], BeforeValidator(_one_or_more)] = ()
    keep: Annotated[tuple[Selection, ...], BeforeValidator(_one_or_more)] = ()
    format: FormatOptions = FormatOptions()
    questions: Names = ()
    name: str = Field(default="", exclude=True)  # of the mapping file, for messages

    @field_validator("files")
    @classmethod
    def _only_names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in value:
            if not pattern or "/" in pattern or "\\" in pattern:
                raise ValueError(f"expected a file name or a pattern such as offers*.xlsx, came {pattern!r}")
        return value

    @field_validator("key_prefix")
    @classmethod
    def _plain_prefix(cls, value: str) -> str:
        if not _KEY_PREFIX.fullmatch(value):
            raise ValueError(f"expected up to 40 visible ASCII characters but no % | ~, came {value!r}")
        return value

    @field_validator("utc_offset")
    @classmethod
    def _is_offset(cls, value: str) -> str:
        if not _OFFSET.fullmatch(value):
            raise ValueError(f"expected an offset such as +05:00, came {value!r}")
        return value

    @field_validator("key")
    @classmethod
    def _key_from_the_row(cls, value: tuple[Source, ...]) -> tuple[Source, ...]:
        for source in value:
            if source.value is not None or source.default is not None or source.optional:
                raise ValueError("a key comes from the row: expected column or path, without default or optional")
            if source.reading_settings:
                raise ValueError(f"a key is a text as it stands: {source.reading_settings[0]} says nothing to it")
        return value

    @model_validator(mode="after")
    def _persons_stand_alone(self) -> Mapping:
        personal: dict[str, str] = {}
        for name, person in self.persons.items():
            for place, source in person.sources():
                personal |= dict.fromkeys(_origins(source), f"persons.{name}.{place}")
        for place, source in self._open_sources():
            for origin in _origins(source):
                if origin in personal:
                    raise ValueError(
                        f"{origin!r} is used by {personal[origin]} and by {place}: what is a person's is sealed, "
                        "and may not be sent in the clear as well"
                    )
        return self

    def matches(self, file_name: str) -> bool:
        """Return whether this mapping is for a file of that name.

        Capitals do not matter, as on Windows, nor how letters are composed, as a Mac does it, nor what nobody sees.
        """
        name = fold(file_name)
        return any(fnmatchcase(name, fold(pattern)) for pattern in self.files)

    def sources(self) -> tuple[tuple[str, Source], ...]:
        """Return every source with the place of it in the YAML."""
        personal = [
            (f"persons.{name}.{place}", source) for name, one in self.persons.items() for place, source in one.sources()
        ]
        return (*self._open_sources(), *personal)

    def _open_sources(self) -> tuple[tuple[str, Source], ...]:
        """Return the sources of all that HQ can read."""
        found = [(f"key.{index}", source) for index, source in enumerate(self.key)]
        found += [(f"fields.{name}", source) for name, source in self.fields.items()]
        for name in ("status", "occurred_at", "reason", "effective_on"):
            source = getattr(self, name)
            if source is not None:
                found.append((name, source))
        return tuple(found)

    def column_of(self, field: str) -> str:
        """Return what a person looks at for a field path of HQ's (`technology_keywords.0`); "" if nothing is mapped."""
        if field == "ce_time":
            return self.occurred_at.label if self.occurred_at else ""
        if field in self.persons:
            return self.persons[field].id[0].label
        path = field
        while path and path not in self.fields:
            path = path.rpartition(".")[0]
        named = self.fields.get(path) or (getattr(self, field) if field in ("reason", "effective_on") else None)
        return named.label if named else ""

    @property
    def picking_columns(self) -> frozenset[str]:
        """The columns by which rows are skipped or kept."""
        return frozenset(one.column for one in (*self.skip, *self.keep) if one.column is not None)

    def format_options(self) -> FormatOptions:
        """Return what the source needs to know: the form, and which columns are used, so that others harm no row."""
        sources = self.sources()
        columns = frozenset(name for _, source in sources for name in source.used_columns) | self.picking_columns
        needed = frozenset(name for _, source in sources for name in source.used_columns if not source.optional)
        if any(source.path is not None for _, source in sources):
            return self.format.model_copy(update={"has_persons": bool(self.persons)})
        known = {
            "has_persons": bool(self.persons),
            "columns": self.format.columns or columns,
            "columns_needed": needed,
            "columns_shown": shown_columns(self.stream, sources),
        }
        return self.format.model_copy(update=known)


def _origins(source: Source) -> tuple[str, ...]:
    """Return what a value is read from, so that two sources that read the same can be told."""
    return source.used_columns or ((source.path,) if source.path is not None else ())


class _TextLoader(BoundedLoader):
    """The safe loader without YAML's guesses: scalars are text, an empty one is nothing, a repeated key an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002  PyYAML's signature
        self.flatten_mapping(node)
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(None, None, "expected a text as a key", key.start_mark)
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{key.value!r} stands twice", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


_GUESSED: Final = ("bool", "int", "float", "timestamp", "value")
_TextLoader.yaml_implicit_resolvers = {
    first: [(tag, form) for tag, form in resolvers if tag.rpartition(":")[2] not in _GUESSED]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def load_text_yaml(text: str, name: str) -> Any:
    """Return what a YAML text says, every scalar as text.

    Errors: UsageError with the line.
    """
    if len(text) > MAPPING_CHARS_MAX:
        raise UsageError(f"{name}: expected at most {MAPPING_CHARS_MAX} characters, came {len(text)}")
    try:
        return load_yaml(text, _TextLoader)
    except yaml.MarkedYAMLError as exc:
        line = f", line {exc.problem_mark.line + 1}" if exc.problem_mark else ""
        raise UsageError(f"{name}{line}: {exc.problem or 'no valid YAML'}") from exc
    except yaml.YAMLError as exc:
        raise UsageError(f"{name}: no valid YAML: {' '.join(str(exc).split())[:200]}") from exc


def all_errors(exc: ValidationError, name: str) -> WrongMapping:
    """Return a model's errors, each with its YAML path and what was expected."""
    reasons = []
    for error in exc.errors(include_url=False):
        place = ".".join(str(part) for part in error["loc"]) or "the whole file"
        said = error["msg"].removeprefix("Value error, ")
        if error["type"] == "extra_forbidden":
            said = "there is no such setting"
        elif error["type"] == "missing":
            said = "is required"
        reasons.append(f"{place}: {said}")
    return WrongMapping(name, reasons)


def read_mapping(text: str, name: str) -> Mapping:
    """Return the mapping that a YAML text says; `name` stands in messages.

    Errors: UsageError with all errors and their YAML paths. Whether the stream has the fields `compile_mapping` sees.
    """
    data = load_text_yaml(text, name)
    if not isinstance(data, dict):
        raise UsageError(f"{name}: expected settings such as files, stream, key and fields")
    if data.get("questions"):
        # It is not whole, and says so: it must stop its own sheets alone, and no others.
        data = _UNFINISHED | {place: said for place, said in data.items() if said is not None}
    try:
        return Mapping.model_validate({**data, "name": name})
    except ValidationError as exc:
        raise all_errors(exc, name) from exc
