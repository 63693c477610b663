"""A center that HQ has suspended loses the right to write: its connector says who did it, and goes on by itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.runtime.codecs import Codecs
from connectors.runtime.https.faults import HttpsRefused
from connectors.runtime.link import BACKOFF_MAX_S, BACKOFF_MIN_S, Backoff
from connectors.runtime.outbox.meta import Meta
from connectors.runtime.standing import Kept
from hub.protocol.cause import Cause, CauseCode
from hub.protocol.status import State, StatusNote
from schemas.words.said import said
from tests.support.answering import AnsweringHq
from tests.support.end import CENTER, HUB, KEY, RECEIPTS, TOPIC, End, broker_of_a_center, until

SINCE = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)


@pytest.fixture
async def end(tmp_path: Path, codecs: Codecs) -> AsyncIterator[End]:
    end = End(tmp_path, broker_of_a_center(), codecs)
    yield end
    end.outbox.close()


@pytest.fixture
async def hq(end: End) -> AsyncIterator[AnsweringHq]:
    async with AnsweringHq("memory:1", HUB, CENTER, KEY.verifier, RECEIPTS, end.broker) as hq:
        yield hq


def hear(end: End, state: State, why: str = "", age: timedelta = timedelta()) -> None:
    """Have the office know how HQ stands with it, as it reads it on its topic."""
    now = datetime.now(UTC)
    note = StatusNote(HUB, CENTER, now - age, "", 0, state, SINCE, why, 7, f"{HUB}/hq/00000001", 1)
    end.outbox.database.set_meta(Meta.HQ_STATUS, Kept(note, now, age).to_text())


def link_says(end: End) -> str:
    state = end.outbox.database.link()
    return state.reason if state.state == "down" else ""


async def send(end: End, hq: AnsweringHq, key: str) -> None:
    """Queue an event and wait until HQ has it."""
    before = len(hq.accepted)
    end.outbox.enqueue_events([end.event(key)])
    await until(lambda: len(hq.accepted) > before)


async def test_suspended_connector_says_so_and_goes_on_when_it_is_resumed(end: End, hq: AnsweringHq) -> None:
    """Nothing is lost, nothing is sent twice but by the rules, and nobody starts it again."""
    async with end.running():
        await send(end, hq, "A")
        hear(end, State.SUSPENDED, Cause.of(CauseCode.SUSPENDED, text="audit").to_line())
        end.broker.forbid(TOPIC)
        end.outbox.enqueue_events([end.event("B")])
        await until(lambda: "audit" in link_says(end))
        assert "28" in link_says(end)
        hear(end, State.READS)
        end.broker.allow(TOPIC)
        await until(lambda: not end.outbox.backlog())
        assert end.outbox.database.link().state == "up"
    end.check(hq)


async def test_presence_that_is_refused_tells_it_too(end: End) -> None:
    """A connector that has nothing to send learns of it within its next presence."""
    async with end.running():
        await until(end.sender.linked.is_set)
        hear(end, State.SUSPENDED, Cause.of(CauseCode.SUSPENDED, text="audit").to_line())
        end.broker.forbid(TOPIC)
        assert not await end.sender.send_control("presence", b"note")
        await until(lambda: "audit" in link_says(end))
        assert not await end.sender.send_control("presence", b"note")
        end.broker.allow(TOPIC)
        await until(lambda: end.outbox.database.link().state == "up")
        assert await end.sender.send_control("presence", b"note")


async def test_word_of_long_ago_is_said_to_be_that(end: End) -> None:
    """HQ may have resumed the center since, and taken the right for another reason."""
    hear(end, State.SUSPENDED, Cause.of(CauseCode.SUSPENDED, text="audit").to_line(), age=timedelta(days=2))
    end.broker.forbid(TOPIC)
    async with end.running():
        await until(lambda: "audit" in link_says(end))
    fresh = link_says(end)
    assert fresh != ""
    assert "last" in fresh or "said" in fresh


@pytest.mark.parametrize("state", [State.READS, None])
async def test_right_that_is_missing_without_a_word_of_hq_is_asked_for(
    end: End, hq: AnsweringHq, state: State | None
) -> None:
    """The office is not told that it was suspended when nobody has said so."""
    async with end.running():
        await send(end, hq, "A")
        if state is not None:
            hear(end, state)
        end.broker.forbid(TOPIC)
        end.outbox.enqueue_events([end.event("B")])
        await until(lambda: "ask HQ" in link_says(end))
        assert TOPIC in link_says(end)


class Waits(Backoff):
    """Keeps how long it was to be waited, and waits next to nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[float] = []

    async def wait(self) -> None:
        self.seen.append(self._next_s)
        self._next_s = min(self._next_s * 2, self._max_s)
        await asyncio.sleep(0.001)


class Refuses:
    """Clients that get in, see their topics, and are refused when they write, as over HTTPS."""

    def __init__(self, broker: Any) -> None:
        self._broker = broker
        self.refuses = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._broker, name)

    def producer(self, **settings: Any) -> Any:
        client = self._broker.producer(**settings)
        send = client.send_batch

        async def send_batch(*words: Any, **more: Any) -> asyncio.Future[Any]:
            if not self.refuses:
                return await send(*words, **more)  # type: ignore[no-any-return]
            done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            done.set_exception(HttpsRefused(said("way.suspended", since="28", why="audit")))
            return done

        client.send_batch = send_batch
        return client


async def test_batch_that_is_refused_is_tried_ever_more_seldom_until_one_has_landed(end: End, hq: AnsweringHq) -> None:
    """That HQ lets us in is no reason to hurry: over HTTPS it does, and takes nothing of a center that is suspended."""
    clients, waits = Refuses(end.broker), Waits()
    end.link._clients, end.sender._backoff = clients, waits
    end.outbox.enqueue_events([end.event("A")])
    async with end.running():
        await until(lambda: len(waits.seen) > 8)
        assert waits.seen == sorted(waits.seen)
        assert (waits.seen[0], waits.seen[8]) == (BACKOFF_MIN_S, BACKOFF_MAX_S)
        clients.refuses = False
        await until(lambda: not end.outbox.backlog())
        seen = len(waits.seen)
        end.broker.cut()
        end.outbox.enqueue_events([end.event("B")])
        await until(lambda: len(waits.seen) > seen)
        assert waits.seen[seen] == BACKOFF_MIN_S
        end.broker.mend()
        await until(lambda: not end.outbox.backlog())
    end.check(hq)
