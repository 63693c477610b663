"""A broker in memory whose producers take a turn before they write; and what compaction leaves of its states."""

from __future__ import annotations

import asyncio
from typing import Any

from hub.domain.catalogue import STREAMS
from hub.kafka.memory import MemoryBroker
from hub.kafka.memory_clients import MemoryProducer
from hub.protocol.topics import FAN_OUT_PARTITIONS


class SlowProducer(MemoryProducer):
    """Suspends before what it was given leaves the process, as one does that waits for its socket."""

    async def send_batch(self, batch: Any, topic: str, *, partition: int) -> Any:
        await asyncio.sleep(0)
        return await super().send_batch(batch, topic, partition=partition)


class SlowBroker(MemoryBroker):
    """A broker whose producers take a turn before they write."""

    def producer(self, **settings: Any) -> MemoryProducer:
        return SlowProducer(self, **settings)


def standing_last(broker: MemoryBroker) -> dict[tuple[str, bytes], bytes]:
    """Return what compaction leaves of all states."""
    return {
        (stream, record.key): record.value
        for stream in STREAMS
        for number in range(FAN_OUT_PARTITIONS)
        for record in broker.records(f"state.{stream}", number)
    }
