"""By how much this computer's clock is off is told by the broker's, which stamps what it is given."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path

import pytest

from connectors.cli.check_clock import ask_clock, judge
from connectors.cli.office import OpenedOffice
from connectors.runtime.link import Link
from connectors.runtime.outbox import IN_MEMORY, Outbox
from hub.base.obstacle import plain_obstacle
from hub.kafka.memory import APPEND_TIME, MemoryBroker
from hub.protocol.note import Signer
from hub.protocol.topics import topic_in, topic_out
from schemas.words.said import Said

HUB, CENTER = "hub.example", "uz"


async def asked(folder: Path, ahead: timedelta, configs: dict[str, str] | None = None) -> timedelta | None:
    """Return what a check finds beside a broker whose clock is ahead by so much."""
    (folder / "connector.yaml").write_text(f"hub: {HUB}\ncenter: {CENTER}\nbootstrap: 127.0.0.1:1\n", "utf-8")
    office = OpenedOffice.open(folder)
    broker = MemoryBroker(clock=lambda: time.time() + ahead.total_seconds())
    broker.create_topic(topic_in(CENTER), 1, APPEND_TIME if configs is None else configs)
    broker.create_topic(topic_out(CENTER))
    with Outbox(IN_MEMORY) as outbox:
        found = await ask_clock(office, Link(office.settings, outbox, broker), Signer(f"{HUB}/{CENTER}", b"k" * 32))
    assert found is None or isinstance(found, timedelta)
    return found


@pytest.mark.parametrize(
    ("ahead", "code"), [(timedelta(hours=3), "clock_behind"), (timedelta(hours=-3), "clock_ahead")]
)
async def test_clock_that_is_off_is_told_with_how_much(tmp_path: Path, ahead: timedelta, code: str) -> None:
    """The broker has another time: this computer is behind, or ahead, of it."""
    gap = await asked(tmp_path, ahead)
    assert gap is not None
    found = judge(gap)
    assert found.ok is False
    assert isinstance(found.said, Said)
    obstacle = plain_obstacle(found.said)
    assert obstacle["code"] == code
    assert 10_790 < obstacle["values"]["seconds"] <= 10_800
    assert "3:00:00" in str(found.said) or "2:59:5" in str(found.said)


async def test_clock_that_is_right_is_told_as_that(tmp_path: Path) -> None:
    """A second or so is the way to the broker and back."""
    gap = await asked(tmp_path, timedelta())
    assert gap is not None
    assert judge(gap).ok is True


async def test_topic_that_carries_our_own_time_tells_nothing(tmp_path: Path) -> None:
    """Somebody has made it otherwise: what comes back is what we said."""
    assert await asked(tmp_path, timedelta(hours=3), {}) is None
