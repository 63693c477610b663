"""One broker of a site's several, as a process of its own: formatted at its first start, watched, ended politely.

    async with Node(Path("/data/kafka"), read_member(Path("member.yaml"))) as node:
        await node.ready()
        await node.keep()

It runs in the foreground: what Kafka prints goes where our own errors go, and whoever supervises us keeps it. While the
broker takes writes, the file `ready` in its folder is touched every few seconds.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import IO, Final, Self, cast

import structlog
from aiokafka.conn import create_conn
from aiokafka.errors import KafkaError

from hub.base import files
from hub.base.access import host_and_port
from hub.base.durable import write
from hub.base.output import as_json, note
from hub.base.seldom import Seldom
from hub.base.supervisor import Supervisor
from hub.broker.datadir import DataDir
from hub.broker.jars import fetch_jars
from hub.broker.jvm import Jvm
from hub.broker.member import Member, format_options, read_users
from hub.broker.member_properties import member_properties, voters
from hub.broker.process import Process, end, spawn
from hub.broker.ready import wait_ready
from hub.broker.settings import BrokerSettings
from hub.broker.storage import format_log
from hub.kafka.cluster import Cluster
from hub.protocol.errors import Fatal, UsageError

STOP_DEADLINE_S: Final = 25.0  # it hands its leaderships over first
LOOK_EVERY_S: Final = 5.0
ATTEMPT_S: Final = 4.0
WATCH_S: Final = 0.2
READY: Final = "ready"

log = structlog.get_logger(__name__)


class Node:
    """One member of a cluster under our supervision; its data is in `data_dir`, and nowhere else."""

    def __init__(self, data_dir: Path, member: Member, settings: BrokerSettings | None = None) -> None:
        self._dir = DataDir(data_dir)
        self._member = member
        self._settings = settings or BrokerSettings()
        self._process: Process | None = None
        self._ready_file = self._dir.folder / READY
        self._seldom = Seldom(log)

    @property
    def pid(self) -> int | None:
        """The pid of Kafka's own process; None while it isn't running."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    @property
    def bootstrap(self) -> str:
        """Where HQ's clients find it."""
        return self._member.own.client

    async def start(self) -> None:
        """Start the broker; `ready` says when it takes writes, which takes more than half of its cluster.

        Errors: UsageError for a file that can't be read, a directory of another cluster's; Fatal, Retriable: see
            `EmbeddedKafka.start`.
        """
        jars = await fetch_jars(self._settings)
        self._dir.acquire()
        try:
            if (orphan := await asyncio.to_thread(self._dir.end_orphan)) is not None:
                log.warning("orphan_broker_ended", pid=orphan, data_dir=str(self._dir.folder))
            jvm = await asyncio.to_thread(Jvm.of, jars, self._settings.cache_dir)
            await self._format(jvm)
            self._run(jvm)
        except BaseException as exc:
            await self.stop()
            if isinstance(exc, OSError):
                raise Fatal(f"the broker can't be started in {self._dir.folder}: {exc}") from exc
            raise

    async def ready(self) -> bool:
        """Return True once the broker takes writes, False if its process ended first. Nobody else sets a deadline."""
        assert self._process is not None
        process, cluster = self._process, Cluster((self._member.here,), self._member.security)
        is_ready = await wait_ready(cluster, self._member.cluster, is_alive=lambda: process.poll() is None)
        if is_ready:
            self._say_ready()
            log.info("broker_ready", node=self._member.own.name, bootstrap=self.bootstrap, pid=process.pid)
        return is_ready

    async def keep(self) -> int:
        """Say that it is ready as long as it answers; return the exit status once its process has ended by itself."""
        assert self._process is not None
        looked = asyncio.get_running_loop().time()
        while (status := self._process.poll()) is None:
            await asyncio.sleep(WATCH_S)
            if asyncio.get_running_loop().time() - looked >= LOOK_EVERY_S:
                if await self.answers():
                    self._say_ready()
                looked = asyncio.get_running_loop().time()
        return status

    async def stop(self) -> None:
        """End the broker: SIGTERM, and after a deadline SIGKILL. Idempotent."""
        process, self._process = self._process, None
        with suppress(OSError):
            files.remove(self._ready_file)
        try:
            if process is not None:
                await end(process, STOP_DEADLINE_S)
                self._dir.forget_process()
        finally:
            self._dir.release()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _format(self, jvm: Jvm) -> None:
        """See that there is a log of this cluster. Errors: UsageError where it is another cluster's."""
        there = self._dir.cluster_id()
        if there is not None:
            if there != self._member.cluster:
                raise UsageError(
                    f"{self._dir.log} is a part of the cluster {there}, expected {self._member.cluster}: this is "
                    "another site's data, or member.yaml is; put the one that belongs here back"
                )
            return
        # Formatted beside its place and renamed: a crash in between leaves nothing that looks like a log.
        part = self._dir.folder / "log.part"
        shutil.rmtree(part, ignore_errors=True)
        users = format_options(read_users(self._member.users_file))
        text = member_properties(self._member, part)
        await format_log(jvm, part, self._member.cluster, text, users, voters(self._member))
        files.rename(part, self._dir.log.name)

    def _run(self, jvm: Jvm) -> None:
        write(self._dir.properties, member_properties(self._member, self._dir.log).encode(), mode=files.PRIVATE)
        command = [*jvm.command(jvm.aot_flags), "kafka.Kafka", str(self._dir.properties)]
        # Of the stream no more than its descriptor is used.
        self._process = spawn(command, self._dir.folder, cast("IO[bytes]", sys.stderr))
        self._dir.keep_process(self._process.pid)

    async def answers(self) -> bool:
        """Return whether it lets in who logs in to it: False, with a word in the log, where we can't even try."""
        try:
            options = self._member.security.client_options()
            connection = await create_conn(
                *host_and_port(self._member.here), request_timeout_ms=int(ATTEMPT_S * 1000), **options
            )
        except (KafkaError, TimeoutError, OSError):
            return False
        except UsageError as exc:  # a file that can't be read now: Kafka has read its own, and goes on
            self._seldom.warning("broker_not_asked", error=str(exc))
            return False
        connection.close()
        return True

    def _say_ready(self) -> None:
        with suppress(OSError):  # a disk that is full is told by the broker itself
            os.close(files.updating(self._ready_file))
            os.utime(self._ready_file)


async def run_node(node: Node, supervisor: Supervisor) -> int:
    """Run a broker until a signal or its own end; return the exit status for the process.

    Prints one JSON line `{"bootstrap": ..., "pid": ...}` once it takes writes.
    """
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with node:
        stopped, living = asyncio.ensure_future(stop.wait()), asyncio.ensure_future(_live(node, supervisor))
        await asyncio.wait((stopped, living), return_when=asyncio.FIRST_COMPLETED)
        ended = not stop.is_set()
        supervisor.stopping()
        for task in (stopped, living):
            task.cancel()
        if ended:
            note(f"the broker ended by itself (status {living.result()})")
        return 1 if ended else 0


async def _live(node: Node, supervisor: Supervisor) -> int:
    if await node.ready():
        as_json({"bootstrap": node.bootstrap, "pid": node.pid}, indent=False)
        supervisor.ready()
    return await node.keep()
