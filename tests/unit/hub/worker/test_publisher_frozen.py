"""A publisher that is stopped wherever it waits, and goes on long after another worker has its lanes.

In virtual time: whatever repeats follow a takeover are long over by then. A compacted topic keeps what stands last, so
what stands last has to be what SQL has.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from hub.base.faulty import Fault
from hub.domain.catalogue import STREAMS
from hub.domain.stream import HQ
from hub.hq.headquarters import Headquarters
from hub.kafka.topics import ensure_topics, standard_topics
from hub.ledger.publication import publications
from hub.store.sqlite import SqliteStore
from hub.worker.publisher import Pace, Publisher
from tests.support.center import RELEASED, Center, offer
from tests.support.engines import open_store
from tests.support.fanned import STATE_FORMS, at, ledgered
from tests.support.frozen import Frozen, whole
from tests.support.hq import IDENTITY, Hq, claimed, registered
from tests.support.slow_broker import SlowBroker, standing_last
from tests.support.virtual_time import run_virtually

CENTERS = ("uz", "kz")
REVISED, WITHDRAWN = "net.cohub.offer.revised.v1", "net.cohub.offer.withdrawn.v1"
LATE_S = 400.0  # behind every repeat that follows a takeover


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a database that knows two centers, one of which has offers."""
    return registered(tmp_path_factory.mktemp("template"), *(Center(center) for center in CENTERS))


@dataclass
class Site:
    """One database and one broker, which two workers publish from and to, one after the other and at once."""

    hq: Hq
    broker: SlowBroker
    uz: Center = field(default_factory=lambda: Center("uz"))

    def publisher(self) -> Publisher:
        return Publisher(self.hq.store, at(self.broker), STATE_FORMS, pace=Pace(0.5, 2.0, 11.0))

    async def feed(self, publisher: Publisher, *events: Any) -> None:
        """Have the center say these, and the worker that has it publish them."""
        records = [self.uz.append(self.uz.event(*event)) for event in events]
        publisher.offer(publications(await self.hq.feed("uz", [*records[:-1], self.uz.sealed(records[-1])])))

    async def look(self, publisher: Publisher) -> None:
        """What a worker does every second."""
        while True:
            await asyncio.sleep(1)
            publisher.repeat((await self.hq.store.changes()).said_late)


@contextlib.asynccontextmanager
async def opened(template: Path, path: Path) -> AsyncIterator[Site]:
    shutil.copy(template, path)
    store: SqliteStore = open_store(path)
    broker = SlowBroker()
    await ensure_topics(at(broker), standard_topics(CENTERS, list(STREAMS)))
    try:
        yield Site(Hq(store, Headquarters(store, IDENTITY, RELEASED), {}), broker)
    finally:
        await store.close()


async def first_life(site: Site, publisher: Publisher, frozen: Frozen) -> None:
    """Let a worker publish what SQL has, then what it and HQ say meanwhile, until it stands still."""
    publisher.offer(publications(await site.hq.feed("uz", site.uz.opened(3))))
    for event, title in (("suspended", "One"), ("resumed", "Two"), ("", "Three")):
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(frozen.is_frozen.wait(), 0.6)
        if frozen.is_frozen.is_set():
            return
        await site.feed(publisher, (REVISED, "K-1", offer(title)))
        if event:
            await site.hq.said(event, Center("kz"), {"reason": title})
            publisher.look(HQ)
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(frozen.is_frozen.wait(), 3)


async def second_life(site: Site, publisher: Publisher) -> None:
    """Let another worker have it all, and say newer things of the same entities, long before the first goes on."""
    await publisher.adopt(await claimed(site.hq, CENTERS))
    await site.feed(publisher, (REVISED, "K-1", offer("Newest")), (WITHDRAWN, "K-2", {"reason": "sold"}))
    is_active = (await site.hq.headquarters.basis()).registry.centers["kz"].status == "active"
    await site.hq.said("suspended" if is_active else "resumed", Center("kz"), {"reason": "the newest"})
    publisher.look(HQ)
    async with asyncio.timeout(60):
        while await site.hq.store.unpublished([HQ, *CENTERS]):
            await asyncio.sleep(0.1)
    await asyncio.sleep(LATE_S)


async def live(template: Path, path: Path, nth: int, fault: Fault | None) -> tuple[bool, int]:
    """Return whether the first worker waited so often, and in how many places it found that it had sent too late."""
    async with opened(template, path) as site:
        first, second = site.publisher(), site.publisher()
        await first.adopt(await claimed(site.hq, CENTERS))
        frozen = Frozen(first.run(), nth)
        tasks = [asyncio.create_task(whole(frozen))]
        if fault is not None:
            site.broker.fail(fault, 2)
        await first_life(site, first, frozen)
        came = frozen.is_frozen.is_set()
        tasks += [asyncio.create_task(second.run()), asyncio.create_task(site.look(second))]
        await second_life(site, second)
        with capture_logs() as logs:
            frozen.thaw.set()
            await asyncio.sleep(45)
        expected, noted = await ledgered(site.hq.store, CENTERS), await site.hq.store.repeats.noted([HQ, *CENTERS])
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert standing_last(site.broker) == expected["states"], f"stopped at its {nth}. wait"
        assert not noted, f"stopped at its {nth}. wait"
        return came, sum(entry["event"] == "states_sent_late" for entry in logs)


@pytest.mark.parametrize("fault", [None, *(pytest.param(each, marks=pytest.mark.long) for each in Fault)], ids=str)
def test_worker_that_was_stopped_while_it_published_leaves_no_old_state_last(
    template: Path, tmp_path: Path, fault: Fault | None
) -> None:
    """Wherever it waits, also with a broker that failed it: what it sends when it goes on is said again."""
    nth, late, came = 1, 0, True
    while came:
        came, times = run_virtually(live(template, tmp_path / f"{nth}.sqlite3", nth, fault))
        late += times
        nth += 1 if fault is None else 3
    assert nth > 30
    assert late > 3
