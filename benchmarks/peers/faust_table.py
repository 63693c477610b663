"""Faust: an agent and a table, with the changelog topic and the in-memory store that a table has by default.

Source: Faust's user guide, "Tables and Windowing" and "Models, Serialization, and Codecs".
"""

from __future__ import annotations

import asyncio
import logging
import os
from typing import Any

import faust
from faust.serializers import codecs

from benchmarks.peers.task import Task


class Avro(codecs.Codec):
    """The events' own form."""

    def _loads(self, s: bytes) -> Any:
        return task.decode(s)


task = Task()
app = faust.App(
    task.group,
    broker=f"kafka://{task.bootstrap}",
    consumer_auto_offset_reset="earliest",
    web_enabled=False,
    datadir=str(task.folder / "faust"),
    topic_disable_leader=True,
)
events = app.topic(*task.topics, key_type=str, key_serializer="raw", value_serializer=Avro())
# A table needs as many partitions as the topics that it is filled from.
latest = app.Table("latest", partitions=1)
done = asyncio.Event()


@app.agent(events)
async def keep(stream: faust.StreamT) -> None:
    """Keep the latest event of each entity."""
    async for entity, event in stream.items():
        latest[entity] = event
        if task.is_done:
            done.set()


async def main() -> None:
    """Run the app until the last event is kept, and its changelog is written."""
    await app.start()
    await done.wait()
    await app.producer.flush()
    task.tell("faust-table", latest.items())
    os._exit(0)  # its own shutdown takes seconds, and is no part of the measurement


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    asyncio.run(main())
