"""The publisher: receipts to `out.<center>`, events to `events`, entities to `state.<stream>`, from a cursor in SQL.

The cursor of a lane moves after the broker acknowledged, so a kill loses no publication; it may repeat some. What
commits hand over in memory is the fast path: whatever does not fit is read from SQL.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from hub.domain.catalogue import STREAMS
from hub.domain.stream import HQ
from hub.kafka.cluster import Cluster, Unreachable, close
from hub.kafka.topics import ensure_topics, standard_topics
from hub.ledger.publication import Publication, partition_of, state_value
from hub.protocol.errors import CohubError, Fatal
from hub.protocol.topics import topic_out
from hub.store.store import Store

log = structlog.get_logger(__name__)

QUEUE_EVENTS_MAX: Final = 20_000  # over it a lane is left to SQL
ROOM_EVENTS: Final = 6_000  # over it consolidating waits, as long as publishing goes on at all
SEND_EVENTS_MAX: Final = 4_000
BATCH_BYTES_MAX: Final = 900_000
REQUEST_TIMEOUT_S: Final = 10.0
CURSOR_DELAY_S: Final = 0.25  # when idle
CURSOR_DELAY_MAX_S: Final = 1.0  # under load
RETRY_S: Final = 0.5
BROKER_CLOCK_MAX: Final = timedelta(minutes=5)

_Item = tuple[bytes | None, bytes | None, Sequence[tuple[str, bytes | None]]]  # key, value, headers


class Publisher:
    """Publishes what one worker commits. Its methods but `run` only queue."""

    def __init__(
        self, store: Store, cluster: Cluster, state_schemas: Mapping[str, int], *, enabled: bool = True
    ) -> None:
        self._store = store
        self._cluster = cluster
        self._state_schemas = state_schemas
        self._enabled = enabled
        self._queue: deque[Publication] = deque()
        self._queued_events = 0
        self._answers: deque[tuple[str, str, bytes]] = deque()
        self._behind: set[str] = {HQ}
        self._again: list[tuple[float, str, int, int]] = []  # when, origin, after, up to
        self._cursors: dict[str, int] = {}  # origin -> published so far, acknowledged
        self._unsaved: dict[str, int] = {}
        self._saved_at = 0.0
        self._wake = asyncio.Event()
        self._drained = asyncio.Event()
        self._producer: AIOKafkaProducer | None = None
        self.published = 0

    def offer(self, found: Iterable[Publication]) -> None:
        """Queue what a commit made publishable; over the limit, or where a record's bytes are missing, SQL has it."""
        if not self._enabled:
            return
        for publication in found:
            if self._queued_events > QUEUE_EVENTS_MAX or any(k.value is None for k in publication.entities):
                self._behind.add(publication.center)
            else:
                self._queue.append(publication)
                self._queued_events += len(publication.events)
        self._wake.set()

    def answer(self, center: str, kind: str, note: bytes) -> None:
        """Queue a note to a center that no cursor covers: a resend request, or a stored receipt again."""
        self._answers.append((center, kind, note))
        self._wake.set()

    async def adopt(self, centers: Collection[str]) -> None:
        """Publish what the last owner of these centers' lanes left, now, and once more when its writes must be over.

        A state that the last owner sent may arrive after a newer one of ours; sent again, the newest stands last.
        """
        loop = asyncio.get_running_loop()
        for origin, published, size in await self._store.unpublished(centers):
            self._again.append((loop.time() + REQUEST_TIMEOUT_S + 1, origin, published, size))
        self._behind.update(centers)
        self._wake.set()

    def look(self, center: str) -> None:
        """Look into SQL for something to publish of this center."""
        self._behind.add(center)
        self._wake.set()

    async def room(self) -> None:
        """Wait while much is queued and publishing goes on: what was left to SQL would cost twice.

        When publishing fails this waits for nothing: the ledger does not depend on it.
        """
        while self._queued_events > ROOM_EVENTS and self._producer is not None:
            self._drained.clear()
            await self._drained.wait()

    @property
    def backlog(self) -> int:
        """Events that wait in memory."""
        return self._queued_events

    async def run(self) -> None:
        """Publish until cancelled. Errors: Fatal for a clock that is off the broker's, and faults of the store."""
        if not self._enabled:
            await asyncio.Event().wait()
        try:
            while True:
                if not (self._queue or self._answers or self._behind or self._due()):
                    await self._rest()
                    continue
                try:
                    await self._round()
                except (Unreachable, KafkaError, TimeoutError, OSError) as exc:
                    # The producer that was refused once fails for ever: a new one, and everything again from SQL.
                    log.warning("publishing_failed", error=str(exc) or type(exc).__name__)
                    self._behind.update(p.center for p in self._queue)
                    self._queue.clear()
                    self._queued_events = 0
                    await self._drop_producer()
                    await self._mend_topics()
                    await asyncio.sleep(RETRY_S)
        finally:
            await self._drop_producer()
            await self._save_cursors()

    async def _mend_topics(self) -> None:
        """Make again what topics of ours are missing: one that was deleted would hold up every center's answers."""
        centers = {c for c in self._behind | {center for center, _, _ in self._answers} if c != HQ}
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT_S):
                made = await ensure_topics(self._cluster, standard_topics(sorted(centers), list(STREAMS)))
        except (CohubError, TimeoutError) as exc:
            log.warning("topics_not_checked", error=str(exc) or type(exc).__name__)
        else:
            if made:
                log.warning("topics_made_again", topics=made)

    async def _rest(self) -> None:
        self._wake.clear()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), CURSOR_DELAY_S)
            return
        await self._save_cursors()

    def _due(self) -> bool:
        return bool(self._again) and self._again[0][0] <= asyncio.get_running_loop().time()

    async def _round(self) -> None:
        while self._answers:
            center, kind, note = self._answers[0]
            item = (center.encode(), note, [("cohub-kind", kind.encode())])
            await self._send({(topic_out(center), 0): [item]})
            self._answers.popleft()
        if self._behind:
            await self._catch_up()
        if self._due():
            _, origin, after, upto = self._again[0]
            await self._repeat_states(origin, after, upto)
            self._again.pop(0)  # only now: what the broker refused is repeated in the next round
        ready: list[Publication] = []
        events = 0
        while self._queue and events < SEND_EVENTS_MAX:
            publication = self._queue[0]
            done = self._cursors.get(publication.origin, 0 if publication.first == 1 else None)
            if done is None or publication.first > done + 1:
                self._behind.add(publication.center)
            elif publication.last > done:
                ready.append(publication)
                events += len(publication.events)
                self._cursors[publication.origin] = publication.last
            self._queue.popleft()
            self._queued_events -= len(publication.events)
        self._drained.set()
        if ready:
            before = {p.origin: p.first - 1 for p in reversed(ready)}
            try:
                await self._publish(ready)
            except BaseException:
                self._cursors.update(before)
                self._behind.update(p.center for p in ready)
                raise

    async def _catch_up(self) -> None:
        """Publish from the cursor in SQL to the end of each lane of the centers that are behind."""
        # A center that falls behind again meanwhile is marked again, and stays marked.
        centers, self._behind = self._behind, set()
        try:
            await self._save_cursors()
            for origin, published, size in await self._store.unpublished(centers):
                after = published
                while after < size:
                    found = await self._store.publication(origin, after, SEND_EVENTS_MAX)
                    if found is None:
                        break
                    await self._publish([found])
                    self._cursors[origin] = after = found.last
            for origin, done in await self._store.cursors(centers):
                self._cursors[origin] = max(done, self._unsaved.get(origin, 0))
        except BaseException:
            self._behind |= centers
            raise

    async def _repeat_states(self, origin: str, after: int, upto: int) -> None:
        while after < upto:
            found = await self._store.publication(origin, after, SEND_EVENTS_MAX)
            if found is None:
                return
            await self._send(self._states([found]))
            after = found.last

    async def _publish(self, found: Sequence[Publication]) -> None:
        records: dict[tuple[str, int], list[_Item]] = {}
        for publication in found:
            if publication.center != HQ:
                out = records.setdefault((topic_out(publication.center), 0), [])
                kind = [("cohub-kind", b"receipt")]
                out.extend((publication.origin.encode(), note, kind) for note in publication.receipts)
            events = records.setdefault(("events", partition_of(publication.center)), [])
            events.extend((e.key, e.value, e.headers) for e in publication.events)
        for place, items in self._states(found).items():
            records.setdefault(place, []).extend(items)
        await self._send(records)
        loop = asyncio.get_running_loop()
        for publication in found:
            self._unsaved[publication.origin] = max(publication.last, self._unsaved.get(publication.origin, 0))
            self.published += len(publication.events)
        if loop.time() - self._saved_at > CURSOR_DELAY_MAX_S:
            await self._save_cursors()

    def _states(self, found: Sequence[Publication]) -> dict[tuple[str, int], list[_Item]]:
        newest = {(k.entity.stream, k.entity.id): k for p in found for k in p.entities}
        records: dict[tuple[str, int], list[_Item]] = {}
        for (stream, entity_id), known in newest.items():
            value = state_value(known, self._state_schemas[known.entity.kind])
            place = (f"state.{stream}", partition_of(known.entity.center))
            records.setdefault(place, []).append((entity_id.encode(), value, []))
        return records

    async def _send(self, records: Mapping[tuple[str, int], Sequence[_Item]]) -> None:
        """Send, and wait for every acknowledgement."""
        producer = await self._get_producer()
        futures: list[asyncio.Future[Any]] = []
        async with asyncio.timeout(REQUEST_TIMEOUT_S * 3):
            for (topic, partition), items in records.items():
                builder = producer.create_batch()
                for key, value, headers in items:
                    if builder.append(key=key, value=value, timestamp=None, headers=headers) is None:
                        futures.append(await producer.send_batch(builder, topic, partition=partition))
                        builder = producer.create_batch()
                        if builder.append(key=key, value=value, timestamp=None, headers=headers) is None:
                            # Larger than a batch may be: a record of its own, up to the broker's limit.
                            futures.append(
                                await producer.send(topic, value, key=key, partition=partition, headers=list(headers))
                            )
                if builder.record_count():
                    futures.append(await producer.send_batch(builder, topic, partition=partition))
            acknowledged = await asyncio.gather(*futures)
        self._check_clock(acknowledged)

    def _check_clock(self, acknowledged: Iterable[Any]) -> None:
        for metadata in acknowledged:
            if metadata.timestamp_type == 1:  # LogAppendTime: the broker's own clock
                broker = datetime.fromtimestamp(metadata.timestamp / 1000, UTC)
                if abs(broker - datetime.now(UTC)) > BROKER_CLOCK_MAX:
                    raise Fatal(
                        f"HQ's clock and the broker's ({broker:%Y-%m-%dT%H:%M:%SZ}) are over 5 min apart: set it"
                    )

    async def _get_producer(self) -> AIOKafkaProducer:
        if self._producer is None:
            self._producer = await self._cluster.producer(
                "cohub-publisher",
                deadline_s=REQUEST_TIMEOUT_S,
                max_batch_size=BATCH_BYTES_MAX,
                max_request_size=BATCH_BYTES_MAX + 100_000,
                request_timeout_ms=int(REQUEST_TIMEOUT_S * 1000),
                linger_ms=0,
            )
        return self._producer

    async def _drop_producer(self) -> None:
        producer, self._producer = self._producer, None
        self._drained.set()
        if producer is not None:
            await close(producer, REQUEST_TIMEOUT_S)

    async def _save_cursors(self) -> None:
        self._saved_at = asyncio.get_running_loop().time()
        if self._unsaved:
            saved = dict(self._unsaved)
            await self._store.set_published(saved)
            # What was refused, or cancelled, is saved with the next; to save a cursor twice does no harm.
            self._unsaved = {origin: done for origin, done in self._unsaved.items() if done > saved.get(origin, 0)}
