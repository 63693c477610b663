"""A view proved: built once more from the ledger, beside the one that is asked, and compared with it."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from hub.deriving.runner import Runner, Tick
from hub.protocol.errors import Conflict
from hub.store.opener import Place
from hub.store.view_store import VIEWS_FILE, ViewStore, open_views_at
from hub.views.view import View


async def compare(place: Place, store: ViewStore, view: View, tick: Tick) -> bool:
    """Return whether the build that is asked says what the ledger says, as far as it has come.

    The other one is built in a file that is gone afterwards, on whichever engine the hub is.
    Errors: Conflict, where no build is asked, or it moves on all the time; as Ledger's.
    """
    builds = [build for build in await store.builds([view]) if build.is_live]
    if not builds:
        raise Conflict(f"the view {view.name} is not built: hub view rebuild {view.name}")
    with TemporaryDirectory(prefix="cohub-view-") as folder:
        other = open_views_at(Path(folder) / VIEWS_FILE)
        runner = Runner(place, other, [view], tick)
        try:
            await other.settle()
            while True:
                cursors = await store.cursors(builds[0])
                await runner.catch_up(cursors)
                (built,) = await other.builds([view])
                digest = await store.digest(builds[0])
                if await store.cursors(builds[0]) == cursors:
                    return digest == await other.digest(built)
        finally:
            runner.close()
            await other.close()
