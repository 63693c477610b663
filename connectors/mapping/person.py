"""Persons in a row: who it is, and what is said of them. What HQ gets instead is the caller's business.

Nothing here keeps or shows what it has read: the problems of a person's cells name the column and never the value.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from connectors.mapping.cell import BLANK, Cells, read_cell
from connectors.mapping.convert import Unfit, as_id
from connectors.mapping.model import Person
from connectors.mapping.problem import LocalCode, Problem
from connectors.mapping.reading import Setting, read_value
from connectors.source.problem import ProblemCode
from hub.domain.entity import canonical_json
from hub.domain.sealed import sealed_fields
from hub.domain.stream import Stream
from hub.protocol.verdict import Code

PART_CHARS_MAX: Final = 256
PARTS_BYTES_MAX: Final = 4096  # as JSON: sealed, it then fits the field
_BETWEEN: Final = "\x1f"  # stands in no cell's text: splitting makes a space of it


@dataclass(frozen=True, slots=True)
class PersonSaid:
    """A person as a row has them.

    Shapes: identity is `person_identity` of the cells under `id`; parts has what is to be sealed, at least one thing.
    """

    identity: str
    parts: dict[str, str]


@dataclass(frozen=True, slots=True)
class PersonField:
    """Where at HQ a sealed value stands: in a field of one entity."""

    stream: str
    subject: str
    field: str


@dataclass(frozen=True, slots=True)
class Instead:
    """What a record has in place of a person: a sealed or an erased value, or nothing; and what the office is told."""

    text: str | None
    remark: LocalCode | None = None


class SealPerson(Protocol):
    """Seals persons. For the same place and the same person with the same parts it returns the same."""

    def __call__(self, place: PersonField, person: PersonSaid) -> Instead: ...  # noqa: D102


def person_identity(parts: Sequence[str]) -> str:
    """Return what tells one person from all others; capitals, widths and runs of spaces make no difference.

    This form is stored for good: another would bring back who was erased.
    """
    return _BETWEEN.join(" ".join(unicodedata.normalize("NFKC", part).casefold().split()) for part in parts)


class PersonReader:
    """Reads the person of one field. Errors: WrongMapping on construction, if the stream seals no such field."""

    def __init__(self, field: str, person: Person, stream: Stream, setting: Setting) -> None:
        known = sealed_fields(stream.record)
        if field not in known:
            said = f"the fields are: {', '.join(known)}" if known else f"{stream.name} has none"
            raise setting.wrong(f"persons.{field}: there is no such sealed field; {said}")
        self.field = field
        self._label = " + ".join(source.label for source in person.id)
        self._id = [(source.label, read_cell(source)) for source in person.id]
        self._parts = [
            (name, source.label, read_value(source, str, setting, f"persons.{field}.{name}"))
            for name, source in person.parts.items()
        ]
        self._constant = frozenset(name for name, source in person.parts.items() if source.value is not None)

    def read(self, cells: Cells, problems: list[Problem]) -> PersonSaid | None:
        """Return the person of a row; None if it has none, or a problem."""
        found = len(problems)
        parts = self._read_parts(cells, problems)
        identity = self._read_identity(cells, problems)
        if len(problems) > found or not parts.keys() - self._constant:
            return None
        size = len(canonical_json(parts))
        if size > PARTS_BYTES_MAX:
            problems.append(Problem(self._label, self.field, Code.TOO_LONG, f"max={PARTS_BYTES_MAX} length={size}"))
            return None
        if identity is None:
            problems.append(Problem(self._label, self.field, LocalCode.NO_PERSON, ""))
            return None
        return PersonSaid(identity, parts)

    def remark(self, code: LocalCode) -> Problem:
        """Return what the office is told of this person."""
        return Problem(self._label, self.field, code, "")

    def _read_parts(self, cells: Cells, problems: list[Problem]) -> dict[str, str]:
        parts = {}
        for name, label, read in self._parts:
            try:
                value = read(cells)
            except Unfit as exc:
                problems.append(Problem(label, self.field, exc.code, ""))
                continue
            if value is BLANK or not value:
                continue
            if len(value) > PART_CHARS_MAX:
                problems.append(Problem(label, self.field, Code.TOO_LONG, f"max={PART_CHARS_MAX} length={len(value)}"))
            elif not _is_text(value):
                problems.append(Problem(label, self.field, ProblemCode.UNREADABLE_BYTES, ""))
            else:
                parts[name] = value
        return parts

    def _read_identity(self, cells: Cells, problems: list[Problem]) -> str | None:
        """Return who it is; None if the cells are empty, or one of several is."""
        texts = []
        for label, read in self._id:
            try:
                cell = read(cells)
                text = "" if cell is BLANK else as_id(cell)
            except Unfit as exc:
                problems.append(Problem(label, self.field, exc.code, ""))
                continue
            if not _is_text(text):
                problems.append(Problem(label, self.field, ProblemCode.UNREADABLE_BYTES, ""))
            texts.append(text)
        return person_identity(texts) if all(texts) else None


def _is_text(value: str) -> bool:
    """Return whether UTF-8 can spell it: JSON can spell half a character."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
