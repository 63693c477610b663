"""A whole network of real processes: a broker, a worker and connectors, to be killed, and the sheets that they read.

Every process runs by its own command line, as an operator's supervisor would run it, and dies with the test.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from connectors.runtime.outbox import Outbox
from hub.broker.process import Process, spawn
from hub.domain.catalogue import STREAMS
from hub.hq.headquarters import HqEvent
from hub.protocol.errors import Retriable, UsageError
from hub.protocol.topics import FAN_OUT_PARTITIONS
from hub.store.copying import mirror
from hub.store.postgres_server import Server
from tests.support.center import Center
from tests.support.checker import Finding, Record, check, trust_of
from tests.support.checker import Office as CheckedOffice
from tests.support.hq import center_record
from tests.support.peek import ask, is_published, log_of
from tests.support.postgres import in_thread
from tests.support.sheet import LISTED, Row, Sheet
from tests.support.witness import Witness
from tests.support.worker import Hub, read_topic

STOP_DEADLINE_S: Final = 12.0
ENDS_MAX: Final = 20  # in one wait: what ends by itself so often will not come up any more
MARKER: Final = "END"
MAPPING: Final = {
    "files": "offers*.csv",
    "stream": "offer",
    "key": ["No"],
    "fields": {
        "title": {"column": "Title"},
        "language": {"value": "en"},
        "export_control": {"column": "Control"},
        "technology_keywords": {"column": "Keywords", "split": ";"},
        "partner": {"column": "Partner"},
    },
    "status": {"column": "Status"},
}


class Program:
    """One process of ours that can be killed and started again. It prints into a file."""

    def __init__(
        self, name: str, arguments: Sequence[str], folder: Path, python: Sequence[str] = (sys.executable,)
    ) -> None:
        self.name = name
        self.folder = folder
        self.log = folder / f"{name}.log"
        self.kills = 0
        self.ended: list[int] = []  # statuses of runs that ended by themselves
        self.log_start = 0
        self._command = [*python, *arguments]
        self._process: Process | None = None

    @property
    def pid(self) -> int:
        """The pid of the running process."""
        assert self._process is not None
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it runs; a run that ended by itself is noted."""
        if self._process is None:
            return False
        status = self._process.poll()
        if status is not None:
            self.ended.append(status)
            self._process = None
        return status is None

    def start(self) -> None:
        """Start it, if it does not run."""
        if self.is_running:
            return
        with self.log.open("ab") as output:
            self.log_start = output.seek(0, os.SEEK_END)
            self._process = spawn(self._command, self.folder, output, is_ours=True)

    def kill(self) -> None:
        """End it as a power cut would."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            self.kills += 1

    async def stop(self, deadline_s: float = STOP_DEADLINE_S) -> int:
        """Ask it to end; return its status. Errors: TimeoutError if it does not within the deadline; it is killed."""
        process, self._process = self._process, None
        if process is None:
            return 0
        process.terminate()
        try:
            async with asyncio.timeout(deadline_s):
                while (status := process.poll()) is None:
                    await asyncio.sleep(0.02)
                return status
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()

    def said(self) -> list[str]:
        """Return what the present run has printed."""
        with self.log.open("rb") as file:
            file.seek(self.log_start)
            return file.read().decode("utf-8", "replace").splitlines()


class Broker(Program):
    """`python -m hub.broker`; `bootstrap` is known once it has answered."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        super().__init__("broker", ["-m", "hub.broker", "--plain", "--data-dir", str(folder / "data")], folder)
        self.bootstrap = ""

    async def ready(self, deadline_s: float = 60.0) -> str:
        """Return its address once it takes writes. Errors: TimeoutError."""
        async with asyncio.timeout(deadline_s):
            while (said := self._hello()) is None:
                assert self.is_running, "\n".join(self.said())
                await asyncio.sleep(0.05)
        self.bootstrap = said["bootstrap"]
        return self.bootstrap

    def kill_java(self) -> None:
        """Kill the broker itself and leave its supervisor to notice; before it is ready, both."""
        said = self._hello()
        if said is None:
            self.kill()
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(said["pid"], signal.SIGKILL)
        self.kills += 1

    def _hello(self) -> dict[str, Any] | None:
        found = [line for line in self.said() if line.startswith('{"bootstrap"')]
        return json.loads(found[-1]) if found else None


@dataclass
class Office:
    """One center's folder, its connector and its sheet."""

    center: Center
    folder: Path
    marker: str = MARKER
    connector: Program = field(init=False)
    sheet: Sheet = field(init=False)

    def __post_init__(self) -> None:
        self.connector = Program(
            f"connector-{self.center.id}",
            ["-m", "connectors.cli.main", "run", "--office", str(self.folder), "--quiet"],
            self.folder.parent,
        )
        self.sheet = Sheet(self.folder)
        self.witness = Witness(self.center)

    @property
    def id(self) -> str:
        """The center's id."""
        return self.center.id

    @property
    def outbox(self) -> Path:
        """Where the outbox is."""
        return self.folder / "outbox.sqlite3"

    def set_up(self, hub: Hub, **settings: Any) -> None:
        """Lay out the folder as `connector init` and a person would; settings are for a test's patience."""
        (self.folder / "keys").mkdir(parents=True)
        for name, signer in (("seal", self.center.signer), ("witness", self.witness.signer)):
            key = self.folder / "keys" / f"{name}.key"
            key.write_text(signer.to_text() + "\n")
            key.chmod(0o600)
        (self.folder / "trust.note").write_bytes((hub.data_dir / "keys" / "trust.note").read_bytes())
        (self.folder / "mappings").mkdir()
        (self.folder / "mappings" / "offers.yaml").write_text(yaml.safe_dump(MAPPING))
        given = {
            "hub": self.center.hub,
            "center": self.id,
            "bootstrap": [hub.bootstrap],
            "settle_s": 0,
            "file_settle_s": 0,
            "poll_s": 0.2,
            "receipt_wait_s": 3.0,
            "request_timeout_s": 5.0,
            "presence_s": 1.0,
            "guard": {"percent": 100},
        } | settings
        (self.folder / "connector.yaml").write_text(yaml.safe_dump(given))

    def status(self) -> dict[str, Any] | None:
        """Return what `connector status` shows, None while there is no outbox or it is being made."""
        try:
            with Outbox(self.outbox, read_only=True) as outbox:
                return outbox.status()
        except (UsageError, Retriable):
            return None

    def record(self) -> dict[str, Any]:
        """Return the center as HQ registers it, with its seal key and its witness key."""
        record = center_record(self.center)
        return record | {"keys": [*record["keys"], self.witness.key()]}

    def is_settled(self) -> bool:
        """Whether the sheet's last row, the marker, was accepted, and nothing waits for a verdict."""
        found = self.status()
        if found is None or found["totals"]["pending"] or found["totals"]["backlog"]:
            return False
        with Outbox(self.outbox, read_only=True) as outbox:
            rows = [row for file in outbox.rows.summaries() for row in outbox.rows.verdicts(file.name)]
        return [row.state for row in rows if row.key == self.marker] == ["accepted"]

    def mark(self, name: str = MARKER) -> None:
        """Make this saving the last one that counts: its last row says so."""
        self.marker = name
        self.sheet.rows.pop(name, None)
        self.sheet.put(name, Row(title=f"Marker {name}"))
        self.sheet.save()


@dataclass
class Network:
    """A hub and its offices, each part a process."""

    broker: Broker
    hub: Hub
    worker: Program
    offices: list[Office]
    more: list[Program] = field(default_factory=list)

    @classmethod
    async def set_up(
        cls, folder: Path, centers: Sequence[str], server: Server | None = None, **settings: Any
    ) -> Network:
        """Return a network whose broker runs, whose centers are registered, and nothing else started.

        Shapes: HQ's database is at `server`, where one is given.
        """
        broker = Broker(folder / "broker")
        try:
            broker.start()
            hub = Hub.make(folder / "hub", await broker.ready(), server)
            if server is not None:
                (hub.data_dir / "hub.yaml").write_text(yaml.safe_dump({"database": {"url": server.location}}))
            offices = [Office(Center(name), folder / name) for name in centers]
            codes = [{"code": code, "zh": None, "en": None, "ru": None} for code in LISTED]
            await hub.say(
                HqEvent("net.cohub.code_list.published.v1", "technology", {"name": "technology", "codes": codes}),
                *(HqEvent("net.cohub.center.registered.v1", o.id, o.record()) for o in offices),
            )
            for office in offices:
                office.set_up(hub, **settings)
            return cls(broker, hub, worker_of(hub, "worker", folder), offices)
        except BaseException:
            broker.kill()
            raise

    @property
    def programs(self) -> list[Program]:
        """Every process, the broker first."""
        return [self.broker, self.worker, *self.more, *(office.connector for office in self.offices)]

    def another_worker(self) -> Program:
        """Add a second worker, not started yet."""
        made = worker_of(self.hub, "second", self.worker.folder)
        self.more.append(made)
        return made

    def start(self) -> None:
        """Start whatever does not run, as a supervisor does."""
        for program in self.programs:
            program.start()

    def kill(self) -> None:
        """End everything at once."""
        for program in reversed(self.programs):
            program.kill()

    async def until(self, seen: Callable[[], object], deadline_s: float) -> None:
        """Return once `seen`, starting again what ends by itself.

        Errors: AssertionError with everybody's last words.
        """
        end = time.monotonic() + deadline_s
        ends = ENDS_MAX + sum(len(program.ended) for program in self.programs)
        while not seen():
            assert time.monotonic() < end, self.last_words()
            assert sum(len(program.ended) for program in self.programs) < ends, self.last_words()
            self.start()
            await asyncio.sleep(0.1)

    def size(self) -> int:
        """Return how many events HQ has of all centers."""
        return int(self.ask("SELECT coalesce(sum(size), 0) FROM lane WHERE center <> 'hq'"))

    def is_published(self) -> bool:
        """Whether the publisher's cursors are where the lanes are, and HQ's own lane stands on `hub.lane`."""
        upto = "coalesce((SELECT upto FROM said WHERE topic = 'hub.lane'), 0)"
        said = f"SELECT {upto} = size FROM lane WHERE center = 'hq'"
        return is_published(self.database()) and bool(self.ask(said))

    def database(self) -> Path:
        """Return a file that has HQ's database: its own, or a mirror as of now."""
        if self.hub.server is None:
            return self.hub.database
        copy = self.hub.data_dir / "looked_at.sqlite3"
        in_thread(mirror(self.hub.server, copy))
        return copy

    def ask(self, query: str) -> Any:
        """Return one value out of HQ's database."""
        return ask(self.database(), query)

    def is_cosigned(self) -> bool:
        """Whether every receipt is in HQ's log and was seen there, and every center has cosigned all of it."""
        found = [office.status() for office in self.offices]
        if any(status is None or status["witness"]["receipts_waiting"] for status in found):
            return False
        standing = log_of(self.database()).standing()
        return not standing.behind and standing.cosigned == len(self.offices)

    async def settle(self, deadline_s: float = 90.0) -> None:
        """Return once every sheet is decided, receipted, published and in HQ's log, which every center has cosigned."""
        for office in self.offices:
            office.mark()
        await self.until(lambda: all(office.is_settled() for office in self.offices), deadline_s)
        await self.until(self.is_published, 30.0)
        await self.until(self.is_cosigned, 60.0)

    async def check(self) -> list[Finding]:
        """Stop all but the broker and return what the checker finds, the published topics included."""
        statuses = await self.stop()
        findings = [Finding("STATUS", name, str(status)) for name, status in statuses.items() if status]
        offices = [CheckedOffice(office.id, office.outbox, office.sheet) for office in self.offices]
        topics = await self.read_topics()
        findings += [
            Finding("WITNESS", office.id, what)
            for office in self.offices
            for what in office.witness.faults(await read_topic(self.hub.bootstrap, f"in.{office.id}"), office.outbox)
        ]
        return findings + check(self.database(), trust_of(self.hub.identity), offices, topics)

    async def read_topics(self) -> list[Record]:
        """Return all records that HQ has published."""
        out = [f"out.{office.id}" for office in self.offices]
        fanned = ["events", *(f"state.{stream}" for stream in STREAMS)]
        places = [(topic, 0) for topic in out] + [(t, p) for t in fanned for p in range(FAN_OUT_PARTITIONS)]
        return [
            Record(topic, partition, record.key, record.value, tuple(record.headers))
            for topic, partition in places
            for record in await read_topic(self.hub.bootstrap, topic, partition)
        ]

    async def stop(self) -> dict[str, int]:
        """Stop all but the broker as an operator would; return their statuses."""
        return {program.name: await program.stop() for program in reversed(self.programs[1:])}

    def last_words(self) -> str:
        """Return what a person needs to see what hangs."""
        said = [f"HQ: {self.ask('SELECT json_group_array(json_array(center, status, why, next_offset)) FROM intake')}"]
        for office in self.offices:
            found = office.status()
            said.append(f"{office.id}: {found and (found['totals'], found['lane'], found['alarms'], found['link'])}")
        for program in self.programs:
            lines = program.log.read_text("utf-8", "replace").splitlines()[-12:] if program.log.exists() else []
            said += [f"--- {program.name}, ended by itself: {program.ended}", *lines]
        return "\n".join(said)


def worker_of(hub: Hub, name: str, folder: Path) -> Program:
    """Return a worker of its own name: after a kill it has its lanes back without waiting for the group's timeout."""
    arguments = ["-m", "hub.cli.main", "--data-dir", str(hub.data_dir), "worker", "--bootstrap", hub.bootstrap]
    return Program(name, [*arguments, "--instance", name], folder)
