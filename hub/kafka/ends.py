"""How far topics reach: what a position in SQL is compared with."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from hub.base.clients import closing
from hub.base.reason import reason_of
from hub.kafka.cluster import Cluster, Unreachable
from hub.protocol.errors import Retriable

DEADLINE_S: Final = 3.0


async def topic_ends(cluster: Cluster, topics: Iterable[str]) -> dict[str, tuple[int, int]]:
    """Return the first and the next offset of partition 0 of those topics that are there.

    Errors: Retriable, if the brokers do not answer within the deadline.
    """
    try:
        made = await cluster.consumer("cohub-status", deadline_s=DEADLINE_S)
        async with closing(made, DEADLINE_S) as consumer, asyncio.timeout(DEADLINE_S):
            there = await consumer.topics()
            partitions = [TopicPartition(topic, 0) for topic in topics if topic in there]
            if not partitions:
                return {}
            begins, ends = await consumer.beginning_offsets(partitions), await consumer.end_offsets(partitions)
    except Unreachable:
        raise
    except (KafkaError, TimeoutError, OSError) as exc:
        raise Retriable(reason_of(exc)) from exc
    return {p.topic: (begins[p], ends[p]) for p in partitions}
