"""`hub demo`: a whole network on this machine, to be looked at."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hub.cli.options import DataDir, Settings


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(demo)


def demo(
    ctx: typer.Context,
    once: Annotated[bool, typer.Option("--once", help="End when all is through; the last line is JSON.")] = False,
    network: Annotated[
        Path | None, typer.Option("--network", metavar="DIR", help="Another network than deploy/demo.")
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Run the demo network: Kafka, the worker, five co-centers with their sheets. Ctrl-C stops everything.

    Without --data-dir all of it is forgotten at the end; with one, `hub up --data-dir` goes on from there.

    Examples: hub demo · hub demo --once · hub demo --data-dir demo-data
    """
    from hub.cli.logs import log_to_stderr
    from hub.demo.run import process_began, run_demo
    from hub.local.hub import run_until_signal

    began = process_began()
    log_to_stderr(warnings_only=True)
    settings: Settings = ctx.obj
    # HUB_DATA_DIR is left alone: a demo must not get into a real hub by accident.
    named = data_dir or (settings.data_dir if settings.given else None)
    kept = named.absolute() if named else None
    raise typer.Exit(run_until_signal(lambda: run_demo(kept, network, began, once=once)))
