"""`hub center suspend`, `resume`, `close`: how HQ stands with a center, and what it may do from then on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated

import typer

from hub.base.output import as_json, line, note
from hub.cli.options import DataDir, Json, hub_folder, run_async

if TYPE_CHECKING:
    from hub.hq.centers import Changed
    from hub.hq.folder import HubFolder

CenterId = Annotated[str, typer.Argument(metavar="ID", help="The center's id: a-z, 0-9 and -, such as uz.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; it stands in the ledger.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands to those of `hub center`."""
    app.command()(suspend)
    app.command()(resume)
    app.command()(close)


def suspend(ctx: typer.Context, center: CenterId, reason: Reason, data_dir: DataDir = None, json: Json = False) -> None:
    """Suspend a center: its lane waits, nothing is lost. Its office may write no more; it reads on, and is told why.

    Example: hub center suspend uz --reason "audit"
    """
    from hub.hq import centers

    told = f"center {center} is suspended; `hub center resume {center}` lets it go on"
    _change(hub_folder(ctx, data_dir), lambda where: centers.suspend(where, center, reason), told, as_plain=json)


def resume(
    ctx: typer.Context, center: CenterId, reason: Reason = "resumed", data_dir: DataDir = None, json: Json = False
) -> None:
    """Let a suspended center go on: its office may write again.

    Example: hub center resume uz --reason "audit done"
    """
    from hub.hq import centers

    told = f"center {center} is active"
    _change(hub_folder(ctx, data_dir), lambda where: centers.resume(where, center, reason), told, as_plain=json)


def close(ctx: typer.Context, center: CenterId, reason: Reason, data_dir: DataDir = None, json: Json = False) -> None:
    """Close a center for good; what it reported stays. Its office is let in no more, neither to write nor to read.

    Example: hub center close uz --reason "left the network"
    """
    from hub.hq import centers

    told = f"center {center} is closed for good; nothing of its lane is read any more"
    _change(hub_folder(ctx, data_dir), lambda where: centers.close(where, center, reason), told, as_plain=json)


def tell_pinned(*, is_pinned: bool) -> None:
    """Say what is left to do where the trust note has other witness keys than the centers."""
    if not is_pinned:
        note("the trust note does not have the witness keys as they are: `hub key renew --request FILE` asks for it")


def _change(where: HubFolder, change: Callable[[HubFolder], Awaitable[Changed]], told: str, *, as_plain: bool) -> None:
    async def work() -> Changed:
        return await change(where)

    done = run_async(work())
    tell_pinned(is_pinned=done.is_pinned)
    if as_plain:
        before = None if done.before is None else done.before.model_dump()
        as_json({"before": before, "after": done.center.model_dump()})
    else:
        line(told)
