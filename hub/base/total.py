"""The one reader of Kafka at both ends: it is total, whatever bytes a broker hands out, and bounded by bytes.

Whoever may write a topic writes what he likes, and aiokafka's own reader raises at some of it, on every poll: one batch
would end every reader of its topic. It also unpacks whatever is packed. `read_totally` puts these in the places of
aiokafka's own, which offers no setting:

    Fetched   the bytes of one partition in one fetch
    Records   looks at each batch before it is unpacked (hub/protocol/batch.py), and makes the records one by one. A
              batch that can't be read, or is over a limit, becomes one record that nobody can write, an UnreadableBatch
    Result    hands records out until the poll has enough of them, by bytes as well as by number
    Fetcher   gives each poll its bytes; the partition that used them up waits behind all others

HQ's intake puts an UnreadableBatch into quarantine. Every other reader never sees one: `TotalConsumer` passes over it,
counts it and says so. A wrong checksum is the disk's or the wire's doing: it is fetched again, and read as unreadable
when it comes a third time.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.consumer import consumer, fetcher
from aiokafka.record.default_records import DefaultRecordBatch
from aiokafka.record.util import calc_crc32c
from aiokafka.structs import ConsumerRecord

from hub.base.seldom import Seldom
from hub.protocol.batch import (
    APPENDED,
    CHECKED_AT,
    CODEC_MASK,
    GZIP,
    HEAD,
    KEPT_BYTES_MAX,
    Frame,
    Head,
    Unpackable,
    UnreadableBatch,
    frames,
    read_patiently,
    unpacked,
)
from hub.protocol.limits import KAFKA_BYTES_MAX

POLL_WEIGHT_MAX: Final = 16 << 20  # one poll of one consumer ends at it: about that many bytes of memory
RECORD_WEIGHT: Final = 400  # of a record's objects in memory, beside its own bytes
HEADER_WEIGHT: Final = 150
FETCH_BYTES_MAX: Final = 16 << 20  # of one answer of a broker; of one partition in it 1 MiB, or a single larger batch
READS_MAX: Final = 3  # of a batch with a wrong checksum
CORRUPT_MAX: Final = 256
ASKED_S: Final = 1.0  # so long what was fetched of a partition is thought to be used up soon

log = structlog.get_logger(__name__)


def read_totally() -> None:
    """Make aiokafka's consumers in this process read by what is here. Safe to call again."""
    fetcher.MemoryRecords = Fetched
    fetcher.PartitionRecords = Records
    fetcher.FetchResult = Result
    consumer.Fetcher = Fetcher


class Allowance:
    """What one poll may still hand out, by weight: about as many bytes of memory."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = POLL_WEIGHT_MAX

    def renew(self) -> None:
        """Begin a poll."""
        self.left = POLL_WEIGHT_MAX


class Weighed(list[Any]):
    """Records of one partition, and what they weigh in memory."""

    weight = 0


class Fetched:
    """The bytes of one partition in one fetch."""

    __slots__ = ("data",)

    def __init__(self, data: bytes | None) -> None:
        self.data = data or b""

    def has_next(self) -> bool:
        """Return whether there is anything to read."""
        return bool(self.data)

    def size_in_bytes(self) -> int:
        """Return how much there is."""
        return len(self.data)


class _Corrupt:
    """How often which batch came with a wrong checksum. Of the fetches of all consumers of this process."""

    def __init__(self) -> None:
        self._reads: OrderedDict[tuple[str, int, int], int] = OrderedDict()

    def again(self, place: TopicPartition, offset: int) -> bool:
        """Count one more; return whether it is worth while to fetch it again."""
        key = (place.topic, place.partition, offset)
        reads = self._reads[key] = self._reads.pop(key, 0) + 1
        if reads >= READS_MAX:
            self._reads.pop(key, None)
        while len(self._reads) > CORRUPT_MAX:
            self._reads.popitem(last=False)
        return reads < READS_MAX


CORRUPT: Final = _Corrupt()


class Records(fetcher.PartitionRecords):  # type: ignore[misc]
    """The records of one partition in one fetch, read as they are asked for. `weight` grows with each."""

    weight = 0
    next_fetch_offset: int

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self._isolation_level == fetcher.READ_COMMITTED:
            raise NotImplementedError("transactions that were aborted are read as all others are")

    def _unpack_records(self) -> Iterator[ConsumerRecord[bytes, bytes]]:
        for frame in frames(self._records.data):
            if frame.last < self.next_fetch_offset and frame.is_whole:
                continue  # it came because its end was asked for once, and is passed
            head = frame.head
            if not self._is_intact(frame):
                if CORRUPT.again(self._tp, self.next_fetch_offset):
                    return  # with the position where it is: the next fetch brings it again
                yield self._unreadable(frame, "its checksum is wrong: the disk's or the wire's doing", len(frame.data))
                continue
            if head is None:
                yield self._unreadable(frame, "it is of a format older than Kafka 0.11, or of none", len(frame.data))
            elif not head.is_control and (head.records or len(frame.data) > HEAD.size):
                yield from self._read(frame, head)
            self.next_fetch_offset = max(self.next_fetch_offset, frame.last + 1)

    @staticmethod
    def _is_intact(frame: Frame) -> bool:
        head = frame.head
        if head is None:
            return frame.is_whole
        return head.last_delta >= 0 and calc_crc32c(frame.data[CHECKED_AT:]) == head.checksum

    def _read(self, frame: Frame, head: Head) -> Iterator[ConsumerRecord[bytes, bytes]]:
        try:
            data = unpacked(frame.data, head)
        except Unpackable as exc:
            packed = head.attributes & CODEC_MASK == GZIP
            yield self._unreadable(frame, str(exc), KAFKA_BYTES_MAX if packed else len(frame.data))
            return
        # Whoever iterates skips offsets that he has passed, so a second reader may begin at the batch's start.
        try:
            yield from self._one_by_one(frame, DefaultRecordBatch(data), len(data), head)
        except Exception as exc:  # noqa: BLE001 - whatever a stranger's bytes make aiokafka's reader raise
            log.debug("batch_read_again_with_patience", topic=self._tp.topic, offset=frame.first, reason=repr(exc))
        else:
            return
        try:
            yield from self._one_by_one(frame, read_patiently(data, head), len(data), head)
        except Unpackable as exc:
            yield self._unreadable(frame, str(exc), len(data))

    def _one_by_one(self, frame: Frame, records: Any, size: int, head: Head) -> Iterator[ConsumerRecord[bytes, bytes]]:
        topic, partition = self._tp
        timestamp_type = 1 if head.attributes & APPENDED else 0
        each, last = size // max(head.records, 1) + RECORD_WEIGHT, frame.last
        for record in records:
            offset = record.offset
            if offset < self.next_fetch_offset:
                continue
            if offset > last:
                raise Unpackable(f"a record of offset {offset} in a batch that ends at {last}")
            key, value, headers = record.key, record.value, tuple(record.headers)
            self.weight += each + HEADER_WEIGHT * len(headers)
            self.next_fetch_offset = offset + 1
            yield ConsumerRecord(
                topic,
                partition,
                offset,
                record.timestamp,
                timestamp_type,
                key,
                value,
                None,
                -1 if key is None else len(key),
                -1 if value is None else len(value),
                headers,
            )

    def _unreadable(self, frame: Frame, why: str, work: int) -> ConsumerRecord[bytes, bytes]:
        """Return the one record that stands for a batch; it weighs as much as was unpacked for it."""
        head, first = frame.head, self.next_fetch_offset
        # What the checksum does not vouch for is believed where it can be: a wrong end would lead out of the topic.
        is_sound = (frame.is_whole and frame.last - frame.first <= len(frame.data)) or self._is_intact(frame)
        last = max(frame.last, first) if is_sound else first
        self.weight += work + KEPT_BYTES_MAX + RECORD_WEIGHT
        self.next_fetch_offset = last + 1
        value = UnreadableBatch.of(frame.data, first, last, why)
        timestamp, kind = (head.max_timestamp, int(bool(head.attributes & APPENDED))) if head is not None else (-1, 0)
        topic, partition = self._tp
        return ConsumerRecord(topic, partition, last, timestamp, kind, None, value, None, -1, len(value), ())


class Result(fetcher.FetchResult):  # type: ignore[misc]
    """What one fetch brought of one partition, handed out a poll's share at a time."""

    _partition_records: Records | None
    allowance: Allowance | None = None  # of the consumer that it belongs to

    def getall(self, max_records: int | None = None) -> list[Any]:
        """Return records until there are `max_records`, or as many as the poll may have by weight."""
        found = Weighed()
        place, allowance = self._topic_partition, self.allowance or Allowance()
        records = self._partition_records
        if records is None or allowance.left <= 0 or not self.check_assignment(place):
            return found
        begun: int = records.weight
        until = begun + allowance.left
        for record in records:
            found.append(record)
            if len(found) == max_records or records.weight >= until:
                break
        else:
            self._partition_records = None
        self._assignment.state_value(place).consumed_to(records.next_fetch_offset)
        found.weight = records.weight - begun
        allowance.left -= found.weight
        return found


class Held(OrderedDict[TopicPartition, Any]):
    """What was fetched and not handed out yet: each tells the allowance of its consumer."""

    def __init__(self, allowance: Allowance) -> None:
        super().__init__()
        self._allowance = allowance

    def __setitem__(self, place: TopicPartition, result: Any) -> None:
        result.allowance = self._allowance
        super().__setitem__(place, result)


class Fetcher(fetcher.Fetcher):  # type: ignore[misc]
    """Fetches, and gives each poll an allowance of bytes."""

    _fetch_max_wait_ms: int

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._allowance = Allowance()
        self._records = Held(self._allowance)
        self._wait_ms = self._wait_beside_ms = self._fetch_max_wait_ms
        self._asked: dict[TopicPartition, float] = {}  # when records of a partition were last asked for
        self._polls = 0
        self._handed_out: dict[TopicPartition, int] = {}  # the poll that a partition last had records in

    def ask_beside(self, after_s: float, wait_ms: int) -> None:
        """Ask for other partitions soon, and shortly, while what was fetched of one lies here.

        aiokafka leaves them alone for 0.1 s, and has one request under way at most: a long one for idle partitions
        holds up the one with much. Short ones cost requests, which a broker that is near does not mind.
        """
        self._prefetch_backoff, self._wait_beside_ms = after_s, wait_ms

    def _get_actions_per_node(self, assignment: Any) -> Any:
        # What nobody asks for lies here as long as its partition is paused: nobody waits until it is used up.
        since_s = time.monotonic() - ASKED_S
        is_used = any(self._asked.get(place, 0.0) > since_s for place in self._records)
        self._fetch_max_wait_ms = self._wait_beside_ms if is_used else self._wait_ms
        return super()._get_actions_per_node(assignment)

    async def fetched_records(
        self,
        partitions: Any,
        timeout: float = 0,  # noqa: ASYNC109 - aiokafka's signature
        max_records: int | None = None,
    ) -> dict[TopicPartition, Weighed]:
        """Return records that were fetched, first those of the partition that has handed out none for longest.

        Shapes: `partitions` may be a mapping; then they come in the order of what it has for each.
        """
        self._allowance.renew()
        self._asked.update(dict.fromkeys(partitions or self._records, time.monotonic()))
        ranks = partitions if isinstance(partitions, Mapping) else {}
        for place in sorted(self._records, key=lambda each: (ranks.get(each, ()), self._handed_out.get(each, 0))):
            self._records.move_to_end(place)
        found: dict[TopicPartition, Weighed] = await super().fetched_records(partitions, timeout, max_records)
        self._polls += 1
        self._handed_out.update(dict.fromkeys(found, self._polls))
        return found


class TotalConsumer(AIOKafkaConsumer):  # type: ignore[misc]
    """A consumer that passes over batches that can't be read. It counts them, and says so, once a minute at most."""

    def __init__(self, *topics: str, **settings: Any) -> None:
        read_totally()
        super().__init__(*topics, **{"fetch_max_bytes": FETCH_BYTES_MAX, **settings})
        self._seldom = Seldom(log)

    @property
    def client(self) -> Any:
        """What it asks the cluster with, as a producer has it."""
        return self._client

    async def getmany(
        self, *partitions: TopicPartition, timeout_ms: int = 0, max_records: int | None = None
    ) -> Mapping[TopicPartition, Sequence[ConsumerRecord[bytes, bytes]]]:
        """Return what there is, as soon as there is something; nothing where only unreadable batches came."""
        fetched = await super().getmany(*partitions, timeout_ms=timeout_ms, max_records=max_records)
        found = {}
        for place, records in fetched.items():
            good = [record for record in records if type(record.value) is not UnreadableBatch]
            if len(good) < len(records):
                bad = [record.value.detail for record in records if type(record.value) is UnreadableBatch]
                self._seldom.warning("batches_passed_over", topic=place.topic, times=len(bad), last=bad[-1])
            if good:
                found[place] = good
        return found
