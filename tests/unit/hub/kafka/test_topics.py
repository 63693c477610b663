"""Which topics a hub has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from hub.base.kafka import Clients
from hub.kafka.cluster import Cluster
from hub.kafka.memory import MemoryBroker
from hub.kafka.topics import CREATED_AT_ONCE, ensure_topics, invitation_topics, lane_topics, standard_topics
from hub.protocol.joining import JOIN_BYTES_MAX


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
