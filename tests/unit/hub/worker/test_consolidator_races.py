"""The tasks of a consolidator and of its reading side between each other's steps: no order of them loses anything.

Both are real; only the consumer's thread is in memory. A look, a fetch and what the publisher holds up run beside each
other, as they do in a worker.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from hub.hq.headquarters import Headquarters
from hub.ledger.lane import Status
from hub.store.store import Store
from hub.worker.consolidator import Consolidator
from hub.worker.lanes import Lanes
from tests.support.center import RELEASED, Center
from tests.support.consolidator import Clock, Seen, Spoilt, consolidator, intake, size
from tests.support.hq import IDENTITY, Hq
from tests.support.thread import MemoryThread


@pytest.fixture
async def hq(tmp_path: Path) -> AsyncIterator[Hq]:
    opened = await Hq.open(tmp_path)
    yield opened
    await opened.store.close()


class Late:
    """A store that one call takes as long to reach as a test wants, or whose answer is so long on its way."""

    def __init__(self, store: Store, question: str, *, answers: bool = True) -> None:
        self._store = store
        getattr(store, question)  # one that nobody asks would keep a test waiting
        self._question = question
        self._answers = answers
        self.is_asked, self.arrives = asyncio.Event(), asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)
        if name != self._question:
            return found

        async def late(*arguments: Any) -> Any:
            answer, arrives = await found(*arguments) if self._answers else None, self.arrives
            self.is_asked.set()
            await arrives.wait()
            return answer if self._answers else await found(*arguments)

        return late


class Full(Seen):
    """A publisher that has no room."""

    async def room(self, before: Collection[str] = ()) -> None:
        await asyncio.Event().wait()


def reading(
    hq: Hq, published: Seen | None = None, store: Any = None, clock: Clock | None = None
) -> tuple[Consolidator, Lanes, MemoryThread]:
    """Return a consolidator on its real reading side, whose consumer's thread is in memory."""
    made = consolidator(hq, published or Seen(), clock or Clock(), store)
    lanes, thread = Lanes(made), MemoryThread()
    lanes.mover = thread
    return made, lanes, thread


async def let_others_run() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


async def test_lane_that_is_about_to_wait_is_not_woken_before_it_waits(hq: Hq) -> None:
    """HQ speaks while the fetch that stops the lane is being committed: the lane goes on, and is not left paused."""
    center = Center()
    store = Late(hq.store, "commit", answers=False)
    made, lanes, thread = reading(hq, store=store)
    await lanes.assign(["uz"])
    records = center.opened(1)
    handling = asyncio.create_task(lanes.take(thread.brings("uz", records)))
    await asyncio.wait_for(store.is_asked.wait(), 60)
    await hq.register(center)
    looking = asyncio.create_task(made.look_again())
    await let_others_run()
    store.arrives.set()
    await handling
    assert await looking
    assert (intake(hq, center)[0], lanes.paused("in.uz")) == (Status.READING, False)
    await lanes.take(thread.brings("uz", records))
    assert size(hq, center) == 2


async def test_lane_that_is_just_being_parked_is_not_taken_for_resumed(hq: Hq) -> None:
    """What a look was told before the lane was parked says nothing of what a person did since."""
    center = Center()
    await hq.register(center)
    store = Late(Spoilt(hq.store, "uz"), "changes")
    made, lanes, thread = reading(hq, store=store)
    await lanes.assign(["uz"])
    looking = asyncio.create_task(made.look_again())
    await asyncio.wait_for(store.is_asked.wait(), 60)
    handling = asyncio.create_task(lanes.take(thread.brings("uz", center.opened(1))))
    await let_others_run()
    store.arrives.set()
    await asyncio.gather(looking, handling)
    assert (intake(hq, center)[0], lanes.paused("in.uz")) == (Status.PARKED, True)


async def test_fetch_from_before_a_lane_was_woken_is_not_handled_after_it(hq: Hq) -> None:
    """It comes while a look moves its lane back: the position in SQL passes no event that nobody has taken."""
    center = Center()
    records = center.opened(7)
    store = Late(hq.store, "changes")
    made, lanes, thread = reading(hq, store=store)
    await lanes.assign(["uz"])
    on_the_way = thread.brings("uz", records[:4]), thread.brings("uz", records[4:])
    await lanes.take(on_the_way[0])
    assert intake(hq, center)[0] == Status.WAITING
    await hq.register(center)
    looking = asyncio.create_task(made.look_again())
    await asyncio.wait_for(store.is_asked.wait(), 60)
    taking = asyncio.create_task(lanes.take(on_the_way[1]))
    await let_others_run()
    store.arrives.set()
    await asyncio.gather(looking, taking)
    assert thread.moves == [{"in.uz": None}, {"in.uz": None}]
    assert made.positions() == {"uz": None}
    assert (await hq.store.claim(["uz"], "next"))["uz"].intake.offset is None
    await lanes.assign(["uz"])
    await lanes.take(thread.brings("uz", records))
    assert size(hq, center) == len(records)


async def test_look_does_not_wait_for_the_publisher(hq: Hq) -> None:
    """A person who resumes a lane is heard within a second, however much waits to be published of another one."""
    center = Center()
    made, lanes, thread = reading(hq, Full())
    await lanes.assign(["uz", "kz"])
    term = (await hq.store.changes()).intakes["kz"][0]
    await hq.store.set_status("kz", term, Status.PARKED, "a fault")
    await lanes.assign(["uz", "kz"])
    taking = asyncio.create_task(lanes.take(thread.brings("uz", center.opened(1))))
    await let_others_run()
    assert lanes.in_hand[0] == "uz"
    await hq.store.resume("kz")
    async with asyncio.timeout(1):
        await made.look_again()
        await lanes.revoke()  # no more does a rebalance
    assert not lanes.paused("in.kz")
    assert not taking.done()
    taking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await taking
    assert lanes.in_hand[0] is None


async def test_look_does_not_wait_for_the_clock(hq: Hq) -> None:
    """A fetch waits until HQ's clock has passed its newest record; meanwhile what HQ says is read."""
    center, clock = Center(), Clock()
    await hq.register(center)
    made, lanes, thread = reading(hq, clock=clock)
    await lanes.assign(["uz"])
    await lanes.take(thread.brings("uz", center.opened(1)))
    clock.now -= timedelta(seconds=4)
    taking = asyncio.create_task(lanes.take(thread.brings("uz", center.offers(1, first=5))))
    await let_others_run()
    await hq.register(Center("kz"))
    async with asyncio.timeout(1):
        assert await made.look_again()
    assert made.centers == ["kz", "uz"]
    assert size(hq, center) == 2
    taking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await taking


async def test_older_basis_that_arrives_late_does_not_take_the_place_of_a_newer_one(hq: Hq) -> None:
    """Two questions for the hq lane overtake each other: what HQ said last stays."""
    store = Late(hq.store, "hq_lane")
    headquarters = Headquarters(store, IDENTITY, RELEASED)
    made = Consolidator(hq.store, headquarters, IDENTITY, Seen(), "test", Clock())
    older = asyncio.create_task(made.refresh())
    await asyncio.wait_for(store.is_asked.wait(), 60)
    await hq.register(Center())
    answer, store.arrives = store.arrives, asyncio.Event()
    store.arrives.set()
    await made.refresh()
    assert made.centers == ["uz"]
    answer.set()
    await older
    assert made.centers == ["uz"]
