"""The worker's CPU time is told by stages that overlap in nothing and leave nothing out."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from benchmarks.report import stages_report, stages_table
from benchmarks.stages import STAGES, Stages
from hub.ledger import engine
from hub.store.sqlite import SqliteStore
from hub.worker.consolidator import Consolidator
from hub.worker.publisher import Publisher
from hub.worker.remembered import Remembered


class Cpu:
    """A processor's clock that moves when it is used."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s

    def use(self, seconds: float) -> None:
        self.now_s += seconds


@pytest.fixture
def cpu() -> Cpu:
    return Cpu()


@pytest.fixture
def stages(cpu: Cpu) -> Stages:
    return Stages(cpu)


def test_stage_inside_another_counts_once(cpu: Cpu, stages: Stages) -> None:
    """What `decide` uses inside `handle` is no part of what `handle` uses itself."""
    decide = stages.called("decide", lambda: cpu.use(3.0))

    def handle() -> None:
        cpu.use(1.0)
        decide()
        decide()
        cpu.use(0.5)

    stages.called("handle", handle)()
    assert dict(stages.cpu_s) == {"decide": 6.0, "handle": 1.5}


async def test_what_others_use_while_a_coroutine_waits_is_not_its_own(cpu: Cpu, stages: Stages) -> None:
    """A commit that waits for a turn does not pay for whoever has it."""
    go_on = asyncio.Event()

    async def wait() -> str:
        cpu.use(1.0)
        await go_on.wait()
        cpu.use(2.0)
        return "committed"

    task = asyncio.create_task(stages.awaited("commit", wait)())
    await asyncio.sleep(0)
    cpu.use(100.0)
    go_on.set()
    assert await task == "committed"
    assert dict(stages.cpu_s) == {"commit": 3.0}


async def test_cancelled_stage_cleans_up_and_is_counted(cpu: Cpu, stages: Stages) -> None:
    """A clock changes nothing in how a worker stops."""

    async def run() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cpu.use(2.0)

    task = asyncio.create_task(stages.awaited("publish", run)())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert dict(stages.cpu_s) == {"publish": 2.0}


@pytest.mark.parametrize("catch", [False, True])
async def test_error_goes_through_the_clock(stages: Stages, catch: bool) -> None:
    """Nor in what it raises, or what it does about an error of what it waits for."""

    async def fail() -> None:
        await asyncio.sleep(0)
        raise ValueError("refused")

    async def outer(inner: Callable[[], Awaitable[Any]]) -> str:
        try:
            await inner()
        except ValueError:
            if not catch:
                raise
        return "went on"

    work = stages.awaited("handle", outer)(stages.awaited("commit", fail))
    if catch:
        assert await work == "went on"
    else:
        with pytest.raises(ValueError, match="refused"):
            await work


def test_stages_and_rest_come_to_the_total(stages: Stages, cpu: Cpu) -> None:
    """What no clock has seen is told as the rest."""
    take = stages.called("take", lambda: cpu.use(0.0005))
    take()
    stages.begin()
    take()
    take()
    found = stages.report(25.0, 100)
    assert found["cpu_us"] == {**dict.fromkeys(STAGES, 0.0), "take": pytest.approx(10.0), "rest": pytest.approx(15.0)}
    assert found["events_per_call"] == {"take": 50.0}


def test_stages_report_is_the_median_of_the_rounds() -> None:
    """One disturbed round moves no stage."""
    rounds = [
        {"cpu_us": {"take": us, "rest": 10.0 - us}, "events_per_call": {"take": us * 10}} for us in (9.0, 8.0, 90.0)
    ]
    found = stages_report(rounds)
    assert found == {"cpu_us": {"take": 9.0, "rest": 1.0}, "events_per_call": {"take": 90.0}}
    assert stages_table(found).splitlines()[2:] == ["| take | 9.0 | 90% | 90.0 |", "| rest | 1.0 | 10% |  |"]


def test_clocks_fit_the_worker() -> None:
    """Every function that has a clock is there; a worker that was rebuilt is measured anew."""
    owners = [
        (engine, "plan"),
        (engine, "judge"),
        (Remembered, "known"),
        (SqliteStore, "entities"),
        (SqliteStore, "commit"),
    ]
    owners += [(Consolidator, "handle"), (Publisher, "run")]
    before = [(owner, name, getattr(owner, name)) for owner, name in owners]
    try:
        Stages().install()
        assert all(getattr(owner, name).__wrapped__ is function for owner, name, function in before)
    finally:
        for owner, name, function in before:
            setattr(owner, name, function)
