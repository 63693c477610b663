"""`hub quarantine …`: records that HQ kept without making events of them."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from hub.base.output import as_json, facts_table, line, note, table, width
from hub.base.text import visible
from hub.cli.options import DataDir, Json, hub_folder
from hub.protocol.record import SEQUENCE_MAX

app = typer.Typer(help="Records that became no event, and why.", no_args_is_help=True)

SHOWN_MAX = 1_000
_PAIRS = re.compile("..")


@app.command("list")
def list_records(
    ctx: typer.Context,
    center: Annotated[str | None, typer.Option("--center", help="Only of this center.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=100_000, help="How many, the newest first.")] = 50,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """List quarantined records, the newest first. Example: hub quarantine list --center uz"""
    with hub_folder(ctx, data_dir).snapshot() as now:
        found, unkept = now.quarantined(limit + 1, center), now.unkept(center)
    if len(found) > limit:
        found = found[:limit]
        note(f"the newest {limit}; --limit shows more")
    if json:
        as_json([record.model_dump() for record in found])
        return
    columns = ["id", "center", "offset", "reason", "detail", "bytes", "recorded_at"]
    rows = ([getattr(record, name) for name in columns] for record in found)
    table("quarantine", columns, rows, right=["id", "offset", "bytes"])
    if unkept:
        line("over its center's quota (`worker.quarantine_bytes_max`), so counted and not kept:")
        columns = ["center", "reason", "records", "bytes", "first_at", "last_at"]
        rows = ([getattr(each, name) for name in columns] for each in unkept)
        table("unkept", columns, rows, right=["records", "bytes"])


@app.command()
def show(
    ctx: typer.Context,
    number: Annotated[
        int, typer.Argument(metavar="ID", min=1, max=SEQUENCE_MAX, help="The number that the list shows.")
    ],
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Show one quarantined record with its headers and bytes. Example: hub quarantine show 3"""
    from hub.hq.lookup import find_quarantined

    with hub_folder(ctx, data_dir).snapshot() as now:
        found = find_quarantined(now, number)
    if json:
        as_json(found.model_dump())
        return
    names = ("id", "center", "offset", "reason", "detail", "key", "bytes", "is_whole", "recorded_at", "digest")
    facts_table({name.replace("_", " "): getattr(found, name) for name in names})
    table("headers", ["name", "content"], list(found.headers.items()))
    if found.value_text is not None:
        _tell("value as text", found.value_text)
    _tell("value in hex", " ".join(_PAIRS.findall(found.value_hex)))


def _tell(what: str, text: str) -> None:
    """Print the beginning of a value; what it has of controls or changes of direction stands as numbers."""
    from hub.base.layout import wrapped

    line(f"{what}:")
    for row in text[:SHOWN_MAX].split("\n"):
        for part in wrapped(visible(row), width() - 2):
            line(f"  {part}")
    if len(text) > SHOWN_MAX:
        line(f"  … {len(text) - SHOWN_MAX} characters more: --json has all of it")
