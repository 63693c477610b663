"""`connector person …`: whom this office has sealed, and where at HQ they stand."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from connectors.cli.office import Json, OfficeFolder, OpenedOffice
from connectors.cli.speaker import Speaker
from hub.base.output import as_json, line, table
from hub.base.output import confirm as ask_whether

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connectors.runtime.outbox.database import Database
    from connectors.runtime.persons import Persons, RegisteredPerson, Use

SHOWN_MAX: Final = 80
PersonName = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="PERSON",
        help="What stands in the sheet's column that the mapping has under `id`; of several columns, each in its turn.",
    ),
]
Number = Annotated[
    int | None, typer.Option("--number", "-n", min=1, help="Or the number that `connector person list` shows.")
]

app = typer.Typer(help="Persons: whom HQ has sealed, and where.", no_args_is_help=True)


@dataclass(frozen=True, slots=True)
class Found:
    """One person, where they stand, HQ's status of each entity, the rows that say so, and who else stood there."""

    standing: RegisteredPerson
    uses: tuple[Use, ...]
    statuses: dict[str, str]
    rows: tuple[tuple[str, int], ...]
    others: tuple[int, ...]

    @property
    def is_erased(self) -> bool:
        """Whether the key is destroyed; also where a crash kept that from being noted."""
        return self.standing.erased_at is not None or any(use.parts is None for use in self.uses)

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "number": self.standing.number,
            "erased": self.is_erased,
            "erased_at": self.standing.erased_at,
            "places": [
                {
                    "stream": use.stream,
                    "entity": use.subject,
                    "field": use.field,
                    "status_at_hq": self.statuses.get(f"{use.stream}/{use.subject}"),
                    "value": use.parts,
                }
                for use in self.uses
            ],
            "rows": [{"file": file, "row": number} for file, number in self.rows],
            "others": list(self.others),
        }


@app.command("list")
def list_(office: OfficeFolder = Path(), json: Json = False) -> None:
    """List everybody whom this office has sealed for HQ, read with the keys that lie here; or "erased".

    Examples:

      connector person list

      connector person list --json
    """
    opened = OpenedOffice.open(office)
    speaker = opened.speaker
    with open_persons(opened) as persons:
        found = gather(opened, persons, persons.everyone())
    if json:
        as_json([one.to_json() for one in found])
        return
    if not found:
        speaker.tell("person.nobody")
        return
    columns = [speaker.say(f"person.column_{name}") for name in ("number", "person", "places", "state")]
    table(
        "",
        columns,
        (
            [
                one.standing.number,
                speaker.say("person.erased") if one.is_erased else _written(one.uses, speaker),
                ", ".join(f"{use.stream} {use.subject}" for use in one.uses),
                _standing(one, speaker),
            ]
            for one in found
        ),
        right=columns[:1],
    )


@app.command()
def show(person: PersonName = None, number: Number = None, office: OfficeFolder = Path(), json: Json = False) -> None:
    """Show where one person stands at HQ, what is sealed there, and which rows of the sheets say so.

    Examples:

      connector person show nigora@example.org

      connector person show "Karimova Nigora" 1980-05-01 --json

      connector person show --number 3
    """
    opened = OpenedOffice.open(office)
    speaker = opened.speaker
    with open_persons(opened) as persons:
        (found,) = gather(opened, persons, [find(persons, person, number)])
    if json:
        as_json(found.to_json())
        return
    if found.is_erased:
        speaker.tell("person.unreadable", state=_standing(found, speaker))
    for use in found.uses:
        status = found.statuses.get(f"{use.stream}/{use.subject}")
        shown = speaker.say("person.not_yet") if status is None else _status_word(use.stream, status, speaker)
        speaker.tell("person.place", stream=use.stream, entity=use.subject, field=use.field, status=shown)
        for name, value in in_order(use.parts or {}):
            line(f"    {name}: {value}")
        if use.parts is None:
            line("    " + speaker.say("person.erased"))
    show_rows(found, speaker)
    show_others(found, speaker)


@app.command()
def readmit(
    person: PersonName = None,
    number: Number = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    office: OfficeFolder = Path(),
) -> None:
    """Let somebody who was erased be sealed again, because they agree to it. What was erased stays unreadable.

    Example: connector person readmit nigora@example.org
    """
    opened = OpenedOffice.open(office)
    with open_persons(opened, read_only=False) as persons:
        found = find(persons, person, number)
        confirm(opened.speaker, opened.speaker.say("person.readmit"), yes=yes)
        persons.readmit(found)
    opened.speaker.tell("person.readmitted")


def open_persons(opened: OpenedOffice, *, read_only: bool = True) -> Persons:
    """Return the persons of an office."""
    from connectors.runtime.persons import Persons

    return Persons(opened.path, opened.settings.hub, opened.settings.center, read_only=read_only)


def find(persons: Persons, person: list[str] | None, number: int | None) -> RegisteredPerson:
    """Return a person by what their row says, or by their number. Errors: UsageError, if there is nobody."""
    from connectors.mapping import person_identity
    from connectors.runtime.told import OfficeError

    if bool(person) == (number is not None):
        raise OfficeError("person.who")
    if not persons.is_there:
        found = None
    else:
        found = persons.find(person_identity(person)) if person else persons.numbered(number or 0)
    if found is None:
        # What was typed is not repeated: it may be right, and the terminal's log is another place where it would stay.
        raise OfficeError("person.unknown")
    return found


def gather(opened: OpenedOffice, persons: Persons, standings: list[RegisteredPerson]) -> list[Found]:
    """Return what the office knows of these persons. Works beside a running connector."""
    from connectors.runtime.outbox import Outbox

    outbox = Outbox(opened.outbox, read_only=True) if opened.outbox.exists() else None
    try:
        database = None if outbox is None else outbox.database
        return [_gather(database, persons, standing) for standing in standings]
    finally:
        if outbox is not None:
            outbox.close()


def _gather(database: Database | None, persons: Persons, standing: RegisteredPerson) -> Found:
    from connectors.runtime.outbox.lookup import held_status, rows_of

    uses = tuple(persons.uses(standing))
    statuses: dict[str, str] = {}
    rows: list[tuple[str, int]] = []
    for use in uses if database is not None else ():
        assert database is not None
        entity = f"{use.stream}/{use.subject}"
        status = held_status(database, entity)
        if status is not None:
            statuses[entity] = status or "unknown"
        rows += rows_of(database, entity)
    return Found(standing, uses, statuses, tuple(rows), tuple(one.number for one in persons.others(standing)))


def show_rows(found: Found, speaker: Speaker) -> None:
    """Say which rows of the sheets are the entities in which a person stands."""
    for file, number in found.rows:
        speaker.tell("person.row", file=file, row=number)


def show_others(found: Found, speaker: Speaker) -> None:
    """Say who else stood in the same places: somebody whose mail has changed is another person here."""
    if found.others:
        speaker.tell("person.others", numbers=", ".join(map(str, found.others)))


def _standing(found: Found, speaker: Speaker) -> str:
    at = found.standing.erased_at
    if not found.is_erased:
        return speaker.say("person.sealed")
    return speaker.say("person.erased_at", at=speaker.moment(at)) if at else speaker.say("person.erased")


def _status_word(stream: str, status: str, speaker: Speaker) -> str:
    from schemas.words import NO_WORDS, stream_words

    if status == "unknown":
        return speaker.say("person.status_unknown")
    return stream_words().get(stream, NO_WORDS).find(f"statuses.{status}", speaker.language) or status


def in_order(parts: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return what is said of a person, the name first."""
    return sorted(parts.items(), key=lambda part: (part[0] != "name", part[0]))


def confirm(speaker: Speaker, question: str, *, yes: bool) -> None:
    """Return if a person agrees. Errors: UsageError, where nobody can be asked; typer.Exit(1), if they do not."""
    import sys

    if yes:
        return
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        from connectors.runtime.told import OfficeError

        raise OfficeError("person.nobody_asked")
    if not ask_whether(question):
        speaker.tell("person.nothing_done")
        raise typer.Exit(1)


def _written(uses: tuple[Use, ...], speaker: Speaker) -> str:
    text = ", ".join(value for _, value in in_order(uses[0].parts or {})) if uses else speaker.say("person.nowhere")
    return text if len(text) <= SHOWN_MAX else text[: SHOWN_MAX - 1] + "…"
