"""`make bench`: everything that the project promises in figures, in one run; the last line is JSON.

The parts take turns and never run beside each other. Contenders alternate, and begin in another order in every
round, so that a disturbance of the machine hits all of them; each ratio is the median of its rounds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import structlog

from benchmarks.audit import audit
from benchmarks.backlog import backlog
from benchmarks.demo import demo
from benchmarks.engines import engines
from benchmarks.https_way import https_way
from benchmarks.latency import latency
from benchmarks.many_lanes import many_lanes
from benchmarks.mixed import MixedLane
from benchmarks.office import office
from benchmarks.peers.run import peers
from benchmarks.report import report, stages_report, stages_table, throughput_report, turned, verdicts, with_tables
from benchmarks.republish import republish
from benchmarks.soak import soak
from benchmarks.throughput import measure, write_input
from benchmarks.tls import tls
from hub.base.output import note
from hub.broker.embedded import EmbeddedKafka
from hub.broker.settings import BrokerSettings
from hub.broker.warm import warm

KINDS: Final = ("plain", "faust", "hub", "hub-silent")
EACH: Final = "hub, a seal on each event"
MIXED: Final = "hub, mixed lanes"
PAGE: Final = "docs/performance.md"


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured."""

    lanes: int
    events: int
    rounds: int
    peer_events: int
    memory_events: int
    latency_events: int
    rows: int
    ledger_events: int
    republished_events: int
    posted_events: int
    tls_events: int
    queued_events: int
    minutes: float = 60.0


FULL: Final = Size(
    lanes=30,
    events=200_000,
    rounds=5,
    peer_events=100_000,
    memory_events=1_000_000,
    latency_events=1500,
    rows=50_000,
    ledger_events=1_000_000,
    republished_events=50_000,
    posted_events=10_000,
    tls_events=60_000,
    queued_events=500_000,
)
QUICK: Final = Size(
    lanes=3,
    events=6_000,
    rounds=1,
    peer_events=6_000,
    memory_events=12_000,
    latency_events=100,
    rows=2_000,
    ledger_events=12_000,
    republished_events=6_000,
    posted_events=3_000,
    tls_events=6_000,
    queued_events=6_000,
    minutes=1.0,
)


async def _throughput(kafka: EmbeddedKafka, size: Size) -> dict[str, Any]:
    costs: dict[str, list[float]] = {kind: [] for kind in (*KINDS, EACH, MIXED)}
    for number in range(size.rounds):
        usual = await write_input(kafka, size.lanes, size.events)
        given = {
            EACH: await write_input(kafka, size.lanes, size.events, seal_every=1),
            MIXED: await write_input(kafka, size.lanes, size.events, lane=MixedLane),
        }
        for kind in turned([*costs], number):
            found = await measure(given.get(kind, usual), "hub" if kind in given else kind, name=kind)
            costs[kind].append(found["cpu_us_per_event"])
    return dict(throughput_report(costs, costs[EACH], costs[MIXED]))


async def _republish(kafka: EmbeddedKafka, size: Size) -> dict[str, Any]:
    return dict(await republish(kafka, size.republished_events, size.rounds))


async def _https(kafka: EmbeddedKafka, size: Size) -> dict[str, Any]:
    return dict(await https_way(kafka, size.posted_events, size.rounds))


async def _tls(kafka: EmbeddedKafka, size: Size) -> dict[str, Any]:
    return dict(await tls(kafka, size.lanes, size.tls_events, size.rounds))


async def _engines(kafka: EmbeddedKafka, size: Size) -> dict[str, Any]:
    return dict(await engines(kafka, size.lanes, size.events, size.rounds))


async def _lanes(kafka: EmbeddedKafka, size: Size) -> dict[str, Any]:
    return dict(await many_lanes(kafka, size.events, size.rounds))


async def _backlog(kafka: EmbeddedKafka, size: Size) -> dict[str, Any]:
    return dict(await backlog(kafka, size.queued_events))


async def _soak(kafka: EmbeddedKafka, size: Size) -> dict[str, Any]:
    return dict(await soak(kafka, size.minutes))


async def _peers(kafka: EmbeddedKafka, size: Size) -> dict[str, Any]:
    return {"peers": await peers(kafka, size.lanes, size.peer_events, size.rounds)}


async def _stages(kafka: EmbeddedKafka, size: Size) -> dict[str, Any]:
    given = await write_input(kafka, size.lanes, size.events)
    found = [(await measure(given, "hub", "--stages"))["stages"] for _ in range(size.rounds)]
    stages = stages_report(found)
    print(stages_table(stages), file=sys.stderr)
    return {"worker_stages": stages}


async def _memory(kafka: EmbeddedKafka, size: Size) -> dict[str, Any]:
    found = await measure(await write_input(kafka, size.lanes, size.memory_events), "hub")
    early, late = found["rss_early_mb"], found["rss_mb"]
    return {"worker_rss_mb": {"after_100k": round(early, 1), "after_1m": round(late, 1)}}


async def _latency(kafka: EmbeddedKafka, size: Size) -> dict[str, Any]:
    return dict(await latency(kafka, size.latency_events))


async def _office(kafka: EmbeddedKafka, size: Size) -> dict[str, Any]:
    return dict(await office(kafka, size.rows))


async def _audit(_kafka: EmbeddedKafka, size: Size) -> dict[str, Any]:
    return dict(await audit(size.ledger_events))


async def _demo(_kafka: EmbeddedKafka, _size: Size) -> dict[str, Any]:
    return dict(await demo())


PARTS: Final[dict[str, Callable[[EmbeddedKafka, Size], Awaitable[dict[str, Any]]]]] = {
    "throughput": _throughput,
    "republish": _republish,
    "https": _https,
    "tls": _tls,
    "engines": _engines,
    "lanes": _lanes,
    "backlog": _backlog,
    "soak": _soak,
    "peers": _peers,
    "stages": _stages,
    "memory": _memory,
    "latency": _latency,
    "office": _office,
    "audit": _audit,
    "demo": _demo,
}


async def bench(size: Size, parts: list[str]) -> dict[str, Any]:
    """Return the report of these parts; each has a broker of its own, so that none reads what another wrote."""
    await warm(BrokerSettings(), note)
    measured: dict[str, Any] = {}
    for part in parts:
        began = time.monotonic()
        load = os.getloadavg()[0]
        print(f"{part} (load of the machine before it: {load:.1f})", file=sys.stderr)
        with tempfile.TemporaryDirectory(prefix="cohub-bench-", ignore_cleanup_errors=True) as folder:
            async with EmbeddedKafka(Path(folder), plain=True) as kafka:
                measured |= await PARTS[part](kafka, size)
        print(f"  took {time.monotonic() - began:.0f} s", file=sys.stderr)
    return report(measured)


def main() -> None:
    """Run the benchmark; whether a goal is met is told, and is no reason to fail: machines differ."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="small counts, no goals: to see that it runs, not how fast"
    )
    parser.add_argument("--only", choices=list(PARTS), action="append", help="this part alone; may be repeated")
    parser.add_argument("--rounds", type=int, help="how often contenders take turns, instead of 5, or 1 with --quick")
    parser.add_argument("--minutes", type=float, help="how long the soak lasts, instead of 60")
    parser.add_argument("--write-docs", action="store_true", help=f"write the tables that were measured to {PAGE}")
    args = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
    size = QUICK if args.quick else FULL
    size = replace(size, rounds=args.rounds or size.rounds, minutes=args.minutes or size.minutes)
    found = asyncio.run(bench(size, args.only or [part for part in PARTS if part != "soak"]))
    for figure, value, sign, bound, met in [] if args.quick else verdicts(found):
        print(f"{'met   ' if met else 'MISSED'} {figure} {value:g} (goal {sign} {bound:g})", file=sys.stderr)
    if args.write_docs:
        page = Path(PAGE)
        page.write_text(with_tables(page.read_text("utf-8"), found), "utf-8")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
