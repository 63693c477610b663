"""The whole network of a run: three locked brokers, PostgreSQL, workers and offices, each a process, each by a link."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final

import yaml

from hub.domain.stream import HQ
from hub.hq.access import give
from hub.hq.access_key import AccessKey
from hub.hq.headquarters import Headquarters, HqEvent
from hub.hq.identity import Identity, load_identity
from hub.protocol.errors import CohubError
from hub.protocol.scram import ITERATIONS, SALT_LENGTH, Credential
from hub.store.copying import mirror
from hub.store.postgres import PostgresStore
from hub.store.postgres_open import bring_up_to_date
from hub.store.postgres_server import Server
from hub.store.released import released_schemas
from tests.support.center import Center
from tests.support.network import Office, Program
from tests.support.peek import is_published, log_of, peek
from tests.support.postgres import PostgresServer
from tests.support.sheet import LISTED
from tests.support.worker import Hub
from tests.torture.cluster import Brokers, _free_port
from tests.torture.disks import Disk, WeakDisk
from tests.torture.links import HOST, Links
from tests.torture.plan import DATABASE, Size

BROKER_MIB: Final = 700
DATABASE_MIB: Final = 1_500
OFFICE_MIB: Final = 48
RESTART_S: Final = 2.0  # our units for systemd wait longer
STOP_S: Final = 60.0  # thirty end at once
LOOKED_AT: Final = "looked-at.sqlite3"
SMALL_OFFICES: Final = 3  # so many have a disk that can be full
SESSION_S: Final = 15.0  # forty processes share two cores here: six seconds pass before a broker hears who lives
PATIENCE: Final = {"poll_s": 1.0, "presence_s": 5.0, "request_timeout_s": 8.0, "receipt_wait_s": 6.0}


@dataclass
class Site:
    """One network in a folder, and what it takes to see how it fares."""

    root: Path
    size: Size
    links: Links
    brokers: Brokers
    server: PostgresServer
    workers: list[Program] = field(default_factory=list)
    offices: list[Office] = field(default_factory=list)
    disks: dict[str, Disk] = field(default_factory=dict)
    held: set[str] = field(default_factory=set)  # whom a fault keeps down: nobody starts it
    _ends: dict[str, tuple[int, float]] = field(default_factory=dict)  # of each program how many, and when it may start
    unsaved: set[str] = field(default_factory=set)  # offices whose sheet found no room

    @classmethod
    async def set_up(cls, root: Path, size: Size, *, has_disks: bool, launcher: Mapping[str, Sequence[str]]) -> Site:
        """Return a network whose brokers and database run, with every center registered, and nothing else started.

        Shapes: `launcher` has for a kind of program (`worker`, `office`) what its command begins with.
        """
        links = Links(root)
        site: Site | None = None
        try:
            disks = _disks(root, size) if has_disks else {}
            brokers = Brokers.laid_out(root, links, len(size.brokers))
            under = disks[DATABASE].folder if has_disks else None
            for program in brokers.programs:
                program.start()
            server = await asyncio.to_thread(PostgresServer, {"fsync": "on"}, 0, under)
            site = cls(root, size, links, brokers, server, disks=disks)
            await asyncio.to_thread(server.start)
            await server.ask("postgres", "CREATE DATABASE hub")
            await asyncio.to_thread(bring_up_to_date, server.server("hub"))
            await site._register()
            site._make_workers(launcher["worker"])
            site._make_offices(launcher["office"])
            await site.until(lambda: brokers.is_ready, 120.0)
        except BaseException:
            if site is None:  # its brokers end with us
                links.end()
            else:
                site.end()
            raise
        return site

    @property
    def identity(self) -> Identity:
        """Who HQ is."""
        return load_identity(self.brokers.where.hub.keys)

    @property
    def programs(self) -> list[Program]:
        """Every process but those of the database and the links."""
        return [*self.brokers.programs, *self.workers, *(office.connector for office in self.offices)]

    def program(self, name: str) -> Program:
        """Return a broker, a worker or an office's connector by its name in the plan."""
        return {**{one.name: one for one in self.programs}, **{one.id: one.connector for one in self.offices}}[name]

    def office(self, name: str) -> Office:
        """Return an office by its center's id."""
        return next(office for office in self.offices if office.id == name)

    def start(self) -> None:
        """Start whatever does not run and may, as a supervisor does: what has ended by itself after a moment."""
        now_s = time.monotonic()
        for program in self.programs:
            if program.is_running or {program.name, program.name.removeprefix("connector-")} & self.held:
                continue
            ends = len(program.ended)
            if ends > self._ends.get(program.name, (0, 0.0))[0]:
                self._ends[program.name] = ends, now_s + RESTART_S
            if now_s >= self._ends.get(program.name, (0, 0.0))[1]:
                program.start()

    def end(self) -> None:
        """End everything at once."""
        for program in reversed(self.programs):
            program.kill()
        self.links.end()
        self.server.remove()
        for disk in self.disks.values():
            disk.end()

    async def until(self, seen: Callable[[], object], deadline_s: float) -> bool:
        """Return True once `seen`, False at the deadline; whatever ends by itself meanwhile is started again."""
        ends_s = time.monotonic() + deadline_s
        while not await asyncio.to_thread(_tried, seen):
            if time.monotonic() > ends_s:
                return False
            self.start()
            await asyncio.sleep(0.3)
        return True

    def write(self, rng: Random) -> None:
        """Have one office edit its sheet and save it."""
        office = rng.choice(self.offices)
        office.sheet.edit(rng)
        self.save(office)

    def save(self, office: Office) -> None:
        """Save a sheet; one that finds no room is saved later."""
        self.unsaved.discard(office.id)
        try:
            office.sheet.save()
        except OSError:
            self.unsaved.add(office.id)

    async def events(self) -> int:
        """Return how many events HQ has of all centers. Errors: those of a database that is away."""
        rows = await self.server.ask("hub", "SELECT coalesce(sum(size), 0) AS n FROM lane WHERE center <> $1", HQ)
        return int(rows[0]["n"])

    def waiting(self) -> int:
        """Return how many events of all offices have no receipt yet, as far as their outboxes can be read."""
        found = [status for office in self.offices if (status := office.status()) is not None]
        return sum(int(status["totals"]["backlog"]) for status in found)

    async def copy(self, path: Path) -> Path:
        """Write HQ's database as it is now into a file, as `hub mirror` does."""
        await mirror(self.server.server("hub"), path)
        return path

    def is_through(self) -> bool:
        """Whether everything is decided, receipted, published, in HQ's log, and cosigned by every center."""
        copy = asyncio.run(self.copy(self.root / LOOKED_AT))
        if not all(office.is_settled() for office in self.offices):
            return False
        statuses = [office.status() for office in self.offices]
        if any(status is None or status["witness"]["receipts_waiting"] for status in statuses):
            return False
        standing = log_of(copy).standing()
        return is_published(copy) and not standing.behind and standing.cosigned == len(self.offices)

    def is_through_or_broken(self) -> bool:
        """Whether it is through, or a lane stands still that only a person lets go on: nothing is to be waited for."""
        return self.is_through() or bool(
            peek(self.root / LOOKED_AT, "SELECT 1 FROM intake WHERE status IN ('parked', 'forked')")
        )

    def unsettled(self, copy: Path) -> list[str]:
        """Return in a sentence each what is not at its end, for whoever looks for why."""
        said = []
        for office in self.offices:
            status = office.status()
            if not office.is_settled() or status is None or status["witness"]["receipts_waiting"]:
                parts = status and {name: status[name] for name in ("totals", "lane", "alarms", "link", "witness")}
                said.append(f"{office.id} is not settled: {parts}")
        standing = log_of(copy).standing()
        if not is_published(copy):
            said.append("not all that HQ decided is published")
        if standing.behind or standing.cosigned != len(self.offices):
            said.append(f"HQ's log is behind by {standing.behind} and has {standing.cosigned} cosignatures")
        found = peek(
            copy, "SELECT center, status, why FROM intake WHERE (status <> 'reading' OR why <> '') AND center <> 'hq'"
        )
        return [*said, *(f"the lane of {center} is {status}: {why}" for center, status, why in found)]

    async def stop(self) -> dict[str, int]:
        """Stop all but brokers and database as an operator would; return their statuses."""
        programs = [*reversed(self.workers), *(office.connector for office in self.offices)]
        self.held.update(program.name for program in programs)
        found = await asyncio.gather(*(program.stop(STOP_S) for program in programs), return_exceptions=True)
        return {
            program.name: status if isinstance(status, int) else -9
            for program, status in zip(programs, found, strict=True)
        }

    async def _register(self) -> None:
        hub = Hub(self.brokers.where.hub.data_dir, "", self.identity)
        store = await PostgresStore.open(self.server.server("hub"))
        key = AccessKey.make(self.brokers.where.hub.keys)
        try:
            headquarters = Headquarters(store, hub.identity, released_schemas())
            await headquarters.prepare()
            codes = [{"code": code, "zh": None, "en": None, "ru": None} for code in LISTED]
            listed = HqEvent("net.cohub.code_list.published.v1", "technology", {"name": "technology", "codes": codes})
            self.offices = [Office(Center(name), self.root / "offices" / name) for name in self.size.offices]
            centers = [HqEvent("net.cohub.center.registered.v1", o.id, o.record()) for o in self.offices]
            await headquarters.say([listed, *centers])
            for office in self.offices:
                password = secrets.token_urlsafe(24)
                _secret(self.root / "passwords" / office.id, password)
                await give(store.access, key, office.id, Credential.of(password, os.urandom(SALT_LENGTH), ITERATIONS))
        finally:
            await store.close()

    def _make_workers(self, launcher: Sequence[str]) -> None:
        port = _free_port()
        self.links.add(DATABASE, port, f"{HOST}:{self.server.port}")
        url = Server(HOST, port, "hub", self.server.server("hub").user).location
        settings = self.brokers.settings | {"database": {"url": url}, "worker": {"session_s": SESSION_S}}
        for name in self.size.workers:
            folder = self.root / name
            folder.mkdir(mode=0o700)
            (folder / "keys").symlink_to(self.brokers.where.hub.keys)
            (folder / "hub.yaml").write_text(yaml.safe_dump(settings), "utf-8")
            arguments = [*launcher, "hub.cli.main", "--data-dir", str(folder), "worker"]
            self.workers.append(Program(name, arguments, self.root))

    def _make_offices(self, launcher: Sequence[str]) -> None:
        hub = Hub(self.brokers.where.hub.data_dir, "", self.identity)
        for office in self.offices:
            security = {
                "protocol": "SASL_SSL",
                "username": office.id,
                "password_file": str(self.root / "passwords" / office.id),
                "ca_file": str(self.brokers.where.hub.authority),
            }
            office.set_up(hub, **PATIENCE, bootstrap=list(self.brokers.offices), security=security, way="kafka")
            arguments = [*launcher, "connectors.cli.main", "run", "--office", str(office.folder), "--quiet"]
            office.connector = Program(f"connector-{office.id}", arguments, self.root)


def _disks(root: Path, size: Size) -> dict[str, Disk]:
    made: dict[str, Disk] = {name: Disk(root / name, BROKER_MIB) for name in size.brokers}
    made[DATABASE] = Disk(root / DATABASE, DATABASE_MIB)
    for name in size.weak:
        made[name] = WeakDisk(root / "offices" / name, OFFICE_MIB)
    for name in size.offices[:SMALL_OFFICES]:
        if name not in made:
            made[name] = Disk(root / "offices" / name, OFFICE_MIB)
    return made


def _secret(path: Path, text: str) -> None:
    path.parent.mkdir(mode=0o700, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(text + "\n")


def _tried(seen: Callable[[], object]) -> object:
    """Return what is seen; nothing where the database is away, or an outbox is being made."""
    with contextlib.suppress(CohubError, OSError, TimeoutError):
        return seen()
    return False
