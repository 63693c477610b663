"""The topic `hub.checkpoints`: what HQ has said of its log, read back and written."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from hub.broker.topics import ensure_topics, log_topics
from hub.ledger.notary import Stored, record_of
from hub.protocol.errors import Retriable
from hub.protocol.topics import CHECKPOINTS

DEADLINE_S: Final = 20.0
REQUEST_TIMEOUT_S: Final = 10.0
LOOK_BACK: Final = 64  # records; further back only where none of them is a checkpoint of ours

Said = tuple[bytes, Sequence[tuple[str, bytes | None]]]  # value, headers


class CheckpointTopic:
    """Reads and writes the checkpoints of one hub. Errors of Kafka come out as Retriable."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._producer: AIOKafkaProducer | None = None

    async def ensure(self) -> None:
        """Make the topic where it is missing. Errors: Retriable, UsageError, Fatal as `ensure_topics`."""
        await ensure_topics(self._bootstrap, log_topics())

    async def first(self) -> Said | None:
        """Return the earliest record, None in an empty topic. Errors: Retriable."""
        async with self._reading() as (consumer, place, begin, end):
            consumer.seek(place, begin)
            found = await _read(consumer, place, end, 1)
            return found[0] if found else None

    async def newest(self, back: int = LOOK_BACK) -> list[Said]:
        """Return what was said last, in order: about `back` records. Errors: Retriable."""
        async with self._reading() as (consumer, place, begin, end):
            consumer.seek(place, max(begin, end - back))
            return await _read(consumer, place, end, None)

    async def publish(self, checkpoints: Sequence[Stored]) -> None:
        """Write checkpoints in this order, and wait until the broker has them all. Errors: Retriable."""
        with _translated(self._bootstrap):
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
            with contextlib.suppress(KafkaError, TimeoutError, OSError):
                async with asyncio.timeout(REQUEST_TIMEOUT_S):
                    await producer.stop()

    async def _started(self) -> AIOKafkaProducer:
        if self._producer is None:
            producer = AIOKafkaProducer(
                bootstrap_servers=self._bootstrap,
                client_id="cohub-notary",
                enable_idempotence=True,
                acks="all",
                request_timeout_ms=int(REQUEST_TIMEOUT_S * 1000),
            )
            try:
                await producer.start()
            except BaseException:
                with contextlib.suppress(Exception):
                    await producer.stop()
                raise
            self._producer = producer
        return self._producer

    @contextlib.asynccontextmanager
    async def _reading(self) -> AsyncIterator[tuple[AIOKafkaConsumer, TopicPartition, int, int]]:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap,
            client_id="cohub-notary",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
        )
        with _translated(self._bootstrap):
            try:
                async with asyncio.timeout(DEADLINE_S):
                    await consumer.start()
                    place = TopicPartition(CHECKPOINTS, 0)
                    consumer.assign([place])
                    begin = (await consumer.beginning_offsets([place]))[place]
                    end = (await consumer.end_offsets([place]))[place]
                    yield consumer, place, begin, end
            finally:
                await consumer.stop()


async def _read(consumer: AIOKafkaConsumer, place: TopicPartition, end: int, count: int | None) -> list[Said]:
    """Return records from the consumer's position on, up to `count` or to `end`."""
    found: list[Said] = []
    while await consumer.position(place) < end:
        records = (await consumer.getmany(place, timeout_ms=500, max_records=count)).get(place, ())
        found += ((bytes(record.value or b""), list(record.headers)) for record in records)
        if count is not None and len(found) >= count:
            break
    return found


@contextlib.contextmanager
def _translated(bootstrap: str) -> Iterator[None]:
    try:
        yield
    except (KafkaError, TimeoutError, OSError) as exc:
        raise Retriable(f"{CHECKPOINTS} at {bootstrap}: {exc or type(exc).__name__}") from exc
