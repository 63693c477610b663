"""HQ with two centers, time that stands still, and the transport's consumer without a broker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hub.worker.app import App
from tests.support.center import Center
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
