"""The reading side on real Kafka: intakes in memory, a broker's topics, and a reader of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaProducer, ConsumerRecord
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from hub.broker.embedded import EmbeddedKafka
from hub.kafka.cluster import Cluster
from hub.protocol.topics import topic_in
from hub.worker.app import App, ReaderSettings, create_app
from hub.worker.lanes import Lanes
from hub.worker.ports import LaneHandle
from hub.worker.supervision import consume

DEADLINE_S = 30.0
STOP_S = 8.0


class Positions:
    """What the workers of one hub share, as they share SQL: the next offset of each lane, and who holds it."""

    def __init__(self, **next_offsets: int | None) -> None:
        self.next: dict[str, int | None] = dict(next_offsets)
        self.owner: dict[str, str] = {}


class MemoryIntakes:
    """Intakes over `Positions`: they take what comes and remember it."""

    def __init__(self, positions: Positions, name: str = "a") -> None:
        self.positions = positions
        self.name = name
        self.journal: list[tuple[str, str]] = []
        self.fetched: list[tuple[str, list[int]]] = []
        self.on_fetched: Callable[[str, Sequence[ConsumerRecord]], Awaitable[None]] | None = None

    def attach(self, reader: LaneHandle) -> None:
        assert isinstance(reader, Lanes)
        self.reader = reader

    async def assign(self, centers: Sequence[str]) -> dict[str, int | None]:
        for center in centers:
            assert center not in self.positions.owner, "assigned to two workers"
            self.positions.owner[center] = self.name
            self.journal.append(("assign", center))
        return {center: self.positions.next.get(center) for center in centers}

    async def revoke(self, centers: Sequence[str]) -> None:
        for center in centers:
            assert self.positions.owner.pop(center) == self.name
            self.journal.append(("revoke", center))

    async def ready(self, records: Sequence[ConsumerRecord], before: Collection[str] = ()) -> None:
        """Be ready at once."""

    async def handle(self, center: str, records: Sequence[ConsumerRecord]) -> None:
        assert self.positions.owner[center] == self.name
        self.fetched.append((center, [record.offset for record in records]))
        self.positions.next[center] = records[-1].offset + 1
        if self.on_fetched:
            await self.on_fetched(center, records)

    def offsets(self, center: str) -> list[int]:
        return [offset for of, offsets in self.fetched if of == center for offset in offsets]


async def until(condition: Callable[[], bool], running: asyncio.Task[None] | None = None) -> None:
    """Wait for a condition; what ended the reader in the meantime is raised."""
    async with asyncio.timeout(DEADLINE_S):
        while not condition():
            if running is not None and running.done():
                running.result()
            await asyncio.sleep(0.01)


class Site:
    """A broker's topics and what is written to them."""

    def __init__(self, kafka: EmbeddedKafka, prefix: str) -> None:
        self.bootstrap = kafka.bootstrap
        self.group = f"{prefix}-workers"

    async def make(self, *centers: str) -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()
        try:
            await admin.create_topics([NewTopic(topic_in(center), 1, 1) for center in centers])
        finally:
            await admin.close()

    async def remove(self, *centers: str) -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()
        try:
            await admin.delete_topics([topic_in(center) for center in centers])
        finally:
            await admin.close()

    async def write(self, center: str, records: int, size: int = 10) -> None:
        producer = AIOKafkaProducer(bootstrap_servers=self.bootstrap, acks="all")
        await producer.start()
        try:
            sent = [await producer.send(topic_in(center), b"x" * size) for _ in range(records)]
            await asyncio.gather(*sent)
        finally:
            await producer.stop()

    def settings(self, instance: str | None = None) -> ReaderSettings:
        return ReaderSettings(cluster=Cluster.at(self.bootstrap), group=self.group, instance=instance)

    @asynccontextmanager
    async def reader(self, intakes: MemoryIntakes, *centers: str) -> AsyncIterator[tuple[App, asyncio.Task[None]]]:
        app = create_app(self.settings(), intakes, centers)
        stop = asyncio.Event()
        running = asyncio.create_task(consume(app, stop=stop, stall_s=60.0, deadline_s=STOP_S))
        try:
            yield app, running
        finally:
            stop.set()
            await asyncio.wait([running])
        running.result()
