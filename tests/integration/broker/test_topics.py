"""Topics on a real broker: made once, left alone, described, deleted."""

from __future__ import annotations

import asyncio

import pytest
from aiokafka import AIOKafkaConsumer

from hub.broker.embedded import EmbeddedKafka
from hub.broker.ports import choose_port
from hub.kafka.cluster import Cluster
from hub.kafka.ends import topic_ends
from hub.kafka.topics import (
    TopicSpec,
    delete_topic,
    describe_topics,
    ensure_group,
    ensure_topics,
    lane_topics,
    standard_topics,
)
from hub.protocol.errors import Fatal, Retriable, UsageError

pytestmark = pytest.mark.integration


async def test_ensure_topics_twice_makes_them_once(kafka: EmbeddedKafka, topic_prefix: str) -> None:
    specs = [
        TopicSpec(f"{topic_prefix}.in", 1, {"retention.ms": "1000000"}),
        TopicSpec(f"{topic_prefix}.state", 8, {"cleanup.policy": "compact"}),
    ]
    assert sorted(await ensure_topics(kafka.cluster, specs)) == sorted(spec.name for spec in specs)
    assert await ensure_topics(kafka.cluster, specs) == []
    assert await describe_topics(kafka.cluster, [spec.name for spec in specs]) == {spec.name: spec for spec in specs}


async def test_standard_topics_are_what_the_broker_takes(kafka: EmbeddedKafka, topic_prefix: str) -> None:
    specs = {spec.name: spec for spec in standard_topics([topic_prefix], [topic_prefix])}
    await ensure_topics(kafka.cluster, specs.values())
    assert await describe_topics(kafka.cluster, list(specs)) == specs


async def test_ensure_topics_with_other_partitions_is_refused(kafka: EmbeddedKafka, topic_prefix: str) -> None:
    await ensure_topics(kafka.cluster, [TopicSpec(topic_prefix, 2)])
    with pytest.raises(UsageError, match="has 2 partitions, expected 3"):
        await ensure_topics(kafka.cluster, [TopicSpec(topic_prefix, 3)])


async def test_ensure_topics_with_bad_config_is_fatal(kafka: EmbeddedKafka, topic_prefix: str) -> None:
    with pytest.raises(Fatal, match=r"retention\.ms"):
        await ensure_topics(kafka.cluster, [TopicSpec(topic_prefix, 1, {"retention.ms": "soon"})])


async def test_how_far_sixty_topics_reach_is_told_as_soon_as_of_one(kafka: EmbeddedKafka, topic_prefix: str) -> None:
    """A worker asks it of every center before it begins; it does not give up because there are many."""
    names = [f"{topic_prefix}.{number}" for number in range(60)]
    await ensure_topics(kafka.cluster, [TopicSpec(name, 1) for name in names])
    # With a pause of a tenth of a second at each it would take six.
    assert await topic_ends(kafka.cluster, [*names, f"{topic_prefix}.none"], 5.0) == dict.fromkeys(names, (0, 0))


async def test_delete_topic_is_gone_at_return(kafka: EmbeddedKafka, topic_prefix: str) -> None:
    await ensure_topics(kafka.cluster, [TopicSpec(topic_prefix, 1)])
    assert await delete_topic(kafka.cluster, topic_prefix)
    assert await describe_topics(kafka.cluster, [topic_prefix]) == {}
    assert not await delete_topic(kafka.cluster, topic_prefix)


async def test_topics_without_a_broker_are_retriable() -> None:
    with pytest.raises(Retriable, match=r"127\.0\.0\.1:\d+: nobody listens there: is the broker up"):
        await ensure_topics(Cluster.at(f"127.0.0.1:{choose_port()}"), [TopicSpec("any", 1)])


async def test_ensure_group_returns_once_the_group_is_served(kafka: EmbeddedKafka, topic_prefix: str) -> None:
    """A consumer that joins afterwards is answered at once; asking again does no harm."""
    await ensure_topics(kafka.cluster, lane_topics([topic_prefix]))
    for _ in range(2):
        await ensure_group(kafka.cluster, topic_prefix)
    group = AIOKafkaConsumer(f"in.{topic_prefix}", bootstrap_servers=kafka.bootstrap, group_id=topic_prefix)
    async with asyncio.timeout(20), group:
        assert {partition.topic for partition in group.assignment()} == {f"in.{topic_prefix}"}
