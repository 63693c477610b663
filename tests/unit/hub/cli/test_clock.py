"""HQ's clock was ahead: what shows it, and the command that ends it."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hub.hq.clock import correct
from hub.hq.code_lists import PUBLISHED, list_record
from hub.hq.folder import HubFolder
from hub.hq.headquarters import HqEvent
from hub.kafka.clock import Stamped
from hub.protocol.errors import Conflict, UsageError
from tests.unit.hub.cli.conftest import Run

YEAR = timedelta(days=365)


def now() -> datetime:
    return datetime.now(UTC)


async def say(where: HubFolder, at: datetime) -> None:
    async with where.headquarters() as (_, headquarters):
        await headquarters.say([HqEvent(PUBLISHED, f"list_{at:%Y}", list_record(f"list_{at:%Y}", []))], at)


async def right() -> Stamped:
    return Stamped(now(), now(), now())


async def wrong() -> Stamped:
    return Stamped(now(), now() - YEAR, now())


@pytest.fixture
def ahead(made: Run, tmp_path: Path) -> Run:
    """Return the command line of a hub whose own lane was written by a clock a year ahead."""
    asyncio.run(say(HubFolder(tmp_path / "data"), now() + YEAR))
    return made


def test_lane_at_a_time_to_come_is_shown_and_corrected(ahead: Run, tmp_path: Path) -> None:
    """Every place that shows how HQ stands names the command; behind it all is well, and what was done is told."""
    where = HubFolder(tmp_path / "data")
    status = ahead("status")
    assert status.status == 1
    assert "ALARM HQ's clock was ahead" in status.out
    assert "hub clock correct --reason" in status.out
    assert json.loads(ahead("status", "--json").out)["needs"] == ["clock"]
    assert "часы штаб-квартиры спешили" in ahead("status", "--language", "ru").out
    shown = ahead("clock", "show")
    assert (shown.status, "hub clock correct" in shown.out) == (1, True)
    assert "hub.example/hq/" in shown.out

    done = asyncio.run(correct(where, "the server's clock was a year ahead", right))
    assert now() - timedelta(minutes=1) < done.since < now() < done.ahead_until
    assert ahead("clock", "show").status == 0
    asyncio.run(say(where, now()))
    shown = ahead("clock", "show", "--json")
    found = json.loads(shown.out)
    assert (shown.status, found["ahead"], found["corrections"]) == (0, [], 1)
    assert found["reason"] == "the server's clock was a year ahead"
    assert "a year ahead" in ahead("clock", "show").out
    assert "clock" not in json.loads(ahead("status", "--json").out)["needs"]
    audited = ahead("audit", "verify")
    assert audited.status == 0, audited.out
    assert "HQ took back" in audited.out


def test_clock_that_is_wrong_now_corrects_nothing(ahead: Run, tmp_path: Path) -> None:
    """What HQ goes on by has to be right."""
    where = HubFolder(tmp_path / "data")
    with pytest.raises(Conflict, match="set the one that is wrong"):
        asyncio.run(correct(where, "because", wrong))
    with pytest.raises(UsageError, match="--reason"):
        asyncio.run(correct(where, " ", right))
    assert ahead("clock", "show").status == 1


def test_hub_whose_lanes_are_right_has_nothing_to_correct(made: Run, tmp_path: Path) -> None:
    where = HubFolder(tmp_path / "data")
    asyncio.run(say(where, now()))
    with pytest.raises(Conflict, match="nothing to correct"):
        asyncio.run(correct(where, "because", right))
    done = made("clock", "correct", "--reason", "because")
    assert (done.status, "which broker? --bootstrap names one" in done.err) == (2, True)
