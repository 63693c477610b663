"""What lanes cost by themselves: the same number of events in 30, 300 and 3,000 of them.

With Kafka, the whole worker reads 30 and 300 lanes. Without it, engine and store take 30, 300 and 3,000 lanes in steps
of equal size, lane by lane in turns (`python -m benchmarks.many_lanes …`, a process of its own), and a second worker
claims all of them.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import structlog

from benchmarks.lanes import BenchLane
from benchmarks.meter import spare_the_collector
from benchmarks.report import lanes_report, turned
from benchmarks.required import require_taken
from benchmarks.throughput import contend, make_hub, measure, write_input
from hub.broker.embedded import EmbeddedKafka
from hub.hq.folder import HubFolder
from hub.hq.headquarters import Headquarters
from hub.hq.identity import load_identity
from hub.ledger.reading import Reading
from hub.protocol.plain_record import PlainRecord
from hub.store.consolidate import Driver, Instant
from hub.store.opener import open_store
from hub.store.released import released_schemas
from hub.worker.remembered import Remembered

WITH_KAFKA: Final = (30, 300)
ALONE: Final = (30, 300, 3_000)
STEP: Final = 64  # events
STEPS_MIN: Final = 1  # of each lane, where they are the most


async def many_lanes(kafka: EmbeddedKafka, events: int, rounds: int) -> dict[str, Any]:
    """Return CPU µs an event by the number of lanes, with Kafka and without, and how long a claim of all takes."""
    with_kafka: dict[int, list[float]] = {count: [] for count in WITH_KAFKA}
    alone: dict[int, list[float]] = {count: [] for count in ALONE}
    claim_s: list[float] = []
    for number in range(rounds):
        for count in map(int, turned([str(count) for count in WITH_KAFKA], number)):
            found = await measure(await write_input(kafka, count, events), "hub", name=f"hub, {count} lanes")
            with_kafka[count].append(found["cpu_us_per_event"])
        for count in map(int, turned([str(count) for count in ALONE], number)):
            steps = max(events, STEPS_MIN * STEP * max(ALONE)) // count // STEP
            found = await asyncio.to_thread(_alone, count, steps)
            alone[count].append(found["cpu_us_per_event"])
            if count == max(ALONE):
                claim_s.append(found["claim_s"])
    return lanes_report(with_kafka, alone, claim_s)


def _alone(count: int, steps: int) -> dict[str, Any]:
    base = Path(tempfile.mkdtemp(prefix="cohub-bench-"))
    try:
        command = [sys.executable, "-m", "benchmarks.many_lanes", str(count), str(steps), str(base)]
        found = contend(command)
    finally:
        shutil.rmtree(base, ignore_errors=True)
    told = f"{found['cpu_us_per_event']:6.1f} µs of CPU an event, claimed in {found['claim_s']:.2f} s"
    print(f"  {f'engine, {count} lanes':25} {told}", file=sys.stderr)
    return found


async def measure_alone(count: int, steps: int, folder: Path) -> dict[str, Any]:
    """Return what so many steps of each of `count` lanes cost. Errors: RuntimeError where not all was taken."""
    lanes = [BenchLane(f"m-{number}", STEP) for number in range(count)]
    await make_hub(folder, lanes)
    path = HubFolder(folder).database
    store = await open_store(path)
    try:
        basis = await Headquarters(store, load_identity(HubFolder(folder).keys), released_schemas()).basis()
        memory = Remembered()
        driver = Driver(store, store, load_identity(HubFolder(folder).keys), memory)
        fetches = [_fetches(lane, steps) for lane in lanes]
        claimed = await store.claim([lane.center for lane in lanes], "bench")
        readings = {center: Reading.of(claim.intake) for center, claim in claimed.items()}
        spare_the_collector()
        began = time.process_time()
        for at in range(steps):
            for lane, fetch in zip(lanes, fetches, strict=True):
                now, term = Instant(datetime.now(UTC), 0.0), claimed[lane.center].term
                step = await driver.consolidate(readings[lane.center], term, fetch[at], basis, now)
                readings[lane.center] = step.reading
                memory.remember(step.entities)
        spent_s = time.process_time() - began
        began_s = time.monotonic()
        await store.claim([lane.center for lane in lanes], "another")
        claim_s = time.monotonic() - began_s
    finally:
        await store.close()
    require_taken(path, lanes)
    return {"cpu_us_per_event": spent_s / sum(lane.edge.size for lane in lanes) * 1e6, "claim_s": claim_s}


def _fetches(lane: BenchLane, steps: int) -> list[Sequence[PlainRecord]]:
    """Return a lane's records in fetches of one step each."""
    count = steps * STEP - 1  # behind the opening
    written = [PlainRecord(k, v, [*h], n) for n, (k, v, h) in enumerate(lane.records(count, max(1, count // 4)))]
    return [written[at : at + STEP] for at in range(0, len(written), STEP)]


def main() -> None:
    """Measure, and print the JSON line that the benchmark reads."""
    parser = argparse.ArgumentParser()
    parser.add_argument("lanes", type=int)
    parser.add_argument("steps", type=int)
    parser.add_argument("folder", type=Path)
    args = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
    print(json.dumps(asyncio.run(measure_alone(args.lanes, args.steps, args.folder))))


if __name__ == "__main__":
    main()
