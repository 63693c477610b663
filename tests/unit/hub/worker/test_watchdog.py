"""When a standstill is a stall."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from hub.protocol.errors import Fatal, Retriable
from hub.worker.watchdog import Watchdog


class Reading:
    """Lanes, their lag and a clock, all moved by hand."""

    def __init__(self, **positions: int | None) -> None:
        self.positions: dict[str, int | None] = dict(positions)
        self.lagging: set[str] = set(positions)
        self.overtaken: set[str] = set()
        self.broker_is_away = False
        self.now_s = 1000.0
        self.watchdog = Watchdog(lambda: self.positions, lambda: self.overtaken, self.behind, 60.0, lambda: self.now_s)

    async def behind(self, centers: Collection[str]) -> set[str]:
        if self.broker_is_away:
            raise Retriable("away")
        return self.lagging & set(centers)

    async def look(self, seconds: int) -> None:
        """Let the time pass, looking every 5 s."""
        for _ in range(seconds // 5):
            self.now_s += 5
            await self.watchdog.look()


async def test_lane_that_stands_still_under_lag_is_fatal() -> None:
    """After the sixty seconds, not before, and the message names the lane and the place."""
    reading = Reading(uz=17, kz=3)
    reading.lagging.remove("kz")
    await reading.look(60)
    with pytest.raises(Fatal, match="lane of uz has stood at offset 17 for 60 s"):
        await reading.look(5)


async def test_lane_that_never_began_is_fatal_too() -> None:
    """A lane without a position yet reads from its beginning, or ought to."""
    reading = Reading(uz=None)
    with pytest.raises(Fatal, match="stood at its beginning"):
        await reading.look(65)


async def test_idle_lane_is_no_stall() -> None:
    """A lane that has read all there is may stand for ever."""
    reading = Reading(uz=17)
    reading.lagging.clear()
    await reading.look(600)
    reading.lagging.add("uz")
    await reading.look(60)  # only from now on is it late


async def test_slow_lane_is_no_stall() -> None:
    """A lane that moves, however slowly and in whatever direction, is no stall."""
    reading = Reading(uz=100)
    for position in (101, 102, 100, 101):
        await reading.look(55)
        reading.positions["uz"] = position


async def test_broker_that_is_away_is_no_stall() -> None:
    """Nobody knows of a lag then, and the time begins anew when it is back."""
    reading = Reading(uz=17)
    await reading.look(50)
    reading.broker_is_away = True
    await reading.look(600)
    reading.broker_is_away = False
    await reading.look(60)


async def test_lane_that_waits_or_was_parked_is_no_stall() -> None:
    """Such a lane is not among the positions; when it reads again it has its whole time."""
    reading = Reading(uz=17)
    await reading.look(50)
    del reading.positions["uz"]
    await reading.look(600)
    reading.positions["uz"] = 17
    await reading.look(60)


async def test_lane_that_was_overtaken_and_stays_here_is_fatal() -> None:
    """Nobody reads it while whoever claimed it is gone: after the sixty seconds, not before, whatever else lags."""
    reading = Reading(uz=17, kz=3)
    reading.overtaken = {"uz"}
    del reading.positions["uz"]
    reading.lagging = {"uz"}
    await reading.look(60)
    with pytest.raises(Fatal, match="lane of uz was taken over by another worker 60 s ago"):
        await reading.look(5)


async def test_lane_that_the_group_takes_from_here_is_no_stall() -> None:
    """It was overtaken because it is another worker's now; if it comes back and is overtaken again, the time is new."""
    reading = Reading()
    reading.overtaken = {"uz"}
    await reading.look(50)
    reading.overtaken = set()
    await reading.look(600)
    reading.overtaken = {"uz"}
    await reading.look(60)


async def test_lane_that_was_overtaken_waits_for_a_broker_that_is_away() -> None:
    """Without it the group can't say whose the lane is."""
    reading = Reading()
    reading.overtaken = {"uz"}
    await reading.look(50)
    reading.broker_is_away = True
    await reading.look(600)
    reading.broker_is_away = False
    await reading.look(60)
