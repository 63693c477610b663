"""Cycles go within ten minutes; what was there before is not looked at."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Iterator

import pytest

from hub.worker.collector import EVERY_S, collect, spare_the_collector
from tests.support.virtual_time import run_virtually


class Cycle:
    """Something that only the collector frees."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


def test_cycle_is_gone_ten_minutes_later() -> None:
    """Nothing else would look: too few objects have come."""

    async def use() -> list[bool]:
        spare_the_collector()
        collecting = asyncio.create_task(collect())
        found = []
        for _ in range(2):
            cycle = Cycle()
            seen = weakref.ref(cycle)
            del cycle
            await asyncio.sleep(EVERY_S / 2)
            found.append(seen() is None)
            await asyncio.sleep(EVERY_S / 2 + 1)
            found.append(seen() is None)
        collecting.cancel()
        return found

    assert run_virtually(use()) == [False, True, False, True]
