"""A mapping as it is made, and as the YAML that says it, with a reason beside each setting. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

_PLAIN: Final = re.compile(r"[^\W_][\w .()/№-]*", re.UNICODE)
_NOTHING: Final = frozenset({"null", "Null", "NULL"})
_WIDTH: Final = 110


@dataclass(frozen=True, slots=True)
class SourceDraft:
    """Where one value comes from; `why` stands beside it as a comment.

    Shapes: exactly one of column and value is given.
    """

    column: str | None = None
    value: str | None = None
    split: str | None = None
    table: Mapping[str, str] | None = None
    prefix: str | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class PersonDraft:
    """A person: the columns that tell them from others, and what is sealed of them, by name."""

    id: tuple[str, ...]
    parts: Mapping[str, str]
    why: str = ""


@dataclass(frozen=True, slots=True)
class Draft:
    """A mapping of which each part is decided or left out.

    Shapes: `head` are comment lines before everything; `questions` are what nobody has answered: the connector
            takes no sheet by a mapping that has any. `left_out` are columns that nothing is read from.
    """

    files: tuple[str, ...]
    stream: str
    key: tuple[str, ...] = ()
    key_why: str = ""
    fields: Mapping[str, SourceDraft] = field(default_factory=dict)
    persons: Mapping[str, PersonDraft] = field(default_factory=dict)
    settings: Mapping[str, SourceDraft] = field(default_factory=dict)  # status, reason, effective_on, occurred_at
    format: Mapping[str, str] = field(default_factory=dict)
    format_why: str = ""
    head: tuple[str, ...] = ()
    questions: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    raw: tuple[str, ...] = ()  # whole lines of settings that have no other place here


def to_yaml(draft: Draft) -> str:
    """Return the mapping as YAML that `read_mapping` takes."""
    return "\n".join(_lines(draft)) + "\n"


def scalar(text: str) -> str:
    """Return a text as YAML has it: plain where nothing in it could be taken for anything else."""
    if _PLAIN.fullmatch(text) and text == text.strip() and text not in _NOTHING:
        return text
    quoted = json.dumps(text, ensure_ascii=False)
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in quoted)


def _lines(draft: Draft) -> Iterator[str]:
    yield from (f"# {line}".rstrip() for line in draft.head)
    if draft.questions:
        yield "questions:"
        yield from (f"  - {scalar(question)}" for question in draft.questions)
    yield f"files: {_list(draft.files)}"
    yield f"stream: {draft.stream}"
    if draft.key:
        key = scalar(draft.key[0]) if len(draft.key) == 1 else _list(draft.key)
        yield _beside(f"key: {key}", draft.key_why)
    yield "fields:"
    for path, source in draft.fields.items():
        yield _beside(f"  {path}: {_source(source)}", source.why)
    if draft.persons:
        yield "persons:"
    for name, person in draft.persons.items():
        yield _beside(f"  {name}:", person.why)
        yield f"    id: {_list(person.id)}"
        yield from (f"    {part}: {scalar(column)}" for part, column in person.parts.items())
    for name, source in draft.settings.items():
        yield _beside(f"{name}: {_source(source)}", source.why)
    yield from draft.raw
    if draft.format:
        said = ", ".join(f"{name}: {scalar(value)}" for name, value in draft.format.items())
        yield _beside(f"format: {{{said}}}", draft.format_why)
    yield from (f"# {line}" for line in draft.left_out)


def _source(source: SourceDraft) -> str:
    parts = (
        [f"value: {scalar(source.value)}"] if source.value is not None else [f"column: {scalar(source.column or '')}"]
    )
    for name in ("split", "prefix"):
        given = getattr(source, name)
        if given is not None:
            parts.append(f"{name}: {scalar(given)}")
    if source.table:
        parts.append("table: {" + ", ".join(f"{scalar(k)}: {scalar(v)}" for k, v in source.table.items()) + "}")
    return "{" + ", ".join(parts) + "}"


def _list(texts: Sequence[str]) -> str:
    return "[" + ", ".join(map(scalar, texts)) + "]"


def _beside(line: str, why: str) -> str:
    """Return a line with its comment; a line of text may hold no line break."""
    return f"{line}   # {' '.join(why.split())}" if why else line
