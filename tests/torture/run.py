"""One run: a network is set up, written to, badly treated by a plan, left to heal, and checked."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final

from aiokafka import TopicPartition

from hub.audit.rebuild import rebuild
from hub.base.clients import closing
from hub.domain.catalogue import STREAMS
from hub.protocol.errors import CohubError
from hub.protocol.topics import FAN_OUT_PARTITIONS
from tests.support.checker import Finding, Record, check, trust_of
from tests.support.checker import Office as CheckedOffice
from tests.torture import clock
from tests.torture.checker import REBUILD, Course, judge
from tests.torture.faults import Faults
from tests.torture.plan import EVERY_S, Fault, Size
from tests.torture.site import Site

ROWS_AT_START: Final = 15
READY_S: Final = 300.0
EDIT_EVERY_S: Final = 0.25
LAUNCHER: Final = {"worker": ("-m", "tests.torture.started"), "office": ("-m",)}
DEFECTIVE: Final = {"worker": ("-m", "tests.torture.started"), "office": ("-m", "tests.torture.started")}


@dataclass(frozen=True, slots=True)
class Order:
    """What a run is to be: in which folder, of which network, with which faults, and how patient it is at the end."""

    root: Path
    size: Size
    seed: int
    length_s: float
    faults: Sequence[Fault]
    has_disks: bool
    settle_s: float
    is_defective: bool = False


@dataclass
class Result:
    """What came of a run."""

    events: int = 0
    findings: list[Finding] = field(default_factory=list)
    begun: list[Fault] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)


class Run:
    """One run, told as it goes."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._began_s = time.monotonic()
        self._rng = Random(f"rows {order.seed}")
        self.result = Result()

    def say(self, what: str) -> None:
        """Print a line with the time since the beginning."""
        print(f"{time.monotonic() - self._began_s:7.1f} s  {what}", flush=True)  # noqa: T201

    async def do(self) -> Result:
        """Return what came of it. Whatever was started is ended, also where this is cut off."""
        order = self._order
        os.environ[clock.VARIABLE] = str(order.root)
        size = order.size
        self.say(f"{len(size.offices)} offices, {len(size.workers)} workers, {len(size.brokers)} brokers: setting up")
        launcher = DEFECTIVE if order.is_defective else LAUNCHER
        site = await Site.set_up(order.root, size, has_disks=order.has_disks, launcher=launcher)
        try:
            await self._treat(site)
            await self._settle(site)
        finally:
            site.end()
        return self.result

    async def _treat(self, site: Site) -> None:
        """Have everything written and befall that is to."""
        for office in site.offices:
            office.sheet.add(self._rng, ROWS_AT_START)
            site.save(office)
        site.start()
        if not await site.until(lambda: asyncio.run(site.events()) >= ROWS_AT_START * len(site.offices) // 2, 240.0):
            self.say("HQ has nothing yet; the faults begin all the same")
        self._mark("start")
        self.say(f"everybody is up, HQ has {await self._events(site)} events")
        tasks = [asyncio.create_task(self._befall(site, fault)) for fault in self._order.faults]
        tasks.append(asyncio.create_task(self._write(site)))
        try:
            await self._watch(site)
        finally:
            tasks[-1].cancel()
            # Every fault of a plan ends within its time: it is healed when we have waited for it.
            for done in await asyncio.gather(*tasks, return_exceptions=True):
                if isinstance(done, Exception):
                    raise done
        self._mark("faults")

    async def _befall(self, site: Site, fault: Fault) -> None:
        self.result.begun.append(fault)
        await Faults(site, self.say).befall(fault)

    async def _write(self, site: Site) -> None:
        """Have people edit their sheets all the time, each office as often as the others."""
        while True:
            site.write(self._rng)
            await asyncio.sleep(EDIT_EVERY_S * 30 / max(len(site.offices), 10))

    async def _watch(self, site: Site) -> None:
        """Start what ends, and tell a line every step, until the time is over."""
        began_s, step = time.monotonic(), 0
        while (now_s := time.monotonic() - began_s) < self._order.length_s:
            if now_s >= step * EVERY_S:
                here = [f for f in self._order.faults if step * EVERY_S <= f.at_s < (step + 1) * EVERY_S]
                what = ", ".join(map(str, here)) or "nothing"
                self.say(f"{await self._events(site):>7} accepted, {site.waiting():>5} waiting: {what}")
                step += 1
            site.start()
            await asyncio.sleep(0.2)

    async def _settle(self, site: Site) -> None:
        """Let everything come to its end, then look at all that is left."""
        site.held.clear()
        for office in site.offices:
            office.mark()
        self.say("everything is healed, and the last rows are written")
        is_over = site.is_through_or_broken if self._order.is_defective else site.is_through
        is_through = await site.until(is_over, self._order.settle_s) and await asyncio.to_thread(site.is_through)
        self._mark("settled")
        copy = await site.copy(self._order.root / "hub.sqlite3")
        unsettled = [] if is_through else site.unsettled(copy)
        self.say("stopping" if is_through else "the time to settle is over; stopping")
        statuses = await site.stop()
        await site.until(lambda: site.brokers.is_ready, READY_S)
        topics = await read_all(site)
        copy = await site.copy(self._order.root / "hub.sqlite3")
        self.result.events = await self._events(site)
        self.say(f"{len(topics)} records of HQ's topics are compared with {self.result.events} events")
        printed = {p.name: p.log.read_text("utf-8", "replace").splitlines() for p in site.programs if p.log.exists()}
        self.result.findings += judge(Course(unsettled, statuses, printed))
        self.result.findings += await asyncio.to_thread(books, site, copy, topics)
        self._mark("checked")

    async def _events(self, site: Site) -> int:
        """Return how many events HQ has; what it had last where its database is away."""
        try:
            async with asyncio.timeout(3):
                self.result.events = await site.events()
        except (OSError, TimeoutError, CohubError):
            pass
        except Exception as exc:  # noqa: BLE001 - asyncpg's have no common root with these
            self.say(f"the database says nothing: {exc}")
        return self.result.events

    def _mark(self, what: str) -> None:
        self.result.seconds[what] = round(time.monotonic() - self._began_s, 1)


def books(site: Site, copy: Path, topics: Sequence[Record]) -> list[Finding]:
    """Return what is wrong in the books of both ends, in HQ's topics, and with the state when it is built again."""
    trust = trust_of(site.identity)
    offices = [CheckedOffice(office.id, office.outbox, office.sheet) for office in site.offices]
    published = [record for record in topics if not record.topic.startswith("in.")]
    found = check(copy, trust, offices, published)
    for office in site.offices:
        own: list[Any] = [record for record in topics if record.topic == f"in.{office.id}"]
        found += [Finding("WITNESS", office.id, what) for what in office.witness.faults(own, office.outbox)]
    rebuilt = rebuild(copy, trust, site.root / "rebuilt")
    return found + [
        Finding(REBUILD, f"{one.lane} {one.key}", f"{one.what}: {one.detail}") for one in rebuilt.differences
    ]


async def read_all(site: Site) -> list[Record]:
    """Return all records of HQ's topics and of those that it reads, each partition's in its order."""
    ids = [office.id for office in site.offices]
    fanned = ["events", *(f"state.{stream}" for stream in STREAMS)]
    single = [*(f"out.{name}" for name in ids), *(f"in.{name}" for name in ids)]
    wanted = [(topic, 0) for topic in single] + [(t, p) for t in fanned for p in range(FAN_OUT_PARTITIONS)]
    async with closing(await site.brokers.admin().consumer("torture", deadline_s=READY_S)) as consumer:
        there = await consumer.topics()
        places = [TopicPartition(topic, partition) for topic, partition in wanted if topic in there]
        consumer.assign(places)
        ends = await consumer.end_offsets(places)
        begins = await consumer.beginning_offsets(places)
        left = {place for place in places if begins[place] < ends[place]}
        found: dict[TopicPartition, list[Record]] = {place: [] for place in places}
        async with asyncio.timeout(180):
            while left:
                for place, records in (await consumer.getmany(timeout_ms=1000, max_records=5000)).items():
                    found[place] += [
                        Record(
                            r.topic,
                            r.partition,
                            r.key or b"",
                            r.value or b"",
                            tuple((n, v or b"") for n, v in r.headers),
                        )
                        for r in records
                    ]
                left = {place for place in left if await consumer.position(place) < ends[place]}
    return [record for place in places for record in found[place]]
