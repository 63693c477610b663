"""HQ's clock is compared with the broker's before the first commit, when it was set, and again and again."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from hub.kafka.clock import brokers_time
from hub.kafka.cluster import Cluster
from hub.kafka.memory import MemoryBroker
from hub.protocol.errors import Fatal, Retriable
from hub.protocol.topics import CLOCK
from hub.worker.clock import ComparedClock
from hub.worker.service import WorkerSettings, run_worker
from tests.support.worker import Hub

RIGHT = datetime(2026, 3, 1, tzinfo=UTC)
YEAR = timedelta(days=365)


class Clocks:
    """The broker's clock, ours, and the steady one."""

    def __init__(self) -> None:
        self.broker = self.ours = RIGHT
        self.steady_s = 0.0
        self.memory = MemoryBroker(clock=self.brokers_s)
        self.asked = 0

    def brokers_s(self) -> float:
        return self.broker.timestamp()

    def go_on(self, seconds: float) -> None:
        self.broker += timedelta(seconds=seconds)
        self.ours += timedelta(seconds=seconds)
        self.steady_s += seconds

    def compared(self, every_s: float = 60.0) -> ComparedClock:
        cluster = Cluster(("memory:1",), clients=self.memory)
        ask = partial(brokers_time, cluster, lambda: self.ours)

        async def counted() -> object:
            self.asked += 1
            return await ask()

        return ComparedClock(counted, lambda: self.ours, lambda: self.steady_s, every_s)  # type: ignore[arg-type]


@pytest.mark.parametrize(("off", "said"), [(YEAR, "ahead of"), (-YEAR, "behind"), (timedelta(minutes=6), "ahead of")])
async def test_clock_that_is_off_the_brokers_records_nothing(off: timedelta, said: str) -> None:
    """In both directions, whichever of the two is wrong."""
    clocks = Clocks()
    clocks.ours += off
    with pytest.raises(Fatal, match=said):
        await clocks.compared().compare()


async def test_clock_that_is_a_little_off_is_believed() -> None:
    clocks = Clocks()
    clocks.ours += timedelta(minutes=4)
    await clocks.compared().compare()


async def test_clock_that_goes_on_is_not_compared_at_each_commit() -> None:
    """Which costs two looks at clocks."""
    clocks = Clocks()
    compared = clocks.compared()
    await compared.compare()
    for _ in range(100):
        clocks.go_on(30)
        await compared.sure()
    assert clocks.asked == 1


@pytest.mark.parametrize("jump", [YEAR, -YEAR])
async def test_clock_that_is_set_wrong_while_the_worker_runs_records_nothing(jump: timedelta) -> None:
    clocks = Clocks()
    compared = clocks.compared()
    await compared.compare()
    clocks.ours += jump
    with pytest.raises(Fatal, match="set the one that is wrong"):
        await compared.sure()


async def test_computer_that_slept_goes_on() -> None:
    """Its steady clock stood still; both others are right."""
    clocks = Clocks()
    compared = clocks.compared()
    await compared.compare()
    clocks.broker += timedelta(hours=8)
    clocks.ours += timedelta(hours=8)
    await compared.sure()
    await compared.sure()
    assert clocks.asked == 2


async def test_broker_that_goes_wrong_later_ends_the_process_too() -> None:
    clocks = Clocks()
    compared = clocks.compared(every_s=0.01)
    await compared.compare()
    clocks.broker += YEAR
    async with asyncio.timeout(10):
        with pytest.raises(Fatal, match="behind"):
            await compared.run()


async def test_broker_that_does_not_answer_later_ends_nothing() -> None:
    """It is asked again; what is to be recorded comes from it."""
    answers = [Retriable("away"), Fatal("the end of this test")]

    async def ask() -> object:
        raise answers.pop(0)

    with pytest.raises(Fatal, match="the end"):
        await ComparedClock(ask, every_s=0.0).run()  # type: ignore[arg-type]


async def test_topic_that_carries_its_writers_time_tells_nothing() -> None:
    """Somebody made it otherwise: that is said, and not taken for the broker's time."""
    clocks = Clocks()
    clocks.memory.create_topic(CLOCK, 1, {})
    with pytest.raises(Fatal, match="LogAppendTime"):
        await clocks.compared().compare()


async def test_worker_with_a_wrong_clock_ends_before_it_records_anything(
    tmp_path: Path,
) -> None:
    """Not even the first word of the hq lane."""
    hub = Hub.make(tmp_path / "data", "memory:1")
    broker = MemoryBroker(clock=(datetime.now(UTC) - YEAR).timestamp)
    settings = WorkerSettings(data_dir=hub.data_dir, cluster=Cluster(("memory:1",), clients=broker))
    with pytest.raises(Fatal, match="ahead of the broker's"):
        await run_worker(settings, asyncio.Event())
    store = hub.store()
    try:
        assert (await store.changes()).basis == 0
    finally:
        await store.close()


async def test_clock_that_was_off_goes_on_once_it_is_set() -> None:
    """Whichever of the two was wrong; the next start finds nothing of it."""
    for put_right in ("ours", "broker"):
        clocks = Clocks()
        setattr(clocks, put_right, RIGHT + YEAR)
        with pytest.raises(Fatal, match="set the one that is wrong"):
            await clocks.compared().compare()
        setattr(clocks, put_right, RIGHT)
        compared = clocks.compared()
        await compared.compare()
        await compared.sure()


async def test_topic_of_the_brokers_time_that_was_deleted_is_made_again() -> None:
    """As a person does who reads that it carries no time of the broker's."""
    clocks = Clocks()
    clocks.memory.create_topic(CLOCK, 1, {})
    with pytest.raises(Fatal, match="LogAppendTime"):
        await clocks.compared().compare()
    clocks.memory.delete_topic(CLOCK)
    await clocks.compared().compare()
