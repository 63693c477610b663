"""A network of mixed releases: HQ and each office run by the release that a test says, every part a real process."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from hub.protocol.control import enrolment, key_name
from hub.protocol.keys import COSIGNATURE_ED25519, ED25519, Signer
from tests.support.network import MAPPING, Broker, Program
from tests.support.release import CONNECTOR, HUB, Release

NAME: Final = "hub.example"
OPTIONS: Final = ("--name", "T", "--country", "UZ", "--direction", "north", "--language", "en", "--stream", "offer")
FIELDS: Final = {
    "title": {"column": "Title"},
    "language": {"value": "en"},
    "export_control": {"column": "Control"},
}
PATIENCE: Final = {
    "settle_s": 0, "file_settle_s": 0, "poll_s": 0.1, "receipt_wait_s": 3.0, "request_timeout_s": 5.0,
    "presence_s": 0.5, "registry_wait_s": 3.0, "guard": {"percent": 100},
}  # fmt: skip


@dataclass
class MixedOffice:
    """One office: its folder, the release that runs it now, and what its sheet says."""

    id: str
    folder: Path
    release: Release
    rows: dict[str, str] = field(default_factory=dict)
    program: Program | None = None

    def set_up(self, trust_note: bytes, bootstrap: str) -> list[Path]:
        """Lay out the folder; return the enrolment notes for HQ."""
        (self.folder / "keys").mkdir(parents=True)
        (self.folder / "mappings").mkdir()
        notes = []
        for purpose, algorithm in (("seal", ED25519), ("witness", COSIGNATURE_ED25519)):
            signer = Signer(key_name(NAME, self.id, purpose), f"{self.id}{purpose}".ljust(32).encode()[:32], algorithm)
            key = self.folder / "keys" / f"{purpose}.key"
            key.write_text(signer.to_text() + "\n")
            key.chmod(0o600)
            notes.append(self.folder / f"{purpose}.note")
            notes[-1].write_bytes(enrolment(NAME, self.id, purpose, signer))
        (self.folder / "trust.note").write_bytes(trust_note)
        mapping = {name: MAPPING[name] for name in ("files", "stream", "key", "status")} | {"fields": FIELDS}
        (self.folder / "mappings" / "offers.yaml").write_text(yaml.safe_dump(mapping))
        settings = {"hub": NAME, "center": self.id, "bootstrap": [bootstrap]} | PATIENCE
        (self.folder / "connector.yaml").write_text(yaml.safe_dump(settings))
        return notes

    def say(self, rows: Mapping[str, str]) -> None:
        """Write titles by key into the sheet, beside what stands there."""
        self.rows |= rows
        part = self.folder / "offers.part"
        lines = [f"{key},{title},free,published" for key, title in self.rows.items()]
        part.write_text("\n".join(["No,Title,Control,Status", *lines]) + "\n")
        part.replace(self.folder / "offers.csv")

    def start(self) -> None:
        """Run its connector by the release that it has now."""
        command = self.release.command(CONNECTOR)
        arguments = ["run", "--office", str(self.folder), "--quiet"]
        self.program = Program(f"connector-{self.id}", arguments, self.folder.parent, command)
        self.program.start()

    def status(self) -> dict[str, Any] | None:
        """Return what `connector status --json` says; None where it says nothing yet."""
        done = self.release.connector(self.folder, "status", "--json")
        found: dict[str, Any] | None = json.loads(done.stdout) if done.stdout.startswith("{") else None
        return found

    def is_settled(self) -> bool:
        """Whether HQ has accepted every row, every event has its receipt, and each receipt was met in HQ's log."""
        found = self.status()
        if found is None:
            return False
        totals = found["totals"]
        known = totals["accepted"] + totals["unchanged"]
        waiting = totals["pending"] or totals["backlog"] or found["witness"]["receipts_waiting"]
        return known == len(self.rows) and not waiting and not found["alarms"]


@dataclass
class Mixed:
    """A broker, an HQ and its offices. `hq` is the release that runs HQ now."""

    folder: Path
    hq: Release
    broker: Broker
    offices: list[MixedOffice] = field(default_factory=list)
    worker: Program | None = None

    @classmethod
    async def set_up(cls, folder: Path, hq: Release, offices: Mapping[str, Release]) -> Mixed:
        """Make a hub and its offices, each registered by HQ's own commands, with the broker running."""
        made = cls(folder, hq, Broker(folder / "broker"))
        made.broker.start()
        try:
            bootstrap = await made.broker.ready()
            made.hub("init", "--hub", NAME)
            trust = (made.data_dir / "keys" / "trust.note").read_bytes()
            for name, release in offices.items():
                office = MixedOffice(name, folder / name, release)
                given = [text for note in office.set_up(trust, bootstrap) for text in ("--enrolment", str(note))]
                made.hub("center", "add", name, *OPTIONS, *given)
                made.offices.append(office)
        except BaseException:
            made.kill()
            raise
        return made

    @property
    def data_dir(self) -> Path:
        """HQ's data directory."""
        return self.folder / "hub"

    def hub(self, *arguments: str) -> str:
        """Return what a command of HQ's says; it must end well."""
        done = self.hq.hub(self.data_dir, *arguments)
        assert done.returncode == 0, (arguments, done.stdout, done.stderr)
        return done.stdout

    def start(self) -> None:
        """Run HQ's worker and every connector."""
        arguments = ["--data-dir", str(self.data_dir), "worker", "--bootstrap", self.broker.bootstrap]
        self.worker = Program("worker", [*arguments, "--instance", "one"], self.folder, self.hq.command(HUB))
        self.worker.start()
        for office in self.offices:
            office.start()

    async def settle(self, deadline_s: float = 40.0) -> None:
        """Return once every office is settled. Errors: AssertionError with everybody's last words."""
        await self.until(lambda: all(office.is_settled() for office in self.offices), deadline_s)

    async def until(self, seen: Callable[[], object], deadline_s: float) -> None:
        """Return once `seen`; a program that ends by itself meanwhile is a failure."""
        end = time.monotonic() + deadline_s
        while not await asyncio.to_thread(seen):
            assert time.monotonic() < end, self.last_words()
            assert all(program.is_running for program in self.programs), self.last_words()
            await asyncio.sleep(0.2)

    @property
    def programs(self) -> list[Program]:
        """What runs beside the broker."""
        found = [self.worker, *(office.program for office in self.offices)]
        return [program for program in found if program is not None]

    async def stop(self) -> None:
        """Stop all but the broker as an operator would: each of them ends well."""
        statuses = {program.name: await program.stop() for program in reversed(self.programs)}
        assert not any(statuses.values()), (statuses, self.last_words())

    def kill(self) -> None:
        """End everything at once."""
        for program in [*reversed(self.programs), self.broker]:
            program.kill()

    def last_words(self) -> str:
        """Return what a person needs to see what hangs."""
        said = []
        for office in self.offices:
            found = office.status()
            said.append(f"{office.id} by {office.release.name}: {found and (found['totals'], found['alarms'])}")
        for program in self.programs:
            lines = program.log.read_text("utf-8", "replace").splitlines()[-12:] if program.log.exists() else []
            said += [f"--- {program.name}, ended by itself: {program.ended}", *lines]
        return "\n".join(map(str, said))
