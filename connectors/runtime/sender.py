"""Sends the lane. What goes out next is the `Course`'s to say; here bytes are moved, and the course is told.

Durable before the first byte is sent: sequences, digests and seals, in the outbox. The broker has a batch when it has
acknowledged it; if the process dies at any moment between, the same bytes are sent again.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from typing import Any, Final

import structlog
from aiokafka.errors import (
    InvalidProducerEpoch,
    InvalidProducerIdMapping,
    KafkaError,
    OutOfOrderSequenceNumber,
    TopicAuthorizationFailedError,
    UnknownProducerId,
)

from connectors.runtime.alarm_name import AlarmName
from connectors.runtime.alarms import Alarm, AlarmText
from connectors.runtime.clock import OfficeClock, find_gap
from connectors.runtime.course import Course
from connectors.runtime.hq_words import status_said
from connectors.runtime.link import WEATHER, Backoff, Link, MayNotWrite, TopicHidden
from connectors.runtime.outbox import Outbox
from connectors.runtime.outbox.lane import Batch
from connectors.runtime.outbox.status import hq_status
from connectors.runtime.sealer import Sealer
from connectors.runtime.signals import Signal
from connectors.runtime.told import OfficeWaits
from connectors.runtime.traced import BatchTraces
from connectors.runtime.way import WayTurned
from hub.base.clients import close
from hub.base.kafka import Producer, stamped_at
from hub.base.traces.spans import NO_TRACES, Traces
from hub.protocol.errors import Retriable
from hub.protocol.record import CONTROL_HEADER
from hub.protocol.status import State
from schemas.words.said import Said, said

WAIT_MIN_S: Final = 0.0005
LATELY_S: Final = 60.0
SENDS_FOR_S: Final = 0.25  # who has sent a batch is about to send the next for this long
# What a broker says of an idempotent producer whose last records it does not have.
_OUT_OF_STEP: Final = (OutOfOrderSequenceNumber, UnknownProducerId, InvalidProducerEpoch, InvalidProducerIdMapping)

log = structlog.get_logger(__name__)


class Sender:
    """Seals and sends. One owner, one loop; `work` says that events were queued, or may go out now.

    `ready` is set once HQ's answers were read to their end: before that nothing is sealed or sent, for the outbox may
    be an old copy. `settled` returns once it is known what HQ has announced, or can't be.
    """

    def __init__(
        self,
        outbox: Outbox,
        link: Link,
        sealer: Sealer,
        settled: Callable[[], Awaitable[None]],
        work: Signal,
        clock: Callable[[], float] = time.monotonic,
        office_clock: OfficeClock | None = None,
        traces: Traces = NO_TRACES,
    ) -> None:
        self._outbox = outbox
        self._link = link
        self._sealer = sealer
        self._settled = settled
        self._work = work
        self._clock = clock
        self._office_clock = office_clock
        self._topic = link.settings.topic_in
        self._traces = BatchTraces(traces, link.settings.center, self._topic)
        link.ways.on_turn.append(work.ring)
        self._course = Course.begin(link.settings.receipt_wait_s, clock())
        self._origin = ""  # of the lane that the course is of
        self._progress = asyncio.Event()
        self.ready = asyncio.Event()
        self.linked = asyncio.Event()  # set while there is a producer
        self._backoff = Backoff()
        self._held: str | None = outbox.database.meta(AlarmName.SCHEMA_NOT_ANNOUNCED)  # what `status` says of it
        self._departed_at = float("-inf")
        self._failure: Said | str = ""
        self._unanswered = ""  # what kept the broker from acknowledging a control record
        self._producer: Producer | None = None
        self._is_denied = False  # the right to write was taken: a producer that heard so writes no more, whatever comes
        self._has_landed = False  # whether the broker has acknowledged anything of this producer
        self._serves = False  # whether anything was to be sent by it
        self._is_silent = False  # whether it has ended without that, and not because anybody refused something
        self._out_of_step = False  # the broker counts this producer's records in another way: only a new one can write

    @property
    def sent(self) -> int:
        """Up to which sequence the broker has acknowledged everything."""
        return self._course.acknowledged

    @property
    def is_sending(self) -> bool:
        """Whether batches are going out just now. Any thread may ask."""
        return self._clock() - self._departed_at < SENDS_FOR_S

    @property
    def has_sent_lately(self) -> bool:
        """Whether somebody may be waiting for what HQ says of it."""
        return self._clock() - self._departed_at < LATELY_S

    def rewind(self, sequence: int) -> bool:
        """Send again from the start of the batch that HQ asks for; return whether it was not asked for before."""
        self._follow_lane()
        before, course = self._course, self._course.rewound(sequence, self._clock())
        self._resend(course)
        return course is not before

    def lost(self, sequence: int) -> None:
        """Send again from the start of the batch from which on HQ has lost the lane."""
        self._follow_lane()
        self._resend(self._course.lost(sequence, self._clock()))

    def receipted(self) -> None:
        """Tell that a receipt has come: HQ is not silent."""
        self._course = self._course.heard(self._clock())
        self._work.ring()

    def wake(self) -> None:
        """Tell that there may be something to send: a new lane was opened."""
        self._work.ring()

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
                self._link.is_down(self._explained(exc))
                log.debug("link_lost", reason=str(exc) or type(exc).__name__)  # the link tells it, once
                if self._is_silent or (self._serves and not self._has_landed and isinstance(exc, WEATHER)):
                    why = getattr(exc, "said", None) or said("errors.no_acknowledgement", detail=type(exc).__name__)
                    await self._link.doubt(why)
            await self._backoff.wait()

    def _explained(self, exc: BaseException) -> BaseException:
        """Return why we may not write, as HQ has said it: it takes the right from a center that it suspends."""
        if not isinstance(exc, TopicHidden | MayNotWrite | TopicAuthorizationFailedError):
            return exc
        kept = hq_status(self._outbox.database)
        if kept is None or kept.note.state not in (State.SUSPENDED, State.CLOSED):
            is_said = isinstance(exc, TopicHidden | MayNotWrite)
            return exc if is_said else OfficeWaits("errors.may_not_write", topic=self._topic)
        told = status_said(kept, is_stale=kept.is_stale(datetime.now(UTC)))
        return OfficeWaits(told.name, **told.values)

    async def send_control(self, kind: str, value: bytes) -> bool:
        """Send a control record if the link is up, in no order to the events; return whether it went out."""
        producer = self._producer
        if producer is None:
            return False
        key, headers = self._link.settings.center.encode(), [(CONTROL_HEADER, kind.encode())]
        try:
            async with asyncio.timeout(self._link.settings.request_timeout_s):
                with self._measured() as stamp:
                    stamp(await producer.send_and_wait(self._topic, value, key=key, partition=0, headers=headers))
        except (KafkaError, TimeoutError, OSError) as exc:
            log.debug("control_not_sent", kind=kind, reason=str(exc))
            if producer is self._producer and isinstance(exc, (*WEATHER, *_OUT_OF_STEP, TopicAuthorizationFailedError)):
                if isinstance(exc, TopicAuthorizationFailedError):
                    self._is_denied = True
                elif isinstance(exc, _OUT_OF_STEP):
                    self._out_of_step = True
                else:  # nothing else may be on its way by which a broker that is gone would be noticed
                    self._unanswered = type(exc).__name__
                    self._is_silent = not self._has_landed
                self._work.ring()
            return False
        self._landed()
        return True

    @contextlib.contextmanager
    def _measured(self) -> Iterator[Callable[[Any], None]]:
        """Compare our clock with the broker's by the stamp of what it acknowledges meanwhile, if it stamps by its own.

        A clock that is set right in that moment is measured anew at the next presence.
        """
        clock, stamps = self._office_clock, list[Any]()
        before = None if clock is None else clock.wall()
        yield stamps.append
        stamped = stamped_at(stamps[0]) if stamps else None
        if clock is not None and before is not None and stamped is not None:
            clock.measured(find_gap(before, stamped, clock.wall()))

    async def _session(self) -> None:
        self._is_silent = self._serves = False
        producer, period = await self._link.producer(), self._link.ways.period
        try:
            await self.ready.wait()
            await self._settled()
            await self._serve(producer, period)
        finally:
            self._producer = None
            self.linked.clear()
            await close(producer)

    async def _serve(self, producer: Producer, period: int) -> None:
        """Send by a producer, until it is of a way in that is not taken any more."""
        self._follow_lane()
        self._course = self._course.linked()
        self._producer, self._unanswered, self._out_of_step, self._is_denied = producer, "", False, False
        self._has_landed, self._serves = False, True
        self._progress.set()
        self.linked.set()
        self._link.is_up()
        while True:
            is_over = period != self._link.ways.period
            if is_over and (self._course.is_broken or not self._course.in_flight):
                self._serves = self._is_silent = False
                raise WayTurned  # what was under way has landed, so nothing of it is sent twice
            if self._is_denied:
                raise TopicAuthorizationFailedError(self._topic)
            if self._out_of_step:
                raise OfficeWaits("errors.out_of_step")
            if self._course.is_broken:
                raise OfficeWaits("errors.batch_not_taken", detail=self._failure)
            if self._unanswered:
                detail, self._unanswered = self._unanswered, ""
                raise OfficeWaits("errors.no_acknowledgement", detail=detail)
            self._work.clear()
            batch = None if is_over else self._pick()
            if batch is not None:
                await self._send(producer, batch)
                # A send need not wait, and each batch waits for the outbox: all others have a turn meanwhile.
                await asyncio.sleep(0)
            else:
                await self._work.wait(self._wait_s())

    def _pick(self) -> Batch | None:
        """Return the batch that is sent next, sealing it if it is new; None if there is none now."""
        lane = self._outbox.lane
        if self._course.is_full or not self.ready.is_set():
            return None
        self._follow_lane()
        if self._course.is_silent(self._clock()):
            log.warning("no_receipt", first=self._course.answered + 1, silence_s=self._course.silence_s)
            self._resend(self._course.awoken(self._clock()))
        if self._course.upcoming > lane.sealed.size:
            began_ns, batch = self._traces.began(), self._sealer.seal()
            if batch is not None:
                self._traces.sealed(batch, began_ns)
            self._tell_held()
        else:
            batch = lane.load(self._course.upcoming, self._sealer.key, self._sealer.long_key)
        return batch

    def _follow_lane(self) -> None:
        """Have the course be that of the open lane, and know what HQ has answered of it, as the outbox has both."""
        lane = self._outbox.lane
        if lane.origin == self._origin:
            self._course = self._course.answered_to(lane.receipted())
        else:
            self._origin, self._course = lane.origin, self._course.restarted(lane.receipted())

    def _resend(self, course: Course) -> None:
        if course.upcoming < self._course.upcoming:
            log.info("resending", origin=self._outbox.lane.origin, first=course.upcoming)
        self._course = course
        self._work.ring()

    def _tell_held(self) -> None:
        held = self._outbox.lane.held
        text = Alarm(AlarmText.SCHEMA_NOT_ANNOUNCED, {"type": held}).to_text() if held else None
        if text == self._held:
            return
        self._held = text
        log.info("events_held", type=held)  # None: no more
        with contextlib.suppress(Retriable):  # for `status` alone; a full disk is reported by those who lose by it
            self._outbox.database.set_meta(AlarmName.SCHEMA_NOT_ANNOUNCED, text)

    async def _send(self, producer: Producer, batch: Batch) -> None:
        """Hand a batch to the producer, in as many Kafka batches as it needs: it has landed when the last one has."""
        self._departed_at = self._clock()
        self._course = self._course.departed(batch.first, batch.last, self._departed_at)
        number, records, began_ns = self._course.departures, iter(batch.records), self._traces.began()
        record = next(records, None)
        while record is not None:
            builder = producer.create_batch()
            while record is not None and builder.append(
                timestamp=None, key=record.key, value=record.value, headers=record.headers
            ):
                record = next(records, None)
            if builder.record_count() == 0:
                raise OfficeWaits("errors.batch_too_large", first=batch.first, last=batch.last)
            builder.close()
            async with asyncio.timeout(self._link.settings.request_timeout_s):
                future = await producer.send_batch(builder, self._topic, partition=0)
        future.add_done_callback(lambda done: self._answered(number, done, batch, began_ns))

    def _answered(self, number: int, done: asyncio.Future[Any], batch: Batch, began_ns: int) -> None:
        """Take the broker's word on a departure; of an earlier producer's the course knows nothing any more."""
        error = asyncio.CancelledError() if done.cancelled() else done.exception()
        if error is not None:
            before, self._course = self._course, self._course.failed(number)
            if self._course is not before:
                self._failure = getattr(error, "said", None) or type(error).__name__
                self._is_denied = self._is_denied or isinstance(error, TopicAuthorizationFailedError)
                self._is_silent = not self._has_landed and isinstance(error, WEATHER)
        else:
            self._course = self._course.landed(number)
            self._traces.sent(batch, began_ns)
            self._landed()
            self._progress.set()
        self._work.ring()

    def _landed(self) -> None:
        """Take note that the broker has acknowledged something, which is more than that it lets us in."""
        self._has_landed = True
        self._backoff.reset()
        self._link.carried()

    def _wait_s(self) -> float | None:
        """Return how long to wait for work: till a batch is due, or HQ has been silent for too long."""
        if self._course.is_full or not self.ready.is_set():
            return None
        waits = [] if (left_s := self._course.silence_left_s(self._clock())) is None else [left_s]
        if self._outbox.lane.held is None and self._outbox.lane.unsealed(1):
            waits.append(self._sealer.due_s())
        return max(WAIT_MIN_S, min(waits)) if waits else None
