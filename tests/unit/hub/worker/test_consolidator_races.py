"""The consolidator's tasks between each other's steps: no order of them loses what HQ said."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hub.hq.headquarters import Headquarters
from hub.ledger.lane import Status
from hub.store.store import Store
from hub.worker.consolidator import Consolidator
from tests.support.center import RELEASED, Center
from tests.support.consolidator import Clock, Seen, Spoilt, consolidator, intake, size
from tests.support.hq import IDENTITY, Hq


@pytest.fixture
async def hq(tmp_path: Path) -> AsyncIterator[Hq]:
    opened = await Hq.open(tmp_path)
    yield opened
    await opened.store.close()


class Late:
    """A store that one call takes as long to reach as a test wants, or whose answer is so long on its way."""

    def __init__(self, store: Store, question: str, *, answers: bool = True) -> None:
        self._store = store
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


async def let_others_run() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


async def test_lane_that_is_about_to_wait_is_not_woken_before_it_waits(hq: Hq) -> None:
    """HQ speaks while the fetch that stops the lane is being committed: the lane goes on, and is not left paused."""
    center, seen = Center(), Seen()
    store = Late(hq.store, "commit", answers=False)
    made = consolidator(hq, seen, Clock(), store)
    await made.refresh()
    await made.assign(["uz"])
    records = center.opened(1)
    handling = asyncio.create_task(made.handle("uz", records))
    await store.is_asked.wait()
    await hq.register(center)
    looking = asyncio.create_task(made.look_again())
    await let_others_run()
    store.arrives.set()
    await handling
    assert await looking
    assert (intake(hq, center)[0], seen.paused) == (Status.READING, set())
    await made.handle("uz", records)
    assert size(hq, center) == 2


async def test_lane_that_is_just_being_parked_is_not_taken_for_resumed(hq: Hq) -> None:
    """What a look was told before the lane was parked says nothing of what a person did since."""
    center, seen = Center(), Seen()
    await hq.register(center)
    store = Late(Spoilt(hq.store, "uz"), "changes")
    made = consolidator(hq, seen, Clock(), store)
    await made.assign(["uz"])
    looking = asyncio.create_task(made.look_again())
    await store.is_asked.wait()
    handling = asyncio.create_task(made.handle("uz", center.opened(1)))
    await let_others_run()
    store.arrives.set()
    await asyncio.gather(looking, handling)
    assert (intake(hq, center)[0], seen.paused) == (Status.PARKED, {"uz"})


async def test_older_basis_that_arrives_late_does_not_take_the_place_of_a_newer_one(hq: Hq) -> None:
    """Two questions for the hq lane overtake each other: what HQ said last stays."""
    store = Late(hq.store, "basis")
    headquarters = Headquarters(store, IDENTITY, RELEASED)
    made = Consolidator(hq.store, headquarters, IDENTITY, Seen(), "test", Clock())
    older = asyncio.create_task(made.refresh())
    await store.is_asked.wait()
    await hq.register(Center())
    answer, store.arrives = store.arrives, asyncio.Event()
    store.arrives.set()
    await made.refresh()
    assert made.centers == ["uz"]
    answer.set()
    await older
    assert made.centers == ["uz"]
