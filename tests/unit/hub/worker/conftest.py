"""HQ with two centers, time that stands still, and the transport's consumer without a broker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hub.kafka.administration import administration
from hub.kafka.memory import MemoryBroker
from hub.worker.app import App
from tests.support.access import BOB, FIRST, Bench
from tests.support.center import Center
from tests.support.engines import open_store
from tests.support.fed import KZ, UZ, Fed, drop
from tests.support.hq import Hq
from tests.support.notaries import Clock


@pytest.fixture
async def hq(tmp_path: Path) -> AsyncIterator[Hq]:
    opened = await Hq.open(tmp_path)
    yield opened
    await opened.store.close()


@pytest.fixture
async def staffed(hq: Hq) -> Hq:
    """Return HQ with two centers."""
    for center in (Center("uz"), Center("kz")):
        await hq.register(center)
    return hq


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def fed() -> Iterator[Callable[..., Fed]]:
    """Yield what makes the consumer of an app, which lets records flow."""
    loops: list[asyncio.AbstractEventLoop] = []

    def make(app: App, callback: Callable[[Any], Any] = drop) -> Fed:
        told = app._on_partitions_revoked, app._on_partitions_assigned
        made = Fed(app.transport, callback, *told, loop=asyncio.get_running_loop(), beacon=app.beacon)
        loops.append(made._thread.thread_loop)  # of a thread that is never started
        made._active_partitions = {UZ, KZ}
        made.resume_flow()
        made.journal.clear()
        app.consumer = made
        return made

    yield make
    for loop in loops:
        loop.close()


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    broker = MemoryBroker()
    broker.access.has_authorizer = True
    keys = tmp_path / "keys"
    keys.mkdir(mode=0o700)
    made = Bench(open_store(tmp_path / "hub.sqlite3"), broker, keys)
    async with administration(made.cluster) as access:
        await access.grant([BOB])
        await access.set_users({"bob": FIRST})
    broker.access.changes.clear()
    yield made
    await made.store.close()
