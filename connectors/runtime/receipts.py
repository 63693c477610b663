"""Reads what HQ answers on `out.<center>`: receipts and HQ's status into the outbox, resend requests to the sender.

What is acted on is signed by HQ, addressed to this center, and news (`standing`); all else is passed over, and counted.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final

import structlog
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from connectors.runtime.codecs import Codecs
from connectors.runtime.epoch import open_epoch, reason_for_epoch
from connectors.runtime.hq_words import status_said, todo_said
from connectors.runtime.ids import EventIds
from connectors.runtime.lending import lend_receipts
from connectors.runtime.link import Backoff, Link
from connectors.runtime.outbox import Outbox
from connectors.runtime.outbox.answers import Beside, ReceivedReceipt
from connectors.runtime.outbox.origins import ReceiptOutcome
from connectors.runtime.outbox.status import hq_status
from connectors.runtime.registry_reader import lane_reason, read_registry
from connectors.runtime.sender import Sender
from connectors.runtime.signals import Replans, Signal
from connectors.runtime.standing import Kept, Passed, lost_from, passed_over, status_passed_over
from connectors.runtime.trust import TrustReader
from hub.base.clients import close
from hub.base.kafka import Consumer, stamped_at
from hub.base.reason import reason_of
from hub.domain.hq_lane import CLOCK
from hub.domain.registry import correction_of
from hub.protocol.errors import CohubError, Malformed, Retriable
from hub.protocol.moment import write_time
from hub.protocol.note import Note
from hub.protocol.receipt import Receipt, Resend
from hub.protocol.status import StatusNote
from schemas.words.causes import whole_said

BUSY_WAIT_MS: Final = 4_000
FETCH_MAX: Final = 500
SEEN_MAX: Final = 64
_FINAL: Final = (ReceiptOutcome.APPLIED, ReceiptOutcome.DUPLICATE)

log = structlog.get_logger(__name__)


class ReceiptReader:
    """Reads HQ's answers. When the process starts it reads them to their end before the sender may go on.

    `decided` is rung when rows have got a verdict; `replans` gets the files whose rows must be planned again; `now` is
    the time as far as it is known.
    """

    def __init__(
        self,
        outbox: Outbox,
        link: Link,
        sender: Sender,
        trust: TrustReader,
        codecs: Codecs,
        ids: EventIds,
        decided: Signal,
        replans: Replans,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._outbox = outbox
        self._link = link
        self._sender = sender
        self._trust = trust
        self._codecs = codecs
        self._ids = ids
        self._backoff = Backoff()
        self._decided = decided
        self._replans = replans
        self._now = now
        self._passed: Counter[str] = Counter()
        self._seen: deque[bytes] = deque(maxlen=SEEN_MAX)  # digests of receipts that can tell nothing any more
        self.told: Kept | None = None  # what HQ has said of itself since we read its answers live
        self._topic = TopicPartition(link.settings.topic_out, 0)

    async def run(self) -> None:
        """Read for as long as the task lives. Errors: Fatal, if another machine writes for this center."""
        while True:
            try:
                await self._session()
            except (Retriable, KafkaError, TimeoutError, OSError) as exc:
                if not self._sender.ready.is_set():
                    self._link.is_down(exc)
                self._link.tell_lost("answers_lost", exc)
            await self._backoff.wait()

    async def _session(self) -> None:
        if self._sender.ready.is_set():
            # The session before may have ended between what HQ told and the lane that it makes due: either commit may
            # have failed, or was done though we were told that it failed.
            await self._open_if_due()
        else:
            await self._reconsider_foreign()
            reason_for_epoch(self._outbox)  # a foreign lane that was seen before stops us before we read answers
        consumer = await self._link.consumer()
        try:
            consumer.assign([self._topic])
            end = await self._seek(consumer)
            while True:
                if not self._sender.ready.is_set() and self._outbox.answers.position >= end:
                    await self._open_if_due()
                    self._sender.ready.set()
                    log.info("answers_read", position=end, origin=self._outbox.lane.origin)
                waiting = self._sender.ready.is_set()
                batches = await consumer.getmany(timeout_ms=self._wait_ms(), max_records=FETCH_MAX)
                records = batches.get(self._topic, [])
                if records:
                    await self._take(records)
                elif not waiting and await consumer.position(self._topic) >= end:
                    # The end may lie behind offsets that hold no record.
                    self._outbox.answers.take([], end, datetime.now(UTC))
                self._backoff.landed(consumer, self._topic)
        finally:
            await close(consumer)

    def _wait_ms(self) -> int:
        """Return for how long answers are waited for at once: an office that is at work asks often.

        Over HTTPS it is that request, and often nothing else, by which a connection is found to be dead.
        """
        if not self._sender.ready.is_set():
            return 500
        return BUSY_WAIT_MS if self._sender.has_sent_lately else 60_000

    async def _seek(self, consumer: Consumer) -> int:
        """Go to where we were; return the topic's end at this moment."""
        async with asyncio.timeout(self._link.settings.request_timeout_s):
            end = (await consumer.end_offsets([self._topic]))[self._topic]
            position = self._outbox.answers.position
            if position > end:
                log.warning("answers_start_over", position=position, end=end)
                position = (await consumer.beginning_offsets([self._topic]))[self._topic]
                self._outbox.answers.take([], position, datetime.now(UTC))
            consumer.seek(self._topic, position)
        return int(end)

    async def _take(self, records: Iterable[Any]) -> None:
        heard = _Heard(hq_status(self._outbox.database))
        position = 0
        for record in records:
            position = record.offset + 1
            await self._hear(record, heard)
        answers, resend = heard.receipts, heard.resend
        beside = Beside(heard.news, heard.passed, heard.again)
        try:
            taken = self._outbox.answers.take(answers, position, datetime.now(UTC), beside)
        except Retriable:
            # It may have been done all the same, and then nobody tells again which rows have verdicts, or lost a plan,
            # nor what HQ asks for.
            self._sender.receipted()
            self._decided.ring()
            self._replans.add_every()
            self._send_again(resend)
            raise
        # Durable from here: receipts, verdicts and the position are one commit.
        said = zip(answers, taken.outcomes, strict=True)
        self._seen.extend(sha256(each.note).digest() for each, outcome in said if outcome in _FINAL)
        if ReceiptOutcome.APPLIED in taken.outcomes:
            self._sender.receipted()
            self._decided.ring()
        self._replans.add(taken.replan)
        self._send_again(resend)
        await self._send_lost(heard)
        self._tell(heard)
        if ReceiptOutcome.FOREIGN in taken.outcomes or (
            ReceiptOutcome.DIVERGED in taken.outcomes and self._sender.ready.is_set()
        ):
            await self._open_if_due()

    async def _hear(self, record: Any, heard: _Heard) -> None:
        """Sort out what one record of our topic says: what is for us, and news, and by HQ."""
        settings = self._link.settings
        if sha256(record.value or b"").digest() in self._seen:
            heard.again += 1  # we know that it is HQ's, and what became of it: it costs nothing to say it again
            return
        note = _note(record)
        if note is not None:
            # HQ may have a new key. Were it not to be found out now, this would be read again after the session's end.
            await self._trust.look_for(note)
        said = None if note is None else self._read(note)
        if said is None or note is None:
            heard.pass_over(Passed.NOT_HQ)
            return
        reason = passed_over(said, settings.hub, settings.center)
        if isinstance(said, StatusNote):
            came = self._came_at(record)
            reason = reason or status_passed_over(said, None if heard.status is None else heard.status.note, came)
            if reason is None:
                heard.status = heard.news = Kept.read(said, datetime.now(UTC), came)
        elif isinstance(said, Resend):
            if reason is None and (said.origin != self._outbox.lane.origin or self._is_answered(said, heard)):
                reason = Passed.OLD
            heard.resend = said if reason is None else heard.resend
        elif reason is None:
            retired_at = self._trust.trusted.retired_at(note)
            heard.receipts.append(ReceivedReceipt(record.offset, said, record.value, retired_at))
            asked = heard.resend
            if asked is not None and said.origin == asked.origin and said.last >= asked.first:
                heard.resend = None  # HQ has got what it asked for
        if reason is not None:
            heard.pass_over(reason)

    def _is_answered(self, asked: Resend, heard: _Heard) -> bool:
        """Return whether HQ has answered already what it asks for, as the outbox has it, or as was just read."""
        just = any(each.receipt.first <= asked.first <= each.receipt.last for each in heard.receipts)
        return just or self._outbox.answers.is_answered(asked.first)

    def _came_at(self, record: Any) -> datetime:
        """Return when a record came to the broker, by its clock; by ours where it does not stamp with its own."""
        stamped = stamped_at(record)
        return self._now() if stamped is None else stamped

    def _send_again(self, resend: Resend | None) -> None:
        if resend is not None and self._sender.rewind(resend.first):
            log.warning("resend_asked", first=resend.first, reason=resend.reason)

    async def _send_lost(self, heard: _Heard) -> None:
        """Send again what HQ says that it has no more: its receipts first, so that the events get the same again."""
        if heard.news is None:
            return
        lane, answers = self._outbox.lane, self._outbox.answers
        first = lost_from(heard.news.note, lane.origin, lane.receipted(), answers.newest_recorded_at())
        if first is not None:
            log.warning("hq_went_back", first=first, receipted=lane.receipted())
            await lend_receipts(answers, self._sender, first)
            self._sender.lost(first)

    def _tell(self, heard: _Heard) -> None:
        """Tell people what HQ says of how it stands with us, if that has changed, and what was passed over."""
        for reason, count in heard.passed.items():
            before = self._passed[reason]
            self._passed[reason] += count
            if len(str(before)) < len(str(self._passed[reason])) or not before:  # one line for ten times as many
                log.warning("answer_passed_over", reason=reason, count=self._passed[reason])
        if heard.news is None:
            return
        self.told = heard.news if self._sender.ready.is_set() else None
        note, before_it = heard.news.note, heard.before
        if before_it is None or (note.state, note.why) != (before_it.note.state, before_it.note.why):
            say = log.warning if heard.news.stops else log.info
            told = whole_said(status_said(heard.news), todo_said(heard.news))
            say("hq_status", state=str(note.state), since=write_time(note.since), why=note.why, said=told)
            self._decided.ring()  # the verdict sheets show it

    def _read(self, note: Note) -> Receipt | Resend | StatusNote | None:
        """Return what HQ says in a record of its topic; None if it is not HQ who says it.

        Only HQ can write here; whoever else did is not believed, and what it hid from us is sent again.
        """
        try:
            return self._trust.trusted.answer(note)
        except Malformed as exc:
            log.debug("answer_not_by_hq", reason=str(exc))
            return None

    async def _open_if_due(self) -> None:
        await self._reconsider_foreign()
        await self._name_foreign()
        reason = reason_for_epoch(self._outbox)
        if reason is not None:
            settings = self._link.settings
            try:
                files = open_epoch(self._outbox, self._codecs, self._ids, settings.hub, settings.center, reason)
            except Retriable:
                self._replans.add_every()  # the lane may be open all the same, and nobody tells again what it forgot
                raise
            finally:
                self._sender.wake()
            self._replans.add(files)

    async def _reconsider_foreign(self) -> None:
        """Read HQ's lane before we stop: HQ may have taken back the time by which the other lane is the newer one.

        Where it can't be read, nothing is known to have been taken back.
        """
        if self._outbox.database.foreign() is None:
            return
        was_ready, settings = self._sender.ready.is_set(), self._link.settings
        self._sender.ready.clear()  # we may be about to stop
        try:
            async with asyncio.timeout(settings.registry_wait_s):
                lane = (await read_registry(self._link, self._trust.trusted.trust)).lane
        except (CohubError, KafkaError, TimeoutError, OSError) as exc:
            log.info("clock_unknown", reason=reason_of(exc))
            return
        clock = lane.entities.get(CLOCK)
        correction = None if clock is None else correction_of(clock, lane.corrected_at)
        if not self._outbox.answers.origins.reconsider(correction, settings.hub, settings.center) and was_ready:
            self._sender.ready.set()
            self._sender.wake()

    async def _name_foreign(self) -> None:
        """Add to what is noted of a foreign lane why, and on which machine, it was opened, if HQ has published that."""
        foreign = self._outbox.database.foreign()
        if foreign is None or foreign.opened_as:
            return
        self._sender.ready.clear()  # we are about to stop
        reason = await lane_reason(self._link, foreign.origin)
        if reason:
            self._outbox.database.set_foreign(replace(foreign, opened_as=reason))


class _Heard:
    """What a few records of our topic come to."""

    def __init__(self, status: Kept | None) -> None:
        self.before = self.status = status
        self.news: Kept | None = None
        self.receipts: list[ReceivedReceipt] = []
        self.resend: Resend | None = None
        self.passed: Counter[str] = Counter()
        self.again = 0  # receipts that were taken before, byte for byte

    def pass_over(self, reason: Passed) -> None:
        self.passed[str(reason)] += 1


def _note(record: Any) -> Note | None:
    """Return the note in a record of HQ's topic, None if the record holds no note."""
    try:
        return Note.from_bytes(record.value or b"")
    except Malformed as exc:
        log.debug("answer_not_by_hq", offset=record.offset, reason=str(exc))
        return None
