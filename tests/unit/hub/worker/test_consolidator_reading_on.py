"""The consolidator where a lane waits or is parked and is read on: what heals it, what is asked for and read again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from hub.ledger.gap import RESEND_BACKOFF_S
from hub.ledger.lane import Status
from hub.worker.consolidator import Consolidator
from tests.support.center import Center, Sent
from tests.support.consolidator import Clock, Seen, consolidator, intake, size
from tests.support.hq import Hq, center_record
from tests.support.peek import edit, peek


class Worker:
    """A consolidator that reads one center's topic, from where it was last sought."""

    def __init__(self, hq: Hq, log: list[Sent]) -> None:
        self.seen, self.log, self.tick_s = Seen(), log, 100.0
        self.made: Consolidator = consolidator(hq, self.seen, Clock(), tick=lambda: self.tick_s)
        self.at = 0

    async def assign(self) -> None:
        self.at = (await self.made.assign(["uz"]))["uz"] or 0

    async def look(self) -> None:
        sought = len(self.seen.sought)
        await self.made.look_again()
        for _, offset in self.seen.sought[sought:]:
            self.at = offset or 0

    async def read(self, count: int = 1_000) -> None:
        """Handle what there is, in fetches of so many records, as the transport does where a lane is not paused."""
        while self.at < len(self.log) and not self.seen.paused:
            records: Sequence[Sent] = self.log[self.at : self.at + count]
            self.at += len(records)
            await self.made.handle("uz", records)

    @property
    def resends(self) -> int:
        return self.seen.answers.count(("uz", "resend"))


@pytest.fixture
async def hq(tmp_path: Path) -> AsyncIterator[Hq]:
    opened = await Hq.open(tmp_path)
    yield opened
    await opened.store.close()


def stranger() -> Center:
    """Return the same center with a key that HQ does not know."""
    return Center(seed=b"n" * 32)


def position(hq: Hq) -> int | None:
    found: int | None = peek(hq.database, "SELECT next_offset FROM intake WHERE center = 'uz'")[0][0]
    return found


async def test_stray_key_stops_nobody(hq: Hq) -> None:
    """What a stranger sealed is waited for, and shown; what the center seals is taken and ends the wait."""
    center, log = Center(), list[Sent]()
    await hq.register(center)
    worker = Worker(hq, log)
    await worker.assign()
    log += [*stranger().opened(3)]
    await worker.read(2)
    status, why = intake(hq, center)
    assert (status, worker.seen.paused, position(hq)) == (Status.WAITING, set(), 0)
    key = stranger().signer.named(center.origin).verifier.key_id.hex()
    assert why == f"UNKNOWN_KEY {key} {center.epoch}"
    real = Center(offsets=iter(range(4, 99)))
    log += [real.opening(), *real.offers(1, first=50)]
    await worker.read()
    assert (size(hq, center), intake(hq, center), position(hq)) == (2, (Status.READING, ""), 6)


async def test_backlog_under_a_key_that_hq_enrols_later_is_taken_whole(hq: Hq) -> None:
    """It is read again from its first record, however much lies behind it; nothing of it went to quarantine."""
    center, log = Center(), list[Sent]()
    await hq.register(center)
    log += center.opened(9)
    new = Center(seed=b"n" * 32, edge=center.edge, offsets=center.offsets)
    for n in range(1, 8):
        log += new.offers(150, first=1_000 * n)
    worker = Worker(hq, log)
    await worker.assign()
    await worker.read(333)
    assert (size(hq, center), intake(hq, center)[0], position(hq), worker.resends) == (10, Status.WAITING, 10, 0)
    await hq.register(Center("kz"))
    await hq.said("suspended", Center("kz"))
    await worker.look()
    assert worker.seen.sought == [("uz", 10)]  # other centers' keys may be anybody's
    await worker.read(333)
    await hq.headquarters.prepare()
    await worker.look()
    assert len(worker.seen.sought) == 1
    await hq.said("key_added", center, center_record(center, new))
    await worker.look()
    await worker.read(333)
    assert (size(hq, center), intake(hq, center), position(hq)) == (1_060, (Status.READING, ""), len(log))
    assert peek(hq.database, "SELECT reason FROM quarantine") == []


async def test_wait_for_a_key_outlives_the_worker(hq: Hq) -> None:
    """The next one reads from the same position, comes to the same wait, and counts nothing twice."""
    center, log = Center(), list[Sent]()
    await hq.register(center)
    log += [*stranger().opened(3)]
    for _ in range(2):
        worker = Worker(hq, log)
        await worker.assign()
        assert worker.seen.paused == set()
        await worker.read(3)
        assert (intake(hq, center)[0], worker.seen.paused) == (Status.WAITING, set())
    assert (await hq.store.changes()).intakes["uz"][1] == "waiting"


@pytest.mark.parametrize("status", ["waiting", "parked"])
async def test_lane_that_an_older_release_stopped_goes_on_as_it_did_there(hq: Hq, status: str) -> None:
    """It never read on: what waited is asked again at once, what was parked by a person alone."""
    center, log = Center(), list[Sent]()
    await hq.register(center)
    log += center.opened(1)
    await Worker(hq, log).assign()
    edit(hq.database, "UPDATE intake SET status = ?, why = 'no key of uz that HQ knows' WHERE center = 'uz'", status)
    worker = Worker(hq, log)
    await worker.assign()
    assert worker.seen.paused == (set() if status == "waiting" else {"uz"})
    if status == "parked":
        await hq.store.resume("uz")
        await worker.look()
    await worker.read()
    assert (size(hq, center), intake(hq, center)) == (2, (Status.READING, ""))


async def parked(hq: Hq) -> tuple[Worker, Center, list[Sent]]:
    """Return a worker whose lane lacks a batch that nobody sends again, and that batch."""
    center, log = Center(), list[Sent]()
    await hq.register(center)
    log += center.opened(1)
    worker = Worker(hq, log)
    await worker.assign()
    missing = center.offers(2, first=5)
    log += [Sent(r.key, r.value, r.headers, len(log) + n) for n, r in enumerate(center.offers(2, first=9))]
    await worker.read()
    assert worker.resends == 1
    for asked, wait_s in enumerate(RESEND_BACKOFF_S, 2):
        worker.tick_s += wait_s - 0.5
        await worker.look()
        assert worker.resends == asked - 1
        worker.tick_s += 0.5
        await worker.look()
        await worker.look()
        assert worker.resends == min(asked, 3)
    return worker, center, missing


async def test_gap_is_asked_for_and_parked_by_time_alone(hq: Hq) -> None:
    """Nothing more comes; the requests and the end of them come all the same, and the lane is read on."""
    worker, center, missing = await parked(hq)
    status, why = intake(hq, center)
    assert (status, worker.seen.paused) == (Status.PARKED, set())
    assert why == f"GAP {center.epoch} 3 5"
    worker.log += [Sent(r.key, r.value, r.headers, len(worker.log) + n) for n, r in enumerate(missing)]
    await worker.read()
    assert (size(hq, center), intake(hq, center)) == (4, (Status.READING, ""))


async def test_resuming_a_lane_that_is_read_on_asks_again(hq: Hq) -> None:
    """What the person said is not overwritten by a fetch that comes before the worker looks."""
    worker, center, _ = await parked(hq)
    assert await hq.store.resume("uz") == "parked"
    worker.log += [Sent(b"x", b"y", (), len(worker.log))]
    await worker.read()
    assert intake(hq, center)[0] == Status.READING
    await worker.look()
    await worker.look()
    assert worker.resends == 4
    assert intake(hq, center) == (Status.READING, "")


async def test_parked_lane_is_read_on_by_the_next_worker(hq: Hq) -> None:
    """That it is parked stays said until something good is taken."""
    worker, center, missing = await parked(hq)
    after = Worker(hq, worker.log)
    await after.assign()
    assert (after.seen.paused, intake(hq, center)[0]) == (set(), Status.PARKED)
    after.log += [Sent(r.key, r.value, r.headers, len(after.log) + n) for n, r in enumerate(missing)]
    await after.read()
    assert (size(hq, center), intake(hq, center)) == (4, (Status.READING, ""))


async def test_suspended_center_is_not_read_on(hq: Hq) -> None:
    """Whose word it is, is known; that HQ may take it is not."""
    center, log = Center(), list[Sent]()
    await hq.register(center)
    log += stranger().opened(1)
    worker = Worker(hq, log)
    await worker.assign()
    await worker.read()
    await hq.said("suspended", center)
    log += Center(offsets=iter(range(2, 9))).opened(1)
    await worker.look()
    await worker.made.handle("uz", log[2:])
    assert (size(hq, center), intake(hq, center)[0]) == (0, Status.WAITING)
    assert worker.seen.paused == {"uz"}
    await hq.said("resumed", center)
    await worker.look()
    await worker.read()
    assert (size(hq, center), intake(hq, center)) == (2, (Status.READING, ""))


async def test_tail_heals_by_a_look_when_hq_says_something_else_of_keys(hq: Hq) -> None:
    """Nothing more comes, and nothing is asked for any more: what HQ has said is enough."""
    center = Center()
    await hq.register(center)
    await hq.register(Center("kz", seed=b"n" * 32))
    log = center.opened(1)
    worker = Worker(hq, log)
    await worker.assign()
    await worker.read()
    new = stranger()
    new.edge, new.offsets = center.edge, center.offsets
    log += new.offers(2, first=10)
    await worker.read()
    for _ in range(5):
        worker.tick_s += 100.0
        await worker.look()
    assert (size(hq, center), intake(hq, center)[1].count("FOREIGN_KEY")) == (2, 1)
    await hq.said("key_added", center, center_record(center, new))
    await worker.look()
    assert (size(hq, center), intake(hq, center)) == (4, (Status.READING, ""))
