"""The keeper on a real database and a broker in memory: what a broker loses is there again, from the ledger."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from hub.base.faulty import Fault
from hub.domain.catalogue import STREAMS
from hub.domain.hq_lane import HqLane, HqStretch, hq_readers
from hub.domain.stream import HQ
from hub.hq.headquarters import HqEvent
from hub.kafka.memory import MemoryBroker
from hub.kafka.topics import OtherPartitions, ensure_topics, standard_topics
from hub.ledger.derived import Again
from hub.ledger.notary import append
from hub.ledger.publication import publications
from hub.protocol.keys import Signer
from hub.protocol.note import sign_note
from hub.protocol.record import canonical, origin_of
from hub.protocol.schema import schema_id
from hub.protocol.topics import FAN_OUT_PARTITIONS, topic_in
from hub.protocol.trust import Trust
from hub.protocol.witness import log_origin
from hub.store.released import released_schemas, state_schemas
from hub.worker.again import Kept, Page
from hub.worker.keeper import Keeper
from hub.worker.outward import outward_producer
from hub.worker.publisher import Pace, Publisher
from tests.support.center import HUB, NOW, RELEASED, Center, offer
from tests.support.fanned import STATE_FORMS, at, heard, ledgered
from tests.support.hq import IDENTITY, Hq, claimed
from tests.support.kept import kept_of
from tests.support.peek import edit

CENTERS = ("uz", "kz")
REVISED = "net.cohub.offer.revised.v1"
PROMPT_S = 20.0
ROOT = Signer(f"{HUB}/root", b"o" * 32)
TRUST = Trust(
    HUB,
    ROOT.verifier,
    (IDENTITY.receipts.verifier,),
    (IDENTITY.log.verifier, IDENTITY.log_long.verifier),
    (IDENTITY.hq.verifier,),
    serial=1,
    time=NOW,
)


@dataclass
class Bench:
    """HQ with one publisher, and one keeper after another."""

    hq: Hq
    broker: MemoryBroker
    clock: datetime = field(default_factory=lambda: datetime.now(UTC))
    publisher: Publisher | None = None
    running: asyncio.Task[None] | None = None

    def keeper(self, owner: str = "me") -> Keeper:
        identity = replace(IDENTITY, trust=TRUST, note=sign_note(TRUST.to_text(), [ROOT]).to_bytes())
        kept = kept_of(self.hq.store, self.hq.database, identity)
        return Keeper(self.hq.store, at(self.broker), kept, owner, lambda: CENTERS, lambda: self.clock, 0.0)

    async def publish(self) -> None:
        """Publish all that there is."""
        if self.running is None:
            self.publisher = Publisher(self.hq.store, at(self.broker), STATE_FORMS, pace=Pace(0.0, 0.01, 60.0))
            self.running = asyncio.create_task(self.publisher.run())
        assert self.publisher is not None
        await self.publisher.adopt(await claimed(self.hq, CENTERS))
        async with asyncio.timeout(PROMPT_S):
            while await self.hq.store.unpublished([HQ, *CENTERS]):
                await asyncio.sleep(0.002)

    async def settle(self, keeper: Keeper, rounds: int = 3) -> None:
        """Let a keeper look a few times, and say all that is to be said."""
        for _ in range(rounds):
            await keeper.round()
        async with asyncio.timeout(PROMPT_S):
            while any(again.finished_at is None for again in await self.hq.store.topics.agains()):
                await keeper.round()

    async def agrees(self, *, in_order: bool = True) -> None:
        assert heard(self.broker, CENTERS, in_order=in_order) == await ledgered(self.hq.store, CENTERS)

    def lane(self) -> HqLane:
        """Return the hq lane as a reader of `hub.lane` has it who passes over what does not follow."""
        lane = HqLane()
        events: list[bytes] = []
        for record in self.broker.records("hub.lane"):
            headers = dict(record.headers)
            assert record.key == headers["ce_subject"]
            if int(headers["ce_sequence"]) != lane.size + len(events) + 1:
                continue
            events.append(canonical(record.headers, record.value))
            if "cohub-seal" in headers:
                stretch = HqStretch(tuple(events), headers["cohub-seal"], headers["cohub-receipt"])
                lane, events = lane.taken([stretch], IDENTITY.hq_keys(), hq_readers(RELEASED)), []
        assert not events
        return lane

    def counts(self) -> dict[str, int]:
        """Return how many records each topic has."""
        found = self.broker.topics()
        return {name: sum(len(self.broker.records(name, n)) for n in range(count)) for name, count in found.items()}


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    hq = await Hq.open(tmp_path, *(Center(center) for center in CENTERS))
    broker = MemoryBroker()
    await ensure_topics(at(broker), standard_topics(CENTERS, list(STREAMS)))
    made = Bench(hq, broker)
    now = datetime.now(UTC)
    for center in CENTERS:
        await hq.feed(center, Center(center).opened(40), now=now)
    ours = await hq.store.log.read(log_origin(HUB))
    receipts = await hq.store.log.unlogged(100)
    await hq.store.log.append(append(ours, receipts, [IDENTITY.log, IDENTITY.log_long], now))
    yield made
    if made.running is not None:
        made.running.cancel()
    await hq.store.close()


async def test_hq_lane_is_said_as_it_was_sealed_and_goes_on(bench: Bench) -> None:
    """Its readers come to what HQ itself reads; what HQ says later follows, and nothing is said twice."""
    keeper = bench.keeper()
    await bench.settle(keeper)
    assert bench.lane() == await bench.hq.headquarters.lane.read()
    said = len(bench.broker.records("hub.lane"))
    await bench.hq.register(Center("tj"))
    await bench.settle(keeper)
    await bench.settle(bench.keeper())  # another process goes on from SQL
    assert bench.lane() == await bench.hq.headquarters.lane.read()
    assert len(bench.broker.records("hub.lane")) == said + 1


async def test_hq_lane_is_said_in_batches_of_whole_stretches(bench: Bench) -> None:
    """Whoever reads a stretch knows its events by their seal alone: no stranger's record may come between two."""
    codes = [{"code": f"C{number}", "zh": None, "en": "x" * 200, "ru": None} for number in range(700)]
    for number in range(0, 8, 2):
        names = [f"list{number}", f"list{number + 1}"]
        lists = [HqEvent("net.cohub.code_list.published.v1", n, {"name": n, "codes": codes}) for n in names]
        await bench.hq.headquarters.say(lists, NOW)
    keeper, producer, place, sizes = bench.keeper(), await outward_producer(at(bench.broker), "test"), "0", []
    kept = kept_of(bench.hq.store, bench.hq.database, IDENTITY)
    while (page := await kept.lane(int(place))).place is not None:
        batch, place, records = producer.create_batch(), page.place, page.places["hub.lane", 0]
        for key, value, headers in records:
            assert batch.append(key=key, value=value, timestamp=None, headers=headers) is not None
        assert dict(records[-1][2]).keys() >= {"cohub-seal", "cohub-receipt"}
        sizes.append(len(records))
    await producer.stop()
    assert len(sizes) > 1
    await bench.settle(keeper)
    assert bench.lane() == await bench.hq.headquarters.lane.read()
    assert bench.lane().size == sum(sizes)


async def test_hq_lane_that_was_said_further_than_it_goes_is_said_from_its_beginning(bench: Bench) -> None:
    """The row that says so was edited: offices would never hear what HQ says next."""
    await bench.settle(bench.keeper())
    edit(bench.hq.database, "UPDATE said SET upto = 1000000 WHERE topic = 'hub.lane'")
    await bench.hq.register(Center("tj"))
    await bench.settle(bench.keeper())
    assert bench.lane() == await bench.hq.headquarters.lane.read()


async def test_states_name_their_schema_and_hub_schemas_has_its_bytes(bench: Bench) -> None:
    """Whoever reads `state.*` needs nothing that is not on a topic; the id is that of the bytes."""
    await bench.publish()
    await bench.settle(bench.keeper())
    schemas = {int(record.key): record.value for record in bench.broker.records("hub.schemas")}
    assert all(schema_id(text) == number for number, text in schemas.items())
    named = {f"urn:sha256:{schema.sha256}" for schema in state_schemas(released_schemas()).values()}
    states = [
        record
        for stream in STREAMS
        for number in range(FAN_OUT_PARTITIONS)
        for record in bench.broker.records(f"state.{stream}", number)
    ]
    assert states
    for record in states:
        headers = dict(record.headers)
        assert headers["content-type"] == b"application/avro;framing=confluent"
        assert headers["cohub-schema"].decode() in named
        assert int.from_bytes(record.value[1:5], "big") in schemas


LOST = ("events", "state.offer", "state.center", "hub.lane", "out.uz", "hub.checkpoints", "hub.trust", "hub.schemas")


@pytest.mark.parametrize("made_by", ["nobody", "somebody", "somebody, and something is in it"])
async def test_topics_that_are_deleted_are_there_again_with_all_that_they_had(bench: Bench, made_by: str) -> None:
    """The broker's disk lost, or a person's mistake; also where somebody made the topic anew before HQ looked."""
    await bench.publish()
    keeper = bench.keeper()
    await bench.settle(keeper)
    for name in ("hub.checkpoints", "hub.trust"):  # which others say
        await bench.hq.store.topics.ask({name: ()}, "test", bench.clock)
    await bench.settle(keeper)
    before = bench.counts()
    assert all(before[name] for name in LOST)
    for name in LOST:
        partitions = bench.broker.topics()[name]
        bench.broker.delete_topic(name)
        if made_by != "nobody":
            bench.broker.create_topic(name, partitions)
    if made_by.endswith("in it"):
        await bench.hq.feed("uz", Center("uz").opened(1))  # nothing new: HQ says the receipt again
        await bench.hq.register(Center("tj"))
        await bench.publish()
    await bench.settle(keeper, 4)
    await bench.agrees(in_order=not made_by.endswith("in it"))
    assert bench.lane() == await bench.hq.headquarters.lane.read()
    after = bench.counts()
    assert {name for name in LOST if after[name] < before[name]} == set()
    if not made_by.endswith("in it"):
        assert after == before


async def test_records_that_are_deleted_from_what_is_kept_for_ever_are_said_again(bench: Bench) -> None:
    """The end offset stays where it was; the beginning tells."""
    await bench.publish()
    keeper = bench.keeper()
    await bench.settle(keeper)
    for name in ("events", "hub.lane"):
        for number in range(bench.broker.topics()[name]):
            if records := bench.broker.records(name, number):
                bench.broker.forget(name, number, before=records[-1].offset + 1)
    assert not bench.counts()["events"]
    await bench.settle(keeper, 4)
    await bench.agrees()
    assert bench.lane() == await bench.hq.headquarters.lane.read()


async def test_publisher_itself_notices_a_topic_made_anew_by_the_place_of_its_next_record(bench: Bench) -> None:
    """However many records it has by the time that a keeper looks."""
    await bench.publish()
    number = next(n for n in range(FAN_OUT_PARTITIONS) if len(bench.broker.records("events", n)) > 1)
    bench.broker.delete_topic("events")
    bench.broker.create_topic("events", FAN_OUT_PARTITIONS)
    uz = Center("uz")
    uz.opened(40)
    kz = Center("kz")
    kz.opened(40)
    for center in (uz, kz):
        found = publications(await bench.hq.feed(center.id, center.offers(1, first=900)))
        assert bench.publisher is not None
        bench.publisher.offer(found)
    await bench.hq.register(Center("tj"))
    await bench.publish()
    async with asyncio.timeout(PROMPT_S):
        while not await bench.hq.store.topics.agains():
            await asyncio.sleep(0.01)
    (again,) = await bench.hq.store.topics.agains()
    assert again.topic == "events"
    assert again.covers(number)


async def test_keeper_that_dies_goes_on_where_it_was(bench: Bench) -> None:
    """Each page is behind it; the next one says the rest, and what was in flight once more."""
    await bench.publish()
    await bench.settle(bench.keeper())
    bench.broker.delete_topic("events")
    bench.broker.create_topic("events", FAN_OUT_PARTITIONS)
    await bench.hq.store.topics.ask({"events": ()}, "a person asked", bench.clock)
    for owner in range(200):
        bench.clock += timedelta(minutes=1)  # the last one's lease is over
        keeper = bench.keeper(f"keeper {owner}")
        await keeper._lease.is_ours()
        if not await keeper.go_on():
            break
    await bench.agrees()
    (again,) = await bench.hq.store.topics.agains()
    assert again.done == bench.counts()["events"]


@pytest.mark.parametrize("fault", [pytest.param(fault, id=fault.value) for fault in Fault])
async def test_write_that_fails_is_made_again(bench: Bench, fault: Fault) -> None:
    """Refused, or done though the keeper heard that it failed: readers have everything, some of it twice."""
    await bench.publish()
    keeper = bench.keeper()
    for nth in (1, 1, 2):
        bench.broker.fail(fault, nth=nth)
        await bench.settle(keeper, 4)
        await bench.hq.store.topics.ask({"events": (), "hub.lane": (), "out.kz": ()}, "again", bench.clock)
        bench.clock += timedelta(seconds=1)
    await bench.settle(keeper, 4)
    headers = [dict(record.headers) for record in bench.broker.records("hub.lane")]
    lane = await bench.hq.headquarters.lane.read()
    assert {int(found["ce_sequence"]) for found in headers} == set(range(1, lane.size + 1))


async def test_one_of_several_workers_keeps_the_topics(bench: Bench) -> None:
    """The others say nothing; when its lease is over another one does."""
    first, second = bench.keeper("first"), bench.keeper("second")
    await bench.settle(first)
    said = bench.counts()
    assert await second.round() > 0
    assert bench.counts() == said
    bench.clock += timedelta(minutes=1)
    await bench.hq.register(Center("tj"))
    await bench.settle(second)
    assert bench.lane() == await bench.hq.headquarters.lane.read()


async def test_receipts_are_said_again_as_far_as_the_topic_keeps_them(bench: Bench) -> None:
    """Older ones no topic would keep: a center has its own copy for 90 days."""
    await bench.publish()
    before = len(bench.broker.records("out.uz"))
    await bench.hq.store.topics.ask({"out.uz": ()}, "a person asked", bench.clock)
    await bench.settle(bench.keeper())
    assert len(bench.broker.records("out.uz")) == 2 * before
    assert {record.key for record in bench.broker.records("out.uz")} == {origin_of(HUB, "uz", "0000abcd").encode()}
    bench.clock += timedelta(days=121)
    await bench.hq.store.topics.ask({"out.uz": ()}, "a person asked", bench.clock)
    await bench.settle(bench.keeper())
    assert len(bench.broker.records("out.uz")) == 2 * before


async def test_topic_of_a_center_is_made_again_and_nothing_else_is_said(bench: Bench) -> None:
    """What centers write HQ cannot say: the topic is there again, and HQ goes on with what comes."""
    await bench.publish()
    keeper = bench.keeper()
    await bench.settle(keeper)
    before = bench.counts()
    bench.broker.delete_topic(topic_in("uz"))
    with capture_logs() as logs:
        await bench.settle(keeper)
    assert [entry["topics"] for entry in logs if entry["event"] == "topics_made_again"] == [["in.uz"]]
    assert bench.counts() == before


@pytest.mark.parametrize("partitions", [4, 16])
async def test_topic_made_anew_with_other_partitions_ends_the_worker_with_the_way_out(
    bench: Bench, partitions: int
) -> None:
    """It was a time-out without a word; deleted and made as it should be, it has all that it had."""
    await bench.publish()
    keeper = bench.keeper()
    await bench.settle(keeper)
    bench.broker.delete_topic("events")
    bench.broker.create_topic("events", partitions)
    with pytest.raises(OtherPartitions, match=f"events has {partitions} partitions, expected 8.*delete the topic"):
        await bench.settle(keeper)
    bench.broker.delete_topic("events")
    await bench.settle(bench.keeper(), 4)
    assert bench.broker.topics()["events"] == FAN_OUT_PARTITIONS
    await bench.agrees()


class Between:
    """What is kept; when the first page of states was read, something else happens before it is said."""

    def __init__(self, kept: Kept, happens: Callable[[], Awaitable[None]]) -> None:
        self._kept = kept
        self._happens: Callable[[], Awaitable[None]] | None = happens

    def __getattr__(self, name: str) -> Any:
        return getattr(self._kept, name)

    async def page(self, again: Again, now: datetime) -> Page:
        found, happens = await self._kept.page(again, now), self._happens
        if again.topic == "state.offer" and happens is not None and any(found.places.values()):
            self._happens = None
            await happens()
        return found


async def test_state_that_changes_while_an_older_one_is_said_again_stands_last(bench: Bench) -> None:
    """The keeper has read a page; the lane's owner says a newer state before that page goes out."""
    uz = Center("uz")
    uz.opened(40)  # which HQ has already
    await bench.publish()

    async def revise() -> None:
        await bench.hq.feed("uz", [uz.sealed(uz.append(uz.event(REVISED, "K-1", offer("Newest"))))])
        await bench.publish()

    keeper = bench.keeper()
    await bench.settle(keeper)
    keeper._kept = Between(keeper._kept, revise)  # type: ignore[assignment]
    await bench.hq.store.topics.ask({"state.offer": ()}, "a test", datetime.now(UTC))
    await bench.settle(keeper)
    last = {r.key: r.value for n in range(8) for r in bench.broker.records("state.offer", n)}
    states = (await ledgered(bench.hq.store, CENTERS))["states"]
    assert last == {key: value for (stream, key), value in states.items() if stream == "offer"}
