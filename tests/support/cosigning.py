"""HQ and offices of three centers whose witnesses cosign its log, on a real broker."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from connectors.cli.main import run_command as run_connector_command
from connectors.reconcile.digest import record_digest
from connectors.runtime.codecs import Codecs
from connectors.runtime.daemon import Connector
from connectors.runtime.ids import EventIds
from connectors.runtime.office import read_office
from hub.cli.main import run_command as run_hub_command
from hub.cli.options import Settings
from hub.domain.catalogue import KINDS
from hub.hq.headquarters import HqEvent
from hub.ledger.halt import Halt
from tests.support.center import Center
from tests.support.hq import center_record
from tests.support.peek import ask, log_of
from tests.support.witness import Witness
from tests.support.worker import Hub

LOGGED: Final = re.compile(r"\d{4}-\d\d-\d\d ")


class Network:
    """A hub with its worker, and offices of three centers, whose connectors run when a test says so."""

    def __init__(self, hub: Hub, folder: Path, prefix: str) -> None:
        self.hub = hub
        self.folder = folder
        self.centers = [f"{prefix}-{n}" for n in range(3)]

    async def register(self) -> None:
        for name in self.centers:
            center = Center(name, seed=os.urandom(32))
            witness = Witness(center, os.urandom(32))
            record = center_record(center)
            record["keys"].append(witness.key())
            await self.hub.say(HqEvent("net.cohub.center.registered.v1", name, record))
            office = self.folder / name
            (office / "keys").mkdir(parents=True)
            for path, key in (("seal", center.signer), ("witness", witness.signer)):
                file = office / "keys" / f"{path}.key"
                file.write_text(key.to_text())
                file.chmod(0o600)
            shutil.copy(self.hub.data_dir / "keys" / "trust.note", office / "trust.note")
            settings = {
                "hub": self.hub.identity.hub,
                "center": name,
                "bootstrap": [self.hub.bootstrap],
                "presence_s": 1.0,
            }
            (office / "connector.yaml").write_text(yaml.safe_dump(settings))

    @contextlib.asynccontextmanager
    async def connector(self, name: str) -> AsyncIterator[Connector]:
        connector = Connector(read_office(self.folder / name), gathers=False)
        task = asyncio.create_task(connector.run())
        started = asyncio.create_task(connector.started.wait())
        await asyncio.wait([task, started], return_when=asyncio.FIRST_COMPLETED)
        started.cancel()
        try:
            yield connector
        finally:
            connector.stop()
            await task

    def standing(self, database: Path) -> tuple[int, int]:
        """Return how many centers have cosigned the newest checkpoint, and the newest size that is believed."""
        found = log_of(database).standing()
        return found.cosigned, found.believed_size

    async def hub_status(self, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
        capsys.readouterr()
        settings = Settings(self.hub.data_dir)
        status = await asyncio.to_thread(run_hub_command, ["status", "--json"], settings)
        found = printed(capsys)
        assert status == (1 if found["needs"] else 0)
        return found

    def connector_status(self, name: str, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
        capsys.readouterr()
        assert run_connector_command(["status", "--json", "-C", str(self.folder / name)]) in (0, 1)  # 1: an alarm
        return printed(capsys)


def printed(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """Return the JSON that a command has printed; what runs beside it logs to the same place."""
    told = [line for line in capsys.readouterr().out.splitlines() if not LOGGED.match(line)]
    return dict(json.loads("\n".join(told)))


def offers(database: Path) -> int:
    return int(ask(database, "SELECT count(*) FROM entity WHERE stream = 'offer'"))


def behind(database: Path) -> int:
    return log_of(database).behind()


def size(database: Path) -> int:
    return log_of(database).size


def rolled_back(database: Path) -> Halt | None:
    return log_of(database).rolled_back()


def queue(connector: Connector, key: str) -> None:
    """Say one more thing."""
    codecs, ids = Codecs(), EventIds()
    center = connector.office.settings.center
    record = {"title": f"Offer {key}", "language": "en", "export_control": "free"}
    event = codecs.event(
        KINDS["net.cohub.offer.published.v1"],
        f"{center}:{key}",
        record,
        event_id=ids.make(),
        time=datetime.now(UTC),
        status="published",
        digest=record_digest(record),
    )
    connector.outbox.enqueue_events([event])
