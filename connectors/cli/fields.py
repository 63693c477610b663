"""`connector fields`: what a sheet may say of each stream, in the office's language."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from connectors.cli.office import Json, OfficeFolder
from hub.base.output import as_json, line, table
from hub.protocol.errors import Malformed

if TYPE_CHECKING:
    from connectors.propose.facts import FieldFacts, StreamFacts
    from hub.domain.stream import Stream
    from schemas.words import Language

LanguageOption = Annotated[
    str | None, typer.Option("--language", help="zh, en or ru. Default: the office's, from connector.yaml.")
]


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(fields)


def fields(
    stream: Annotated[str | None, typer.Argument(help="A stream, such as offer; without one, all are listed.")] = None,
    language: LanguageOption = None,
    office: OfficeFolder = Path(),
    json: Json = False,
) -> None:
    """Show what a sheet may say: every field, whether it is required, its form and codes, the statuses and their life.

    docs/fields.md has all of it in three languages.

    Examples:

      connector fields

      connector fields offer --language ru

      connector fields partner --json
    """
    from connectors.propose.facts import facts_of
    from schemas.fields import plain

    chosen = language_of(language, office)
    found = [facts_of(known) for known in streams_named(stream)]
    if json:
        shown = [plain(facts, chosen) for facts in found]
        as_json(shown if stream is None else shown[0])
    elif stream is None:
        _list(found, chosen)
    else:
        _show(found[0], chosen)


def language_of(wanted: str | None, office: Path) -> Language:
    """Return the language that was asked for, or the office's; English outside of an office. Errors: UsageError."""
    from connectors.cli.office import OpenedOffice
    from connectors.runtime.settings import FILE
    from connectors.runtime.told import OfficeError
    from schemas.words import to_language

    if wanted is None:
        return OpenedOffice.open(office).settings.language if (office / FILE).exists() else "en"
    try:
        return to_language(wanted)
    except Malformed as exc:
        raise OfficeError("propose.no_language", language=wanted) from exc


def streams_named(name: str | None) -> list[Stream]:
    """Return the stream of that name, or all that a sheet may be of. Errors: UsageError."""
    from connectors.mapping.path import mapped_streams
    from connectors.runtime.told import OfficeError

    found = [stream for stream in mapped_streams() if name in (None, stream.name)]
    if not found:
        known = ", ".join(stream.name for stream in mapped_streams())
        raise OfficeError("propose.no_stream", stream=name, known=known)
    return found


def _list(found: list[StreamFacts], language: Language) -> None:
    from schemas.fields import field_name, status_name
    from schemas.words import stream_words, words

    said = words("fields")
    rows = [
        [
            facts.name,
            stream_words()[facts.name].say("title", language),
            ", ".join(field_name(facts.name, field.path, language) for field in facts.fields if field.required),
            ", ".join(status_name(facts.name, status, language) for status in facts.statuses),
        ]
        for facts in found
    ]
    table("", [said.say(f"headers.{name}", language) for name in ("stream", "name", "needed", "statuses")], rows)
    line("connector fields STREAM")


def _show(facts: StreamFacts, language: Language) -> None:
    from schemas.fields import code_words, event_rows
    from schemas.words import stream_words, words

    said = words("fields")

    def headers(*names: str) -> list[str]:
        return [said.say(f"headers.{name}", language) for name in names]

    line(f"{facts.name}: {stream_words()[facts.name].say('title', language)}")
    columns = headers("field", "name", "meaning")
    table(said.say("titles.fields", language), columns, [_row(facts, field, language) for field in facts.fields])
    own = [(field, code_words(facts.name, field, language)) for field in facts.fields]
    rows = [[field.path, code, text] for field, codes in own for code, text in codes.items()]
    if rows:
        table(said.say("titles.codes", language), headers("field", "code", "name"), rows)
    table(said.say("titles.events", language), headers("event", "before", "after", "says"), event_rows(facts, language))
    if facts.changes:
        table(said.say("titles.changes", language), columns, [_row(facts, field, language) for field in facts.changes])


def _row(facts: StreamFacts, field: FieldFacts, language: Language) -> list[str]:
    from schemas.fields import explanation, field_name, form_text
    from schemas.words import words

    needed = f"{words('fields').say('required', language)}. " if field.required else ""
    meaning = f"{needed}{explanation(facts.name, field.path, language)} ({form_text(field, language)})"
    return [field.path, field_name(facts.name, field.path, language), meaning]
