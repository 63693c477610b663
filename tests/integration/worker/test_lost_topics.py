"""Topics that a broker loses while HQ runs: there again within seconds, with all that the ledger has of them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.records_to_delete import RecordsToDelete

from hub.base.clients import close, start
from hub.broker.embedded import EmbeddedKafka
from hub.domain.hq_lane import HqLane, HqStretch, hq_readers
from hub.kafka.topics import delete_topic, ensure_topics, standard_topics
from hub.protocol.record import canonical
from hub.protocol.topics import FAN_OUT_PARTITIONS, LANE
from hub.store.released import released_schemas
from tests.support.broker import own_broker
from tests.support.center import Center, Sent
from tests.support.peek import peek
from tests.support.worker import Hub, produce, read_topic

pytestmark = pytest.mark.integration

EVENTS = 120
FANNED = {"events", "state.offer", "state.center", "state.schema"}
LOST = ("events", "state.offer", "hub.lane", "out.uz", "hub.checkpoints", "hub.trust", "hub.schemas")


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedKafka]:
    """Yield a broker of these tests' own: they delete what others rely on."""
    with own_broker(tmp_path_factory.mktemp("lost")) as made:
        yield made


@pytest.fixture
async def hub(broker: EmbeddedKafka, tmp_path: Path) -> AsyncIterator[Hub]:
    """Yield a hub with its worker and a center whose events HQ has taken and published."""
    made = Hub.make(tmp_path / "hub", broker.bootstrap)
    await ensure_topics(made.cluster, standard_topics(["uz"], []))
    for name in (*LOST, "in.uz"):  # what the test before has left
        await delete_topic(made.cluster, name)
    await made.register(Center("uz"))
    async with made.running():
        await produce(made.bootstrap, "in.uz", Center("uz").opened(EVENTS))
        await made.until(lambda path: bool(peek(path, f"SELECT 1 FROM lane WHERE center = 'uz' AND size > {EVENTS}")))
        await settled(made)
        yield made


async def records(hub: Hub, topic: str) -> set[tuple[bytes | None, bytes | None]]:
    """Return the different records of a topic."""
    found = set()
    for number in range(FAN_OUT_PARTITIONS if topic in FANNED else 1):
        found |= {(record.key, record.value) for record in await read_topic(hub.bootstrap, topic, number)}
    return found


async def counts(hub: Hub) -> dict[str, int]:
    return {topic: len(await records(hub, topic)) for topic in LOST}


async def last(hub: Hub, topic: str) -> dict[bytes | None, tuple[bytes | None, tuple[object, ...]]]:
    """Return what compaction leaves of a topic."""
    return {record.key: (record.value, tuple(record.headers)) for record in await read_topic(hub.bootstrap, topic)}


async def lane(hub: Hub) -> HqLane:
    """Return the hq lane as a reader of `hub.lane` has it."""
    found = HqLane()
    events: list[bytes] = []
    for record in await read_topic(hub.bootstrap, LANE):
        headers = dict(record.headers)
        if int(headers["ce_sequence"]) != found.size + len(events) + 1:
            continue
        events.append(canonical(record.headers, record.value))
        if "cohub-seal" in headers:
            stretch = HqStretch(tuple(events), headers["cohub-seal"], headers["cohub-receipt"])
            found, events = found.taken([stretch], hub.identity.hq_keys(), hq_readers(released_schemas())), []
    return found


async def ends(looking: AIOKafkaConsumer) -> dict[str, int]:
    """Return how many records each topic has had; a topic that is not there has none."""
    there = await looking.topics()
    places = {
        topic: [TopicPartition(topic, number) for number in range(FAN_OUT_PARTITIONS if topic in FANNED else 1)]
        for topic in LOST
        if topic in there
    }
    found = await looking.end_offsets([place for each in places.values() for place in each]) if places else {}
    return {topic: sum(found[place] for place in places.get(topic, ())) for topic in LOST}


async def changes(hub: Hub) -> AsyncGenerator[dict[str, int] | None, None]:
    """Yield how many different records each topic has, whenever one has got more or was lost, and None meanwhile."""
    looking = AIOKafkaConsumer(bootstrap_servers=hub.bootstrap, enable_auto_commit=False)
    before: dict[str, int] = {}
    try:
        await start(looking, 10)
        while True:
            if hub.task is not None and hub.task.done():
                hub.task.result()
            now = await ends(looking)
            yield await counts(hub) if now != before else None
            before = now
            await asyncio.sleep(0.2)
    finally:
        await close(looking, 10)


async def settled(hub: Hub) -> dict[str, int]:
    """Return how many different records each topic has, once that has not changed for a while."""
    before: dict[str, int] = {}
    since = time.monotonic()
    async with asyncio.timeout(60), contextlib.aclosing(changes(hub)) as changed:
        async for now in changed:
            if now is not None and now != before:
                before, since = now, time.monotonic()
            if time.monotonic() - since >= 4 and all(before.values()):
                break
    assert await counts(hub) == before
    return before


async def is_as(hub: Hub, before: dict[str, int], deadline_s: float = 40.0) -> None:
    """Return when every topic has at least what it had. Fails at the deadline."""
    async with asyncio.timeout(deadline_s), contextlib.aclosing(changes(hub)) as changed:
        async for now in changed:
            if now is not None and all(now[topic] >= count for topic, count in before.items()):
                break


@pytest.mark.long
async def test_records_that_a_stranger_displaces_are_the_last_of_their_keys_again(hub: Hub) -> None:
    """A genuine note without its leaves, junk in the place of keys and schemas: what compaction leaves is HQ's."""
    before = {topic: await last(hub, topic) for topic in ("hub.checkpoints", "hub.trust", "hub.schemas")}
    for topic, said in before.items():
        key, (value, _) = next(iter(said.items()))
        assert key is not None
        await produce(hub.bootstrap, topic, [Sent(key, value if topic == "hub.checkpoints" else b"junk", ())])
    async with asyncio.timeout(30):
        for topic, said in before.items():
            while not said.items() <= (await last(hub, topic)).items():
                await asyncio.sleep(0.2)


@pytest.mark.parametrize("anew", [pytest.param(False, marks=pytest.mark.long), True])
async def test_topics_that_are_deleted_under_a_live_worker_are_filled_again(hub: Hub, *, anew: bool) -> None:
    """Also those that somebody makes anew at once; HQ goes on with what its centers say meanwhile."""
    before = await settled(hub)
    assert before["events"] > EVENTS
    for topic in LOST:
        await delete_topic(hub.cluster, topic)
    if anew:
        await ensure_topics(hub.cluster, standard_topics(["uz"], ["offer"]))
    center = Center("uz")
    center.opened(EVENTS)
    await produce(hub.bootstrap, "in.uz", center.offers(5, first=500))
    grown = before | {"events": before["events"] + 5, "state.offer": before["state.offer"] + 5}
    await is_as(hub, grown)
    after = await settled(hub)
    assert {topic: after[topic] for topic in grown if topic in {"events", "state.offer"}} == {
        topic: grown[topic] for topic in ("events", "state.offer")
    }
    assert (await lane(hub)).size == before[LANE]


@pytest.mark.long
async def test_records_that_are_deleted_from_what_is_kept_for_ever_are_there_again(hub: Hub) -> None:
    """As by `kafka-delete-records`: the end stays where it was, and the beginning tells."""
    before = await settled(hub)
    admin = AIOKafkaAdminClient(bootstrap_servers=hub.bootstrap)
    try:
        await start(admin, 10)
        places = [*(TopicPartition("events", number) for number in range(FAN_OUT_PARTITIONS)), TopicPartition(LANE, 0)]
        await admin.delete_records({place: RecordsToDelete(before_offset=-1) for place in places})
    finally:
        await close(admin, 10)
    assert len(await records(hub, "events")) < before["events"]
    await is_as(hub, before)
    assert await settled(hub) == before


@pytest.mark.long
async def test_topics_that_are_lost_while_no_worker_runs_are_filled_at_the_next_start(hub: Hub) -> None:
    """The start makes them; what they had is known from SQL."""
    before = await settled(hub)
    await hub.end()
    for topic in LOST:
        await delete_topic(hub.cluster, topic)
    await hub.start()
    await is_as(hub, before)
    assert await settled(hub) == before


@pytest.mark.long
@pytest.mark.parametrize("beside_a_worker", [True, False])
async def test_person_has_topics_said_again(hub: Hub, *, beside_a_worker: bool) -> None:
    """A running worker does it, or else the command itself; what was there comes twice, and nothing else."""
    before = await settled(hub)
    if not beside_a_worker:
        await hub.end()
    command = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "hub.cli.main", "--data-dir", str(hub.data_dir), "republish", "events", "hub.lane",
        "out.uz", "--bootstrap", hub.bootstrap, "--json", stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    said, _ = await asyncio.wait_for(command.communicate(), 90)
    assert command.returncode == 0
    done = {row["topic"]: (row["records"], row["missing"]) for row in json.loads(said)}
    assert done == {topic: (before[topic], 0) for topic in ("events", "hub.lane", "out.uz")}
    assert await counts(hub) == before
    assert len(await read_topic(hub.bootstrap, LANE)) == 2 * before[LANE]
