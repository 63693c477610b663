"""How far topics reach: what a position in SQL is compared with."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable
from typing import Final

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from hub.base.clients import closing
from hub.base.kafka import Consumer
from hub.base.reason import reason_of
from hub.kafka.cluster import Cluster, Unreachable
from hub.protocol.errors import Retriable

DEADLINE_S: Final = 3.0


def know_leaders(consumer: Consumer, places: Collection[TopicPartition]) -> None:
    """Have a client that reads nothing ask at once who leads these partitions.

    Else it learns that of one topic after the other, when it is asked for an offset, and pauses for a tenth of a second
    at each: of thirty centers it would know after three seconds.
    """
    if set(consumer.assignment()) != set(places):
        consumer.assign(list(places))
        consumer.pause(*places)


async def topic_ends(
    cluster: Cluster, topics: Iterable[str], deadline_s: float = DEADLINE_S
) -> dict[str, tuple[int, int]]:
    """Return the first and the next offset of partition 0 of those topics that are there.

    Units:  the deadline, which is for connecting and again for asking, suits a person who waits; who can't go on
            without it gives the brokers longer. Over a line of 300 ms each way three seconds are too short.
    Errors: Retriable, if the brokers do not answer within the deadline.
    """
    try:
        made = await cluster.consumer("cohub-status", deadline_s=deadline_s)
        async with closing(made, DEADLINE_S) as consumer, asyncio.timeout(deadline_s):
            there = await consumer.topics()
            partitions = [TopicPartition(topic, 0) for topic in topics if topic in there]
            if not partitions:
                return {}
            know_leaders(consumer, partitions)
            begins, ends = await consumer.beginning_offsets(partitions), await consumer.end_offsets(partitions)
    except Unreachable:
        raise
    except (KafkaError, TimeoutError, OSError) as exc:
        raise Retriable(f"{cluster.bootstrap}: the brokers do not tell how far topics reach: {reason_of(exc)}") from exc
    return {p.topic: (begins[p], ends[p]) for p in partitions}
