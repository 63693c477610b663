"""What a Kafka broker keeps, in memory: topics, partitions, records; and the faults that it was told to have.

Time is not waited for: what the real client says after its timeouts is said here at once, and nothing is tried again by
itself. All that a client can be told to its disadvantage happens on command:

    fail(REFUSED)   a write is lost, and its writer is told that it failed
    fail(APPLIED)   a write is done, and its writer is told that it failed: the two look the same
    hold, release   writes are done, and their writers are told nothing until `release`
    forbid, allow   a topic may not be written to
    cut, mend       the broker can't be reached: what waits for an answer fails, what was written is there
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.errors import (
    KafkaConnectionError,
    KafkaTimeoutError,
    TopicAlreadyExistsError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
)
from aiokafka.structs import RecordMetadata

from hub.base.faulty import Fault, Faults
from hub.kafka.memory_access import MemoryAccess

APPEND_TIME: Final = {"message.timestamp.type": "LogAppendTime"}  # the config of a topic that carries our clock


@dataclass(frozen=True, slots=True)
class Unwritten:
    """A record on its way. Units: timestamp is in milliseconds."""

    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]


@dataclass(slots=True)
class Partition:
    """The records of one partition; `end` is the next one's offset, `begin` the earliest that is still there."""

    by_append: bool
    begin: int = 0
    end: int = 0
    records: list[ConsumerRecord] = field(default_factory=list)


class MemoryLog:
    """Topics and their records, for the clients of one event loop. Units: clock tells seconds since 1970."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._topics: dict[str, list[Partition]] = {}
        self._configs: dict[str, dict[str, str]] = {}
        self._faults = Faults()
        self._unanswered: list[tuple[asyncio.Future[RecordMetadata], RecordMetadata]] = []
        self._is_holding = False
        self._news: set[asyncio.Future[None]] = set()
        self._forbidden: set[str] = set()
        self.is_reachable = True
        self.access = MemoryAccess()

    @property
    def writes(self) -> int:
        """How many durable writes were tried: of a batch of records to one partition each."""
        return self._faults.writes

    def create_topic(self, name: str, partitions: int = 1, configs: Mapping[str, str] | None = None) -> None:
        """Make a topic. Configs are Kafka's; `message.timestamp.type` is obeyed.

        Errors: TopicAlreadyExistsError.
        """
        if name in self._topics:
            raise TopicAlreadyExistsError(name)
        own = dict(configs or {})
        by_append = APPEND_TIME.items() <= own.items()
        self._topics[name] = [Partition(by_append) for _ in range(partitions)]
        self._configs[name] = own

    def delete_topic(self, name: str) -> None:
        """Forget a topic and all that is in it."""
        del self._topics[name], self._configs[name]

    def topics(self) -> dict[str, int]:
        """Return the topics that there are, with the number of their partitions."""
        return {name: len(partitions) for name, partitions in self._topics.items()}

    def configs(self, topic: str) -> dict[str, str]:
        """Return what a topic was made with."""
        return dict(self._configs[topic])

    def records(self, topic: str, partition: int = 0) -> list[ConsumerRecord]:
        """Return all that is in a partition."""
        return list(self._topics[topic][partition].records)

    def forget(self, topic: str, partition: int = 0, *, before: int) -> None:
        """Delete the records before an offset, as retention does."""
        place = self._topics[topic][partition]
        place.begin = max(place.begin, min(before, place.end))
        place.records = [record for record in place.records if record.offset >= place.begin]

    def cut_off(self, topic: str, partition: int = 0, *, end: int) -> None:
        """Lose the records from an offset on, as a broker does that went back to an older copy."""
        place = self._topics[topic][partition]
        place.records = [record for record in place.records if record.offset < end]
        place.end = min(place.end, end)

    def fail(self, fault: Fault, nth: int = 1, *, topic: str | None = None) -> None:
        """Have the `nth` durable write from now fail, counting those of `topic` only if one is named."""
        self._faults.plan(fault, nth, topic)

    def hold(self) -> None:
        """Keep back every acknowledgement until `release`: the writes themselves are done."""
        self._is_holding = True

    def release(self) -> None:
        """Send the acknowledgements that were kept back, in their order."""
        self._is_holding = False
        held, self._unanswered = self._unanswered, []
        for future, metadata in held:
            _settle(future, metadata)

    def cut(self) -> None:
        """Lose the link: who waits for an acknowledgement hears of a timeout, and nobody can connect or write."""
        self.is_reachable = False
        held, self._unanswered = self._unanswered, []
        for future, _ in held:
            _settle(future, KafkaTimeoutError())

    def mend(self) -> None:
        """Have the link back."""
        self.is_reachable = True
        self._tell()

    def forbid(self, topic: str) -> None:
        """Take everybody's right to write to a topic, until `allow`. Who writes does not see it any more either."""
        self._forbidden.add(topic)

    def allow(self, topic: str) -> None:
        """Give the right to write back. A producer that was refused stays refused: a new one writes."""
        self._forbidden.discard(topic)

    def may_write(self, topic: str) -> bool:
        """Return whether anybody may write to a topic."""
        return topic not in self._forbidden

    def check_link(self) -> None:
        """Return if the broker can be reached. Errors: KafkaConnectionError."""
        if not self.is_reachable:
            raise KafkaConnectionError("the broker can't be reached")

    def partition(self, place: TopicPartition) -> Partition:
        """Return one partition. Errors: UnknownTopicOrPartitionError."""
        partitions, number = self._topics.get(place.topic, []), int(place.partition)
        if not 0 <= number < len(partitions):
            raise UnknownTopicOrPartitionError(f"{place.topic}/{number}")
        return partitions[number]

    def write(self, place: TopicPartition, records: Sequence[Unwritten]) -> asyncio.Future[RecordMetadata]:
        """Write records together; return the future of the first one's place.

        Errors: in the future: KafkaTimeoutError, for a link that is cut and for every fault;
            TopicAuthorizationFailedError where it is forbidden.
        """
        answer: asyncio.Future[RecordMetadata] = asyncio.get_running_loop().create_future()
        if not self.is_reachable:
            _settle_soon(answer, KafkaTimeoutError())
            return answer
        if not self.may_write(place.topic):
            _settle_soon(answer, TopicAuthorizationFailedError(place.topic))
            return answer
        fault = self._faults.next(place.topic)
        if fault is Fault.REFUSED:
            _settle_soon(answer, KafkaTimeoutError())
            return answer
        metadata = self._append(place, records)
        if fault is Fault.APPLIED:
            _settle_soon(answer, KafkaTimeoutError())
        elif self._is_holding:
            self._unanswered.append((answer, metadata))
        else:
            _settle_soon(answer, metadata)
        return answer

    def _append(self, place: TopicPartition, records: Sequence[Unwritten]) -> RecordMetadata:
        partition, first = self.partition(place), self.partition(place).end
        now_ms, kind = int(self._clock() * 1000), int(partition.by_append)
        for offset, record in enumerate(records, first):
            partition.records.append(
                ConsumerRecord(
                    topic=place.topic,
                    partition=place.partition,
                    offset=offset,
                    timestamp=now_ms if kind else record.timestamp,
                    timestamp_type=kind,
                    key=record.key,
                    value=record.value,
                    checksum=None,
                    serialized_key_size=-1 if record.key is None else len(record.key),
                    serialized_value_size=-1 if record.value is None else len(record.value),
                    headers=record.headers,
                )
            )
        partition.end = first + len(records)
        self._tell()
        timestamp = now_ms if kind else records[0].timestamp
        return RecordMetadata(place.topic, place.partition, place, first, timestamp, kind, partition.begin)

    async def news(self, timeout_s: float) -> None:
        """Return when something was written, the link is back, or the time is over."""
        told: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._news.add(told)
        try:
            await asyncio.wait([told], timeout=timeout_s)
        finally:
            self._news.discard(told)

    def _tell(self) -> None:
        for told in self._news:
            if not told.done():
                told.set_result(None)


def _settle_soon(future: asyncio.Future[RecordMetadata], result: RecordMetadata | BaseException) -> None:
    # Never before the writer has its future in hand: an answer from the network does not come so fast either.
    future.get_loop().call_soon(_settle, future, result)


def _settle(future: asyncio.Future[RecordMetadata], result: RecordMetadata | BaseException) -> None:
    if future.done():
        return
    if isinstance(result, BaseException):
        future.set_exception(result)
    else:
        future.set_result(result)
