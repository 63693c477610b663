"""`hub show STREAM [ID]`: entities as HQ has them now."""

from __future__ import annotations

import unicodedata
from typing import Annotated, Any
from urllib.parse import quote, unquote

import typer

from hub.base.output import as_json, line, note, table
from hub.cli.options import DataDir, Json, hub_folder
from hub.protocol.errors import UsageError

TITLES = ("title", "name", "event")
# What of a key a connector leaves as it is (connectors.mapping.key); a `%` that a person typed is in no encoded form.
VISIBLE = "".join(chr(code) for code in range(0x21, 0x7E) if chr(code) != "%")


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("show")(show)


def show(
    ctx: typer.Context,
    stream: Annotated[str, typer.Argument(metavar="STREAM", help="Such as offer, partner, request, deal.")],
    entity_id: Annotated[str | None, typer.Argument(metavar="ID", help="Such as uz:K-12 or kz:З-1.")] = None,
    center: Annotated[str | None, typer.Option("--center", help="Only of this center.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1_000_000, help="How many, by id.")] = 20,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Show one entity, or list those of a stream.

    Examples: hub show offer --limit 5 · hub show offer kz:З-1 · hub show deal --json
    """
    from hub.domain.catalogue import STREAMS
    from hub.store import queries

    if stream not in STREAMS:
        raise UsageError(f"there is no stream {stream}; expected one of {', '.join(STREAMS)}")
    with hub_folder(ctx, data_dir).engine().connect() as db:
        if entity_id is not None:
            found = queries.entity(db, stream, entity_id) or queries.entity(db, stream, encoded(entity_id))
            if found is None:
                raise UsageError(f"HQ has no {stream} {entity_id}; `hub show {stream}` lists what it has")
            _one(found, json=json)
            return
        rows = list(queries.entities(db, stream, limit, center))
        if json:
            as_json(rows)
            return
        table(
            stream,
            ["id", "status", "version", "what"],
            ([_written(row["id"]), row["status"], row["version"], title(row["record"])] for row in rows),
            right=["version"],
        )
        total = queries.count_entities(db, stream)
    if center is None and total > len(rows):
        note(f"{len(rows)} of {total}; --limit shows more")


def _one(found: dict[str, Any], *, json: bool) -> None:
    from hub.domain.sealed import told

    if json:
        as_json(found)
        return
    line(f"{found['stream']} {_written(found['id'])}  {found['status']}, version {found['version']}")
    line(f"from {found['origin']} sequence {found['at']}, digest {found['digest']}")
    for part in ("record", "changed"):
        values = found[part] or {}
        said = [
            [name, told(value, found["center"]) or value] for name, value in values.items() if value not in (None, [])
        ]
        if said:
            table(part, ["field", "value"], said)


def encoded(entity_id: str) -> str:
    """Return an id that a person wrote as a connector writes it: NFC, and all but visible ASCII percent-encoded."""
    center, colon, key = entity_id.partition(":")
    text = " ".join(unicodedata.normalize("NFC", key).split())
    return center + colon + quote(text, safe=VISIBLE).replace("~", "%7E")


def _written(entity_id: str) -> str:
    readable = unquote(entity_id, errors="replace")
    # A control character that somebody encoded stays so: it would draw on the terminal.
    return entity_id if readable == entity_id or not readable.isprintable() else f"{entity_id} ({readable})"


def title(record: dict[str, Any]) -> str:
    """Return what a person would call the thing."""
    return next((str(record[name]) for name in TITLES if record.get(name)), "")[:100]
