"""One center of a benchmark hub: its office folder, and the processes that the benchmark starts."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import yaml

from benchmarks.lanes import HUB, BenchLane
from benchmarks.throughput import make_hub
from connectors.runtime.settings import FILE, SEAL_KEY, TRUST
from hub.base.durable import create_private
from hub.hq.folder import HubFolder

STOP_S: Final = 15.0
POLL_S: Final = 0.02


async def make_center(base: Path, center: str, bootstrap: str, **settings: Any) -> tuple[Path, Path]:
    """Make a hub that knows one center, and its office. Returns the hub's data directory and the office's folder."""
    data_dir, office = base / "hub", base / "office"
    lane = BenchLane(center)
    await make_hub(data_dir, [lane])
    make_office(office, lane, data_dir, bootstrap, **settings)
    return data_dir, office


def make_office(office: Path, lane: BenchLane, data_dir: Path, bootstrap: str, **settings: Any) -> None:
    """Make the folder of a center's office: it has the lane's key, and pins the hub's."""
    (office / "mappings").mkdir(parents=True)
    (office / SEAL_KEY).parent.mkdir()
    create_private(office / SEAL_KEY, lane.signer.to_text() + "\n")
    (office / TRUST).write_bytes((HubFolder(data_dir).keys / "trust.note").read_bytes())
    said = {"hub": HUB, "center": lane.center, "bootstrap": [bootstrap], **settings}
    (office / FILE).write_text(yaml.safe_dump(said), "utf-8")


@asynccontextmanager
async def running(*arguments: str, log: Path, nice: int = 0) -> AsyncIterator[subprocess.Popen[bytes]]:
    """Run `python ARGUMENTS` beside us; on leaving it is asked to stop, and made to at a deadline.

    Shapes: `nice` is how far it stands back for others, as nice(1) has it: for whoever has another machine otherwise.
    Errors: RuntimeError with its last words if it fails.
    """
    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: ASYNC220 - a moment, before anything is measured
            [*(["nice", "-n", str(nice)] if nice else []), sys.executable, *arguments], stdout=output, stderr=output
        )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            await until(lambda: process.poll() is not None, STOP_S, "the end of a process")
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    if process.returncode:
        raise RuntimeError(f"{' '.join(arguments[:3])} ended with {process.returncode}: {last_words(log)}")


async def until(is_so: Callable[[], Any], deadline_s: float, what: str) -> None:
    """Return once `is_so()`. Errors: TimeoutError that says what was waited for."""
    loop = asyncio.get_running_loop()
    ends = loop.time() + deadline_s
    while not is_so():
        if loop.time() > ends:
            raise TimeoutError(f"waited {deadline_s:.0f} s in vain for {what}")
        await asyncio.sleep(POLL_S)


def last_words(log: Path) -> str:
    """Return the end of a log."""
    return log.read_text("utf-8")[-2000:]


def rss_mb(pid: int) -> float:
    """Return the memory that a process holds now. Linux only."""
    pages = int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
