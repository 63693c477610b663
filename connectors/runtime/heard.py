"""When HQ was last heard, and what it said of this center: asked of the topics, not of what a running connector keeps.

HQ says its newest checkpoint every minute, to all; to a center whose connector runs it says how it stands with it. What
is old by the broker's clock tells that HQ does not work, though the broker does.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from connectors.runtime import witness
from connectors.runtime.link import Link
from connectors.runtime.standing import passed_over
from connectors.runtime.trust import Trusted
from hub.base.clients import close
from hub.base.kafka import STAMP_MAX_MS
from hub.protocol.errors import Malformed, Retriable
from hub.protocol.moment import from_us
from hub.protocol.note import Note
from hub.protocol.status import StatusNote
from hub.protocol.topics import CHECKPOINTS
from hub.protocol.witness import log_origin

ANSWERS_MAX: Final = 300
CHECKPOINTS_MAX: Final = 64
QUIET: Final = timedelta(minutes=5)  # HQ says its newest checkpoint every minute


@dataclass(frozen=True, slots=True)
class Heard:
    """The newest that HQ said.

    Shapes: at is when, by the clock of whoever stamped it, None where nothing of HQ's is there; `is_log`: it was HQ's
            log, which is said again every minute; status is its newest note to us, None where none was found.
    """

    at: datetime | None = None
    is_log: bool = False
    status: StatusNote | None = None

    def down_since(self, now: datetime, quiet: timedelta = QUIET) -> datetime | None:
        """Return since when HQ has been silent that should not be; None where it is not, or where nobody can tell."""
        return self.at if self.is_log and self.at is not None and now - self.at > quiet else None


async def read_heard(link: Link, trusted: Trusted) -> Heard:
    """Return the newest that HQ said, of its log and to this center. What it did not sign does not count."""
    settings = link.settings
    logged = [r for r in await _newest(link, CHECKPOINTS, CHECKPOINTS_MAX) if _is_logs(r, settings.hub, trusted)]
    answered = [(r, said) for r in await _newest(link, settings.topic_out, ANSWERS_MAX) if (said := _said(r, trusted))]
    ours = [
        said
        for _, said in answered
        if isinstance(said, StatusNote) and passed_over(said, settings.hub, settings.center) is None
    ]
    times = [_stamp(record) for record in (*logged, *(record for record, _ in answered))]
    return Heard(
        max((at for at in times if at is not None), default=None),
        bool(logged),
        max(ours, key=lambda note: note.time, default=None),
    )


async def _newest(link: Link, topic: str, count: int) -> list[Any]:
    """Return the newest records of a topic; none of one that can't be read."""
    place = TopicPartition(topic, 0)
    found: list[Any] = []
    try:
        consumer = await link.consumer(topic)
    except Retriable:
        return []
    try:
        async with asyncio.timeout(link.settings.request_timeout_s):
            consumer.assign([place])
            end = (await consumer.end_offsets([place]))[place]
            begin = (await consumer.beginning_offsets([place]))[place]
            consumer.seek(place, max(begin, end - count))
            while await consumer.position(place) < end:
                found += (await consumer.getmany(place, timeout_ms=500)).get(place, ())
    except (KafkaError, TimeoutError, OSError):
        pass  # what was read counts: it is looked for what is new, not for all that there is
    finally:
        await close(consumer)
    return found


def _is_logs(record: Any, hub: str, trusted: Trusted) -> bool:
    try:
        witness.read(record.value, record.headers, log_origin(hub), trusted.logs())
    except Malformed:
        return False
    return True


def _said(record: Any, trusted: Trusted) -> object | None:
    try:
        return trusted.answer(Note.from_bytes(record.value or b""))
    except Malformed:
        return None


def _stamp(record: Any) -> datetime | None:
    return from_us(record.timestamp * 1000) if 0 <= record.timestamp < STAMP_MAX_MS else None
