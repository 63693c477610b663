"""What a connector says of itself: how much it refused, and why it ended, to an HQ that reads that and to no other."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from connectors.mapping.problem import Problem
from connectors.runtime.codecs import Codecs
from connectors.runtime.outbox.meta import LinkState
from connectors.runtime.presence import LAST_WORD_S, RARELY, RefusedRows, Sayer
from connectors.runtime.standing import STALE, Kept
from hub.protocol.control import Presence
from hub.protocol.forms import PRESENCE_V2
from hub.protocol.note import Note
from hub.protocol.status import State, StatusNote
from tests.support.end import CENTER, HUB, KEY, TOPIC, End, broker_of_a_center
from tests.unit.connectors.runtime.test_faults import row

NOW = datetime.now(UTC)
READS = StatusNote(HUB, CENTER, NOW, "", 0, State.READS, NOW, "", 17, f"{HUB}/hq/00c0ffee", 1, (PRESENCE_V2,))


@pytest.fixture
async def end(tmp_path: Path, codecs: Codecs) -> AsyncIterator[End]:
    end = End(tmp_path, broker_of_a_center(), codecs)
    end.outbox.database.set_link(LinkState("up", NOW, NOW))
    yield end
    end.outbox.close()


def sayer(end: End, told: Kept | None, steady_s: float = 0.0) -> Sayer:
    return Sayer(end.settings, end.outbox, KEY, RefusedRows(end.outbox.path, lambda: steady_s), lambda: told)


def kept(**changes: object) -> Kept:
    now = datetime.now(UTC)
    return Kept.read(replace(READS, time=now, **changes), now, now)  # type: ignore[arg-type]


def said(end: End) -> list[Presence]:
    return [Presence.from_text(Note.from_bytes(record.value or b"").text) for record in end.broker.records(TOPIC)]


async def test_rows_that_the_office_refused_are_counted_beside_everything_else(end: End) -> None:
    """And rarely: a fiftieth of the time at most goes into it."""
    clock = [0.0]
    rows = RefusedRows(end.outbox.path, lambda: clock[0])
    genuine = rows._count

    def slow() -> int:
        clock[0] += 1.0
        return genuine()

    rows._count = slow  # type: ignore[method-assign]
    end.take(
        [row(2, "A", "first"), replace(row(3, "", "second"), wanted=None, problems=(Problem("", "", "NO_KEY", ""),))]
    )
    assert await rows.count() == 1
    end.take([row(2, "A", "first"), row(3, "B", "second")])
    clock[0] += RARELY - 0.5
    assert await rows.count() == 1
    clock[0] += 1
    assert await rows.count() == 0


async def test_oldest_report_that_waits_has_its_age(end: End) -> None:
    """From when it was made, by the time as it is known."""
    end.take([row(2, "A", "first")])
    told = Presence.from_text(Note.from_bytes(await sayer(end, kept()).note()).text)
    assert told.more is not None
    assert (told.backlog, told.more.oldest_s) == (1, 0)
    assert told.version.startswith("cohub ")
    assert "reads" not in told.version


async def test_last_word_reaches_an_hq_that_reads_it(end: End) -> None:
    """It is sent by itself, for what was sending has ended."""
    await sayer(end, kept()).tell_end(end.link, "the disk is full\nfree some")
    (told,) = said(end)
    assert told.more is not None
    assert told.more.ended == "the disk is full free some"


@pytest.mark.parametrize("told", [None, kept(reads=()), replace(kept(), age=STALE * 2)])
async def test_last_word_is_not_said_to_an_hq_that_may_not_read_it(end: End, told: Kept | None) -> None:
    """One that has not announced it, or not for long: it may be 0.2 again."""
    await sayer(end, told).tell_end(end.link, "the disk is full")
    assert said(end) == []


async def test_last_word_holds_up_no_end(end: End) -> None:
    """Without a link, or with an outbox that is damaged, the connector ends as it would."""
    end.outbox.database.set_link(LinkState("down", NOW, NOW))
    await sayer(end, kept()).tell_end(end.link, "x")
    end.outbox.database.set_link(LinkState("up", NOW, NOW))
    end.broker.delete_topic(TOPIC)
    begin = time.monotonic()
    await sayer(end, kept()).tell_end(end.link, "x")
    assert time.monotonic() - begin < LAST_WORD_S + 1
