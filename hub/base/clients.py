"""The one way in which a Kafka client is started, and the one in which it is closed, whatever state it is in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final, Protocol, TypeVar

from hub.base.kafka import Admin, Consumer, Producer

CLOSE_S: Final = 2.0  # what a broker that is there needs many times over; from one that is not, nothing comes later
GIVE_UP_S: Final = 0.5  # more, for the sockets of a client that did not close in time

Client = TypeVar("Client", Producer, Consumer, Admin)


class Stoppable(Protocol):
    """A producer, or a consumer."""

    async def stop(self) -> None:
        """Write what waits, and close."""


class Closable(Protocol):
    """An admin client."""

    async def close(self) -> None:
        """Close."""


async def start(client: Producer | Consumer | Admin, deadline_s: float) -> None:
    """Run a client's `start`. One that is broken off leaves its first connection open, so it is let end first.

    A deadline of the caller's, or a cancellation, is passed on after at most `deadline_s` more.
    """
    starting = asyncio.ensure_future(client.start())
    try:
        await asyncio.shield(starting)
    except asyncio.CancelledError:
        await asyncio.wait([starting], timeout=deadline_s)
        if not starting.done():
            starting.cancel()
        elif not starting.cancelled():
            starting.exception()  # seen: the cancellation is what counts
        raise


async def close(client: Stoppable | Closable, deadline_s: float = CLOSE_S) -> None:
    """Close a client within a deadline, whatever state it is in; what it raises is of no use any more.

    A cancellation that comes meanwhile is passed on when the client is closed. In the same task aiokafka would take it
    for one of its own tasks' cancellations, which it has just asked for itself, and swallow it: the task would go on
    for ever, and whoever waits for its end with it.
    """
    clock = asyncio.get_running_loop().time
    until_s = clock() + deadline_s
    stopping = asyncio.ensure_future(_stop(client))
    told: asyncio.CancelledError | None = None
    while not stopping.done() and (left_s := until_s - clock()) > 0:
        try:
            await asyncio.wait([stopping], timeout=left_s)
        except asyncio.CancelledError as exc:
            told = exc
    if not stopping.done():
        stopping.cancel()
        await _give_up(client)
    elif not stopping.cancelled():
        stopping.exception()  # seen
    if told is not None:
        raise told


@asynccontextmanager
async def closing(client: Client, deadline_s: float = CLOSE_S) -> AsyncIterator[Client]:
    """Yield a client, and close it afterwards; see `close`."""
    try:
        yield client
    finally:
        await close(client, deadline_s)


async def _stop(client: Any) -> None:
    await (client.stop() if hasattr(client, "stop") else client.close())


async def _give_up(client: Any) -> None:
    """Free the sockets of a client whose `stop` waits for what can't be delivered any more."""
    sender = getattr(client, "_sender", None)
    if sender is not None and sender.sender_task is not None:
        sender.sender_task.cancel()
    kafka: Any = getattr(client, "_client", None) or getattr(client, "client", None)
    if not hasattr(kafka, "close"):
        return  # one in memory has no sockets
    # What it waits for was cancelled with the `stop` before: awaited here, that would look like our own cancellation.
    closing = asyncio.ensure_future(kafka.close())
    await asyncio.wait([closing], timeout=GIVE_UP_S)
    if not closing.done():
        closing.cancel()
    elif not closing.cancelled():
        closing.exception()  # seen
