"""A worker in the test's own loop, on real Kafka, and a center's records on their way to it and back."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from hub.base.clients import close, start
from hub.cli.main import run_command
from hub.cli.options import Settings
from hub.hq.folder import HubFolder
from hub.hq.headquarters import Headquarters, HqEvent
from hub.hq.identity import Identity, load_identity
from hub.kafka.cluster import Cluster
from hub.kafka.topics import ensure_topics, standard_topics
from hub.protocol.note import Note
from hub.protocol.receipt import Receipt, Resend
from hub.protocol.status import StatusNote, read_said
from hub.store.copying import mirror
from hub.store.postgres import PostgresStore
from hub.store.postgres_server import Server
from hub.store.released import released_schemas
from hub.store.sqlite import SqliteStore
from hub.worker.service import WorkerSettings, run_worker
from tests.support.center import Center, Sent
from tests.support.engines import open_store
from tests.support.hq import center_record

CLOSE_S = 10.0


@dataclass
class Hub:
    """A hub's data directory and the broker it uses; workers come and go."""

    data_dir: Path
    bootstrap: str
    identity: Identity
    server: Server | None = None  # where the database is, if it is no file
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None

    @classmethod
    def make(cls, data_dir: Path, bootstrap: str, server: Server | None = None) -> Hub:
        HubFolder(data_dir).ensure_identity("hub.example")  # a test may have begun it already
        return cls(data_dir, bootstrap, load_identity(HubFolder(data_dir).keys), server)

    @property
    def cluster(self) -> Cluster:
        return Cluster.at(self.bootstrap)

    @property
    def database(self) -> Path:
        return HubFolder(self.data_dir).database

    def store(self) -> SqliteStore:
        return open_store(self.database)

    async def say(self, *events: HqEvent) -> None:
        store = self.store() if self.server is None else await PostgresStore.open(self.server)
        try:
            headquarters = Headquarters(store, self.identity, released_schemas())
            await headquarters.prepare()
            await headquarters.say(events)
        finally:
            await store.close()

    async def register(self, *centers: Center) -> None:
        await self.say(
            *(HqEvent("net.cohub.center.registered.v1", c.id, center_record(c)) for c in centers),
        )
        await ensure_topics(self.cluster, standard_topics([c.id for c in centers], []))

    async def start(self) -> None:
        ready = asyncio.Event()
        self.stop = asyncio.Event()
        settings = WorkerSettings(data_dir=self.data_dir, cluster=self.cluster, database=self.server)
        self.task = asyncio.create_task(run_worker(settings, self.stop, ready.set))
        waiting = asyncio.create_task(ready.wait())
        await asyncio.wait({self.task, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if self.task.done():
            self.task.result()

    async def end(self) -> None:
        self.stop.set()
        if self.task is not None:
            await self.task
            self.task = None

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Hub]:
        await self.start()
        try:
            yield self
        finally:
            await self.end()

    async def _looked_at(self) -> Path:
        """Return a file that has the database as it is now."""
        if self.server is None:
            return self.database
        copy = self.data_dir / "looked_at.sqlite3"
        await mirror(self.server, copy)
        return copy

    async def until(self, seen: Callable[[Path], bool], deadline_s: float = 30.0) -> None:
        """Wait until the database shows it. Fails at the deadline, or at once when the worker has died."""
        async with asyncio.timeout(deadline_s):
            while not seen(await self._looked_at()):
                if self.task is not None and self.task.done():
                    self.task.result()
                await asyncio.sleep(0.02)


async def produce(bootstrap: str, topic: str, records: Sequence[Sent], *, request_bytes_max: int = 1_048_576) -> None:
    """Write records as they are to partition 0."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", max_request_size=request_bytes_max)
    try:
        await start(producer, CLOSE_S)
        for record in records:
            await producer.send_and_wait(topic, record.value, key=record.key, partition=0, headers=list(record.headers))
    finally:
        await close(producer, CLOSE_S)


async def read_topic(bootstrap: str, topic: str, partition: int = 0) -> list[Any]:
    """Return every record of a partition, up to where it ends now; none of a topic that is not there yet."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest", enable_auto_commit=False)
    try:
        await start(consumer, CLOSE_S)  # a test's deadline that passes meanwhile leaves no connection open
        if topic not in await consumer.topics():  # a consumer that is given a missing one spins, past every deadline
            return []
        place = TopicPartition(topic, partition)
        consumer.assign([place])
        end = (await consumer.end_offsets([place]))[place]
        found: list[Any] = []
        async with asyncio.timeout(20):
            while await consumer.position(place) < end:
                for records in (await consumer.getmany(place, timeout_ms=500)).values():
                    found.extend(records)
        return found
    finally:
        await close(consumer, CLOSE_S)  # also of a test whose deadline passes just now


async def answers(hub: Hub, center: str) -> list[Receipt | Resend]:
    """Return what HQ has answered a center, every signature checked."""
    found = []
    for record in await read_topic(hub.bootstrap, f"out.{center}"):
        note = Note.from_bytes(record.value)
        note.verify([hub.identity.receipts.verifier])
        said = read_said(note.text)
        if not isinstance(said, StatusNote):
            found.append(said)
    return found


def hub_says(data_dir: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Return what a command of `hub` ends with in this process, and what it prints to either stream."""
    capsys.readouterr()
    status = run_command(list(arguments), Settings(data_dir))
    said = capsys.readouterr()
    return status, said.out, said.err


async def all_said(hub: Hub, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Return the same of a command of a hub whose worker goes on meanwhile, both streams in one."""
    status, out, err = await asyncio.to_thread(hub_says, hub.data_dir, capsys, *arguments)
    return status, out + err
