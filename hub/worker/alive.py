"""A worker's sign of life in HQ's database: said again by time alone, whatever the rest of the worker waits for.

Whoever adopts rules, announces schemas or takes a group asks for the workers that live. A broker that does not answer,
a fetch that takes long, a start that has much to take in: none of them is a reason to count as gone.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from typing import Any, Final, Protocol

import structlog

from hub.hq.pulse import SILENT_S
from hub.protocol.errors import Retriable
from hub.protocol.rules import RULES_KNOWN
from hub.store.workers import LivingWorker
from hub.worker.measured import Looked

log = structlog.get_logger(__name__)

LEASE: Final = timedelta(seconds=SILENT_S)  # a worker that said nothing for that long lives no more
SAY_EVERY_S: Final = SILENT_S / 3  # one that is late, or fails, is no end yet
RETRY_S: Final = 1.0


class Workers(Protocol):
    """What keeps which workers live; see Store."""

    async def say_alive(self, worker: LivingWorker) -> None:
        """Note that this worker lives until then."""


class SignOfLife:
    """Says that a worker lives, which rules and schemas it knows, and in which group it reads."""

    def __init__(self, store: Workers, owner: str, schemas: frozenset[int], group: str, looked: Looked) -> None:
        self._store = store
        self._owner = owner
        self._schemas = schemas
        self._group = group
        self._looked = looked

    async def say(self) -> None:
        """Say it once. Errors: Retriable of the store."""
        until = datetime.now(UTC) + LEASE
        release = f"cohub {version('cohub')}"
        await self._store.say_alive(LivingWorker(self._owner, release, RULES_KNOWN, until, self._schemas, self._group))
        self._looked.took()

    async def run(self) -> None:
        """Say it again and again; never returns. Errors: faults of the store, which end the process."""
        pause_s = SAY_EVERY_S
        while True:
            await asyncio.sleep(pause_s)
            try:
                await self.say()
                pause_s = SAY_EVERY_S
            except Retriable as exc:
                self._looked.took_nothing()
                log.warning("worker_not_said_to_live", error=str(exc))
                pause_s = RETRY_S


@asynccontextmanager
async def beside(work: Coroutine[Any, Any, None]) -> AsyncIterator[asyncio.Task[None]]:
    """Have `work` done meanwhile. Whoever awaits the task has its errors."""
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
