"""Sends the lane: batches in order, again from the first one that was not acknowledged, until HQ has answered.

What is kept here is lost with the process and is not missed: a new process begins at the first batch without receipt.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from connectors.runtime.link import Backoff, Link, close
from connectors.runtime.outbox import Outbox
from connectors.runtime.outbox.lane import Batch
from connectors.runtime.sealer import Sealer
from hub.protocol.errors import Retriable
from hub.protocol.record import CONTROL_HEADER

UNACKNOWLEDGED_MAX: Final = 8  # batches
RESEND_BATCHES_MAX: Final = 64  # sent again at a time when HQ is silent: enough to wake it, little for a weak link
REWIND_PAUSE_S: Final = 0.5
SILENCE_MAX_S: Final = 3600.0
NOT_ANNOUNCED: Final = "schema_not_announced"  # an alarm

log = structlog.get_logger(__name__)


class Sender:
    """Seals and sends. One owner, one loop; `wake` may be called from any task of that loop.

    `ready` is set once HQ's answers were read to their end: before that nothing is sealed or sent, for the outbox may
    be an old copy. `settled` returns once it is known what HQ has announced, or can't be.
    """

    def __init__(
        self,
        outbox: Outbox,
        link: Link,
        sealer: Sealer,
        settled: Callable[[], Awaitable[None]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._outbox = outbox
        self._link = link
        self._sealer = sealer
        self._settled = settled
        self._clock = clock
        self._topic = link.settings.topic_in
        self._work = asyncio.Event()
        self._progress = asyncio.Event()
        self.ready = asyncio.Event()
        self.linked = asyncio.Event()  # set while there is a producer
        self.sent = 0  # acknowledged by the broker
        self._next = 1  # the sequence that is sent next
        self._detour: tuple[int, int] | None = None  # (batches left of a resend, where to go on after it)
        self._thread = threading.get_ident()
        self._ahead: Batch | None = None  # sealed along with its queueing, to be sent next
        self._rewound = (float("-inf"), 0)  # when, and to which sequence
        self._backoff = Backoff()
        self._held: str | None = outbox.database.meta(NOT_ANNOUNCED)  # what `status` says of it
        self._in_flight = 0
        self._failure: BaseException | None = None
        self._producer: AIOKafkaProducer | None = None
        self._silent_since = clock()
        self._silence_s = link.settings.receipt_wait_s

    def wake(self) -> None:
        """Tell that there may be work: events were queued, or the lane has changed."""
        self._work.set()

    def rewind(self, sequence: int, *, batches: int | None = None) -> None:
        """Send again from the start of the batch that `sequence` is in; `batches` bounds how many.

        What was rewound to a moment ago is on its way, and asking twice for it is asking once.
        """
        now = self._clock()
        if now - self._rewound[0] < REWIND_PAUSE_S and sequence >= self._rewound[1]:
            return
        if sequence >= self._next and self._detour is None:
            return  # it is still to come
        self._rewound = (now, sequence)
        resume = self._detour[1] if self._detour else self._next
        self._detour = None if batches is None else (batches, max(resume, sequence))
        self._next = sequence
        if batches is None:
            self.sent = min(self.sent, sequence - 1)  # HQ lost it: a new producer must not skip it either
        log.info("resending", origin=self._outbox.lane.origin, first=sequence)
        self.wake()

    def receipted(self) -> None:
        """Tell that a receipt has come: HQ is not silent."""
        self._silent_since = self._clock()
        self._silence_s = self._link.settings.receipt_wait_s

    def restart(self) -> None:
        """Begin again at the first event without receipt: a new lane was opened."""
        self._next = self._outbox.lane.receipted() + 1
        self.sent = self._next - 1
        self._detour = None
        self.wake()

    def seal_along(self) -> None:
        """Seal what is being queued, inside its transaction, if it could be sent at once; see `Outbox.enqueue_events`.

        Only for this loop's thread: the lane belongs to it.
        """
        if (
            self._producer is not None
            and threading.get_ident() == self._thread
            and self._in_flight < UNACKNOWLEDGED_MAX
            and self._next == self._outbox.lane.sealed.size + 1
        ):
            self._ahead = self._sealer.seal()

    async def drained(self) -> None:
        """Return when everything that is sealed was acknowledged by the broker; never, while the link is down."""
        while self.sent < self._outbox.lane.sealed.size or self._outbox.lane.unsealed(1):
            self._progress.clear()
            await self._progress.wait()

    async def run(self) -> None:
        """Send for as long as the task lives. Errors: Fatal."""
        while True:
            try:
                await self._session()
            except (Retriable, KafkaError, TimeoutError, OSError) as exc:
                reason = str(exc) or type(exc).__name__
                self._link.is_down(reason)
                log.warning("link_lost", reason=reason)
            await self._backoff.wait()

    async def send_control(self, kind: str, value: bytes) -> bool:
        """Send a control record if the link is up, in no order to the events; return whether it went out."""
        producer = self._producer
        if producer is None:
            return False
        try:
            async with asyncio.timeout(self._link.settings.request_timeout_s):
                await producer.send_and_wait(
                    self._topic,
                    value,
                    key=self._link.settings.center.encode(),
                    partition=0,
                    headers=[(CONTROL_HEADER, kind.encode())],
                )
        except (KafkaError, TimeoutError, OSError) as exc:
            log.debug("control_not_sent", kind=kind, reason=str(exc))
            return False
        return True

    async def _session(self) -> None:
        producer = await self._link.producer()
        try:
            await self.ready.wait()
            await self._settled()
            await self._serve(producer)
        finally:
            self._producer = None
            self.linked.clear()
            await close(producer)

    async def _serve(self, producer: AIOKafkaProducer) -> None:
        self._producer, self._failure, self._in_flight = producer, None, 0
        self.linked.set()
        # A new producer knows nothing of what the old one sent: from the first record that was not acknowledged.
        self._next = max(self.sent, self._outbox.lane.receipted()) + 1
        self._detour = None
        self._backoff.reset()
        self._link.is_up()
        while True:
            if self._failure is not None:
                raise Retriable(f"the broker did not take a batch ({type(self._failure).__name__})")
            batch = self._pick()
            if batch is not None:
                await self._send(producer, batch)
            else:
                await self._wait()

    def _pick(self) -> Batch | None:
        """Return the batch that is sent next, sealing it if it is new; None if there is none now."""
        if self._in_flight >= UNACKNOWLEDGED_MAX or not self.ready.is_set():
            return None
        self._break_silence()
        if self._detour is not None:
            left, resume = self._detour
            if left == 0 or self._next >= resume:
                self._next, self._detour = max(self._next, resume), None
            else:
                self._detour = (left - 1, resume)
        ahead, self._ahead = self._ahead, None
        if self._next > self._outbox.lane.sealed.size:
            batch = self._sealer.seal()
        elif ahead is not None and ahead.first == self._next:
            batch = ahead
        else:
            batch = self._outbox.lane.load(self._next, self._sealer.key, self._sealer.long_key)
        self._tell_held()
        if batch is not None:
            if self._outbox.lane.receipted() + 1 >= batch.first:
                self._silent_since = self._clock()  # nothing older waits for an answer
            self._next = batch.last + 1
        return batch

    def _tell_held(self) -> None:
        held = self._outbox.lane.held
        text = held and f"waiting: HQ has not announced {held}; all goes on when it has, nothing is lost"
        if text == self._held:
            return
        self._held = text
        log.info("events_held", type=held)  # None: no more
        with contextlib.suppress(Retriable):  # for `status` alone; a full disk is reported by those who lose by it
            self._outbox.database.set_meta(NOT_ANNOUNCED, text)

    def _break_silence(self) -> None:
        """Send again from the first batch without receipt when HQ has been silent for long, ever less often."""
        first = self._outbox.lane.receipted() + 1
        if first >= self._next or self._clock() - self._silent_since < self._silence_s:
            return
        log.warning("no_receipt", first=first, silence_s=self._silence_s)
        self._silent_since = self._clock()
        self._silence_s = min(self._silence_s * 2, SILENCE_MAX_S)
        self.rewind(first, batches=RESEND_BATCHES_MAX)

    async def _send(self, producer: AIOKafkaProducer, batch: Batch) -> None:
        records = iter(batch.records)
        record = next(records, None)
        while record is not None:
            builder = producer.create_batch()
            while record is not None and builder.append(
                timestamp=None, key=record.key, value=record.value, headers=record.headers
            ):
                record = next(records, None)
            if builder.record_count() == 0:
                raise Retriable(f"a record of batch {batch.first} to {batch.last} is larger than a Kafka batch")
            builder.close()
            async with asyncio.timeout(self._link.settings.request_timeout_s):
                future = await producer.send_batch(builder, self._topic, partition=0)
        self._in_flight += 1
        future.add_done_callback(lambda done: self._acknowledged(producer, batch.last, done))

    def _acknowledged(self, producer: AIOKafkaProducer, last: int, done: asyncio.Future[Any]) -> None:
        if producer is not self._producer:
            if not done.cancelled():
                done.exception()  # of a producer that was given up: its batches are sent again
            return
        self._in_flight -= 1
        if done.cancelled():
            self._failure = asyncio.CancelledError()
        elif (error := done.exception()) is not None:
            self._failure = error
        elif self._failure is None:
            self.sent = max(self.sent, last)
            self._progress.set()
        self.wake()

    async def _wait(self) -> None:
        """Wait for work, for the time when a batch is due, or for the time when HQ's silence is too long."""
        self._work.clear()
        lane = self._outbox.lane
        timeouts = []
        if self._in_flight < UNACKNOWLEDGED_MAX:
            if lane.receipted() + 1 < self._next:
                timeouts.append(self._silent_since + self._silence_s - self._clock())
            if lane.held is None and lane.unsealed(1):
                timeouts.append(self._sealer.due_s())
        try:
            async with asyncio.timeout(max(0.0005, min(timeouts)) if timeouts else None):
                await self._work.wait()
        except TimeoutError:
            return
