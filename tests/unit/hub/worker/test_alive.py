"""A worker's sign of life: said by time alone, and what becomes of it when the database takes nothing."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterable
from typing import cast

import pytest

from hub.hq.pulse import SILENT_S
from hub.kafka.memory import MemoryBroker
from hub.protocol.errors import Fatal, Retriable
from hub.store.workers import LivingWorker
from hub.worker.alive import RETRY_S, SignOfLife, beside
from hub.worker.app import App
from hub.worker.consolidator import Consolidator
from hub.worker.measured import Looked
from hub.worker.publisher import Publisher
from hub.worker.service import LOOK_EVERY_S, add_centers, look
from tests.support.fanned import at
from tests.support.virtual_time import run_virtually


class Workers:
    """Notes when a worker said that it lives; fails at these of its calls."""

    def __init__(self, faults: Iterable[Exception | None] = ()) -> None:
        self.said_s: list[float] = []
        self._faults = list(faults)

    async def say_alive(self, worker: LivingWorker) -> None:
        assert (worker.owner, worker.group) == ("h:1", "g")
        fault = self._faults.pop(0) if self._faults else None
        if fault is not None:
            raise fault
        self.said_s.append(asyncio.get_running_loop().time())


class Waiting:
    """A consolidator whose look, or a broker whose answer, does not come while something else is waited for."""

    centers = ("uz", "kz")

    def __init__(self, looks: Iterable[float] = ()) -> None:
        self._looks = list(looks)
        self.looks = 0

    async def look_again(self) -> bool:
        self.looks += 1
        await asyncio.sleep(self._looks.pop(0) if self._looks else 0)
        return False

    def admin(self, **_: object) -> object:
        return self

    async def start(self) -> None:
        await asyncio.sleep(1000)

    async def close(self) -> None: ...


def sign_of(workers: Workers, looked: Looked) -> SignOfLife:
    return SignOfLife(workers, "h:1", frozenset(), "g", looked)


def longest_s(said_s: list[float]) -> float:
    return max(after - before for before, after in itertools.pairwise(said_s))


def test_worker_whose_look_is_held_up_says_that_it_lives() -> None:
    """A fetch that takes long holds up the look for a minute: the lease does not end meanwhile."""

    async def held_up() -> list[float]:
        looked, workers, waiting = Looked(), Workers(), Waiting([60.0])
        looking = look(cast("Consolidator", waiting), cast("Publisher", None), lambda: None, looked)
        async with beside(sign_of(workers, looked).run()), beside(looking):
            await asyncio.sleep(60)
        assert waiting.looks == 1
        return workers.said_s

    assert longest_s(run_virtually(held_up())) <= SILENT_S / 2


def test_broker_that_makes_no_topics_holds_up_no_look() -> None:
    """A new center is not read then; the database works, and is said to; the worker is seen to look every second."""

    async def away() -> tuple[int, int, bool]:
        looked, waiting, pulses = Looked(), Waiting(), list[int]()
        looking = look(cast("Consolidator", waiting), cast("Publisher", None), lambda: pulses.append(1), looked)
        adding = add_centers(
            at(cast("MemoryBroker", waiting)), cast("Consolidator", waiting), cast("App", None), ["uz"]
        )
        async with beside(looking), beside(adding) as added:
            await asyncio.sleep(60.5 * LOOK_EVERY_S)
            assert not added.done()
        return waiting.looks, len(pulses), looked.is_failing

    looks, pulses, is_failing = run_virtually(away())
    assert (pulses, is_failing) == (looks, False)
    assert looks >= 60


def test_worker_that_could_not_say_that_it_lives_tries_again_soon() -> None:
    """The database takes nothing for a while: it is said to be failing until it has taken a write."""

    async def failing() -> tuple[bool, bool, list[float]]:
        looked, workers = Looked(), Workers([None, Retriable("the disk is full"), Retriable("the disk is full")])
        async with beside(sign_of(workers, looked).run()):
            await asyncio.sleep(2 * SILENT_S / 3 + RETRY_S / 2)
            then = looked.is_failing
            await asyncio.sleep(3 * RETRY_S)
        return then, looked.is_failing, workers.said_s

    then, now, said_s = run_virtually(failing())
    assert (then, now) == (True, False)
    assert longest_s(said_s) < SILENT_S / 2 + 3 * RETRY_S


def test_fault_of_the_store_is_for_whoever_awaits_the_task() -> None:
    """It ends the worker; nothing is passed over."""

    async def ends() -> None:
        async with beside(sign_of(Workers([Fatal("no such table")]), Looked()).run()) as task:
            await task

    with pytest.raises(Fatal, match="no such table"):
        run_virtually(ends())
