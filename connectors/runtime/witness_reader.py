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
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import structlog
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError, TopicAuthorizationFailedError

from connectors.runtime.alarm_name import AlarmName
from connectors.runtime.alarms import Alarm, AlarmText, kept_text
from connectors.runtime.link import Backoff, Link, TopicHidden
from connectors.runtime.office import Office
from connectors.runtime.outbox import Outbox
from connectors.runtime.outbox.meta import Meta
from connectors.runtime.outbox.witnessed import LEAVES_KEPT
from connectors.runtime.registry import Registry
from connectors.runtime.sender import Sender
from connectors.runtime.witness import Break, Follows, Log, ReadAgain, read, signed_at, step, unknown_keys, unmet
from connectors.runtime.witness_state import WitnessState
from hub.base.clients import close
from hub.base.kafka import Consumer
from hub.protocol.checkpoint import open_checkpoint
from hub.protocol.control import seal_key_name
from hub.protocol.errors import Malformed, Retriable
from hub.protocol.keys import Signer, Verifier
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
RACE: Final = timedelta(seconds=2)  # a receipt and its leaf come on two topics, in any order
PLACE: Final = TopicPartition(CHECKPOINTS, 0)

log = structlog.get_logger(__name__)


def told_to_hq(kept: str) -> str:
    """Return how HQ is told of an alarm of ours about its log: in English, whatever the office reads.

    It is signed, so it is no word of the catalogue, which may come to say the same better; and what 0.2 kept was this
    very sentence, so that nothing is told anew after an update.
    """
    alarm = Alarm.from_text(kept)
    if alarm is None:
        return kept
    if alarm.text is AlarmText.LOG:
        return f"{alarm.values['reason']}; nothing is cosigned any more, see `connector witness status`"
    more = " and more" if alarm.text is AlarmText.NOT_LOGGED_MORE else ""
    return "HQ gave a receipt that is not in its log: {origin} to {last}, {stored_at}".format(**alarm.values) + more


@dataclass(frozen=True, slots=True)
class WitnessKeys:
    """Which keys count, asked each time: HQ's for its log as they are pinned, and the office's."""

    office: Office
    registry: Registry
    logs: Callable[[], Sequence[Verifier]]  # HQ's log keys, also former ones; none in a trust file of version 1
    retired: Callable[[], Mapping[Verifier, datetime]]  # which of HQ's keys sign nothing new, since when
    look: Callable[[], Awaitable[None]]  # reads what HQ has published of its keys, a few times a minute

    def witness(self) -> Signer | None:
        """Return the key to cosign with; None while HQ would not know whose it is."""
        key, center = self.office.witness_key, self.registry.center
        if key is None or center is None or not self.registry.known:
            return key
        known = center.key(key.verifier)
        return key if known is not None and known.active else None

    def seal(self) -> Signer:
        """Return the key that alarms are signed by."""
        return self.office.key


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
        self._load()

    def _load(self) -> None:
        self._log, self._position = self._kept.load()
        self._stood_by = self._log  # what is kept; `_log` is it, and what was read since
        self._passed: list[tuple[int, bytes]] = []  # checkpoints and leaves that are read and not kept yet
        self._leaves: list[tuple[int, Sequence[bytes]]] = []
        self._reminds = False  # whether HQ is to be told again what it seems not to know
        self._end_then = 0  # of the topic, when the session began
        self._whole_since: float | None = None  # since when everything was read, and fits together
        self._unmet_since: float | None = None  # since when everything was read, and something is missing
        self._searched_at = float("-inf")  # when the whole log was last read for a receipt

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
            self._backoff.reset()
            self._note(WitnessState.READS if self._keys.office.witness_key else WitnessState.NO_KEY)
            while self._kept.stopped() is None and self._keys.logs():
                wait_ms = RESTLESS_MS if self._is_restless() else QUIET_MS
                fetched = await consumer.getmany(PLACE, timeout_ms=wait_ms, max_records=FETCH_MAX)
                if await self._take(consumer, fetched.get(PLACE, [])):
                    await self._tell_newest()
                    await self._look_for_receipts(consumer)
                await self._remind()
                await self._tell_alarm()
        finally:
            await close(consumer)

    async def _seek(self, consumer: Consumer) -> None:
        """Go to where we were; to the beginning if the topic ends before that, for then it is another topic."""
        end = self._end_then = await self._end(consumer)
        if self._position > end:
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
        self._log, self._unmet_since, self._position = begun, None, 0
        self._passed, self._leaves = [], []
        async with asyncio.timeout(self._link.settings.request_timeout_s):
            await consumer.seek_to_beginning(PLACE)

    async def _take(self, consumer: Consumer, records: Sequence[Any]) -> bool:
        """Take what was fetched; return whether everything was read and fits together."""
        strange: list[str] = []
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
            done = step(self._log, said, self._root_at)
            if isinstance(done, Break):
                self._stop(done)
                return False
            if isinstance(done, ReadAgain):
                log.info("log_read_again", reason=done.reason)
                self._whole_since = None
                await self._begin_again(consumer, done.log)
                return False
            self._remember(done)
        if strange:  # only HQ can write here; whoever else did is not believed
            log.warning("checkpoints_not_by_hq", count=len(strange), last=strange[-1])
        # Before the first answer only the end as it was asked for is known; the broker holds that answer back.
        at_end = await consumer.position(PLACE) >= max(self._end_then, consumer.highwater(PLACE) or 0)
        return self._settle(at_end=at_end)

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

    def _root_at(self, size: int) -> bytes | None:
        note = next((note for passed, note in self._passed if passed == size), None)
        return open_checkpoint(note)[0].root if note is not None else self._kept.root_at(size)

    def _remember(self, done: Follows) -> None:
        before, self._log = self._log, done.log
        if done.leaves:
            self._passed.append((done.log.size, done.log.note))
            self._leaves.append((before.size, done.leaves))
            del self._passed[:-PASSED_MAX]
            while self._leaves[0][0] < done.log.size - LEAVES_KEPT:
                del self._leaves[0]
            if done.log.again:  # what is not kept until all was read again is not lost for our receipts
                self._kept.logged(done.leaves)

    def _settle(self, *, at_end: bool) -> bool:
        """Keep what was read, with the cosignature that follows from it; return whether it is all, and whole."""
        if self._log.again:
            if not at_end:
                return False
            if not self._log.is_whole:
                self._wait_for_missing()
                return False
            self._log = self._log.settled()
            log.info("log_read_to_end", size=self._log.size)
        cosigned = self._cosign() if at_end else None
        if self._passed or cosigned is not None:
            self._kept.saw(self._log, self._position, self._passed, self._leaves, self._now(), cosigned)
            # Durable from here, and nobody was told anything yet.
            self._stood_by = self._log
            self._passed, self._leaves = [], []
        if not at_end:
            return False
        if self._whole_since is None:
            self._whole_since = self._clock()
            self._alarm(AlarmName.LOG, None)
        return True

    def _wait_for_missing(self) -> None:
        """HQ may be about to fill its topic again: what is missing is a break only after a while."""
        if self._unmet_since is None:
            self._unmet_since = self._clock()
            self._reminds = True
            log.warning("log_incomplete", size=self._log.size, promised=self._log.ahead)
        found = unmet(self._log)
        if found is not None and self._clock() - self._unmet_since >= self._within_s:
            self._stop(found)

    def _cosign(self) -> bytes | None:
        """Return our cosignature on the newest checkpoint, None if it has one, or we have no key that HQ knows."""
        key = self._keys.witness()
        if key is None or self._log.size <= self._kept.newest_cosigned()[0]:
            return None
        return cosigned_note(Note.from_bytes(self._log.note).text, key, self._now())

    async def _tell_newest(self) -> None:
        """Tell HQ our newest cosignature, unless this run has: only about the log as it is now, never an older one."""
        size, note = self._kept.newest_cosigned()
        if (
            size == self._log.size
            and size > self._told_size
            and await self._sender.send_control(COSIGNATURE_KIND, note)
        ):
            self._told_size = size
            log.info("log_cosigned", size=size)

    async def _remind(self) -> None:
        """Tell HQ once more, in the stored bytes, what we have cosigned where its topic ends before that.

        HQ may have gone back to an older copy of itself without knowing it, and it listens before it signs.
        """
        size, note = self._kept.newest_cosigned()
        if self._reminds and (not size or await self._sender.send_control(COSIGNATURE_KIND, note)):
            self._reminds = False
            log.info("log_reminded", size=size)

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
                self._searched_at = self._clock()
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
            self._log.again
            or self._whole_since is None
            or self._kept.waiting() > 0
            or self._told_size < self._log.size == self._kept.newest_cosigned()[0]
            or self._wrong() != self._database.meta(Meta.WITNESS_TOLD, "")
        )

    def _note(self, state: WitnessState) -> None:
        if state != self._state:
            self._state = state
            log.info("witness", state=str(state), said=said(f"witness.state_{state.name.lower()}"))
            with contextlib.suppress(Retriable):  # for `status` alone
                self._database.set_meta(Meta.WITNESS_STATE, str(state))
