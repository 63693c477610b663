"""Sending many records at once: what waits for its acknowledgement is no more than a broker takes in one request."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from hub.kafka.memory import MemoryBroker
from hub.kafka.memory_clients import MemoryBatch, MemoryProducer
from hub.kafka.sending import WAITING_BYTES_MAX, send_all

PARTITIONS = 40
BATCH_BYTES = 900_000


class Watching:
    """A producer whose acknowledgements come a moment later, and which knows how much waited for them at most."""

    def __init__(self, producer: MemoryProducer) -> None:
        self._producer = producer
        self._waiting = 0
        self.most = 0

    def create_batch(self) -> MemoryBatch:
        return self._producer.create_batch()

    async def send_batch(self, batch: MemoryBatch, topic: str, *, partition: int) -> asyncio.Future[Any]:
        self._waiting += batch.size()
        self.most = max(self.most, self._waiting)

        async def acknowledged() -> Any:
            await asyncio.sleep(0)
            self._waiting -= size
            return await done

        size, done = batch.size(), await self._producer.send_batch(batch, topic, partition=partition)
        return asyncio.ensure_future(acknowledged())


@pytest.mark.parametrize("record_bytes", [200_000, 2_000])
async def test_no_more_waits_than_a_broker_takes_in_one_request(record_bytes: int) -> None:
    """A client makes one request of what waits: of every partition a batch. All of it is written, in its order."""
    broker = MemoryBroker({"events": PARTITIONS})
    producer = broker.producer(max_batch_size=BATCH_BYTES, max_request_size=2 * BATCH_BYTES)
    await producer.start()
    count = 1_600_000 // record_bytes
    values = [number.to_bytes(4) + bytes(record_bytes) for number in range(count)]
    places: dict[tuple[str, int], Any] = {
        ("events", number): [(b"k", value, []) for value in values] for number in range(0, PARTITIONS, 4)
    }
    watching: Any = Watching(producer)
    told = await send_all(watching, places, 60)
    assert WAITING_BYTES_MAX / 2 < watching.most <= WAITING_BYTES_MAX
    assert told.places == dict.fromkeys(places, (0, count))
    for _, number in places:
        assert [record.value for record in broker.records("events", number)] == values
    await producer.stop()


async def test_little_is_sent_at_once() -> None:
    """What fits waits for nothing before it is on its way."""
    sent: list[int] = []

    class Counting:
        def create_batch(self) -> MemoryBatch:
            return MemoryBatch(BATCH_BYTES)

        async def send_batch(self, batch: MemoryBatch, *_: Any, **__: Any) -> asyncio.Future[Any]:
            sent.append(batch.record_count())
            future = asyncio.get_running_loop().create_future()
            futures.append(future)
            if len(sent) == 3:  # none is acknowledged before the last one came
                for each in futures:
                    each.set_result(done)
            return future

    futures: list[asyncio.Future[Any]] = []
    done = SimpleNamespace(topic="t", partition=0, offset=-1, timestamp=None, timestamp_type=0)
    counting: Any = Counting()
    await send_all(counting, {("t", n): [(b"k", bytes(100_000), [])] for n in range(3)}, 10)
    assert sent == [1, 1, 1]
