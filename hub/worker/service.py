"""One worker as a process: store, consolidator, publisher and reader under one supervisor.

A task that ends unexpectedly ends the process; its supervisor (`hub up`, systemd, a container) starts it again. One
deadline covers the whole shutdown: stop taking, drain, close.
"""

from __future__ import annotations

import asyncio
import gc
import os
import socket
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import structlog
from pydantic import Field, InstanceOf

from hub.base.clients import CLOSE_S, GIVE_UP_S
from hub.base.ending import Ends, ends_by_itself, telling
from hub.domain.catalogue import STREAMS
from hub.domain.stream import HQ
from hub.hq.access_key import AccessKey
from hub.hq.folder import HubFolder
from hub.hq.headquarters import Headquarters
from hub.hq.identity import Identity, load_identity
from hub.hq.lane import OwnLane
from hub.hq.pulse import SILENT_S
from hub.hq.reception import Reception
from hub.hq.settings import WORKER_STOP_S, WorkerOptions
from hub.kafka.clock import brokers_time
from hub.kafka.cluster import Cluster
from hub.kafka.ends import topic_ends
from hub.kafka.topics import ensure_group, ensure_topics, lane_topics, standard_topics
from hub.protocol.errors import Retriable
from hub.protocol.rules import RULES_KNOWN
from hub.replay.source import Ledger
from hub.store.log_rows import Heard
from hub.store.released import released_schemas, state_forms, state_schemas
from hub.store.sqlite import SqliteStore
from hub.store.workers import LivingWorker
from hub.worker.access import AccessKeeper
from hub.worker.again import Kept
from hub.worker.checkpoint_topic import CheckpointTopic
from hub.worker.clock import ComparedClock
from hub.worker.consolidator import Consolidator
from hub.worker.hearing import Hearing
from hub.worker.joining import Guests, Joining
from hub.worker.keeper import DEADLINE_S, Keeper
from hub.worker.notary import Notary
from hub.worker.publisher import Publisher
from hub.worker.trust import TrustPublisher
from hub.worker.watchdog import Watchdog

if TYPE_CHECKING:
    from hub.worker.app import App

log = structlog.get_logger(__name__)

LOOK_EVERY_S: Final = 1.0
LOOKS_A_LEASE: Final = 5
LEASE: Final = timedelta(seconds=SILENT_S)  # a worker that said nothing for that long lives no more
READING_STOP_S: Final = WORKER_STOP_S - CLOSE_S - GIVE_UP_S  # then publisher and notary close, side by side


class WorkerSettings(WorkerOptions):
    """What a worker needs to know."""

    data_dir: Path = Field(description="the hub's data directory: keys, database")
    cluster: InstanceOf[Cluster] = Field(description="where the brokers are, and how they let us in")
    publish: bool = Field(default=True, description="fill out.*, events and state.*; off only to measure the rest")


def spare_the_collector() -> None:
    """Let Python's cyclic collector look rarely, and not at what the process started with.

    A fetch makes some ten thousand objects and frees them by reference count; by default the collector walks through
    them and the cached entities dozens of times a fetch, for nothing: 7 of 75 µs an event. Cycles are still found,
    at the latest when 200,000 objects have come and not gone.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(200_000, 10, 10)


async def look(
    settings: WorkerSettings,
    consolidator: Consolidator,
    publisher: Publisher,
    app: App,
    centers: list[str],
    pulse: Callable[[], None],
    say_alive: Callable[[], Awaitable[None]],
) -> None:
    """See every second whether the hq lane has grown, and read the lanes of new centers too; never returns."""
    known = set(centers)
    looks = 0
    while True:
        await asyncio.sleep(LOOK_EVERY_S)
        looks += 1
        try:
            if looks % LOOKS_A_LEASE == 0:
                await say_alive()
            if await consolidator.look_again():
                publisher.look(HQ)
            added = [c for c in consolidator.centers if c not in known]
            if added:
                await ensure_topics(settings.cluster, standard_topics(added, []))
                await app.add_centers(added)
                known.update(added)
                log.info("centers_added", centers=added)
            pulse()
        except Retriable as exc:
            log.warning("look_failed", error=str(exc))


async def say_alive(store: SqliteStore, owner: str) -> None:
    """Say that this worker lives, and which rules it knows."""
    await store.say_alive(LivingWorker(owner, f"cohub {version('cohub')}", RULES_KNOWN, datetime.now(UTC) + LEASE))


async def make_topics(cluster: Cluster, centers: Sequence[str], group: str) -> None:
    """Make what is missing of a hub's topics. Errors: see `ensure_topics`."""
    # The lanes first: a new broker takes a while to open all that is published, and reading need not wait for it.
    await ensure_topics(cluster, lane_topics(centers))
    await ensure_group(cluster, group)
    await ensure_topics(cluster, standard_topics([], list(STREAMS)))


async def run_worker(
    settings: WorkerSettings,
    stop: asyncio.Event,
    ready: Callable[[], None] = lambda: None,
    consolidator_type: type[Consolidator] = Consolidator,
    pulse: Callable[[], None] = lambda: None,
    ends: Ends = ends_by_itself,
) -> None:
    """Run one worker until `stop` is set. `ready` is called once, `pulse` after each look at the lanes.

    `ends` is told why it ends, when it begins to.
    Errors: Fatal and what the shell raised; the process is to end then.
    """
    # Faust takes half a second to import: the command line uses the rest of this module without it.
    from hub.worker.app import ReaderSettings, create_app  # noqa: PLC0415
    from hub.worker.supervision import consume  # noqa: PLC0415

    folder = HubFolder(settings.data_dir)
    identity = load_identity(folder.keys)
    released = released_schemas()
    store = SqliteStore.open(folder.database, settings.quarantine_bytes_max)
    try:
        # Before the first commit, which may be to the hq lane: what is recorded is never taken back by itself.
        clock = ComparedClock(partial(brokers_time, settings.cluster))
        await clock.compare()
        headquarters = Headquarters(store, identity, released)
        await headquarters.prepare()
        publisher = Publisher(store, settings.cluster, state_forms(released), enabled=settings.publish)
        owner = f"{socket.gethostname()}:{os.getpid()}"
        alive = partial(say_alive, store, owner)
        await alive()  # before the first verdict: who adopts rules asks what every living worker knows
        consolidator = consolidator_type(store, headquarters, identity, publisher, owner, sure=clock.sure)
        await consolidator.refresh()
        centers = consolidator.centers
        reader = ReaderSettings(cluster=settings.cluster, instance=settings.instance, session_s=settings.session_s)
        await make_topics(settings.cluster, centers, reader.group)
        await (trust := TrustPublisher(settings.cluster, identity)).first()
        app = create_app(reader, consolidator, centers)
        spare_the_collector()
        log.info("worker_started", hub=identity.hub, centers=len(centers), bootstrap=settings.cluster.bootstrap)
        ready()
        async with asyncio.TaskGroup() as group:

            def run(name: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
                return group.create_task(telling(work, ends), name=name)

            tasks = [run("publisher", publisher.run())]
            if settings.publish:
                tasks.append(run("notary", _notary(settings, store, headquarters.lane, identity, owner).run()))
                ledger = partial(Ledger.open, folder.database)
                kept = Kept(store, ledger, headquarters.lane, identity, state_forms(released), state_schemas(released))
                tasks.append(
                    run("keeper", Keeper(store, settings.cluster, kept, owner, lambda: consolidator.centers).run())
                )
                tasks += [run(*work) for work in _access(settings, store, identity, consolidator, owner)]
            tasks.append(run("trust", trust.run()))
            tasks.append(run("look", look(settings, consolidator, publisher, app, centers, pulse, alive)))
            tasks.append(run("clock", clock.run()))
            positions, overtaken = consolidator.positions, lambda: consolidator.overtaken
            watchdog = Watchdog(positions, overtaken, app.lanes.behind, settings.stall_s)
            tasks.append(run("watchdog", watchdog.run()))
            await consume(app, stop=stop, stall_s=settings.stall_s, deadline_s=READING_STOP_S, ends=ends)
            for task in tasks:
                task.cancel()
    finally:
        await store.close()
    log.info("worker_stopped")


def _access(
    settings: WorkerSettings, store: SqliteStore, identity: Identity, consolidator: Consolidator, owner: str
) -> list[tuple[str, Coroutine[Any, Any, None]]]:
    """Return what keeps the centers' access, and what hears who was invited to become one."""
    load_key = partial(AccessKey.load, HubFolder(settings.data_dir).keys)
    reception = Reception(store.invitations, identity, load_key)
    guests = Guests(reception).invitations
    access = AccessKeeper(store, settings.cluster, lambda: consolidator.statuses, load_key, owner, guests)
    joining = Joining(store, settings.cluster, reception, identity, owner)
    return [("access", access.run()), ("joining", joining.run())]


def _notary(settings: WorkerSettings, store: SqliteStore, lane: OwnLane, identity: Identity, owner: str) -> Notary:
    """Return the notary, which signs nothing before the witnesses were heard."""

    async def heard() -> Mapping[str, Heard]:
        return await store.log.hearing(await lane.witnesses())

    ends = partial(topic_ends, settings.cluster, deadline_s=DEADLINE_S)  # it signs nothing before it has the answer
    hearing = Hearing(heard, ends, settings.witnesses_wait_s)
    topic, name = CheckpointTopic(settings.cluster), settings.instance or owner
    return Notary(store, lane, identity, topic, name, settings.checkpoint_every_s, has_heard=hearing.is_done)
