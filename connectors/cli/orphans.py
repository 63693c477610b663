"""`connector orphans`: what HQ has of this office that no sheet names any more, and how to end it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import typer

from connectors.cli.office import Json, OfficeFolder, OpenedOffice
from hub.base.output import as_json, line, table

if TYPE_CHECKING:
    from connectors.runtime.outbox import Outbox
    from schemas.words import Language

COLUMNS: Final = ("stream", "key", "title", "status", "file", "row", "since")
_TITLES: Final = ("title", "name", "title_en", "name_latin")  # the fields by which people know an entity, best first
_TITLE_CHARS_MAX: Final = 40


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(orphans)


def orphans(office: OfficeFolder = Path(), json: Json = False) -> None:
    """List what HQ has of this office that no sheet names any more, and how to end or withdraw it.

    It comes from rows that were deleted or got another number, and from files that are gone or not read any more.
    Nothing is withdrawn by itself: put a row back with the status that ends it, and delete it once that is accepted.
    What is there, and was ended, is not listed. Works beside a running connector. The status "unknown" is of what HQ
    may have: it rejected what it had been told before in an earlier lane, and never answered there.

    Exit status 2 if nothing is known of it yet: an earlier release of the connector ran here last.

    Examples:

      connector orphans

      connector orphans --json
    """
    from connectors.runtime.outbox import Outbox
    from connectors.runtime.told import OfficeError

    opened = OpenedOffice.open(office)
    language = opened.settings.language
    with Outbox(opened.existing_outbox(), read_only=True) as outbox:
        if not outbox.database.is_current:  # it may have any number of them: none were noted
            raise OfficeError("errors.outbox_older", path=outbox.database.path)
        found = _described(outbox, language)
    if json:
        as_json(found)
    else:
        _show(found, language)


def _described(outbox: Outbox, language: Language) -> list[dict[str, Any]]:
    orphans = outbox.orphans.all()
    titles = _titles(outbox, {orphan.id for orphan in orphans})
    return [
        {
            "stream": orphan.stream,
            "entity": orphan.subject,
            "key": orphan.key,
            "title": titles.get(orphan.id),
            "status": orphan.status or "unknown",
            "file": orphan.file,
            "file_is_there": orphan.file_state not in (None, "vanished"),
            "row": orphan.number,
            "since": orphan.since,
            "ends_with": list(_endings(orphan.stream)),
            "remedy": _remedy(orphan.stream, orphan.key, language),
        }
        for orphan in orphans
    ]


def _endings(stream: str) -> tuple[str, ...]:
    from connectors.reconcile.ending import endings
    from hub.domain.catalogue import STREAMS

    return endings(STREAMS[stream])


def _remedy(stream: str, key: str, language: Language) -> str:
    """Return what to do about one of them: which row to write, and with which status, in words and as HQ has it."""
    from hub.domain.key import show_key
    from schemas.words import stream_words, words

    known = stream_words()[stream]
    statuses = [
        f"{status} ({word})" if (word := known.find(f"statuses.{status}", language)) not in (None, status) else status
        for status in _endings(stream)
    ]
    name = "remedy" if statuses else "remedy_without_end"
    return words("orphans").say(name, language, key=show_key(key), statuses=" / ".join(statuses))


def _titles(outbox: Outbox, wanted: set[str]) -> dict[str, str]:
    """Return by what people know entities, from the newest events that are still kept, as far as any is."""
    from connectors.runtime.codecs import Codecs
    from connectors.runtime.outbox.lookup import newest_records
    from hub.protocol.errors import Malformed

    codecs = Codecs()
    found: dict[str, str] = {}
    for entity, (event_type, value) in newest_records(outbox.database, wanted).items():
        try:
            said = codecs.value(event_type, value)
        except Malformed:  # of a later release
            continue
        title = next((said[name] for name in _TITLES if said.get(name)), None)
        if title is not None:
            found[entity] = str(title)
    return found


def _show(found: list[dict[str, Any]], language: Language) -> None:
    from schemas.words import stream_words, words

    said = words("orphans")
    if not found:
        line(said.say("none", language))
        return
    line(said.say("head", language, count=len(found)))
    titles = [said.say(f"columns.{name}", language) for name in COLUMNS]
    table("", titles, [_cells(entry, language) for entry in found])
    for stream in dict.fromkeys(entry["stream"] for entry in found):
        line(f"{stream_words()[stream].find('title', language) or stream}: {_remedy(stream, '…', language)}")


def _cells(entry: dict[str, Any], language: Language) -> list[str]:
    from connectors.runtime.local_time import show_time
    from hub.domain.key import show_key
    from schemas.words import stream_words, words

    said, known = words("orphans"), stream_words()[entry["stream"]]
    title = entry["title"] or ""
    gone = "" if entry["file_is_there"] else f" ({said.say('file_gone', language)})"
    return [
        known.find("title", language) or entry["stream"],
        show_key(entry["key"]),
        title if len(title) <= _TITLE_CHARS_MAX else f"{title[: _TITLE_CHARS_MAX - 1]}…",
        known.find(f"statuses.{entry['status']}", language) or said.say("status_unknown", language),
        f"{entry['file']}{gone}",
        "" if entry["row"] is None else str(entry["row"]),
        "" if entry["since"] is None else show_time(entry["since"], "%Y-%m-%d %H:%M"),
    ]
