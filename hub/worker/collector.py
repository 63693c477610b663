"""Python's cyclic collector in HQ's worker: it looks seldom, and never at what the process started with.

A fetch makes some ten thousand objects and frees them by reference count; by default the collector walks through them
and the cached entities dozens of times a fetch, for nothing: 7 of 75 µs an event.
"""

from __future__ import annotations

import asyncio
import gc
from typing import Final

OBJECTS: Final = 200_000  # that have come and not gone: then it looks by itself
EVERY_S: Final = 600.0


def spare_the_collector() -> None:
    """Let the collector look rarely, and not at what is there."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(OBJECTS, 10, 10)


async def collect() -> None:
    """Look through all that has come since the process started, every ten minutes; never returns.

    A worker that has little to do leaves some twenty objects a second in cycles: two hundred thousand come together in
    hours, and until then it grows. Many are old when they die, so that a look at the young ones would free few.
    """
    while True:
        await asyncio.sleep(EVERY_S)
        gc.collect()
