"""A task that is told to end while it closes a Kafka client ends."""

from __future__ import annotations

import asyncio
import gc
import warnings
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from hub.base.clients import close, start
from hub.broker.embedded import EmbeddedKafka
from hub.kafka.topics import TopicSpec, ensure_topics

pytestmark = pytest.mark.integration


async def started(kind: str, bootstrap: str, topic: str) -> Any:
    """Return a client that is at work: it has tasks of its own to cancel."""
    if kind == "admin":
        admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
        await admin.start()
        return admin
    if kind == "producer":
        producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
        await producer.start()
        await producer.send_and_wait(topic, b"x")
        return producer
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    await consumer.start()
    consumer.assign([TopicPartition(topic, 0)])
    await consumer.end_offsets([TopicPartition(topic, 0)])
    return consumer


@pytest.mark.parametrize("kind", ["consumer", "producer", "admin"])
async def test_cancellation_is_passed_on_whenever_it_comes(kafka: EmbeddedKafka, topic_prefix: str, kind: str) -> None:
    """Also in the very steps in which the client waits for tasks that it has cancelled itself."""
    await ensure_topics(kafka.cluster, [TopicSpec(topic_prefix, 1)])
    for steps in range(1, 12):
        client = await started(kind, kafka.bootstrap, topic_prefix)

        async def work(client: Any = client) -> None:
            await close(client, 10.0)
            await asyncio.Event().wait()  # what a task does that goes on for ever

        task = asyncio.create_task(work())
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        done, _ = await asyncio.wait([task], timeout=10.0)
        assert done, f"cancelled after {steps} steps, it went on"
        assert task.cancelled()


async def test_what_is_left_to_do_in_a_task_that_ends_is_done(kafka: EmbeddedKafka) -> None:
    """A task that is being unwound was told already: closing does not say it twice."""
    left: list[str] = []
    waits = asyncio.Event()

    async def work() -> None:
        admin = await started("admin", kafka.bootstrap, "")
        try:
            waits.set()
            await asyncio.Event().wait()
        finally:
            await close(admin, 10.0)
            left.append("done")

    task = asyncio.create_task(work())
    await waits.wait()
    task.cancel()
    await asyncio.wait([task], timeout=10.0)
    assert (task.cancelled(), left) == (True, ["done"])


async def test_client_that_does_not_close_is_left_alone() -> None:
    """Within the deadline, and whatever it raises."""

    class Never:
        async def stop(self) -> None:
            await asyncio.Event().wait()

    class Fails:
        async def stop(self) -> None:
            raise ValueError

    async with asyncio.timeout(5):
        await close(Never(), 0.01)
        await close(Fails(), 0.01)


@pytest.mark.parametrize("kind", ["consumer", "producer"])
async def test_start_that_is_broken_off_leaves_no_connection_open(kafka: EmbeddedKafka, kind: str) -> None:
    """Whenever the cancellation comes, also between the first connection and the client's knowing of it."""
    for half_ms in range(24):
        made = (AIOKafkaProducer if kind == "producer" else AIOKafkaConsumer)(bootstrap_servers=kafka.bootstrap)

        async def work(client: Any = made) -> None:
            try:
                await start(client, 10.0)
                await asyncio.Event().wait()
            finally:
                await close(client, 10.0)

        task = asyncio.create_task(work())
        await asyncio.sleep(half_ms / 2000)
        task.cancel()
        await asyncio.wait([task], timeout=20.0)
        assert task.cancelled()
        del task, made, work
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            gc.collect()
        assert [str(w.message) for w in told if issubclass(w.category, ResourceWarning)] == [], (
            f"after {half_ms / 2} ms"
        )
