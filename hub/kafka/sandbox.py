"""A topic that replayed events are written to: what is in it already, making it, writing in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from hub.base.clients import closing
from hub.base.kafka import Consumer, Producer
from hub.base.reason import reason_of
from hub.kafka.cluster import Cluster
from hub.kafka.topics import TopicSpec, describe_topics, ensure_topics, once_brokers_live
from hub.protocol.errors import Retriable
from hub.protocol.value import value_class

DEADLINE_S: Final = 20.0
READ_S: Final = 5.0
BATCH_BYTES: Final = 256 * 1024
REQUEST_BYTES_MAX: Final = 2 * 1024 * 1024  # a record's value may be 256 KiB, a sandbox broker takes what ours does
STOP_S: Final = 5.0

Record = tuple[bytes | None, bytes | None, Sequence[tuple[str, bytes | None]]]  # key, value, headers


@value_class
class Contents:
    """What is in a topic: its partitions (0 where there is none), its offsets in use, where a record lacks a header."""

    partitions: int
    records: int = 0
    without_header: str | None = None


async def contents(cluster: Cluster, topic: str, header: str) -> Contents:
    """Return what is in a topic; of every partition the first and the last record are looked at for `header`.

    Errors: Retriable if no broker answers.
    """
    spec = (await describe_topics(cluster, [topic])).get(topic)
    if spec is None:
        return Contents(0)
    try:
        async with (
            closing(await cluster.consumer("cohub-replay"), STOP_S) as consumer,
            asyncio.timeout(DEADLINE_S),
        ):
            partitions = [TopicPartition(topic, number) for number in range(spec.partitions)]
            consumer.assign(partitions)
            begins = await consumer.beginning_offsets(partitions)
            ends = await consumer.end_offsets(partitions)
            records, without = 0, None
            for partition in partitions:
                begin, end = begins[partition], ends[partition]
                records += end - begin
                for offset in sorted({begin, end - 1}) if end > begin else ():
                    if without is None and not await _has_header(consumer, partition, offset, header):
                        without = f"partition {partition.partition}, offset {offset}"
            return Contents(spec.partitions, records, without)
    except (KafkaError, TimeoutError, OSError) as exc:
        raise Retriable(f"{cluster.bootstrap}: the broker does not tell what is in {topic}: {_why(exc)}") from exc


async def _has_header(consumer: Consumer, partition: TopicPartition, offset: int, header: str) -> bool:
    consumer.pause(*(other for other in consumer.assignment() if other != partition))
    consumer.resume(partition)
    consumer.seek(partition, offset)
    found = await consumer.getmany(partition, timeout_ms=int(READ_S * 1000), max_records=1)
    records = found.get(partition, [])
    # An offset in use at which nothing is read is a hole of compaction or a transaction's mark: no replay made either.
    return bool(records) and any(name == header for name, _ in records[0].headers)


async def make_topic(cluster: Cluster, topic: str) -> None:
    """Make a topic that keeps everything, of one partition: so the order of all lanes survives.

    Errors: Retriable, Fatal.
    """
    spec = TopicSpec(topic, 1, {"retention.ms": "-1", "retention.bytes": "-1"})
    await once_brokers_live(lambda: ensure_topics(cluster, [spec]))


class Sink:
    """Writes records to one topic, in order. `flush` returns once the broker has all of them."""

    def __init__(self, producer: Producer, topic: str) -> None:
        self._producer = producer
        self._topic = topic
        self._sent: list[asyncio.Future[Any]] = []

    async def write(self, record: Record, partition: int) -> None:
        """Queue one record. Errors: Retriable."""
        key, value, headers = record
        try:
            async with asyncio.timeout(DEADLINE_S):
                self._sent.append(
                    await self._producer.send(
                        self._topic, value=value, key=key, headers=list(headers), partition=partition
                    )
                )
        except (KafkaError, TimeoutError, OSError) as exc:
            raise Retriable(f"{self._topic}: the broker takes no more: {_why(exc)}") from exc

    async def flush(self, deadline_s: float = DEADLINE_S) -> None:
        """Return once all that was queued is acknowledged. Errors: Retriable."""
        try:
            async with asyncio.timeout(deadline_s):
                for future in self._sent:
                    await future
        except (KafkaError, TimeoutError, OSError) as exc:
            raise Retriable(f"{self._topic}: the broker does not acknowledge: {_why(exc)}") from exc
        self._sent.clear()


@asynccontextmanager
async def sink(cluster: Cluster, topic: str) -> AsyncIterator[Sink]:
    """Yield a sink. Errors: Retriable if no broker answers."""
    producer = await cluster.producer(
        "cohub-replay", max_batch_size=BATCH_BYTES, max_request_size=REQUEST_BYTES_MAX, linger_ms=2
    )
    async with closing(producer, STOP_S):
        yield Sink(producer, topic)


def _why(exc: BaseException) -> str:
    return reason_of(exc)
