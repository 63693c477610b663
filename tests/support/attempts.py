"""What a principal may do, tried: one request of the protocol for each operation, over all topics at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from aiokafka.admin import NewTopic
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.protocol.admin import (
    AlterConfigsRequest,
    CreatePartitionsRequest,
    DeleteTopicsRequest,
    DescribeGroupsRequest,
)
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.offset import OffsetRequest
from aiokafka.protocol.produce import ProduceRequest

from hub.base.clients import closing
from hub.kafka.administration import NotAdministrator, administration
from hub.kafka.cluster import Cluster

OPERATIONS: Final = ("read", "write", "create", "delete", "describe", "alter")
DENIED: Final = 29  # of a topic; a broker says the same of one that it does not show
GROUP_DENIED: Final = 30
TIMEOUT_MS: Final = 10_000
TOPIC: Final = 2


def record() -> bytes:
    """Return a batch with one record."""
    builder = BatchBuilder(1000, 0)
    builder.append(timestamp=0, key=b"k", value=b"v", headers=[])
    built = builder._build()
    return bytes(built)


async def allowed(cluster: Cluster, topics: Sequence[str], more: str = "-more") -> dict[str, set[str]]:
    """Return of each operation for which of these topics it was not denied.

    Nothing is really made or changed by who may; what is deleted is deleted, and what is written written. To create is
    tried with names that begin as the topics' do, and with theirs.
    """
    async with closing(await cluster.admin("attempts")) as admin:
        described = await admin.describe_topics(list(topics))
        fetched = await admin.ask(FetchRequest(0, 0, 1 << 20, 0, [(topic, [(0, 0, 1000)]) for topic in topics]))
        looked = await admin.ask(OffsetRequest(-1, 0, [(topic, [(0, -1)]) for topic in topics]))
        written = await admin.ask(ProduceRequest(None, -1, TIMEOUT_MS, [(topic, [(0, record())]) for topic in topics]))
        made = await admin.create_topics(
            [NewTopic(name, 1, 1) for topic in topics for name in (topic + more,)], validate_only=True
        )
        made_again = await admin.create_topics([NewTopic(topic, 1, 1) for topic in topics], validate_only=True)
        altered = await admin.ask(
            AlterConfigsRequest([(TOPIC, topic, [("retention.ms", "60000")]) for topic in topics], validate_only=True)
        )
        grown = await admin.ask(
            CreatePartitionsRequest([(topic, (9, None)) for topic in topics], TIMEOUT_MS, validate_only=True)
        )
        deleted = await admin.ask(DeleteTopicsRequest(list(topics), TIMEOUT_MS))
    found = {
        "describe": {topic["topic"] for topic in described if topic["error_code"] != DENIED}
        | {name for name, parts in codes(looked.topics) if DENIED not in parts},
        "read": {name for name, parts in codes(fetched.topics, 1) if DENIED not in parts},
        "write": {name for name, parts in codes(written.topics, 1) if DENIED not in parts},
        "create": {
            error[0].removesuffix(more)
            for error in (*made.topic_errors, *made_again.topic_errors)
            if error[1] != DENIED
        },
        "alter": {name for code, _, _, name in altered.resources if code != DENIED}
        | {error[0] for error in grown.topic_errors if error[1] != DENIED},
        "delete": {name for name, code in deleted.topic_error_codes if code != DENIED},
    }
    assert set(found) == set(OPERATIONS)
    return found


def codes(topics: Sequence[Any], at: int = 1) -> list[tuple[str, set[int]]]:
    """Return the error codes of each topic's partitions."""
    return [(name, {partition[at] for partition in partitions}) for name, partitions in topics]


async def may_administer(cluster: Cluster) -> set[str]:
    """Return what of the cluster itself is not denied."""
    found = set()
    async with administration(cluster) as access:
        for name, call in (
            ("rights", access.rights),
            ("users", access.users),
            ("quotas", access.quotas),
        ):
            try:
                await call()
                found.add(name)
            except NotAdministrator:
                pass
    return found


async def may_see_group(cluster: Cluster, group: str) -> bool:
    """Return whether a consumer group is shown."""
    async with closing(await cluster.admin("attempts")) as admin:
        answer = await admin.ask(DescribeGroupsRequest([group]))
        return bool(answer.groups[0][0] != GROUP_DENIED)
