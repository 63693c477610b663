"""Fill the user's cache ahead of time: the jars, and the AOT cache by one training start (`python -m hub.broker.warm`).

Optional: a start fetches the jars itself. Training takes some ten seconds once and saves half of every later start.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path
from typing import Final

from aiokafka import TopicPartition

from hub.base.clients import closing
from hub.broker.aot import AotCache
from hub.broker.embedded import EmbeddedKafka
from hub.broker.jars import Progress, fetch_jars, locked_jars
from hub.broker.settings import BrokerSettings
from hub.kafka.cluster import Cluster
from hub.kafka.topics import TopicSpec, ensure_topics
from hub.protocol.errors import CohubError

READ_MS: Final = 10_000


async def warm(settings: BrokerSettings, progress: Progress | None = None) -> bool:
    """Return True if an AOT cache was made, False if there was one; the jars are there in both cases.

    Errors: those of `fetch_jars` and `EmbeddedKafka.start`.
    """
    await fetch_jars(settings, progress=progress)
    aot = AotCache(settings.cache_dir, locked_jars())
    if await asyncio.to_thread(aot.flags):
        return False
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
    """Warm the cache of this user and say what was done; return the exit status."""
    try:
        made = asyncio.run(warm(BrokerSettings(), _print_progress))
    except CohubError as exc:
        sys.stderr.write(f"\n{exc}\n")
        return 1
    sys.stderr.write("\njars are here; " + ("AOT cache made\n" if made else "nothing to train\n"))
    return 0


def _print_progress(done: int, total: int) -> None:
    if sys.stderr.isatty() or done == total:
        sys.stderr.write(f"\rKafka: {done / 1e6:.0f} of {total / 1e6:.0f} MB")
        sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
