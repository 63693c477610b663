"""HQ and three offices on machines of their own, and the lines between them: cut, slow, one-way, silent, forgetful.

Each office comes in another way: by Kafka, over HTTPS through a corporate proxy, over HTTPS directly. What they write
meanwhile is accepted, all of it, in order and once, soon after the line is healed; the table that the test prints says
how soon.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from tests.support.continents import Continents, Measured
from tests.support.namespaces import Host, missing

pytestmark = [pytest.mark.fault, pytest.mark.long, pytest.mark.timeout(3000)]

CALM_S: Final = 6.0
RESUMED_S: Final = 30.0  # a bug, and not a busy machine, takes longer; what is wanted is 10 s, which the table shows
CAUGHT_UP_S: Final = 90.0


@dataclass(frozen=True)
class Fault:
    """Something that befalls a line. `healed` is for what lies in the middle, when the line is about to be healed."""

    name: str
    lasts_s: float
    begin: Callable[[Host], None]
    healed: Callable[[Continents], None] = lambda _: None


def slow(host: Host) -> None:
    host.line.delay_s = 0.3


def lossy(host: Host) -> None:
    host.line.delay_s, host.line.loss = 0.3, 0.05


def deaf(host: Host) -> None:
    host.line.swallows_down = True


def mute(host: Host) -> None:
    host.line.swallows_up = True


def hole(host: Host) -> None:
    deaf(host)
    mute(host)


def forget(continents: Continents) -> None:
    """Have a firewall in the middle, which keeps state, begin anew: nobody is told."""
    continents.middle.forget()


def restart(continents: Continents) -> None:
    """Have the corporate proxy begin anew, too."""
    forget(continents)
    continents.proxy.kill()
    continents.proxy.start()


FAULTS: Final = (
    Fault("cut, 20 s", 20, Host.cut),
    Fault("300 ms each way, 20 s", 20, slow),
    Fault("300 ms each way and 5 % lost, 60 s", 60, lossy),
    Fault("one-way, nothing up, 25 s", 25, mute),
    Fault("one-way, nothing down, 25 s", 25, deaf),
    Fault("black hole, 100 s", 100, hole),
    Fault("black hole, 5 s, and the middle forgets", 5, hole, forget),
    Fault("the same, and the proxy starts again", 5, hole, restart),
)


@pytest.mark.parametrize("place", ["HQ", "the offices"])
async def test_lines_that_fail_lose_nothing_and_are_used_again_soon(place: str, tmp_path: Path) -> None:
    """Whatever befalls the lines of one place: nothing lost, nothing twice, and used again when they are healed."""
    async with _continents(tmp_path) as continents:
        told = [await _suffer(continents, fault, place) for fault in FAULTS]
        told.append(await _freeze(continents))
        _tell(place, told)
        assert await continents.findings() == []
    late = {fault: each for fault, each in told if max(one.heard_s for one in each.values()) > RESUMED_S}
    assert not late


Told = tuple[str, dict[str, Measured]]


async def _suffer(continents: Continents, fault: Fault, place: str) -> Told:
    await asyncio.sleep(CALM_S)
    struck = [continents.hq] if place == "HQ" else continents.office_hosts
    began_s = continents.now_s()
    for host in struck:
        fault.begin(host)
    await asyncio.sleep(fault.lasts_s)
    fault.healed(continents)
    for host in struck:
        host.heal()
    return fault.name, await continents.measured(began_s, CAUGHT_UP_S)


async def _freeze(continents: Continents) -> Told:
    """Have HQ's whole machine stand still."""
    await asyncio.sleep(CALM_S)
    began_s = continents.now_s()
    with continents.hq.frozen():
        await asyncio.sleep(30)
    return "HQ stands still, 30 s", await continents.measured(began_s, CAUGHT_UP_S)


def _tell(place: str, told: list[Told]) -> None:
    """Print in seconds what was measured."""
    print(f"\nlines of {place}; seconds from healing to acceptance at HQ / receipt in the office; longest silence")  # noqa: T201
    names = list(told[0][1])
    print(f"{'':42}" + "".join(f"{name:>28}" for name in names))  # noqa: T201
    for fault, each in told:
        cells = (f"{one.accepted_s:6.1f} /{one.heard_s:5.1f}  ({one.silence_s:5.1f})" for one in each.values())
        print(f"{fault:42}" + "".join(f"{cell:>28}" for cell in cells))  # noqa: T201


@asynccontextmanager
async def _continents(folder: Path) -> AsyncIterator[Continents]:
    if why := missing():
        pytest.skip(why)
    async with Continents.laid_out(folder) as continents:
        yield continents
