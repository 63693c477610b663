"""Law 4: a verdict is a function. However lanes, workers, fetches and resends interleave, HQ decides alike."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from hub.hq.headquarters import Headquarters
from hub.ledger.lane import Status
from hub.store.sqlite import SqliteStore
from hub.store.store import FencedError
from tests.support.center import RELEASED, Center
from tests.support.checker import check, trust_of
from tests.support.hq import IDENTITY, Hq
from tests.support.peek import open_without_disk, peek
from tests.support.sender import CENTERS, PUBLISHED, WITHDRAWN, Batches, Sender, outcome, script, senders

WORKERS = 2
ROUNDS_MAX = 30  # of sending everything that is missing again, at the end

# One step: what happens, to which center, at which worker, and how much of it.
step = st.tuples(
    st.sampled_from(
        ["send"] * 4
        + ["fetch"] * 6
        + ["part", "silence", "lose", "lose", "zombie", "again", "crash", "dies after", "restart"]
    ),
    st.sampled_from(CENTERS),
    st.integers(0, WORKERS - 1),
    st.integers(1, 12),
)


@dataclass
class World:
    """Two workers on one store, an honest sender for each center, and the steps that happen to them."""

    store: SqliteStore
    senders: dict[str, Sender]
    workers: list[Hq]
    read: dict[tuple[int, str], int] = field(default_factory=dict)  # (worker, center) -> next offset
    seen: Counter[str] = field(default_factory=Counter)  # what the steps led to, for the statistics

    @classmethod
    def open(cls, database: Path, script: dict[str, list[Batches]]) -> World:
        store = open_without_disk(database)
        headquarters = Headquarters(store, IDENTITY, RELEASED)
        return cls(store, senders(script), [Hq(store, headquarters, {}) for _ in range(WORKERS)])

    def sizes(self, center: str) -> dict[str, int]:
        """Return the size of each lane of a center, by epoch."""
        return dict(peek(self.store.path, "SELECT epoch, size FROM lane WHERE center = ?", center))

    async def take(self, center: str, worker: int, count: int, *, again: bool = False, dies: bool = False) -> None:
        """Fetch up to `count` records, or the last ones again, and do what a worker does with them."""
        hq, sender = self.workers[worker], self.senders[center]
        if center not in hq.readings or hq.reading(center).intake.status is not Status.READING:
            self.seen["resumed"] += await self.store.resume(center) == Status.PARKED  # what a person does
            reading = await hq.claim(center)
            self.read[worker, center] = reading.intake.offset or 0
        at = self.read[worker, center]
        if again:
            records = [record for record in sender.log if record.offset < at][-count:]
        else:
            records = [record for record in sender.log if record.offset >= at][:count]
        if not records:
            return
        before = hq.readings[center]
        if dies:
            hq.readings[center] = (before[0], -1)  # nothing is ever committed under this term
        try:
            taken, _ = await hq.feed(center, records)
        except FencedError:
            del hq.readings[center]
            self.seen["fenced"] += 1
            return
        if not again:
            self.read[worker, center] = records[-1].offset + 1
        assert not taken.quarantine, taken.quarantine
        self.seen.update(duplicate=taken.duplicates, claim=len(taken.claims), resend=len(taken.resends))
        self.seen["tail"] += bool(taken.reading.tail)
        for claim in taken.claims:  # what is claimed twice is answered with a stored receipt over the same root
            edge = await self.store.edge_at(claim.origin, claim.checkpoint.size)
            assert edge is not None
            assert edge.root == claim.checkpoint.root
            assert await self.store.receipt_at(claim.origin, claim.checkpoint.size) is not None
        for resend in taken.resends:
            if resend.origin.endswith(sender.epoch):
                sender.rewind(resend.first)

    async def happen(self, what: str, center: str, worker: int, count: int) -> None:
        sender = self.senders[center]
        self.workers[worker].monotonic_s += count
        match what:
            case "send":
                self._next_lane(sender)
                sender.send()
            case "part":
                sender.send_part(count)
            case "silence":
                sender.rewind(self.sizes(center).get(sender.epoch, 0) + 1)
            case "lose":
                sender.lose(count, max((at for (_, c), at in self.read.items() if c == center), default=0))
            case "zombie":
                sender.zombie(count)
            case "restart":
                self.workers[worker].readings.clear()
            case "dies after":  # the commit: what it did is all there, and the process knows nothing of it
                await self.take(center, worker, count)
                self.workers[worker].readings.clear()
            case "fetch":
                await self.take(center, worker, count)
            case _:
                await self.take(center, worker, count, again=what == "again", dies=what == "crash")

    def _next_lane(self, sender: Sender) -> None:
        """Open the next lane, once HQ has all of this one."""
        whole = self.sizes(sender.center).get(sender.epoch) == sender.size(sender.lane)
        if whole and sender.lane + 1 < len(sender.lanes):
            sender.lane, sender.batch = sender.lane + 1, 0

    async def finish(self) -> None:
        """Send what is missing until HQ has everything, as connectors do when HQ is silent."""
        for sender in self.senders.values():
            for _ in range(ROUNDS_MAX):
                self._next_lane(sender)
                size = self.sizes(sender.center).get(sender.epoch, 0)
                if size == sender.size(sender.lane):
                    break
                sender.rewind(size + 1)
                for _ in sender.lanes[sender.lane]:
                    sender.send()
                self.workers[0].monotonic_s += 30
                await self.take(sender.center, 0, len(sender.log))
            assert self.sizes(sender.center) == {
                f"{number + 1:08x}": sender.size(number) for number in range(len(sender.lanes))
            }


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a database whose centers are registered: the basis of every case."""
    folder = tmp_path_factory.mktemp("template")

    async def make() -> None:
        hq = await Hq.open(folder, *(Center(name) for name in CENTERS))
        await hq.store.close()

    asyncio.run(make())
    return folder / "hub.sqlite3"


async def run_case(
    template: Path, folder: Path, script: dict[str, list[Batches]], steps: Sequence[Any]
) -> tuple[dict[str, list[Any]], Counter[str]]:
    """Return what a hub comes to that lives through `steps`, and what it lived through.

    The checker must have nothing to say of it.
    """
    database = folder / "hub.sqlite3"
    shutil.copy(template, database)
    world = World.open(database, script)
    try:
        for taken_step in steps:
            await world.happen(*taken_step)
        await world.finish()
        found = outcome(database)
    finally:
        await world.store.close()
    findings = check(database, trust_of(IDENTITY))
    assert not findings, findings
    return found, world.seen


def interleave(template: Path, script: dict[str, list[Batches]], steps: Sequence[Any]) -> None:
    with tempfile.TemporaryDirectory() as straight, tempfile.TemporaryDirectory() as crooked:
        expected, _ = asyncio.run(run_case(template, Path(straight), script, []))
        found, seen = asyncio.run(run_case(template, Path(crooked), script, steps))
    assert found == expected
    for name in +seen:
        event(name)


@given(script=script, steps=st.lists(step, min_size=20, max_size=80))
@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_any_interleaving_gives_the_verdicts_and_state_of_a_straight_run(
    template: Path, script: dict[str, list[Batches]], steps: list[Any]
) -> None:
    """Same basis, same lanes: same verdicts, entities, measures and state digests."""
    interleave(template, script, steps)


@pytest.mark.long
@given(script=script, steps=st.lists(step, min_size=20, max_size=200))
@settings(max_examples=2_000, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@pytest.mark.timeout(3600)
def test_any_long_interleaving_gives_the_verdicts_and_state_of_a_straight_run(
    template: Path, script: dict[str, list[Batches]], steps: list[Any]
) -> None:
    """The same, for much longer."""
    interleave(template, script, steps)


def test_straight_run_decides_alike_in_another_order_of_lanes(template: Path, tmp_path: Path) -> None:
    """What the interleaving is compared with is itself independent of which lane came first."""
    script = {name: [[[(PUBLISHED, 0, n, "well")], [(WITHDRAWN, 0, 0, "well")]]] for n, name in enumerate(CENTERS)}
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    there, _ = asyncio.run(run_case(template, tmp_path / "a", script, []))
    back, _ = asyncio.run(run_case(template, tmp_path / "b", dict(reversed(script.items())), []))
    assert there == back


async def test_overtaken_worker_is_told_so_before_it_writes(tmp_path: Path) -> None:
    """A worker whose lane was taken over, and who commits what the new owner has, is fenced; nothing is broken."""
    center = Center()
    first = await Hq.open(tmp_path, center)
    second = Hq(first.store, first.headquarters, {})
    records = center.opened(3)
    await first.claim("uz")
    await second.feed("uz", records)
    with pytest.raises(FencedError):
        await first.feed("uz", records)
    await first.store.close()
    assert check(tmp_path / "hub.sqlite3", trust_of(IDENTITY)) == []


async def test_late_record_of_a_lane_does_not_open_it_again(tmp_path: Path) -> None:
    """The fetch that closes a lane also brings its first record again: a duplicate, whatever stands around it."""
    old = Center(epoch="00000001")
    hq = await Hq.open(tmp_path, old)
    first = old.opened(2)
    await hq.feed("uz", first)
    new = old.next_epoch("00000002")
    opened = new.opened()
    late = replace(first[0], offset=next(new.offsets))
    taken, batch = await hq.feed("uz", [*opened, late, *new.offers(1)])
    assert [commit.lane.origin for commit in batch.commits] == [new.origin]
    assert (taken.duplicates, taken.quarantine) == (1, [])
    await hq.store.close()
