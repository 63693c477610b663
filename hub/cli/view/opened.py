"""The views of a hub, opened for a command."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from hub.base.output import note
from hub.cli.progress import progress

if TYPE_CHECKING:
    from hub.hq.folder import HubFolder
    from hub.store.view_store import Build, ViewStore
    from hub.views.view import View


@asynccontextmanager
async def opened(where: HubFolder) -> AsyncIterator[ViewStore]:
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
async def asked(where: HubFolder, view: View) -> AsyncIterator[tuple[ViewStore, Build]]:
    """Yield the build of a view that is asked, brought up to the ledger's end if nobody else does that just now."""
    from hub.deriving.runner import Runner
    from hub.protocol.errors import UsageError
    from hub.store.view_store import Overtaken

    async with opened(where) as store:
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
