"""`hub lane …`: how HQ stands with each center's lanes, and letting a stopped one go on."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from hub.base.output import ago, as_json, line, table
from hub.cli.options import DataDir, Json, hub_folder, run_async
from hub.hq.folder import HubFolder, again
from hub.protocol.errors import UsageError

EXAMPLES: Final = """
\b
Examples:
  hub lane list                           every lane, what is missing
  hub lane show uz                        why one stopped, proofs of a fork
  hub lane resume uz                      let it be read again
"""

app = typer.Typer(help="Lanes: list, show, let one go on.\n" + EXAMPLES, no_args_is_help=True, rich_markup_mode=None)

Center = Annotated[str, typer.Argument(metavar="CENTER", help="The center's id, such as uz.")]


@app.command("list")
def list_lanes(ctx: typer.Context, data_dir: DataDir = None, json: Json = False) -> None:
    """List every lane that HQ has taken events of, HQ's own too. Example: hub lane list."""
    from hub.store import queries

    with hub_folder(ctx, data_dir).engine().connect() as db:
        found = queries.lanes(db)
    if json:
        as_json(found)
        return
    table(
        "lanes",
        ["origin", "size", "published", "missing", "last receipt", "closed by"],
        (
            [row["origin"], row["size"], row["published"], row["missing"], ago(row["recorded_at"]), row["closed_by"]]
            for row in found
        ),
        right=["size", "published", "missing"],
    )


@app.command()
def show(ctx: typer.Context, center: Center, data_dir: DataDir = None, json: Json = False) -> None:
    """Show one center's intake: why it stopped, its lanes, counts, proofs of a fork. Example: hub lane show uz."""
    from hub.store import queries

    with hub_folder(ctx, data_dir).engine().connect() as db:
        intake = next((row for row in queries.intakes(db) if row["center"] == center), None)
        if intake is None:
            known = [c["id"] for c in queries.centers(db)]
            what = "HQ has read nothing of it yet" if center in known else f"known are {', '.join(known) or 'none'}"
            raise UsageError(f"no lane of a center {center}: {what}")
        found = {
            **intake,
            "lanes": queries.lanes(db, center),
            "measures": queries.measures(db, center),
            "evidence": queries.evidence(db, center),
        }
    if json:
        as_json(found)
        return
    for name in ("center", "status", "why", "origin", "position", "events", "accepted", "rejected", "duplicates"):
        line(f"{name:>16}  {found[name] if found[name] not in (None, '', {}) else '-'}")
    for name in ("missing", "unpublished", "last_receipt_at", "seen_at", "presence"):
        line(f"{name:>16}  {found[name] if found[name] is not None else '-'}")
    table(
        "lanes",
        ["origin", "size", "published", "missing", "closed by"],
        ([row["origin"], row["size"], row["published"], row["missing"], row["closed_by"]] for row in found["lanes"]),
        right=["size", "published", "missing"],
    )
    table("measures", ["lane and measure", "value"], found["measures"].items(), right=["value"])
    for proof in found["evidence"]:
        line(f"fork of {proof['origin']} at size {proof['size']}: HQ has")
        for notes in (proof["ours"], "and was sent", proof["theirs"]):
            line(notes)


@app.command()
def resume(ctx: typer.Context, center: Center, data_dir: DataDir = None) -> None:
    """Let a parked or forked lane be read again; a running worker goes on within a second.

    Example: hub lane resume uz
    """
    line(run_async(_resume(hub_folder(ctx, data_dir), center)))


async def _resume(where: HubFolder, center: str) -> str:
    from hub.store.sqlite import SqliteStore

    where.engine().dispose()
    store = SqliteStore.open(where.database)
    try:
        before = await again(lambda: store.resume(center))
    finally:
        await store.close()
    if before is None:
        raise UsageError(f"HQ has read nothing of a center {center}; `hub lane list` has what there is")
    if before == "waiting":
        raise UsageError(
            f"the lane of {center} waits for HQ, not for this: `hub lane show {center}` says what for "
            "(a key to add, a center to resume)"
        )
    return f"lane of {center}: it was {before}, it is read again" if before != "reading" else f"{center} is being read"
