"""Fill the user's cache ahead of time: the jars, and the AOT cache by one training start (`python -m hub.broker.warm`).

Optional: a start fetches the jars itself. Training takes some ten seconds once and saves half of every later start.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from aiokafka import TopicPartition

from hub.base.clients import closing
from hub.base.lines import log_lines
from hub.base.output import note
from hub.broker.aot import AotCache
from hub.broker.embedded import EmbeddedKafka
from hub.broker.jars import fetch_jars, locked_jars, progress_lines
from hub.broker.settings import BrokerSettings
from hub.kafka.cluster import Cluster
from hub.kafka.topics import TopicSpec, ensure_topics
from hub.protocol.errors import CohubError

READ_MS: Final = 10_000


async def warm(settings: BrokerSettings, tell: Callable[[str], None]) -> bool:
    """Return True if an AOT cache was made, False if there was one; the jars are there in both cases.

    `tell` is given a line for whatever takes a while; where all of it is there already, nothing is said.
    Errors: those of `fetch_jars` and `EmbeddedKafka.start`.
    """
    await fetch_jars(settings, progress=progress_lines(tell))
    aot = AotCache(settings.cache_dir, locked_jars())
    if await asyncio.to_thread(aot.flags):
        return False
    tell("training Kafka's start, once: about ten seconds, by which every later start is faster")
    # Inside the cache, so that the rename stays on one file system.
    with tempfile.TemporaryDirectory(dir=settings.cache_dir, prefix="training-", ignore_cleanup_errors=True) as folder:
        made = Path(folder) / "kafka.aot"
        async with EmbeddedKafka(Path(folder) / "data", settings=settings, aot_output=made) as kafka:
            await _use(kafka.cluster)
        if not made.exists():
            return False  # this JRE makes none: starts go on without
        aot.adopt(made)
    return True


async def _use(cluster: Cluster) -> None:
    # One record there and back: what serves a client's first second is part of what is learnt.
    await ensure_topics(cluster, [TopicSpec("training", 1)])
    async with closing(await cluster.producer("cohub-warm")) as producer:
        await producer.send_and_wait("training", b"record", key=b"key")
    async with closing(await cluster.consumer("cohub-warm")) as consumer:
        consumer.assign([TopicPartition("training", 0)])
        await consumer.getmany(timeout_ms=READ_MS)


def main() -> int:
    """Warm the cache of this user, saying what takes a while; return the exit status."""
    log_lines(logging.WARNING)
    try:
        asyncio.run(warm(BrokerSettings(), note))
    except CohubError as exc:
        note(str(exc))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
