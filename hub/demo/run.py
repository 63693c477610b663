"""One run of the demo: a whole network on this machine, from sheets to receipts, on real parts."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hub.base.command import typed
from hub.base.output import as_json, line, note
from hub.base.shell import quote
from hub.demo.network import Network, find_network, office_password, read_network, set_up_office
from hub.demo.offices import (
    Office,
    is_accounted,
    is_finished,
    rows_of,
    stop_offices,
    watch_offices,
)
from hub.hq.folder import HubFolder
from hub.hq.settings import read_settings
from hub.local.hub import LocalHub

if TYPE_CHECKING:
    from hub.demo.view import View

POLL_S: Final = 0.1
SHOW_S: Final = 1.0
STAGGER_S: Final = 0.3  # so that the first of them is through its imports before five share the cores


Statuses = dict[str, dict[str, Any] | None]  # what each center's connector says, None where it says nothing yet


async def run_demo(kept: Path | None, network_dir: Path | None, began: float, *, once: bool) -> int:
    """Run the network in `network_dir` (None: the repository's) and return the command's exit status.

    Its data is in `kept`, or forgotten at the end where that is None. `began` is when the command's process began.
    Errors: UsageError, Fatal.
    """
    network = read_network(find_network(network_dir))
    folder = kept or Path(tempfile.mkdtemp(prefix="cohub-demo-"))
    run = Demo(HubFolder(folder), network, began)
    try:
        summary = await run.run(once=once)
    finally:
        await run.stop()
        if kept is None:
            shutil.rmtree(folder, ignore_errors=True)
        note("stopped")
    as_json(summary, indent=False)
    return 0 if run.is_through else 1


def process_began() -> float:
    """Return when this process began, on the monotonic clock: what its own imports take is counted too."""
    if sys.platform == "linux":  # where psutil's answer may be off by a second
        ticks = int(Path("/proc/self/stat").read_text("ascii", "replace").rpartition(")")[2].split()[19])
        age_s = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    else:
        import psutil

        age_s = time.time() - float(psutil.Process().create_time())
    return time.monotonic() - max(0.0, age_s)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the demo waits, in seconds, before it concludes something from silence."""

    quiet_s: float = 1.5  # nothing new at HQ for so long: time to ask the connectors whether that was all
    ask_again_s: float = 3.0
    stalled_s: float = 120.0


async def until_through(
    view: View, offices: Sequence[Office], ask: Callable[[], Coroutine[Any, Any, Statuses]], patience: Patience
) -> Statuses:
    """Show what arrives; return what the connectors say once every row has its answer, or nothing moves any more.

    The view then has all of it: HQ had committed whatever a connector has an answer to.
    """
    asked_at = time.monotonic()
    while True:
        view.update()
        stalled = view.quiet_s > patience.stalled_s
        rested = time.monotonic() - asked_at > patience.ask_again_s
        if stalled or (view.quiet_s > patience.quiet_s and rested and view.is_published):
            statuses = await _ask(view, ask)
            if stalled or (view.is_published and all(is_finished(o, statuses[o.center]) for o in offices)):
                return statuses
            asked_at = time.monotonic()
        await asyncio.sleep(POLL_S)


async def _ask(view: View, ask: Callable[[], Coroutine[Any, Any, Statuses]]) -> Statuses:
    """Return what the connectors say. On a busy machine that takes seconds, in which the view goes on."""
    asking = asyncio.create_task(ask(), name="statuses")
    try:
        while not (await asyncio.wait([asking], timeout=POLL_S))[0]:
            view.update()
    finally:
        asking.cancel()
    view.read()
    return asking.result()


class Demo:
    """One run of a network."""

    def __init__(self, place: HubFolder, network: Network, began: float) -> None:
        self._place = place
        self._network = network
        self._began = began
        self.is_through = False
        options = read_settings(place.data_dir, {}).settings.broker
        self._local: LocalHub = LocalHub(place, note, options=options)
        self.offices: list[Office] = [Office(c, place.data_dir / "offices" / c) for c in network.centers]

    async def run(self, *, once: bool) -> dict[str, Any]:
        """Start everything, show it arrive, and stay until a signal or (once) until all is through.

        Shapes: see `_summary`; `is_through` says whether every row has its answer.
        """
        await self._start()
        from hub.demo.view import View

        with closing(self._place.reads()) as reads:
            return await self._show(View(reads, self._began), once=once)

    async def _show(self, view: View, *, once: bool) -> dict[str, Any]:
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(self._local.watch(), name="watch-hub"),
                group.create_task(self._keep_offices(), name="offices"),
            ]
            with view:
                statuses = await until_through(view, self.offices, self._statuses, Patience())
            summary = self._summary(view, statuses)
            view.tell(summary, self.offices)
            if not once:
                line(f"\nIt stays up. Change a sheet in {self._place.data_dir / 'offices'}, and see cohub/ beside it.")
                status = typed("hub", f"--data-dir {quote(self._place.data_dir)} status")
                line(f"Look around, in another terminal: {status}")
                line("Ctrl-C stops everything.")
                await self._follow(view)
            for task in tasks:
                task.cancel()
        self.is_through = self._is_through(statuses, summary)
        return summary

    async def stop(self) -> None:
        """Stop connectors, worker, broker. Idempotent; within ten seconds."""
        try:
            await asyncio.gather(stop_offices(self.offices), self._local.stop_worker())
        finally:
            await self._local.stop()

    async def _start(self) -> None:
        """Start all of it. Whatever can load or be set up before the broker answers does so."""
        self._place.ensure_identity(self._network.hub)
        note(f"starting Kafka, the worker and {len(self.offices)} connectors in {self._place.data_dir}")
        bootstrap = await self._local.begin()
        trust = (self._place.keys / "trust.note").read_bytes()
        (self._place.data_dir / "offices").mkdir(exist_ok=True)
        authority = self._local.kafka.authority
        shown = None if authority is None else authority.read_bytes()
        enrolments = {
            o.center: set_up_office(self._network, o.center, o.folder, trust, bootstrap, shown) for o in self.offices
        }
        from hub.demo.registration import keep_logins, let_in, register_network  # the broker starts meanwhile

        await register_network(self._place, self._network, enrolments)
        passwords = {o.center: word for o in self.offices if (word := office_password(o.folder)) is not None}
        await keep_logins(self._place, passwords)
        self._local.start_worker()
        # One connector loads beside the worker; the others would only take both of them the time.
        await self._local.broker_ready()
        if passwords:
            await let_in(self._place, self._local.kafka.cluster)
        self.offices[0].connector.start()
        await self._local.ready()

    async def _keep_offices(self) -> None:
        """Start the other connectors, one after the other; from then on start again what dies."""
        for office in self.offices[1:]:
            office.connector.start()
            await asyncio.sleep(STAGGER_S)
        await watch_offices(self.offices, note)

    async def _follow(self, view: View) -> None:
        with view:
            while True:
                view.update()
                await asyncio.sleep(SHOW_S)

    async def _statuses(self) -> Statuses:
        # No more at a time than there are cores: five interpreters at once would only get into each other's way.
        free = asyncio.Semaphore(os.cpu_count() or 1)

        async def ask(office: Office) -> dict[str, Any] | None:
            async with free:
                return await office.status()

        statuses = await asyncio.gather(*(ask(office) for office in self.offices))
        return {office.center: status for office, status in zip(self.offices, statuses, strict=True)}

    def _summary(self, view: View, statuses: Statuses) -> dict[str, Any]:
        return {
            "centers": {center: rows_of(status) for center, status in statuses.items()},
            "entities": view.entities,
            "seconds": round(view.last_change_s, 3),
            "first_event_s": None if view.first_event_s is None else round(view.first_event_s, 3),
        }

    def _is_through(self, statuses: Statuses, summary: dict[str, Any]) -> bool:
        finished = all(is_finished(office, statuses[office.center]) for office in self.offices)
        return finished and all(is_accounted(rows) for rows in summary["centers"].values())
