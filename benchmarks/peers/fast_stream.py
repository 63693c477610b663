"""FastStream: a subscriber of batches, and a dict, since FastStream keeps no state of its own.

Source: FastStream's documentation, "Batch Subscriber" (Kafka), "Custom decoder", "Access to Message Information".
"""

from __future__ import annotations

import asyncio
import os
from typing import Any

from faststream import FastStream
from faststream.kafka import KafkaBroker
from faststream.kafka.annotations import KafkaMessage

from benchmarks.peers.task import Task

task = Task()
broker = KafkaBroker(task.bootstrap, logger=None)
app = FastStream(broker, logger=None)
latest: dict[bytes, Any] = {}
done = asyncio.Event()


async def decode(message: KafkaMessage) -> list[Any]:
    """Return the events of a batch."""
    return [task.decode(record.value) for record in message.raw_message]


@broker.subscriber(*task.topics, group_id=task.group, auto_offset_reset="earliest", batch=True, decoder=decode)
async def keep(events: list[dict[str, Any]], message: KafkaMessage) -> None:
    """Keep the latest event of each entity."""
    for record, event in zip(message.raw_message, events, strict=True):
        latest[record.key] = event
    if task.is_done:
        done.set()


async def main() -> None:
    """Run the app until the last event is kept."""
    running = asyncio.create_task(app.run())
    await asyncio.wait({running, asyncio.create_task(done.wait())}, return_when=asyncio.FIRST_COMPLETED)
    if running.done():
        running.result()
    task.tell("faststream", ((key.decode(), event) for key, event in latest.items()))
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(main())
