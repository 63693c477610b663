"""The broker in memory fails when it is told to, and as it is told to."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaConnectionError, KafkaError, KafkaTimeoutError, TopicAlreadyExistsError

from hub.base.faulty import Fault
from hub.kafka.memory import MemoryBroker

PLACE = TopicPartition("t", 0)


@pytest.fixture
def broker() -> MemoryBroker:
    return MemoryBroker({"t": 1, "u": 1})


def values(broker: MemoryBroker, topic: str = "t") -> list[bytes | None]:
    return [record.value for record in broker.records(topic)]


async def write(broker: MemoryBroker, value: bytes, topic: str = "t") -> Any:
    """Write with a producer of its own, as a shell does whose last one has failed."""
    producer = broker.producer()
    await producer.start()
    return await producer.send_and_wait(topic, value, partition=0)


@pytest.mark.parametrize(("fault", "kept"), [(Fault.REFUSED, [b"1", b"3"]), (Fault.APPLIED, [b"1", b"2", b"3"])])
async def test_nth_write_fails_and_no_other(broker: MemoryBroker, fault: Fault, kept: list[bytes]) -> None:
    """Its writer hears the same in both cases; only the broker knows what became of it."""
    broker.fail(fault, nth=2)
    await write(broker, b"1")
    with pytest.raises(KafkaTimeoutError):
        await write(broker, b"2")
    await write(broker, b"3")
    assert values(broker) == kept
    assert broker.writes == 3


async def test_fault_of_a_topic_counts_only_its_writes(broker: MemoryBroker) -> None:
    broker.fail(Fault.REFUSED, nth=2, topic="u")
    await write(broker, b"1")
    await write(broker, b"2")
    await write(broker, b"3", "u")
    with pytest.raises(KafkaTimeoutError):
        await write(broker, b"4", "u")
    assert (values(broker), values(broker, "u")) == ([b"1", b"2"], [b"3"])


async def test_producer_whose_write_failed_writes_nothing_more(broker: MemoryBroker) -> None:
    """What follows a lost write of an idempotent producer is out of order, and a new producer begins anew."""
    broker.fail(Fault.REFUSED)
    producer = broker.producer()
    first, second = [await producer.send("t", value, partition=0) for value in (b"1", b"2")]
    with pytest.raises(KafkaTimeoutError):
        await first
    await second  # was on its way before the failure was known
    with pytest.raises(KafkaError):
        await producer.send_and_wait("t", b"3", partition=0)
    await write(broker, b"4")
    assert values(broker) == [b"2", b"4"]


async def test_held_acknowledgement_comes_when_it_is_released(broker: MemoryBroker) -> None:
    broker.hold()
    future = await broker.producer().send("t", b"1", partition=0)
    await asyncio.sleep(0)
    assert values(broker) == [b"1"]
    assert not future.done()
    broker.release()
    assert (await future).offset == 0


async def test_cut_link_fails_who_waits_and_who_comes_until_it_is_mended(broker: MemoryBroker) -> None:
    broker.hold()
    producer = broker.producer()
    waiting = await producer.send("t", b"1", partition=0)
    broker.cut()
    with pytest.raises(KafkaTimeoutError):
        await waiting
    with pytest.raises(KafkaConnectionError):
        await broker.producer().start()
    with pytest.raises(KafkaConnectionError):
        await broker.consumer().end_offsets([PLACE])
    broker.mend()
    broker.release()
    await write(broker, b"2")
    assert values(broker) == [b"1", b"2"]


async def test_reader_waits_while_the_link_is_cut_and_reads_on_when_it_is_mended(broker: MemoryBroker) -> None:
    await write(broker, b"1")
    consumer = broker.consumer(auto_offset_reset="earliest")
    consumer.assign([PLACE])
    broker.cut()
    assert await consumer.getmany(timeout_ms=10) == {}
    reading = asyncio.create_task(consumer.getmany(timeout_ms=5000))
    await asyncio.sleep(0)
    broker.mend()
    assert [record.value for record in (await reading)[PLACE]] == [b"1"]


async def test_stopped_producer_leaves_nobody_waiting(broker: MemoryBroker) -> None:
    broker.hold()
    producer = broker.producer()
    future = await producer.send("t", b"1", partition=0)
    await producer.stop()
    with pytest.raises(KafkaTimeoutError):
        await future


async def test_lost_records_offsets_are_given_again(broker: MemoryBroker) -> None:
    for value in (b"1", b"2", b"3"):
        await write(broker, value)
    broker.cut_off("t", end=1)
    assert (await write(broker, b"4")).offset == 1
    assert values(broker) == [b"1", b"4"]


async def test_admin_makes_describes_and_deletes_topics(broker: MemoryBroker) -> None:
    admin = broker.admin()
    await admin.start()
    new = NewTopic("v", 3, 1, topic_configs={"retention.ms": "1"})
    assert [error[1] for error in (await admin.create_topics([new, new])).topic_errors] == [0, 36]
    described = {topic["topic"]: topic for topic in await admin.describe_topics(["v", "w"])}
    assert (len(described["v"]["partitions"]), described["w"]["error_code"]) == (3, 3)
    (answer,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, "v")])
    (resource,) = answer.to_object()["resources"]
    assert [(c["config_names"], c["config_value"]) for c in resource["config_entries"]] == [("retention.ms", "1")]
    assert (await admin.delete_topics(["v", "w"])).topic_error_codes == [("v", 0), ("w", 3)]
    assert "v" not in broker.topics()
    await admin.close()


def test_topic_that_is_there_is_not_replaced() -> None:
    """What was written would be gone, and nobody told."""
    broker = MemoryBroker({"t": 1})
    with pytest.raises(TopicAlreadyExistsError):
        broker.create_topic("t", 2)
    assert broker.topics() == {"t": 1}
