"""What `connector check` says of this computer's clock, by the broker's or by HQ's."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from connectors.cli.check import CLOCK, Checked
from connectors.cli.office import OpenedOffice
from hub.base.second_clock import clock_said
from hub.protocol.limits import BROKER_CLOCK_NOTICED
from schemas.words.said import said

if TYPE_CHECKING:
    from connectors.runtime.link import Link
    from hub.protocol.note import Signer


async def ask_clock(office: OpenedOffice, link: Link, key: Signer) -> Checked | timedelta | None:
    """Return by how much our clock is ahead of the broker's, which stamps what is written; None, if it can't be had.

    What is written is a presence record: signed, and true.
    """
    from aiokafka.errors import KafkaError, TopicAuthorizationFailedError

    from connectors.cli.check_hq import said_more
    from connectors.runtime.clock import find_gap
    from connectors.runtime.outbox import IN_MEMORY, Outbox
    from connectors.runtime.presence import KIND, presence_note
    from connectors.runtime.told import told_of
    from hub.base.clients import close
    from hub.base.kafka import stamped_at
    from hub.protocol.errors import CohubError, Retriable
    from hub.protocol.record import CONTROL_HEADER

    settings, outbox_path = office.settings, office.outbox if office.outbox.exists() else None
    try:
        with Outbox(outbox_path or IN_MEMORY, read_only=outbox_path is not None) as outbox:
            producer = await link.producer()
            try:
                before = datetime.now(UTC)
                async with asyncio.timeout(settings.request_timeout_s):
                    written = await producer.send_and_wait(
                        settings.topic_in,
                        presence_note(settings, outbox, key, before, said_more(office, outbox, before)),
                        key=settings.center.encode(),
                        partition=0,
                        headers=[(CONTROL_HEADER, KIND.encode())],
                    )
                after = datetime.now(UTC)
            finally:
                await close(producer)
    except (Retriable, KafkaError, TimeoutError, OSError) as exc:
        if isinstance(exc, TopicAuthorizationFailedError) and not isinstance(exc, CohubError):
            return Checked("may write", False, said("obstacles.no_right_to_write", topic=settings.topic_in))
        reason = told_of(exc) if isinstance(exc, CohubError) else type(exc).__name__
        return Checked("may write", False, said("check.not_written", topic=settings.topic_in, reason=reason))
    stamped = stamped_at(written)
    if stamped is None:
        return None  # a topic that an administrator made otherwise: that time is our own
    return find_gap(before, stamped, after)


def check_clock(office: OpenedOffice) -> Checked:
    """Compare our clock with HQ's: a receipt is stored here a moment after it was recorded there."""
    from connectors.runtime.outbox import Outbox
    from connectors.runtime.outbox.lookup import receipt_times

    rows: list[tuple[str, str]] = []
    if office.outbox.exists():
        with Outbox(office.outbox, read_only=True) as outbox:
            rows = receipt_times(outbox.database)
    if not rows:
        return Checked(CLOCK, None, said("check.no_clock", now=_now()))
    gap = min((_moment(stored) - _moment(recorded) for recorded, stored in rows), key=abs)
    return judge(gap)


def judge(gap: timedelta) -> Checked:
    """Return what is said of a clock that is ahead by so much, or behind."""
    if abs(gap) <= BROKER_CLOCK_NOTICED:
        return Checked(CLOCK, True, said("check.clock_right", seconds=f"{abs(gap.total_seconds()):.3f}"))
    return Checked(CLOCK, False, clock_said(gap))


def _now() -> str:
    from connectors.runtime.local_time import show_time

    return show_time(datetime.now(UTC))


def _moment(text: str) -> datetime:
    from hub.protocol.moment import read_time

    return read_time(text)
