"""`python -m schemas.fields`: write docs/fields.md, which says of every stream what a sheet may say of it.

What `connector fields` prints and what stands in a template are the same texts: they are made here.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from connectors.mapping.path import mapped_streams
from connectors.propose.facts import STANDARDS, FieldFacts, StreamFacts, facts_of
from hub.domain.stream import EventKind
from schemas.words import LANGUAGES, Language, stream_words, words

TARGET: Final = Path(__file__).parents[1] / "docs" / "fields.md"
_HEAD: Final = """\
# Fields
What a sheet may say of every stream: its fields, the codes and statuses that there are, and what leads from one status
to the next. `connector fields` prints the same in the office's language, and `connector template` makes a sheet of it.
The texts are those of `schemas/<stream>/words.toml`; this page is written by `python -m schemas.fields`.
"""


def form_text(facts: FieldFacts, language: Language) -> str:
    """Return how a cell of this field is written."""
    said = words("fields")
    if facts.standard is not None:
        text = said.say(f"standards.{facts.standard}", language)
    elif facts.form == "entity":
        title = stream_words()[facts.refers_to or ""].say("title", language)
        text = said.say("forms.entity_foreign" if facts.foreign else "forms.entity", language, stream=title)
    else:
        text = said.say(
            f"forms.{facts.form}",
            language,
            max=facts.chars_max,
            list=facts.code_list,
            decimals=facts.decimals,
            bounds=_bounds(facts, language),
        )
    if facts.items_max is None:
        return text
    return f"{text}; {said.say('list', language, max=facts.items_max)}"


def code_words(stream: str, facts: FieldFacts, language: Language) -> dict[str, str]:
    """Return our own codes of a field, each with what it is called; nothing for the codes of a standard."""
    if not facts.codes or facts.standard is not None:
        return {}
    known = stream_words()[stream].group(f"codes.{facts.path}", language)
    return {code: known[code] for code in facts.codes}


def field_name(stream: str, path: str, language: Language) -> str:
    """Return what a field is called."""
    return stream_words()[stream].say(f"fields.{path}", language)


def explanation(stream: str, path: str, language: Language) -> str:
    """Return what a field means, in one line."""
    return stream_words()[stream].say(f"explanations.{path}", language)


def status_name(stream: str, status: str | None, language: Language) -> str:
    """Return what a status is called; None is an entity that does not exist yet."""
    if status is None:
        return words("fields").say("begins", language)
    return stream_words()[stream].say(f"statuses.{status}", language)


def event_rows(facts: StreamFacts, language: Language) -> list[tuple[str, str, str, str]]:
    """Return each event with the statuses before and after it, and what it says."""
    said = words("fields")
    rows = []
    for kind in facts.events:
        before = ", ".join(status_name(facts.name, status, language) for status in _in_order(kind, facts))
        after = (
            status_name(facts.name, kind.status_after, language) if kind.status_after else said.say("same", language)
        )
        name = stream_words()[facts.name].say(f"events.{kind.name}", language)
        rows.append((name, before, after, _says(kind, facts, language)))
    return rows


def plain(facts: StreamFacts, language: Language) -> dict[str, Any]:
    """Return all that is said of a stream, as JSON has it."""
    return {
        "stream": facts.name,
        "title": stream_words()[facts.name].say("title", language),
        "fields": [_plain_field(facts.name, field, language) for field in facts.fields],
        "statuses": {status: status_name(facts.name, status, language) for status in facts.statuses},
        "events": [
            {
                "event": kind.name,
                "type": kind.type,
                "name": stream_words()[facts.name].say(f"events.{kind.name}", language),
                "from": list(_in_order(kind, facts)),
                "to": kind.status_after,
                "carries_record": kind.carries_record,
            }
            for kind in facts.events
        ],
        "changes": [_plain_field(facts.name, field, language) for field in facts.changes],
    }


def page() -> str:
    """Return docs/fields.md."""
    return _HEAD + "".join(_section(facts_of(stream)) for stream in mapped_streams()) + _standards()


def _plain_field(stream: str, facts: FieldFacts, language: Language) -> dict[str, Any]:
    rules = {
        "least": facts.least,
        "most": facts.most,
        "above": facts.above,
        "below": facts.below,
        "decimals": facts.decimals,
        "chars_min": facts.chars_min,
        "chars_max": facts.chars_max,
        "pattern": facts.pattern,
        "items_max": facts.items_max,
        "standard": facts.standard,
        "code_list": facts.code_list,
        "refers_to": facts.refers_to,
    }
    return {
        "field": facts.path,
        "name": field_name(stream, facts.path, language),
        "explanation": explanation(stream, facts.path, language),
        "required": facts.required,
        "type": facts.form,
        "form": form_text(facts, language),
        **{name: value for name, value in rules.items() if value is not None},
        **({"codes": code_words(stream, facts, language) or list(facts.codes)} if facts.codes else {}),
    }


def _bounds(facts: FieldFacts, language: Language) -> str:
    said = words("fields")
    found = [
        said.say(f"bounds.{name}", language, n=_shown(bound))
        for name in ("least", "above", "most", "below")
        if (bound := getattr(facts, name)) is not None
    ]
    return ", ".join(found)


def _shown(bound: Any) -> str:
    if isinstance(bound, dt.date):
        return bound.isoformat()
    # A year is no sum: only numbers that nobody could count the digits of are grouped.
    return f"{bound:,}".replace(",", "\u202f") if abs(bound) >= 100_000 else str(bound)


def _in_order(kind: EventKind, facts: StreamFacts) -> Iterator[str | None]:
    yield from (status for status in (None, *facts.statuses) if status in kind.legal_in)


def _says(kind: EventKind, facts: StreamFacts, language: Language) -> str:
    said = words("fields")
    if kind.carries_record:
        return said.say("whole_record", language)
    if not facts.changes:
        return said.say("no_more", language)
    names = ", ".join(field_name(facts.name, field.path, language) for field in facts.changes)
    return said.say("only_change", language, fields=names)


def _section(facts: StreamFacts) -> str:
    title = stream_words()[facts.name]
    said = ", ".join(title.say("title", language) for language in LANGUAGES)
    parts = [f"\n## `{facts.name}`: {said}\n", *_fields(facts), *_codes(facts), *_events(facts)]
    return "".join(parts)


def _fields(facts: StreamFacts) -> Iterator[str]:
    yield "| field | required | " + " | ".join(LANGUAGES) + " |\n|---|---|---|---|---|\n"
    for field in facts.fields:
        yield _row(facts, field, "yes" if field.required else "")
    if facts.changes:
        yield "\nWhat an event that changes only the status may say beside it:\n\n"
        yield "| setting | required | " + " | ".join(LANGUAGES) + " |\n|---|---|---|---|---|\n"
        for field in facts.changes:
            yield _row(facts, field, "")


def _row(facts: StreamFacts, field: FieldFacts, needed: str) -> str:
    cells = [
        f"**{field_name(facts.name, field.path, language)}**: {explanation(facts.name, field.path, language)} "
        f"({form_text(field, language)})"
        for language in LANGUAGES
    ]
    return f"| `{field.path}` | {needed} | " + " | ".join(cells).replace("\n", " ") + " |\n"


def _codes(facts: StreamFacts) -> Iterator[str]:
    own = [field for field in facts.fields if field.codes and field.standard is None]
    if own:
        yield "\n| field | code | " + " | ".join(LANGUAGES) + " |\n|---|---|---|---|---|\n"
    for field in own:
        said = {language: code_words(facts.name, field, language) for language in LANGUAGES}
        for code in field.codes:
            texts = " | ".join(said[language][code] for language in LANGUAGES)
            yield f"| `{field.path}` | `{code}` | {texts} |\n"


def _events(facts: StreamFacts) -> Iterator[str]:
    yield "\n| status | " + " | ".join(LANGUAGES) + " |\n|---|---|---|---|\n"
    for status in facts.statuses:
        yield f"| `{status}` | " + " | ".join(status_name(facts.name, status, each) for each in LANGUAGES) + " |\n"
    yield "\n| event | from | to | says |\n|---|---|---|---|\n"
    for kind in facts.events:
        before = ", ".join(f"`{status}`" if status else "new" for status in _in_order(kind, facts))
        after = f"`{kind.status_after}`" if kind.status_after else "same"
        yield f"| `{kind.name}` | {before} | {after} | {_says(kind, facts, 'en')} |\n"


def _standards() -> str:
    used = {field.standard for stream in mapped_streams() for field in facts_of(stream).fields}
    parts = ["\n## Codes of standards\n"]
    for name, codes in STANDARDS.items():
        if name in used:
            texts = "; ".join(words("fields").say(f"standards.{name}", language) for language in LANGUAGES)
            parts.append(f"\n**{texts}**: {' '.join(codes)}\n")
    return "".join(parts)


if __name__ == "__main__":
    TARGET.write_text(page(), encoding="utf-8", newline="\n")
