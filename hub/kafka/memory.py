"""A Kafka broker in memory: what tests drive the real shells with, and what fails when it is told to.

    broker = MemoryBroker({"in.uz": 1, "out.uz": 1})
    link = Link(settings, outbox, broker)          # makes its clients by broker.producer, broker.consumer
    broker.fail(Fault.APPLIED, nth=3)              # the third write is done, and its writer hears that it failed

The two faults are those of `hub.base.faulty`.
`tests/contract/test_kafka.py` holds it to what real Kafka does.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from hub.kafka.memory_clients import MemoryAdmin, MemoryConsumer, MemoryProducer
from hub.kafka.memory_log import APPEND_TIME, MemoryLog

__all__ = ["APPEND_TIME", "MemoryBroker"]


class MemoryBroker(MemoryLog):
    """One broker with its topics, the maker of its own clients (`hub.base.kafka.Clients`).

    Shapes: topics has the number of partitions of each topic that is there from the start; others are made by
            `create_topic`, or by an admin client. What is faulty about it, and when, is said by the methods of
            `MemoryLog`. The settings of clients are those of aiokafka, of which the sizes and `auto_offset_reset` are
            obeyed.
    """

    def __init__(self, topics: Mapping[str, int] | None = None, clock: Callable[[], float] = time.time) -> None:
        super().__init__(clock)
        for name, partitions in (topics or {}).items():
            self.create_topic(name, partitions)

    def producer(self, **settings: Any) -> MemoryProducer:
        """Return a producer."""
        return MemoryProducer(self, **settings)

    def consumer(self, **settings: Any) -> MemoryConsumer:
        """Return a consumer."""
        return MemoryConsumer(self, **settings)

    def admin(self, **settings: Any) -> MemoryAdmin:
        """Return an admin client."""
        return MemoryAdmin(self, **settings)
