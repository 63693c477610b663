"""One contender as a process of its own: `python -m benchmarks.contender KIND …` prints one JSON line.

plain       aiokafka's getmany, decode each event, keep the latest per entity in memory; no guarantee at all
faust       a stock Faust agent that does the same, event by event
hub         the worker with everything on;  hub-silent: the same without publishing
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from benchmarks.lanes import decoded
from benchmarks.meter import Meter, hand_over, rss_mb, write_latest
from benchmarks.stages import Stages
from hub.domain.stream import HQ
from hub.hq.folder import HubFolder

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from hub.kafka.cluster import Cluster
    from hub.store.opener import Place

LOOK_S = 0.05
LOOK_BESIDE_S = 0.25  # where another worker may end the work: it is looked at all the time, which costs CPU, too

UNPUBLISHED = "SELECT count(*) FROM lane LEFT JOIN published ON lane_id = id WHERE coalesce(upto, 0) < size"
TAKEN = f"SELECT coalesce(sum(size), 0), (SELECT count(*) FROM quarantine) FROM lane WHERE center <> '{HQ}'"  # noqa: S608


async def plain(bootstrap: str, topics: list[str], meter: Meter, folder: Path) -> None:
    """Decode and remember, nothing else."""
    from aiokafka import AIOKafkaConsumer  # noqa: PLC0415 - each contender pays for its own imports only

    consumer = AIOKafkaConsumer(
        *topics, bootstrap_servers=bootstrap, group_id=f"plain-{os.getpid()}", auto_offset_reset="earliest",
        enable_auto_commit=False,
    )  # fmt: skip
    await consumer.start()
    latest: dict[bytes, Any] = {}
    try:
        while meter.seen < meter.total:
            fetched = await consumer.getmany(timeout_ms=1000, max_records=2000)
            for records in fetched.values():
                meter.begin()
                for record in records:
                    latest[record.key] = decoded(record.value)
                meter.seen += len(records)
        hand_over(meter.result("plain"))
        write_latest(folder, ((key.decode(), event) for key, event in latest.items()))
    finally:
        await consumer.stop()


async def stock_faust(bootstrap: str, topics: list[str], meter: Meter, folder: Path) -> None:
    """Run a stock agent: `async for event in stream`, the same decode."""
    import faust  # noqa: PLC0415

    from hub.worker.faust_log import quiet_logs  # noqa: PLC0415

    quiet_logs()
    app = faust.App(
        f"stock-{os.getpid()}",
        broker=f"kafka://{bootstrap}",
        datadir=str(folder / "faust"),
        web_enabled=False,
        topic_disable_leader=True,
        topic_allow_declare=False,
        consumer_auto_offset_reset="earliest",
        broker_max_poll_records=2000,
        stream_wait_empty=False,
    )
    topic = app.topic(*topics, key_serializer="raw", value_serializer="raw")
    latest: dict[bytes, Any] = {}
    done = asyncio.Event()

    @app.agent(topic)
    async def consume(stream: Any) -> None:
        async for event in stream.events():
            meter.begin()
            latest[event.key] = decoded(event.value)
            meter.seen += 1
            if meter.seen == meter.total:
                done.set()

    await app.start()
    await done.wait()
    hand_over(meter.result("faust"))
    write_latest(folder, ((key.decode(), event) for key, event in latest.items()))
    os._exit(0)  # its own shutdown takes seconds, and is no part of the measurement


def cluster_of(bootstrap: str, broker: Path | None) -> Cluster:
    """Return the cluster as HQ's worker has it; `broker` is the folder of an embedded one that is locked."""
    from hub.base.authority import CERTIFICATE  # noqa: PLC0415
    from hub.broker.principals import ADMIN, WORKER, Principals  # noqa: PLC0415
    from hub.kafka.cluster import Cluster  # noqa: PLC0415

    if broker is None:
        return Cluster.at(bootstrap)
    worker, admin = (Principals(broker).security(user, broker / "keys" / CERTIFICATE) for user in (WORKER, ADMIN))
    return Cluster.at(bootstrap, worker, admin)


async def looking(place: Place) -> Callable[[str], Awaitable[tuple[int, ...]]]:
    """Return what asks a hub's database, from outside of the worker's code path, for one row of numbers."""
    if isinstance(place, Path):
        import sqlite3  # noqa: PLC0415

        file = sqlite3.connect(place, timeout=10)

        async def at_file(query: str) -> tuple[int, ...]:
            return tuple(map(int, file.execute(query).fetchone()))

        return at_file
    server = await place.connect(application_name="cohub bench")

    async def at_server(query: str) -> tuple[int, ...]:
        return tuple(map(int, await server.fetchrow(query) or ()))

    return at_server


async def hub(
    cluster: Cluster,
    data_dir: Path,
    meter: Meter,
    *,
    publish: bool,
    stages: Stages | None,
    database: str = "",
    keys: Path | None = None,
    workers: int = 1,
) -> None:
    """Run the worker as it is, and watch its database from outside its code path.

    Shapes: `database` is the address of a server, else it is a file in `data_dir`; `workers` is how many read side by
            side, of which this is one.
    """
    from hub.store.postgres_server import Server  # noqa: PLC0415
    from hub.worker.consolidator import Consolidator  # noqa: PLC0415
    from hub.worker.own_rights import give_own_rights  # noqa: PLC0415
    from hub.worker.service import WorkerSettings, run_worker  # noqa: PLC0415

    if stages is not None:
        stages.install()
    handle = Consolidator.handle

    async def counted(self: Consolidator, center: str, records: Any) -> None:
        if stages is not None and not meter.seen:
            stages.begin()
        meter.begin()
        await handle(self, center, records)
        meter.seen += len(records)
        if not meter.rss_early_mb and meter.seen >= meter.total // 10:
            meter.rss_early_mb = rss_mb()

    Consolidator.handle = counted  # type: ignore[method-assign]
    stop = asyncio.Event()
    await give_own_rights(cluster)
    server = Server.at(database) if database else None
    settings = WorkerSettings(data_dir=data_dir, keys=keys, database=server, cluster=cluster, publish=publish)
    worker = asyncio.create_task(run_worker(settings, stop))
    look = await looking(server or HubFolder(data_dir).database)
    while not worker.done():
        await asyncio.sleep(LOOK_S if workers == 1 else LOOK_BESIDE_S)
        # What was seen may have been read twice, or put in quarantine: what counts is what the ledger has.
        if (workers == 1 and meter.seen < meter.total) or not took_all(await look(TAKEN), meter.total):
            continue
        if not publish or await look(UNPUBLISHED) == (0,):
            break
    result = meter.result("hub" if publish else "hub-silent")
    if stages is not None:
        result["stages"] = stages.report(result["cpu_us_per_event"], meter.total)
    hand_over(result | {"seen": meter.seen})
    stop.set()
    await worker


def took_all(taken: tuple[int, ...], total: int) -> bool:
    """Return whether the ledger has that many events of centers. Errors: RuntimeError, if it never will.

    Shapes: `taken` is the row of `TAKEN`.
    """
    events, quarantined = taken
    if quarantined:
        raise RuntimeError(f"HQ has put {quarantined} records of the benchmark in quarantine")
    return events >= total


def log_to_stderr() -> None:
    """Log warnings there: the last line on stdout is the result."""
    wrapper = structlog.make_filtering_bound_logger(30)
    structlog.configure(wrapper_class=wrapper, logger_factory=structlog.PrintLoggerFactory(sys.stderr))


def main() -> None:
    """Run one contender."""
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=["plain", "faust", "hub", "hub-silent"])
    parser.add_argument("--bootstrap", required=True)
    parser.add_argument("--topics", required=True)
    parser.add_argument("--events", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True, help="the hub's data directory, or room for the others")
    parser.add_argument("--broker", type=Path, help="the folder of a locked broker, whose worker this is")
    parser.add_argument("--database", default="", help="the address of the hub's database, if it is at a server")
    parser.add_argument("--keys", type=Path, help="the hub's keys, where they are not in its data directory")
    parser.add_argument("--workers", type=int, default=1, help="how many read side by side, of which this is one")
    parser.add_argument("--stages", action="store_true", help="how the worker's time divides, too")
    parser.add_argument("--profile", type=Path)
    args = parser.parse_args()
    log_to_stderr()
    topics, meter = args.topics.split(","), Meter(args.events)
    if args.kind == "plain":
        work = plain(args.bootstrap, topics, meter, args.folder)
    elif args.kind == "faust":
        work = stock_faust(args.bootstrap, topics, meter, args.folder)
    else:
        stages = Stages() if args.stages else None
        work = hub(
            cluster_of(args.bootstrap, args.broker), args.folder, meter, publish=args.kind == "hub", stages=stages,
            database=args.database, keys=args.keys, workers=args.workers,
        )  # fmt: skip
    if args.profile:
        import cProfile  # noqa: PLC0415

        profile = cProfile.Profile()
        profile.runcall(asyncio.run, work)
        profile.dump_stats(args.profile)
    else:
        asyncio.run(work)


if __name__ == "__main__":
    main()
