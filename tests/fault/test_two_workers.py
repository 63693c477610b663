"""Two workers on one PostgreSQL: frozen, killed, their server restarted, and every row has its one true verdict."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path
from random import Random, SystemRandom

import pytest

from hub.store.postgres_open import bring_up_to_date
from tests.support.network import Network
from tests.support.postgres import PostgresServer

pytestmark = [pytest.mark.fault, pytest.mark.integration]

CENTERS = ("uz", "kz", "by", "kg")
ROWS_AT_START = 20
FROZEN_S = (6.5, 12.0)  # the group notices after six seconds: some come back as owners, some do not


async def one_round(network: Network, server: PostgresServer, rng: Random) -> str:
    """Edit sheets, do something bad to one worker or to the server, and let everybody go on."""
    victim = rng.choice([network.worker, *network.more])
    what = rng.choice(["freeze", "freeze", "kill", "restart", "nothing"])
    for office in network.offices:
        for _ in range(rng.randint(1, 8)):
            office.sheet.edit(rng)
        office.sheet.save()
    await asyncio.sleep(rng.uniform(0, 1.5))
    if what == "freeze" and victim.is_running:
        os.kill(victim.pid, signal.SIGSTOP)
        await asyncio.sleep(rng.uniform(*FROZEN_S))
        os.kill(victim.pid, signal.SIGCONT)
    elif what == "kill":
        victim.kill()
        await asyncio.sleep(rng.uniform(0, 2))
    elif what == "restart":
        server.stop(rng.choice([signal.SIGINT, signal.SIGQUIT]))
        await asyncio.sleep(rng.uniform(0, 3))
        await asyncio.to_thread(server.start)
    network.start()
    await asyncio.sleep(rng.uniform(0, 2))
    return f"{what} {victim.name}"


@pytest.mark.parametrize(
    "rounds",
    [
        pytest.param(1, marks=pytest.mark.timeout(300)),
        pytest.param(12, marks=[pytest.mark.long, pytest.mark.timeout(900)]),
    ],
)
async def test_two_workers_that_fail_write_every_lane_once(tmp_path: Path, rounds: int) -> None:
    """Whoever is frozen in whatever it does is fenced when it comes back, and its lanes were read on meanwhile."""
    seed = int(os.environ.get("COHUB_FAULT_SEED") or SystemRandom().randrange(2**32))
    rng, started = Random(seed), time.monotonic()

    def say(what: str) -> None:
        print(f"seed {seed}, {time.monotonic() - started:5.1f} s: {what}")  # noqa: T201  pytest shows it on failure

    say(f"COHUB_FAULT_SEED={seed} makes the same choices again")
    server = PostgresServer({"fsync": "on"})
    try:
        server.start()
        await server.ask("postgres", "CREATE DATABASE hub")
        await asyncio.to_thread(bring_up_to_date, server.server("hub"))
        network = await Network.set_up(tmp_path, CENTERS, server=server.server("hub"))
        try:
            network.another_worker()
            for office in network.offices:
                office.sheet.add(rng, ROWS_AT_START)
                office.sheet.save()
            network.start()
            await network.until(lambda: network.size() > ROWS_AT_START, 60)
            for number in range(rounds):
                say(f"round {number + 1}: {await one_round(network, server, rng)}; HQ has {network.size()} events")
            await network.settle(deadline_s=120.0)
            say(f"settled; HQ has {network.size()} events")
            assert await network.check() == []
        finally:
            network.kill()
    finally:
        server.remove()
