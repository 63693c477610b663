"""A task that waits for news and is cancelled in the turn in which it comes ends: nobody waits for its end for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from hub.cli.run import _wait
from hub.kafka.memory import MemoryBroker
from hub.worker.lanes import Lanes
from hub.worker.publisher import Pace, Publisher
from tests.support.fanned import STATE_FORMS, at

Waits = Callable[[], tuple[Callable[[], Coroutine[Any, Any, None]], Callable[[], None]]]
TURNS = 8  # the news is heard within so many


def publisher_rests() -> tuple[Callable[[], Coroutine[Any, Any, None]], Callable[[], None]]:
    publisher = Publisher(None, at(MemoryBroker()), STATE_FORMS, pace=Pace(cursors_s=60.0))  # type: ignore[arg-type]
    return publisher.run, publisher._wake.set


def lanes_wait() -> tuple[Callable[[], Coroutine[Any, Any, None]], Callable[[], None]]:
    lanes = Lanes.__new__(Lanes)
    lanes._wake = asyncio.Event()

    async def poll() -> None:
        while True:
            await lanes.resumed(60.0)

    return poll, lanes._wake.set


def command_knocks() -> tuple[Callable[[], Coroutine[Any, Any, None]], Callable[[], None]]:
    stop = asyncio.Event()

    async def knock() -> None:
        while True:
            stop.clear()
            await _wait(stop, 60.0)

    return knock, stop.set


@pytest.mark.parametrize("waits", [publisher_rests, lanes_wait, command_knocks])
@pytest.mark.parametrize("turns", range(TURNS))
async def test_cancellation_that_comes_with_news_is_heard(waits: Waits, turns: int) -> None:
    work, tell = waits()
    task = asyncio.create_task(work())
    await asyncio.sleep(0.02)
    tell()
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    done, _ = await asyncio.wait({task}, timeout=5)
    task.cancel()
    assert done == {task}
    assert task.cancelled()
