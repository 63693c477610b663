"""Kafka's request for the producers that it remembers of a topic, which aiokafka has no class for."""

from __future__ import annotations

from aiokafka.protocol.api import RequestStruct, Response
from aiokafka.protocol.types import CompactArray, CompactString, Int16, Int32, Int64, Schema, TaggedFields

from hub.base.clients import closing
from hub.kafka.access_requests import _Fixed
from hub.kafka.cluster import Cluster

PRODUCER = CompactArray(
    ("producer_id", Int64),
    ("producer_epoch", Int32),
    ("last_sequence", Int32),
    ("last_timestamp", Int64),
    ("coordinator_epoch", Int32),
    ("current_txn_start_offset", Int64),
    ("tags", TaggedFields),
)
PARTITION = CompactArray(
    ("partition_index", Int32),
    ("error_code", Int16),
    ("error_message", CompactString("utf-8")),
    ("active_producers", PRODUCER),
    ("tags", TaggedFields),
)


class DescribeProducersResponse_v0(Response):  # noqa: N801 - as aiokafka names its own
    """The producers of each partition."""

    API_KEY = 61
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "topics",
            CompactArray(("name", CompactString("utf-8")), ("partitions", PARTITION), ("tags", TaggedFields)),
        ),
        ("tags", TaggedFields),
    )


class DescribeProducersRequest_v0(RequestStruct):  # noqa: N801
    """Topics, and which of their partitions."""

    API_KEY = 61
    API_VERSION = 0
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = DescribeProducersResponse_v0
    SCHEMA = Schema(
        (
            "topics",
            CompactArray(
                ("name", CompactString("utf-8")), ("partition_indexes", CompactArray(Int32)), ("tags", TaggedFields)
            ),
        ),
        ("tags", TaggedFields),
    )


class DescribeProducers(_Fixed[DescribeProducersRequest_v0]):
    """Asks for the producers of these topics."""

    API_KEY = 61


async def remembered(cluster: Cluster, topic: str) -> int:
    """Return how many producers of a topic the broker remembers."""
    async with closing(await cluster.admin("test")) as admin:
        answer = await admin.ask(DescribeProducers([(topic, [0], {})], {}))
    ((_, partitions, _),) = answer.topics
    ((_, code, _, producers, _),) = partitions
    assert code == 0
    return len(producers)
