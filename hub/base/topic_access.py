"""What one may do with which topics, as the broker itself says it: asked by one request, and nothing is tried.

aiokafka's metadata request is older than the question. This one is Kafka's version 8 (KIP-430), with the operations
that are granted to whoever asks; a broker before 2.3 is asked as ever, and does not tell them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.metadata import MetadataRequest_v5
from aiokafka.protocol.types import Array, Boolean, Int16, Int32, Schema, String

from schemas.words.said import Said, said

METADATA: Final = 3
UNTOLD: Final = -(2**31)
UNKNOWN_TOPIC: Final = 3
NOT_ALLOWED: Final = 29
READ: Final = 3  # AclOperation's numbers, which are bits of what is granted
WRITE: Final = 4


class AccessResponse(Response):  # type: ignore[misc]
    """Kafka's MetadataResponse, version 8."""

    API_KEY = METADATA
    API_VERSION = 8
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("brokers", Array(("node_id", Int32), ("host", String()), ("port", Int32), ("rack", String()))),
        ("cluster_id", String()),
        ("controller_id", Int32),
        (
            "topics",
            Array(
                ("error_code", Int16),
                ("topic", String()),
                ("is_internal", Boolean),
                (
                    "partitions",
                    Array(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", Array(Int32)),
                        ("isr", Array(Int32)),
                        ("offline_replicas", Array(Int32)),
                    ),
                ),
                ("operations", Int32),
            ),
        ),
        ("cluster_operations", Int32),
    )


class AccessRequest_v8(RequestStruct):  # type: ignore[misc]  # noqa: N801 - as aiokafka names them
    """Kafka's MetadataRequest, version 8."""

    API_KEY = METADATA
    API_VERSION = 8
    RESPONSE_TYPE = AccessResponse
    SCHEMA = Schema(
        ("topics", Array(String())),
        ("allow_auto_topic_creation", Boolean),
        ("include_cluster_operations", Boolean),
        ("include_topic_operations", Boolean),
    )


class AccessRequest(Request[MetadataRequest_v5 | AccessRequest_v8]):  # type: ignore[misc]
    """Asks what one may do with some topics, and makes none."""

    API_KEY = METADATA

    def __init__(self, topics: Sequence[str]) -> None:
        self._topics = list(topics)

    def build(self, request_struct_class: type[Any]) -> Any:
        """Return the request in a version that the broker knows."""
        if request_struct_class.API_VERSION < AccessRequest_v8.API_VERSION:
            return request_struct_class(self._topics, False)
        return request_struct_class(self._topics, False, False, True)


@dataclass(frozen=True, slots=True)
class TopicAccess:
    """What the broker says of one topic to whoever asked. `operations` are bits; None where it does not tell them."""

    name: str
    error_code: int = 0
    operations: int | None = None

    def may(self, operation: int) -> bool:
        """Return whether an operation is granted; also where the broker does not tell, and trying would."""
        return not self.error_code and (self.operations is None or bool(self.operations >> operation & 1))

    def obstacle(self, operation: int) -> Said | None:
        """Return what is in the way of reading or writing this topic; None: nothing, or nothing that lasts."""
        if self.error_code == UNKNOWN_TOPIC:
            return said("obstacles.no_topic", topic=self.name)
        if self.error_code == NOT_ALLOWED:
            return said("obstacles.no_right", topic=self.name)
        if self.error_code or self.may(operation):
            return None
        name = "write" if operation == WRITE else "read"
        return said(f"obstacles.no_right_to_{name}", topic=self.name)


@dataclass(frozen=True, slots=True)
class Door:
    """What a broker that lets us in says at once: of some topics, and for how long it makes us wait."""

    topics: Mapping[str, TopicAccess]
    throttled_ms: int = 0

    def obstacles(self, reads: Sequence[str] = (), writes: Sequence[str] = ()) -> Iterator[Said]:
        """Yield what is in the way of reading and writing these."""
        for operation, names in ((READ, reads), (WRITE, writes)):
            for name in names:
                found = self.topics.get(name, TopicAccess(name)).obstacle(operation)
                if found is not None:
                    yield found


async def ask_access(connection: Any, topics: Sequence[str]) -> Door:
    """Return what the broker at the other end of a bare connection says of some topics. Errors: those of aiokafka."""
    answer = await connection.send(AccessRequest(topics))
    found = answer.to_object()
    return Door(
        {one["topic"]: TopicAccess(one["topic"], one["error_code"], _told(one)) for one in found["topics"]},
        max(0, found.get("throttle_time_ms", 0)),
    )


def _told(topic: Mapping[str, Any]) -> int | None:
    operations = topic.get("operations", UNTOLD)
    return None if operations == UNTOLD else int(operations)
