"""`connector person …`: whom this office has sealed, and where at HQ they stand."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from connectors.cli.office import Desk, Json, OfficeFolder
from connectors.cli.output import as_json, line, table
from hub.protocol.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connectors.runtime.persons import Persons, Standing, Use

SHOWN_MAX: Final = 80
PersonName = Annotated[
    list[str],
    typer.Argument(
        metavar="PERSON...",
        help="What stands in the sheet's column that the mapping has under `id`; of several columns, each in its turn.",
    ),
]

app = typer.Typer(help="Persons: whom HQ has sealed, and where.", no_args_is_help=True)


@dataclass(frozen=True, slots=True)
class Found:
    """One person, where they stand, HQ's status of each entity, and the rows of sheets that are those entities."""

    standing: Standing
    uses: tuple[Use, ...]
    statuses: dict[str, str]
    rows: tuple[tuple[str, int], ...]

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
        }


@app.command("list")
def list_(office: OfficeFolder = Path(), json: Json = False) -> None:
    """List everybody whom this office has sealed for HQ, read with the keys that lie here; or "erased".

    Examples:

      connector person list

      connector person list --json
    """
    desk = Desk.open(office)
    with open_persons(desk) as persons:
        found = [gather(desk, persons, standing) for standing in persons.everyone()]
    if json:
        as_json([one.to_json() for one in found])
        return
    if not found:
        line("nobody: no mapping has persons, or no sheet names any")
        return
    table(
        ["person", "stands in", "state"],
        (
            [
                "(erased)" if one.is_erased else _written(one.uses),
                ", ".join(f"{use.stream} {use.subject}" for use in one.uses),
                f"erased {one.standing.erased_at or ''}".strip() if one.is_erased else "sealed",
            ]
            for one in found
        ),
    )


@app.command()
def show(person: PersonName, office: OfficeFolder = Path(), json: Json = False) -> None:
    """Show where one person stands at HQ, what is sealed there, and which rows of the sheets say so.

    Examples:

      connector person show nigora@example.org

      connector person show "Karimova Nigora" 1980-05-01 --json
    """
    desk = Desk.open(office)
    with open_persons(desk) as persons:
        found = gather(desk, persons, find(persons, person))
    if json:
        as_json(found.to_json())
        return
    if found.is_erased:
        line(f"erased {found.standing.erased_at or ''}".strip() + ": nobody can read any more what stands")
    for use in found.uses:
        status = found.statuses.get(f"{use.stream}/{use.subject}")
        line(f"{use.stream} {use.subject}, {use.field}; at HQ: {status or 'not yet'}")
        for name, value in in_order(use.parts or {}):
            line(f"    {name}: {value}")
        if use.parts is None:
            line("    (erased)")
    show_rows(found)


@app.command()
def readmit(
    person: PersonName,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    office: OfficeFolder = Path(),
) -> None:
    """Let somebody who was erased be sealed again, because they agree to it. What was erased stays unreadable.

    Example: connector person readmit nigora@example.org
    """
    desk = Desk.open(office)
    with open_persons(desk, read_only=False) as persons:
        find(persons, person)
        confirm("let this person be sealed for HQ again?", yes=yes)
        persons.readmit(_identity(person))
    line("done: rows that name this person are sent with them again, under a new key; nothing old can be read by it")


def open_persons(desk: Desk, *, read_only: bool = True) -> Persons:
    """Return the persons of an office."""
    from connectors.runtime.persons import Persons

    return Persons(desk.path, desk.settings.hub, desk.settings.center, read_only=read_only)


def find(persons: Persons, person: list[str]) -> Standing:
    """Return a person by what their row says. Errors: UsageError, if there is nobody."""
    found = persons.find(_identity(person)) if persons.is_there else None
    if found is None:
        # What was typed is not repeated: it may be right, and the terminal's log is another place where it would stay.
        raise UsageError(
            "nobody is known here by that: write what stands in the sheet's column that the mapping has under `id`; "
            "`connector person list` shows whom there is"
        )
    return found


def gather(desk: Desk, persons: Persons, standing: Standing) -> Found:
    """Return what the office knows of a person. Works beside a running connector."""
    from connectors.runtime.outbox import Outbox

    uses = tuple(persons.uses(standing))
    entities = [f"{use.stream}/{use.subject}" for use in uses]
    statuses: dict[str, str] = {}
    rows: list[tuple[str, int]] = []
    if entities and desk.outbox.exists():
        with Outbox(desk.outbox, read_only=True) as outbox:
            for entity in entities:
                for (status,) in outbox.database.read("SELECT status FROM entity WHERE id=?", (entity,)):
                    if status is not None:
                        statuses[entity] = status
                rows += outbox.database.read(
                    "SELECT file, number FROM row WHERE entity=? ORDER BY file, number", (entity,)
                )
    return Found(standing, uses, statuses, tuple(rows))


def show_rows(found: Found) -> None:
    """Say which rows of the sheets are the entities in which a person stands."""
    for file, number in found.rows:
        line(f"said by {file}, row {number}")


def in_order(parts: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return what is said of a person, the name first."""
    return sorted(parts.items(), key=lambda part: (part[0] != "name", part[0]))


def confirm(question: str, *, yes: bool) -> None:
    """Return if a person agrees. Errors: UsageError, where nobody can be asked; typer.Exit(1), if they do not."""
    import sys

    if yes:
        return
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError("expected --yes, for nobody can be asked here")
    if not typer.confirm(question):
        line("nothing was done")
        raise typer.Exit(1)


def _identity(person: list[str]) -> str:
    from connectors.mapping import person_identity

    return person_identity(person)


def _written(uses: tuple[Use, ...]) -> str:
    text = ", ".join(value for _, value in in_order(uses[0].parts or {})) if uses else "(nowhere)"
    return text if len(text) <= SHOWN_MAX else text[: SHOWN_MAX - 1] + "…"
