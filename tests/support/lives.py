"""A worker that is started again whenever an error of its store ends it, over topics that lose nothing.

What ends it is what ends the process: an error of taking lanes over or of handling a fetch, and none of a look.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from hub.hq.headquarters import Headquarters
from hub.protocol.errors import Retriable
from hub.store.store import Store
from hub.worker.consolidator import Consolidator
from tests.support.center import RELEASED, Sent
from tests.support.hq import IDENTITY
from tests.support.intakes import Ledgered, Positions

FETCH = 4  # records
QUIET = 2  # rounds in which nothing came


@dataclass
class Lives:
    """One worker after another on one store. `topics` holds what centers wrote, by center."""

    store: Store
    clock: Callable[[], datetime]
    topics: dict[str, list[Sent]] = field(default_factory=dict)
    positions: Positions = field(default_factory=Positions)
    published: Ledgered = field(default_factory=Ledgered)
    worker: Consolidator | None = None
    deaths: int = 0

    async def run(self) -> None:
        """Do what there is to do, until two looks have found nothing."""
        quiet = 0
        while quiet < QUIET:
            try:
                quiet = 0 if await self._round() else quiet + 1
            except Retriable:
                # The process ends, and its supervisor starts it again: what it held in memory is gone.
                self.worker = None
                self.deaths += 1

    async def _round(self) -> bool:
        worker = self.worker or await self._start()
        with contextlib.suppress(Retriable):  # as the service does: the same worker looks again
            await worker.look_again()
        came = False
        for center, records in self.topics.items():
            behind = [r for r in records if r.offset >= self.positions.next[center]][:FETCH]
            if behind and center not in self.positions.paused:
                self.positions.next[center] = behind[-1].offset + 1
                await worker.ready(behind)
                await worker.handle(center, behind)
                came = True
        return came

    async def _start(self) -> Consolidator:
        self.positions = Positions(dict.fromkeys(self.topics, 0))
        headquarters = Headquarters(self.store, IDENTITY, RELEASED)
        worker = Consolidator(self.store, headquarters, IDENTITY, self.published, "worker", self.clock)
        worker.attach(self.positions)
        offsets = await worker.assign(list(self.topics))
        self.positions.next = {center: offset or 0 for center, offset in offsets.items()}
        self.worker = worker
        return worker
