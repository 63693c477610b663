"""How each fault of a plan is brought about in a site, and healed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tests.support.network import Program
from tests.torture import clock
from tests.torture.cluster import BrokerProgram
from tests.torture.disks import WeakDisk
from tests.torture.links import Mode
from tests.torture.plan import DATABASE, Fault, Kind
from tests.torture.site import Site
from tests.torture.strangers import forge, trim

MODES: Final = {Kind.CUT: Mode.CUT, Kind.HOLE: Mode.HOLE, Kind.SLOW: Mode.SLOW}
HAS_LANES: Final = '"lanes_assigned"'
AT_WORK_S: Final = 45.0
COMMITS_S: Final = 1.0  # in which it begins to write
ONE_WAY: Final = {"up": Mode.UP_ONLY, "down": Mode.DOWN_ONLY}


@dataclass
class Faults:
    """Whoever treats a site badly. `say` is told what was done and what could not be."""

    site: Site
    say: Callable[[str], None]

    async def befall(self, fault: Fault) -> None:
        """Bring a fault about, wait as long as it lasts, and heal it, also where we are cancelled meanwhile."""
        await asyncio.sleep(fault.at_s)
        try:
            await self._begin(fault)
            await asyncio.sleep(fault.lasts_s)
        finally:
            await self._heal(fault)

    async def _begin(self, fault: Fault) -> None:
        site = self.site
        match fault.kind:
            case Kind.KILL | Kind.BROKER:
                await self._at_work(fault.target)
                await self._end([site.program(fault.target)], fault.how)
            case Kind.ALL_BROKERS:
                await self._end(list(site.brokers.programs), fault.how)
            case Kind.FREEZE:
                await self._at_work(fault.target)
                _signal(site.program(fault.target), signal.SIGSTOP)
            case Kind.DATABASE:
                site.server.stop(signal.Signals[fault.how])
            case Kind.CLOCK:
                clock.clock_file(site.root, fault.target).write_text(fault.how.removesuffix(" s"), "ascii")
            case Kind.DISK:
                await asyncio.to_thread(site.disks[fault.target].fill)
            case Kind.POWER:
                await self._cut_power(fault.target)
            case Kind.STRANGER:
                await forge(site, fault.target)
            case Kind.TRIMMED:
                await trim(site, fault.target)
            case _:
                mode = MODES.get(fault.kind) or ONE_WAY[fault.how]
                site.links.turn(fault.target, mode)

    async def _heal(self, fault: Fault) -> None:
        site = self.site
        match fault.kind:
            case Kind.KILL | Kind.BROKER | Kind.POWER:
                site.held.discard(fault.target)
            case Kind.ALL_BROKERS:
                site.held.difference_update(program.name for program in site.brokers.programs)
            case Kind.FREEZE:
                _signal(site.program(fault.target), signal.SIGCONT)
            case Kind.DATABASE:
                await self._start_database()
            case Kind.CLOCK:
                clock.clock_file(site.root, fault.target).unlink(missing_ok=True)
            case Kind.DISK:
                site.disks[fault.target].free()
                if fault.target == DATABASE:
                    await self._start_database()
            case Kind.STRANGER | Kind.TRIMMED:
                pass
            case _:
                site.links.turn(fault.target, Mode.PASS)

    async def _at_work(self, name: str) -> None:
        """Return once a worker has lanes: to befall one that only starts shows nothing. Nobody waits for ever."""
        if name not in self.site.size.workers:
            return
        ends_s = time.monotonic() + AT_WORK_S
        while time.monotonic() < ends_s and not any(HAS_LANES in line for line in self.site.program(name).said()):
            await asyncio.sleep(0.2)
        await asyncio.sleep(COMMITS_S)

    async def _end(self, programs: list[Program], how: str) -> None:
        """End programs, by force or politely, and keep them down."""
        self.site.held.update(program.name.removeprefix("connector-") for program in programs)
        for program in programs:
            if how == "SIGTERM":
                with contextlib.suppress(TimeoutError):  # it is killed then
                    await program.stop()
            else:
                program.kill()

    async def _cut_power(self, name: str) -> None:
        """Take an office's machine down: what its disk was not told in time is gone, but for what people write again.

        An office's people save their sheet once more: a test has no other way to know what stands in it.
        """
        office = self.site.office(name)
        self.site.held.add(name)
        office.connector.kill()
        disk = self.site.disks[name]
        assert isinstance(disk, WeakDisk)
        await asyncio.to_thread(disk.cut_power)
        self.site.save(office)

    async def _start_database(self) -> None:
        """Start the database; one that still runs, since it only had no room, is started anew."""
        self.site.server.stop(signal.SIGQUIT)
        try:
            # A thread of its own would end it when that thread ends: nothing of ours is tied to PostgreSQL's.
            await asyncio.to_thread(self.site.server.start)
        except (AssertionError, TimeoutError) as exc:
            self.say(f"the {DATABASE} does not start: {exc}")
            raise


def _signal(program: Program, number: signal.Signals) -> None:
    if isinstance(program, BrokerProgram):
        program.signal(number)
    elif program.is_running:
        with contextlib.suppress(ProcessLookupError):
            os.kill(program.pid, number)
