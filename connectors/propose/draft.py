"""A mapping as it is made, and as the YAML that says it, with a reason beside each setting. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

_PLAIN: Final = re.compile(r"[^\W_][\w .()/№-]*", re.UNICODE)
_NOTHING: Final = frozenset({"null", "Null", "NULL"})
NO_WHYS: Final[Mapping[str, str]] = MappingProxyType({})
NO_BLANKS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class SourceDraft:
    """Where one value comes from. Shapes: exactly one of column, columns and value is given."""

    column: str | None = None
    columns: tuple[str, ...] = ()  # joined by `join`
    join: str = ":"
    value: str | None = None
    split: str | None = None
    table: Mapping[str, str] | None = None
    prefix: str | None = None
    blanks: tuple[str, ...] = ()
    reading: Mapping[str, str] = field(default_factory=dict)  # decimal, date_order and the like


@dataclass(frozen=True, slots=True)
class PersonDraft:
    """A person: the columns that tell them from others, what is sealed of them, by name, and what means nothing.

    Shapes: blanks are by column.
    """

    id: tuple[str, ...]
    parts: Mapping[str, str]
    blanks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RowsDraft:
    """Rows that are named by what stands in a column."""

    column: str
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Draft:
    """A mapping of which each part is decided or left out.

    Shapes: `head` are comment lines before everything; `questions` are what nobody has answered: the connector
            takes no sheet by a mapping that has any. `left_out` are columns that nothing is read from.
    """

    files: tuple[str, ...]
    stream: str
    key: tuple[str, ...] = ()
    fields: Mapping[str, SourceDraft] = field(default_factory=dict)
    persons: Mapping[str, PersonDraft] = field(default_factory=dict)
    settings: Mapping[str, SourceDraft] = field(default_factory=dict)  # status, reason, effective_on, occurred_at
    format: Mapping[str, str] = field(default_factory=dict)
    head: tuple[str, ...] = ()
    questions: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    todo: Mapping[str, SourceDraft] = field(default_factory=dict)  # fields that are likely, and wait for an answer
    by_path: bool = False  # the columns are JMESPaths
    more: Mapping[str, str] = field(default_factory=dict)  # settings that are one text, such as key_prefix
    skip: tuple[RowsDraft, ...] = ()
    keep: tuple[RowsDraft, ...] = ()


def file_pattern(name: str) -> str:
    """Return the pattern that fits this one name: `offers[1].xlsx` would fit offers1.xlsx, and not itself."""
    return "".join(f"[{character}]" if character in "*?[" else character for character in name)


def to_yaml(draft: Draft, whys: Mapping[str, str] = NO_WHYS) -> str:
    """Return the mapping as YAML that `read_mapping` takes; `whys` has a comment for places such as `fields.title`."""
    return "\n".join(_lines(draft, whys)) + "\n"


def scalar(text: str) -> str:
    """Return a text as YAML has it: plain where nothing in it could be taken for anything else."""
    if _PLAIN.fullmatch(text) and text == text.strip() and text not in _NOTHING:
        return text
    quoted = json.dumps(text, ensure_ascii=False)
    return "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in quoted)


def _lines(draft: Draft, whys: Mapping[str, str]) -> Iterator[str]:
    yield from map(_comment, draft.head)
    if draft.questions:
        yield "questions:"
        yield from (f"  - {scalar(question)}" for question in draft.questions)
    yield f"files: {_list(draft.files)}"
    yield f"stream: {scalar(draft.stream)}"
    if draft.key:
        yield _beside(f"key: {_columns(draft.key, draft)}", whys.get("key"))
    yield from (f"{name}: {scalar(value)}" for name, value in draft.more.items())
    yield "fields:"
    for path, source in draft.fields.items():
        yield _beside(f"  {path}: {_source(source, draft)}", whys.get(f"fields.{path}"))
    for path, source in draft.todo.items():
        yield _beside(f"  # TODO {path}: {_source(source, draft)}", whys.get(f"fields.{path}"))
    if draft.persons:
        yield "persons:"
    for name, person in draft.persons.items():
        yield _beside(f"  {name}:", whys.get(f"persons.{name}"))
        yield f"    id: {_columns(person.id, draft, person.blanks)}"
        yield from (f"    {part}: {_columns((column,), draft, person.blanks)}" for part, column in person.parts.items())
    for name, source in draft.settings.items():
        yield _beside(f"{name}: {_source(source, draft)}", whys.get(name))
    for setting in ("skip", "keep"):
        picked: tuple[RowsDraft, ...] = getattr(draft, setting)
        if picked:
            yield _beside(f"{setting}:", whys.get(setting))
        yield from (f"  - {{column: {scalar(rows.column)}, is: {_list(rows.texts)}}}" for rows in picked)
    if draft.format:
        said = ", ".join(f"{name}: {scalar(value)}" for name, value in draft.format.items())
        yield _beside(f"format: {{{said}}}", whys.get("format"))
    yield from map(_comment, draft.left_out)


def _columns(names: Sequence[str], draft: Draft, blanks: Mapping[str, tuple[str, ...]] = NO_BLANKS) -> str:
    """Return the cells of a key or a person: a name each, or a path where the sheet has no columns."""
    way, found = "path" if draft.by_path else "column", []
    for name in names:
        source = f"{way}: {scalar(name)}"
        if name in blanks:
            source += f", blanks: {_list(blanks[name])}"
        found.append(f"{{{source}}}" if draft.by_path or name in blanks else scalar(name))
    return found[0] if len(found) == 1 else f"[{', '.join(found)}]"


def _source(source: SourceDraft, draft: Draft) -> str:
    parts = [_origin(source, draft)]
    if source.columns and not draft.by_path:
        parts.append(f"join: {scalar(source.join)}")
    for name in ("split", "prefix"):
        given = getattr(source, name)
        if given is not None:
            parts.append(f"{name}: {scalar(given)}")
    parts += [f"{name}: {scalar(given)}" for name, given in source.reading.items()]
    if source.blanks:
        parts.append(f"blanks: {_list(source.blanks)}")
    if source.table:
        parts.append("table: {" + ", ".join(f"{scalar(k)}: {scalar(v)}" for k, v in source.table.items()) + "}")
    return "{" + ", ".join(parts) + "}"


def _origin(source: SourceDraft, draft: Draft) -> str:
    if source.value is not None:
        return f"value: {scalar(source.value)}"
    if source.columns and draft.by_path:
        joined = f"join('{source.join}', [{', '.join(source.columns)}])"
        return f"path: {scalar(joined)}"
    if source.columns:
        return f"columns: {_list(source.columns)}"
    return f"{'path' if draft.by_path else 'column'}: {scalar(source.column or '')}"


def _list(texts: Sequence[str]) -> str:
    return "[" + ", ".join(map(scalar, texts)) + "]"


def _beside(line: str, why: str | None) -> str:
    return f"{line}   {_comment(why)}" if why else line


def _comment(text: str) -> str:
    """Return a text as a comment: on one line, whatever a column is called."""
    return f"# {' '.join(''.join(c if c.isprintable() else ' ' for c in text).split())}".rstrip()
