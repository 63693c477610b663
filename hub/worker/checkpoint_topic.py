"""The topic `hub.checkpoints`: what HQ has said of its log, read back and written, and what it says again."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import structlog
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from hub.base.clients import close, closing
from hub.base.kafka import Consumer, Producer, Record
from hub.base.reason import reason_of
from hub.base.seldom import Seldom
from hub.hq.identity import Identity
from hub.hq.lane import OwnLane
from hub.kafka.cluster import Cluster
from hub.kafka.topics import ensure_topics, log_topics
from hub.ledger.notary import Stored, record_of, signed_by_hq, size_of
from hub.ledger.publication import Outbound
from hub.protocol.errors import Malformed, Retriable
from hub.protocol.topics import CHECKPOINTS
from hub.protocol.witness import log_origin
from hub.store.rows import UNREADABLE
from hub.store.store import Damaged, Store
from hub.worker.owing import lent_logs

DEADLINE_S: Final = 20.0
REQUEST_TIMEOUT_S: Final = 10.0
WHOLE_S: Final = 600.0  # for all of the topic, which after a restore is read once
LOOK_BACK: Final = 64  # offsets
BEYOND_MAX: Final = 100_000  # records of about 4 kB
BYTES_MAX: Final = 256 * 1024  # twice what a checkpoint with all its leaves is
HEADERS_MAX: Final = 16

Said = tuple[bytes, Sequence[tuple[str, bytes | None]]]  # value, headers

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Window:
    """Records that follow one another on the topic, in order; `start` is the offset where it begins.

    Compaction leaves holes: there may be fewer records than offsets, or none. `is_first`: before it there is nothing.
    """

    records: list[Said]
    start: int
    is_first: bool


class Mark(NamedTuple):
    """Up to where the topic was read: its last record then, which tells whether it is the same topic still."""

    offset: int
    at_ms: int
    said: int  # the value's hash, in this process

    @classmethod
    def of(cls, record: Record) -> Mark:
        """Return the mark behind a record."""
        return cls(record.offset, record.timestamp, hash(bytes(record.value or b"")))


class OwnCheckpoints:
    """What HQ says of its log, for whoever says it again. Errors: Retriable of the store; Fatal as of OwnLane."""

    def __init__(self, store: Store, lane: OwnLane, identity: Identity) -> None:
        self._store = store
        self._lane = lane
        self._identity = identity
        self._seldom = Seldom(log)

    async def records(self, pages: Iterable[tuple[int, int]]) -> list[tuple[int, Outbound | None]]:
        """Return so many checkpoints at most behind each of these sizes: size and record, None of one that was edited.

        Nothing of the log is said while the notary stands still, because the log went back or its rows can't be read:
        `hub log status` says why.
        """
        try:
            if await self._store.log.rolled_back(await self._lane.witnesses()) is not None:
                return []
            found = [one for after, limit in pages for one in await self._store.log.stored(after, limit)]
            return [(one.size, record_of(one) if await self._is_ours(one) else None) for one in found]
        except (*UNREADABLE, Malformed, Damaged) as exc:
            self._seldom.warning("checkpoints_not_said", topic=CHECKPOINTS, error=str(exc))
            return []

    async def _is_ours(self, stored: Stored) -> bool:
        """Return whether HQ has signed what the rows have: what somebody put there would displace HQ's own record."""
        said = signed_by_hq(stored.note, log_origin(self._identity.hub), self._identity.logs())
        if said is not None and said.size == stored.size and said.root == await self._store.log.root(stored.size):
            return True
        error = f"the checkpoint of size {stored.size} is not as HQ signed it: `hub audit verify` says more"
        self._seldom.warning("checkpoints_not_said", topic=CHECKPOINTS, error=error)
        return False


class CheckpointTopic:
    """Reads and writes the checkpoints of one hub. Errors of Kafka come out as Retriable."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._producer: Producer | None = None

    async def ensure(self) -> None:
        """Make the topic where it is missing. Errors: Retriable, UsageError, Fatal as `ensure_topics`."""
        await ensure_topics(self._cluster, log_topics())

    async def first(self) -> Said | None:
        """Return the earliest record, None in an empty topic. Errors: Retriable."""
        async with self._reading() as (consumer, place, begin, end):
            consumer.seek(place, begin)
            found = await _read(consumer, place, end, 1)
            return found[0] if found else None

    async def before(self, end: int | None = None, count: int = LOOK_BACK) -> Window:
        """Return what stands at the `count` offsets before `end`, or before the topic's end. Errors: Retriable."""
        async with self._reading() as (consumer, place, begin, now):
            upto = now if end is None else min(end, now)
            start = max(begin, upto - count)
            consumer.seek(place, start)
            return Window(await _read(consumer, place, upto, None), start, start == begin)

    async def beyond(self, size: int, behind: Mark | None = None) -> tuple[list[Said], Mark | None]:
        """Return what speaks of a larger checkpoint behind a mark, and the mark up to which was read now.

        Without a mark the topic is read from its first record; so it is where it was made anew since. Nobody has
        verified any of them. Of strangers' records the newest `BEYOND_MAX` are kept. Errors: Retriable.
        """
        async with self._reading(WHOLE_S) as (consumer, place, begin, end):
            found, mark = deque[Said](maxlen=BEYOND_MAX), behind if behind and behind.offset < end else None
            consumer.seek(place, max(begin, mark.offset) if mark else begin)
            while await consumer.position(place) < end:
                async with asyncio.timeout(DEADLINE_S):
                    records = (await consumer.getmany(place, timeout_ms=500)).get(place, ())
                for record in records:
                    if mark is not None and record.offset == mark.offset:
                        if Mark.of(record) == mark:
                            continue
                        mark = None  # it was made anew
                        consumer.seek(place, begin)
                        break
                    if record.offset < end:
                        said, mark = _said(record), Mark.of(record)
                        if (size_of(said[0]) or 0) > size:
                            found.append(said)
            return list(found), mark

    async def lent(self, centers: Sequence[str]) -> list[bytes]:
        """Return what these centers have lent lately of HQ's log, on their own topics. Errors: Retriable."""
        return await lent_logs(self._cluster, centers)

    async def publish(self, checkpoints: Sequence[Stored]) -> None:
        """Write checkpoints in this order, and wait until the broker has them all. Errors: Retriable."""
        with _translated(self._cluster):
            async with asyncio.timeout(DEADLINE_S):
                producer = await self._started()
                futures = []
                for checkpoint in checkpoints:
                    key, value, headers = record_of(checkpoint)
                    futures.append(await producer.send(CHECKPOINTS, value, key=key, partition=0, headers=headers))
                await asyncio.gather(*futures)

    async def close(self) -> None:
        """Drop the producer; the next `publish` makes another. One that was refused once fails for ever."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await close(producer)

    async def _started(self) -> Producer:
        if self._producer is None:
            self._producer = await self._cluster.producer(
                "cohub-notary", deadline_s=REQUEST_TIMEOUT_S, request_timeout_ms=int(REQUEST_TIMEOUT_S * 1000)
            )
        return self._producer

    @contextlib.asynccontextmanager
    async def _reading(
        self, deadline_s: float = DEADLINE_S
    ) -> AsyncIterator[tuple[Consumer, TopicPartition, int, int]]:
        made = await self._cluster.consumer("cohub-notary", deadline_s=REQUEST_TIMEOUT_S)
        async with closing(made) as consumer:
            with _translated(self._cluster):
                async with asyncio.timeout(deadline_s):
                    if CHECKPOINTS not in await consumer.topics():  # a consumer that is given a missing one spins
                        raise Retriable(f"{CHECKPOINTS} at {self._cluster.bootstrap}: there is no such topic")
                    place = TopicPartition(CHECKPOINTS, 0)
                    consumer.assign([place])
                    begin = (await consumer.beginning_offsets([place]))[place]
                    end = (await consumer.end_offsets([place]))[place]
                    yield consumer, place, begin, end


async def _read(consumer: Consumer, place: TopicPartition, end: int, count: int | None) -> list[Said]:
    """Return the records before offset `end` from the consumer's position on, `count` of them at most."""
    found: list[Said] = []
    while await consumer.position(place) < end and (count is None or len(found) < count):
        records = (await consumer.getmany(place, timeout_ms=500, max_records=count)).get(place, ())
        found += (_said(record) for record in records if record.offset < end)
    return found


def _said(record: Record) -> Said:
    """Return what a record says: nothing, where it is larger than any checkpoint of ours, so that few are kept."""
    value, headers = bytes(record.value or b""), list(record.headers)
    if (
        len(headers) > HEADERS_MAX
        or len(value) + sum(len(name) + len(held or b"") for name, held in headers) > BYTES_MAX
    ):
        return b"", []
    return value, headers


@contextlib.contextmanager
def _translated(cluster: Cluster) -> Iterator[None]:
    try:
        yield
    except (KafkaError, TimeoutError, OSError) as exc:
        raise Retriable(f"{CHECKPOINTS} at {cluster.bootstrap}: {reason_of(exc)}") from exc
