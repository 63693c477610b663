"""The peers' part of the benchmark: all of them, the plain loop and HQ's worker take turns on the same topics."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any, Final

from benchmarks.lanes import RELEASED
from benchmarks.meter import read_latest
from benchmarks.peers.installed import Missing, commands
from benchmarks.report import PEER_BASES, peers_report, peers_table, turned
from benchmarks.required import require_latest
from benchmarks.throughput import Input, contend, measure, tell, write_input
from hub.broker.embedded import EmbeddedKafka

PEER_TIMEOUT_S: Final = 600.0  # the slowest of them needs one


async def peers(kafka: EmbeddedKafka, lanes_count: int, events: int, rounds: int) -> dict[str, Any]:
    """Return the report of the peers. A peer that can't be had, or that fails, is told as missing with the reason.

    Errors: RuntimeError if a peer has kept something else than the latest event of every entity: what was measured
        then is another work than is told.
    """
    costs: dict[str, list[float]] = {kind: [] for kind in PEER_BASES}
    second_halves: dict[str, list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory(prefix="cohub-bench-") as classes:
        found = await commands(Path(classes))
        costs |= {peer: [] for peer in found}
        for number in range(rounds):
            given = await write_input(kafka, lanes_count, events)
            for contender in turned([*PEER_BASES, *found], number):
                if contender in PEER_BASES:
                    costs[contender].append((await measure(given, contender))["cpu_us_per_event"])
                    continue
                peer, command = contender, found[contender]
                if isinstance(command, Missing):
                    continue
                try:
                    result = await asyncio.to_thread(_measure, given, peer, command)
                except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as exc:
                    found[peer] = Missing(f"{type(exc).__name__} when it ran; its own words are above")
                    continue
                costs[peer].append(result["cpu_us_per_event"])
                if "second_half_us" in result:
                    second_halves[peer].append(result["second_half_us"])
    missing = {peer: was.reason for peer, was in found.items() if isinstance(was, Missing)}
    report = peers_report(costs, second_halves, missing)
    print(peers_table(report), file=sys.stderr)
    return report


def _measure(given: Input, peer: str, command: list[str]) -> dict[str, Any]:
    folder = Path(tempfile.mkdtemp(prefix=f"{peer}-"))
    try:
        (folder / "schemas").mkdir()
        for schema in RELEASED.values():
            (folder / "schemas" / f"{schema.id}.avsc").write_text(schema.text, "utf-8")
        result = contend([*command, *given.arguments, "--folder", str(folder)], PEER_TIMEOUT_S)
        require_latest(read_latest(folder), given.lanes)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    tell(peer, result)
    return result
