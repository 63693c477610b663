"""Law 4 at the shell: however fetches are cut, sought, lost and handed from worker to worker, verdicts are the same.

The consolidator that runs in production is driven here, with positions and publications in memory instead of Kafka.
What it comes to is held against the straight run of `tests.support.hq`, which shares the pure part alone.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from hub.hq.headquarters import Headquarters
from hub.ledger.lane import Status
from hub.store.sqlite import SqliteStore
from hub.worker.consolidator import Consolidator
from tests.support.center import RELEASED, Center
from tests.support.checker import check, trust_of
from tests.support.hq import IDENTITY, Hq
from tests.support.intakes import Ledgered, Positions
from tests.support.peek import open_without_disk, peek
from tests.support.sender import CENTERS, PUBLISHED, REVISED, Batches, Sender, of_centers, outcome, script, senders

WORKERS = 2
LATER = datetime(2900, 1, 1, tzinfo=UTC)  # HQ's own lane is written by the real clock
ROUNDS_MAX = 30
FETCHES_MAX = 200  # of one lane until it is read to its end

step = st.tuples(
    st.sampled_from(
        ["send"] * 4
        + ["fetch"] * 8
        + [
            "part",
            "silence",
            "lose",
            "zombie",
            "skip",
            "skip",
            "assign",
            "revoke",
            "restart",
            "suspend",
            "look",
            "look",
        ]
    ),
    st.sampled_from(CENTERS),
    st.integers(0, WORKERS - 1),
    st.integers(1, 12),
)


class Worker:
    """One worker's consolidator and where it reads."""

    def __init__(self, store: SqliteStore, headquarters: Headquarters, publisher: Ledgered, owner: str) -> None:
        self._made = (store, headquarters, publisher, owner)
        self.restart()

    def restart(self) -> None:
        """Begin as a new process does: nothing in memory, no lane."""
        store, headquarters, publisher, owner = self._made
        self.positions = Positions()
        self.consolidator = Consolidator(
            store,
            headquarters,
            IDENTITY,
            publisher,
            owner,
            lambda: LATER,
        )
        self.consolidator.attach(self.positions)

    async def assign(self, center: str) -> None:
        await self.revoke(center)
        self.positions.give(center, (await self.consolidator.assign([center]))[center])

    async def revoke(self, center: str) -> None:
        if center in self.positions.next:
            await self.consolidator.revoke([center])
            self.positions.release(center)

    async def fetch(self, sender: Sender, count: int) -> bool:
        """Have the next records of the lane handled, and say whether there were any."""
        center = sender.center
        records = [r for r in sender.log if r.offset >= self.positions.next[center]][:count]
        if not records:
            return False
        self.positions.next[center] = records[-1].offset + 1
        await self.consolidator.handle(center, records)
        return True


@dataclass
class Hub:
    """Two workers on one store, HQ that speaks, an honest sender for each center."""

    store: SqliteStore
    hq: Hq
    senders: dict[str, Sender]
    published: Ledgered
    workers: list[Worker]
    suspended: set[str] = field(default_factory=set)
    seen: Counter[str] = field(default_factory=Counter)

    @classmethod
    def open(cls, database: Path, script: dict[str, list[Batches]]) -> Hub:
        store = open_without_disk(database)
        headquarters, published = Headquarters(store, IDENTITY, RELEASED), Ledgered()
        workers = [Worker(store, headquarters, published, f"worker {n}") for n in range(WORKERS)]
        return cls(store, Hq(store, headquarters, {}, now=LATER), senders(script), published, workers)

    def sizes(self, center: str) -> dict[str, int]:
        return dict(peek(self.store.path, "SELECT epoch, size FROM lane WHERE center = ?", center))

    async def speak(self, center: str) -> None:
        """Suspend the center, or let a suspended one go on."""
        await self.hq.said("resumed" if center in self.suspended else "suspended", Center(center))
        self.suspended ^= {center}

    async def fetch(self, center: str, worker: Worker, count: int) -> bool:
        """Let `worker` read the lane, which it takes over, or lets go on, if it has to."""
        if center not in worker.positions.next:
            await worker.assign(center)
        if center in worker.positions.paused:
            status = (await self.store.changes()).intakes[center][1]
            self.seen[f"paused while {status}"] += 1
            await self.store.resume(center)  # what a person does
            await worker.consolidator.look_again()
            if center in worker.positions.paused and center not in self.suspended:
                await worker.assign(center)  # it was fenced out, or another worker has the lane since
        return await worker.fetch(self.senders[center], count)

    async def happen(self, what: str, center: str, number: int, count: int) -> None:
        sender, worker = self.senders[center], self.workers[number]
        match what:
            case "send":
                self.next_lane(sender)
                sender.send()
            case "part":
                sender.send_part(count)
            case "silence":
                sender.rewind(self.sizes(center).get(sender.epoch, 0) + 1)
            case "lose":
                sender.lose(count, max(w.positions.next.get(center, 0) for w in self.workers))
            case "zombie":
                sender.zombie(count)
            case "skip":  # a batch that was lost on the way: the consolidator has to notice, and to look back
                if center in worker.positions.next:
                    last = max((r.offset for r in sender.log), default=-1)
                    worker.positions.next[center] = min(worker.positions.next[center] + count, last + 1)
            case "assign":
                await worker.assign(center)
            case "revoke":
                await worker.revoke(center)
            case "restart":
                worker.restart()
            case "suspend":
                await self.speak(center)
            case "look":
                self.seen["hq moved"] += await worker.consolidator.look_again()
            case _:
                await self.fetch(center, worker, count)

    def next_lane(self, sender: Sender) -> None:
        """Open the next lane, once HQ has all of this one."""
        whole = self.sizes(sender.center).get(sender.epoch) == sender.size(sender.lane)
        if whole and sender.lane + 1 < len(sender.lanes):
            sender.lane, sender.batch = sender.lane + 1, 0

    async def finish(self) -> None:
        """End every suspension, and send what is missing until HQ has everything."""
        for center in sorted(self.suspended):
            await self.speak(center)
        for worker in self.workers:
            await worker.consolidator.look_again()
        for name, sender in self.senders.items():
            if name not in self.workers[0].positions.next:
                await self.workers[0].assign(name)  # somebody holds every lane in the end: a status is its owner's
            for _ in range(ROUNDS_MAX):
                self.next_lane(sender)
                size = self.sizes(name).get(sender.epoch, 0)
                if size == sender.size(sender.lane):
                    break
                sender.rewind(size + 1)
                for _ in sender.lanes[sender.lane]:
                    sender.send()
                for _ in range(FETCHES_MAX):
                    if not await self.fetch(name, self.workers[0], len(sender.log)):
                        break
                else:
                    pytest.fail(f"{name}: read {FETCHES_MAX} times and never to its end")
            assert self.sizes(name) == {f"{n + 1:08x}": sender.size(n) for n in range(len(sender.lanes))}
        self.seen["seek"] += sum(worker.positions.seeks for worker in self.workers)

    async def check_published(self) -> None:
        """Every event of every lane was offered to the publisher once, in order, with the receipt that SQL has."""
        ends: Counter[str] = Counter()
        for found in self.published.publications:
            assert found.first == ends[found.origin] + 1
            ends[found.origin] = found.last
            assert list(found.receipts) == [await self.store.receipt_at(found.origin, found.last)]
        for name in self.senders:
            for origin, size in peek(self.store.path, "SELECT origin, size FROM lane WHERE center = ?", name):
                assert ends[origin] == size


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a database whose centers are registered: the basis of every case."""
    folder = tmp_path_factory.mktemp("template")

    async def make() -> None:
        hq = await Hq.open(folder, *(Center(name) for name in CENTERS))
        await hq.store.close()

    asyncio.run(make())
    return folder / "hub.sqlite3"


async def straight(template: Path, folder: Path, script: dict[str, list[Batches]]) -> dict[str, list[Any]]:
    """Return what comes of the lanes in one fetch each, without the shell."""
    shutil.copy(template, folder / "hub.sqlite3")
    store = SqliteStore.open(folder / "hub.sqlite3")
    try:
        hq = Hq(store, Headquarters(store, IDENTITY, RELEASED), {}, now=LATER)
        for name, sender in senders(script).items():
            for lane in sender.lanes:
                sender.write([record for batch in lane for record in batch])
            await hq.feed(name, sender.log, now=LATER)
        return outcome(store.path)
    finally:
        await store.close()


async def crooked(
    template: Path, folder: Path, script: dict[str, list[Batches]], steps: Sequence[Any]
) -> tuple[dict[str, list[Any]], Counter[str]]:
    """Return what consolidators come to that live through `steps`, and what they lived through."""
    database = folder / "hub.sqlite3"
    shutil.copy(template, database)
    hub = Hub.open(database, script)
    try:
        for taken_step in steps:
            await hub.happen(*taken_step)
        await hub.finish()
        await hub.check_published()
        found = outcome(database)
        parked = (await hub.store.changes()).intakes
    finally:
        await hub.store.close()
    assert {status for _, status in parked.values()} == {Status.READING}
    findings = check(database, trust_of(IDENTITY))
    assert not findings, findings
    return found, hub.seen


def compare(template: Path, script: dict[str, list[Batches]], steps: Sequence[Any]) -> Counter[str]:
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        expected = asyncio.run(straight(template, Path(one), script))
        found, seen = asyncio.run(crooked(template, Path(other), script, steps))
    assert of_centers(found) == of_centers(expected)
    return seen


@given(script=script, steps=st.lists(step, min_size=20, max_size=80))
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_consolidators_decide_as_the_straight_run_does(
    template: Path, script: dict[str, list[Batches]], steps: list[Any]
) -> None:
    """Random cuts, seeks, holes, takeovers, restarts and suspensions: same verdicts, digests, entities and measures."""
    for name in +compare(template, script, steps):
        event(name)


@pytest.mark.long
@given(script=script, steps=st.lists(step, min_size=20, max_size=200))
@settings(max_examples=1_000, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@pytest.mark.timeout(3600)
def test_consolidators_decide_alike_for_long(
    template: Path, script: dict[str, list[Batches]], steps: list[Any]
) -> None:
    """The same, for much longer."""
    compare(template, script, steps)


def test_hole_suspension_and_takeover_happen_in_these_runs(template: Path) -> None:
    """The property is worth its name: a small run by hand lives through each of what it is about."""
    lanes: list[Batches] = [[[(PUBLISHED, n, n, "well")] for n in range(3)]]
    steps = [
        *[("send", "uz", 0, 1)] * 3,
        ("fetch", "uz", 0, 1),
        ("skip", "uz", 0, 1),
        ("fetch", "uz", 0, 1),  # a hole: it looks back
        ("fetch", "uz", 1, 2),  # the other worker takes over
        ("fetch", "uz", 0, 3),  # and the first is fenced
        ("suspend", "uz", 0, 1),
        ("send", "uz", 0, 1),
        ("look", "uz", 1, 1),
        ("fetch", "uz", 1, 9),
        ("fetch", "uz", 1, 9),
        ("suspend", "uz", 0, 1),
        ("look", "uz", 1, 1),
    ]
    seen = compare(template, dict.fromkeys(CENTERS, lanes), steps)
    assert seen["seek"] >= 2
    assert seen["hq moved"] == 2
    assert seen["paused while waiting"] >= 1


def test_lane_that_comes_back_to_a_worker_is_not_judged_by_what_it_remembers(template: Path) -> None:
    """An entity that two workers change in turn has every version, whoever remembers an older one."""
    changes = [(PUBLISHED, 0, 0, "well"), *[(REVISED, 0, title, "well") for title in range(1, 6)]]
    lanes: list[Batches] = [[[change] for change in changes]]
    turns = [[("send", "uz", 0, 1), ("assign", "uz", n % 2, 1), ("fetch", "uz", n % 2, 9)] for n in range(7)]
    seen = compare(template, dict.fromkeys(CENTERS, lanes), [step for turn in turns for step in turn])
    assert not seen["paused while reading"]  # nobody was fenced: the lane was handed over in good order
