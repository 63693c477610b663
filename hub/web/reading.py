"""Reading for centers: one consumer for each partition that a center follows, held open between its requests.

It is total, as every reader of ours: batches that nobody can read are passed over, and `next` is behind them. Its
client id is the center's, so that Kafka's quota holds.
"""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import structlog
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from hub.base.clients import close, close_all
from hub.base.kafka import Consumer, Record
from hub.base.seldom import Seldom
from hub.kafka.cluster import Cluster
from hub.protocol.errors import Retriable, UsageError
from hub.protocol.problem import Problem, ProblemCode
from hub.web.writing import AWAY_S, OPEN_S

IDLE_S: Final = 90.0  # longer than a poll, with the time between two
READERS_A_CENTER: Final = 12
SLICE_S: Final = 0.25  # so soon a wait ends that has to
ASK_S: Final = 10.0
RECORDS_A_POLL: Final = 64
RECORD_OVERHEAD_BYTES: Final = 100
FETCH_WAIT_MS: Final = 1000

log = structlog.get_logger(__name__)


class Page(NamedTuple):
    """What one request reads. `next` is the offset to go on at."""

    records: list[Record]
    begin: int
    end: int
    next: int

    def document(self) -> dict[str, Any]:
        """Return what is sent."""
        return {
            "records": [_document(record) for record in self.records],
            "begin": self.begin,
            "end": self.end,
            "next": self.next,
        }


@dataclass(slots=True)
class _Reader:
    """The consumer of one partition for one center. `turn` guards it; who wants it next sets `wanted`."""

    place: TopicPartition
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    wanted: int = 0
    consumer: Consumer | None = None
    used_at: float = 0.0


class Readers:
    """The consumers of all centers that read. Made and used in one event loop; `clock` is monotonic.

    `stopping` is set when no request may wait any longer.
    """

    def __init__(self, cluster: Cluster, stopping: asyncio.Event, clock: Callable[[], float] = time.monotonic) -> None:
        self._cluster = cluster
        self._stopping = stopping
        self._clock = clock
        self._readers: dict[str, dict[TopicPartition, _Reader]] = {}
        self._seldom = Seldom(log)
        self.waiting = 0  # requests that wait for records

    async def read(self, center: str, place: TopicPartition, offset: int, wait_s: float, bytes_max: int) -> Page:
        """Return what there is from `offset` on, as soon as there is something; nothing after `wait_s`.

        Errors: Problem of OFFSET, TOO_MUCH or AWAY.
        """
        async with self._taken(center, place) as reader:
            consumer = await self._opened(reader, center)
            return await self._page(reader, consumer, offset, wait_s, bytes_max)

    async def ends(self, center: str, place: TopicPartition) -> tuple[int, int]:
        """Return where a partition begins and ends. Errors: Problem of TOO_MUCH or AWAY."""
        async with self._taken(center, place) as reader:
            return await _ends(await self._opened(reader, center), place)

    @asynccontextmanager
    async def _taken(self, center: str, place: TopicPartition) -> AsyncIterator[_Reader]:
        """Yield the reader of a partition when it is our turn; it is closed when its broker fails."""
        reader = self._reader(center, place)
        reader.wanted += 1
        try:
            async with reader.turn:
                try:
                    yield reader
                except (KafkaError, Retriable, UsageError, TimeoutError, OSError) as exc:
                    await _close(reader)
                    self._seldom.warning("kafka_away", topic=place.topic, reason=str(exc) or type(exc).__name__)
                    why = f"{place.topic}: {type(exc).__name__}"
                    raise Problem(ProblemCode.AWAY, why, retry_after_s=AWAY_S) from exc
        finally:
            reader.wanted -= 1
            reader.used_at = self._clock()

    async def close_idle(self) -> None:
        """Close the consumers that nobody has used for long."""
        before = self._clock() - IDLE_S
        for center, own in list(self._readers.items()):
            for place, reader in list(own.items()):
                if not reader.wanted and reader.used_at < before:
                    del own[place]
                    await _close(reader)
            if not own:
                self._readers.pop(center, None)

    async def close(self) -> None:
        """Close all of them."""
        readers = [reader for own in self._readers.values() for reader in own.values()]
        consumers = [reader.consumer for reader in readers]
        self._readers = {}
        for reader in readers:
            reader.consumer = None
        await close_all(consumers)

    def _reader(self, center: str, place: TopicPartition) -> _Reader:
        own = self._readers.setdefault(center, {})
        reader = own.get(place)
        if reader is None:
            if len(own) >= READERS_A_CENTER:
                raise Problem(
                    ProblemCode.TOO_MUCH, f"{READERS_A_CENTER} partitions are read for this center", retry_after_s=30
                )
            reader = own[place] = _Reader(place)
        return reader

    async def _opened(self, reader: _Reader, center: str) -> Consumer:
        if reader.consumer is not None:
            return reader.consumer
        consumer = await self._cluster.consumer(center, deadline_s=OPEN_S, fetch_max_wait_ms=FETCH_WAIT_MS)
        try:
            async with asyncio.timeout(ASK_S):
                known = await consumer.topics()
        except BaseException:
            await close(consumer)
            raise
        if reader.place.topic not in known:  # to read from it would wait for it
            await close(consumer)
            raise Problem(ProblemCode.AWAY, f"{reader.place.topic} is not there yet", retry_after_s=AWAY_S)
        consumer.assign([reader.place])
        reader.consumer = consumer
        return consumer

    async def _page(self, reader: _Reader, consumer: Consumer, offset: int, wait_s: float, bytes_max: int) -> Page:
        place, loop = reader.place, asyncio.get_running_loop()
        begin, end = await _ends(consumer, place)
        if not begin <= offset <= end:
            raise Problem(
                ProblemCode.OFFSET, f"expected an offset of {begin} to {end}, got {offset}", begin=begin, end=end
            )
        if await _position(consumer, place) != offset:
            consumer.seek(place, offset)
        records: list[Record] = []
        size, until_s = 0, loop.time() + wait_s
        self.waiting += 1
        try:
            while True:
                left_s = max(0.0, until_s - loop.time())
                is_over = self._stopping.is_set() or reader.wanted > 1
                waits_s = 0.0 if records or is_over else min(left_s, SLICE_S)
                found = (await consumer.getmany(place, timeout_ms=int(waits_s * 1000), max_records=RECORDS_A_POLL)).get(
                    place, ()
                )
                records += found
                size += sum(map(weight, found))
                if size >= bytes_max or (not found and (records or is_over or left_s <= 0)):
                    break
        finally:
            self.waiting -= 1
        after = await _position(consumer, place)
        return Page(records, begin, max(end, consumer.highwater(place) or 0, after), after)


def weight(record: Record) -> int:
    """Return how many bytes a record has, about."""
    headers = sum(len(name) + len(value or b"") for name, value in record.headers)
    return len(record.key or b"") + len(record.value or b"") + headers + RECORD_OVERHEAD_BYTES


def _document(record: Record) -> dict[str, Any]:
    return {
        "offset": record.offset,
        "timestamp": record.timestamp,
        "timestamp_type": record.timestamp_type,
        "key": _text(record.key),
        "value": _text(record.value),
        "headers": list(_headers(record.headers)),
    }


def _headers(headers: Iterable[tuple[str, bytes | None]]) -> Iterable[tuple[str, str | None]]:
    # The name of a header that is not UTF-8 has surrogates, which no text in JSON may have: it is told by its bytes.
    for name, value in headers:
        yield name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace"), _text(value)


def _text(value: bytes | None) -> str | None:
    return None if value is None else base64.b64encode(value).decode()


async def _ends(consumer: Consumer, place: TopicPartition) -> tuple[int, int]:
    async with asyncio.timeout(ASK_S):
        begins, ends = await asyncio.gather(consumer.beginning_offsets([place]), consumer.end_offsets([place]))
    return begins[place], ends[place]


async def _position(consumer: Consumer, place: TopicPartition) -> int:
    async with asyncio.timeout(ASK_S):
        return await consumer.position(place)


async def _close(reader: _Reader) -> None:
    consumer, reader.consumer = reader.consumer, None
    if consumer is not None:
        await close(consumer)
