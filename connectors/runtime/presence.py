"""Says to HQ, now and then, that this center is there, how much it has still to say, and at its end why it ended.

HQ of release 0.2 reads the first form alone, so it is what each start begins with. It announces that we read HQ's
status; an HQ that says it then announces in it that it reads the second form, and gets that for as long as it goes on
saying so. One that falls silent may be an earlier release again.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import structlog
from aiokafka.errors import KafkaError

from connectors.runtime.link import Link
from connectors.runtime.outbox import Outbox
from connectors.runtime.outbox.meta import Meta
from connectors.runtime.outbox.status import count_refused, oldest_waiting
from connectors.runtime.sender import Sender
from connectors.runtime.settings import ConnectorSettings
from connectors.runtime.standing import Kept
from hub.base.clients import close
from hub.base.reason import reason_of
from hub.base.release import release
from hub.protocol.control import More, Presence, seal_key_name
from hub.protocol.errors import CohubError, Retriable
from hub.protocol.forms import STATUS_V1, announce
from hub.protocol.note import Signer, sign_note
from hub.protocol.record import CONTROL_HEADER

KIND: Final = "presence"
READS: Final = (STATUS_V1,)
RARELY: Final = 50
LAST_WORD_S: Final = 3.0  # the end is not held up for longer

log = structlog.get_logger(__name__)


class RefusedRows:
    """How many rows of the sheets the office itself refused, as it was counted a short while ago.

    All rows are gone through for it, a second for some 100,000. So it is done in a thread and by a connection of its
    own, which hold up nobody, and so rarely that it takes a fiftieth of the time at most.
    """

    def __init__(self, path: Path, steady_s: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._steady_s = steady_s
        self._due_s = float("-inf")
        self.known = 0

    async def count(self) -> int:
        """Return how many there are, counted anew if that is due."""
        begin_s = self._steady_s()
        if begin_s >= self._due_s:
            with contextlib.suppress(CohubError):  # whoever loses by it reports it
                self.known = await asyncio.to_thread(self._count)
            end_s = self._steady_s()
            self._due_s = end_s + (end_s - begin_s) * RARELY
        return self.known

    def _count(self) -> int:
        with Outbox(self._path, read_only=True) as outbox:
            return count_refused(outbox.database)


@dataclass(frozen=True, slots=True)
class Sayer:
    """Makes what one center says of itself.

    Shapes: `told` returns what HQ has said of itself since this connector started, None where it has not; `now` is the
            time as far as it is known.
    """

    settings: ConnectorSettings
    outbox: Outbox
    key: Signer
    refused: RefusedRows
    told: Callable[[], Kept | None]
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    @property
    def says_more(self) -> bool:
        """Whether HQ reads the second form now."""
        told = self.told()
        return told is not None and told.reads_second_presence(datetime.now(UTC))

    async def note(self) -> bytes:
        """Return what is said now."""
        refused = await self.refused.count() if self.says_more else 0
        now = self.now()
        more = more_of(self.outbox, now, refused) if self.says_more else None
        return presence_note(self.settings, self.outbox, self.key, now, more)

    async def tell(self, sender: Sender) -> None:
        """Say it for as long as the task lives; while the link is down it is not said, and at once when it is up."""
        await sender.ready.wait()
        while True:
            await sender.linked.wait()
            await sender.send_control(KIND, await self.note())
            with contextlib.suppress(Retriable):  # for `status` alone; a full disk is reported by those who lose by it
                self.outbox.database.set_meta(Meta.SENT, sender.sent)
            await asyncio.sleep(self.settings.presence_s)

    async def tell_end(self, link: Link, why: str) -> None:
        """Say as the last word why the connector ended, if HQ reads that; it is no error if it can't be said."""
        try:
            if not self.says_more or self.outbox.database.link().state != "up":
                return
            async with asyncio.timeout(LAST_WORD_S):
                now = self.now()
                more = more_of(self.outbox, now, self.refused.known, why)
                note = presence_note(self.settings, self.outbox, self.key, now, more)
                producer = await link.producer()
                try:
                    await producer.send_and_wait(
                        self.settings.topic_in,
                        note,
                        key=self.settings.center.encode(),
                        partition=0,
                        headers=[(CONTROL_HEADER, KIND.encode())],
                    )
                finally:
                    await close(producer)
        except (CohubError, KafkaError, TimeoutError, OSError) as exc:
            log.info("end_not_told_to_hq", reason=reason_of(exc))


def more_of(outbox: Outbox, now: datetime, refused: int, ended: str = "") -> More:
    """Return what the second form says more; `ended` is why the connector ended, '' while it runs."""
    oldest = oldest_waiting(outbox.database, outbox.lane)
    age_s = None if oldest is None else max(0, (now - oldest) // timedelta(seconds=1))
    return More(age_s, refused, ended, READS)


def presence_note(
    settings: ConnectorSettings, outbox: Outbox, key: Signer, now: datetime, more: More | None = None
) -> bytes:
    """Return the signed note that says how much of the lane is sealed, and how much waits; or, with `more`, more."""
    lane, software = outbox.lane, f"cohub {release() or '(not installed)'}"
    text = announce(software, READS) if more is None else software
    presence = Presence(settings.center, lane.origin, now, lane.sealed.size, outbox.backlog(), text, more)
    return sign_note(presence.to_text(), [key.named(seal_key_name(settings.hub, settings.center))]).to_bytes()
