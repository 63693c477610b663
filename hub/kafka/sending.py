"""Sends many records at once: of each partition in order, in batches as large as they may be."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from hub.base.kafka import Headers, Producer, stamped_at

WAITING_BYTES_MAX: Final = 6 << 20  # the embedded broker takes 8 MiB in one request

Record = tuple[bytes | None, bytes | None, Headers]  # key, value, headers


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """What the broker answered: its own time, if a topic tells it, and where each partition ends by what was written.

    Shapes: of each place the offset of the first record that was written, and the one behind the last.
    """

    at: datetime | None
    places: Mapping[tuple[str, int], tuple[int, int]]


class _Waiting:
    """How much waits for its acknowledgement."""

    def __init__(self) -> None:
        self._bytes = 0
        self._from = 0  # of those that were sent, the first that is waited for

    async def grow(self, size: int, sent: Sequence[tuple[asyncio.Future[Any], int]]) -> None:
        """Wait until there is room for so much more."""
        if self._bytes and self._bytes + size > WAITING_BYTES_MAX:
            await asyncio.gather(*(future for future, _ in sent[self._from :]))
            self._bytes, self._from = 0, len(sent)
        self._bytes += size


async def send_all(
    producer: Producer, places: Mapping[tuple[str, int], Sequence[Record]], deadline_s: float
) -> Acknowledged:
    """Write all of this, and return once the broker has it.

    A client makes one request of what waits, a batch of each partition: no more waits than a broker takes in one.
    Errors: KafkaError, TimeoutError: of each partition the first records may have been written.
    """
    sent: list[tuple[asyncio.Future[Any], int]] = []  # with how many records each is of
    try:
        async with asyncio.timeout(deadline_s):
            waiting = _Waiting()
            for (topic, partition), records in places.items():
                await _send(producer, topic, partition, records, sent, waiting)
            acknowledged = await asyncio.gather(*(future for future, _ in sent))
    except BaseException:
        for future, _ in sent:  # nobody waits for them any more
            if not future.cancel() and not future.cancelled():
                future.exception()
        raise
    reached: dict[tuple[str, int], tuple[int, int]] = {}
    for metadata, (_, count) in zip(acknowledged, sent, strict=True):
        if metadata.offset >= 0:  # a batch that the broker had already is acknowledged without its place
            at = (metadata.topic, metadata.partition)
            first, after = reached.get(at, (metadata.offset, 0))
            reached[at] = (min(first, metadata.offset), max(after, metadata.offset + count))
    stamps = [stamp for metadata in acknowledged if (stamp := stamped_at(metadata)) is not None]
    return Acknowledged(max(stamps, default=None), reached)


async def _send(
    producer: Producer,
    topic: str,
    partition: int,
    records: Sequence[Record],
    sent: list[tuple[asyncio.Future[Any], int]],
    waiting: _Waiting,
) -> None:
    batch = producer.create_batch()
    for key, value, headers in records:
        if batch.append(key=key, value=value, timestamp=None, headers=headers) is None:
            if count := batch.record_count():
                await waiting.grow(batch.size(), sent)
                sent.append((await producer.send_batch(batch, topic, partition=partition), count))
            batch = producer.create_batch()
            if batch.append(key=key, value=value, timestamp=None, headers=headers) is None:
                # Larger than a batch may be: a record of its own, up to the broker's limit.
                await waiting.grow(len(key or b"") + len(value or b""), sent)
                alone = await producer.send(topic, value, key=key, partition=partition, headers=list(headers))
                sent.append((alone, 1))
    if count := batch.record_count():
        await waiting.grow(batch.size(), sent)
        sent.append((await producer.send_batch(batch, topic, partition=partition), count))
