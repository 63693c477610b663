"""One worker as a process: store, consolidator, publisher and reader under one supervisor.

A task that ends unexpectedly ends the process; its supervisor (`hub up`, systemd, a container) starts it again. One
deadline covers the whole shutdown: stop taking, drain, close.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import structlog
from pydantic import Field, InstanceOf

from hub.base.clients import CLOSE_S, GIVE_UP_S
from hub.base.ending import Ends, ends_by_itself, telling
from hub.base.metrics.book import Book
from hub.base.metrics.options import MetricsOptions
from hub.base.seldom import Seldom
from hub.base.traces.options import TracesOptions
from hub.base.traces.spans import NO_TRACES, Traces
from hub.domain.catalogue import STREAMS
from hub.domain.stream import HQ
from hub.hq.access_key import AccessKey
from hub.hq.folder import HubFolder
from hub.hq.group import group_of
from hub.hq.headquarters import Headquarters
from hub.hq.identity import Identity, load_identity
from hub.hq.lane import OwnLane
from hub.hq.reception import Reception
from hub.hq.settings import WORKER_STOP_S, WorkerOptions
from hub.kafka.clock import brokers_time
from hub.kafka.cluster import Cluster
from hub.kafka.ends import topic_ends
from hub.kafka.topics import ensure_group, ensure_topics, lane_topics, once_brokers_live, standard_topics
from hub.protocol.control import is_center_id
from hub.protocol.errors import Retriable
from hub.protocol.schema import Schema
from hub.replay.source import Ledger
from hub.store.log_rows import Heard
from hub.store.opener import open_store
from hub.store.postgres_server import Server
from hub.store.released import released_schemas, state_forms, state_schemas
from hub.store.sql_store import SqlStore
from hub.worker import measured
from hub.worker.access import AccessKeeper
from hub.worker.again import Kept
from hub.worker.alive import SignOfLife, beside
from hub.worker.checkpoint_topic import CheckpointTopic
from hub.worker.clock import ComparedClock
from hub.worker.collector import collect, spare_the_collector
from hub.worker.consolidator import Consolidator
from hub.worker.hearing import Hearing
from hub.worker.hq_publication import HqPublication
from hub.worker.joining import Guests, Joining
from hub.worker.keeper import DEADLINE_S, Keeper
from hub.worker.lease import Lease
from hub.worker.measured import Looked, Parts
from hub.worker.notary import Notary
from hub.worker.owing import Owing, Source, find_owed, take_in_lane
from hub.worker.publisher import Publisher
from hub.worker.traced import published_teller, step_teller
from hub.worker.trust import TrustPublisher
from hub.worker.watchdog import Watchdog

if TYPE_CHECKING:
    from hub.worker.app import App

log = structlog.get_logger(__name__)

LOOK_EVERY_S: Final = 1.0
READING_STOP_S: Final = WORKER_STOP_S - CLOSE_S - GIVE_UP_S  # then publisher and notary close, side by side


class WorkerSettings(WorkerOptions):
    """What a worker needs to know."""

    data_dir: Path = Field(description="the hub's data directory: database, unless it is at a server")
    keys: Path | None = Field(default=None, description="the folder with the hub's keys; else that of the directory")
    database: InstanceOf[Server] | None = Field(
        default=None, description="the database's server; else it is a file there"
    )
    cluster: InstanceOf[Cluster] = Field(description="where the brokers are, and how they let us in")
    metrics: MetricsOptions = MetricsOptions()
    traces: TracesOptions = TracesOptions()
    publish: bool = Field(default=True, description="fill out.*, events and state.*; off only to measure the rest")


async def look(
    consolidator: Consolidator,
    publisher: Publisher,
    pulse: Callable[[], None],
    looked: Looked,
) -> None:
    """See every second whether the hq lane has grown; never returns. It waits for the database alone."""
    seldom = Seldom(log)
    while True:
        await asyncio.sleep(LOOK_EVERY_S)
        try:
            if await consolidator.look_again():
                publisher.look(HQ)
            pulse()
            looked.answered()
        except Retriable as exc:
            looked.did_not_answer()
            seldom.warning("look_failed", error=str(exc))


async def add_centers(cluster: Cluster, consolidator: Consolidator, app: App, centers: list[str]) -> None:
    """Read the lanes of new centers too, once the broker has their topics; never returns."""
    known, seldom = set(centers), Seldom(log)
    while True:
        await asyncio.sleep(LOOK_EVERY_S)
        added = [c for c in consolidator.centers if c not in known]
        if not added:
            continue
        try:
            await ensure_topics(cluster, standard_topics(added, []))
            await app.add_centers(added)
            known.update(added)
            log.info("centers_added", centers=added)
        except Retriable as exc:
            seldom.warning("centers_not_added", centers=added, error=str(exc))


def ids_of(released: Mapping[str, Schema]) -> frozenset[int]:
    """Return the ids of the schemas that this release can read."""
    return frozenset(schema.id for schema in released.values())


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
    book: Book | None = None,
    traces: Traces = NO_TRACES,
) -> None:
    """Run one worker until `stop` is set. `ready` is called once, `pulse` after each look at the lanes.

    `ends` is told why it ends, when it begins to. `book` has what is measured, `traces` is told of events.
    Errors: Fatal and what the shell raised; the process is to end then.
    """
    # Faust takes half a second to import: the command line uses the rest of this module without it.
    from hub.worker.app import ReaderSettings, create_app  # noqa: PLC0415
    from hub.worker.supervision import consume  # noqa: PLC0415

    book, looked, clock = book or Book(), Looked(), ComparedClock(partial(brokers_time, settings.cluster))
    book.ask(partial(measured.beside, clock=clock, looked=looked))
    folder, released = HubFolder(settings.data_dir), released_schemas()
    folder.refuse_half_restored()
    identity, place = load_identity(settings.keys or folder.keys), settings.database or folder.database
    async with AsyncExitStack() as closing:
        store = await open_store(place, settings.quarantine_bytes_max)
        closing.push_async_callback(store.close)
        # Before the first commit, which may be to the hq lane: what is recorded is never taken back by itself.
        await once_brokers_live(clock.compare)
        owner = f"{socket.gethostname()}:{os.getpid()}"
        # Two workers may have one name, on hosts that are called alike: a task is one process's.
        leader = f"{owner} {secrets.token_hex(4)}"
        # Before the first verdict: who adopts rules, or announces schemas, asks what every living worker knows.
        group_name = settings.group or group_of(identity.hub, await store.workers(), owner, datetime.now(UTC))
        await (sign := SignOfLife(store, owner, ids_of(released), group_name, looked)).say()
        living = await closing.enter_async_context(beside(sign.run()))  # what follows may take longer than a lease
        headquarters = Headquarters(store, identity, released)
        owing = await _take_in(settings, store, headquarters, released, identity)  # before HQ says anything
        await headquarters.prepare()
        publisher = Publisher(
            store, settings.cluster, state_forms(released), enabled=settings.publish, told=published_teller(traces)
        )
        consolidator = consolidator_type(
            store, headquarters, identity, publisher, owner, sure=clock.sure,
            tell=step_teller(traces, measured.step_teller(book)), owing=owing,
        )  # fmt: skip
        await consolidator.refresh()
        centers = consolidator.centers
        reader = ReaderSettings(
            cluster=settings.cluster, instance=settings.instance, session_s=settings.session_s, group=group_name
        )
        await once_brokers_live(partial(make_topics, settings.cluster, centers, reader.group))
        leads = Lease(store.topics, leader, lambda: datetime.now(UTC)).is_ours
        await (trust := TrustPublisher(settings.cluster, identity, leads)).first()
        app = create_app(reader, consolidator, centers)
        spare_the_collector()
        log.info("worker_started", hub=identity.hub, centers=len(centers), bootstrap=settings.cluster.bootstrap)
        ready()
        async with asyncio.TaskGroup() as group:
            positions, overtaken = consolidator.positions, lambda: consolidator.overtaken
            watchdog = Watchdog(positions, overtaken, app.lanes.behind, settings.stall_s)
            notary = _notary(settings, store, headquarters.lane, identity, leader)
            book.ask(Parts(consolidator, watchdog, app.lanes, publisher, notary).fill)
            works = [
                ("publisher", publisher.run()),
                ("trust", trust.run()),
                ("alive", _of(living)),
                ("look", look(consolidator, publisher, pulse, looked)),
                ("centers", add_centers(settings.cluster, consolidator, app, centers)),
                ("clock", clock.run()),
                ("collector", collect()),
                ("watchdog", watchdog.run()),
            ]
            if settings.publish:
                forms, schemas = state_forms(released), state_schemas(released)
                kept = Kept(store, partial(Ledger.open, place), headquarters.lane, identity, forms, schemas)
                works += [
                    ("notary", notary.run()),
                    ("hq", HqPublication(store, publisher, leader, headquarters.announce).run()),
                    *_keeping(settings, store, identity, consolidator, kept, leader),
                ]
            tasks = [group.create_task(telling(work, ends), name=name) for name, work in works]
            await consume(app, stop=stop, stall_s=settings.stall_s, deadline_s=READING_STOP_S, ends=ends)
            for task in tasks:
                task.cancel()
    log.info("worker_stopped")


async def _of(task: asyncio.Task[None]) -> None:
    await task


async def _take_in(
    settings: WorkerSettings,
    store: SqlStore,
    headquarters: Headquarters,
    released: Mapping[str, Schema],
    identity: Identity,
) -> Owing:
    """Take in what HQ has said in its own lane beyond this database; return the receipts that it has to come to again.

    Nearly always there is nothing of either: it is so after a restore. Errors: as of `take_in_lane` and `find_owed`.
    """
    restored = await store.owed.is_unheard()
    await take_in_lane(settings.cluster, store, headquarters, whole=restored)
    registry = (await headquarters.basis()).registry
    centers = sorted(center for center in registry.centers if is_center_id(center) and center != HQ)
    await find_owed(settings.cluster, store, identity, centers, whole=restored)
    if restored:
        await store.owed.heard()  # what there was to find is in SQL
    return Owing(Source(store, headquarters, identity, released))


def _keeping(
    settings: WorkerSettings, store: SqlStore, identity: Identity, consolidator: Consolidator, kept: Kept, owner: str
) -> list[tuple[str, Coroutine[Any, Any, None]]]:
    """Return what keeps topics and the centers' access, and what hears who was invited to become one."""
    keeper = Keeper(store, settings.cluster, kept, owner, lambda: consolidator.centers)
    load_key = partial(AccessKey.load, settings.keys or HubFolder(settings.data_dir).keys)
    reception = Reception(store.invitations, identity, load_key)
    guests = Guests(reception).invitations
    access = AccessKeeper(store, settings.cluster, lambda: consolidator.statuses, load_key, owner, guests)
    joining = Joining(store, settings.cluster, reception, identity, owner)
    return [("keeper", keeper.run()), ("access", access.run()), ("joining", joining.run())]


def _notary(settings: WorkerSettings, store: SqlStore, lane: OwnLane, identity: Identity, owner: str) -> Notary:
    """Return the notary, which signs nothing before the witnesses were heard."""

    async def heard() -> Mapping[str, Heard]:
        return await store.log.hearing(await lane.witnesses())

    ends = partial(topic_ends, settings.cluster, deadline_s=DEADLINE_S)  # it signs nothing before it has the answer
    hearing = Hearing(heard, ends, settings.witnesses_wait_s)
    topic, every_s = CheckpointTopic(settings.cluster), settings.checkpoint_every_s
    return Notary(store, lane, identity, topic, owner, every_s, has_heard=hearing.is_done)
