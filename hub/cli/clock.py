"""`hub clock …`: whether HQ's lanes stand at times to come, and taking these back."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Final

import typer

from hub.base.output import as_json, line, shown, table
from hub.cli.options import DataDir, Json, hub_folder, hub_settings, run_async
from hub.protocol.errors import UsageError

EXAMPLES: Final = """
\b
Examples:
  hub clock show                          does any lane stand at a time to come
  hub clock correct --reason "…"          go on by the right clock
"""

app = typer.Typer(
    help="HQ's clock: what it was when it was wrong.\n" + EXAMPLES, no_args_is_help=True, rich_markup_mode=None
)


@app.command()
def show(ctx: typer.Context, data_dir: DataDir = None, json: Json = False) -> None:
    """Show which lanes stand at a time to come, since HQ's clock was ahead, and what HQ has taken back.

    Exit status 0: none does, or HQ has taken it back; 1: HQ records nothing before that time has come.

    Example: hub clock show
    """
    from hub.hq.clock import clock_standing

    with hub_folder(ctx, data_dir).snapshot() as now:
        found = clock_standing(now, datetime.now(UTC))
    if json:
        as_json(found.model_dump())
        raise typer.Exit(1 if found.stops else 0)
    line(f"this computer's clock: {shown(found.at)} UTC")
    if found.ahead:
        table(
            "lanes at a time to come",
            ["lane", "stands at", "taken back"],
            ([at.origin, f"{shown(at.recorded_at)} UTC", "yes" if at.taken_back else "no"] for at in found.ahead),
        )
    else:
        line("no lane stands at a time to come")
    if found.since is not None and found.ahead_until is not None:
        line(
            f"HQ took back, {shown(found.since)} UTC, the times up to {shown(found.ahead_until)} UTC: {found.reason} "
            f"(correction {found.corrections})"
        )
    if found.stops:
        line("a person is needed: set the clock right, then `hub clock correct --reason TEXT`")
        raise typer.Exit(1)


@app.command()
def correct(
    ctx: typer.Context,
    reason: Annotated[str, typer.Option("--reason", help="Why; it stands in HQ's lane, and in every bundle.")],
    bootstrap: Annotated[
        str | None,
        typer.Option(
            "--bootstrap", help="The broker to compare clocks with. Default: hub.yaml's, or the last worker's."
        ),
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Take back the times to come that a wrong clock gave: lanes that stand at one go on by the right clock.

    What is signed stays as it is; everybody who checks it is shown from when to when HQ's clock was wrong.

    Example: hub clock correct --reason "the server's clock was a year ahead on 1 March"
    """
    from hub.hq.clock import correct as take_back
    from hub.kafka.clock import brokers_time

    where = hub_folder(ctx, data_dir)
    cluster = where.known_cluster(hub_settings(ctx, where).settings, bootstrap)
    if cluster is None:
        raise UsageError("which broker? --bootstrap names one: the clocks are compared first")
    done = run_async(take_back(where, reason, partial(brokers_time, cluster)))
    line(
        f"times up to {shown(done.ahead_until)} UTC are taken back; from {shown(done.since)} UTC on HQ records by its "
        "clock. Start the worker, if it has ended"
    )
