"""One suite over real Kafka and over the broker in memory: what the shells rely on holds for both."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.records_to_delete import RecordsToDelete
from aiokafka.errors import (
    ConsumerStoppedError,
    KafkaError,
    MessageSizeTooLargeError,
    ProducerClosed,
)

from hub.base.faulty import Fault
from hub.base.kafka import Consumer, Producer
from hub.broker.embedded import EmbeddedKafka
from hub.kafka.administration import Unguarded, administration
from hub.kafka.cluster import Cluster
from hub.kafka.memory import APPEND_TIME, MemoryBroker
from hub.kafka.rights import Operation, Pattern, Resource, Right, quota_entity, user
from hub.kafka.sending import send_all
from hub.kafka.topics import TopicSpec, ensure_topics
from hub.protocol.scram import ITERATIONS_MIN, Credential

PROMPT_S = 10.0
HUGE = 10_000


@dataclass
class Bench:
    """One broker with a topic of two partitions, and makers of its clients, which the fixture closes."""

    topic: str
    producer: Callable[..., Awaitable[Producer]]
    consumer: Callable[..., Awaitable[Consumer]]
    forget: Callable[[int], Awaitable[None]]  # the records of partition 0 before an offset
    refuse: Callable[[], None]  # the next write, which is of HUGE bytes: real Kafka refuses it for that

    @property
    def place(self) -> TopicPartition:
        return TopicPartition(self.topic, 0)

    async def read(self, consumer: Consumer, count: int) -> list[Any]:
        """Return `count` records of partition 0 as they come."""
        found: list[Any] = []
        async with asyncio.timeout(PROMPT_S):
            while len(found) < count:
                found += (await consumer.getmany(self.place, timeout_ms=500)).get(self.place, [])
        return found


@pytest.fixture(params=["memory", pytest.param("kafka", marks=pytest.mark.integration)])
def real(request: pytest.FixtureRequest) -> EmbeddedKafka | None:
    """Return real Kafka, or None for the broker in memory."""
    return request.getfixturevalue("kafka") if request.param == "kafka" else None


@pytest.fixture
async def bench(real: EmbeddedKafka | None, topic_prefix: str) -> AsyncIterator[Bench]:
    clients: list[Any] = []
    if real is None:
        broker = MemoryBroker()
        broker.create_topic(topic_prefix, 2, APPEND_TIME)

        def refuse() -> None:
            broker.fail(Fault.REFUSED)

        async def producer(**settings: Any) -> Any:
            return await started(broker.producer(**settings))

        async def consumer(**settings: Any) -> Any:
            return await started(broker.consumer(**settings))

        async def forget(before: int) -> None:
            broker.forget(topic_prefix, before=before)

    else:
        at = {"bootstrap_servers": real.bootstrap}
        configs = {**APPEND_TIME, "max.message.bytes": str(HUGE)}
        await ensure_topics(real.cluster, [TopicSpec(topic_prefix, 2, configs)])

        def refuse() -> None:
            """Nothing is to be done: real Kafka knows the topic's limit."""

        async def producer(**settings: Any) -> Any:
            return await started(AIOKafkaProducer(**at, acks="all", enable_idempotence=True, **settings))

        async def consumer(**settings: Any) -> Any:
            return await started(AIOKafkaConsumer(**at, enable_auto_commit=False, **settings))

        async def forget(before: int) -> None:
            admin = AIOKafkaAdminClient(**at)
            await admin.start()
            await admin.delete_records({TopicPartition(topic_prefix, 0): RecordsToDelete(before_offset=before)})
            await admin.close()

    async def started(client: Any) -> Any:
        await client.start()
        clients.append(client)
        return client

    yield Bench(topic_prefix, producer, consumer, forget, refuse)
    for client in clients:
        await client.stop()


async def test_records_come_out_as_they_went_in_at_offsets_without_a_hole(bench: Bench) -> None:
    producer, consumer = await bench.producer(), await bench.consumer(auto_offset_reset="earliest")
    consumer.assign([bench.place])
    headers = [("a", b"1"), ("b", None)]
    places = [
        await producer.send_and_wait(bench.topic, value, key=key, partition=0, headers=headers)
        for key, value in ((b"k", b"v"), (None, b"w"), (b"gone", None))
    ]
    found = await bench.read(consumer, 3)
    assert [place.offset for place in places] == [record.offset for record in found] == [0, 1, 2]
    assert [(r.key, r.value) for r in found] == [(b"k", b"v"), (None, b"w"), (b"gone", None)]
    assert all(list(record.headers) == headers for record in found)
    assert {(r.topic, r.partition) for r in found} == {(bench.topic, 0)}


async def test_topic_of_append_time_carries_the_brokers_clock(bench: Bench) -> None:
    producer, consumer = await bench.producer(), await bench.consumer(auto_offset_reset="earliest")
    consumer.assign([bench.place])
    place = await producer.send_and_wait(bench.topic, b"v", partition=0, timestamp_ms=1000)
    (record,) = await bench.read(consumer, 1)
    assert place.timestamp_type == record.timestamp_type == 1
    assert place.timestamp == record.timestamp > 1_700_000_000_000


async def test_paused_partition_gives_nothing_until_it_is_resumed(bench: Bench) -> None:
    producer, consumer = await bench.producer(), await bench.consumer(auto_offset_reset="earliest")
    consumer.assign([bench.place])
    await producer.send_and_wait(bench.topic, b"v", partition=0)
    consumer.pause(bench.place)
    assert await consumer.getmany(bench.place, timeout_ms=200) == {}
    consumer.resume(bench.place)
    assert [record.value for record in await bench.read(consumer, 1)] == [b"v"]
    assert set(consumer.assignment()) == {bench.place}


async def test_many_records_go_out_at_once_of_each_partition_in_order(bench: Bench) -> None:
    """Small ones in batches, one that no batch holds by itself; the broker's clock and the places are told."""
    settings = {"max_batch_size": 400, "max_request_size": 4000}
    producer, consumer = await bench.producer(**settings), await bench.consumer(auto_offset_reset="earliest")
    values = [*(b"%d" % n for n in range(40)), b"x" * 1000, *(b"%d" % n for n in range(40, 50))]
    places = {(bench.topic, number): [(b"k", value, [("h", b"1")]) for value in values] for number in (0, 1)}
    told = await send_all(producer, places, PROMPT_S)
    assert told.at is not None
    assert told.places == {(bench.topic, number): (0, len(values)) for number in (0, 1)}
    consumer.assign([bench.place])
    found = await bench.read(consumer, len(values))
    assert [record.value for record in found] == values
    assert max(record.timestamp for record in found) <= round(told.at.timestamp() * 1000)


async def test_batch_is_written_together_and_its_place_is_the_first_records(bench: Bench) -> None:
    producer, consumer = await bench.producer(), await bench.consumer(auto_offset_reset="earliest")
    consumer.assign([bench.place])
    await producer.send_and_wait(bench.topic, b"before", partition=0)
    batch = producer.create_batch()
    for number in range(3):
        assert batch.append(timestamp=None, key=b"k", value=bytes([number]), headers=[("h", b"x")]) is not None
    batch.close()
    assert batch.append(timestamp=None, key=b"k", value=b"late") is None
    assert batch.record_count() == 3
    assert 3 < batch.size() < 300
    place = await (await producer.send_batch(batch, bench.topic, partition=0))
    assert place.offset == 1
    assert [r.value for r in await bench.read(consumer, 4)] == [b"before", b"\0", b"\1", b"\2"]


async def test_batch_takes_its_first_record_whatever_its_size_and_no_more_than_fit(bench: Bench) -> None:
    producer = await bench.producer(max_batch_size=1000)
    batch = producer.create_batch()
    assert batch.append(timestamp=None, key=None, value=b"x" * 600) is not None
    assert batch.append(timestamp=None, key=None, value=b"x" * 600) is None
    assert batch.record_count() == 1


async def test_record_over_the_requests_size_is_refused_before_it_is_sent(bench: Bench) -> None:
    producer = await bench.producer(max_request_size=1000)
    with pytest.raises(MessageSizeTooLargeError):
        await producer.send(bench.topic, b"x" * 2000, partition=0)


async def test_closed_producer_takes_nothing(bench: Bench) -> None:
    producer = await bench.producer()
    await producer.send_and_wait(bench.topic, b"v", partition=0)
    await producer.stop()
    with pytest.raises(ProducerClosed):
        await producer.send_and_wait(bench.topic, b"v", partition=0)


async def test_producer_whose_write_was_refused_writes_nothing_more_to_that_partition(bench: Bench) -> None:
    """Whoever wants to go on makes a new one, and begins again at what was not acknowledged."""
    producer = await bench.producer(request_timeout_ms=2000)
    await producer.send_and_wait(bench.topic, b"first", partition=0)
    bench.refuse()
    with pytest.raises(KafkaError):
        await producer.send_and_wait(bench.topic, b"x" * HUGE, partition=0)
    with pytest.raises(KafkaError):
        async with asyncio.timeout(PROMPT_S):
            await producer.send_and_wait(bench.topic, b"second", partition=0)
    await (await bench.producer()).send_and_wait(bench.topic, b"third", partition=0)
    consumer = await bench.consumer(auto_offset_reset="earliest")
    consumer.assign([bench.place])
    assert [record.value for record in await bench.read(consumer, 2)] == [b"first", b"third"]


async def test_unknown_topic_takes_nothing_and_is_not_among_the_topics(bench: Bench) -> None:
    producer = await bench.producer(request_timeout_ms=300)
    consumer = await bench.consumer()
    known = (await producer.client.fetch_all_metadata()).topics()
    assert bench.topic in known
    assert bench.topic in await consumer.topics()
    assert f"{bench.topic}.none" not in known
    with pytest.raises(KafkaError):
        await producer.send_and_wait(f"{bench.topic}.none", b"v", partition=0)


async def test_seek_position_and_ends_speak_of_the_same_offsets(bench: Bench) -> None:
    producer, consumer = await bench.producer(), await bench.consumer(auto_offset_reset="earliest")
    consumer.assign([bench.place])
    for number in range(5):
        await producer.send_and_wait(bench.topic, bytes([number]), partition=0)
    assert (await consumer.beginning_offsets([bench.place]))[bench.place] == 0
    assert (await consumer.end_offsets([bench.place]))[bench.place] == 5
    consumer.seek(bench.place, 3)
    assert await consumer.position(bench.place) == 3
    assert [r.offset for r in await bench.read(consumer, 2)] == [3, 4]
    assert await consumer.position(bench.place) == 5
    assert consumer.highwater(bench.place) == 5
    await consumer.seek_to_beginning(bench.place)
    assert (await bench.read(consumer, 1))[0].offset == 0


async def test_new_consumer_knows_no_highwater(bench: Bench) -> None:
    consumer = await bench.consumer(auto_offset_reset="earliest")
    consumer.assign([bench.place])
    assert consumer.highwater(bench.place) is None


async def test_offset_that_is_not_there_leads_to_the_earliest_record(bench: Bench) -> None:
    producer = await bench.producer()
    for number in range(5):
        await producer.send_and_wait(bench.topic, bytes([number]), partition=0)
    await bench.forget(2)
    for offset in (0, 99):
        consumer = await bench.consumer(auto_offset_reset="earliest")
        consumer.assign([bench.place])
        consumer.seek(bench.place, offset)
        assert (await bench.read(consumer, 3))[0].offset == 2
    assert (await consumer.beginning_offsets([bench.place]))[bench.place] == 2


async def test_no_more_records_are_returned_than_asked_for(bench: Bench) -> None:
    producer, consumer = await bench.producer(), await bench.consumer(auto_offset_reset="earliest")
    consumer.assign([bench.place])
    for number in range(5):
        await producer.send_and_wait(bench.topic, bytes([number]), partition=0)
    found: list[Any] = []
    async with asyncio.timeout(PROMPT_S):
        while len(found) < 5:
            part = (await consumer.getmany(timeout_ms=500, max_records=2)).get(bench.place, [])
            assert len(part) <= 2
            found += part
    assert [record.offset for record in found] == [0, 1, 2, 3, 4]


async def test_reader_that_waits_is_woken_by_a_write(bench: Bench) -> None:
    producer, consumer = await bench.producer(), await bench.consumer(auto_offset_reset="earliest")
    consumer.assign([bench.place])
    waiting = asyncio.create_task(bench.read(consumer, 1))
    await producer.send_and_wait(bench.topic, b"v", partition=0)
    assert (await waiting)[0].value == b"v"


async def test_reader_of_an_empty_partition_gets_nothing_in_time(bench: Bench) -> None:
    consumer = await bench.consumer(auto_offset_reset="earliest")
    consumer.assign([bench.place])
    assert await consumer.getmany(timeout_ms=50) == {}


async def test_partition_that_was_not_assigned_is_not_read(bench: Bench) -> None:
    producer, consumer = await bench.producer(), await bench.consumer(auto_offset_reset="earliest")
    consumer.assign([TopicPartition(bench.topic, 1)])
    await producer.send_and_wait(bench.topic, b"zero", partition=0)
    await producer.send_and_wait(bench.topic, b"one", partition=1)
    async with asyncio.timeout(PROMPT_S):
        found: dict[Any, Any] = {}
        while not found:
            found = dict(await consumer.getmany(timeout_ms=500))
    assert {place.partition for place in found} == {1}
    with pytest.raises(KafkaError):
        await consumer.position(bench.place)


async def test_stopped_consumer_reads_nothing(bench: Bench) -> None:
    consumer = await bench.consumer()
    consumer.assign([bench.place])
    await consumer.getmany(timeout_ms=50)
    await consumer.stop()
    with pytest.raises(ConsumerStoppedError):
        await consumer.getmany(timeout_ms=50)


async def test_broker_without_rules_has_users_and_quotas_and_no_rights(
    real: EmbeddedKafka | None, topic_prefix: str
) -> None:
    """What is said again is done again; what is not there is taken away without a word."""
    cluster = real.cluster if real is not None else Cluster(("memory:1",), clients=MemoryBroker())
    name, entity = f"{topic_prefix}-user", quota_entity(f"{topic_prefix}-user")
    right = Right(user(name), Resource.TOPIC, topic_prefix, Pattern.LITERAL, Operation.READ)
    async with administration(cluster) as access:
        for call in (access.rights(), access.grant([right]), access.revoke([right])):
            with pytest.raises(Unguarded):
                await call
        for word in ("first", "second"):
            await access.set_users({name: Credential.of(word, bytes(32), ITERATIONS_MIN)})
        assert await seen(access.users, lambda found: name in found)
        assert set(await access.users([name, f"{name}-nobody"])) == {name}
        assert await access.users([]) == {}
        await access.set_quotas({entity: {"producer_byte_rate": 1024.0, "request_percentage": 5.0}})
        await access.set_quotas({entity: {"producer_byte_rate": 2048.0, "request_percentage": None}})
        assert await seen(access.quotas, lambda found: found.get(entity) == {"producer_byte_rate": 2048.0})
        assert await access.quotas([f"{name}-nobody", name]) == {entity: {"producer_byte_rate": 2048.0}}
        for _ in range(2):
            await access.delete_users([name])
            await access.set_quotas({entity: {"producer_byte_rate": None}})
        assert await seen(access.users, lambda found: name not in found)
        assert await seen(access.quotas, lambda found: entity not in found)
        if real is not None:
            await ensure_topics(cluster, [TopicSpec(topic_prefix, 1)])
            assert topic_prefix in await access.topics()
            assert await access.topics([topic_prefix, f"{topic_prefix}-none"]) == {topic_prefix}


async def seen(ask: Callable[[], Awaitable[Any]], is_so: Callable[[Any], bool]) -> bool:
    """Return True once a broker says what it was told a moment ago."""
    async with asyncio.timeout(PROMPT_S):
        while not is_so(await ask()):
            await asyncio.sleep(0.02)
    return True
