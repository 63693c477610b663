"""Clients of a broker in memory, with as much of aiokafka's surface as our shells use."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, Final

from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.errors import (
    ConsumerStoppedError,
    IllegalStateError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    OutOfOrderSequenceNumber,
    ProducerClosed,
    UnknownTopicOrPartitionError,
)
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.structs import RecordMetadata

from hub.base.kafka import Headers, Metadata
from hub.kafka.memory_log import MemoryLog, Unwritten

NO_COMPRESSION: Final = 0
BATCH_BYTES: Final = 16_384  # as in aiokafka
REQUEST_BYTES: Final = 1_048_576  # as in aiokafka
RECORDS_MAX: Final = 1 << 20
UNKNOWN_TOPIC: Final = 3
ALREADY_EXISTS: Final = 36
SET_ON_TOPIC: Final = 1  # config_source


class MemoryMetadata:
    """What a producer asks the broker about itself: topics that it may not write to are hidden from it."""

    def __init__(self, log: MemoryLog) -> None:
        self._log = log

    async def fetch_all_metadata(self) -> Any:
        """Return what the broker has. Errors: KafkaConnectionError."""
        self._log.check_link()
        return SimpleNamespace(topics=lambda: {topic for topic in self._log.topics() if self._log.may_write(topic)})


class MemoryBatch:
    """A batch of records; the real one of aiokafka measures it."""

    def __init__(self, bytes_max: int) -> None:
        self._measure = BatchBuilder(bytes_max, NO_COMPRESSION)
        self.records: list[Unwritten] = []

    def append(
        self, *, timestamp: int | None, key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, Any]] = ()
    ) -> object | None:
        """Add a record; return None if the batch has no room for it, or is closed."""
        # As aiokafka's own, it takes a list and nothing else.
        listed: Any = headers or []
        added: object | None = self._measure.append(timestamp=timestamp, key=key, value=value, headers=listed)
        if added is not None:
            self.records.append(_unwritten(timestamp, key, value, headers))
        return added

    def record_count(self) -> int:
        """Return how many records it holds."""
        return len(self.records)

    def size(self) -> int:
        """Return how many bytes it has."""
        return int(self._measure.size())

    def close(self) -> None:
        """Have it take no more."""
        self._measure.close()


class MemoryProducer:
    """Writes to a broker in memory, idempotently: of a partition where a write has failed it takes nothing more."""

    def __init__(
        self, log: MemoryLog, *, max_batch_size: int = BATCH_BYTES, max_request_size: int = REQUEST_BYTES, **_: Any
    ) -> None:
        self._log = log
        self._batch_bytes_max = max_batch_size
        self._record_bytes_max = max_request_size
        self._closed = False
        self._failed: set[TopicPartition] = set()
        self._pending: set[asyncio.Future[RecordMetadata]] = set()
        self.client: Metadata = MemoryMetadata(log)

    async def start(self) -> None:
        """Connect. Errors: KafkaConnectionError."""
        self._log.check_link()

    async def stop(self) -> None:
        """Close. Who still waits for an acknowledgement hears of a timeout, whether the broker has the record or not.

        Idempotent.
        """
        self._closed = True
        await asyncio.sleep(0)  # acknowledgements that are under way arrive
        for future in list(self._pending):
            if not future.done():
                future.set_exception(KafkaTimeoutError())

    def create_batch(self) -> MemoryBatch:
        """Return an empty batch."""
        return MemoryBatch(self._batch_bytes_max)

    async def send_batch(self, batch: MemoryBatch, topic: str, *, partition: int) -> asyncio.Future[RecordMetadata]:
        """Write a batch; return the future of its first record's place. Errors: as for `send`."""
        batch.close()
        return self._write(TopicPartition(topic, partition), batch.records)

    async def send(
        self,
        topic: str,
        value: bytes | None = None,
        key: bytes | None = None,
        partition: int | None = None,
        timestamp_ms: int | None = None,
        headers: Headers | None = None,
    ) -> asyncio.Future[RecordMetadata]:
        """Write a record; return the future of its place.

        Errors: ProducerClosed; UnknownTopicOrPartitionError; MessageSizeTooLargeError; in the future KafkaTimeoutError,
                and OutOfOrderSequenceNumber after a write that failed.
        """
        if partition is None:
            raise TypeError(f"name the partition of {topic}: the memory broker chooses none")
        if len(key or b"") + len(value or b"") > self._record_bytes_max:
            raise MessageSizeTooLargeError(f"the record is over {self._record_bytes_max} bytes")
        return self._write(TopicPartition(topic, partition), [_unwritten(timestamp_ms, key, value, headers or ())])

    async def send_and_wait(
        self,
        topic: str,
        value: bytes | None = None,
        key: bytes | None = None,
        partition: int | None = None,
        timestamp_ms: int | None = None,
        headers: Headers | None = None,
    ) -> RecordMetadata:
        """Write a record; return its place. Errors: as for `send`."""
        return await (await self.send(topic, value, key, partition, timestamp_ms, headers))

    def _write(self, place: TopicPartition, records: Sequence[Unwritten]) -> asyncio.Future[RecordMetadata]:
        if self._closed:
            raise ProducerClosed
        self._log.partition(place)
        if place in self._failed:
            broken: asyncio.Future[RecordMetadata] = asyncio.get_running_loop().create_future()
            broken.set_exception(OutOfOrderSequenceNumber())
            return broken
        future = self._log.write(place, records)
        self._pending.add(future)
        future.add_done_callback(lambda done: self._answered(place, done))
        return future

    def _answered(self, place: TopicPartition, done: asyncio.Future[RecordMetadata]) -> None:
        self._pending.discard(done)
        if not done.cancelled() and done.exception() is not None:
            self._failed.add(place)


class MemoryConsumer:
    """Reads from a broker in memory, without a group: it is assigned partitions, and commits nothing."""

    def __init__(self, log: MemoryLog, *, auto_offset_reset: str = "latest", **_: Any) -> None:
        self._log = log
        self._from_latest = auto_offset_reset == "latest"
        self._positions: dict[TopicPartition, int | None] = {}
        self._highwaters: dict[TopicPartition, int] = {}
        self._paused: set[TopicPartition] = set()
        self._closed = False

    async def start(self) -> None:
        """Connect. Errors: KafkaConnectionError."""
        self._log.check_link()

    async def stop(self) -> None:
        """Close. Idempotent."""
        self._closed = True

    async def topics(self) -> set[str]:
        """Return the names of the topics that there are. Errors: KafkaConnectionError."""
        self._log.check_link()
        return set(self._log.topics())

    def assign(self, partitions: Collection[TopicPartition]) -> None:
        """Read these, and no others."""
        self._positions = dict.fromkeys(partitions)
        self._highwaters = {}
        self._paused = set()

    def assignment(self) -> frozenset[TopicPartition]:
        """Return what is read."""
        return frozenset(self._positions)

    def pause(self, *partitions: TopicPartition) -> None:
        """Return nothing of these until `resume`."""
        self._paused.update(partitions)

    def resume(self, *partitions: TopicPartition) -> None:
        """Return what is in these again."""
        self._paused.difference_update(partitions)

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """Read on from `offset`. Errors: IllegalStateError, if the partition was not assigned."""
        self._check(partition)
        self._positions[partition] = offset

    async def seek_to_beginning(self, *partitions: TopicPartition) -> bool:
        """Read on from the earliest records; of all partitions, if none is named. Errors: as for `position`."""
        for place in partitions or tuple(self._positions):
            self._check(place)
            self._positions[place] = self._log.partition(place).begin
        return True

    async def position(self, partition: TopicPartition) -> int:
        """Return the offset that is read next.

        Errors: IllegalStateError, if the partition was not assigned; UnknownTopicOrPartitionError.
        """
        self._check(partition)
        position = self._positions[partition]
        return self._start(partition) if position is None else position

    async def beginning_offsets(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        """Return where the earliest records are. Errors: KafkaConnectionError, UnknownTopicOrPartitionError."""
        self._log.check_link()
        return {place: self._log.partition(place).begin for place in partitions}

    async def end_offsets(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        """Return where the next records will be. Errors: KafkaConnectionError, UnknownTopicOrPartitionError."""
        self._log.check_link()
        return {place: self._log.partition(place).end for place in partitions}

    def highwater(self, partition: TopicPartition) -> int | None:
        """Return where the partition ended when it was last read; None before that."""
        return self._highwaters.get(partition)

    async def getmany(
        self, *partitions: TopicPartition, timeout_ms: int = 0, max_records: int | None = None
    ) -> Mapping[TopicPartition, list[ConsumerRecord]]:
        """Return what there is, as soon as there is something; nothing after `timeout_ms`, or while the link is cut.

        Errors: ConsumerStoppedError.
        """
        until_s = time.monotonic() + timeout_ms / 1000
        while True:
            if self._closed:
                raise ConsumerStoppedError
            found = self._fetch(partitions or tuple(self._positions), max_records or RECORDS_MAX)
            left_s = until_s - time.monotonic()
            if found or left_s <= 0:
                return found
            await self._log.news(left_s)

    def _fetch(self, places: Collection[TopicPartition], count: int) -> dict[TopicPartition, list[ConsumerRecord]]:
        found: dict[TopicPartition, list[ConsumerRecord]] = {}
        if not self._log.is_reachable:
            return found
        for place in [place for place in places if place not in self._paused]:
            try:
                partition = self._log.partition(place)
            except UnknownTopicOrPartitionError:
                continue  # as the real one, which asks again and again
            position = self._positions[place]
            if position is None or not partition.begin <= position <= partition.end:
                position = self._start(place)
            records = [record for record in partition.records if record.offset >= position][:count]
            # What was deleted in between is passed over, at the end too.
            self._positions[place] = records[-1].offset + 1 if records else position
            self._highwaters[place] = partition.end
            if records:
                found[place] = records
                count -= len(records)
            if count == 0:
                break
        return found

    def _start(self, place: TopicPartition) -> int:
        partition = self._log.partition(place)
        return partition.end if self._from_latest else partition.begin

    def _check(self, partition: TopicPartition) -> None:
        if partition not in self._positions:
            raise IllegalStateError(f"{partition} is not assigned")


class MemoryAdmin:
    """Makes and describes the topics of a broker in memory; answers have the form of aiokafka's."""

    def __init__(self, log: MemoryLog, **_: Any) -> None:
        self._log = log

    async def start(self) -> None:
        """Connect. Errors: KafkaConnectionError."""
        self._log.check_link()

    async def close(self) -> None:
        """Close. Idempotent."""

    async def describe_cluster(self) -> dict[str, Any]:
        """Return the brokers that there are: one."""
        self._log.check_link()
        return {"brokers": [{"node_id": 0}]}

    async def find_coordinator(self, group_id: str) -> int:
        """Return the broker that serves a group."""
        del group_id
        self._log.check_link()
        return 0

    async def describe_topics(self, topics: Sequence[str] | None = None) -> list[dict[str, Any]]:
        """Return the partitions and leaders of topics, of all that there are if none is named."""
        self._log.check_link()
        present = self._log.topics()
        return [
            {
                "topic": name,
                "error_code": 0 if name in present else UNKNOWN_TOPIC,
                "partitions": [{"partition": number, "leader": 0} for number in range(present.get(name, 0))],
            }
            for name in (present if topics is None else topics)
        ]

    async def describe_configs(self, config_resources: Sequence[Any]) -> list[Any]:
        """Return what topics were made with."""
        self._log.check_link()
        found = [
            {
                "resource_name": resource.name,
                "config_entries": [
                    {"config_names": key, "config_value": value, "config_source": SET_ON_TOPIC}
                    for key, value in self._log.configs(resource.name).items()
                ],
            }
            for resource in config_resources
        ]
        return [SimpleNamespace(to_object=lambda: {"resources": found})]

    async def create_topics(self, new_topics: Sequence[Any], *, validate_only: bool = False) -> Any:
        """Make topics; those that are there stay as they are."""
        self._log.check_link()
        errors = []
        for topic in new_topics:
            exists = topic.name in self._log.topics()
            if not (exists or validate_only):
                self._log.create_topic(topic.name, topic.num_partitions, topic.topic_configs)
            errors.append((topic.name, ALREADY_EXISTS if exists else 0, None))
        return SimpleNamespace(topic_errors=errors)

    async def delete_topics(self, topics: Sequence[str]) -> Any:
        """Delete topics with all that is in them."""
        self._log.check_link()
        codes = []
        for name in topics:
            exists = name in self._log.topics()
            if exists:
                self._log.delete_topic(name)
            codes.append((name, 0 if exists else UNKNOWN_TOPIC))
        return SimpleNamespace(topic_error_codes=codes)

    async def ask(self, request: Any) -> Any:
        """Answer a request about rights, users or quotas."""
        self._log.check_link()
        return self._log.access.answer(request)


def _unwritten(timestamp: int | None, key: bytes | None, value: bytes | None, headers: Headers) -> Unwritten:
    return Unwritten(int(time.time() * 1000) if timestamp is None else timestamp, key, value, tuple(headers))
