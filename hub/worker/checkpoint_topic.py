"""The topic `hub.checkpoints`: what HQ has said of its log, read back and written."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from hub.base.clients import close, closing
from hub.base.kafka import Consumer, Producer, Record
from hub.kafka.cluster import Cluster
from hub.kafka.topics import ensure_topics, log_topics
from hub.ledger.notary import Stored, record_of
from hub.protocol.errors import Retriable
from hub.protocol.topics import CHECKPOINTS

DEADLINE_S: Final = 20.0
REQUEST_TIMEOUT_S: Final = 10.0
LOOK_BACK: Final = 64  # offsets
BYTES_MAX: Final = 256 * 1024  # twice what a checkpoint with all its leaves is
HEADERS_MAX: Final = 16

Said = tuple[bytes, Sequence[tuple[str, bytes | None]]]  # value, headers


@dataclass(frozen=True, slots=True)
class Window:
    """Records that follow one another on the topic, in order; `start` is the offset where it begins.

    Compaction leaves holes: there may be fewer records than offsets, or none. `is_first`: before it there is nothing.
    """

    records: list[Said]
    start: int
    is_first: bool


class CheckpointTopic:
    """Reads and writes the checkpoints of one hub. Errors of Kafka come out as Retriable."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._producer: Producer | None = None

    async def ensure(self) -> None:
        """Make the topic where it is missing. Errors: Retriable, UsageError, Fatal as `ensure_topics`."""
        await ensure_topics(self._cluster, log_topics())

    async def first(self) -> Said | None:
        """Return the earliest record, None in an empty topic. Errors: Retriable."""
        async with self._reading() as (consumer, place, begin, end):
            consumer.seek(place, begin)
            found = await _read(consumer, place, end, 1)
            return found[0] if found else None

    async def before(self, end: int | None = None, count: int = LOOK_BACK) -> Window:
        """Return what stands at the `count` offsets before `end`, or before the topic's end. Errors: Retriable."""
        async with self._reading() as (consumer, place, begin, now):
            upto = now if end is None else min(end, now)
            start = max(begin, upto - count)
            consumer.seek(place, start)
            return Window(await _read(consumer, place, upto, None), start, start == begin)

    async def publish(self, checkpoints: Sequence[Stored]) -> None:
        """Write checkpoints in this order, and wait until the broker has them all. Errors: Retriable."""
        with _translated(self._cluster):
            async with asyncio.timeout(DEADLINE_S):
                producer = await self._started()
                futures = []
                for checkpoint in checkpoints:
                    key, value, headers = record_of(checkpoint)
                    futures.append(await producer.send(CHECKPOINTS, value, key=key, partition=0, headers=headers))
                await asyncio.gather(*futures)

    async def close(self) -> None:
        """Drop the producer; the next `publish` makes another. One that was refused once fails for ever."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await close(producer)

    async def _started(self) -> Producer:
        if self._producer is None:
            self._producer = await self._cluster.producer(
                "cohub-notary", deadline_s=REQUEST_TIMEOUT_S, request_timeout_ms=int(REQUEST_TIMEOUT_S * 1000)
            )
        return self._producer

    @contextlib.asynccontextmanager
    async def _reading(self) -> AsyncIterator[tuple[Consumer, TopicPartition, int, int]]:
        made = await self._cluster.consumer("cohub-notary", deadline_s=REQUEST_TIMEOUT_S)
        async with closing(made) as consumer:
            with _translated(self._cluster):
                async with asyncio.timeout(DEADLINE_S):
                    if CHECKPOINTS not in await consumer.topics():  # a consumer that is given a missing one spins
                        raise Retriable(f"{CHECKPOINTS} at {self._cluster.bootstrap}: there is no such topic")
                    place = TopicPartition(CHECKPOINTS, 0)
                    consumer.assign([place])
                    begin = (await consumer.beginning_offsets([place]))[place]
                    end = (await consumer.end_offsets([place]))[place]
                    yield consumer, place, begin, end


async def _read(consumer: Consumer, place: TopicPartition, end: int, count: int | None) -> list[Said]:
    """Return the records before offset `end` from the consumer's position on, `count` of them at most."""
    found: list[Said] = []
    while await consumer.position(place) < end and (count is None or len(found) < count):
        records = (await consumer.getmany(place, timeout_ms=500, max_records=count)).get(place, ())
        found += (_said(record) for record in records if record.offset < end)
    return found


def _said(record: Record) -> Said:
    """Return what a record says: nothing, where it is larger than any checkpoint of ours, so that few are kept."""
    value, headers = bytes(record.value or b""), list(record.headers)
    if (
        len(headers) > HEADERS_MAX
        or len(value) + sum(len(name) + len(held or b"") for name, held in headers) > BYTES_MAX
    ):
        return b"", []
    return value, headers


@contextlib.contextmanager
def _translated(cluster: Cluster) -> Iterator[None]:
    try:
        yield
    except (KafkaError, TimeoutError, OSError) as exc:
        raise Retriable(f"{CHECKPOINTS} at {cluster.bootstrap}: {str(exc) or type(exc).__name__}") from exc
