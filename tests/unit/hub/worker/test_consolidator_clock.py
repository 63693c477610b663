"""Which clocks can stop HQ: its own, where it runs behind; the broker's, far ahead; a center's never."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from hub.base.kafka import LOG_APPEND_TIME
from hub.hq.clock import CORRECTED
from hub.hq.headquarters import HqEvent
from hub.protocol.errors import Fatal
from hub.protocol.moment import from_us, write_time
from hub.protocol.record import KafkaRecord
from hub.worker.clock import CLOCK_BEHIND_MAX_S
from hub.worker.consolidator import Consolidator
from tests.support.center import Center, Sent
from tests.support.consolidator import LATER, Clock, Seen, consolidator, size
from tests.support.hq import IDENTITY, Hq
from tests.support.peek import peek


@pytest.fixture
async def hq(tmp_path: Path) -> AsyncIterator[Hq]:
    opened = await Hq.open(tmp_path)
    yield opened
    await opened.store.close()


def stamped(records: Sequence[Sent], moment: datetime, kind: int | None) -> list[KafkaRecord]:
    return [replace(r, timestamp=int(moment.timestamp() * 1000), timestamp_type=kind) for r in records]


async def take(made: Consolidator, center: str, records: Sequence[KafkaRecord]) -> None:
    """Have records handled as the reading side does: once their time has come."""
    await made.ready(records)
    await made.handle(center, records)


async def test_clock_that_runs_a_little_behind_is_waited_for(hq: Hq) -> None:
    """Nothing is committed before the clock has passed the newest record."""
    center, clock = Center(), Clock()
    await hq.register(center)
    made = consolidator(hq, Seen(), clock)
    await made.assign(["uz"])
    await take(made, "uz", center.opened(1))
    clock.now = LATER - timedelta(milliseconds=20)
    await take(made, "uz", center.offers(1, first=5))
    moments = "SELECT DISTINCT r.recorded_at_us FROM receipt r JOIN lane l ON l.id = r.lane_id WHERE l.center = 'uz'"
    assert (size(hq, center), len(peek(hq.database, moments))) == (3, 1)


async def test_clock_that_runs_far_behind_ends_the_process(hq: Hq) -> None:
    """A clock that was set back is for a person to set, not for us to wait for."""
    center, clock = Center(), Clock()
    await hq.register(center)
    made = consolidator(hq, Seen(), clock)
    await made.assign(["uz"])
    await take(made, "uz", center.opened(1))
    clock.now = LATER - timedelta(seconds=CLOCK_BEHIND_MAX_S + 1)
    with pytest.raises(Fatal, match="behind its newest record"):
        await take(made, "uz", center.offers(1, first=5))
    assert size(hq, center) == 2


async def test_brokers_clock_far_ahead_ends_the_process(hq: Hq) -> None:
    """HQ's clock or the broker's is wrong by over five minutes: nothing is committed under it."""
    center = Center()
    await hq.register(center)
    made = consolidator(hq, Seen(), Clock())
    await made.assign(["uz"])
    with pytest.raises(Fatal, match="set it"):
        await take(made, "uz", stamped(center.opened(1), LATER + timedelta(minutes=6), LOG_APPEND_TIME))
    assert size(hq, center) == 0


@pytest.mark.parametrize("kind", [None, 0])
async def test_centers_clock_far_ahead_stops_nobody(hq: Hq, kind: int | None) -> None:
    """A timestamp that a center's producer wrote decides nothing."""
    center = Center()
    await hq.register(center)
    made = consolidator(hq, Seen(), Clock())
    await made.assign(["uz"])
    await take(made, "uz", stamped(center.opened(1), LATER + timedelta(days=400), kind))
    assert size(hq, center) == 2


async def test_lane_that_stands_at_a_time_to_come_goes_on_once_hq_took_it_back(hq: Hq) -> None:
    """The worker ends, and names the command; the next one, and one that is running, records by the right clock."""
    center, clock = Center(), Clock()
    await hq.register(center)
    clock.now = LATER + timedelta(days=365)
    made = consolidator(hq, Seen(), clock)
    await made.assign(["uz"])
    await take(made, "uz", center.opened(1))
    clock.now = LATER
    second = center.offers(1, first=5)
    with pytest.raises(Fatal, match="hub clock correct"):
        await take(made, "uz", second)
    value = {
        "since": write_time(LATER),
        "ahead_until": write_time(LATER + timedelta(days=365)),
        "reason": "it was ahead",
    }
    await hq.headquarters.say([HqEvent(CORRECTED, "clock", value)], LATER)
    await made.look_again()
    clock.now = LATER + timedelta(seconds=1)
    await take(made, "uz", second)
    again = consolidator(hq, Seen(), clock)
    await again.assign(["uz"])
    await take(again, "uz", center.offers(1, first=6))
    moments = "SELECT r.recorded_at_us FROM receipt r JOIN lane l ON l.id = lane_id WHERE center = 'uz' ORDER BY last"
    assert [from_us(us) for (us,) in peek(hq.database, moments)] == [
        LATER + timedelta(days=365),
        LATER + timedelta(seconds=1),
        LATER + timedelta(seconds=1),
    ]


async def test_nothing_is_recorded_before_it_is_sure_that_the_clock_is_right(hq: Hq) -> None:
    """The broker's time is asked before the commit, not behind it."""
    center = Center()
    await hq.register(center)

    async def unsure() -> None:
        raise Fatal("a year ahead of the broker's")

    made = Consolidator(hq.store, hq.headquarters, IDENTITY, Seen(), "test", Clock(), sure=unsure)
    made.attach(Seen())
    await made.assign(["uz"])
    with pytest.raises(Fatal, match="a year ahead"):
        await take(made, "uz", center.opened(1))
    assert size(hq, center) == 0


async def test_worker_is_told_that_a_lane_was_recorded_ahead_of_its_clock(hq: Hq) -> None:
    """It takes the lane all the same, and nothing goes back; whose clock is wrong, the log asks."""
    center, clock = Center(), Clock()
    await hq.register(center)
    await hq.feed("uz", center.opened(1), now=LATER + timedelta(seconds=7))
    made = consolidator(hq, Seen(), clock)
    with capture_logs() as logs:
        await made.assign(["uz"])
    (told,) = [entry for entry in logs if entry["event"] == "lane_ahead"]
    assert (told["center"], told["ahead_s"]) == ("uz", 7.0)
    clock.now += timedelta(seconds=7)
    with capture_logs() as logs:
        await made.assign(["uz"])
    assert not [entry for entry in logs if entry["event"] == "lane_ahead"]
