"""Reads HQ's log, keeps what was seen before answering, and cosigns. What is decided is decided by `witness`.

What is true when the process dies behind each step:
  read                   nothing happened: it is read again from the place in the outbox
  kept, with the         HQ was told nothing, or was: the next start reads the topic to its end, and tells the same
    cosignature          bytes again if nothing newer came. HQ keeps the first.
  told                   the same

An office that goes back to an old copy has promised more than it knows. It reads to the end of the topic before it
says anything, and the topic has every checkpoint that HQ ever signed: so it says nothing older than it said before.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import structlog
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError, TopicAuthorizationFailedError

from connectors.runtime.alarm_name import AlarmName
from connectors.runtime.alarms import Alarm, AlarmText, kept_text, told_to_hq
from connectors.runtime.lending import lend_log
from connectors.runtime.link import Backoff, Link, TopicHidden
from connectors.runtime.outbox import Outbox
from connectors.runtime.outbox.meta import Meta
from connectors.runtime.outbox.witnessed import LEAVES_KEPT
from connectors.runtime.sender import Sender
from connectors.runtime.witness import Break, Follows, Log, missing, read, signed_at, step, unknown_keys
from connectors.runtime.witness_keys import WitnessKeys
from connectors.runtime.witness_state import WitnessState
from hub.base.clients import close
from hub.base.kafka import Consumer
from hub.base.seldom import Seldom
from hub.protocol.control import seal_key_name
from hub.protocol.errors import Malformed, Retriable
from hub.protocol.moment import write_time
from hub.protocol.note import Note, sign_note
from hub.protocol.topics import CHECKPOINTS
from hub.protocol.witness import ALARM_KIND, COSIGNATURE_KIND, cosigned_note, log_origin
from hub.protocol.witness import Alarm as SignedAlarm
from schemas.words.said import said

FETCH_MAX: Final = 64
FETCH_WAIT_MS: Final = 5_000
QUIET_MS: Final = 30_000  # nothing waits: HQ says its newest checkpoint every minute anyway
RESTLESS_MS: Final = 2_000  # something does: a receipt to be seen, a cosignature or an alarm to be told
BACKOFF_MAX_S: Final = 60.0
STOPPED_POLL_S: Final = 2.0
PASSED_MAX: Final = 256
STRANGERS_MAX: Final = 1_000
SEARCH_EVERY_S: Final = 3_600.0
SEARCH_AFTER_S: Final = 60.0
RACE: Final = timedelta(seconds=2)  # a receipt and its leaf come on two topics, in any order
PLACE: Final = TopicPartition(CHECKPOINTS, 0)

log = structlog.get_logger(__name__)


class WitnessReader:
    """Reads `hub.checkpoints` for as long as it runs. One owner, one loop."""

    def __init__(
        self,
        outbox: Outbox,
        link: Link,
        sender: Sender,
        keys: WitnessKeys,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = outbox.database
        self._kept = outbox.witnessed
        self._link = link
        self._sender = sender
        self._keys = keys
        self._now = now
        self._clock = clock
        self._origin = log_origin(link.settings.hub)
        self._within_s = link.settings.logged_within_s
        self._backoff = Backoff(BACKOFF_MAX_S)
        self._told_size = 0  # of the newest cosignature that the broker has taken in this run
        self._state = ""
        self._strangers: set[bytes] = set()  # ids of keys that HQ has not published, however often one looks
        self._unmet_since: float | None = None  # since when everything was read, and something is missing
        self._searched_at = float("-inf")  # when the whole log was last read again
        self._seldom = Seldom(log)
        self._load()

    def _load(self) -> None:
        self._log, self._position = self._kept.load()
        self._stood_by = self._log  # what is kept; `_log` is it, and what was read since
        self._whole_to = self._position  # up to where the topic was read when nothing was missing
        self._search_wait_s = 0.0  # how long after `_searched_at` the topic may be read again for what is missing
        self._read_from = self._log.size  # the log's size when we began to read the topic, or began again
        self._passed: list[tuple[int, bytes]] = []  # checkpoints and leaves that are read and not kept yet
        self._leaves: list[tuple[int, Sequence[bytes]]] = []
        self._reminds = False  # whether HQ is to be told again what it seems not to know
        self._end_then = 0  # of the topic, when the session began
        self._whole_since: float | None = None  # since when everything was read, and fits together

    async def run(self) -> None:
        """Witness for as long as the task lives."""
        # Receipts come before the checkpoints that must have them: then what has to be remembered stays little.
        self._note(WitnessState.ANSWERS_FIRST)
        await self._sender.ready.wait()
        while True:
            try:
                if self._kept.stopped() is not None:
                    await self._stand_still()
                elif not self._keys.logs():
                    self._note(WitnessState.NO_LOG_KEYS)
                else:
                    await self._session()
            except (TopicHidden, TopicAuthorizationFailedError):
                self._note(WitnessState.NO_LOG)
            except (Retriable, KafkaError, TimeoutError, OSError) as exc:
                self._link.tell_lost("log_lost", exc)
            await self._backoff.wait()

    async def _session(self) -> None:
        consumer = await self._link.consumer(CHECKPOINTS, wait_ms=FETCH_WAIT_MS)
        try:
            consumer.assign([PLACE])
            self._load()
            await self._seek(consumer)
            self._note_reading()
            while self._kept.stopped() is None and self._keys.logs():
                wait_ms = RESTLESS_MS if self._is_restless() else QUIET_MS
                fetched = await consumer.getmany(PLACE, timeout_ms=wait_ms, max_records=FETCH_MAX)
                if await self._take(consumer, fetched.get(PLACE, [])):
                    await self._tell_newest()
                    await self._look_for_receipts(consumer)
                await self._remind()
                await self._tell_alarm()
                self._backoff.landed(consumer, PLACE)
        finally:
            await close(consumer)

    async def _seek(self, consumer: Consumer) -> None:
        """Go to where we were; to the beginning if the topic ends before that, for then it is another topic."""
        end = self._end_then = await self._end(consumer)
        if self._log.size and not self._position:
            await self._begin_again(consumer, self._log.from_beginning())
        elif self._position > end:
            await self._start_over(consumer, end)
        else:
            consumer.seek(PLACE, self._position)

    async def _start_over(self, consumer: Consumer, end: int) -> None:
        """Read a topic that ends before our place. HQ may be an older copy of itself: it is told what we stand by."""
        log.warning("log_starts_over", position=self._position, end=end)
        await self._begin_again(consumer, self._log.from_beginning())
        self._reminds = True

    async def _end(self, consumer: Consumer) -> int:
        async with asyncio.timeout(self._link.settings.request_timeout_s):
            return int((await consumer.end_offsets([PLACE]))[PLACE])

    async def _begin_again(self, consumer: Consumer, begun: Log) -> None:
        self._log, self._read_from, self._position, self._whole_to = begun, begun.size, 0, 0
        if not begun.forward:
            self._searched_at, self._whole_since = self._clock(), None
            self._passed, self._leaves = [], []
        async with asyncio.timeout(self._link.settings.request_timeout_s):
            await consumer.seek_to_beginning(PLACE)

    async def _take(self, consumer: Consumer, records: Sequence[Any]) -> bool:
        """Take what was fetched; return whether everything was read and fits together."""
        strange: list[str] = []
        unusable: list[str] = []
        for record in records:
            await self._look_up_keys(record)
        keys, retired, newest = self._keys.logs(), self._keys.retired(), self._newest()
        if records and records[0].offset < self._position:  # the client begins again where a topic has become shorter
            await self._start_over(consumer, records[0].offset)
            return False
        for record in records:
            self._position = record.offset + 1
            try:
                said = read(record.value, record.headers, self._origin, keys, retired, newest)
            except Malformed as exc:
                strange.append(f"offset {record.offset}: {exc}")
                continue
            done = step(self._log, said, self._note_at)
            if isinstance(done, Break):
                self._stop(done)
                return False
            self._remember(done)
            unusable += [done.unusable] if done.unusable else []
        if strange:  # only HQ can write here; whoever else did is not believed
            log.warning("checkpoints_not_by_hq", count=len(strange), last=strange[-1])
        for reason in unusable:
            self._seldom.warning("checkpoint_unusable", topic=CHECKPOINTS, reason=reason)
        # Before the first answer only the end as it was asked for is known; the broker holds that answer back.
        at_end = await consumer.position(PLACE) >= max(self._end_then, consumer.highwater(PLACE) or 0)
        return await self._settle(consumer, at_end=at_end)

    async def _look_up_keys(self, record: Any) -> None:
        """See whether HQ has published a key that we do not know: a rotation must not look like a gap in its log."""
        if unknown_keys(record.value, self._origin, self._keys.logs()) - self._strangers:
            await self._keys.look()
            if len(self._strangers) > STRANGERS_MAX:
                self._strangers.clear()
            self._strangers |= unknown_keys(record.value, self._origin, self._keys.logs())

    def _newest(self) -> tuple[int, datetime | None]:
        """Return the size of the checkpoint that we stand by, and when HQ signed it."""
        kept = self._stood_by
        return kept.size, signed_at(Note.from_bytes(kept.note), self._keys.logs()) if kept.note else None

    def _note_at(self, size: int) -> bytes | None:
        note = next((note for passed, note in self._passed if passed == size), None)
        return note if note is not None else self._kept.note_at(size)

    def _remember(self, done: Follows) -> None:
        before, self._log = self._log, done.log
        if done.log.is_whole:
            self._whole_to = self._position
        if done.leaves:
            self._passed.append((done.log.size, done.log.note))
            self._leaves.append((before.size, done.leaves))
            del self._passed[:-PASSED_MAX]
            while self._leaves[0][0] < done.log.size - LEAVES_KEPT:
                del self._leaves[0]
            if done.log.again:  # what is not kept until all was read again is not lost for our receipts
                self._kept.logged(done.leaves)

    async def _settle(self, consumer: Consumer, *, at_end: bool) -> bool:
        """Keep what was read, with the cosignature that follows from it; return whether it is all, and whole."""
        is_all = at_end and self._log.is_whole
        if self._log.is_whole:
            self._whole_to = self._position
        if is_all:
            self._log = self._log.settled()
        if not self._log.again:
            cosigned = self._cosign() if is_all else None
            if self._passed or cosigned is not None:
                self._kept.saw(self._log, self._whole_to, self._passed, self._leaves, self._now(), cosigned)
                # Durable from here, and nobody was told anything yet.
                self._stood_by = self._log
                self._passed, self._leaves = [], []
        if at_end and not is_all:
            self._note(WitnessState.MISSING)
            self._wait_for_missing()
            await self._look_further(consumer)
        if not is_all:
            return False
        self._unmet_since, self._search_wait_s = None, 0.0
        self._note_reading()
        if self._log.doubted and self._clock() - self._searched_at > SEARCH_EVERY_S:
            log.info("log_read_again", doubted=len(self._log.doubted))
            await self._begin_again(consumer, self._log.from_beginning())
            return False
        if self._whole_since is None:
            log.info("log_read_to_end", size=self._log.size)
            self._whole_since = self._clock()
            self._alarm(AlarmName.LOG, None)
        return True

    async def _look_further(self, consumer: Consumer) -> None:
        """Read the topic again where that may lead on: at once for what was not kept, seldom for all of it.

        What is missing may stand before what follows from it, for compaction keeps the place of what was said last.
        """
        self._log = replace(self._log, forward=False)
        if self._log.dropped and self._log.size > self._read_from:
            await self._begin_again(consumer, self._log.once_more())
        elif self._clock() - self._searched_at >= self._search_wait_s:
            log.info("log_read_again", size=self._log.size, signed=self._log.ahead)
            self._search_wait_s = min(max(self._search_wait_s * 2, SEARCH_AFTER_S), SEARCH_EVERY_S)
            await self._begin_again(consumer, self._log.from_beginning())

    def _wait_for_missing(self) -> None:
        """HQ says its log again where its topic has lost it: what is missing is told only after a while.

        It is no break, and ends by itself: nobody has signed what is not there.
        """
        if self._unmet_since is None:
            self._unmet_since, self._whole_since = self._clock(), None
            self._reminds = self._reminds or self._log.again
            log.warning("log_incomplete", size=self._log.size, signed=self._log.ahead)
        found = missing(self._log)
        if found is None or self._clock() - self._unmet_since < self._within_s:
            return
        kept = Alarm.from_text(self._database.meta(AlarmName.LOG) or "")
        if kept is None or kept.text is not AlarmText.LOG_MISSING:  # told once, though HQ signs on meanwhile
            values = {"reason": found.reason, "why": str(found.why), **found.values}
            self._alarm(AlarmName.LOG, Alarm(AlarmText.LOG_MISSING, values))

    def _cosign(self) -> bytes | None:
        """Return our cosignature on the newest checkpoint, None if it has one, or we have no key that HQ knows."""
        key = self._keys.witness()
        if key is None or self._log.size <= self._kept.newest_cosigned()[0]:
            return None
        return cosigned_note(Note.from_bytes(self._log.note).text, key, self._now())

    async def _tell_newest(self) -> None:
        """Tell HQ our newest cosignature, unless this run has: only about the log as it is now, never an older one."""
        size, note = self._kept.newest_cosigned()
        if self._told_size < size == self._log.size and await self._sender.send_control(COSIGNATURE_KIND, note):
            self._told_size = size
            log.info("log_cosigned", size=size)

    async def _remind(self) -> None:
        """Tell HQ once more, in the stored bytes, what we have cosigned where its topic ends before that.

        HQ may have gone back to an older copy of itself without knowing it, and it listens before it signs.
        """
        size, note = self._kept.newest_cosigned()
        if not self._reminds or (size and not await self._sender.send_control(COSIGNATURE_KIND, note)):
            return
        log.info("log_reminded", size=size)
        self._reminds = self._unmet_since is not None and not await lend_log(
            self._database, self._kept, self._sender, self._log.size, self._stood_by
        )

    async def _look_for_receipts(self, consumer: Consumer) -> None:
        """See that every receipt is in the log within its time, counted from when we could have seen it there."""
        now = self._now()
        missing = self._kept.missing(now - RACE)
        before = write_time(now - timedelta(seconds=self._within_s))
        assert self._whole_since is not None
        overdue = [receipt for receipt in missing if receipt.stored_at < before]
        if not overdue:
            self._alarm(AlarmName.NOT_LOGGED, None)
        elif self._clock() - self._whole_since >= self._within_s and self._position >= await self._end(consumer):
            if self._kept.remembers_from() and self._clock() - self._searched_at > SEARCH_EVERY_S:
                # Its leaf may have gone by so long ago that we do not remember: an alarm must not be wrong.
                await self._begin_again(consumer, self._log.from_beginning())
                return
            oldest = overdue[0]
            values = {"origin": oldest.origin, "last": str(oldest.last), "stored_at": oldest.stored_at}
            text = AlarmText.NOT_LOGGED if len(overdue) == 1 else AlarmText.NOT_LOGGED_MORE
            self._alarm(AlarmName.NOT_LOGGED, Alarm(text, values))

    def _stop(self, found: Break) -> None:
        log.error("witness_stopped", reason=found.reason)
        with self._database.transaction():
            self._kept.broke(found, self._now())
            self._alarm(AlarmName.LOG, Alarm(AlarmText.LOG, {"reason": found.reason, "why": found.why, **found.values}))

    async def _stand_still(self) -> None:
        """Do nothing but tell HQ, until a person has us look again."""
        self._note(WitnessState.STOPPED)
        while self._kept.stopped() is not None:
            await self._tell_alarm()
            await asyncio.sleep(STOPPED_POLL_S)

    def _alarm(self, name: AlarmName, alarm: Alarm | None) -> None:
        kept = None if alarm is None else alarm.to_text()
        if self._database.meta(name) != kept:
            told = None if kept is None else told_to_hq(kept)
            shown = None if kept is None else kept_text(kept, self._keys.office.settings.language)
            log.warning("alarm_raised" if kept else "alarm_cleared", alarm=str(name), text=told, said=shown)
            self._database.set_meta(name, kept)

    def _wrong(self) -> str:
        """Return what is wrong with HQ's log, as HQ is told it; '' if nothing is."""
        kept = (self._database.meta(name) for name in (AlarmName.LOG, AlarmName.NOT_LOGGED))
        return "; ".join(told_to_hq(alarm) for alarm in kept if alarm is not None)

    async def _tell_alarm(self) -> None:
        """Tell HQ what is wrong with its log, or that nothing is any more; once for each change."""
        reason = self._wrong()
        if reason == self._database.meta(Meta.WITNESS_TOLD, ""):
            return
        settings, key = self._link.settings, self._keys.seal()
        text = SignedAlarm(settings.center, self._now(), self._kept.load()[0].size, reason).to_text()
        note = sign_note(text, [key.named(seal_key_name(settings.hub, settings.center))]).to_bytes()
        if await self._sender.send_control(ALARM_KIND, note):
            self._database.set_meta(Meta.WITNESS_TOLD, reason or None)

    def _is_restless(self) -> bool:
        return (
            not self._log.is_whole
            or self._whole_since is None
            or self._kept.waiting() > 0
            or self._told_size < self._log.size == self._kept.newest_cosigned()[0]
            or self._wrong() != self._database.meta(Meta.WITNESS_TOLD, "")
        )

    def _note_reading(self) -> None:
        self._note(WitnessState.READS if self._keys.office.witness_key else WitnessState.NO_KEY)

    def _note(self, state: WitnessState) -> None:
        if state != self._state:
            self._state = state
            log.info("witness", state=str(state), said=said(f"witness.state_{state.name.lower()}"))
            with contextlib.suppress(Retriable):  # for `status` alone
                self._database.set_meta(Meta.WITNESS_STATE, str(state))
