"""Reads what HQ answers on `out.<center>`: receipts into the outbox, resend requests to the sender."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

import structlog
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from connectors.runtime.codecs import Codecs
from connectors.runtime.epoch import open_epoch, reason_for_epoch
from connectors.runtime.ids import EventIds
from connectors.runtime.link import Backoff, Link
from connectors.runtime.outbox import Outbox
from connectors.runtime.outbox.answers import ReceiptOutcome, ReceivedReceipt
from connectors.runtime.registry_reader import lane_reason
from connectors.runtime.sender import Sender
from connectors.runtime.signals import Replans, Signal
from connectors.runtime.trust import TrustReader
from hub.base.clients import close
from hub.base.kafka import Consumer
from hub.protocol.errors import Malformed, Retriable
from hub.protocol.note import Note
from hub.protocol.receipt import Receipt, Resend

FETCH_MAX: Final = 500

log = structlog.get_logger(__name__)


class ReceiptReader:
    """Reads HQ's answers. When the process starts it reads them to their end before the sender may go on.

    `decided` is rung when rows have got a verdict; `replans` gets the files whose rows must be planned again.
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
            reason_for_epoch(self._outbox)  # a foreign lane that was seen before stops us before we connect
        consumer = await self._link.consumer()
        self._backoff.reset()
        try:
            consumer.assign([self._topic])
            end = await self._seek(consumer)
            while True:
                if not self._sender.ready.is_set() and self._outbox.answers.position >= end:
                    await self._open_if_due()
                    self._sender.ready.set()
                    log.info("answers_read", position=end, origin=self._outbox.lane.origin)
                waiting = self._sender.ready.is_set()
                batches = await consumer.getmany(timeout_ms=60_000 if waiting else 500, max_records=FETCH_MAX)
                records = batches.get(self._topic, [])
                if records:
                    await self._take(records)
                elif not waiting and await consumer.position(self._topic) >= end:
                    # The end may lie behind offsets that hold no record.
                    self._outbox.answers.take([], end, datetime.now(UTC))
        finally:
            await close(consumer)

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
        answers: list[ReceivedReceipt] = []
        resend: Resend | None = None
        position = 0
        looked_up = False
        for record in records:
            position = record.offset + 1
            note = _note(record)
            if note is not None and not looked_up and self._trust.trusted.lacks(note):
                # HQ has a new key. Were it not to be found out now, this would be read again after the session's end.
                looked_up = True
                await self._trust.look()
            said = None if note is None else self._read(record.offset, note)
            if isinstance(said, Resend):
                resend = said if said.origin == self._outbox.lane.origin else resend
            elif said is not None and note is not None:
                answers.append(ReceivedReceipt(record.offset, said, record.value, self._trust.trusted.retired_at(note)))
                if resend is not None and said.origin == resend.origin and said.last >= resend.first:
                    resend = None  # HQ has got what it asked for
        try:
            taken = self._outbox.answers.take(answers, position, datetime.now(UTC))
        except Retriable:
            # It may have been done all the same, and then nobody tells again which rows have verdicts, or lost a plan,
            # nor what HQ asks for.
            self._sender.receipted()
            self._decided.ring()
            self._replans.add_every()
            self._send_again(resend)
            raise
        # Durable from here: receipts, verdicts and the position are one commit.
        if ReceiptOutcome.APPLIED in taken.outcomes:
            self._sender.receipted()
            self._decided.ring()
        self._replans.add(taken.replan)
        self._send_again(resend)
        if ReceiptOutcome.FOREIGN in taken.outcomes or (
            ReceiptOutcome.DIVERGED in taken.outcomes and self._sender.ready.is_set()
        ):
            await self._open_if_due()

    def _send_again(self, resend: Resend | None) -> None:
        if resend is not None:
            log.warning("resend_asked", first=resend.first, reason=resend.reason)
            self._sender.rewind(resend.first)

    def _read(self, offset: int, note: Note) -> Receipt | Resend | None:
        """Return what HQ says in a record of its topic; None if it is not HQ who says it."""
        try:
            return self._trust.trusted.answer(note)
        except Malformed as exc:
            # Only HQ can write here; whoever else did is not believed, and what it hid from us is sent again.
            log.warning("answer_not_by_hq", offset=offset, reason=str(exc))
            return None

    async def _open_if_due(self) -> None:
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

    async def _name_foreign(self) -> None:
        """Add to what is noted of a foreign lane why, and on which machine, it was opened, if HQ has published that."""
        foreign = self._outbox.database.foreign()
        if foreign is None or foreign.opened_as:
            return
        self._sender.ready.clear()  # we are about to stop
        reason = await lane_reason(self._link, foreign.origin)
        if reason:
            self._outbox.database.set_foreign(replace(foreign, opened_as=reason))


def _note(record: Any) -> Note | None:
    """Return the note in a record of HQ's topic, None if the record holds no note."""
    try:
        return Note.from_bytes(record.value or b"")
    except Malformed as exc:
        log.warning("answer_not_by_hq", offset=record.offset, reason=str(exc))
        return None
