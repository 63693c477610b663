"""Real Apache Kafka as a child process: no Docker, no installed Java.

    kafka = EmbeddedKafka(data_dir)
    await kafka.start()
    ...                       # clients are made by kafka.cluster, the admin's, and kafka.cluster_of(user, password)
    await kafka.stop()

The broker keeps its data and its port in the data directory, and dies with the process that started it. It lets nobody
in but by TLS and a password, and nobody may do what was not granted; a plain one lets in everybody on this machine.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Self

import structlog
from pydantic import SecretStr

from hub.base import files
from hub.base.durable import disk_errors, write
from hub.broker.bounds import bound_clients
from hub.broker.datadir import DataDir, new_cluster_id
from hub.broker.formatted import FormattedLog
from hub.broker.guard import Guard
from hub.broker.jars import Progress, fetch_jars, locked_jars
from hub.broker.jvm import Jvm
from hub.broker.key_stores import forget_settings, reload_key_stores
from hub.broker.ports import LOOPBACK, checked, choose_port, is_free, taken
from hub.broker.principals import ADMIN, Principals
from hub.broker.process import Process, end, spawn
from hub.broker.properties import Locked, Plain, Public, server_properties
from hub.broker.ready import LoginRefused, wait_ready
from hub.broker.settings import BrokerSettings
from hub.broker.storage import format_log, wait_for_snapshot
from hub.kafka.administration import administration
from hub.kafka.cluster import Cluster
from hub.protocol.errors import CohubError, Fatal

START_DEADLINE_S = 60.0
STOP_DEADLINE_S = 10.0
TRAINING_STOP_DEADLINE_S = 120.0
PORT_CHOICES_MAX = 3
WATCH_S = 0.2
KEEP_EVERY_S = 60.0  # a clock that is put right may make it time at any moment
PORT_TAKEN_TEXT = "Address already in use"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Start:
    """One start of the broker: how it lets in, and how we come in."""

    doors: Plain | Locked
    cluster: Cluster
    cluster_id: str


class EmbeddedKafka:
    """One Kafka broker under our supervision.

    `port` is kept in the data directory: None takes the kept one, or chooses one at the first start.
    `plain`: everybody on this machine is let in, and may do everything; for what tests and measures something else.
    `authority` is the folder of the hub's certificate authority; by default it is in the data directory.
    `public` is where offices on other machines are let in, beside the port on loopback.
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
        plain: bool = False,
        authority: Path | None = None,
        public: Public | None = None,
        settings: BrokerSettings | None = None,
        overrides: Mapping[str, str] | None = None,
        progress: Progress | None = None,
        aot_output: Path | None = None,
    ) -> None:
        self._dir = DataDir(data_dir)
        folder = self._dir.folder
        self._guard = None if plain else Guard(folder, authority or folder / "keys", public)
        self._wanted_port = port
        self._settings = settings or BrokerSettings()
        self._overrides = dict(overrides or {})
        self._progress = progress
        self._aot_output = aot_output
        self._process: Process | None = None
        self._output_start = 0
        self._port = 0
        self._is_told = True  # whether the broker shows the certificates that are in its folder

    @property
    def bootstrap(self) -> str:
        """Return `host:port` for clients. Errors: Fatal before the first start, when no port is known."""
        if not self._port:
            raise Fatal("the embedded broker was not started yet, so it has no address")
        return f"{LOOPBACK}:{self._port}"

    @property
    def cluster(self) -> Cluster:
        """Return the broker as its admin has it, who may do everything. Errors: see `bootstrap`."""
        return Cluster((self.bootstrap,)) if self._guard is None else self._guard.cluster(self.bootstrap, ADMIN)

    def cluster_of(self, user: str, password: str | None = None) -> Cluster:
        """Return the broker as somebody else has it; the admin's and the worker's passwords are in its folder.

        Shapes: a plain broker asks nobody who it is. Errors: see `bootstrap`; NotFound for a user without a password.
        """
        if self._guard is None:
            return Cluster((self.bootstrap,))
        return self._guard.cluster(self.bootstrap, user, None if password is None else SecretStr(password))

    @property
    def authority(self) -> Path | None:
        """Return the certificate by which clients know the broker; None for a plain one."""
        return None if self._guard is None else self._guard.authority

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
            await self._start_on_port(await asyncio.to_thread(Jvm.of, jars, self._settings.cache_dir))
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

    async def renew(self, now: datetime | None = None) -> bool:
        """See that its certificates last, and have the broker take new ones as it runs; return whether it did.

        Errors: UsageError, Fatal: see `Guard.prepare`; Retriable if the broker does not take them now.
        """
        if self._guard is None or not self.is_running:
            return False
        if await asyncio.to_thread(self._guard.renew, now):
            self._is_told = False
        if self._is_told:
            return False
        await reload_key_stores(self.cluster, self._guard.doors(self._port), self._guard.shown)
        self._is_told = True
        return True

    async def keep(self) -> None:
        """See once a minute that its certificates last and its log is bounded, for ever; what hinders it is logged."""
        while True:
            await asyncio.sleep(KEEP_EVERY_S)
            try:
                with disk_errors(self._dir.output):
                    self._dir.trim_output()
                if await self.renew():
                    log.info("certificates_renewed", data_dir=str(self._dir.folder))
            except CohubError as exc:
                log.error("certificates_not_renewed", error=str(exc))  # noqa: TRY400 - it says all that there is

    async def _start_on_port(self, jvm: Jvm) -> None:
        fixed = self._dir.kept_port() if self._wanted_port is None else checked(self._wanted_port)
        if self._guard is None:
            Principals(self._dir.folder).forget()
        else:
            await asyncio.to_thread(self._guard.prepare)
            self._is_told = True
        for _ in range(PORT_CHOICES_MAX):
            port = fixed or choose_port()
            if not is_free(port):
                raise taken(port)
            self._check_public()
            # The port is kept before the broker opens it: no client can know an address that a restart would change.
            self._dir.keep_port(port)
            self._port = port
            cluster_id = self._dir.cluster_id() or await self._new_log(jvm, port)
            if self._guard is not None and not self._guard.principals.are_known_to(cluster_id):
                await self._tell_passwords(self._guard, jvm, cluster_id)
            if await self._run_locked(jvm, _Start(self._doors(port), self.cluster, cluster_id)):
                if self._guard is not None and self._guard.public is not None:
                    await bound_clients(self.cluster, self._guard.public)
                return
            lines = self._dir.last_lines(since=self._output_start)
            if PORT_TAKEN_TEXT not in lines:
                raise Fatal(f"the broker ended while it started; its last words ({self._dir.output}):\n{lines}")
            if fixed:
                break
            # Somebody was faster than we; nobody was told this port yet, so another one will do.
        raise taken(self._port)

    def _check_public(self) -> None:
        if self._guard is not None and self._guard.public is not None:
            host, port = self._guard.public.listen
            if not is_free(port, host):
                raise taken(port, host)

    def _doors(self, port: int) -> Plain | Locked:
        return Plain(port) if self._guard is None else self._guard.doors(port)

    def _told(self, log_dir: Path, doors: Plain | Locked) -> str:
        return server_properties(log_dir, doors, self._overrides)

    async def _new_log(self, jvm: Jvm, port: int) -> str:
        # Formatted beside its place and renamed: a crash in between leaves nothing that looks like a log.
        part = self._dir.folder / "log.part"
        shutil.rmtree(part, ignore_errors=True)
        cluster_id = new_cluster_id()
        if self._guard is not None:  # what is formatted holds this broker's users, and is kept for no other one
            secrets = self._guard.format_options()
            await format_log(jvm, part, cluster_id, self._told(part, self._doors(port)), secrets)
        else:
            kept = FormattedLog(self._settings.cache_dir, locked_jars())
            if self._overrides or not await asyncio.to_thread(kept.copy_to, part, cluster_id):
                await format_log(jvm, part, cluster_id, self._told(part, Plain(port)))
                if not self._overrides:
                    await asyncio.to_thread(kept.keep, part)
        files.rename(part, self._dir.log.name)
        if self._guard is not None:
            # If we crash before this, the next start tells the passwords to a broker that has them already.
            self._guard.principals.set_known(cluster_id)
        return cluster_id

    async def _tell_passwords(self, guard: Guard, jvm: Jvm, cluster_id: str) -> None:
        """Have a log that does not know the first users' passwords know them; what was written in it stays.

        The broker is started for that alone, at a port that nobody was told, where only a certificate of the admin's
        lets in: at no moment is it open. Where it was open before, whoever came in may have made users, even one by
        the name of the node itself: nobody knows their passwords any more; or may have told it settings that stand
        above its file, such as another way to log in: they are taken back. If we crash on the way, all of it is done
        again.
        """
        port = choose_port()
        cluster = guard.cluster_by_certificate(f"{LOOPBACK}:{port}")
        try:
            start = _Start(guard.doors(port, by_certificate=True), cluster, cluster_id)
            if not await self._run(jvm.command(jvm.aot_flags), start):
                lines = self._dir.last_lines(since=self._output_start)
                raise Fatal(f"the broker ended before it was locked; its last words ({self._dir.output}):\n{lines}")
            was_open = guard.principals.was_open()
            if was_open:
                await forget_settings(cluster)
            async with administration(cluster) as access:
                strangers = await access.users() if was_open else ()
                if strangers:
                    await access.revoke(await access.rights())
                await access.set_users(guard.credentials(strangers))
            if was_open:
                await wait_for_snapshot(self._dir.log)
        finally:
            await self._end_process()
            guard.end_certificate()
        guard.principals.set_known(cluster_id)
        log.warning("broker_locked", data_dir=str(self._dir.folder), lets_in="by TLS and a password alone")

    async def _run_locked(self, jvm: Jvm, start: _Start) -> bool:
        """Return True once the broker is ready, False if its process ended; one that lost its users gets them again."""
        try:
            return await self._run_with_aot(jvm, start)
        except LoginRefused:
            if self._guard is None:
                raise
        await self._end_process()
        log.warning("users_lost", data_dir=str(self._dir.folder), remedy="the first ones are made again")
        await self._tell_passwords(self._guard, jvm, start.cluster_id)
        return await self._run_with_aot(jvm, start)

    async def _end_process(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            await end(process, STOP_DEADLINE_S)
            self._dir.forget_process()

    async def _run_with_aot(self, jvm: Jvm, start: _Start) -> bool:
        """Return True once the broker is ready, False if its process ended; an AOT cache is never the reason."""
        if self._aot_output is not None:
            return await self._run(jvm.command([f"-XX:AOTCacheOutput={self._aot_output}"]), start)
        if await self._run(jvm.command(jvm.aot_flags), start):
            return True
        if not jvm.aot_flags or PORT_TAKEN_TEXT in self._dir.last_lines(since=self._output_start):
            return False
        ready = await self._run(jvm.command([]), start)
        if ready:  # else the reason was another one, and the cache is good
            log.warning("aot_cache_dropped", file=str(jvm.aot.file))
            jvm.aot.drop()
        return ready

    async def _run(self, java: list[str], start: _Start) -> bool:
        """Return True once the broker is ready, False if its process ended. Errors: Fatal at the deadline."""
        write(self._dir.properties, self._told(self._dir.log, start.doors).encode(), mode=files.PRIVATE)
        begun = time.monotonic()
        with self._dir.open_output() as output:
            self._output_start = output.tell()
            command = [*java, "kafka.Kafka", str(self._dir.properties)]
            process = self._process = spawn(command, self._dir.folder, output)
        self._dir.keep_process(process.pid)
        try:
            async with asyncio.timeout(START_DEADLINE_S):
                ready = await wait_ready(start.cluster, start.cluster_id, is_alive=lambda: process.poll() is None)
        except TimeoutError as exc:
            raise Fatal(
                f"the broker was not ready after {START_DEADLINE_S:.0f} s; its last words ({self._dir.output}):\n"
                + self._dir.last_lines(since=self._output_start)
            ) from exc
        if ready:
            seconds = round(time.monotonic() - begun, 3)
            log.info("broker_ready", bootstrap=start.cluster.bootstrap, pid=process.pid, seconds=seconds)
        return ready
