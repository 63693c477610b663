"""The Faust app of a worker, and how a process runs it.

The app has one agent, which hands each fetched batch to the Intakes; everything that decides lives behind those. It
runs inside our own event loop: no `faust.Worker`, which would take the signals, the logging and the exit status.
`consume` is one task for a supervisor: it returns when it was asked to stop and raises what ended it otherwise.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import faust
import structlog
from aiokafka.errors import KafkaConnectionError
from faust.tables.manager import TableManager
from mode import Service
from pydantic import BaseModel, ConfigDict, Field

from hub.protocol.errors import Fatal, UsageError
from hub.protocol.topics import topic_in
from hub.worker.lanes import Intakes, Lanes
from hub.worker.records import read_all_that_the_broker_accepts
from hub.worker.transport import BatchScheduler, faust_log

log = structlog.get_logger(__name__)

POLL_RECORDS_MAX = 2000
BUFFER_BATCHES_MAX = 4096  # never reached: the transport stops fetching at 4000 records ahead, and this counts batches
METADATA_AGE_MAX_MS = 5_000  # a topic that was made after its center was added is seen within this time
REPEATED_LOG_S = 30.0
STALL_POLL_S = 1.0


class ReaderSettings(BaseModel):
    """How a worker reads Kafka."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bootstrap: str = Field(description="host:port of one or more brokers, separated by commas")
    group: str = Field(default="hub-workers", description="consumer group that the workers share")
    instance: str | None = Field(
        default=None,
        description="name of this worker in the group, for a hub of one worker: after a crash it has its lanes back at "
        "once, without waiting until the group has noticed; a second worker of the same name is fenced",
    )
    session_s: float = Field(default=6.0, ge=6.0, le=60.0, description="silence after which a worker loses its lanes")


class _Tables(TableManager):
    """Faust waits a second at its start so that tables can register; there are none."""

    logger = faust_log

    async def on_start(self) -> None:
        await self._update_channels()
        await self.recovery.start()


class _Boot(faust.App.BootStrategy):
    """Starts no producer: the agent sends nothing, and the publisher has its own."""

    enable_kafka_producer = False


class App(faust.App):
    """A Faust app that knows the lanes it reads."""

    logger = faust_log
    BootStrategy = _Boot
    lanes: Lanes
    bootstrap: str

    async def on_first_start(self) -> None:
        """Make no directories: they are for tables."""

    async def add_centers(self, centers: Iterable[str]) -> None:
        """Read the lanes of these centers too, within seconds. To be called in every worker.

        Centers that are read already are left alone. A topic that does not exist yet is read soon after it does.
        """
        known = {topic for channel in self.topics for topic in channel.topics}
        added = [topic for topic in map(topic_in, centers) if topic not in known]
        if added:
            await self.topics.add_topics(added)


def create_app(settings: ReaderSettings, intakes: Intakes, centers: Iterable[str]) -> App:
    """Return the app that reads `in.<center>` for the Intakes. Call it inside the loop that will run it."""
    hosts = [host.strip() for host in settings.bootstrap.split(",") if host.strip()]
    if not hosts:
        raise UsageError(f"bootstrap: expected host:port, got {settings.bootstrap!r}")
    quiet_logs()
    read_all_that_the_broker_accepts()
    app = App(
        settings.group,
        broker=";".join(f"hub://{host}" for host in hosts),
        autodiscover=False,
        store="memory://",
        web_enabled=False,
        # reading
        ConsumerScheduler=BatchScheduler,
        TableManager=_Tables,
        broker_max_poll_records=POLL_RECORDS_MAX,
        stream_buffer_maxsize=BUFFER_BATCHES_MAX,
        consumer_auto_offset_reset="earliest",
        consumer_metadata_max_age_ms=METADATA_AGE_MAX_MS,
        # the group: one standby would give every one-partition topic to one worker
        table_standby_replicas=0,
        consumer_group_instance_id=settings.instance,
        broker_session_timeout=settings.session_s,
        broker_heartbeat_interval=settings.session_s / 6,
        broker_rebalance_timeout=settings.session_s * 2,
        broker_request_timeout=max(30.0, settings.session_s),
        # nothing of Faust's own in Kafka
        topic_disable_leader=True,
        topic_allow_declare=False,
        topic_partitions=1,
        stream_wait_empty=False,
    )
    app.lanes = Lanes(intakes)
    app.bootstrap = settings.bootstrap
    topic = app.topic(
        *map(topic_in, sorted(set(centers))), key_serializer="raw", value_serializer="raw", value_type=None, acks=False
    )

    @app.agent(topic, name="consolidator", concurrency=1)
    async def consolidator(stream: Any) -> None:
        try:
            async for event in stream.events():
                await app.lanes.take(event.value)
        except asyncio.CancelledError:
            raise
        except BaseException as exc:  # noqa: BLE001 - whatever it is, the process must not go on without it
            # Faust would acknowledge the batch, start the agent again and go on. It gets no chance: this task
            # lives on and does nothing until the app is stopped.
            app.lanes.fail(exc)
            await asyncio.Event().wait()

    return app


async def consume(app: App, *, stop: asyncio.Event, deadline_s: float = 8.0, stall_s: float = 60.0) -> None:
    """Run the app until `stop` is set.

    Stopping begins no further batch, lets the one in hand finish, revokes the lanes and stops Faust, all within
    `deadline_s`. On a failure the same is done first.
    Errors: what `Intakes` raised; Fatal if no broker answers, a part of Faust ended by itself, one batch or one
    rebalance lasts longer than `stall_s`, or the deadline was missed. Afterwards only a new app can run.
    """
    starting = asyncio.create_task(app.start(), name="faust-start")
    ended = asyncio.create_task(app.wait_until_stopped(), name="faust")
    mine = [
        asyncio.create_task(stop.wait(), name="stop"),
        asyncio.create_task(_watch(app, starting), name="watch"),
        asyncio.create_task(_watch_for_stalls(app, starting, stall_s), name="watch-stalls"),
    ]
    try:
        await _first_to_end(app, ended, *mine)
    finally:
        for task in (*mine, starting):
            task.cancel()
        await asyncio.gather(*mine, starting, return_exceptions=True)
        in_time = await _shut_down(app, deadline_s)
        if not app.should_stop:
            ended.cancel()
        await asyncio.gather(ended, return_exceptions=True)  # mode leaves a task behind if this one is cancelled
    if not in_time:
        raise Fatal(f"the worker's reading side did not stop within {deadline_s} s")


async def _first_to_end(
    app: App, ended: asyncio.Task[Any], stop: asyncio.Task[Any], *watches: asyncio.Task[Any]
) -> None:
    failure = app.lanes.failure
    await asyncio.wait([ended, stop, *watches, failure], return_when=asyncio.FIRST_COMPLETED)
    for reason in (failure, *watches):
        if reason.done():
            reason.result()
    if ended.done() and not stop.done():
        raise Fatal("Faust ended by itself; its log says why") from app.crash_reason


async def _shut_down(app: App, deadline_s: float) -> bool:
    """Stop within the deadline, in part at least: Faust gets its share of the time also when a batch hangs."""
    began = asyncio.get_running_loop().time()
    in_time = True
    for name, work, share in (("lanes", app.lanes.close, 0.7), ("faust", app.stop, 1.0)):
        try:
            async with asyncio.timeout_at(began + deadline_s * share):
                await work()
        except TimeoutError:
            log.warning("shutdown_deadline_missed", part=name, deadline_s=deadline_s)
            in_time = False
    return in_time


async def _started(app: App, starting: asyncio.Task[None]) -> None:
    try:
        await asyncio.shield(starting)
        if app.crash_reason is not None:  # the thread was quicker: a service that is told so ends its start without it
            raise app.crash_reason
    except KafkaConnectionError as exc:
        raise Fatal(
            f"no broker answered at {app.bootstrap}: {exc}. Is it running, is the address right? "
            "(refused credentials look the same)"
        ) from exc


async def _watch(app: App, starting: asyncio.Task[None]) -> None:
    """Raise when a task of Faust or aiokafka ends that should not: some die silently, at a rebalance above all."""
    await _started(app, starting)
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[None] = loop.create_future()

    def tell(name: str, task: asyncio.Future[Any]) -> None:
        if not ended.done():
            error = Fatal(f"a background task ended that should run for ever: {name}")
            error.__cause__ = None if task.cancelled() else task.exception()
            ended.set_exception(error)

    def told(name: str) -> Callable[[asyncio.Future[Any]], object]:
        # Some of them live in the consumer's thread, and so do their callbacks.
        return lambda task: loop.call_soon_threadsafe(tell, name, task)

    for name, task in _tasks_of(app):
        task.add_done_callback(told(name))
    await ended


async def _watch_for_stalls(app: App, starting: asyncio.Task[None], stall_s: float) -> None:
    """Raise when a batch is never done, or when Faust does not let records flow again after a rebalance."""
    await _started(app, starting)
    loop = asyncio.get_running_loop()
    flowed_at = loop.time()
    while True:
        await asyncio.sleep(STALL_POLL_S)
        now = loop.time()
        if app.consumer.flow_active:
            flowed_at = now
        if now - flowed_at > stall_s:
            raise Fatal(f"nothing was read for {stall_s} s: Faust has not come back from a rebalance")
        in_hand, since = app.lanes.in_hand
        if in_hand is not None and now - since > stall_s:
            raise Fatal(f"one batch of {in_hand} has been in hand for more than {stall_s} s")


def _tasks_of(app: App) -> Iterator[tuple[str, asyncio.Future[Any]]]:
    thread = app.consumer._thread  # noqa: SLF001
    consumer = thread._ensure_consumer()  # noqa: SLF001
    yield "aiokafka fetcher", consumer._fetcher._fetch_task  # noqa: SLF001
    yield "aiokafka coordinator", consumer._coordinator._coordination_task  # noqa: SLF001
    services: list[Service] = [app._fetcher, app.consumer, thread, app.topics, app.tables.recovery]  # noqa: SLF001
    services += [*thread.method_queue._workers, *app.consumer._method_queue._workers]  # noqa: SLF001
    for service in services:
        if not service._futures:  # noqa: SLF001
            raise Fatal(f"a background task ended that should run for ever: {service.shortlabel} has none left")
        for task in service._futures:  # noqa: SLF001
            yield f"{service.shortlabel} {getattr(task, '__wrapped__', task)!r}", task
    for agent in app.agents.values():
        for actor in agent._actors:  # noqa: SLF001
            yield f"agent {agent.name}", actor.actor_task


class _Once(logging.Filter):
    """Lets a message through once in a while: aiokafka repeats itself ten times a second while a broker is away."""

    def __init__(self) -> None:
        super().__init__()
        self._last: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        last = self._last.get(str(record.msg))
        if last is not None and record.created - last < REPEATED_LOG_S:
            return False
        self._last[str(record.msg)] = record.created
        return True


class _Brief(logging.Filter):
    """Leaves out the traceback that mode logs for each service that a crash passes: `consume` raises it, once."""

    def filter(self, record: logging.LogRecord) -> bool:
        if "Crashed reason=" in str(record.msg):
            record.exc_info = None
        return True


_ONCE = _Once()
_BRIEF = _Brief()


def quiet_logs() -> None:
    """Let warnings of Faust, mode and aiokafka through, each at most every 30 s. Safe to call again."""
    for name in ("faust", "mode", "aiokafka"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in (
        "aiokafka",
        "aiokafka.conn",
        "aiokafka.cluster",
        "aiokafka.consumer.fetcher",
        "aiokafka.consumer.group_coordinator",
        "aiokafka.consumer.subscription_state",
        "aiokafka.producer.sender",
    ):
        logger = logging.getLogger(name)
        logger.addFilter(_ONCE)
    faust_log.addFilter(_BRIEF)
