"""`hub quarantine …`: records that HQ kept without making events of them."""

from __future__ import annotations

from typing import Annotated

import typer

from hub.base.output import as_json, line, table
from hub.cli.options import DataDir, Json, hub_folder

app = typer.Typer(help="Records that became no event, and why.", no_args_is_help=True)

HEX_SHOWN_MAX = 512


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
        found = now.quarantined(limit, center)
    if json:
        as_json([record.model_dump() for record in found])
        return
    columns = ["id", "center", "offset", "reason", "detail", "bytes", "recorded_at"]
    rows = ([getattr(record, name) for name in columns] for record in found)
    table("quarantine", columns, rows, right=["id", "offset", "bytes"])


@app.command()
def show(
    ctx: typer.Context,
    number: Annotated[int, typer.Argument(metavar="ID", help="The number that the list shows.")],
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
    for name in ("id", "center", "offset", "reason", "detail", "key", "bytes", "is_whole", "recorded_at", "digest"):
        line(f"{name:>12}  {getattr(found, name)}")
    table("headers", ["name", "content"], found.headers.items())
    shown = found.value_hex[:HEX_SHOWN_MAX]
    line(f"value: {shown}{'…' if len(found.value_hex) > HEX_SHOWN_MAX else ''}")
