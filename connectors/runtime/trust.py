"""HQ's keys as this office believes them: pinned at enrolment, changed only by what the pinned root key signed.

HQ publishes every new trust note on `hub.trust` before it signs anything by a key of it. So an answer by a key that is
not known here is looked up there before it is disbelieved: a rotation loses no receipt, whichever of the two topics
comes first. Of two notes the one with the higher serial counts; an older one that is published again changes nothing.

What is true when the process dies behind each step:
  read from the topic      nothing happened: it is read again
  trust file replaced      the next start has the new keys; before, the old ones, and reads the topic again
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

import structlog
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError, TopicAuthorizationFailedError

from connectors.runtime.link import Backoff, Link, TopicHidden
from connectors.runtime.told import OfficeWaits, os_reason
from hub.base import durable
from hub.base.clients import close
from hub.base.kafka import Consumer
from hub.base.seldom import Seldom
from hub.protocol.errors import Malformed, Retriable
from hub.protocol.keys import Verifier
from hub.protocol.note import Note
from hub.protocol.receipt import Receipt, Resend
from hub.protocol.status import StatusNote, read_said
from hub.protocol.topics import TRUST
from hub.protocol.trust import Trust, open_trust

FETCH_WAIT_MS: Final = 5000
BACKOFF_MAX_S: Final = 60.0
LOOKS_MAX: Final = 8
LOOKS_EVERY_S: Final = 60.0
PLACE: Final = TopicPartition(TRUST, 0)

log = structlog.get_logger(__name__)


class Trusted:
    """The newest trust note of one office, and what it makes of HQ's answers.

    Shapes: `path` is the office's trust file, `write` puts bytes there durably.
    """

    def __init__(self, path: Path, trust: Trust, write: Callable[[Path, bytes], None] = durable.write) -> None:
        self._path = path
        self._write = write
        self.trust = trust

    def logs(self) -> Sequence[Verifier]:
        """Return the keys of HQ's log, former ones too."""
        return self.trust.logs

    def retired(self) -> Mapping[Verifier, datetime]:
        """Return which of HQ's keys sign nothing new, and since when."""
        return {key: moment for moment, key in self.trust.retired}

    def take(self, data: bytes) -> bool:
        """Take a published trust note; return whether it was news. Errors: Malformed, Retriable on a full disk."""
        trust = open_trust(data, self.trust.root)
        if trust.serial <= self.trust.serial:
            return False
        try:
            self._write(self._path, data)
        except OSError as exc:
            raise OfficeWaits("errors.unwritable", path=self._path, reason=os_reason(exc)) from exc
        self.trust = trust
        return True

    def lacks(self, note: Note) -> bool:
        """Return whether one of HQ's receipts keys may have signed `note` that is not known here."""
        name = f"{self.trust.hub}/receipts"
        known = {key.key_id for key in self.trust.receipts}
        return any(line.name == name and line.key_id not in known for line in note.signatures)

    def retired_at(self, note: Note) -> datetime | None:
        """Return since when the key of an answer signs nothing new, None where that key is not retired."""
        signed_by = {(line.name, line.key_id) for line in note.signatures}
        times = (moment for moment, key in self.trust.retired if (key.name, key.key_id) in signed_by)
        return min(times, default=None)

    def answer(self, note: Note) -> Receipt | Resend | StatusNote:
        """Return what HQ says in a record of our topic. Errors: Malformed, if it is not HQ who says it."""
        key = note.verify(self.trust.receipts)
        said = read_said(note.text)
        retired_at = self.trust.retired_at(key)
        # A request has no time. It is new, or has been dealt with: none by a retired key is missed.
        if retired_at is not None and (isinstance(said, Resend) or _said_at(said) >= retired_at):
            raise Malformed(f"{key.name}+{key.key_id.hex()} was retired at {retired_at:%Y-%m-%dT%H:%M:%SZ}")
        return said


def _said_at(said: Receipt | StatusNote) -> datetime:
    return said.recorded_at if isinstance(said, Receipt) else said.time


class TrustReader:
    """Keeps `trusted` up to what HQ publishes.

    Shapes: `steady_s` never goes back.
    """

    def __init__(self, trusted: Trusted, link: Link, steady_s: Callable[[], float] = time.monotonic) -> None:
        self.trusted = trusted
        self._link = link
        self._backoff = Backoff(BACKOFF_MAX_S)
        self._steady_s = steady_s
        self._looks: deque[float] = deque(maxlen=LOOKS_MAX)
        self._looks_from_s = float("-inf")  # after a look that failed there is none for a while
        self._read_to = 0  # up to where the topic was read, by whichever consumer: each goes on from there at most
        self._seldom = Seldom(log)

    async def run(self) -> None:
        """Read for as long as the task lives; an HQ of version 0.1.0 has nothing to read."""
        while True:
            try:
                await self._session()
            except (TopicHidden, TopicAuthorizationFailedError) as exc:
                log.debug("trust_hidden", reason=str(exc))
            except (Retriable, KafkaError, TimeoutError, OSError) as exc:
                self._link.tell_lost("trust_lost", exc)
            await self._backoff.wait()

    async def look_for(self, note: Note) -> None:
        """Look an answer's key up, if it may be one of HQ's that is not known here. Errors: Retriable."""
        if self.trusted.lacks(note):
            await self.look_seldom()

    async def look_seldom(self) -> None:
        """Look for a key that somebody names, a few times a minute at most. Errors: Retriable.

        Anybody can write a key's id into a line, and fill the topic so that it is not read to its end in time: then we
        go on, and wait for what `run` reads meanwhile.
        """
        now_s = self._steady_s()
        if now_s < self._looks_from_s or (len(self._looks) == LOOKS_MAX and now_s - self._looks[0] < LOOKS_EVERY_S):
            return
        self._looks.append(now_s)
        try:
            await self.look()
        except Retriable:
            self._looks_from_s = self._steady_s() + LOOKS_EVERY_S
            raise

    async def look(self) -> None:
        """Return when all that is published now was read, by `run` or here. Errors: Retriable, if it can't be asked."""
        try:
            consumer = await self._link.consumer(TRUST)
        except TopicHidden:
            return
        try:
            async with asyncio.timeout(self._link.settings.request_timeout_s):
                consumer.assign([PLACE])
                end = (await consumer.end_offsets([PLACE]))[PLACE]
                begin = (await consumer.beginning_offsets([PLACE]))[PLACE]
                consumer.seek(
                    PLACE, self._read_to if begin <= self._read_to <= end else begin
                )  # or it is another topic
                while await consumer.position(PLACE) < end:
                    await self._read(consumer, 500)
        except TopicAuthorizationFailedError:
            return
        except (KafkaError, TimeoutError, OSError) as exc:
            raise OfficeWaits("errors.keys_unreadable", detail=type(exc).__name__) from exc
        finally:
            await close(consumer)

    async def _session(self) -> None:
        consumer = await self._link.consumer(TRUST, wait_ms=FETCH_WAIT_MS)
        try:
            consumer.assign([PLACE])
            await self._begin(consumer)
            while True:
                await self._read(consumer, 60_000)
                self._backoff.landed(consumer, PLACE)
        finally:
            await close(consumer)

    async def _begin(self, consumer: Consumer) -> None:
        await consumer.seek_to_beginning(PLACE)
        self._read_to = 0

    async def _read(self, consumer: Consumer, timeout_ms: int) -> None:
        for record in (await consumer.getmany(PLACE, timeout_ms=timeout_ms)).get(PLACE, ()):
            try:
                news = self.trusted.take(record.value or b"")
            except Malformed as exc:
                self._seldom.warning("trust_note_not_by_root", topic=TRUST, offset=record.offset, reason=str(exc))
                news = False
            self._read_to = max(self._read_to, record.offset + 1)
            if news:
                trust = self.trusted.trust
                log.info("trust_changed", serial=trust.serial, reason=trust.reason)
