"""Which topics a hub has."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, cast

import pytest

from hub.base.kafka import Clients
from hub.kafka.cluster import Cluster
from hub.kafka.memory import MemoryBroker
from hub.kafka.topics import (
    CREATED_AT_ONCE,
    ensure_topics,
    invitation_topics,
    lane_topics,
    once_brokers_live,
    standard_topics,
)
from hub.protocol.errors import Retriable
from hub.protocol.joining import JOIN_BYTES_MAX
from tests.support.virtual_time import run_virtually


def test_center_of_a_name_that_no_topic_can_have_keeps_no_other_topic_from_being_made() -> None:
    """Releases before 0.3 registered centers without a key under any name, and a broker refuses all of a request."""
    names = [spec.name for spec in lane_topics(["uz", "x!", "in.uz", "UZ", "", "log", "kz"])]
    assert names == ["in.uz", "in.kz", "out.uz", "out.kz"]
    assert {"in.x!", "out.x!"}.isdisjoint(spec.name for spec in standard_topics(["x!"], ["offer"]))


def test_whoever_has_a_bundle_fills_no_disk() -> None:
    """What is kept of their topic is bounded, and segments are small enough for it to be dropped; a request fits."""
    (spec,) = invitation_topics(["join.uz"])
    assert int(spec.configs["segment.bytes"]) <= int(spec.configs["retention.bytes"]) <= 16 << 20
    assert 2 * JOIN_BYTES_MAX < int(spec.configs["max.message.bytes"]) <= 64 << 10


class Counting:
    """Clients of a broker in memory that takes few topics in one request, as a controller does."""

    def __init__(self, broker: MemoryBroker) -> None:
        self._broker = broker
        self.requests: list[int] = []

    def admin(self, **settings: Any) -> Any:
        client: Any = self._broker.admin(**settings)
        create = client.create_topics

        async def create_topics(new_topics: Sequence[Any], **more: Any) -> Any:
            assert len(new_topics) <= CREATED_AT_ONCE
            self.requests.append(len(new_topics))
            return await create(new_topics, **more)

        client.create_topics = create_topics
        return client


async def test_topics_of_thousands_of_centers_are_made_a_part_at_a_time() -> None:
    """A controller refuses a request that takes more than 10,000 of its records, and would do so for ever."""
    clients = Counting(MemoryBroker())
    cluster = Cluster(("b:1",), clients=cast("Clients", clients))
    specs = standard_topics([f"c{number:04}" for number in range(CREATED_AT_ONCE * 2)], ["offer"])
    most = max(1 + spec.partitions + len(spec.configs) for spec in specs)
    assert CREATED_AT_ONCE * most < 10_000
    assert sorted(await ensure_topics(cluster, specs)) == sorted(spec.name for spec in specs)
    assert sum(clients.requests) == len(specs)
    assert await ensure_topics(cluster, specs) == []


class Brokers:
    """Clients of a cluster of so many brokers, one more at each look; what is made there is remembered."""

    def __init__(self, *living: int) -> None:
        self._broker = MemoryBroker()
        self._living = list(living)
        self.made: list[Any] = []

    def admin(self, **settings: Any) -> Any:
        client: Any = self._broker.admin(**settings)
        create = client.create_topics

        async def describe_cluster() -> dict[str, Any]:
            living = self._living.pop(0) if len(self._living) > 1 else self._living[0]
            return {"brokers": [{"node_id": number} for number in range(living)]}

        async def create_topics(new_topics: Sequence[Any], **more: Any) -> Any:
            self.made += new_topics
            return await create(new_topics, **more)

        client.create_topics, client.describe_cluster = create_topics, describe_cluster
        return client


async def made_with(brokers: Brokers, replicas: int | None) -> tuple[int, str | None]:
    """Return how many copies a topic gets, and how many of them acknowledge a write."""
    cluster = Cluster(("b:1",), clients=cast("Clients", brokers), replicas=replicas)
    await once_brokers_live(lambda: ensure_topics(cluster, lane_topics(["uz"])))
    (found,) = {(one.replication_factor, one.topic_configs.get("min.insync.replicas")) for one in brokers.made}
    return found


@pytest.mark.parametrize(
    ("living", "expected"), [((1,), (1, None)), ((2,), (2, None)), ((3,), (3, "2")), ((5,), (3, "2"))]
)
async def test_topics_have_three_copies_or_one_on_each_broker(
    living: Sequence[int], expected: tuple[int, str | None]
) -> None:
    """Of three copies two have what is acknowledged."""
    assert await made_with(Brokers(*living), None) == expected


def test_topics_wait_until_as_many_brokers_live_as_the_settings_say() -> None:
    """One that is just being started again costs no topic a copy for ever."""
    assert run_virtually(made_with(Brokers(2, 2, 3), 3)) == (3, "2")


def test_topics_that_wait_too_long_are_not_made_and_it_is_said_for_what() -> None:
    """The worker ends by it, and is started again."""
    brokers = Brokers(2)
    with pytest.raises(Retriable, match=r"wait until 3 brokers live \(`replicas` in the settings\); 2 of them do"):
        run_virtually(made_with(brokers, 3))
    assert brokers.made == []


def test_whoever_works_already_is_told_at_once_that_a_broker_is_missing() -> None:
    """A worker has more to do than to wait for it: it tries again by itself."""
    cluster = Cluster(("b:1",), clients=cast("Clients", Brokers(2)), replicas=3)

    async def refused() -> float:
        with pytest.raises(Retriable, match="wait until 3 brokers live"):
            await ensure_topics(cluster, lane_topics(["uz"]))
        return asyncio.get_running_loop().time()

    assert run_virtually(refused()) < 1
