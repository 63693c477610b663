"""The notary on a real database: each receipt once, one root a size, the same bytes always; killed at every step."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

import pytest

from hub.base.faulty import Fault
from hub.hq.headquarters import Headquarters
from hub.ledger.notary import LEAVES_MAX, Stored, append, read_record, receipt_text, record_of
from hub.protocol.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from hub.protocol.errors import Retriable
from hub.protocol.keys import Signer
from hub.protocol.tree import Edge, leaf_hash
from hub.store.faulty import FaultyStore
from hub.store.log import LogReader
from hub.store.sqlite import SqliteStore
from hub.store.sqlite_log import write_addition
from hub.store.store import OvertakenError, Store
from hub.worker.checkpoint_topic import LOOK_BACK, Said, Window
from hub.worker.notary import COMPARE_EVERY_S, LEASE_S, SAY_AGAIN_S, Notary
from tests.support.center import HUB, NOW, RELEASED, Center
from tests.support.hq import IDENTITY, Hq
from tests.support.peek import ask, edit, log_of, peek

ORIGIN = f"{HUB}/log"
REST_S = 4.0  # after so long the next checkpoint comes at once, whatever was before


class KilledError(BaseException):
    """The process dies here."""


@dataclass
class MemoryTopic:
    """`hub.checkpoints` in memory; `fault` may raise before or after a write."""

    records: list[Said] = field(default_factory=list)
    fault: Callable[[str], None] = lambda _: None
    is_there: bool = True

    async def ensure(self) -> None:
        self.is_there = True

    async def first(self) -> Said | None:
        return self.records[0] if self.records else None

    async def before(self, end: int | None = None, count: int = LOOK_BACK) -> Window:
        if not self.is_there:
            raise Retriable("no such topic")
        upto = len(self.records) if end is None else end
        start = max(0, upto - count)
        return Window(self.records[start:upto], start, start == 0)

    async def publish(self, checkpoints: Sequence[Stored]) -> None:
        self.fault("before the topic")
        for checkpoint in checkpoints:
            _, value, headers = record_of(checkpoint)
            self.records.append((value, list(headers)))
        self.fault("after the topic")

    async def close(self) -> None:
        """Nothing is open."""


@dataclass
class Clock:
    """Time that stands still until it is moved."""

    now: datetime = NOW
    s: float = 1000.0

    def move(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        self.s += seconds


@pytest.fixture
async def hq(tmp_path: Path) -> AsyncIterator[Hq]:
    opened = await Hq.open(tmp_path, Center("uz"), Center("kz"))
    yield opened
    await opened.store.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


def notary(store: Store, topic: MemoryTopic, clock: Clock, owner: str = "first") -> Notary:
    return Notary(store, IDENTITY, topic, owner, 1.0, lambda: clock.now, lambda: clock.s)


def reader(hq: Hq) -> LogReader:
    return log_of(hq.database)


def witness(topic: MemoryTopic) -> int:
    """Do what a witness does with all that the topic has; return the size that it comes to."""
    edge = Edge()
    for value, headers in topic.records:
        checkpoint, stored = read_record(value, headers)
        open_checkpoint(value)[1].verify([IDENTITY.log.verifier])
        open_checkpoint(value)[1].verify([IDENTITY.log_long.verifier])
        if checkpoint.size > edge.size:
            assert stored.after == edge.size
            edge = edge.append(stored.leaves)
        if checkpoint.size == edge.size:
            assert checkpoint.root == edge.root
    return edge.size


def dump(database: Path) -> list[str]:
    with closing(sqlite3.connect(database)) as db:
        return list(db.iterdump())


def every_receipt_is_a_leaf(hq: Hq) -> int:
    """Check that the log is exactly the receipts, each once, those of a lane in order; return how many."""
    log = reader(hq)
    leaves = list(log.leaves(0, log.size))
    receipts = peek(hq.database, "SELECT lane_id, last, note FROM receipt")
    assert {(leaf.lane_id, leaf.last): leaf.hash for leaf in leaves} == {
        (lane_id, last): leaf_hash(receipt_text(note)) for lane_id, last, note in receipts
    }
    assert [leaf.index for leaf in leaves] == list(range(len(receipts)))
    for lane in {leaf.lane_id for leaf in leaves}:
        mine = [leaf.last for leaf in leaves if leaf.lane_id == lane]
        assert mine == sorted(mine)
    for stored in log.checkpoints():
        assert stored.checkpoint.root == Edge().append(leaf.hash for leaf in leaves[: stored.size]).root
    assert log.behind() == 0
    return len(leaves)


async def test_receipts_become_leaves_and_a_checkpoint_says_so(hq: Hq, clock: Clock) -> None:
    """What a witness reads on the topic leads from nothing to the newest checkpoint, and every receipt is in it."""
    topic, uz, kz = MemoryTopic(), Center("uz"), Center("kz")
    working = notary(hq.store, topic, clock)
    await working.round()
    assert witness(topic) == every_receipt_is_a_leaf(hq) > 0
    for n in range(3):
        await hq.feed("uz", uz.offers(2, first=10 * n) if n else uz.opened(2))
        await hq.feed("kz", kz.offers(1, first=10 * n) if n else kz.opened(1))
        clock.move(REST_S)
        await working.round()
    assert witness(topic) == every_receipt_is_a_leaf(hq)
    assert len(topic.records) == 4


async def test_nothing_new_says_the_newest_again_byte_for_byte_every_minute(hq: Hq, clock: Clock) -> None:
    """Who listens hears HQ at least every minute, and never two versions of one checkpoint."""
    topic = MemoryTopic()
    working = notary(hq.store, topic, clock)
    for _ in range(130):
        await working.round()
        clock.move(1.0)
    assert len(topic.records) == 1 + 130 // int(SAY_AGAIN_S)
    assert topic.records == [topic.records[0]] * len(topic.records)


async def test_checkpoints_are_spaced_and_the_first_after_a_rest_comes_at_once(hq: Hq, clock: Clock) -> None:
    """Many commits in one interval share a checkpoint; a commit after a quiet time waits for nothing."""
    topic, uz = MemoryTopic(), Center("uz")
    working = notary(hq.store, topic, clock)
    await working.round()
    await hq.feed("uz", uz.opened(1))
    clock.move(0.5)
    await working.round()
    await hq.feed("uz", uz.offers(1, first=2))
    assert len(topic.records) == 1
    clock.move(0.5)
    await working.round()
    assert len(topic.records) == 2
    clock.move(5)
    await hq.feed("uz", uz.offers(1, first=3))
    await working.round()
    assert len(topic.records) == 3
    assert witness(topic) == every_receipt_is_a_leaf(hq)


async def test_steady_load_has_rarer_checkpoints_and_a_rest_ends_it(hq: Hq, clock: Clock) -> None:
    """While commits never rest, centers have four seconds to cosign each; afterwards the first comes at once again."""
    topic, uz = MemoryTopic(), Center("uz")
    working = notary(hq.store, topic, clock)
    for n in range(4 * 31):  # every quarter second
        await hq.feed("uz", uz.offers(1, first=n) if n else uz.opened())
        await working.round()
        clock.move(0.25)
    assert len(topic.records) == 3 + 6  # at 0, 1, 3 s, then every four
    clock.move(8)
    await hq.feed("uz", uz.offers(1, first=500))
    await working.round()
    clock.move(1.0)
    await hq.feed("uz", uz.offers(1, first=501))
    await working.round()
    assert len(topic.records) == 3 + 6 + 2
    assert witness(topic) == every_receipt_is_a_leaf(hq)


async def test_restarted_notary_says_the_stored_bytes_and_goes_on(hq: Hq, clock: Clock) -> None:
    """A new process signs nothing that is signed already: ML-DSA-44 would sign it with other bytes."""
    topic, uz = MemoryTopic(), Center("uz")
    await notary(hq.store, topic, clock).round()
    stored = reader(hq).newest()
    assert stored is not None
    clock.move(LEASE_S)
    second = notary(hq.store, topic, clock, "second")
    await second.round()
    clock.move(SAY_AGAIN_S)
    await second.round()
    assert topic.records[-1][0] == stored.note
    await hq.feed("uz", uz.opened(1))
    await second.round()
    assert witness(topic) == every_receipt_is_a_leaf(hq)


@pytest.mark.parametrize(
    "step",
    [
        "before the transaction",
        "after the transaction",
        "before the topic",
        "after the topic",
        "refused by the topic",
        "said, but refused",
    ],
)
async def test_notary_killed_at_a_step_leaves_one_log_for_its_successor(hq: Hq, clock: Clock, step: str) -> None:
    """Wherever it dies, or the broker fails it, each receipt is one leaf, and what was said stands."""
    topic, uz = MemoryTopic(), Center("uz")
    await notary(hq.store, topic, clock).round()
    await hq.feed("uz", uz.opened(2))
    clock.move(SAY_AGAIN_S)
    said = list(topic.records)

    def fault(at: str) -> None:
        if at == step:
            raise KilledError
        if (at, step) in {("before the topic", "refused by the topic"), ("after the topic", "said, but refused")}:
            raise Retriable(step)

    topic.fault = fault
    store = FaultyStore(hq.store)
    if step.endswith("the transaction"):
        done = Fault.REFUSED if step.startswith("before") else Fault.APPLIED
        store.fail(done, "log.append", error=KilledError)
    with contextlib.suppress(KilledError):
        await notary(store, topic, clock).round()
    topic.fault = lambda _: None
    assert topic.records[: len(said)] == said
    await hq.feed("uz", uz.offers(1, first=3))
    clock.move(LEASE_S)
    successor = notary(hq.store, topic, clock, "second")
    await successor.round()
    assert successor.stopped is None
    assert witness(topic) == every_receipt_is_a_leaf(hq)


@pytest.mark.parametrize("fault", list(Fault))
@pytest.mark.parametrize("method", ["log.lead", "log.append", "log.follow"])
async def test_notary_whose_write_failed_leaves_one_log(hq: Hq, clock: Clock, method: str, fault: Fault) -> None:
    """Each of its writes refused once, and done once though it heard that it failed: it goes on, so does the next."""
    topic, uz = MemoryTopic(), Center("uz")
    store = FaultyStore(hq.store)
    working = notary(store, topic, clock)
    await working.round()
    tried = store.writes
    store.fail(fault, method)
    for n in range(3):
        await hq.feed("uz", uz.offers(1, first=n) if n else uz.opened())
        clock.move(SAY_AGAIN_S)
        await working.round()
    running = asyncio.create_task(working.run())
    await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert store.writes > tried + 3
    clock.move(LEASE_S)
    successor = notary(hq.store, topic, clock, "second")
    await successor.round()
    assert (working.stopped, successor.stopped) == (None, None)
    assert witness(topic) == every_receipt_is_a_leaf(hq)


@pytest.mark.parametrize("fault", list(Fault))
async def test_notary_that_could_not_keep_the_evidence_keeps_it_before_it_stops(
    hq: Hq, clock: Clock, tmp_path: Path, fault: Fault
) -> None:
    """A rolled back database is known as such by whoever comes later, and nothing is signed meanwhile."""
    topic, uz = MemoryTopic(), Center("uz")
    older = older_copy(hq, tmp_path / "older.sqlite3")
    await hq.feed("uz", uz.opened(2))
    await notary(hq.store, topic, clock).round()
    said = list(topic.records)
    store = FaultyStore(older)
    store.fail(fault, "keep_evidence")
    clock.move(LEASE_S)
    working = notary(store, topic, clock, "second")
    await working.round()
    assert working.stopped is None
    await working.round()
    assert "rolled back" in (working.stopped or "")
    assert log_of(older.path).rolled_back() == working.stopped
    assert (topic.records, log_of(older.path).size) == (said, 0)
    await older.close()


async def test_two_notaries_that_both_think_they_lead_make_one_log(hq: Hq, clock: Clock, tmp_path: Path) -> None:
    """Interleaved on two connections, one always on a stale view: every place has one leaf, every size one root."""
    topic, uz, kz = MemoryTopic(), Center("uz"), Center("kz")
    other = SqliteStore.open(tmp_path / "hub.sqlite3")
    # The same owner, so the lease tells neither of them from the other.
    one, two = notary(hq.store, topic, clock), notary(other, topic, clock)
    try:
        await one.round()
        await two.round()
        for n in range(12):
            lane, center = ("uz", uz) if n % 2 else ("kz", kz)
            await hq.feed(lane, center.offers(1, first=n) if n > 1 else center.opened(n))
            clock.move(REST_S)
            for working in (one, two) if n % 3 else (two, one):
                await working.round()
                await hq.feed("uz", uz.offers(1, first=100 + 2 * n)) if n > 1 and working is one else None
        clock.move(REST_S)
        await one.round()
        await two.round()
    finally:
        await other.close()
    assert (one.stopped, two.stopped) == (None, None)
    assert witness(topic) == every_receipt_is_a_leaf(hq)
    by_size = {open_checkpoint(value)[0].size: value for value, _ in topic.records}
    assert all(by_size[open_checkpoint(value)[0].size] == value for value, _ in topic.records)


@pytest.mark.parametrize("seed", range(12))
async def test_any_history_of_faults_leaves_one_log(hq: Hq, clock: Clock, tmp_path: Path, seed: int) -> None:
    """At random: commits, three notaries at once, kills, refused and half-done writes, a topic that loses its end."""
    rng = Random(seed)
    topic, centers = MemoryTopic(), [Center("uz"), Center("kz")]
    stores = [SqliteStore.open(tmp_path / "hub.sqlite3") for _ in range(2)]

    def started(number: int) -> Notary:
        # One owner for two of them: the lease does not tell them apart.
        return notary([hq.store, *stores][number], topic, clock, "ab"[number // 2])

    def fault(_: str) -> None:
        if rng.random() < 0.1:
            raise rng.choice([Retriable("broker away"), KilledError()])

    topic.fault = fault
    working = [started(n) for n in range(3)]
    for step in range(40):
        center = rng.choice(centers)
        await hq.feed(center.id, center.offers(1, first=step) if center.edge.size else center.opened())
        clock.move(rng.choice([0, 0.5, 1, LEASE_S, COMPARE_EVERY_S]))
        if rng.random() < 0.05:
            del topic.records[rng.randrange(len(topic.records) + 1) :]
            working = [started(n) for n in range(3)]  # a broker that loses what it had is one that went down
        at_work = rng.sample(range(3), rng.randint(1, 3))
        done = await asyncio.gather(*(working[n].round() for n in at_work), return_exceptions=True)
        for n, result in zip(at_work, done, strict=True):
            if isinstance(result, KilledError):
                working[n] = started(n)
            else:
                assert not isinstance(result, BaseException), result
    topic.fault = lambda _: None
    clock.move(LEASE_S + COMPARE_EVERY_S)
    for _ in range(2):
        await working[0].round()
    for store in stores:
        await store.close()
    assert [each.stopped for each in working] == [None] * 3
    assert witness(topic) == every_receipt_is_a_leaf(hq)


async def test_addition_on_a_stale_view_is_refused_whole(hq: Hq, clock: Clock) -> None:
    """Of two additions that build on one size the second writes nothing, whatever receipts it has."""
    log = hq.store.log
    empty = await log.read(ORIGIN)
    receipts = await log.unlogged(10)
    keys = [IDENTITY.log, IDENTITY.log_long]
    await log.append(append(empty, receipts, keys, clock.now))
    before = dump(hq.database)
    with pytest.raises(OvertakenError, match="somebody else went on"):
        await log.append(append(empty, receipts[:1], keys, clock.now))
    assert dump(hq.database) == before


async def test_keys_alone_refuse_a_second_leaf_and_a_second_root(hq: Hq, clock: Clock) -> None:
    """Were the size not asked for at all, SQL would still not take the second of two notaries' additions."""
    log = hq.store.log
    empty = await log.read(ORIGIN)
    receipts = await log.unlogged(10)
    keys = [IDENTITY.log, IDENTITY.log_long]
    addition = append(empty, receipts, keys, clock.now)
    await log.append(addition)
    for second in (addition, append(empty, receipts[::-1], keys, clock.now)):
        with pytest.raises(sqlite3.IntegrityError), closing(sqlite3.connect(hq.database)) as db:
            write_addition(db, second)
    assert len(receipts) == every_receipt_is_a_leaf(hq)


async def test_only_the_leader_works_and_another_takes_over_when_its_lease_is_over(hq: Hq, clock: Clock) -> None:
    """Of several workers one signs; when it is gone without a word, another does within seconds."""
    topic = MemoryTopic()
    one, two = notary(hq.store, topic, clock, "one"), notary(hq.store, topic, clock, "two")
    await one.round()
    uz = Center("uz")
    await hq.feed("uz", uz.opened(1))
    clock.move(2)
    await two.round()
    assert len(topic.records) == 1
    clock.move(LEASE_S)
    await two.round()
    assert witness(topic) == every_receipt_is_a_leaf(hq)
    await one.round()
    assert len(topic.records) == 2
    await hq.store.log.follow("two")
    assert await hq.store.log.lead("one", clock.now, clock.now)


async def test_topic_that_the_broker_lost_is_filled_again_in_order(hq: Hq, clock: Clock) -> None:
    """SQL has every checkpoint with its leaves: a topic made again has the same records, byte for byte."""
    topic, uz = MemoryTopic(), Center("uz")
    working = notary(hq.store, topic, clock)
    for n in range(4):
        await hq.feed("uz", uz.offers(1, first=n) if n else uz.opened())
        await working.round()
        clock.move(REST_S)
    before, topic.records = topic.records, []
    topic.fault = lambda _: raise_(Retriable("broker away"))
    clock.move(SAY_AGAIN_S)
    await working.round()
    topic.fault = lambda _: None
    await working.round()
    assert topic.records == before
    clock.move(LEASE_S)
    # One that begins in the middle is filled as well, though its newest is there.
    topic.records = before[2:]
    await notary(hq.store, topic, clock, "second").round()
    assert topic.records == [*before[2:], *before]


async def test_topic_made_anew_behind_our_back_is_filled_within_a_minute(hq: Hq, clock: Clock) -> None:
    """No write was refused, and yet what was said is gone: it is looked at again, and said again from the beginning."""
    topic, uz = MemoryTopic(), Center("uz")
    working = notary(hq.store, topic, clock)
    for n in range(3):
        await hq.feed("uz", uz.offers(1, first=n) if n else uz.opened())
        await working.round()
        clock.move(REST_S)
    before, topic.records = topic.records, []
    await hq.feed("uz", uz.offers(1, first=9))
    await working.round()
    assert len(topic.records) == 1
    clock.move(COMPARE_EVERY_S)
    await working.round()
    assert topic.records[1 : len(before) + 1] == before
    topic.records = topic.records[1:]
    assert witness(topic) == every_receipt_is_a_leaf(hq)


async def test_copy_of_the_hub_that_signs_elsewhere_is_found_within_a_minute(
    hq: Hq, clock: Clock, tmp_path: Path
) -> None:
    """Two databases with one hub's keys, both at work: the second to look stops, and keeps the proof."""
    topic, uz = MemoryTopic(), Center("uz")
    working = notary(hq.store, topic, clock)
    await working.round()
    twin = older_copy(hq, tmp_path / "twin.sqlite3")
    other = Hq(twin, Headquarters(twin, IDENTITY, RELEASED), {})
    await twin.log.follow("first")
    second = notary(twin, topic, clock, "second")
    await second.round()
    clock.move(2)
    await hq.feed("uz", uz.opened(1))
    await other.feed("kz", Center("kz").opened(1))
    await working.round()
    await second.round()
    assert [open_checkpoint(value)[0].size for value, _ in topic.records[-2:]] == [reader(hq).size] * 2
    clock.move(COMPARE_EVERY_S)
    await working.round()
    assert "another root" in (working.stopped or "")
    assert reader(hq).rolled_back() == working.stopped
    await twin.close()


def raise_(error: Exception) -> None:
    raise error


def older_copy(hq: Hq, path: Path) -> SqliteStore:
    """Return the database as it is now, in another file."""
    with closing(sqlite3.connect(hq.database)) as db, closing(sqlite3.connect(path)) as copy:
        db.backup(copy)
    return SqliteStore.open(path)


@pytest.mark.parametrize("new_receipts", [0, 5])
async def test_database_that_was_rolled_back_signs_nothing_more(
    hq: Hq, clock: Clock, tmp_path: Path, new_receipts: int
) -> None:
    """An older copy, also one that has grown again since, does not fit what the topic has: the log stands still."""
    topic, uz = MemoryTopic(), Center("uz")
    working = notary(hq.store, topic, clock)
    await working.round()
    older = older_copy(hq, tmp_path / "older.sqlite3")
    for n in range(3):
        await hq.feed("uz", uz.offers(1, first=n) if n else uz.opened())
        clock.move(REST_S)
        await working.round()
    restored = Hq(older, Headquarters(older, IDENTITY, RELEASED), {})
    again = Center("uz", epoch="0000beef")
    for n in range(new_receipts):
        await restored.feed("uz", again.offers(1, first=n) if n else again.opened())
    size = log_of(older.path).size
    if new_receipts:
        # It went on while the topic could not be read: by another notary, before this one looked.
        blind = notary(older, MemoryTopic(), clock)
        clock.move(LEASE_S)
        await blind.round()
        size = log_of(older.path).size
        assert size > reader(hq).size
    clock.move(LEASE_S)
    said = list(topic.records)
    for owner in ("one", "one again"):
        working = notary(older, topic, clock, owner)
        await working.round()
        assert working.stopped is not None
        assert "rolled back" in working.stopped
        await restored.feed("uz", again.offers(1, first=50) if again.edge.size else again.opened())
        clock.move(SAY_AGAIN_S)
        await working.round()
        await older.log.follow(owner)
    log = log_of(older.path)
    assert (topic.records, log.size) == (said, size)
    assert log.rolled_back() == working.stopped == log.standing().rolled_back
    await older.close()
    # The newest copy, put back, is free of it.
    clock.move(LEASE_S)
    newest = notary(hq.store, topic, clock, "newest")
    await newest.round()
    assert newest.stopped is None


async def test_records_of_others_on_the_topic_stop_nobody(hq: Hq, clock: Clock) -> None:
    """What HQ's log keys have not signed is no word of HQ's, whatever size it says."""
    topic, stranger = MemoryTopic(), Signer(ORIGIN, b"x" * 32)
    forged = sign_checkpoint(Checkpoint(ORIGIN, 10**6, bytes(32)), [stranger], NOW)
    topic.records = [*[(b"nonsense", [])] * 2500, *[(forged, [])] * 10]
    working = notary(hq.store, topic, clock)
    await working.round()
    assert working.stopped is None
    ours = topic.records[2510:]
    assert witness(MemoryTopic(ours)) == every_receipt_is_a_leaf(hq)
    # Behind however many of them, what HQ said itself is found: only the newest is said again.
    assert len(ours) == 1
    topic.records = [*ours, *topic.records[:2510]]
    clock.move(LEASE_S)
    await notary(hq.store, topic, clock, "second").round()
    assert topic.records[2511:] == ours


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        ("UPDATE log_leaf SET hash = zeroblob(32) WHERE leaf_index = 2", "leaves and tiles"),
        ("DELETE FROM log_leaf WHERE leaf_index = 1", "tile level 0"),
        ("UPDATE checkpoint SET edge = zeroblob(length(edge))", "stored edge"),
        ("UPDATE checkpoint SET note = replace(note, 'log', 'lag')", "none of the expected keys"),
        ("DELETE FROM log_leaf WHERE leaf_index > 0; DELETE FROM checkpoint", "1 leaves, and its newest"),
        ("DELETE FROM logged", "contradicts"),
        ("UPDATE checkpoint SET size = 'x'", "fault"),
        ("UPDATE receipt SET note = x'00' WHERE lane_id = (SELECT id FROM lane WHERE center = 'uz')", "stored receipt"),
    ],
)
async def test_log_that_somebody_edited_is_not_built_on(hq: Hq, clock: Clock, damage: str, why: str) -> None:
    """A notary that starts on leaves, edge or checkpoint that do not fit each other signs nothing."""
    topic, uz, kz = MemoryTopic(), Center("uz"), Center("kz")
    await hq.feed("kz", kz.opened(1))
    await notary(hq.store, topic, clock).round()
    await hq.feed("uz", uz.opened(5))
    size, said = reader(hq).size, list(topic.records)
    for statement in damage.split("; "):
        edit(hq.database, statement)
    clock.move(LEASE_S)
    if "DELETE FROM checkpoint" in damage:
        topic.records.clear()
    working = notary(hq.store, topic, clock, "second")
    await working.round()
    assert working.stopped is not None
    assert why in working.stopped
    if why != "none of the expected keys":  # who reads the log alone has no keys
        assert reader(hq).damaged() or why == "contradicts"
    if "DELETE FROM checkpoint" not in damage and why != "fault":
        assert (reader(hq).size, topic.records) == (size, said)


async def test_backlog_of_an_older_release_is_logged_in_steps(hq: Hq, clock: Clock) -> None:
    """A database full of receipts that nobody logged becomes a log in bounded steps, lane after lane fairly."""
    topic, uz, kz = MemoryTopic(), Center("uz"), Center("kz")
    await hq.feed("uz", uz.opened())
    await hq.feed("kz", kz.opened())
    lane = ask(hq.database, "SELECT id FROM lane WHERE center = 'uz'")
    columns = "lane_id, first, seal, edge, note, recorded_at_us, basis"
    edit(
        hq.database,
        "WITH RECURSIVE n(last) AS (SELECT 2 UNION ALL SELECT last + 1 FROM n WHERE last < 10000)"
        f" INSERT INTO receipt({columns}, last) SELECT {columns}, n.last FROM receipt, n WHERE lane_id = ?",
        lane,
    )
    edit(hq.database, "UPDATE lane SET size = 10000 WHERE id = ?", lane)
    working = notary(hq.store, topic, clock)
    steps = 0
    while reader(hq).behind():
        await working.round()
        steps += 1
        assert reader(hq).behind() == 0 or reader(hq).size == steps * LEAVES_MAX
    assert steps == 3
    # The short lanes did not wait for the long one.
    first = {leaf.lane_id for leaf in reader(hq).leaves(0, LEAVES_MAX)}
    assert first == {row[0] for row in peek(hq.database, "SELECT id FROM lane")}
    assert witness(topic) == every_receipt_is_a_leaf(hq)
