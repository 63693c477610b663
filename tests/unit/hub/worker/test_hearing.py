"""What a notary waits for before its first checkpoint: its witnesses, and not for ever."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import pytest

from hub.store.log_rows import Heard
from hub.worker.hearing import ANSWER_S, STILL_S, Hearing

WAIT_S = 30.0


@dataclass
class World:
    """What SQL and the broker say, and a clock."""

    heard: dict[str, Heard] = field(default_factory=dict)
    ends: dict[str, int] = field(default_factory=dict)
    now_s: float = 0.0
    asked: int = 0

    def __post_init__(self) -> None:
        self.hearing = Hearing(self.read, self.end, WAIT_S, lambda: self.now_s)

    async def read(self) -> Mapping[str, Heard]:
        return dict(self.heard)

    async def end(self, topics: Collection[str]) -> Mapping[str, tuple[int, int]]:
        self.asked += 1
        return {topic: (0, self.ends.get(topic, 0)) for topic in topics}

    async def after(self, seconds: float) -> bool:
        self.now_s += seconds
        return await self.hearing.is_done()


@pytest.fixture
def world() -> World:
    return World()


async def test_new_hub_and_one_without_witnesses_wait_for_nothing(world: World) -> None:
    """There is nobody who could know more."""
    assert await world.after(0)
    world = World({"uz": Heard(None, reads=True, cosigned=False)})
    assert await world.after(0)
    assert world.asked == 0


async def test_what_was_written_before_is_read_first(world: World) -> None:
    """A cosignature may stand anywhere on a center's topic."""
    world.heard, world.ends = {"uz": Heard(3, reads=True, cosigned=False)}, {"in.uz": 9}
    assert not await world.after(0)
    for position in range(4, 9):
        world.heard["uz"] = Heard(position, reads=True, cosigned=False)
        assert not await world.after(STILL_S - 1)
    world.heard["uz"] = Heard(9, reads=True, cosigned=False)
    assert await world.after(1)
    world.ends["in.uz"] = 99  # asked once
    assert await world.after(1)


async def test_lane_that_stands_still_is_not_waited_for(world: World) -> None:
    """Its end may be waiting for a seal that never comes; one that is parked is not asked at all."""
    world.heard = {"uz": Heard(3, reads=True, cosigned=False), "kz": Heard(1, reads=False, cosigned=True)}
    world.ends = {"in.uz": 9, "in.kz": 5}
    assert not await world.after(0)
    assert not await world.after(STILL_S - 0.5)
    assert await world.after(WAIT_S)


async def test_lane_that_stands_still_is_not_waited_for_while_others_go_on(world: World) -> None:
    """A hub at work always reads something: one lane without its seal would keep it from signing for ever."""
    world.heard = {"uz": Heard(3, reads=True, cosigned=False), "kz": Heard(5, reads=True, cosigned=False)}
    world.ends = {"in.uz": 9, "in.kz": 5}
    assert not await world.after(0)
    for second in range(1, int(WAIT_S)):
        world.heard["kz"] = Heard(5 + second, reads=True, cosigned=False)
        assert await world.after(1) == (second >= STILL_S)


async def test_whoever_cosigned_before_speaks_and_has_time_for_its_answer(world: World) -> None:
    """Its presence comes first, its cosignature when it has read the log: both before anything is signed."""
    world.heard, world.ends = {"uz": Heard(9, reads=True, cosigned=True)}, {"in.uz": 9}
    assert not await world.after(0)
    assert not await world.after(8)
    world.heard["uz"] = Heard(10, reads=True, cosigned=True)
    assert not await world.after(1)
    assert not await world.after(ANSWER_S - 1)
    assert await world.after(1)


async def test_office_that_is_closed_is_waited_for_no_longer_than_said(world: World) -> None:
    """It may be closed for weeks."""
    world.heard, world.ends = {"uz": Heard(9, reads=True, cosigned=True)}, {"in.uz": 9}
    assert not await world.after(0)
    assert not await world.after(WAIT_S - 0.5)
    assert await world.after(0.5)
