"""`hub replay history`: everything that was ever said of one entity."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from hub.base.output import hanging, line
from hub.cli.options import DataDir, Json, hub_folder
from hub.cli.replay.subject import at, harmless, json_array, lane_name, open_ledger, shown, subject, written

if TYPE_CHECKING:
    from hub.replay.history import Told


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("history")(history)


def history(
    ctx: typer.Context,
    stream: Annotated[str, typer.Argument(metavar="STREAM|ID", help="The id; or its stream first, where two have it.")],
    entity_id: Annotated[
        str | None, typer.Argument(metavar="ID", help="Such as uz:K-12 or kz:З-1.", show_default=False)
    ] = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Show every event, verdict and value of one entity, oldest first; what was rejected too.

    Examples: hub replay history uz:K-12 · hub replay history offer kz:З-1 --json
    """
    from hub.replay.decoding import Decoder
    from hub.replay.history import history as told

    if entity_id is None:
        stream, entity_id = "", stream
    with open_ledger(hub_folder(ctx, data_dir)) as ledger:
        streams, found_id = subject(ledger, stream or None, entity_id)
        events = told(ledger, Decoder(ledger), streams[0], found_id)
        if json:
            json_array((event.as_dict() for event in events), None)
            return
        line(f"{streams[0]} {written(found_id)}")
        for event in events:
            _tell(event)


def _tell(told: Told) -> None:
    event = told.event
    verdict = (
        f"{told.status}, version {event.version}" if event.accepted else f"{event.code} {harmless(event.field)}".strip()
    )
    line()
    line(f"{at(told.recorded_at)}  {harmless(told.name)}: {verdict}")
    line(f"    event {event.sequence} of {lane_name(told.origin)}, happened {at(told.occurred_at)}")
    if not event.accepted and event.params:
        line(f"    {shown(event.params)}")
    for change in told.changed:
        before = "" if change.old is None else f"{shown(change.old)} → "
        hanging(f"    {change.field:24} ", f"{before}{shown(change.new)}")
