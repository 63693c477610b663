"""The one way in which a Kafka client is started, and the one in which it is closed, whatever state it is in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from itertools import chain
from typing import Any, Final, Protocol, TypeVar

from hub.base.connection import give_up_all, make_for
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

    A deadline of the caller's, or a cancellation, is passed on after at most `deadline_s` more. Whatever happens, the
    client is to be closed by `close`.
    """
    starting = make_for(client, client.start())
    try:
        await asyncio.shield(starting)
    except asyncio.CancelledError:
        await asyncio.wait([starting], timeout=deadline_s)
        if not starting.done():
            starting.cancel()
            await asyncio.wait([starting], timeout=GIVE_UP_S)  # it takes a few turns of the event loop to its end
        elif not starting.cancelled():
            starting.exception()  # seen: the cancellation is what counts
        raise


async def close(client: Stoppable | Closable, deadline_s: float = CLOSE_S) -> None:
    """Close a client within a deadline, whatever state it is in; what it raises is of no use any more.

    Its sockets are closed with it: no broker that is slow to say good-bye keeps one open.

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
    give_up_all(client)
    if told is not None:
        raise told


async def close_all(clients: Iterable[Producer | Consumer | Admin | None], deadline_s: float = CLOSE_S) -> None:
    """Close several clients at once, as `close` does; a cancellation is passed on when all of them are closed."""
    closings = [asyncio.ensure_future(close(client, deadline_s)) for client in clients if client is not None]
    told: asyncio.CancelledError | None = None
    while not all(one.done() for one in closings):
        try:
            await asyncio.wait(closings)
        except asyncio.CancelledError as exc:
            told = exc
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
    """Free the sockets and the tasks of a client whose `stop` waits for what can't be delivered any more."""
    sending = getattr(getattr(client, "_sender", None), "sender_task", None)
    if sending is not None:
        sending.cancel()
    try:
        await _close_connections(client)
    finally:
        if sending is not None and not sending.done():
            sending.cancel()  # cancelled once, it waits for its requests: one that waits for the cluster waits for ever
        _drop_batches(client)


def _drop_batches(client: Any) -> None:
    """End whoever waits for a producer's batches, one of its own tasks among them: nothing comes of them any more."""
    waiting = getattr(client, "_message_accumulator", None)
    for batch in [*chain(*getattr(waiting, "_batches", {}).values()), *getattr(waiting, "_pending_batches", ())]:
        batch.future.cancel()


async def _close_connections(client: Any) -> None:
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
