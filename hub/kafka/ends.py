"""How far topics reach: what a position in SQL is compared with."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from hub.protocol.errors import Retriable

DEADLINE_S: Final = 3.0


async def topic_ends(bootstrap: str, topics: Iterable[str]) -> dict[str, tuple[int, int]]:
    """Return the first and the next offset of partition 0 of those topics that are there.

    Errors: Retriable, if the broker does not answer within the deadline.
    """
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, client_id="cohub-status")
    try:
        async with asyncio.timeout(DEADLINE_S):
            await consumer.start()
            there = await consumer.topics()
            partitions = [TopicPartition(topic, 0) for topic in topics if topic in there]
            if not partitions:
                return {}
            begins, ends = await consumer.beginning_offsets(partitions), await consumer.end_offsets(partitions)
    except (KafkaError, TimeoutError, OSError) as exc:
        raise Retriable(str(exc) or type(exc).__name__) from exc
    finally:
        await consumer.stop()
    return {p.topic: (begins[p], ends[p]) for p in partitions}
