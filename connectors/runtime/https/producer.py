"""Writes over HTTPS, as Kafka's own producer: in order, one request at a time, nothing more after a write that failed.

Whoever writes on begins anew with what was not acknowledged.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Final

import structlog
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError, KafkaTimeoutError, ProducerClosed
from aiokafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder
from aiokafka.structs import RecordMetadata

from connectors.runtime.https.answers import read_offset
from connectors.runtime.https.faults import HttpsBusy
from connectors.runtime.https.session import Session
from hub.base.kafka import Headers, Metadata
from hub.protocol.topics import topic_in, topic_out

BATCH: Final = "application/vnd.apache.kafka.records.v2"
BATCH_BYTES: Final = 16_384  # as in aiokafka
BUSY_MAX_S: Final = 30.0
GIVE_UP_S: Final = 0.5
_CODECS: Final = {None: 0, "gzip": DefaultRecordBatch.CODEC_GZIP}

log = structlog.get_logger(__name__)


class Batch:
    """Records that are sent together: one record batch of Kafka's, built by aiokafka."""

    def __init__(self, bytes_max: int, compression: str | None = None) -> None:
        self._builder = DefaultRecordBatchBuilder(
            magic=2,
            compression_type=_CODECS[compression],
            is_transactional=0,
            producer_id=-1,
            producer_epoch=-1,
            base_sequence=0,
            batch_size=bytes_max,
        )
        self._count = 0
        self._data: bytes | None = None
        self._is_closed = False

    def append(
        self, *, timestamp: int | None, key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, Any]] = ()
    ) -> object | None:
        """Add a record; return None if the batch has no room for it, or is closed."""
        if self._is_closed:
            return None
        added: object | None = self._builder.append(
            self._count, timestamp, key=key, value=value, headers=list(headers or ())
        )
        if added is None:
            self.close()
        else:
            self._count += 1
        return added

    def record_count(self) -> int:
        """Return how many records it holds."""
        return self._count

    def size(self) -> int:
        """Return how many bytes it has."""
        return int(self._builder.size())

    def close(self) -> None:
        """Have it take no more."""
        self._is_closed = True

    def data(self) -> bytes:
        """Return its bytes."""
        self.close()
        if self._data is None:
            self._data = bytes(self._builder.build())
        return self._data


class HttpsMetadata:
    """What a producer asks HQ about itself."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def fetch_all_metadata(self) -> Any:
        """Return what may be written: our own topic, once HQ answers us. Errors: as for `start`."""
        await self._session.ask("GET", f"/v1/topics/{topic_out(self._session.center)}")
        names = {topic_in(self._session.center)}
        return SimpleNamespace(topics=lambda: names)


@dataclass(slots=True)
class _Letter:
    """A batch on its way, and who waits for it."""

    batch: Batch
    place: TopicPartition
    answer: asyncio.Future[RecordMetadata]

    def arrived(self, metadata: RecordMetadata) -> None:
        if not self.answer.done():
            self.answer.set_result(metadata)

    def fail(self, exc: KafkaError) -> None:
        if not self.answer.done():
            self.answer.set_exception(exc)


class HttpsProducer:
    """Writes over HTTPS, in order; nothing more after a write that failed."""

    def __init__(
        self,
        session: Session,
        *,
        max_batch_size: int = BATCH_BYTES,
        compression_type: str | None = None,
        **_: Any,
    ) -> None:
        self._session = session
        self._bytes_max = max_batch_size
        self._compression = compression_type
        self._waiting: deque[_Letter] = deque()
        self._writing: asyncio.Task[None] | None = None
        self._failure: KafkaError | None = None
        self._is_open = self._is_closed = False
        self.client: Metadata = HttpsMetadata(session)

    async def start(self) -> None:
        """See that HQ knows us. Errors: HttpsAway, HttpsRefused."""
        self._is_open = True
        self._session.wire.open()
        await self._session.begin()

    async def stop(self) -> None:
        """Write what waits, and close. Idempotent.

        Broken off, who still waits hears that the time is over, whether HQ has the records or not.
        """
        self._is_closed = True
        try:
            if self._writing is not None:
                await asyncio.wait([self._writing])
        finally:
            if self._writing is not None and not self._writing.done():
                self._writing.cancel()
                await asyncio.wait([self._writing], timeout=GIVE_UP_S)
            for letter in self._waiting:
                letter.fail(KafkaTimeoutError())
            self._waiting.clear()
            if self._is_open:
                self._is_open = False
                await self._session.wire.close()

    def create_batch(self) -> Batch:
        """Return an empty batch."""
        return Batch(self._bytes_max, self._compression)

    async def send_batch(self, batch: Batch, topic: str, *, partition: int) -> asyncio.Future[RecordMetadata]:
        """Hand a batch over; return the future of its first record's place.

        Errors: ProducerClosed; in the future all of `faults`.
        """
        if self._is_closed:
            raise ProducerClosed
        letter = _Letter(batch, TopicPartition(topic, partition), asyncio.get_running_loop().create_future())
        self._waiting.append(letter)
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_all())
        return letter.answer

    async def send(
        self,
        topic: str,
        value: bytes | None = None,
        key: bytes | None = None,
        partition: int | None = None,
        timestamp_ms: int | None = None,
        headers: Headers | None = None,
    ) -> asyncio.Future[RecordMetadata]:
        """Hand a record over; return the future of its place. Errors: as for `send_batch`."""
        if partition is None:
            raise TypeError(f"name the partition of {topic}: none is chosen over HTTPS")
        batch = self.create_batch()
        batch.append(timestamp=timestamp_ms, key=key, value=value, headers=headers or ())
        return await self.send_batch(batch, topic, partition=partition)

    async def send_and_wait(
        self,
        topic: str,
        value: bytes | None = None,
        key: bytes | None = None,
        partition: int | None = None,
        timestamp_ms: int | None = None,
        headers: Headers | None = None,
    ) -> RecordMetadata:
        """Write a record; return its place. Errors: as for `send_batch`."""
        return await (await self.send(topic, value, key, partition, timestamp_ms, headers))

    async def _write_all(self) -> None:
        while self._waiting:
            letter = self._waiting.popleft()
            if letter.answer.done():
                continue  # whoever waited for it has given up
            try:
                if self._failure is None:
                    letter.arrived(await self._write(letter))
            except KafkaError as exc:
                self._failure = exc
            except BaseException:  # broken off
                self._failure = KafkaTimeoutError()
                raise
            finally:
                if self._failure is not None:
                    letter.fail(self._failure)

    async def _write(self, letter: _Letter) -> RecordMetadata:
        """Write a batch, as often as HQ asks us to wait."""
        topic, count = letter.place.topic, letter.batch.record_count()
        while True:
            try:
                target = f"/v1/centers/{self._session.center}/records"
                answer = await self._session.ask("POST", target, letter.batch.data(), BATCH)
            except HttpsBusy as exc:
                log.info("https_busy", retry_s=exc.retry_s, said=exc.said)
                await asyncio.sleep(min(exc.retry_s, BUSY_MAX_S))
                continue
            offset = self._session.wire.read(lambda body: read_offset(body, topic, count), answer)
            # No stamp, by which this computer's clock would be put right: whoever opens TLS could have written it. That
            # the clock is about right is known, for HQ begins no session by a note of another time.
            return RecordMetadata(topic, letter.place.partition, letter.place, offset, -1, 0, None)
