"""What strangers put under HQ's keys on compacted topics: HQ notices it, and what it says there is the last again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiokafka import TopicPartition
from structlog.testing import capture_logs

from hub.kafka.memory import MemoryBroker
from hub.kafka.memory_log import Unwritten
from hub.kafka.topics import log_topics, trust_topics
from hub.ledger.notary import append, read_record, record_of
from hub.protocol.checkpoint import Checkpoint, sign_checkpoint
from hub.protocol.keys import Signer
from hub.protocol.note import sign_note
from hub.protocol.topics import CHECKPOINTS, SCHEMAS, TRUST
from hub.protocol.trust import Trust
from hub.protocol.witness import AFTER_HEADER, LEAVES_HEADER, log_origin
from hub.worker.checkpoint_topic import CheckpointTopic
from hub.worker.displaced import PAGE, PAGE_WEIGHT_MAX, read_on
from hub.worker.keeper import Keeper
from tests.support.center import HUB, NOW, Center
from tests.support.fanned import at
from tests.support.hq import IDENTITY, Hq
from tests.support.kept import kept_of
from tests.support.notaries import Board, Clock, notary
from tests.support.peek import edit

Headers = Sequence[tuple[str, bytes]]
ROOT = Signer(f"{HUB}/root", b"o" * 32)
LOGS = (IDENTITY.log.verifier, IDENTITY.log_long.verifier)
TRUSTED = Trust(HUB, ROOT.verifier, (IDENTITY.receipts.verifier,), LOGS, (IDENTITY.hq.verifier,), serial=3, time=NOW)


def note(serial: int, root: Signer = ROOT) -> bytes:
    return sign_note(replace(TRUSTED, serial=serial, root=root.verifier).to_text(), [root]).to_bytes()


class Bench:
    """HQ with a log of some checkpoints, its compacted topics filled, and a keeper after another."""

    def __init__(self, hq: Hq) -> None:
        self.hq = hq
        self.center = Center("uz")
        self.broker = MemoryBroker({spec.name: 1 for spec in (*log_topics(), *trust_topics())} | {SCHEMAS: 1})
        self.identity = replace(IDENTITY, trust=TRUSTED, note=note(3))

    def keeper(self) -> Keeper:
        kept = kept_of(self.hq.store, self.hq.database, self.identity)
        return Keeper(self.hq.store, at(self.broker), kept, "me", lambda: ["uz"], look_every_s=0.0)

    async def log(self, count: int) -> None:
        """Sign so many checkpoints."""
        for n in range(count):
            await self.hq.feed("uz", self.center.offers(1) if n else self.center.opened(1), now=datetime.now(UTC))
            ours = await self.hq.store.log.read(log_origin(HUB))
            receipts = await self.hq.store.log.unlogged(100)
            addition = append(ours, receipts, [IDENTITY.log, IDENTITY.log_long], datetime.now(UTC))
            await self.hq.store.log.append(addition)

    async def settle(self, keeper: Keeper) -> None:
        """Let a keeper look until it writes nothing any more."""
        for _ in range(3):
            written = -1
            while written != (written := sum(len(self.broker.records(t)) for t in (CHECKPOINTS, TRUST, SCHEMAS))):
                await keeper.round()
                await keeper.round()

    def write(self, topic: str, key: bytes | None, value: bytes | None, headers: Headers = ()) -> None:
        """Write a record as a stranger may."""
        self.broker.write(TopicPartition(topic, 0), [Unwritten(0, key, value, tuple(headers))])

    def last(self, topic: str) -> dict[bytes | None, tuple[bytes | None, list[tuple[str, bytes]]]]:
        """Return what compaction leaves."""
        return {record.key: (record.value, list(record.headers)) for record in self.broker.records(topic)}


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(await Hq.open(tmp_path, Center("uz")))
    await made.log(5)
    await made.hq.store.topics.ask({CHECKPOINTS: (), TRUST: ()}, "test", datetime.now(UTC))
    await made.settle(made.keeper())
    assert len(made.broker.records(CHECKPOINTS)) == 5
    yield made
    await made.hq.store.close()


COPIES: list[Headers | None] = [
    (),
    ((AFTER_HEADER, b"0"), (LEAVES_HEADER, b"?")),
    ((AFTER_HEADER, b"1"), (LEAVES_HEADER, b"")),
    None,
]


@pytest.mark.parametrize("headers", COPIES)
async def test_checkpoints_that_a_stranger_displaced_are_said_again_and_no_others(
    bench: Bench, headers: Headers | None
) -> None:
    """A genuine note without its leaves, or with others, or nothing at all under the key: HQ's own is the last again.

    So it is though HQ did not run meanwhile, and nothing is said in circles.
    """
    before = bench.last(CHECKPOINTS)
    keys = [key for key in before if key][0:3:2]
    for key in keys:
        value = before[key][0]
        bench.write(CHECKPOINTS, key, None if headers is None else value, headers or ())
        bench.write(CHECKPOINTS, b"junk", value, headers or ())
        bench.write(CHECKPOINTS, b"0" + key, value, headers or ())
        bench.write(CHECKPOINTS, None, value, headers or ())
    written = len(bench.broker.records(CHECKPOINTS))
    with capture_logs() as logs:
        await bench.settle(bench.keeper())
    again = bench.broker.records(CHECKPOINTS)[written:]
    assert [record.key for record in again] == keys
    assert {key: bench.last(CHECKPOINTS)[key] for key in before} == before
    assert [line["times"] for line in logs if line["event"] == "records_displaced"] == [2]
    for record in again:
        read_record(bytes(record.value or b""), list(record.headers))
    await bench.settle(bench.keeper())
    assert len(bench.broker.records(CHECKPOINTS)) == written + 2


EDITED = (
    "checkpoint SET note = x'00'",
    "checkpoint SET note = 'zz'",
    "log_leaf SET hash = zeroblob(32)",
    "log_leaf SET hash = 'zz'",
    "evidence SET theirs = x'00'",
)


@pytest.mark.parametrize("edited", EDITED)
async def test_log_whose_rows_were_edited_ends_no_keeper_and_what_hq_did_not_sign_is_not_said(
    bench: Bench, edited: str
) -> None:
    """The notary stands still at it, and `hub log status` says so: all other topics go on."""
    for key in bench.last(CHECKPOINTS):
        bench.write(CHECKPOINTS, key, b"displaced")
    bench.write(TRUST, HUB.encode(), note(2))
    await bench.hq.store.keep_evidence(log_origin(HUB), 2, b"ours", b"theirs", NOW)
    edit(bench.hq.database, f"UPDATE {edited}")
    written = len(bench.broker.records(CHECKPOINTS))
    with capture_logs() as logs:
        await bench.settle(bench.keeper())
    assert [line["topic"] for line in logs if line["event"] == "checkpoints_not_said"] == [CHECKPOINTS]
    assert len(bench.broker.records(CHECKPOINTS)) == written
    assert bench.last(TRUST)[HUB.encode()] == (note(3), [])


async def test_flood_of_copies_is_read_in_pages_and_ends_with_hqs_own(bench: Bench) -> None:
    """However much is written, HQ reads it on and says each of its records again, a few times at most."""
    before = bench.last(CHECKPOINTS)
    for _ in range(PAGE):
        for key, (value, _headers) in before.items():
            bench.write(CHECKPOINTS, key, value)
    written = len(bench.broker.records(CHECKPOINTS))
    await bench.settle(bench.keeper())
    assert bench.last(CHECKPOINTS) == before
    assert len(bench.broker.records(CHECKPOINTS)) - written <= 5 * 7


@pytest.mark.parametrize(
    ("value", "headers", "taken"),
    [
        (bytes(1 << 20), (), 8),
        (b"", tuple((f"h{n}", bytes(1 << 12)) for n in range(250)), 8),
        (b"", (("h", b""),) * 10_000, 6),
        (bytes(1 << 10), (), 20),
    ],
)
async def test_page_of_large_records_ends_by_their_weight(value: bytes, headers: Headers, taken: int) -> None:
    """A page of the largest batches would be 256 MiB; nothing is passed over where it ends."""
    broker = MemoryBroker({TRUST: 1})
    place = TopicPartition(TRUST, 0)
    for number in range(20):
        broker.write(place, [Unwritten(0, b"%d" % number, value, tuple(headers))])
    consumer = await at(broker).consumer("test")
    consumer.assign([place])
    keys, begin = [], 0
    while begin < 20:
        records, behind = await read_on(consumer, TRUST, begin, 20)
        sizes = (len(record.value or b"") + sum(len(held or b"") for _, held in record.headers) for record in records)
        assert sum(sizes) <= PAGE_WEIGHT_MAX
        assert len(records) == min(taken, 20 - begin)
        keys += [record.key for record in records]
        assert behind == len(keys)
        begin = behind
    assert keys == [b"%d" % number for number in range(20)]
    await consumer.stop()


async def test_flood_keeps_no_lost_topic_from_being_said_again(bench: Bench) -> None:
    """Both go on by pages, side by side."""
    for _ in range(20 * PAGE):
        bench.write(CHECKPOINTS, b"junk", b"junk")
    keeper = bench.keeper()
    await bench.hq.store.topics.ask({TRUST: ()}, "test", datetime.now(UTC))
    for _ in range(3):
        await keeper.round()
    assert all(again.finished_at is not None for again in await bench.hq.store.topics.agains())
    reach = (await bench.hq.store.topics.reaches())[(CHECKPOINTS, 0)]
    assert reach.upto < reach.next
    for _ in range(25):
        await keeper.round()
    reach = (await bench.hq.store.topics.reaches())[(CHECKPOINTS, 0)]
    assert reach.upto == reach.next == len(bench.broker.records(CHECKPOINTS))


async def test_notary_does_not_say_all_of_a_log_whose_first_record_compaction_has_moved(bench: Bench) -> None:
    """Nobody can have HQ say its whole log every minute by one record under the first key."""
    clock = Clock()
    key, (value, _) = next(iter(bench.last(CHECKPOINTS).items()))
    bench.write(CHECKPOINTS, key, value)
    await bench.settle(bench.keeper())
    bench.broker.forget(CHECKPOINTS, before=1)
    written = len(bench.broker.records(CHECKPOINTS))
    topic = Board()
    topic.broker = bench.broker
    CheckpointTopic.__init__(topic, at(bench.broker))
    hq = notary(bench.hq.store, topic, clock)
    for _ in range(3):
        await hq.round()
        clock.move(61.0)
    await topic.close()
    assert len(bench.broker.records(CHECKPOINTS)) - written <= 3  # the newest, once a minute


@pytest.mark.parametrize("value", [note(2), note(3, Signer(f"{HUB}/root", b"x" * 32)), note(3)[:-40], b"", None])
async def test_trust_note_that_was_displaced_is_the_last_again(bench: Bench, value: bytes | None) -> None:
    """An older note of HQ's own, another root's, junk: who begins to read reads HQ's newest."""
    bench.write(TRUST, HUB.encode(), value)
    await bench.settle(bench.keeper())
    assert bench.last(TRUST)[HUB.encode()] == (note(3), [])


async def test_trust_note_with_headers_of_a_strangers_is_said_again_without(bench: Bench) -> None:
    bench.write(TRUST, HUB.encode(), note(3), (("cohub-kind", b"receipt"),))
    await bench.settle(bench.keeper())
    assert bench.last(TRUST)[HUB.encode()] == (note(3), [])


async def test_newer_trust_note_is_never_displaced_by_a_worker_that_does_not_have_it_yet(bench: Bench) -> None:
    """Two workers, one rotation: the one that reads its files later says nothing of the note before."""
    bench.write(TRUST, HUB.encode(), note(4))
    written = len(bench.broker.records(TRUST))
    await bench.settle(bench.keeper())
    assert len(bench.broker.records(TRUST)) == written


async def test_schema_that_was_displaced_is_said_again(bench: Bench) -> None:
    before = bench.last(SCHEMAS)
    key = next(iter(before))
    bench.write(SCHEMAS, key, b"{}")
    bench.write(SCHEMAS, b"1", b"{}")
    await bench.settle(bench.keeper())
    assert {name: bench.last(SCHEMAS)[name] for name in before} == before


async def test_what_hq_does_not_stand_by_is_not_said_again(bench: Bench) -> None:
    """A log that stands still for what its witnesses hold against it says nothing."""
    stored = (await bench.hq.store.log.stored(0, 9))[2]
    key, value, _ = record_of(stored)
    beyond = sign_checkpoint(Checkpoint(log_origin(HUB), 99, b"r" * 32), [IDENTITY.log, IDENTITY.log_long], NOW)
    await bench.hq.store.keep_evidence(log_origin(HUB), 99, value, beyond, NOW)
    assert await bench.hq.store.log.rolled_back(await bench.hq.headquarters.lane.witnesses()) is not None
    bench.write(CHECKPOINTS, key, value)
    written = len(bench.broker.records(CHECKPOINTS))
    await bench.settle(bench.keeper())
    assert len(bench.broker.records(CHECKPOINTS)) == written
