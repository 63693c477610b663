"""Views kept up to date, built anew, proved."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from hub.base.output import as_json, line, note, table
from hub.base.shell import command
from hub.cli.options import DataDir, Json, hub_folder, run_async
from hub.cli.progress import progress
from hub.cli.view.opened import opened

if TYPE_CHECKING:
    from hub.hq.folder import HubFolder
    from hub.views.view import View

LOOK_S: Final = 0.2
AGAIN_S: Final = 2.0
Names = Annotated[list[str] | None, typer.Argument(metavar="[VIEW]...", help="Default: all.", show_default=False)]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(run)
    app.command("list")(list_)
    app.command()(rebuild)
    app.command()(check)


def run(ctx: typer.Context, data_dir: DataDir = None) -> None:
    """Keep all views up to date until a signal ends it. It can be stopped and started at any time, also twice.

    Example: hub --data-dir hub-data view run
    """
    where = hub_folder(ctx, data_dir)
    run_async(_run(where))


async def _run(where: HubFolder) -> None:
    from hub.deriving.runner import Runner
    from hub.protocol.errors import Retriable
    from hub.store.view_store import Overtaken
    from hub.views.catalogue import VIEWS

    async with opened(where) as store:
        runner = Runner(where.place(), store, VIEWS)
        try:
            while True:
                try:
                    if not await runner.step():
                        await asyncio.sleep(LOOK_S)
                except (Overtaken, Retriable) as exc:
                    note(f"{exc}; it is tried again")
                    await asyncio.sleep(AGAIN_S)
        finally:
            runner.close()


def list_(ctx: typer.Context, data_dir: DataDir = None, json: Json = False) -> None:
    """List the views: their versions, and how many events of the ledger each has not taken yet.

    Example: hub view list --json
    """
    rows = run_async(_listed(hub_folder(ctx, data_dir)))
    if json:
        as_json(rows)
        return
    table(
        "views",
        ["view", "version", "state", "behind"],
        [[row["view"], row["version"], row["state"], row["behind"]] for row in rows],
        right=["version", "behind"],
    )


async def _listed(where: HubFolder) -> list[dict[str, Any]]:
    from hub.replay.source import Ledger
    from hub.views.catalogue import VIEWS

    async with opened(where) as store:
        with Ledger.open(where.place()) as ledger:
            sizes = {lane.id: lane.size for lane in ledger.lanes}
        rows = []
        for build in await store.builds(VIEWS):
            cursors = await store.cursors(build)
            behind = sum(size - cursors.get(lane, 0) for lane, size in sizes.items())
            state = "asked" if build.is_live else "being built"
            rows.append({"view": build.view.name, "version": build.view.version, "state": state, "behind": behind})
        missing = {view.name: view for view in VIEWS} | {row["view"]: None for row in rows}
        rows += [
            {"view": view.name, "version": view.version, "state": "not built", "behind": sum(sizes.values())}
            for view in missing.values()
            if view is not None
        ]
        return rows


def rebuild(ctx: typer.Context, views: Names = None, data_dir: DataDir = None, json: Json = False) -> None:
    """Build views anew beside those that are asked, which go on meanwhile; then the new ones take their place.

    Examples: hub view rebuild · hub view rebuild contracts
    """
    found = run_async(_rebuilt(hub_folder(ctx, data_dir), _chosen(views), shown=not json))
    if json:
        as_json([{"view": name, "digest": digest} for name, digest in found.items()])
        return
    for name, digest in found.items():
        line(f"{name}: built anew, {digest}")


async def _rebuilt(where: HubFolder, views: list[View], *, shown: bool) -> dict[str, str]:
    from hub.deriving.runner import Runner
    from hub.views.catalogue import VIEWS

    async with opened(where) as store:
        with progress("events", shown=shown) as bar:
            runner = Runner(where.place(), store, VIEWS, bar.tick)
            try:
                await runner.rebuild([view.name for view in views])
                await runner.catch_up()
            finally:
                runner.close()
        return {build.view.name: await store.digest(build) for build in await store.builds(views) if build.is_live}


def check(ctx: typer.Context, views: Names = None, data_dir: DataDir = None, json: Json = False) -> None:
    """Prove views: build each once more, and compare it with the one that is asked. Exit status 1 if any differs.

    Nothing that is asked is changed. Example: hub view check references
    """
    found = run_async(_checked(hub_folder(ctx, data_dir), _chosen(views), shown=not json))
    if json:
        as_json([{"view": name, "is_equal": is_equal} for name, is_equal in found.items()])
    else:
        for name, is_equal in found.items():
            line(f"{name}: as the ledger has it" if is_equal else f"{name}: NOT as the ledger has it, {_mend(name)}")
    if not all(found.values()):
        raise typer.Exit(1)


def _mend(name: str) -> str:
    return command("hub", "view", "rebuild", name)


async def _checked(where: HubFolder, views: list[View], *, shown: bool) -> dict[str, bool]:
    from hub.deriving.checking import compare

    async with opened(where) as store:
        with progress("events", shown=shown) as bar:
            return {view.name: await compare(where.place(), store, view, bar.tick) for view in views}


def _chosen(names: list[str] | None) -> list[View]:
    from hub.protocol.errors import UsageError
    from hub.views.catalogue import VIEWS

    known = {view.name: view for view in VIEWS}
    if unknown := [name for name in names or [] if name not in known]:
        raise UsageError(f"there is no view {unknown[0]!r}: expected {', '.join(known)}")
    return [view for name, view in known.items() if not names or name in names]
