"""Whether memory and descriptors of HQ's worker and of connectors stay what they are, while work goes on for an hour.

Five offices, each with a sheet of 500 rows of which ten are changed every two seconds, and changed back: some 50 events
a second. Every ten seconds each process is looked at. What is told is the slope of a line through what it held (least
squares), from the end of the first sixth on: until then caches fill.

`make bench ARGS='--only soak --minutes 60'`; it is no part of a run that names no parts.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import sqlite3
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, closing
from pathlib import Path
from subprocess import Popen
from typing import Any, Final

from benchmarks.lanes import BenchLane
from benchmarks.office import MAPPING, write_sheet
from benchmarks.report import soak_report
from benchmarks.required import require_accepted
from benchmarks.setting import last_words, make_office, rss_mb, running
from benchmarks.throughput import make_hub
from hub.broker.embedded import EmbeddedKafka
from hub.domain.catalogue import STREAMS
from hub.hq.folder import HubFolder
from hub.kafka.topics import ensure_topics, standard_topics

OFFICES: Final = 5
ROWS: Final = 500
CHANGED: Final = 10
CHANGE_S: Final = 2.0
LOOK_S: Final = 10.0
WARM_UP: Final = 1 / 6

Look = tuple[float, float, int]  # when, in seconds; MB; descriptors


async def soak(kafka: EmbeddedKafka, minutes: float) -> dict[str, Any]:
    """Return the figures of so many minutes. Errors: RuntimeError where a process ended, or an event was rejected."""
    looks: dict[str, list[Look]] = {}
    with tempfile.TemporaryDirectory(prefix="cohub-soak-", ignore_cleanup_errors=True) as folder:
        base = Path(folder)
        hub, lanes = base / "hub", [BenchLane(f"soak-{number}") for number in range(OFFICES)]
        await make_hub(hub, lanes)
        await ensure_topics(kafka.cluster, standard_topics([lane.center for lane in lanes], list(STREAMS)))
        for lane in lanes:
            make_office(base / lane.center, lane, hub, kafka.bootstrap, settle_s=0, file_settle_s=0, poll_s=0.5)
            (base / lane.center / "mappings" / "offers.yaml").write_text(MAPPING, "utf-8")
        async with AsyncExitStack() as stack:
            commands: dict[str, tuple[str, ...]] = {
                "worker": ("-m", "hub.cli.main", "--data-dir", str(hub), "worker", "--bootstrap", kafka.bootstrap)
            }
            commands |= {
                lane.center: ("-m", "connectors.cli.main", "run", "--office", str(base / lane.center)) for lane in lanes
            }
            processes = {
                name: await stack.enter_async_context(running(*command, log=base / f"{name}.log"))
                for name, command in commands.items()
            }
            editing = asyncio.create_task(_edit([base / lane.center for lane in lanes]))
            try:
                await _watch(processes, looks, minutes * 60, base, editing)
            finally:
                editing.cancel()
        _require_work(HubFolder(hub).database, minutes)
    return soak_report(looks, WARM_UP)


async def _edit(offices: Sequence[Path]) -> None:
    """Change rows of every sheet, for ever: whole files in the place of the old ones, as a spreadsheet saves them."""
    for turn in itertools.count():
        for office in offices:
            part = office / "offers.csv.part"
            write_sheet(part, ROWS, {(turn * CHANGED + n) % ROWS: turn for n in range(CHANGED)})
            part.replace(office / "offers.csv")
        await asyncio.sleep(CHANGE_S)


def _require_work(database: Path, minutes: float) -> None:
    """Errors: RuntimeError where HQ rejected an event, or has less than half of what was changed."""
    require_accepted(database)
    wanted = OFFICES * (ROWS + CHANGED * minutes * 60 / CHANGE_S) / 2
    with closing(sqlite3.connect(database)) as ledger:
        (events,) = ledger.execute("SELECT coalesce(sum(size), 0) FROM lane WHERE center LIKE 'soak-%'").fetchone()
    if events < wanted:
        raise RuntimeError(f"HQ has {events} events of the offices, expected {wanted:.0f} at least: they did not work")
    print(f"  {events} events", file=sys.stderr)


async def _watch(
    processes: Mapping[str, Popen[bytes]],
    looks: dict[str, list[Look]],
    seconds: float,
    base: Path,
    editing: asyncio.Task[None],
) -> None:
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    while (now_s := loop.time() - began_s) < seconds:
        for name, process in processes.items():
            if process.poll() is not None:
                raise RuntimeError(f"{name} has ended: {last_words(base / f'{name}.log')}")
            if editing.done():
                await editing
            held = rss_mb(process.pid), len(os.listdir(f"/proc/{process.pid}/fd"))  # noqa: PTH208 - names alone
            looks.setdefault(name, []).append((now_s, *held))
        if len(looks["worker"]) % 30 == 1:
            told = ", ".join(f"{name} {found[-1][1]:.1f} MB, {found[-1][2]} open" for name, found in looks.items())
            print(f"  {now_s / 60:4.0f} min: {told}", file=sys.stderr)
        await asyncio.sleep(LOOK_S)
