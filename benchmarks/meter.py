"""What is measured of one contender, in its own process: CPU time from the first event to the last.

This file imports nothing of ours, so that a peer with a virtual environment of its own can be measured by it.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

LATEST = "latest.jsonl"  # in a contender's folder


def rss_mb() -> float:
    """Return the resident memory of this process, in MB."""
    with Path("/proc/self/statm").open() as statm:
        return int(statm.read().split()[1]) * resource.getpagesize() / 1e6


def spare_the_collector() -> None:
    """Let the cyclic collector look rarely, and not at what is there: what HQ's worker does for itself.

    Without it the others would pay for walks through what they remember.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(200_000, 10, 10)


class Meter:
    """CPU time of the whole process from the first event to the last, start-up left out, for all contenders alike."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.seen = 0
        self._start = 0.0
        self._start_sys = 0.0
        self.rss_early_mb = 0.0

    def begin(self) -> None:
        """Start the clock at the first batch."""
        if not self._start:
            spare_the_collector()
            self._start = time.process_time()
            self._start_sys = os.times().system

    def result(self, kind: str) -> dict[str, Any]:
        """Return what was measured, at this moment."""
        cpu_s = time.process_time() - self._start
        return {
            "kind": kind,
            "events": self.total,  # what was seen twice is no second event
            "cpu_us_per_event": cpu_s / self.total * 1e6,
            "system_us_per_event": (os.times().system - self._start_sys) / self.total * 1e6,
            "rss_mb": rss_mb(),
            "rss_early_mb": self.rss_early_mb or None,
        }


def hand_over(result: dict[str, Any]) -> None:
    """Print the JSON line that the benchmark reads."""
    print(json.dumps(result), flush=True)


def write_latest(folder: Path, latest: Iterable[tuple[str, Any]]) -> None:
    """Write the latest event of each entity, which the benchmark compares with what it has written to the topics."""
    with (folder / LATEST).open("w", encoding="utf-8") as file:
        file.writelines(f"{json.dumps(pair)}\n" for pair in latest)


def read_latest(folder: Path) -> list[tuple[str, Any]]:
    """Return what a contender has kept as the latest event of each entity."""
    with (folder / LATEST).open(encoding="utf-8") as lines:
        return [(key, event) for key, event in map(json.loads, lines)]
