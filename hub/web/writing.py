"""Writing for centers: one idempotent producer a center, whose client id is the center's, so that Kafka's quota holds.

A write that failed may have been done: the office sends it again, and HQ knows records that come twice by their
sequences. The producer that a write has failed under is done, for the broker counts its records another way now.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import structlog
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from hub.base.clients import close, close_all
from hub.base.kafka import Producer
from hub.base.seldom import Seldom
from hub.kafka.cluster import Cluster
from hub.protocol.errors import Retriable, UsageError
from hub.protocol.limits import BATCH_BYTES_MAX
from hub.protocol.problem import Problem, ProblemCode
from hub.protocol.topics import topic_in
from hub.web.posted import Posted

KAFKA_BATCH_BYTES_MAX: Final = 1_048_500
REQUEST_BYTES_MAX: Final = 2 << 20
OPEN_S: Final = 8.0
SEND_S: Final = 20.0
IDLE_S: Final = 300.0
WAITING_MAX: Final = 4  # writes of one center that wait for one another
AWAY_S: Final = 2

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Writer:
    """The producer of one center. `turn` guards it: its writes go one behind the other."""

    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    producer: Producer | None = None
    waiting: int = 0
    used_at: float = 0.0


class Writers:
    """The producers of all centers that write. Made and used in one event loop; `clock` is monotonic."""

    def __init__(self, cluster: Cluster, clock: Callable[[], float] = time.monotonic) -> None:
        self._cluster = cluster
        self._clock = clock
        self._seldom = Seldom(log)
        self._writers: dict[str, _Writer] = {}

    async def write(self, center: str, records: Sequence[Posted]) -> int:
        """Write records as one batch; return the offset of the first when all replicas have them.

        Errors: Problem of TOO_LARGE, BAD_BATCH, TOO_MUCH or AWAY.
        """
        writer = self._writers.setdefault(center, _Writer())
        if writer.waiting >= WAITING_MAX:
            raise Problem(
                ProblemCode.TOO_MUCH, f"{WAITING_MAX} requests of this center are being written", retry_after_s=1
            )
        writer.waiting += 1
        try:
            async with writer.turn:
                return await self._write(writer, center, records)
        finally:
            writer.waiting -= 1
            writer.used_at = self._clock()

    async def close_idle(self) -> None:
        """Close the producers that nobody has used for long."""
        before = self._clock() - IDLE_S
        for center, writer in list(self._writers.items()):
            if not writer.waiting and writer.used_at < before:
                del self._writers[center]
                await _close(writer)

    async def close(self) -> None:
        """Close all of them."""
        writers, self._writers = self._writers, {}
        producers = [writer.producer for writer in writers.values()]
        for writer in writers.values():
            writer.producer = None
        await close_all(producers)

    async def _write(self, writer: _Writer, center: str, records: Sequence[Posted]) -> int:
        topic = topic_in(center)
        try:
            async with asyncio.timeout(SEND_S):
                producer = writer.producer or await self._open(center, topic)
                writer.producer = producer
                batch = _batch(producer, records)
                sent = await (await producer.send_batch(batch, topic, partition=0))
        except MessageSizeTooLargeError as exc:
            raise _too_large() from exc
        except (KafkaError, Retriable, UsageError, TimeoutError, OSError) as exc:
            await _close(writer)
            self._seldom.warning("kafka_away", topic=topic, reason=str(exc) or type(exc).__name__)
            why = f"{topic}: {type(exc).__name__}; the records may have been written, and may be sent again"
            raise Problem(ProblemCode.AWAY, why, retry_after_s=AWAY_S) from exc
        except asyncio.CancelledError:  # the office has gone, or HQ stops: whether it was written is not known
            await _close(writer)
            raise
        return int(sent.offset)

    async def _open(self, center: str, topic: str) -> Producer:
        producer = await self._cluster.producer(
            center, deadline_s=OPEN_S, max_batch_size=KAFKA_BATCH_BYTES_MAX, max_request_size=REQUEST_BYTES_MAX
        )
        try:
            known = (await producer.client.fetch_all_metadata()).topics()
        except BaseException:
            await close(producer)
            raise
        if topic not in known:  # a write to it would wait for it
            await close(producer)
            raise Problem(ProblemCode.AWAY, f"{topic} is not there yet", retry_after_s=AWAY_S)
        return producer


def _batch(producer: Producer, records: Sequence[Posted]) -> Any:
    batch = producer.create_batch()
    for record in records:
        try:
            added = batch.append(timestamp=None, key=record.key, value=record.value, headers=list(record.headers))
        except UnicodeEncodeError as exc:
            raise Problem(ProblemCode.BAD_BATCH, "the name of a header is not UTF-8") from exc
        if added is None:
            raise _too_large()
    return batch


def _too_large() -> Problem:
    return Problem(ProblemCode.TOO_LARGE, "the records are too large for one batch of Kafka's", limit=BATCH_BYTES_MAX)


async def _close(writer: _Writer) -> None:
    producer, writer.producer = writer.producer, None
    if producer is not None:
        await close(producer)
