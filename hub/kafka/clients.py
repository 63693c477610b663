"""Starting and closing a Kafka client in a task that may be told to end at this very moment."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine


async def start(begin: Callable[[], Awaitable[object]], deadline_s: float) -> None:
    """Run a client's `start`. One that is broken off leaves its first connection open, so it is let end first.

    A deadline of the caller's, or a cancellation, is passed on after at most `deadline_s` more.
    """
    starting = asyncio.ensure_future(begin())
    try:
        await asyncio.shield(starting)
    except asyncio.CancelledError:
        await asyncio.wait([starting], timeout=deadline_s)
        if not starting.done():
            starting.cancel()
        elif not starting.cancelled():
            starting.exception()  # seen: the cancellation is what counts
        raise


async def close(stop: Callable[[], Coroutine[object, object, object]], deadline_s: float) -> None:
    """Run a client's `stop` within a deadline, whatever state it is in; what it raises is of no use any more.

    A cancellation that comes meanwhile is passed on when the client is closed. In the same task aiokafka would take it
    for that of its own tasks, which it has just cancelled itself, and swallow it: the task would go on for ever, and
    whoever waits for its end with it.
    """
    clock = asyncio.get_running_loop().time
    until_s = clock() + deadline_s
    stopping = asyncio.ensure_future(stop())
    told: asyncio.CancelledError | None = None
    while not stopping.done() and (left_s := until_s - clock()) > 0:
        try:
            await asyncio.wait([stopping], timeout=left_s)
        except asyncio.CancelledError as exc:
            told = exc
    if not stopping.done():
        stopping.cancel()
    elif not stopping.cancelled():
        stopping.exception()  # seen
    if told is not None:
        raise told
