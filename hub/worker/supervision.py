"""Runs the Faust app of a worker as one task, and watches it.

`consume` is for a supervisor: it returns when it was asked to stop, and raises what ended it otherwise. It runs inside
our own event loop: no `faust.Worker`, which would take the signals, the logging and the exit status.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any, Final

import structlog
from aiokafka.errors import KafkaConnectionError
from mode import Service

from hub.base.ending import Ends, ends_by_itself
from hub.protocol.errors import Fatal
from hub.worker.app import App

log = structlog.get_logger(__name__)

STALL_POLL_S: Final = 1.0


async def consume(
    app: App, *, stop: asyncio.Event, stall_s: float, deadline_s: float, ends: Ends = ends_by_itself
) -> None:
    """Run the app until `stop` is set. `ends` is told when it begins to stop, and why.

    Stopping handles nothing further, lets what is in hand finish, revokes the lanes and stops Faust, all within
    `deadline_s`. On a failure the same is done first.
    Errors: what `Intakes` raised; Fatal if no broker answers, a part of Faust ended by itself, the records of one
    fetch or one rebalance last longer than `stall_s`, or the deadline was missed. Afterwards only a new app can run.
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
        ends("it was asked to stop")
    except KafkaConnectionError as exc:
        raise Fatal(await app.cluster.diagnose() or f"{app.cluster.bootstrap}: {exc}") from exc
    except BaseException as exc:
        ends(f"{type(exc).__name__}: {exc}")
        raise
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
    """Stop within the deadline, in part at least: Faust gets its share of the time also when a fetch hangs in hand."""
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
    await asyncio.shield(starting)
    if app.crash_reason is not None:  # the thread was quicker: a service that is told so ends its start without it
        raise app.crash_reason


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
    """Raise when a fetch is in hand for ever, or when Faust does not let records flow again after a rebalance."""
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
            raise Fatal(f"the records of one fetch of {in_hand} have been in hand for more than {stall_s} s")


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
