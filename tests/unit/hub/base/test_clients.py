"""A Kafka client that does not close in time is given up, and nothing of it stays behind."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from aiokafka import TopicPartition
from aiokafka.cluster import ClusterMetadata
from aiokafka.producer.message_accumulator import MessageAccumulator

from hub.base.clients import close


class Sockets:
    """What a client has its connections in."""

    def __init__(self) -> None:
        self.closed = False

    async def close(self) -> None:
        self.closed = True


class Stuck:
    """A producer whose `stop` waits for what can't be delivered any more."""

    def __init__(self) -> None:
        self.client = Sockets()
        self._sender = SimpleNamespace(sender_task=asyncio.ensure_future(asyncio.Event().wait()))

    @property
    def sending(self) -> asyncio.Future[bool]:
        found: asyncio.Future[bool] = self._sender.sender_task
        return found

    async def stop(self) -> None:
        await asyncio.Event().wait()


async def test_client_that_does_not_stop_loses_its_sockets_and_its_task() -> None:
    """Whoever closes it goes on at the deadline."""
    stuck = Stuck()
    async with asyncio.timeout(5):
        await close(stuck, 0.01)
    await asyncio.wait([stuck.sending])
    assert (stuck.client.closed, stuck.sending.cancelled()) == (True, True)


async def test_cancellation_is_passed_on_when_the_client_is_given_up() -> None:
    """Not before: its sockets would stay open."""
    stuck = Stuck()
    task = asyncio.create_task(close(stuck, 0.05))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task], timeout=5)
    assert (task.cancelled(), stuck.client.closed) == (True, True)


class Waiting(Sockets):
    """Connections that a client waits for as it stops, and as they are closed: what aiokafka's are."""

    def __init__(self) -> None:
        super().__init__()
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def close(self) -> None:
        self.closed = True
        await asyncio.gather(self.ended)


class Held:
    """A consumer whose broker holds back its connections: `stop` waits for them until it is cancelled."""

    def __init__(self) -> None:
        self.client = Waiting()

    async def stop(self) -> None:
        await asyncio.gather(self.client.ended)


async def test_client_whose_connections_are_held_back_ends_nobody_else() -> None:
    """What was cancelled with its `stop` is no cancellation of whoever closes it, who goes on."""
    held = Held()
    async with asyncio.timeout(5):
        await close(held, 0.01)
    assert (held.client.closed, held.client.ended.cancelled()) == (True, True)


class Cut:
    """A producer whose broker went away: as aiokafka's, with its own batches, and a request that waits for ever."""

    def __init__(self) -> None:
        self.client = Sockets()
        self._message_accumulator: Any = MessageAccumulator(ClusterMetadata(), 1000, 0, 15.0)
        self._sender = SimpleNamespace(sender_task=asyncio.ensure_future(self._send()))

    async def send(self) -> asyncio.Future[Any]:
        """Return the future of a batch."""
        waiting = self._message_accumulator
        builder = waiting.create_builder()
        builder.append(timestamp=None, key=None, value=b"x")
        builder.close()
        found: asyncio.Future[Any] = await waiting.add_batch(builder, TopicPartition("in.uz", 0), 1.0)
        return found

    async def stop(self) -> None:
        closing = asyncio.ensure_future(self._message_accumulator.close())
        await asyncio.wait([closing, self._sender.sender_task], return_when=asyncio.FIRST_COMPLETED)

    async def _send(self) -> None:
        request = asyncio.ensure_future(asyncio.Event().wait())
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await request


async def test_no_task_of_a_producer_waits_for_a_broker_that_went_away() -> None:
    """Such a task would be told of in the log when it is collected, as if a program had failed."""
    before = asyncio.all_tasks()
    cut = Cut()
    sent = await cut.send()
    async with asyncio.timeout(5):
        await close(cut, 0.01)
        while asyncio.all_tasks() - before:
            await asyncio.sleep(0.01)
    assert (cut.client.closed, sent.cancelled()) == (True, True)
