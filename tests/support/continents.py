"""HQ, a corporate proxy and three offices on machines of their own, set up by the commands that people would type."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from hub.hq.folder import HubFolder
from hub.hq.identity import load_identity
from tests.support.checker import Finding, check, row_verdicts, trust_of
from tests.support.checker import Office as CheckedOffice
from tests.support.middle import Middle
from tests.support.namespaces import Host, hosts
from tests.support.network import MAPPING, Program
from tests.support.peek import ask
from tests.support.sheet import Row, Sheet

PROXY_PORT: Final = 3128
READY_S: Final = 120.0
LOOK_S: Final = 0.1
ROW_EVERY_S: Final = 0.5
WAYS: Final = {"uz": "kafka", "kz": "auto", "cn": "https"}
SHOWN: Final = {"uz": "Kafka", "kz": "HTTPS by proxy", "cn": "HTTPS"}
PROFILE: Final = ("--country", "UZ", "--direction", "north", "--language", "en", "--stream", "offer")
PATIENCE: Final = {"settle_s": 0, "file_settle_s": 0, "poll_s": 0.2, "guard": {"percent": 100}}


@dataclass(frozen=True, slots=True)
class Measured:
    """What an outage was to one office.

    Units: from the healing to the first event that HQ has accepted, and to the first receipt in the office; the longest
           time without a receipt, from the outage's beginning on.
    """

    accepted_s: float
    heard_s: float
    silence_s: float


@dataclass
class Office:
    """One office: its machine, its folder, its connector, and the row that it writes every half a second."""

    id: str
    host: Host
    folder: Path
    environment: Mapping[str, str]
    sheet: Sheet = field(init=False)
    connector: Program = field(init=False)
    heard_at_s: list[float] = field(default_factory=list)
    accepted_at_s: list[float] = field(default_factory=list)
    _seen: tuple[int, int] = (0, 0)

    def __post_init__(self) -> None:
        self.sheet = Sheet(self.folder)
        self.connector = Program(
            f"connector-{self.id}",
            ["-m", "connectors.cli.main", "run", "--office", str(self.folder), "--quiet"],
            self.folder.parent,
            [*self.host.command(self.environment), sys.executable],
        )

    @property
    def outbox(self) -> Path:
        """Where the outbox is."""
        return self.folder / "outbox.sqlite3"

    def prepare(self) -> None:
        """Say which way is taken, and what the sheet is to be read by, as a person of the office would."""
        settings = self.folder / "connector.yaml"
        given = yaml.safe_load(settings.read_text("utf-8")) | PATIENCE | {"way": WAYS[self.id]}
        settings.write_text(yaml.safe_dump(given), "utf-8")
        (self.folder / "mappings").mkdir(exist_ok=True)
        (self.folder / "mappings" / "offers.yaml").write_text(yaml.safe_dump(MAPPING), "utf-8")

    def write(self) -> None:
        """Add a row."""
        number = len(self.sheet.rows) + 1
        self.sheet.put(f"K-{number}", Row(title=f"Offer {number}"))
        self.sheet.save()

    def look(self, database: Path, now_s: float) -> None:
        """Take note of what HQ has accepted since, and what the office has heard of that."""
        accepted = ask(database, "SELECT coalesce(sum(size), 0) FROM lane WHERE center = ?", self.id)
        heard = ask(self.outbox, "SELECT coalesce(max(last), 0) FROM receipt")
        if accepted > self._seen[0]:
            self.accepted_at_s.append(now_s)
        if heard > self._seen[1]:
            self.heard_at_s.append(now_s)
        self._seen = accepted, heard

    def is_quiet(self) -> bool:
        """Whether every row was accepted, and the office knows it."""
        states = [state for _, state, _ in row_verdicts(self.outbox)]
        return states == ["accepted"] * len(self.sheet.rows)

    def has_heard_of(self, rows: int) -> bool:
        """Whether the receipts reach as far as so many rows; the lane's first event opens it."""
        return self._seen[1] > rows


@dataclass
class Continents:
    """The whole network, which runs."""

    middle: Middle
    hq: Host
    where: HubFolder
    proxy: Program
    offices: list[Office]
    programs: list[Program]
    _is_written: bool = False

    @classmethod
    @asynccontextmanager
    async def laid_out(cls, folder: Path) -> AsyncIterator[Continents]:
        """Yield the network when each office has its first receipt; rows are written and looked for all the time."""
        with hosts("hq", "proxy", *WAYS) as (middle, there):
            made = cls._made(folder, middle, there)
            try:
                await made._open(folder)
                tasks = [asyncio.create_task(made._write()), asyncio.create_task(made._look())]
                try:
                    await made.until(lambda: all(office.heard_at_s for office in made.offices), READY_S)
                    yield made
                finally:
                    for task in tasks:
                        task.cancel()
                    await asyncio.gather(*tasks, return_exceptions=True)
            finally:
                for program in reversed(made.programs):
                    program.kill()

    @classmethod
    def _made(cls, folder: Path, middle: Middle, there: Mapping[str, Host]) -> Continents:
        hq, proxy_host = there["hq"], there["proxy"]
        # The office behind the proxy reaches nothing else.
        middle.apart |= {frozenset({there["kz"].address, other.address}) for other in there.values()} - {
            frozenset({there["kz"].address}),
            frozenset({there["kz"].address, proxy_host.address}),
        }
        where = HubFolder(folder / "hub")
        hub = ["-m", "hub.cli.main", "--data-dir", str(where.data_dir)]
        python = [*hq.command(), sys.executable]
        proxy_python = [*proxy_host.command(), sys.executable]
        proxy = Program("proxy", ["-m", "tests.support.proxies", str(PROXY_PORT)], folder, proxy_python)
        variables = {"HTTPS_PROXY": f"http://{proxy_host.address}:{PROXY_PORT}"}
        offices = [Office(name, there[name], folder / name, variables if name == "kz" else {}) for name in WAYS]
        up, web = Program("up", [*hub, "up"], folder, python), Program("web", [*hub, "web"], folder, python)
        programs = [up, web, proxy, *(office.connector for office in offices)]
        return cls(middle, hq, where, proxy, offices, programs)

    @property
    def office_hosts(self) -> list[Host]:
        """The offices' machines."""
        return [office.host for office in self.offices]

    @staticmethod
    def now_s() -> float:
        """Return a time by which outages are measured."""
        return time.monotonic()

    async def measured(self, began_s: float, deadline_s: float) -> dict[str, Measured]:
        """Return how each office came through an outage that is over now, once it has caught up."""
        healed_s = self.now_s()
        rows = {office.id: len(office.sheet.rows) for office in self.offices}
        await self.until(lambda: all(each.has_heard_of(rows[each.id]) for each in self.offices), deadline_s)
        return {SHOWN[office.id]: _measured(office, began_s, healed_s) for office in self.offices}

    async def findings(self) -> list[Finding]:
        """End everything when all is accepted that was written; return what is wrong in the books of both ends."""
        self._is_written = True
        await self.until(lambda: all(office.is_quiet() for office in self.offices), READY_S)
        for program in reversed(self.programs):
            await program.stop()
        offices = [CheckedOffice(office.id, office.outbox, office.sheet) for office in self.offices]
        return check(self.where.database, trust_of(load_identity(self.where.keys)), offices)

    async def until(self, seen: Callable[[], object], deadline_s: float) -> None:
        """Return once `seen`. Errors: AssertionError with everybody's last words."""
        end_s = self.now_s() + deadline_s
        while not seen():
            ended = [one.name for one in self.programs if not one.is_running and one.ended]
            assert not ended, f"{ended} ended by themselves: {self.last_words()}"
            assert self.now_s() < end_s, self.last_words()
            await asyncio.sleep(LOOK_S)

    def last_words(self) -> str:
        """Return what a person needs to see what hangs."""
        said = []
        for program in self.programs:
            lines = program.log.read_text("utf-8", "replace").splitlines()[-15:] if program.log.exists() else []
            said += [f"--- {program.name}", *lines]
        return "\n".join(said)

    async def _open(self, folder: Path) -> None:
        """Have HQ run and every office let in."""
        self.where.data_dir.mkdir(mode=0o700)
        address = self.hq.address
        (self.where.data_dir / "hub.yaml").write_text(
            yaml.safe_dump(
                {
                    "broker": {"listen": f"{address}:9093", "advertise": f"{address}:9093"},
                    "web": {"listen": f"{address}:8443", "public": f"https://{address}:8443"},
                }
            )
        )
        up, web, *_ = self.programs
        up.start()
        await self._says(up, "is up at")
        web.start()
        self.proxy.start()
        await self._says(web, "listens on port")
        await asyncio.gather(*(self._join(office, folder / f"{office.id}.cohub") for office in self.offices))
        for office in self.offices:
            office.prepare()
            office.connector.start()

    async def _join(self, office: Office, file: Path) -> None:
        """Let one office in by a file and a telephone call."""
        name = office.id
        await self._hub("center", "add", name, "--name", name, *PROFILE, "--invite", str(file))
        join = ["join", str(file), "--language", "en", "--json", "--wait"]
        spoken = json.loads(await self._connector(office, *join, "0"))["own"]["words"]
        joining = asyncio.create_task(self._connector(office, *join, str(READY_S)))
        while not joining.done():
            with contextlib.suppress(subprocess.CalledProcessError):  # its request is on its way
                await self._hub("center", "confirm", name, "--words", " ".join(spoken))
                break
            await asyncio.sleep(3)
        assert json.loads(await joining)["state"] == "joined", name

    async def _hub(self, *arguments: str) -> str:
        command = [*self.hq.command(), sys.executable, "-m", "hub.cli.main", "--data-dir", str(self.where.data_dir)]
        return await _ran([*command, *arguments])

    async def _connector(self, office: Office, *arguments: str) -> str:
        """Return what a command of an office prints; that HQ has not confirmed yet is no error."""
        command = [*office.host.command(office.environment), sys.executable, "-m", "connectors.cli.main"]
        return await _ran([*command, *arguments, "--office", str(office.folder)], (0, 1))

    async def _says(self, program: Program, text: str) -> None:
        await self.until(lambda: any(text in line for line in program.said()), READY_S)

    async def _write(self) -> None:
        while not self._is_written:
            for office in self.offices:
                await asyncio.to_thread(office.write)
            await asyncio.sleep(ROW_EVERY_S)

    async def _look(self) -> None:
        while True:
            for office in self.offices:
                if office.outbox.exists():
                    with contextlib.suppress(Exception):  # being made
                        office.look(self.where.database, self.now_s())
            await asyncio.sleep(LOOK_S)


def _measured(office: Office, began_s: float, healed_s: float) -> Measured:
    def first(moments: list[float]) -> float:
        return next(at for at in moments if at > healed_s) - healed_s

    heard = [began_s, *(at for at in office.heard_at_s if at > began_s)]
    silence_s = max(after - before for before, after in itertools.pairwise(heard))
    return Measured(first(office.accepted_at_s), first(office.heard_at_s), silence_s)


async def _ran(command: list[str], good: tuple[int, ...] = (0,)) -> str:
    done: Any = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
    if done.returncode not in good:
        raise subprocess.CalledProcessError(done.returncode, command, done.stdout, done.stderr)
    return str(done.stdout)
