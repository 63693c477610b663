"""HQ's own lane goes out by one worker: by another one once that is gone, and never by two at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hub.base.faulty import Fault
from hub.domain.catalogue import STREAMS
from hub.domain.stream import HQ
from hub.kafka.memory import MemoryBroker
from hub.kafka.topics import ensure_topics, standard_topics
from hub.store.faulty import FaultyStore
from hub.worker.hq_publication import HqPublication
from hub.worker.lease import LEASE_S
from hub.worker.publisher import Pace, Publisher
from tests.support.center import Center
from tests.support.fanned import STATE_FORMS, at, heard, ledgered
from tests.support.hq import Hq

PROMPT_S = 20.0


@dataclass
class Site:
    """Workers on one database, of whom only what publishes HQ's lane is there; and their clock."""

    hq: Hq
    broker: MemoryBroker
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    lacking: list[str] = field(default_factory=list)
    announcements: int = 0
    running: list[asyncio.Task[None]] = field(default_factory=list)

    async def announce(self) -> list[str]:
        self.announcements += 1
        return self.lacking

    def worker(self, owner: str) -> tuple[HqPublication, Publisher]:
        publisher = Publisher(self.hq.store, at(self.broker), STATE_FORMS, pace=Pace(0.0, 0.01, 60.0))
        self.running.append(asyncio.create_task(publisher.run()))
        return HqPublication(self.hq.store, publisher, owner, self.announce, lambda: self.now), publisher

    async def published(self) -> None:
        async with asyncio.timeout(PROMPT_S):
            while await self.hq.store.unpublished([HQ]):
                await asyncio.sleep(0.005)

    async def end(self) -> None:
        for task in self.running:
            task.cancel()
        await asyncio.gather(*self.running, return_exceptions=True)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    hq = await Hq.open(tmp_path, Center("uz"))
    broker = MemoryBroker()
    await ensure_topics(at(broker), standard_topics(["uz"], list(STREAMS)))
    made = Site(hq, broker)
    yield made
    await made.end()
    await hq.store.close()


def sent(site: Site) -> int:
    return sum(len(site.broker.records("events", number)) for number in range(8))


async def test_hq_lane_goes_out_once_however_many_workers_there_are(site: Site) -> None:
    """Each event is there once; whoever has not the lease publishes nothing, also when HQ says more."""
    workers = [site.worker(f"worker {number}") for number in range(3)]
    for publication, _ in workers:
        await publication.round()
    await site.published()
    await site.hq.said("suspended", Center("uz"), {"reason": "a test"})
    for publication, publisher in workers:
        await publication.round()
        publisher.look(HQ)
    await site.published()
    await asyncio.sleep(0.1)
    expected = await ledgered(site.hq.store, ["uz"])
    assert heard(site.broker, ["uz"]) == expected
    assert sent(site) == sum(len(lane) for lane in expected["events"].values())
    assert [publisher.has(HQ) for _, publisher in workers] == [True, False, False]


async def test_next_worker_goes_on_when_the_one_that_had_it_says_nothing_any_more(site: Site) -> None:
    """It was killed, or stopped: nothing is left undone. When it comes back it finds that it has it no more."""
    (first, publisher), (second, other) = site.worker("first"), site.worker("second")
    await first.round()
    await site.published()
    await site.hq.said("suspended", Center("uz"), {"reason": "a test"})
    await second.round()
    assert await site.hq.store.unpublished([HQ])
    site.now += timedelta(seconds=LEASE_S)
    await second.round()
    await site.published()
    await first.round()
    assert (publisher.has(HQ), other.has(HQ)) == (False, True)
    assert heard(site.broker, ["uz"]) == await ledgered(site.hq.store, ["uz"])


async def test_worker_that_was_overtaken_begins_a_new_term_when_it_leads_again(site: Site) -> None:
    """Its publisher has left the lane by itself; a lease that it has alone would leave it to nobody."""
    first, publisher = site.worker("first")
    await first.round()
    await site.published()
    await site.hq.store.repeats.begin_hq("somebody else")
    await site.hq.said("suspended", Center("uz"), {"reason": "a test"})
    publisher.look(HQ)
    async with asyncio.timeout(PROMPT_S):
        while publisher.has(HQ):
            await asyncio.sleep(0.005)
    await first.round()
    assert publisher.has(HQ)
    publisher.repeat((await site.hq.store.changes()).said_late)
    async with asyncio.timeout(PROMPT_S):
        while (await site.hq.store.changes()).said_late:
            await asyncio.sleep(0.005)


async def test_schemas_are_announced_by_who_leads_until_nobody_lacks_them(site: Site) -> None:
    """Then nothing more is asked: the release has what it has."""
    (first, _), (second, _) = site.worker("first"), site.worker("second")
    site.lacking = ["an older worker"]
    for _ in range(3):
        await first.round()
        await second.round()
    assert site.announcements == 3
    site.lacking = []
    for _ in range(3):
        await first.round()
    assert site.announcements == 4


@pytest.mark.parametrize("fault", list(Fault))
async def test_store_that_is_busy_keeps_it_for_a_moment_only(site: Site, fault: Fault) -> None:
    """Whether the lease was written or not, the next look finds out."""
    store = FaultyStore(site.hq.store)
    publisher = Publisher(store, at(site.broker), STATE_FORMS, pace=Pace(0.0, 0.01, 60.0))
    site.running.append(asyncio.create_task(publisher.run()))
    publication = HqPublication(store, publisher, "first", site.announce, lambda: site.now)
    store.fail(fault, "repeats.begin_hq")
    await publication.round()
    assert not publisher.has(HQ)
    await publication.round()
    await site.published()
    assert heard(site.broker, ["uz"]) == await ledgered(site.hq.store, ["uz"])
