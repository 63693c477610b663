"""`connector status`: what became of every row, and how far the lane is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from connectors.cli.office import Json, OfficeFolder, OpenedOffice
from connectors.cli.witness import tell
from hub.base.output import as_json, line, table

if TYPE_CHECKING:
    from schemas.words import Language

_STATES = ("rows", "accepted", "refused", "rejected", "unchanged", "blank", "pending")


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(status)


def status(office: OfficeFolder = Path(), json: Json = False) -> None:
    """Show what became of every row, how far the lane is, and what needs a person. Works beside a running connector.

    Examples:

      connector status

      connector status --json
    """
    from connectors.runtime.outbox import Outbox

    opened = OpenedOffice.open(office)
    with Outbox(opened.existing_outbox(), read_only=True) as outbox:
        found = outbox.status(opened.settings.language)
    found = {"hub": opened.settings.hub, "center": opened.settings.center, **found}
    for name, entry in found["files"].items():
        entry["message"] = tell_file(name, entry, opened.settings.language)
    if json:
        as_json(found)
    else:
        _show(found, opened.settings.language)


def tell_file(name: str, entry: dict[str, Any], language: Language) -> str:
    """Return what is the matter with a file, and what to do, from its entry in the status; "" if all is well."""
    from connectors.runtime.aside import copy_reason
    from connectors.runtime.notice import told
    from connectors.runtime.outbox.rows import FileState, FileSummary, Reason

    said = []
    reasons = [(entry["state"], Reason(entry["message"], entry["code"], entry["params"]))] if entry["message"] else []
    if entry["copy_of"] is not None:
        reasons.append((FileState.TAKEN, copy_reason(entry["copy_of"])))
    for state, reason in reasons:
        # In English the sentence of the log is had, which says more; not every state has words in all languages.
        words = None if language == "en" else told(FileSummary(name, state, reason, {}), language)
        said.append(reason.message if words is None else f"{words[0]}. {words[1]}")
    return "; ".join(said)


def _show(found: dict[str, Any], language: Language) -> None:
    from connectors.runtime.explanation import message
    from schemas.words import words

    lane, totals = found["lane"], found["totals"]
    line(f"center {found['center']} of {found['hub']}; link {_link(found['link'])}")
    line(
        f"lane {lane['origin'] or '(not opened yet)'}: sealed {lane['sealed']}, receipted {lane['receipted']}, "
        f"waiting for a receipt {totals['backlog']}, last receipt {lane['last_receipt_recorded_at'] or 'never'}"
    )
    line(tell(found["witness"]))
    rows = [
        [name, *(entry[state] for state in _STATES), entry["vanished"], entry["state"]]
        for name, entry in found["files"].items()
    ]
    if len(rows) > 1:
        rows.append(["all", *(totals[state] for state in _STATES), "", ""])
    table("", ["file", *_STATES, "vanished", "state"], rows, right=[*_STATES, "vanished"])
    for name, entry in found["files"].items():
        if entry["message"]:
            line(f"{name}: {entry['message']}")
        for code, count in entry["codes"].items():
            line(f"{name}: {count} {code}: {message(code, language)}")
    if totals["orphans"]:
        line(words("orphans").say("in_status", language, count=totals["orphans"]))
    for name, text in found["alarms"].items():
        line(f"ALARM {name}: {text}")


def _link(link: dict[str, Any]) -> str:
    """Return how the link was when it was last looked at, and when that was."""
    said = str(link["state"]) + (f": {link['reason']}" if link["reason"] else "")
    return said + (f" (since {link['since']}, last seen so {link['last_true']})" if link["since"] else "")
