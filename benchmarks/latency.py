"""From a center's outbox to HQ's commit, and back to the stored receipt: one event every 20 ms, both ends as they are.

Worker and connector are processes of their own (`python -m benchmarks.latency worker|connector …`) which only note
the time: `time.monotonic` has one origin for all processes of a machine.

queued     `Outbox.enqueue_events` was called: its own wait for the disk counts too
committed  the store's commit has returned: the event, its verdict and the receipt are on HQ's disk
stored     the receipt, and what follows from it, are on the center's disk
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import structlog

from benchmarks.lanes import PUBLISHED, offer
from benchmarks.report import spread_ms
from benchmarks.required import require_accepted
from benchmarks.setting import make_center, running, until
from hub.base.files import is_file as is_there
from hub.broker.embedded import EmbeddedKafka
from hub.domain.catalogue import KINDS, STREAMS
from hub.hq.folder import HubFolder
from hub.kafka.cluster import Cluster
from hub.kafka.topics import ensure_topics, standard_topics

EVERY_S: Final = 0.020
WARM_UP: Final = 250
DEADLINE_S: Final = 60.0


async def latency(kafka: EmbeddedKafka, events: int) -> dict[str, dict[str, float]]:
    """Return `commit_ms` and `receipt_ms`, each p50 and p99, of `events` events after a warm-up."""
    with tempfile.TemporaryDirectory(prefix="cohub-latency-", ignore_cleanup_errors=True) as folder:
        base = Path(folder)
        data_dir, office = await make_center(base, "latency", kafka.bootstrap)
        await ensure_topics(kafka.cluster, standard_topics(["latency"], list(STREAMS)))
        hub, center = base / "hub.json", base / "center.json"
        me = ("-m", "benchmarks.latency")
        async with (
            running(*me, "worker", str(data_dir), str(hub), "--bootstrap", kafka.bootstrap, log=base / "worker.log"),
            running(
                *me, "connector", str(office), str(center), "--events", str(events), log=base / "connector.log"
            ) as process,
        ):
            wanted_s = DEADLINE_S + (events + WARM_UP) * EVERY_S * 2
            await until(lambda: process.poll() is not None, wanted_s, "the connector's receipts")
        require_accepted(HubFolder(data_dir).database)
        return _figures(json.loads(hub.read_text("utf-8")), json.loads(center.read_text("utf-8")))


def _figures(hub: Sequence[Sequence[float]], center: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Return the figures, and tell where the time goes."""
    begun, committed = by_sequence(hub, 2), by_sequence(hub, 3)
    stored = by_sequence(center["stored"], 2)
    timeline = [
        (called, returned, begun[n], committed[n], stored[n])
        for n, (called, returned) in enumerate(center["queued"], 2)  # 1 opened the lane
    ][WARM_UP:]
    stages = {
        "queued on the disk": [r - c for c, r, *_ in timeline],
        "sent, fetched": [b - r for _, r, b, *_ in timeline],
        "judged, committed": [d - b for _, _, b, d, _ in timeline],
        "receipt back, stored": [s - d for *_, d, s in timeline],
    }
    told = ", ".join(f"{name} {spread_ms(found)}" for name, found in stages.items())
    print(f"  {len(timeline)} events, linger_ms {center['linger_ms']}: {told}", file=sys.stderr)
    return {
        "commit_ms": spread_ms([d - c for c, _, _, d, _ in timeline]),
        "receipt_ms": spread_ms([s - c for c, *_, s in timeline]),
    }


def by_sequence(spans: Sequence[Sequence[float]], column: int) -> dict[int, float]:
    """Return what a column of spans says of each sequence that they cover, at its first time."""
    found: dict[int, float] = {}
    for span in spans:
        for sequence in range(int(span[0]), int(span[1]) + 1):
            found.setdefault(sequence, span[column])
    return found


async def _worker(data_dir: Path, bootstrap: str) -> list[tuple[int, int, float, float]]:
    """Run the worker as it is; note when each commit's batch came into its hands, and when the commit was durable."""
    from hub.store.sqlite import SqliteStore  # noqa: PLC0415 - each process pays for its own imports
    from hub.worker.consolidator import Consolidator  # noqa: PLC0415
    from hub.worker.service import WorkerSettings, run_worker  # noqa: PLC0415

    commits: list[tuple[int, int, float, float]] = []
    handle, commit = Consolidator.handle, SqliteStore.commit
    began = 0.0

    async def handle_timed(self: Consolidator, *arguments: Any) -> None:
        nonlocal began
        began = time.monotonic()
        await handle(self, *arguments)

    async def commit_timed(self: SqliteStore, step: Any, *arguments: Any) -> None:
        await commit(self, step, *arguments)
        done = time.monotonic()
        commits.extend((made.receipt.first, made.receipt.last, began, done) for made in step.commits)

    Consolidator.handle = handle_timed  # type: ignore[assignment,method-assign]
    SqliteStore.commit = commit_timed  # type: ignore[assignment,method-assign]
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await run_worker(WorkerSettings(data_dir=data_dir, cluster=Cluster.at(bootstrap)), stop)
    return commits


async def _connector(folder: Path, events: int, every_s: float, until_file: Path | None) -> dict[str, Any]:
    """Run the connector as it is, queue events in steady turns, and note when it was called, returned and receipted."""
    from connectors.runtime.codecs import Codecs  # noqa: PLC0415
    from connectors.runtime.daemon import Connector  # noqa: PLC0415
    from connectors.runtime.ids import EventIds  # noqa: PLC0415
    from connectors.runtime.office import read_office  # noqa: PLC0415
    from connectors.runtime.outbox.answers import Answers  # noqa: PLC0415

    stored: list[tuple[int, int, float]] = []
    take = Answers.take

    def take_timed(self: Answers, answers: Sequence[Any], *arguments: Any) -> Any:
        taken = take(self, answers, *arguments)
        done = time.monotonic()
        stored.extend((answer.receipt.first, answer.receipt.last, done) for answer in answers)
        return taken

    Answers.take = take_timed  # type: ignore[assignment,method-assign]
    office = read_office(folder)
    connector = Connector(office, gathers=False)
    running_task = asyncio.create_task(connector.run())
    await connector.started.wait()
    await connector.sender.ready.wait()
    outbox, codecs, ids, kind = connector.outbox, Codecs(), EventIds(), KINDS[PUBLISHED]
    queued: list[tuple[float, float]] = []
    due = time.monotonic() + 1.0
    center = office.settings.center
    for number in range(events + WARM_UP):
        if until_file is not None and is_there(until_file):
            break
        event = codecs.event(
            kind, f"{center}:K-{number}", offer(number), event_id=ids.make(), time=datetime.now(UTC),
            status="published", digest=b"",
        )  # fmt: skip
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        called = time.monotonic()
        outbox.enqueue_events([event])
        queued.append((called, time.monotonic()))
        due += every_s
    await until(lambda: not outbox.backlog(), DEADLINE_S, "the last receipt")
    connector.stop()
    await running_task
    return {"queued": queued, "stored": stored, "linger_ms": office.settings.linger_ms}


def main() -> None:
    """Run one of the two ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("role", choices=["worker", "connector"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--bootstrap", default="")
    parser.add_argument("--events", type=int, default=0)
    parser.add_argument("--every-s", type=float, default=EVERY_S)
    parser.add_argument("--until", type=Path, help="queue no more once this file is there")
    args = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
    found: Any
    if args.role == "worker":
        found = asyncio.run(_worker(args.folder, args.bootstrap))
    else:
        found = asyncio.run(_connector(args.folder, args.events, args.every_s, args.until))
    args.output.write_text(json.dumps(found), "utf-8")


if __name__ == "__main__":
    main()
