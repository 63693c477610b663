"""`hub replay follow`: causes and effects across centers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from hub.base.output import as_json, line, note
from hub.cli.options import DataDir, Json, hub_folder
from hub.cli.progress import progress
from hub.cli.replay.subject import at, entities, harmless, lane_name, open_ledger, written
from hub.protocol.errors import UsageError

if TYPE_CHECKING:
    from hub.replay.follow import Node


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("follow")(follow)


def follow(
    ctx: typer.Context,
    wanted: Annotated[
        str,
        typer.Argument(
            metavar="CORRELATION_ID|ID", help="A ce_correlationid, the ce_id of an event, or an entity such as uz:D-1."
        ),
    ],
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Show who said what because of what: every event of a story with its cause above it.

    Of an entity: what it names, what names it, and what names that. The whole ledger is searched, once or more: there
    is no index of these ids.

    Examples: hub replay follow 019c9a5e-0000-7000-8000-00000000c0de · hub replay follow uz:D-1
    """
    from hub.replay.decoding import Decoder
    from hub.replay.follow import follow as followed
    from hub.replay.named import follow_entity

    with open_ledger(hub_folder(ctx, data_dir)) as ledger, progress("events searched") as bar:
        keys = entities(ledger, wanted)
        story = follow_entity(ledger, Decoder(ledger), keys, bar.tick) if keys else followed(ledger, wanted, bar.tick)
    if not story.roots:
        raise UsageError(
            f"no event has {wanted} as its id, its cause or its correlation, and no entity has it; "
            "`hub replay history ID --json` has the ids of events"
        )
    if not story.is_whole:
        note("there is more: the search was given up at its limit")
    if json:
        as_json({"wanted": wanted, **story.as_dict()})
        return
    centers = {node.said.lane.center for _, node in story.walk()}
    events = "1 event" if story.events == 1 else f"{story.events} events"
    line(f"{events}, of {', '.join(sorted(centers))}")
    for root in story.roots:
        _tell(root)


def _tell(root: Node) -> None:
    waiting: list[tuple[Node, str, str]] = [(root, "", "")]
    while waiting:
        node, mark, below = waiting.pop()
        said = node.said
        verdict = "" if said.event.accepted else f"  {said.event.code}"
        cause = f"  (its cause {harmless(node.unknown_cause)} is not in the ledger)" if node.unknown_cause else ""
        line(f"{mark}{said.lane.center}: {harmless(said.name)} {written(said.event.subject)}{verdict}{cause}")
        line(
            f"{below}{'│' if node.effects else ' '}    recorded {at(said.recorded_at)}, "
            f"event {said.event.sequence} of {lane_name(said.lane.origin)}, id {harmless(said.id)}"
        )
        for number, effect in enumerate(reversed(node.effects)):
            waiting.append((effect, below + ("├─ " if number else "└─ "), below + ("│  " if number else "   ")))
