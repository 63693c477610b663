"""A ring is never missed, whichever thread it comes from; files to plan again are taken once."""

from __future__ import annotations

import asyncio
import threading

from connectors.runtime.signals import Asked, Replans, Signal


async def test_ring_before_the_wait_is_not_missed() -> None:
    signal = Signal()
    signal.ring()
    assert await signal.wait(0)
    assert await signal.wait(0), "it stays rung until it is cleared"
    signal.clear()
    assert not await signal.wait(0)


async def test_ring_from_another_thread_wakes_the_one_that_waits() -> None:
    signal = Signal()
    waiting = asyncio.create_task(signal.wait(20))
    await asyncio.sleep(0)
    threading.Thread(target=signal.ring).start()
    assert await waiting


async def test_rings_from_many_threads_are_all_seen() -> None:
    """Each thread does something and rings; who waits, clears and looks sees all of it in the end."""
    signal, done = Signal(), list[int]()
    together = threading.Barrier(50)

    def work(number: int) -> None:
        together.wait(20)
        done.append(number)
        signal.ring()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(50)]
    for thread in threads:
        thread.start()
    while len(done) < len(threads):
        signal.clear()
        if len(done) < len(threads):
            assert await signal.wait(20)


def test_ring_after_the_loop_has_ended_is_nothing() -> None:
    """A thread that still reads a sheet when the daemon has stopped harms nobody."""
    signal = Signal()
    asyncio.run(signal.wait(0))
    thread = threading.Thread(target=signal.ring)
    thread.start()
    thread.join()


async def test_files_to_plan_again_are_taken_once_and_wake_whoever_plans() -> None:
    replans = Replans()
    replans.add({"a.csv"})
    replans.note({"b.csv"})
    assert await replans.added.wait(0)
    assert replans.take() == Asked(frozenset({"a.csv", "b.csv"}), every=False)
    assert replans.take() == Asked(frozenset(), every=False)
    replans.add_every()
    assert replans.take().every


async def test_no_files_wake_nobody() -> None:
    replans = Replans()
    replans.add(set())
    replans.note({"a.csv"})
    assert not await replans.added.wait(0)
