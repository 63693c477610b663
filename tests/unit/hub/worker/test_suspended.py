"""Two workers on a store that takes its time, in virtual time: whatever comes between a question and what follows it.

Each has its reading side, consolidator and publisher as they are in a worker, and looks every second; lanes move
between them, HQ suspends a center and lets it go on, one of them is told that its broker has failed. In the end every
event is in the ledger once, the topics have what SQL has, and no old state stands last.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import shutil
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest

from hub.base.faulty import Fault
from hub.domain.catalogue import STREAMS
from hub.domain.stream import HQ
from hub.hq.headquarters import Headquarters
from hub.kafka.topics import ensure_topics, standard_topics
from hub.protocol.errors import Retriable
from hub.store.sqlite import SqliteStore
from hub.worker.consolidator import Consolidator
from hub.worker.hq_publication import HqPublication
from hub.worker.keeper import Keeper
from hub.worker.lanes import Lanes
from hub.worker.publisher import Pace, Publisher
from tests.support.center import RELEASED, Center, Sent, offer
from tests.support.checker import check, trust_of
from tests.support.engines import open_store
from tests.support.fanned import STATE_FORMS, at, heard, ledgered
from tests.support.hq import IDENTITY, Hq, registered
from tests.support.kept import kept_of
from tests.support.slow_broker import SlowBroker, standing_last
from tests.support.suspending import Suspending
from tests.support.thread import MemoryThread
from tests.support.virtual_time import run_virtually

CENTERS: Final = ("uz", "kz", "by")
REVISED: Final = "net.cohub.offer.revised.v1"
LATER: Final = datetime(2900, 1, 1, tzinfo=UTC)  # HQ's own lane is written by the real clock
SEEDS: Final = (1, 2, 3, 5, 8, 13)
LIFE_S: Final = 40.0
SETTLED_S: Final = 30.0


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a database that knows the centers."""
    return registered(tmp_path_factory.mktemp("template"), *(Center(center) for center in CENTERS))


class Worker:
    """What of a worker asks a store, and the lanes that the group has given to it."""

    def __init__(self, site: Site, name: str) -> None:
        self.site = site
        store: Any = Suspending(site.store, site.chance, waits=True)
        headquarters = Headquarters(store, IDENTITY, RELEASED)
        cluster = at(site.broker)
        self.publisher = Publisher(store, cluster, STATE_FORMS, pace=Pace(0.5, 0.25, 11.0, 0.05, 25.0))
        self.consolidator = Consolidator(store, headquarters, IDENTITY, self.publisher, name, lambda: LATER)
        self.thread = MemoryThread()
        self.lanes = Lanes(self.consolidator)
        self.lanes.mover = self.thread
        self.hq = HqPublication(store, self.publisher, name, headquarters.announce)
        kept = kept_of(store, site.store.path, IDENTITY)
        self.keeper = Keeper(store, cluster, kept, name, lambda: CENTERS, look_every_s=2.0)
        self.has: list[str] = []

    def run(self) -> list[asyncio.Task[None]]:
        work = (self.publisher.run(), self.hq.run(), self.keeper.run(), self._look(), self._read())
        return [asyncio.create_task(one) for one in work]

    async def give(self, centers: list[str]) -> None:
        await self.lanes.revoke()
        await self.lanes.assign(centers)
        self.has = centers

    async def _look(self) -> None:
        await self.consolidator.refresh()
        while True:
            await asyncio.sleep(1)
            with contextlib.suppress(Retriable):
                if await self.consolidator.look_again():
                    self.publisher.look(HQ)

    async def _read(self) -> None:
        """Fetch what there is of each lane from where it was moved to, a few records at a time."""
        chance, behind = self.site.chance, dict[tuple[str, int], int]()
        while True:
            await asyncio.sleep(0.05)
            for center in list(self.lanes.centers):
                topic = f"in.{center}"
                if topic not in self.thread.stamps or self.lanes.paused(topic):
                    continue
                move = self.thread.stamps[topic].move
                begun = next(moved[topic] for moved in reversed(self.thread.moves) if topic in moved)
                place = behind.get((center, move), begun or 0)
                records = [one for one in self.site.sent[center] if one.offset >= place][: chance.randint(1, 40)]
                if records:
                    behind[center, move] = records[-1].offset + 1
                    await self.lanes.take(self.thread.brings(center, records))


@dataclass
class Site:
    """One database, one broker, what centers have written."""

    store: SqliteStore
    chance: random.Random
    broker: SlowBroker = field(default_factory=SlowBroker)
    centers: dict[str, Center] = field(default_factory=lambda: {center: Center(center) for center in CENTERS})
    sent: dict[str, list[Sent]] = field(default_factory=lambda: {center: [] for center in CENTERS})
    events: Counter[str] = field(default_factory=Counter)

    def write(self, name: str) -> None:
        """The center begins an offer, or revises one; some revisions come close together."""
        center = self.centers[name]
        if not self.sent[name]:
            self.sent[name] += center.opened(5)
            self.events[name] = 6
            return
        titles = [f"{self.chance.random()}" for _ in range(self.chance.randint(1, 4))]
        said = [center.append(center.event(REVISED, f"K-{self.chance.randint(1, 5)}", offer(one))) for one in titles]
        self.sent[name] += [*said[:-1], center.sealed(said[-1])]
        self.events[name] += len(said)


@contextlib.asynccontextmanager
async def opened(template: Path, path: Path, seed: int) -> AsyncIterator[Site]:
    shutil.copy(template, path)
    site = Site(open_store(path), random.Random(seed))
    await ensure_topics(at(site.broker), standard_topics(CENTERS, list(STREAMS)))
    try:
        yield site
    finally:
        await site.store.close()


async def live(template: Path, path: Path, seed: int) -> None:
    async with opened(template, path, seed) as site:
        workers = [Worker(site, name) for name in ("first", "second")]
        tasks = [task for worker in workers for task in worker.run()]
        await asyncio.sleep(1)
        loop = asyncio.get_running_loop()
        hq, suspended = Hq(site.store, Headquarters(site.store, IDENTITY, RELEASED), {}, now=LATER), set[str]()
        while loop.time() < LIFE_S:
            await happen(site, workers, hq, suspended)
            await asyncio.sleep(site.chance.random() * 0.8)
            for task in tasks:
                if task.done():
                    task.result()
        for name in suspended:
            await hq.said("resumed", Center(name), {"reason": "the end"})
        await workers[0].give(["uz"])
        await workers[1].give(["by", "kz"])
        await asyncio.sleep(SETTLED_S)
        await settled(site, tasks)


async def happen(site: Site, workers: list[Worker], hq: Hq, suspended: set[str]) -> None:
    """Have one thing happen."""
    what = site.chance.choice(["write"] * 6 + ["move"] * 2 + ["speak", "fail", "again"])
    name = site.chance.choice(CENTERS)
    if what == "write":
        site.write(name)
    elif what == "move":  # sometimes both have a lane for a while, as where one of them was stopped
        dealt: list[list[str]] = [[], []]
        for center in CENTERS:
            dealt[site.chance.randrange(2)].append(center)
        for worker, centers in sorted(zip(workers, dealt, strict=True), key=lambda _: site.chance.random()):
            await worker.give(centers)
    elif what == "speak":
        await hq.said("resumed" if name in suspended else "suspended", Center(name), {"reason": "a test"})
        suspended ^= {name}
    elif what == "fail":
        site.broker.fail(site.chance.choice(list(Fault)), site.chance.randint(1, 5))
    else:
        await site.store.topics.ask({"state.offer": ()}, "a test", datetime.now(UTC))


async def settled(site: Site, tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        if task.done():
            task.result()
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert await site.store.unpublished([HQ, *CENTERS]) == []
    assert await site.store.repeats.noted([HQ, *CENTERS]) == []
    sizes = {origin.split("/")[1]: upto for origin, upto in await site.store.cursors(CENTERS)}
    assert sizes == {name: count for name, count in site.events.items() if count}
    expected = await ledgered(site.store, CENTERS)
    assert heard(site.broker, CENTERS, in_order=False) == expected
    assert standing_last(site.broker) == expected["states"]
    assert check(site.store.path, trust_of(IDENTITY)) == []


@pytest.mark.parametrize("seed", SEEDS)
def test_two_workers_on_a_store_that_takes_its_time_lose_and_repeat_nothing(
    template: Path, tmp_path: Path, seed: int
) -> None:
    """Six lives of forty seconds; a seed lives the same one again."""
    run_virtually(live(template, tmp_path / "hub.sqlite3", seed))


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 140))
def test_many_lives_of_two_workers_on_a_store_that_takes_its_time(template: Path, tmp_path: Path, seed: int) -> None:
    """The same, for much longer."""
    run_virtually(live(template, tmp_path / "hub.sqlite3", seed))
