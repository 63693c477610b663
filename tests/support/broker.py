"""A broker of some tests' own, which outlives the event loop of each of them."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from hub.broker.embedded import EmbeddedKafka

# It is neither killed nor one of several. What a broker does while nobody asks it anything is a twentieth of a core,
# half of it by these, and a run has four of them from its first minutes to its end.
IDLE: Final = {
    "metadata.max.idle.interval.ms": "0",
    "broker.heartbeat.interval.ms": "2000",
    "broker.session.timeout.ms": "9000",
}


@contextmanager
def own_broker(data_dir: Path) -> Iterator[EmbeddedKafka]:
    """Yield a running broker that lets in everybody here; its data goes with it."""
    broker = EmbeddedKafka(data_dir, plain=True, overrides=IDLE)
    _run(broker.start())
    yield broker
    _run(broker.stop())
    shutil.rmtree(data_dir, ignore_errors=True)


def _run(work: Coroutine[Any, Any, None]) -> None:
    # A loop of its own, never made current: the broker outlives the loops of the tests, and must not disturb them.
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(work)
        loop.run_until_complete(loop.shutdown_default_executor())
    finally:
        loop.close()
