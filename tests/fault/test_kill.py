"""`kill -9` of worker, connectors and broker at random moments: nothing lost, nothing twice, order kept."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random, SystemRandom

import pytest

from tests.support.network import Network, Program

pytestmark = [pytest.mark.fault, pytest.mark.integration]

CENTERS = ("uz", "kz", "by")
ROWS_AT_START = 60


@contextlib.asynccontextmanager
async def people(network: Network, rng: Random) -> AsyncIterator[None]:
    """Edit sheets at random moments while the context lasts."""

    async def edit() -> None:
        while True:
            await asyncio.sleep(rng.uniform(0.02, 0.4))
            sheet = rng.choice(network.offices).sheet
            sheet.edit(rng)
            sheet.save()

    editing = asyncio.create_task(edit())
    try:
        yield
    finally:
        editing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await editing


async def one_round(network: Network, rng: Random) -> str:
    """Kill one part or several, wait a moment, start them again, let them work or not; return what was done.

    Those that were never killed come first, so that a short run has killed every part.
    """
    spared = [program for program in network.programs if not program.kills]
    count = rng.choice([1, 1, 1, 2, 2, 3])
    victims: list[Program] = [rng.choice(spared)] if spared else []
    others = [program for program in network.programs if program not in victims]
    victims += rng.sample(others, count - len(victims))
    done = []
    for victim in victims:
        await asyncio.sleep(rng.choice([0, rng.uniform(0, 0.1), rng.uniform(0, 1)]))
        if victim is network.broker and rng.random() < 0.5:
            network.broker.kill_java()
            done.append("java")
        else:
            victim.kill()
            done.append(victim.name)
    await asyncio.sleep(rng.uniform(0, 1.0))
    network.start()
    if rng.random() < 0.7:
        before = network.size()
        await network.until(lambda: network.size() > before, 60)
    return ",".join(done)


@pytest.mark.parametrize(
    "rounds",
    [
        pytest.param(4, marks=[pytest.mark.long, pytest.mark.timeout(600)]),
        pytest.param(12, marks=[pytest.mark.long, pytest.mark.timeout(600)]),
        pytest.param(200, marks=[pytest.mark.long, pytest.mark.timeout(3600)]),
    ],
)
async def test_killed_network_loses_nothing_and_tells_nothing_twice(tmp_path: Path, rounds: int) -> None:
    """However its parts die, every row has its one true verdict in the end, at both ends."""
    seed = int(os.environ.get("COHUB_FAULT_SEED") or SystemRandom().randrange(2**32))
    rng, started = Random(seed), time.monotonic()

    def say(what: str) -> None:
        print(f"seed {seed}, {time.monotonic() - started:5.1f} s: {what}")  # noqa: T201  pytest shows it on failure

    say(f"COHUB_FAULT_SEED={seed} makes the same choices again")
    network = await Network.set_up(tmp_path, CENTERS)
    try:
        for office in network.offices:
            office.sheet.add(rng, ROWS_AT_START)
            office.sheet.save()
        network.start()
        async with people(network, rng):
            for number in range(rounds):
                done = await one_round(network, rng)
                say(f"round {number + 1}: killed {done}; HQ has {network.size()} events")
        await network.settle()
        say(f"settled; HQ has {network.size()} events")
        assert await network.check() == []
        assert all(program.kills for program in network.programs), {p.name: p.kills for p in network.programs}
        say(f"checked; killed {', '.join(f'{p.name} {p.kills} times' for p in network.programs)}")
    finally:
        network.kill()
