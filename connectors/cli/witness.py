"""`connector witness …`: what this center has seen of HQ's log, and what to do when that log breaks."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from connectors.cli.office import Json, OfficeFolder, OpenedOffice
from hub.base.output import as_json, line
from hub.protocol.errors import UsageError

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
    """Show how far HQ's log was seen and cosigned, and why the witness stopped, if it did.

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
        return
    line(tell(found))
    for number, kept in enumerate(breaks, 1):
        after = "" if kept.retried_at is None else f"; looked at again since {kept.retried_at}"
        line(f"break {number}, {kept.at}: {kept.reason}{after}")
    if breaks:
        line("both notes of a break are kept: --evidence DIR writes them, HQ and the other centers should see them")
    for name, text in alarms.items():
        line(f"ALARM {name}: {text}")


@app.command()
def retry(office: OfficeFolder = Path()) -> None:
    """Let a stopped witness look at HQ's log again, when HQ says that it is mended. It takes nothing back.

    What this center has seen and cosigned before still binds HQ: if the log does not lead through it, the witness
    stops again. The connector may run.

    Example:

      connector witness retry
    """
    from connectors.runtime.outbox import Outbox

    opened = OpenedOffice.open(office)
    with Outbox(opened.existing_outbox(), beside=True) as outbox:
        if not outbox.witnessed.retry(datetime.now(UTC)):
            raise UsageError("the witness has not stopped: there is nothing to try again")
    line("the witness looks again, at once if the connector runs; `connector witness status` says what it found")


def tell(found: dict[str, Any]) -> str:
    """Return in one line what the witness's part of the status says."""
    if "size" not in found:
        return f"witness: {found['state']}"
    cosigned = f"cosigned up to {found['cosigned']:,}" if found["cosigned"] else "nothing cosigned yet"
    waiting = found["receipts_waiting"]
    receipts = f"{waiting:,} of our receipts not in it yet" if waiting else "every receipt of ours is in it"
    return f"witness: {found['state']}; HQ's log seen up to {found['size']:,}, {cosigned}, {receipts}"


def _plain(kept: Kept) -> dict[str, Any]:
    return {
        "at": kept.at,
        "reason": kept.reason,
        "retried_at": kept.retried_at,
        "ours": kept.ours.decode("utf-8", "replace"),
        "theirs": kept.theirs.decode("utf-8", "replace"),
    }


def _write(folder: Path, breaks: list[Kept]) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for number, kept in enumerate(breaks, 1):
            for name, data in (("before.note", kept.ours), ("after.note", kept.theirs)):
                (folder / f"{number}-{name}").write_bytes(data)
    except OSError as exc:
        raise UsageError(f"cannot write in {folder}: {exc.strerror or exc}") from exc
