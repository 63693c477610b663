"""A whole hub on this machine: the embedded broker and one worker, each started again when it dies."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final

from hub.base import files
from hub.base.durable import disk_errors, write
from hub.base.ending import Ending
from hub.broker.embedded import EmbeddedKafka
from hub.broker.jars import Progress, progress_lines
from hub.broker.properties import Public
from hub.hq.folder import HubFolder
from hub.hq.settings import WORKER_STOP_S, BrokerOptions
from hub.local.child import Child
from hub.protocol.errors import CohubError, Fatal, UsageError

POLL_S: Final = 0.05
WATCH_S: Final = 0.2
READY_DEADLINE_S: Final = 60.0
BROKER_STOP_S: Final = 3.5  # with WORKER_STOP_S it stays under the ten seconds that a whole stop may take
BACK_OFF_S: Final = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
STEADY_S: Final = 60.0  # after so long the next death is a new story
EXIT_USAGE: Final = 2

Tell = Callable[[str], None]


def embedded(
    place: HubFolder, options: BrokerOptions, port: int | None, progress: Progress | None = None
) -> EmbeddedKafka:
    """Return the broker of this folder, as its settings have it; it is not started yet."""
    bounds = options.client_connections_max, options.client_connections_per_s
    public = None if options.offices is None else Public(*options.offices, *bounds)
    return EmbeddedKafka(
        place.broker,
        port=port or options.port,
        plain=options.plain,
        authority=place.keys,
        public=public,
        progress=progress,
    )


class LocalHub:
    """The broker and the worker of one data directory. Start it, watch it, stop it; from one thread."""

    def __init__(
        self, place: HubFolder, tell: Tell, port: int | None = None, options: BrokerOptions | None = None
    ) -> None:
        self._place = place
        self._tell = tell
        self.kafka = embedded(place, options or BrokerOptions(), port, progress_lines(tell))
        self.worker: Child | None = None
        self._worker_bootstrap = ""
        self._starting: asyncio.Task[None] | None = None

    @property
    def bootstrap(self) -> str:
        """The broker's address."""
        return self.kafka.bootstrap

    async def start(self) -> None:
        """Return once the broker takes writes and the worker reads.

        Errors: those of EmbeddedKafka.start; UsageError and Fatal with the last words of a worker that can't start.
        """
        await self.begin()
        self.start_worker()
        await self.ready()

    async def begin(self) -> str:
        """Start the broker and return its address, which is known before it answers."""
        files.make_folder(self._place.data_dir, files.PRIVATE_FOLDER)
        self._starting = asyncio.create_task(self.kafka.start(), name="broker")
        while True:
            with contextlib.suppress(Fatal):
                return self.bootstrap
            if self._starting.done():
                await self._starting
            await asyncio.sleep(POLL_S)

    def start_worker(self) -> None:
        """Start the worker; its imports take a second, in which the broker may still be starting."""
        files.remove(self._place.worker_file)
        data_dir = self._place.data_dir.absolute()
        arguments = ["-m", "hub.cli.main", "--data-dir", str(data_dir), "worker", "--bootstrap", self.bootstrap]
        arguments += ["--instance", "local"]  # a killed one's lanes are its successor's at once, not after 6 s
        self.worker = Child("worker", arguments, data_dir, self._place.worker_log.absolute())
        self.worker.start()
        self._worker_bootstrap = self.bootstrap

    async def broker_ready(self) -> None:
        """Return once the broker takes writes. Errors: see start."""
        assert self._starting is not None
        await self._starting
        if self.bootstrap != self._worker_bootstrap:
            raise Fatal("somebody took the port while the broker started: start again")

    async def ready(self) -> None:
        """Return once both are ready. Errors: see start."""
        await self.broker_ready()
        await self._worker_ready()

    async def watch(self) -> None:
        """Start again what dies, for ever. Errors: UsageError when the worker can't work with these settings."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch_broker(), name="watch-broker")
            group.create_task(self._watch_worker(), name="watch-worker")
            group.create_task(self.kafka.keep(), name="keep-broker")

    async def stop(self) -> None:
        """Stop the worker, then the broker. Idempotent; within ten seconds."""
        try:
            if self._starting is not None and not self._starting.done():
                self._starting.cancel()
                await asyncio.wait([self._starting])
            await self.stop_worker()
        finally:
            # At the deadline the cancellation kills it.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(BROKER_STOP_S):
                    await self.kafka.stop()

    async def stop_worker(self) -> None:
        """Stop the worker alone. Idempotent."""
        if self.worker is not None:
            await self.worker.stop(WORKER_STOP_S)

    async def _worker_ready(self) -> None:
        worker = self.worker
        assert worker is not None
        deadline = time.monotonic() + READY_DEADLINE_S
        while not self._place.worker_file.exists():
            status = worker.status()
            if status is not None:
                kind = UsageError if status == EXIT_USAGE else Fatal
                raise kind(f"the worker ended while it started: {worker.last_words()} (see {worker.log})")
            if time.monotonic() > deadline:
                raise Fatal(f"the worker was not ready after {READY_DEADLINE_S:.0f} s; see {worker.log}")
            await asyncio.sleep(POLL_S)

    async def _watch_worker(self) -> None:
        worker = self.worker
        assert worker is not None
        back_off = BackOff()
        while True:
            status = worker.status()
            if status is None:
                await asyncio.sleep(WATCH_S)
                continue
            words = worker.last_words()
            if status == EXIT_USAGE:
                raise UsageError(f"the worker can't work here: {words}")
            wait_s = back_off.next()
            self._tell(f"the worker ended (status {status}: {words}); it is started again in {wait_s:g} s")
            await asyncio.sleep(wait_s)
            worker.start()
            self._tell("the worker is started again")

    async def _watch_broker(self) -> None:
        back_off = BackOff()
        while True:
            status = await self.kafka.wait()
            wait_s = back_off.next()
            self._tell(f"the broker ended (status {status}); it is started again in {wait_s:g} s")
            await asyncio.sleep(wait_s)
            while True:
                try:
                    await self.kafka.start()
                    break
                except UsageError:
                    raise
                except CohubError as exc:
                    wait_s = back_off.next()
                    self._tell(f"the broker does not start: {exc}; tried again in {wait_s:g} s")
                    await asyncio.sleep(wait_s)
            self._tell(f"the broker is back at {self.bootstrap}")


class BackOff:
    """How long to wait before the next start: longer each time, until it ran for a while."""

    def __init__(self) -> None:
        self._tries = 0
        self._last = time.monotonic()

    def next(self) -> float:
        """Return the seconds to wait."""
        now = time.monotonic()
        if now - self._last > STEADY_S:
            self._tries = 0
        wait_s = BACK_OFF_S[min(self._tries, len(BACK_OFF_S) - 1)]
        self._tries += 1
        self._last = now + wait_s
        return wait_s


def write_ready(path: Path, facts: dict[str, Any]) -> None:
    """Say that a worker is ready; whole or not at all. Errors: Fatal, UsageError: this worker ends."""
    with disk_errors(path):
        write(path, (json.dumps(facts) + "\n").encode())


def run_until_signal(work: Callable[[], Coroutine[Any, Any, int]]) -> int:
    """Run `work` until it ends or SIGINT, SIGTERM or SIGHUP cancels it; return its status, 0 after a signal.

    A second signal cancels the cleaning up too: what still runs is killed.
    """
    ending = Ending()

    async def run() -> int:
        loop = asyncio.get_running_loop()
        task = asyncio.create_task(work(), name="command")
        asked = False

        def ask() -> None:
            nonlocal asked
            asked = True
            ending.begin("it was asked to stop")
            task.cancel()

        names = ("SIGINT", "SIGTERM", "SIGHUP")
        for number in (getattr(signal, name) for name in names if hasattr(signal, name)):
            with contextlib.suppress(NotImplementedError):  # Windows: KeyboardInterrupt ends asyncio.run instead
                loop.add_signal_handler(number, ask)
        try:
            return await task
        except asyncio.CancelledError:
            if not asked:
                raise
            return 0

    try:
        return asyncio.run(run())
    except KeyboardInterrupt:  # where there are no signal handlers; everything was cleaned up on the way
        return 0
    finally:
        ending.close()
