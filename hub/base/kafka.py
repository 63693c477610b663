"""What the shells ask of a Kafka client, in the words of aiokafka: its clients fit, and those of `hub.kafka.memory`."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.api import Request, Response

from hub.base.connection import mend_connections
from hub.base.total import TotalConsumer

Headers = Sequence[tuple[str, bytes | None]]

LOG_APPEND_TIME: Final = 1  # a timestamp of the broker's own clock; of any other type it is the writer's word
STAMP_MAX_MS: Final = 253_370_764_800_000  # the year 9999: a day, or a limit, may still be added to what is before


class Record(Protocol):
    """One record as it was read. Units: timestamp is in milliseconds; for its type see LOG_APPEND_TIME."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    timestamp_type: int
    key: bytes | None
    value: bytes | None
    headers: Headers


class Stamp(Protocol):
    """The timestamp of a record, or of an acknowledgement, as `Record` has it."""

    timestamp: int
    timestamp_type: int


def stamped_at(stamp: Stamp) -> datetime | None:
    """Return what time the broker had; None where it does not tell, or no clock can be so wrong."""
    if stamp.timestamp_type != LOG_APPEND_TIME or not 0 <= stamp.timestamp < STAMP_MAX_MS:
        return None
    return datetime.fromtimestamp(stamp.timestamp / 1000, UTC)


class RecordBatch(Protocol):
    """Records that are written together, or not at all."""

    def append(
        self, *, timestamp: int | None, key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, Any]] = ()
    ) -> object | None:
        """Add a record; return None if the batch has no room for it."""

    def record_count(self) -> int:
        """Return how many records it holds."""

    def size(self) -> int:
        """Return how many bytes it has."""

    def close(self) -> None:
        """Have it take no more."""


class Metadata(Protocol):
    """What a client asks the cluster about itself."""

    async def fetch_all_metadata(self) -> Any:
        """Return what the cluster has; `topics()` of it are the names of its topics."""


class Producer(Protocol):
    """Writes. A future of its is done when the broker has the record, or said that it has not."""

    client: Metadata

    async def start(self) -> None:
        """Connect. Errors: KafkaError."""

    async def stop(self) -> None:
        """Write what waits, and close."""

    def create_batch(self) -> RecordBatch:
        """Return an empty batch."""

    async def send_batch(self, batch: Any, topic: str, *, partition: int) -> asyncio.Future[Any]:
        """Hand a batch over; return the future of its first record's place."""

    async def send(
        self,
        topic: str,
        value: bytes | None = None,
        key: bytes | None = None,
        partition: int | None = None,
        timestamp_ms: int | None = None,
        headers: Headers | None = None,
    ) -> asyncio.Future[Any]:
        """Hand a record over; return the future of its place."""

    async def send_and_wait(
        self,
        topic: str,
        value: bytes | None = None,
        key: bytes | None = None,
        partition: int | None = None,
        timestamp_ms: int | None = None,
        headers: Headers | None = None,
    ) -> Any:
        """Write a record; return its place."""


class Consumer(Protocol):
    """Reads partitions that it was assigned, from where it was told to."""

    async def start(self) -> None:
        """Connect. Errors: KafkaError."""

    async def stop(self) -> None:
        """Close."""

    async def topics(self) -> set[str]:
        """Return the names of the topics that there are."""

    def assign(self, partitions: Collection[TopicPartition]) -> None:
        """Read these, and no others."""

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """Read on from `offset`; from the earliest record if there is none there and never will be."""

    async def seek_to_beginning(self, *partitions: TopicPartition) -> object:
        """Read on from the earliest records."""

    async def position(self, partition: TopicPartition) -> int:
        """Return the offset that is read next."""

    async def beginning_offsets(self, partitions: Collection[TopicPartition]) -> Mapping[TopicPartition, int]:
        """Return where the earliest records are."""

    async def end_offsets(self, partitions: Collection[TopicPartition]) -> Mapping[TopicPartition, int]:
        """Return where the next records will be."""

    def highwater(self, partition: TopicPartition) -> int | None:
        """Return where the partition ended when the broker last answered; None before it did."""

    def assignment(self) -> Collection[TopicPartition]:
        """Return what is read."""

    def pause(self, *partitions: TopicPartition) -> None:
        """Return nothing of these from `getmany` until `resume`."""

    def resume(self, *partitions: TopicPartition) -> None:
        """Return what is in these again."""

    async def getmany(
        self, *partitions: TopicPartition, timeout_ms: int = 0, max_records: int | None = None
    ) -> Mapping[TopicPartition, Sequence[Record]]:
        """Return what there is, as soon as there is something; nothing after `timeout_ms`."""


class Admin(Protocol):
    """Makes, describes and deletes topics; its answers have the form of aiokafka's."""

    async def start(self) -> None:
        """Connect. Errors: KafkaError."""

    async def close(self) -> None:
        """Close."""

    async def describe_cluster(self) -> Any:
        """Return the brokers that there are."""

    async def find_coordinator(self, group_id: str) -> int:
        """Return the broker that serves a group. Errors: GroupCoordinatorNotAvailableError."""

    async def describe_topics(self, topics: Any = None) -> list[Any]:
        """Return the partitions and leaders of topics, of all that there are if none is named."""

    async def describe_configs(self, config_resources: Any) -> Any:
        """Return what topics were made with."""

    async def create_topics(self, new_topics: Any, *, validate_only: bool = False) -> Any:
        """Make topics; those that are there stay as they are. Make none if it is only asked whether they could be."""

    async def delete_topics(self, topics: Any) -> Any:
        """Delete topics with all that is in them."""

    async def ask(self, request: Any) -> Any:
        """Return a broker's answer to a request that there is no method for, as aiokafka's protocol has both."""


class AskingAdmin(AIOKafkaAdminClient):  # type: ignore[misc]
    """aiokafka's admin, which can be asked what it has no method for: any broker passes such a request on."""

    async def ask(self, request: Request[Any]) -> Response:
        """Return the answer of whichever broker it is. Errors: KafkaError."""
        return await self._send_request(request)


class Clients(Protocol):
    """Makes clients of one cluster; the settings are those of aiokafka. A client is started by whoever wants it."""

    def producer(self, **settings: Any) -> Producer:
        """Return a producer."""

    def consumer(self, **settings: Any) -> Consumer:
        """Return a consumer."""

    def admin(self, **settings: Any) -> Admin:
        """Return an admin client."""


class AioKafka:
    """The clients of a real cluster, which the settings name."""

    def producer(self, **settings: Any) -> Producer:
        """Return a producer."""
        producer: Producer = AIOKafkaProducer(**settings)
        return producer

    def consumer(self, **settings: Any) -> Consumer:
        """Return a consumer, which is total: see hub/base/total.py."""
        consumer: Consumer = TotalConsumer(**settings)
        return consumer

    def admin(self, **settings: Any) -> Admin:
        """Return an admin client."""
        admin: Admin = AskingAdmin(**settings)
        return admin


mend_connections()
AIOKAFKA: Final = AioKafka()
