"""`hub show STREAM [ID]`: entities as HQ has them now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import unquote

import typer

from hub.base.output import as_json, line, note, shown, table
from hub.cli.options import DataDir, Json, hub_folder

if TYPE_CHECKING:
    from hub.store.read.entities import TracedEntity

SHOWN = 20
TITLES = ("title", "name", "event")


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("show")(show)


def show(
    ctx: typer.Context,
    stream: Annotated[str, typer.Argument(metavar="STREAM", help="Such as offer, partner, request, deal.")],
    entity_id: Annotated[str | None, typer.Argument(metavar="ID", help="Such as uz:K-12 or kz:З-1.")] = None,
    center: Annotated[str | None, typer.Option("--center", help="Only of this center.")] = None,
    limit: Annotated[
        int | None,
        typer.Option("--limit", min=1, max=1_000_000, help="How many, by id. Default: 20; with --json all."),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Show one entity, or list those of a stream. --json gives all of them, unless --limit says how many.

    Examples: hub show offer --limit 5 · hub show offer kz:З-1 · hub show deal --json
    """
    from hub.hq.lookup import find_entity, list_entities

    with hub_folder(ctx, data_dir).snapshot() as now:
        if entity_id is not None:
            _one(find_entity(now, stream, entity_id), json=json)
            return
        count = None if everything or (json and limit is None) else limit or SHOWN
        found = list_entities(now, stream, count, center)
    if found.total > len(found.entities):
        note(f"{len(found.entities)} of {found.total}; --limit shows more, --all shows all")
    if json:
        as_json([entity.model_dump() for entity in found.entities])
        return
    table(
        stream,
        ["id", "status", "version", "what"],
        ([_written(one.id), one.status, one.version, title(one.record)] for one in found.entities),
        right=["version"],
    )


def _one(found: TracedEntity, *, json: bool) -> None:
    from hub.domain.sealed import told

    if json:
        as_json(found.model_dump())
        return
    line(f"{found.stream} {_written(found.id)}  {found.status}, version {found.version}")
    line(f"from {found.origin} sequence {found.at}, digest {found.digest}")
    for part, values in (("record", found.record), ("changed", found.changed or {})):
        said = [
            [name, told(value, found.center) or shown(value)]
            for name, value in values.items()
            if value not in (None, [])
        ]
        if said:
            table(part, ["field", "value"], said)


def _written(entity_id: str) -> str:
    readable = unquote(entity_id, errors="replace")
    # A control character that somebody encoded stays so: in this form it can be typed again.
    return entity_id if readable == entity_id or not readable.isprintable() else f"{entity_id} ({readable})"


def title(record: dict[str, Any]) -> str:
    """Return what a person would call the thing."""
    return next((str(record[name]) for name in TITLES if record.get(name)), "")[:100]
