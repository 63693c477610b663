"""HQ's own lane on its way out: one of several workers publishes it, by the keeper's lease, and announces schemas.

What HQ says in its lane is committed by whoever says it (docs/adr/0004), a command or a worker; no group gives that
lane to anybody. So whoever has the lease publishes it, under a term that each new leader gets the next of: with it an
old state that a leader sends who was stopped meanwhile is found out, and said again by the one who leads then.

What is true when the process dies behind each step:

    lease had       somebody else has it some seconds later
    term begun      every older one is void; the next leader gets the next
    adopted         what the last leader left is read from its cursor in SQL
    announced       all that could be, in one step of the hq lane
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from datetime import UTC, datetime
from typing import Final

import structlog

from hub.domain.stream import HQ
from hub.protocol.errors import Retriable
from hub.store.store import Store
from hub.worker.lease import Lease
from hub.worker.publisher import Publisher

LOOK_EVERY_S: Final = 1.0

log = structlog.get_logger(__name__)


class HqPublication:
    """Has one worker's publisher publish the hq lane for as long as that is its task.

    Shapes: `announce` announces what every living worker can read and HQ has not announced; it returns who can't.
    """

    def __init__(
        self,
        store: Store,
        publisher: Publisher,
        owner: str,
        announce: Callable[[], Awaitable[Collection[object]]],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store = store
        self._publisher = publisher
        self._owner = owner
        self._announce = announce
        self._lease = Lease(store.topics, owner, clock)
        self._is_announced = False  # all that this release can read, as far as this worker is to see to it

    async def run(self) -> None:
        """Do it until cancelled. Errors: Fatal of the store, which ends the process."""
        try:
            while True:
                await self.round()
                await asyncio.sleep(LOOK_EVERY_S)
        finally:
            await self._lease.end()

    async def round(self) -> None:
        """See whose task it is, and begin or end it."""
        try:
            if not await self._lease.is_ours():
                self._publisher.leave([HQ])
                self._is_announced = False
                return
            if not self._publisher.has(HQ):  # we have just got it, or were overtaken while we were stopped
                term = await self._store.repeats.begin_hq(self._owner)
                await self._publisher.adopt({HQ: term})
                log.info("hq_lane_taken", term=term)
            if not self._is_announced:
                self._is_announced = not await self._announce()
        except Retriable as exc:
            log.warning("hq_lane_waits", error=str(exc))
