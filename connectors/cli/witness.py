"""`connector witness …`: what this center has seen of HQ's log, and what to do when that log breaks."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from connectors.cli.office import Json, OfficeFolder, OpenedOffice
from connectors.cli.speaker import Speaker
from hub.base import durable, files
from hub.base.output import as_json, line

if TYPE_CHECKING:
    from connectors.runtime.outbox.witnessed import Kept

app = typer.Typer(help="HQ's log, as this center witnesses it.", no_args_is_help=True)


@app.command()
def status(
    evidence: Annotated[
        Path | None,
        typer.Option("--evidence", metavar="DIR", help="Write the notes of every break into this folder."),
    ] = None,
    office: OfficeFolder = Path(),
    json: Json = False,
) -> None:
    """Show how far HQ's log was seen and cosigned, and why the witness stopped, if it did. Exit status 1 on an alarm.

    Examples:

      connector witness status

      connector witness status --evidence evidence
    """
    from connectors.runtime.outbox import Outbox

    opened = OpenedOffice.open(office)
    with Outbox(opened.existing_outbox(), read_only=True) as outbox:
        whole = outbox.status(opened.settings.language)
        breaks = outbox.witnessed.breaks()
    alarms = {name: text for name, text in whole["alarms"].items() if name in ("log", "not_logged", "witness_key")}
    found = {**whole["witness"], "alarms": alarms, "breaks": [_plain(kept) for kept in breaks]}
    if evidence is not None:
        _write(evidence, breaks)
    if json:
        as_json(found)
    else:
        _show(found, breaks, alarms, opened.speaker)
    if alarms:
        raise typer.Exit(1)


def _show(found: dict[str, Any], breaks: list[Kept], alarms: dict[str, str], speaker: Speaker) -> None:
    line(witness_text(found, speaker))
    for number, kept in enumerate(breaks, 1):
        speaker.tell("witness.break", number=number, at=speaker.moment(kept.at), reason=kept.reason)
        if kept.retried_at is not None:
            speaker.tell("witness.looked_again", number=number, at=speaker.moment(kept.retried_at))
    if breaks:
        speaker.tell("witness.show_notes")
    for text in alarms.values():
        speaker.tell("status.alarm", text=speaker.text(text))


@app.command()
def retry(office: OfficeFolder = Path()) -> None:
    """Let a stopped witness look at HQ's log again, when HQ says that it is mended. It takes nothing back.

    What this center has seen and cosigned before still binds HQ: if the log does not lead through it, the witness
    stops again. The connector may run.

    Example:

      connector witness retry
    """
    from connectors.runtime.outbox import Outbox
    from connectors.runtime.told import OfficeError

    opened = OpenedOffice.open(office)
    with Outbox(opened.existing_outbox(), beside=True) as outbox:
        if not outbox.witnessed.retry(datetime.now(UTC)):
            raise OfficeError("witness.not_stopped")
    opened.speaker.tell("witness.retried")


def witness_text(found: dict[str, Any], speaker: Speaker) -> str:
    """Return in one line what the witness's part of the status says."""
    from connectors.runtime.witness_state import WitnessState

    state = str(found["state"])
    if state in {str(one) for one in WitnessState}:
        state = speaker.say(f"witness.state_{WitnessState(state).name.lower()}")
    if found.get("seen_at") is None:
        return speaker.say("witness.only_state", state=state)
    cosigned, waiting = found["cosigned"], found["receipts_waiting"]
    return speaker.say(
        "witness.all",
        state=state,
        size=found["size"],
        at=speaker.moment(found["seen_at"]),
        cosigned=speaker.say("witness.cosigned", size=cosigned) if cosigned else speaker.say("witness.not_cosigned"),
        receipts=speaker.say("witness.waiting", count=waiting) if waiting else speaker.say("witness.all_there"),
    )


def _plain(kept: Kept) -> dict[str, Any]:
    return {
        "at": kept.at,
        "reason": kept.reason,
        "retried_at": kept.retried_at,
        "ours": kept.ours.decode("utf-8", "replace"),
        "theirs": kept.theirs.decode("utf-8", "replace"),
    }


def _write(folder: Path, breaks: list[Kept]) -> None:
    from connectors.runtime.told import OfficeError, os_reason

    try:
        files.make_folder(folder)
        for number, kept in enumerate(breaks, 1):
            for name, data in (("before.note", kept.ours), ("after.note", kept.theirs)):
                durable.write(folder / f"{number}-{name}", data)
    except OSError as exc:
        raise OfficeError("errors.unwritable", path=folder, reason=os_reason(exc)) from exc
