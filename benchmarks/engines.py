"""HQ's worker with its database at PostgreSQL, beside the one with a SQLite file; and two workers beside one.

The server is one of ours, on this machine, with its disk synced at each commit. What it spends is told apart: where a
hub outgrows one machine, the server has another. All contenders of a round read the same topics.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.report import engines_report, turned
from benchmarks.required import require_taken
from benchmarks.throughput import Input, contend, make_hub, measure, tell, write_input
from hub.broker.embedded import EmbeddedKafka
from hub.hq.folder import HubFolder
from hub.store.copying import mirror
from tests.support.postgres import PostgresServer

SQLITE: Final = "SQLite, one worker"
ONE: Final = "PostgreSQL, one worker"
TWO: Final = "PostgreSQL, two workers"
WORKERS: Final = {ONE: 1, TWO: 2}
SHARE_MIN: Final = 0.4  # of what it is to read of the events, for each worker: else not so many were measured
SHARED_FROM: Final = 100_000  # events: of fewer the first has read all when the second is there

# As a server is set up: its disk is synced, and its memory is more than a test's.
SERVER: Final = {"fsync": "on", "shared_buffers": "256MB", "max_wal_size": "4GB"}


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU µs an event: of the workers together, and of the database's server."""

    workers_us: float
    server_us: float = 0.0


async def engines(kafka: EmbeddedKafka, lanes: int, events: int, rounds: int) -> dict[str, Any]:
    """Return CPU µs an event by contender, PostgreSQL in times of SQLite, and two workers in times of one."""
    costs: dict[str, list[Cost]] = {SQLITE: [], ONE: [], TWO: []}
    with _postgres() as postgres:
        for number in range(rounds):
            given = await write_input(kafka, lanes, events)
            for kind in turned([*costs], number):
                if kind == SQLITE:
                    costs[kind].append(Cost((await measure(given, "hub", name=kind))["cpu_us_per_event"]))
                else:
                    costs[kind].append(await measure_at(postgres, given, kind))
    return engines_report(
        {kind: [(cost.workers_us, cost.server_us) for cost in found] for kind, found in costs.items()}
    )


@contextmanager
def _postgres() -> Iterator[PostgresServer]:
    postgres = PostgresServer(SERVER)
    try:
        postgres.start()
        postgres.make_template()
        yield postgres
    finally:
        postgres.remove()


async def measure_at(postgres: PostgresServer, given: Input, kind: str) -> Cost:
    """Return what the workers of a hub at a server cost. Errors: RuntimeError where they did not do what is told."""
    name, base = await postgres.create(), Path(tempfile.mkdtemp(prefix="cohub-bench-"))
    server, count = postgres.server(name), WORKERS[kind]
    try:
        await make_hub(base, given.lanes, server)
        common = ["hub", *given.arguments, "--database", postgres.url(name), "--workers", str(count)]
        common += ["--keys", str(HubFolder(base).keys)]
        before_s = cpu_s(postgres.pid)
        with ThreadPoolExecutor(count) as pool:
            found = await asyncio.gather(
                *(
                    asyncio.get_running_loop().run_in_executor(
                        pool, _contend, [*common, "--folder", str(base / f"worker-{nth}")], nth
                    )
                    for nth in range(count)
                )
            )
        server_us = (cpu_s(postgres.pid) - before_s) / given.total * 1e6
        shares = [each["seen"] / given.total for each in found]
        if given.total >= SHARED_FROM and min(shares) < SHARE_MIN / count:
            raise RuntimeError(
                f"one of the workers has read {min(shares):.0%} of the events: it is not {count} workers"
            )
        await mirror(server, base / "mirror.sqlite3")
        require_taken(base / "mirror.sqlite3", given.lanes)
    finally:
        shutil.rmtree(base, ignore_errors=True)
    cost = Cost(sum(each["cpu_us_per_event"] for each in found), server_us)
    tell(kind, {"cpu_us_per_event": cost.workers_us})
    print(f"  {'its server':25} {server_us:6.1f} µs", file=sys.stderr)
    return cost


def _contend(arguments: list[str], nth: int) -> dict[str, Any]:
    return contend([sys.executable, "-m", "benchmarks.contender", *arguments], nth=nth)


def cpu_s(pid: int) -> float:
    """Return what a server's processes have spent: the first one's, of its children that live and that have ended."""
    parts = _stat(pid)
    ticks = sum(map(int, parts[11:15]))  # its own, and its children's that have ended
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split():
        try:
            ticks += sum(map(int, _stat(int(child))[11:13]))
        except OSError:  # it has ended meanwhile
            continue
    return ticks / os.sysconf("SC_CLK_TCK")


def _stat(pid: int) -> list[str]:
    """Return a process's line behind its name, which may have spaces (proc(5): field 3 comes first)."""
    return Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
