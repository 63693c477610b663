"""What publishing costs from the database, as after a start or a failure of the broker, over what it costs from memory.

The worker's own publisher sends the same events of the same store to the same broker, in a process of its own
(`python -m benchmarks.republish …`): once as they are offered behind each commit, once with its cursors set back.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition

from benchmarks.lanes import BenchLane
from benchmarks.report import republish_report
from benchmarks.required import require_taken
from benchmarks.throughput import contend, make_hub
from hub.broker.embedded import EmbeddedKafka
from hub.domain.catalogue import STREAMS
from hub.domain.state import partition_of
from hub.hq.folder import HubFolder
from hub.hq.headquarters import Headquarters
from hub.hq.identity import load_identity
from hub.kafka.cluster import Cluster
from hub.kafka.topics import ensure_topics, standard_topics
from hub.ledger.publication import Publication, publications
from hub.ledger.reading import Reading
from hub.protocol.plain_record import PlainRecord
from hub.store.consolidate import Driver, Instant
from hub.store.released import released_schemas, state_forms
from hub.store.sqlite import SqliteStore
from hub.store.sqlite_open import open_database
from hub.store.store import QUARANTINE_QUOTA_BYTES
from hub.worker.filled import filled
from hub.worker.publisher import Publisher
from hub.worker.remembered import Remembered

LANES: Final = 4
FETCH: Final = 2_000
POLL_S: Final = 0.02
DEADLINE_S: Final = 300.0


class Store(SqliteStore):
    """The store, which counts how often the publisher asks it for what it is to publish."""

    loaded = 0

    async def publication(self, origin: str, after: int, limit: int) -> Publication | None:
        """See Store."""
        self.loaded += 1
        return await super().publication(origin, after, limit)


async def republish(kafka: EmbeddedKafka, events: int, rounds: int) -> dict[str, Any]:
    """Return the ratio, and the CPU µs an event of both."""
    base = Path(tempfile.mkdtemp(prefix="cohub-bench-"))
    try:
        command = [sys.executable, "-m", "benchmarks.republish", "--bootstrap", kafka.bootstrap, "--folder", str(base)]
        command += ["--events", str(events), "--rounds", str(rounds)]
        found = await asyncio.to_thread(contend, command)
    finally:
        shutil.rmtree(base, ignore_errors=True)
    report = republish_report(found["memory"], found["sql"])
    print(f"  {report}", file=sys.stderr)
    return report


async def measure(bootstrap: str, folder: Path, events: int, rounds: int) -> dict[str, list[float]]:
    """Return the CPU µs an event of each round. Errors: RuntimeError where something else was measured."""
    tag = f"r{os.urandom(3).hex()}"
    lanes = [BenchLane(f"{tag}-{number}") for number in range(LANES)]
    await make_hub(folder, lanes)
    cluster, path = Cluster.at(bootstrap), HubFolder(folder).database
    await ensure_topics(cluster, standard_topics([lane.center for lane in lanes], list(STREAMS)))
    store = Store(path, open_database(path), QUARANTINE_QUOTA_BYTES)
    costs: dict[str, list[float]] = {"memory": [], "sql": []}
    try:
        offered = await _fill(store, folder, lanes, events // LANES)
        require_taken(path, lanes)
        total = sum(lane.edge.size for lane in lanes)
        await _published(store, cluster, lanes, None)  # imports, connections, topics: once, for both
        for number in range(rounds):
            for kind in ("memory", "sql") if number % 2 == 0 else ("sql", "memory"):
                await asyncio.to_thread(_set_back, path)
                before, store.loaded = await _written(bootstrap, lanes), 0
                spent_s = await _published(store, cluster, lanes, offered if kind == "memory" else None)
                written = await _written(bootstrap, lanes) - before
                if written != total or bool(store.loaded) != (kind == "sql"):
                    told = f"{written} of {total} events, and asked the database {store.loaded} times"
                    raise RuntimeError(f"published from {kind}: {told}")
                costs[kind].append(spent_s / total * 1e6)
    finally:
        await store.close()
    return costs


async def _fill(store: Store, folder: Path, lanes: Sequence[BenchLane], each: int) -> list[Publication]:
    """Consolidate the lanes' events as the worker does; return what it would offer the publisher, commit by commit."""
    identity = load_identity(HubFolder(folder).keys)
    basis = await Headquarters(store, identity, released_schemas()).basis()
    memory = Remembered()
    driver = Driver(store, store, identity, memory)
    found: list[Publication] = []
    for lane in lanes:
        claimed = (await store.claim([lane.center], "bench"))[lane.center]
        reading = Reading.of(claimed.intake)
        written = [PlainRecord(k, v, [*h], n) for n, (k, v, h) in enumerate(lane.records(each, max(1, each // 4)))]
        for at in range(0, len(written), FETCH):
            now = Instant(datetime.now(UTC), 0.0)
            step = await driver.consolidate(reading, claimed.term, written[at : at + FETCH], basis, now)
            reading = step.reading
            memory.remember(step.entities)
            found += await filled(store, publications(step, memory.whole))
    return found


def _set_back(path: Path) -> None:
    import sqlite3  # noqa: PLC0415

    with contextlib.closing(sqlite3.connect(path, timeout=10)) as db, db:
        db.execute("DELETE FROM published WHERE lane_id IN (SELECT id FROM lane WHERE center <> 'hq')")


async def _published(
    store: Store, cluster: Cluster, lanes: Sequence[BenchLane], offered: Sequence[Publication] | None
) -> float:
    """Publish everything, what was `offered` or what the store has; return the CPU seconds of this process."""
    publisher = Publisher(store, cluster, state_forms(released_schemas()))
    centers = [lane.center for lane in lanes]
    running = asyncio.create_task(publisher.run())
    began = time.process_time()
    try:
        async with asyncio.timeout(DEADLINE_S):
            for number, publication in enumerate(offered or ()):
                publisher.offer([publication])
                if number == 0:
                    await _until_out(store, [publication.center], publication.last)  # it has a producer then
                await publisher.room()
            if offered is None:
                for center in centers:
                    publisher.look(center)
            await _until_out(store, centers)
        return time.process_time() - began
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


async def _until_out(store: Store, centers: Sequence[str], upto: int | None = None) -> None:
    while True:
        left = await store.unpublished(centers)
        if all(upto is not None and published >= upto for _, published, _ in left):
            return
        await asyncio.sleep(POLL_S)


async def _written(bootstrap: str, lanes: Sequence[BenchLane]) -> int:
    """Return where the partitions of the events end that these lanes are published to."""
    partitions = [TopicPartition("events", n) for n in sorted({partition_of(lane.center) for lane in lanes})]
    async with AIOKafkaConsumer(bootstrap_servers=bootstrap) as consumer:
        consumer.assign(partitions)
        return sum((await consumer.end_offsets(partitions)).values())


def main() -> None:
    """Measure, and print the JSON line that the benchmark reads."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--bootstrap", required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--events", type=int, required=True)
    parser.add_argument("--rounds", type=int, required=True)
    args = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
    print(json.dumps(asyncio.run(measure(args.bootstrap, args.folder, args.events, args.rounds))))


if __name__ == "__main__":
    main()
