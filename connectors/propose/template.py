"""A sheet that needs no mapping work: its columns, what each takes, and the mapping that reads it. Pure.

What stands in the sheet are words of one language, and the mapping's tables make codes of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from connectors.propose.draft import Draft, PersonDraft, SourceDraft, file_pattern
from connectors.propose.facts import FieldFacts, StreamFacts

BETWEEN: Final = ";"  # stands between the entries of a list
PERSON_PARTS: Final = ("name", "email", "phone", "role")  # of a person
PERSON_ID: Final = "email"
# Suggested, not required: whatever BCP 47 has is taken.
LANGUAGE_TAGS: Final = ("ru", "uz", "kk", "ky", "tg", "tk", "be", "ur", "zh", "en")
KEY: Final = "key"
STATUS: Final = "status"
CellKind = Literal["text", "date", "number", "whole", "moment"]
_KINDS: Final[dict[str, CellKind]] = {"date": "date", "number": "number", "whole": "whole", "moment": "moment"}


@dataclass(frozen=True, slots=True)
class TemplateWords:
    """What a template says, in one language.

    Shapes: names are by field path, and have `key` and `status` too; codes are by field path, then by code; parts are
            what a person's parts are called.
    """

    names: Mapping[str, str]
    codes: Mapping[str, Mapping[str, str]]
    statuses: Mapping[str, str]
    parts: Mapping[str, str]
    decimal: str
    date_order: str


@dataclass(frozen=True, slots=True)
class TemplateColumn:
    """One column: where it goes (`place`), what a cell of it is, and what may be chosen.

    Shapes: place is a field path, `key`, `status`, or `<field>.<part>` of a person. only_choices means that nothing
            else is right; a list takes several choices, so that no drop-down could check them.
    """

    place: str
    header: str
    facts: FieldFacts | None
    kind: CellKind = "text"
    required: bool = False
    choices: tuple[str, ...] = ()
    only_choices: bool = False
    part: str | None = None


def columns(facts: StreamFacts, words: TemplateWords) -> tuple[TemplateColumn, ...]:
    """Return a template's columns: the number first, then the status, what is required, and what may be empty."""
    statuses = tuple(words.statuses[status] for status in facts.statuses)
    fixed = (
        TemplateColumn(KEY, capital(words.names[KEY]), None, required=True),
        TemplateColumn(STATUS, capital(words.names[STATUS]), None, required=True, choices=statuses, only_choices=True),
    )
    fields = sorted(facts.fields, key=lambda field: not field.required)
    changes = [change for change in facts.changes if change.path not in {field.path for field in facts.fields}]
    return (*fixed, *(made for field in (*fields, *changes) for made in _columns(field, words)))


def mapping(facts: StreamFacts, words: TemplateWords, file_name: str, sheet: str, head: tuple[str, ...] = ()) -> Draft:
    """Return the mapping that reads a filled-in template."""
    headers = {column.place: column.header for column in columns(facts, words)}
    fields = {field.path: _source(field, headers, words) for field in facts.fields if field.form != "person"}
    persons = {
        field.path: PersonDraft(
            (headers[f"{field.path}.{PERSON_ID}"],), {part: headers[f"{field.path}.{part}"] for part in PERSON_PARTS}
        )
        for field in facts.fields
        if field.form == "person"
    }
    status = SourceDraft(headers[STATUS], table={words.statuses[status]: status for status in facts.statuses})
    changes = {change.path: SourceDraft(headers[change.path]) for change in facts.changes}
    return Draft(
        files=(file_pattern(file_name),),
        stream=facts.name,
        key=(headers[KEY],),
        fields=fields,
        persons=persons,
        settings={STATUS: status, **changes},
        format={"sheet": sheet, "header_row": "1", "decimal": words.decimal, "date_order": words.date_order},
        head=head,
    )


def _columns(field: FieldFacts, words: TemplateWords) -> Iterator[TemplateColumn]:
    name = capital(words.names[field.path])
    if field.form == "person":
        for part in PERSON_PARTS:
            yield TemplateColumn(f"{field.path}.{part}", f"{name}: {words.parts[part]}", field, part=part)
        return
    own = words.codes.get(field.path, {})
    choices = tuple(own[code] for code in field.codes) if own else field.codes
    only = bool(choices) and field.items_max is None
    if field.form == "language":
        choices = LANGUAGE_TAGS
    yield TemplateColumn(
        field.path, name, field, _KINDS.get(field.form, "text"), field.required, choices, only_choices=only
    )


def _source(field: FieldFacts, headers: Mapping[str, str], words: TemplateWords) -> SourceDraft:
    own = words.codes.get(field.path)
    return SourceDraft(
        headers[field.path],
        split=BETWEEN if field.items_max is not None else None,
        table={own[code]: code for code in field.codes} if own else None,
    )


def capital(text: str) -> str:
    """Return a name as the header of a column or the name of a worksheet begins."""
    return text[:1].upper() + text[1:]
