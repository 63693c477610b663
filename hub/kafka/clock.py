"""The broker's time: asked by writing a record that the broker stamps."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from aiokafka.errors import KafkaError

from hub.base.clients import closing
from hub.base.kafka import stamped_at
from hub.base.reason import reason_of
from hub.kafka.cluster import Cluster, Unreachable
from hub.kafka.topics import clock_topics, ensure_topics
from hub.protocol.errors import Fatal, Retriable
from hub.protocol.topics import CLOCK

DEADLINE_S: Final = 10.0
STAMP: Final = timedelta(milliseconds=1)  # a stamp is cut to it
RIGHT: Final = timedelta(0)


@dataclass(frozen=True, slots=True)
class Stamped:
    """What the broker's clock said between two moments of ours."""

    before: datetime
    stamp: datetime
    after: datetime

    @property
    def gap(self) -> timedelta:
        """By how much our clock is ahead of the broker's for sure; behind, if it is negative."""
        return max(self.before - self.stamp - STAMP, RIGHT) or min(self.after - self.stamp, RIGHT)


async def brokers_time(cluster: Cluster, wall: Callable[[], datetime] = lambda: datetime.now(UTC)) -> Stamped:
    """Return what time the broker has, beside ours.

    Errors: Retriable if no broker answers; Fatal where the topic carries its writers' time, so that nothing is told.
    """
    await ensure_topics(cluster, clock_topics())
    try:
        async with (
            closing(await cluster.producer("cohub-clock", deadline_s=DEADLINE_S)) as producer,
            asyncio.timeout(DEADLINE_S),
        ):
            await producer.send_and_wait(CLOCK, b"", partition=0)  # the first one may wait for the topic's leader
            before = wall()
            place = await producer.send_and_wait(CLOCK, b"", partition=0)
            after = wall()
    except Unreachable:
        raise
    except (KafkaError, TimeoutError, OSError) as exc:
        raise Retriable(f"the broker does not tell its time ({reason_of(exc)})") from exc
    stamp = stamped_at(place)
    if stamp is None:
        raise Fatal(f"topic {CLOCK} carries no time of the broker's: set its message.timestamp.type to LogAppendTime")
    return Stamped(before, stamp, after)
