"""Sends many records at once: of each partition in order, in batches as large as they may be."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from hub.base.kafka import Headers, Producer

BROKERS_CLOCK = 1  # the kind of a timestamp that is not its writer's

Record = tuple[bytes | None, bytes | None, Headers]  # key, value, headers


async def send_all(
    producer: Producer, places: Mapping[tuple[str, int], Sequence[Record]], deadline_s: float
) -> datetime | None:
    """Write all of this, and return once the broker has it; the broker's time, if a topic tells it.

    Errors: KafkaError, TimeoutError: of each partition the first records may have been written.
    """
    futures: list[asyncio.Future[Any]] = []
    try:
        async with asyncio.timeout(deadline_s):
            for (topic, partition), records in places.items():
                await _send(producer, topic, partition, records, futures)
            acknowledged = await asyncio.gather(*futures)
    except BaseException:
        for future in futures:  # nobody waits for them any more
            if not future.cancel() and not future.cancelled():
                future.exception()
        raise
    stamps = [metadata.timestamp for metadata in acknowledged if metadata.timestamp_type == BROKERS_CLOCK]
    return datetime.fromtimestamp(max(stamps) / 1000, UTC) if stamps else None


async def _send(
    producer: Producer, topic: str, partition: int, records: Sequence[Record], futures: list[asyncio.Future[Any]]
) -> None:
    batch = producer.create_batch()
    for key, value, headers in records:
        if batch.append(key=key, value=value, timestamp=None, headers=headers) is None:
            futures.append(await producer.send_batch(batch, topic, partition=partition))
            batch = producer.create_batch()
            if batch.append(key=key, value=value, timestamp=None, headers=headers) is None:
                # Larger than a batch may be: a record of its own, up to the broker's limit.
                futures.append(await producer.send(topic, value, key=key, partition=partition, headers=list(headers)))
    if batch.record_count():
        futures.append(await producer.send_batch(batch, topic, partition=partition))
