"""`hub replay rebuild`: does today's state follow from the ledger?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from hub.base.output import as_json, count, line, note, table
from hub.cli.audit.verify import TrustFile, read_trust
from hub.cli.mirrored import ledger_file
from hub.cli.options import DataDir, Json, hub_folder
from hub.cli.progress import Jobs, progress

if TYPE_CHECKING:
    from hub.audit.rebuild import Rebuilt

SHOWN_MAX: Final = 200
FOLDER: Final = "rebuild"


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("rebuild")(rebuild)


def rebuild(
    ctx: typer.Context,
    jobs: Jobs = 1,
    state: Annotated[
        Path | None,
        typer.Option(
            "--state", help="Folder of the second state. Default: rebuild/ in the data directory.", show_default=False
        ),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a rebuild that was stopped or killed.")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the second state behind.")] = False,
    trust: TrustFile = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Fold the accepted ledger from nothing into a second state, and compare it with the live one.

    Compared are every entity, every measure and every receipt's digest of the state. The live database is only
    read, a worker may go on meanwhile, and nothing is sent. Exit status 1 if the states differ.

    Examples: hub replay rebuild --jobs 4 · hub replay rebuild --resume
    """
    from hub.audit.rebuild import rebuild as build

    where = hub_folder(ctx, data_dir)
    folder = where.data_dir / FOLDER if state is None else state
    trusted = read_trust(where, trust)
    try:
        with ledger_file(where, shown=not json) as path, progress("events", shown=not json) as bar:
            found = build(
                path,
                trusted,
                folder,
                processes=jobs,
                resume=resume,
                keep=keep,
                begun=bar.begin,
                tick=bar.tick,
            )
    except KeyboardInterrupt:
        note(f"stopped; `hub replay rebuild --resume` goes on, or remove {folder}")
        raise
    if json:
        as_json(found.to_json())
    else:
        _show(found)
    if not found.is_equal:
        raise typer.Exit(1)


def _show(found: Rebuilt) -> None:
    from hub.audit.findings import causes_first

    shown = causes_first(found.differences)[:SHOWN_MAX]
    if shown:
        table("differences", ["what", "where", "detail"], ([d.what, d.where, d.detail] for d in shown))
        if len(found.differences) > len(shown):
            line(f"… and {len(found.differences) - len(shown)} more: --json has all of them")
    line(
        f"{found.lanes} lanes, {found.events} events, {found.accepted} of them accepted; {found.entities} entities, "
        f"{count(found.state_digests, 'receipt')} with the state's digest"
    )
    line("equal" if found.is_equal else count(len(found.differences), "difference"))
