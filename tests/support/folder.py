"""An office folder on disk, and its connector run as it is: on real topics, or on a broker in memory."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import yaml

from connectors.runtime.daemon import Connector
from connectors.runtime.office import read_office
from hub.base.kafka import AIOKAFKA, Clients
from hub.protocol.control import seal_key_name
from hub.protocol.note import Signer, sign_note
from hub.protocol.trust import Trust

HUB = "hub.example"
ROOT = Signer(f"{HUB}/root", b"o" * 32)
RECEIPTS = Signer(f"{HUB}/receipts", b"r" * 32)
MAPPING = {
    "files": "offers*.csv",
    "stream": "offer",
    "key": ["No"],
    "fields": {
        "title": {"column": "Title"},
        "language": {"value": "en"},
        "export_control": {"column": "Control"},
    },
    "status": {"column": "Status"},
}


class OfficeFolder:
    """One office on disk. `sheet` writes its sheet, `running` runs its connector."""

    def __init__(
        self, folder: Path, center: str, bootstrap: str, clients: Clients = AIOKAFKA, **settings: object
    ) -> None:
        self.folder = folder
        self.clients = clients
        self.center = center
        self.key = Signer(seal_key_name(HUB, center), b"k" * 32)
        folder.mkdir(exist_ok=True)
        (folder / "keys").mkdir()
        self.write_key(self.key)
        trust = sign_note(Trust(HUB, ROOT.verifier, (RECEIPTS.verifier,)).to_text(), [ROOT])
        (folder / "trust.note").write_bytes(trust.to_bytes())
        (folder / "mappings").mkdir()
        (folder / "mappings" / "offers.yaml").write_text(yaml.safe_dump(MAPPING))
        self.settings: dict[str, object] = {
            "hub": HUB,
            "center": center,
            "bootstrap": [bootstrap],
            "settle_s": 0,
            "file_settle_s": 0,
            "poll_s": 0.05,
            "receipt_wait_s": 1.0,
            "request_timeout_s": 3.0,
            "presence_s": 0.2,
            "registry_wait_s": 3,  # tests of other hubs leave their lanes on the shared broker
        } | settings
        self.add()

    def add(self, **settings: object) -> None:
        """Have the office's settings be these, too."""
        self.settings |= settings
        (self.folder / "connector.yaml").write_text(yaml.safe_dump(self.settings))

    def write_key(self, key: Signer) -> None:
        path = self.folder / "keys" / "seal.key"
        path.write_text(key.to_text())
        path.chmod(0o600)

    def sheet(self, rows: dict[str, str], name: str = "offers.csv", status: str = "published") -> None:
        """Write the sheet: titles by number; the control is free, but for titles that begin with `secret`."""
        lines = ["No,Title,Control,Status"]
        lines += [f"{n},{t},{'prohibited' if t.startswith('secret') else 'free'},{status}" for n, t in rows.items()]
        part = self.folder / f"{name}.part"
        part.write_text("\n".join(lines) + "\n")
        part.replace(self.folder / name)

    def running(self, **more: Any) -> contextlib.AbstractAsyncContextManager[Connector]:
        """Run the connector while the context lasts."""
        return run_connector(self.folder, self.clients, **more)


@contextlib.asynccontextmanager
async def run_connector(folder: Path, clients: Clients = AIOKAFKA, **more: Any) -> AsyncIterator[Connector]:
    """Run the connector of an office folder while the context lasts; what it dies of is raised."""
    connector = Connector(read_office(folder), clients=clients, **more)
    task = asyncio.create_task(connector.run())
    started = asyncio.create_task(connector.started.wait())
    await asyncio.wait([task, started], return_when=asyncio.FIRST_COMPLETED)
    started.cancel()
    try:
        yield connector
    finally:
        connector.stop()
        await task


async def until(condition: Callable[[], object], deadline_s: float = 20.0) -> None:
    """Return once `condition` holds; fail when it does not by the deadline."""
    end = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end, "it did not come to be in time"
        await asyncio.sleep(0.02)
