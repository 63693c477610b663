"""When HQ was last heard is asked of the topics: what it signed counts, and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from connectors.runtime.heard import QUIET, Heard, read_heard
from connectors.runtime.link import Link
from connectors.runtime.outbox import IN_MEMORY, Outbox
from connectors.runtime.settings import make_settings
from connectors.runtime.trust import Trusted
from hub.base.kafka import Headers
from hub.kafka.memory import MemoryBroker
from hub.protocol.note import Signer, sign_note
from hub.protocol.status import State, StatusNote
from hub.protocol.topics import CHECKPOINTS, topic_in, topic_out
from hub.protocol.trust import Trust
from tests.support.log import TestLog, leaf

HUB, CENTER = "hub.example", "uz"
ROOT, RECEIPTS = Signer(f"{HUB}/root", b"o" * 32), Signer(f"{HUB}/receipts", b"r" * 32)
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


class Topics:
    """A broker with what HQ says, and what others say."""

    def __init__(self, *names: str) -> None:
        self.broker = MemoryBroker(dict.fromkeys(names, 1))
        self.log = TestLog(HUB)

    async def write(self, topic: str, value: bytes, at: datetime, headers: Headers = ()) -> None:
        producer = self.broker.producer(bootstrap_servers="memory:1")
        await producer.start()
        stamp = int(at.timestamp() * 1000)
        await producer.send_and_wait(topic, value, partition=0, timestamp_ms=stamp, headers=list(headers))
        await producer.stop()

    async def checkpoint(self, at: datetime, log: TestLog | None = None) -> None:
        record = (log or self.log).append(leaf(len(self.log.leaves)))
        await self.write(CHECKPOINTS, record.value, at, record.headers)

    async def status(self, at: datetime, center: str = CENTER, key: Signer = RECEIPTS, why: str = "") -> None:
        state = State.SUSPENDED if why else State.READS
        note = StatusNote(HUB, center, at, "", 0, state, at, why, 3, f"{HUB}/hq/00c0ffee", 1)
        await self.write(topic_out(CENTER), sign_note(note.to_text(), [key]).to_bytes(), at)

    async def heard(self) -> Heard:
        settings = make_settings({"hub": HUB, "center": CENTER, "bootstrap": "memory:1"}, "test")
        trust = Trust(HUB, ROOT.verifier, (RECEIPTS.verifier,), self.log.verifiers, serial=1, time=NOW)
        with Outbox(IN_MEMORY) as outbox:
            link = Link(settings, outbox, self.broker)
            return await read_heard(link, Trusted(Path(), trust, lambda _path, _data: None))


@pytest.fixture
def topics() -> Topics:
    """Return a broker with an office's topics."""
    return Topics(topic_in(CENTER), topic_out(CENTER), CHECKPOINTS)


async def test_newest_word_of_hq_counts(topics: Topics) -> None:
    """Its log is said every minute: after five of silence HQ does not work."""
    await topics.checkpoint(NOW - 60 * MINUTE)
    await topics.checkpoint(NOW - 3 * MINUTE)
    heard = await topics.heard()
    assert heard == Heard(NOW - 3 * MINUTE, is_log=True)
    assert heard.down_since(NOW) is None
    assert heard.down_since(NOW + QUIET) == NOW - 3 * MINUTE


async def test_status_of_this_center_is_found_and_shows_that_hq_lives(topics: Topics) -> None:
    """Of two notes the newer counts, wherever it stands; one to another center is none to us."""
    await topics.checkpoint(NOW - 60 * MINUTE)
    await topics.status(NOW - MINUTE, why="SUSPENDED an audit")
    await topics.status(NOW - 9 * MINUTE)
    await topics.status(NOW - 2 * MINUTE, center="kz")
    heard = await topics.heard()
    assert heard.status is not None
    assert (heard.status.state, heard.status.why) == (State.SUSPENDED, "SUSPENDED an audit")
    assert heard.at is not None
    assert heard.at >= NOW - MINUTE  # a broker in memory stamps with its own clock
    assert heard.down_since(heard.at + MINUTE) is None


async def test_what_hq_did_not_sign_is_not_its_word(topics: Topics) -> None:
    """Whoever can write the topics makes HQ neither alive nor another's friend."""
    await topics.checkpoint(NOW - 60 * MINUTE)
    await topics.checkpoint(NOW, TestLog(HUB, seed=b"x" * 32))
    await topics.status(NOW, key=Signer(f"{HUB}/receipts", b"z" * 32))
    await topics.write(CHECKPOINTS, b"no note", NOW)
    await topics.write(topic_out(CENTER), b"", NOW)
    assert await topics.heard() == Heard(NOW - 60 * MINUTE, is_log=True)


async def test_hq_that_said_nothing_yet_is_not_called_down() -> None:
    """A hub without a receipt has no log, and one without these topics is an older one."""
    assert (await Topics(topic_in(CENTER), topic_out(CENTER), CHECKPOINTS).heard()).down_since(NOW) is None
    only = Topics(topic_in(CENTER), topic_out(CENTER))
    await only.status(NOW - 500 * MINUTE)
    heard = await only.heard()
    assert heard.status is not None
    assert heard.down_since(NOW) is None  # it says how it stands to a connector that runs, and none may
