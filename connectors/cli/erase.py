"""`connector erase`: destroy the key of one person, so that nobody can read any more what was sealed of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from connectors.cli.office import Json, OfficeFolder, OpenedOffice
from connectors.cli.person import Number, PersonName, confirm, find, gather, open_persons, show_others, show_rows
from hub.base.output import as_json, line


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(erase)


def erase(
    person: PersonName = None,
    number: Number = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    office: OfficeFolder = Path(),
    json: Json = False,
) -> None:
    """Erase a person: their key is destroyed, here and so everywhere, and they are not sent again.

    HQ's ledger, its digests, seals and proofs stay as they are and go on to verify; the value reads "erased". The
    connector may run meanwhile: at its next look it tells HQ. It can be repeated. What it can't reach: the sheets, and
    copies of keys/persons.keys.

    Examples:

      connector erase nigora@example.org

      connector erase "Karimova Nigora" 1980-05-01 --yes --json

      connector erase --number 3
    """
    from connectors.runtime.persons.register import KEYS

    opened = OpenedOffice.open(office)
    speaker = opened.speaker
    with open_persons(opened, read_only=False) as persons:
        standing = find(persons, person, number)
        (before,) = gather(opened, persons, [standing])
        if not before.is_erased:
            places = ", ".join(f"{use.stream} {use.subject}" for use in before.uses) or speaker.say("person.nowhere")
            confirm(speaker, speaker.say("person.erase", places=places), yes=yes)
        done = persons.erase(standing)
        (found,) = gather(opened, persons, [standing])
    unreached = {"sheets": "the sheets and their copies", "keys": f"copies of {KEYS} made before now"}
    if json:
        as_json({**found.to_json(), "again": done.again, "not_reached": list(unreached.values())})
        return
    if done.again:
        speaker.tell("person.erased_again", at=speaker.moment(done.erased_at))
    else:
        speaker.tell("person.erased_now", at=speaker.moment(done.erased_at))
        for use in done.uses:
            line(f"    {use.stream} {use.subject}, {use.field}")
    show_rows(found, speaker)
    if found.rows:
        speaker.tell("person.take_out")
    show_others(found, speaker)
    speaker.tell("person.unreached", file=KEYS)
