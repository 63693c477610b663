"""`hub view …`: what the ledger adds up to, kept up to date and asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from hub.base.output import as_json, line, note, table
from hub.base.shell import command
from hub.cli.options import DataDir, Json, hub_folder, run_async
from hub.cli.progress import progress

if TYPE_CHECKING:
    from hub.hq.folder import HubFolder
    from hub.store.view_store import Build, ViewStore
    from hub.views.view import View

LOOK_S: Final = 0.2
AGAIN_S: Final = 2.0

EXAMPLES: Final = """
\b
Examples:
  hub view run                            keep all views up to date, until it is stopped
  hub view list                           what there is, and how far behind the ledger it is
  hub view references offer uz:K-12       whom this offer names, and who names it
  hub view contracts --standing disputed  the network's deals, each contract once
  hub view check                          prove all views by building them again
"""

app = typer.Typer(
    help="Views: who names whom, the network's contracts. Derived from the ledger, provable, dropped at will.\n"
    + EXAMPLES,
    no_args_is_help=True,
    rich_markup_mode=None,
)
Names = Annotated[list[str] | None, typer.Argument(metavar="[VIEW]...", help="Default: all.", show_default=False)]
AsKnownAt = Annotated[
    str | None,
    typer.Option("--as-known-at", metavar="TIME", help="As HQ knew it then: 2026-03-01, or 2026-03-01T08:00:00Z."),
]


@app.command()
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

    async with _store(where) as store:
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


@app.command("list")
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

    async with _store(where) as store:
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


@app.command()
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

    async with _store(where) as store:
        with progress("events", shown=shown) as bar:
            runner = Runner(where.place(), store, VIEWS, bar.tick)
            try:
                await runner.rebuild([view.name for view in views])
                await runner.catch_up()
            finally:
                runner.close()
        return {build.view.name: await store.digest(build) for build in await store.builds(views) if build.is_live}


@app.command()
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

    async with _store(where) as store:
        with progress("events", shown=shown) as bar:
            return {view.name: await compare(where.place(), store, view, bar.tick) for view in views}


@app.command()
def references(
    ctx: typer.Context,
    stream: Annotated[str, typer.Argument(help="Such as offer.")],
    entity_id: Annotated[str, typer.Argument(metavar="ID", help="Such as uz:K-12.")],
    as_known_at: AsKnownAt = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Show whom an entity names, and who names it.

    Examples: hub view references offer uz:K-12 · hub view references partner kz:7 --as-known-at 2026-03-01 --json
    """
    from hub.views.view import entity_of, key_of

    named, naming = run_async(_references(hub_folder(ctx, data_dir), key_of(stream, entity_id), _moment(as_known_at)))
    if json:
        as_json({"names": [_fact(*each) for each in named], "named_by": [_fact(*each) for each in naming]})
        return
    if not named and not naming:
        line("it names nothing, and nothing names it")
    for field, other in named:
        line(f"names     {' '.join(entity_of(other))}  as its {field}")
    for field, other in naming:
        line(f"named by  {' '.join(entity_of(other))}  as its {field}")


def _fact(field: str, other: str) -> dict[str, str]:
    from hub.views.view import entity_of

    stream, entity_id = entity_of(other)
    return {"field": field, "stream": stream, "id": entity_id}


async def _references(
    where: HubFolder, entity: str, at_us: int | None
) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    from hub.views.references import REFERENCE, REFERENCES, Reference

    async with _asked(where, REFERENCES) as (store, build):
        named = [Reference._make(each.row) for each in await store.holding(build, REFERENCE, "entity", [entity], at_us)]
        naming = await store.holding(build, REFERENCE, "target", [entity], at_us)
        return (
            [(each.field, each.target) for each in named],
            [(Reference._make(each.row).field, each.entity) for each in naming],
        )


@app.command()
def contracts(
    ctx: typer.Context,
    standing: Annotated[
        str | None, typer.Option("--standing", help="One of one_sided, awaited, confirmed, disputed. Default: all.")
    ] = None,
    center: Annotated[str | None, typer.Option("--center", help="Of this center's deals alone.")] = None,
    as_known_at: AsKnownAt = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """List the network's contracts, each once, with what the other side says of it.

    Examples: hub view contracts · hub view contracts --standing disputed --json ·
    hub view contracts --as-known-at 2026-03-01
    """
    from hub.protocol.errors import UsageError
    from hub.views.deals import STANDINGS

    if standing is not None and standing not in STANDINGS:
        raise UsageError(f"--standing: expected one of {', '.join(STANDINGS)}, came {standing!r}")
    rows = run_async(_contracts(hub_folder(ctx, data_dir), standing, center, _moment(as_known_at)))
    if json:
        as_json(rows)
        return
    table(
        "contracts",
        ["deal", "standing", "status", "amount", "other side", "its deal", "its amount"],
        [
            [
                row["deal"],
                row["standing"],
                row["status"],
                _money(row["amount"], row["currency"]),
                row["counterpart"] or "-",
                row["other_deal"] or "-",
                _money(row["other_amount"], row["other_currency"]),
            ]
            for row in rows
        ],
    )


def _money(amount: str | None, currency: str | None) -> str:
    return "-" if amount is None else f"{amount} {currency}"


async def _contracts(
    where: HubFolder, standing: str | None, center: str | None, at_us: int | None
) -> list[dict[str, Any]]:
    from hub.views.deals import CONTRACTS, DEALS, Contract
    from hub.views.view import derived

    async with _asked(where, DEALS) as (store, build):
        if at_us is None:
            rows = [row async for row in store.every(build, CONTRACTS)]
        else:
            facts = {table.name: await store.known_at(build, table, at_us) for table in DEALS.facts}
            rows = list(derived(DEALS, facts)[CONTRACTS.name])
    found = [Contract._make(row) for row in rows]
    return [each._asdict() for each in found if standing in (None, each.standing) and center in (None, each.center)]


def _chosen(names: list[str] | None) -> list[View]:
    from hub.protocol.errors import UsageError
    from hub.views.catalogue import VIEWS

    known = {view.name: view for view in VIEWS}
    if unknown := [name for name in names or [] if name not in known]:
        raise UsageError(f"there is no view {unknown[0]!r}: expected {', '.join(known)}")
    return [view for name, view in known.items() if not names or name in names]


def _moment(text: str | None) -> int | None:
    from hub.cli.replay.subject import moment
    from hub.protocol.moment import to_us

    return None if text is None else to_us(moment(text))


@asynccontextmanager
async def _store(where: HubFolder) -> AsyncIterator[ViewStore]:
    """Yield the views of a hub, whose data directory has to be there. Errors: UsageError."""
    from hub.replay.source import Ledger
    from hub.store.view_store import open_views

    Ledger.open(where.place()).close()  # where there is no hub, no file of views is made
    store = open_views(where.place())
    try:
        await store.settle()
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def _asked(where: HubFolder, view: View) -> AsyncIterator[tuple[ViewStore, Build]]:
    """Yield the build of a view that is asked, brought up to the ledger's end if nobody else does that just now."""
    from hub.deriving.runner import Runner
    from hub.protocol.errors import UsageError
    from hub.store.view_store import Overtaken

    async with _store(where) as store:
        with progress("events") as bar:
            runner = Runner(where.place(), store, [view], bar.tick)
            try:
                await runner.catch_up()
            except Overtaken:
                note("another program brings the view up to date just now: what it has done so far is shown")
            finally:
                runner.close()
        builds = [build for build in await store.builds([view]) if build.is_live]
        if not builds:
            raise UsageError(
                f"the view {view.name} is being built by another program: ask again when `hub view list` says so"
            )
        yield store, builds[0]
