"""`hub init`, `up`, `worker`, `broker`, `trust`: who this hub is, and its processes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from hub.base.durable import disk_errors, write
from hub.base.output import line, note
from hub.base.supervisor import Supervisor
from hub.cli.options import DataDir, hub_folder, hub_settings
from hub.hq.folder import HubFolder
from hub.protocol.errors import Conflict, Retriable, UsageError

if TYPE_CHECKING:
    from hub.base.ending import Ending
    from hub.base.metrics.book import Book
    from hub.base.traces.spans import Traces
    from hub.hq.settings import BrokerOptions, InForce
    from hub.kafka.cluster import Cluster
    from hub.worker.service import WorkerSettings

RETRY_S: Final = 2.0
KNOCK_S: Final = 0.05
KNOCK_LATER_S: Final = 1.0
KNOCKS_QUICK: Final = 80

HubName = Annotated[
    str | None, typer.Option("--hub", help="The hub's name, DNS-like, for good; at the first start only.")
]
Port = Annotated[
    int | None, typer.Option("--port", min=1, max=65_535, help="Default: that of the earlier start, or a free one.")
]


PlainBroker = Annotated[
    bool, typer.Option("--plain", help="Let everybody on this machine in, without a password, to do everything.")
]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (up, init, worker, broker, trust):
        app.command()(command)


def up(
    ctx: typer.Context, hub: HubName = None, port: Port = None, plain: PlainBroker = False, data_dir: DataDir = None
) -> None:
    """Run a whole hub on this machine: real Kafka and the worker. Ctrl-C stops both.

    Examples: hub up · hub up --hub hub.example.org --data-dir /srv/hub --port 9092
    """
    from hub.local.hub import run_until_signal

    where = hub_folder(ctx, data_dir)
    found = hub_settings(ctx, where)
    _refuse_other_brokers(found)
    options = _broker_options(found, plain=plain)
    raise typer.Exit(run_until_signal(lambda: _up(where, hub, port, options)))


def init(ctx: typer.Context, hub: HubName = None, data_dir: DataDir = None) -> None:
    """Make a hub's name and keys, and start nothing. `hub up` does it by itself.

    Example: hub init --hub hub.example.org
    """
    where = hub_folder(ctx, data_dir)
    if not _ensure_identity(where, hub):
        raise Conflict(f"{where.keys} already holds a hub's keys: nothing to do")


def worker(
    ctx: typer.Context,
    bootstrap: Annotated[
        str | None,
        typer.Option("--bootstrap", help="host:port of the broker, or several with commas. Default: hub.yaml's."),
    ] = None,
    instance: Annotated[str | None, typer.Option("--instance", help="This worker's fixed name in its group.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Run one worker against any Kafka. It waits for the broker, and ends by SIGTERM or Ctrl-C.

    Example: hub worker --bootstrap kafka-1:9092,kafka-2:9092
    """
    from hub.cli.logs import log_to_stderr

    log_to_stderr()
    where = hub_folder(ctx, data_dir)
    raise typer.Exit(asyncio.run(_worker(where, _worker_settings(ctx, where, bootstrap, instance))))


def broker(
    ctx: typer.Context,
    port: Port = None,
    plain: PlainBroker = False,
    member: Annotated[
        Path | None,
        typer.Option("--member", metavar="FILE", help="Run one broker of several: which, this file says."),
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Run the embedded broker alone; prints one JSON line when it takes writes.

    Examples: hub broker --port 9092 · hub broker --member member.yaml --data-dir /data
    """
    if member is not None:
        if plain or port is not None:
            raise UsageError("--member: the file says who is let in, and where: leave --plain and --port away")
        raise typer.Exit(_member(hub_folder(ctx, data_dir), member))
    from hub.broker.__main__ import run_broker
    from hub.cli.logs import log_to_stderr
    from hub.local.hub import embedded

    log_to_stderr(warnings_only=True)
    where = hub_folder(ctx, data_dir)
    kafka = embedded(where, _broker_options(hub_settings(ctx, where), plain=plain), port)
    raise typer.Exit(asyncio.run(run_broker(kafka)))


def trust(
    ctx: typer.Context,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write it to this file.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Print the trust note that every center pins. `hub key` changes it. Example: hub trust --out trust.note"""
    from hub.cli.trust_note import tell_incomplete
    from hub.hq.identity import load_identity

    identity = load_identity(hub_folder(ctx, data_dir).keys)
    if out is None:
        sys.stdout.write(identity.note.decode())
    else:
        with disk_errors(out):
            write(out, identity.note)
        line(f"{out}: the trust note of {identity.hub}; give it to every center by a way you trust")
    tell_incomplete(identity)


def _member(where: HubFolder, file: Path) -> int:
    from hub.broker.member import read_member
    from hub.broker.node import Node, run_node
    from hub.cli.logs import log_to_stderr

    log_to_stderr()
    return asyncio.run(run_node(Node(where.broker, read_member(file)), Supervisor.take(os.environ)))


def _ensure_identity(where: HubFolder, hub: str | None) -> bool:
    """Make the hub's keys where there are none, and say so; return whether they were made. Errors: UsageError."""
    made = where.ensure_identity(hub)
    if made is not None:
        line(f"{made.hub}: made its keys in {where.keys} (keep root.key elsewhere, offline)")
    return made is not None


def _refuse_other_brokers(found: InForce) -> None:
    """See that no settings of another broker are in force. Errors: UsageError."""
    told = sorted(name for name in found.origins if name.split(".")[0] in {"bootstrap", "security", "admin"})
    if told:
        raise UsageError(
            f"`hub up` runs a broker of its own, and {told[0]} ({found.origins[told[0]]}) is a setting for another: "
            "run `hub worker`, or take that setting out"
        )


def _broker_options(found: InForce, *, plain: bool) -> BrokerOptions:
    """Return how the broker is to be: the option counts before the settings. Errors: UsageError."""
    options = found.settings.broker
    if not plain:
        return options
    if options.listen is not None:
        raise UsageError(
            f"--plain is for this machine alone: take broker.listen ({options.listen}) out, or leave --plain"
        )
    return options.model_copy(update={"plain": True})


def _worker_settings(
    ctx: typer.Context, where: HubFolder, bootstrap: str | None, instance: str | None
) -> WorkerSettings:
    """Return what the worker needs to know: its options count before the settings. Errors: UsageError."""
    from hub.hq.settings import FILE
    from hub.worker.service import WorkerSettings

    found = hub_settings(ctx, where).settings
    cluster = where.cluster(found, bootstrap)
    if cluster is None:
        raise UsageError(
            f"which broker? set bootstrap in {where.data_dir / FILE} or HUB_BOOTSTRAP, "
            "or name it: --bootstrap host:port"
        )
    options = found.worker.model_dump() | ({"instance": instance} if instance else {})
    return WorkerSettings(
        data_dir=where.data_dir,
        keys=where.keys,
        cluster=cluster,
        database=found.database.server(),
        metrics=found.metrics,
        traces=found.traces,
        **options,
    )


async def _up(where: HubFolder, hub: str | None, port: int | None, options: BrokerOptions) -> int:
    from hub.base.command import typed
    from hub.base.shell import quote
    from hub.cli.logs import log_to_stderr
    from hub.hq.identity import load_identity
    from hub.local.hub import LocalHub

    log_to_stderr(warnings_only=True)
    supervisor = Supervisor.take(os.environ)
    first = _ensure_identity(where, hub)
    name = load_identity(where.keys).hub
    local = LocalHub(where, note, port, options)
    try:
        if first:
            note("starting the broker and the worker: the first start may take a minute")
        await local.start()
        line(f"{name} is up at {local.bootstrap}; data in {where.data_dir}, the worker's log in {where.worker_log}")
        line(_who_is_let_in(where, options))
        if first:
            # Where `hub` is not on PATH, the path by which it is found is said.
            option = f" --data-dir {quote(where.data_dir)}"
            line(f"invite an office: {typed('hub', f'center add ID{option} --invite FILE')} …")
        line("Ctrl-C stops it")
        supervisor.ready()
        await local.watch()
    except asyncio.CancelledError:
        supervisor.stopping()
        await local.stop()
        line("stopped")
        raise
    finally:
        await local.stop()
    return 0


def _who_is_let_in(where: HubFolder, options: BrokerOptions) -> str:
    if options.plain:
        return "its broker is plain: it lets in everybody on this machine, without a password, to do everything"
    told = options.advertise or options.listen
    offices = f"offices come in at {told}" if told else "offices on other machines need broker.listen"
    return f"its broker asks for a password; {offices}; they know it by {where.authority}"


async def _worker(where: HubFolder, settings: WorkerSettings) -> int:
    # Imported first: the second that this takes is one in which the broker may start.
    import structlog

    from hub.base.ending import Ending
    from hub.base.metrics.book import Book
    from hub.base.metrics.disk import disk
    from hub.base.metrics.server import Readiness, serving
    from hub.base.traces.telemetry import tracing
    from hub.hq.identity import load_identity
    from hub.local.hub import write_ready
    from hub.worker import app as _faust  # noqa: F401

    where.tidy()
    load_identity(where.keys)  # what is wrong here is said now, not when the broker is there
    log = structlog.get_logger("hub.worker")
    stop, ending, supervisor = asyncio.Event(), Ending(settings.end_s), Supervisor.take(os.environ)

    def ask() -> None:
        stop.set()
        supervisor.stopping()
        ending.begin("it was asked to stop")

    _on_signals(ask)

    facts = {"bootstrap": settings.cluster.bootstrap, "pid": os.getpid(), "host": socket.gethostname()}
    book, readiness = Book(), Readiness()
    book.ask(partial(disk, folder=where.data_dir))

    def ready() -> None:
        ending.watch_loop()  # not before: bringing a large database up to date takes its time
        write_ready(where.worker_file, facts)
        supervisor.ready()
        readiness.ready()

    with tracing(settings.traces, "cohub-worker") as traces:
        async with serving(settings.metrics.place, book, readiness):
            while not stop.is_set():
                readiness.waits("waiting for a broker")
                await _broker_answers(settings.cluster, stop)
                if stop.is_set():
                    break
                readiness.waits("starting")
                try:
                    with book.asking():
                        await _run_worker(where, settings, stop, ready, ending, book, traces)
                    break
                except Retriable as exc:
                    if not stop.is_set():
                        ending.cancel()
                    ending.unwatch_loop()
                    log.warning("worker_starts_again", error=str(exc), wait_s=RETRY_S)
                    readiness.waits("starting again in a moment")
                    await _wait(stop, RETRY_S)
    return 0


async def _run_worker(
    where: HubFolder, settings: WorkerSettings, stop: asyncio.Event, ready: Callable[[], None], ending: Ending,
    book: Book, traces: Traces,
) -> None:  # fmt: skip
    from hub.hq.pulse import beat
    from hub.worker.own_rights import give_own_rights
    from hub.worker.service import run_worker

    await give_own_rights(settings.cluster)
    await run_worker(
        settings, stop, ready, pulse=partial(beat, where.worker_file), ends=ending.begin, book=book, traces=traces
    )


async def _broker_answers(cluster: Cluster, stop: asyncio.Event) -> None:
    """Return once somebody listens at an address of the cluster: looked at often, so that a start waits for nothing."""
    import structlog

    log = structlog.get_logger("hub.worker")
    tries = 0
    while not stop.is_set():
        for host, port in cluster.addresses:
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(5):
                    _, writer = await asyncio.open_connection(host, port)
                    writer.close()
                    return
        tries += 1
        if tries == KNOCKS_QUICK:
            log.warning("broker_away", bootstrap=cluster.bootstrap, why=await cluster.diagnose())
        await _wait(stop, KNOCK_S if tries < KNOCKS_QUICK else KNOCK_LATER_S)


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()


def _on_signals(ask: Callable[[], None]) -> None:
    import signal

    loop: Any = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # Windows: KeyboardInterrupt ends asyncio.run instead
            loop.add_signal_handler(number, ask)
