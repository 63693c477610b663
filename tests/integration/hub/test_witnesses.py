"""HQ and three centers on real parts: the log is cosigned and believed, and a history that HQ rewrites is found out."""

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
from hub.broker.embedded import EmbeddedKafka
from hub.cli.main import run_command as run_hub_command
from hub.cli.options import Settings
from hub.domain.catalogue import KINDS
from hub.hq.headquarters import HqEvent
from hub.ledger.halt import Halt
from hub.ledger.notary import Stored, record_of
from hub.protocol.checkpoint import Checkpoint, sign_checkpoint
from hub.protocol.note import Note
from hub.protocol.topics import CHECKPOINTS
from hub.protocol.witness import log_origin
from tests.support.center import Center, Sent
from tests.support.hq import center_record
from tests.support.peek import ask, log_of
from tests.support.witness import Witness
from tests.support.worker import Hub, produce

LOGGED: Final = re.compile(r"\d{4}-\d\d-\d\d ")

pytestmark = pytest.mark.integration


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


@pytest.fixture
async def network(tmp_path: Path, kafka: EmbeddedKafka, topic_prefix: str) -> Network:
    hub = Hub.make(tmp_path / "data", kafka.bootstrap)
    made = Network(hub, tmp_path, topic_prefix)
    await made.register()
    return made


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


async def test_log_is_cosigned_and_believed(network: Network, capsys: pytest.CaptureFixture[str]) -> None:
    """Two of three make a checkpoint believed; the third comes later, and every receipt is seen in the log."""
    hub, (one, two, three) = network.hub, network.centers
    async with hub.running(), contextlib.AsyncExitStack() as running:
        connectors = [await running.enter_async_context(network.connector(name)) for name in (one, two)]
        for connector in connectors:
            queue(connector, "K-1")
        await hub.until(lambda s: offers(s) == 2)
        await hub.until(lambda s: not behind(s) and network.standing(s) == (2, size(s)))
        log = (await network.hub_status(capsys))["log"]
        assert (log["cosigned"], log["witnesses"], log["believed"]) == (2, 3, True)
        assert {w["center"]: bool(w["cosigned"]) for w in log["centers"]} == {one: True, two: True, three: False}
        async with network.connector(three):
            await hub.until(lambda s: network.standing(s)[0] == 3)
        for connector in connectors:
            async with asyncio.timeout(20):
                while connector.outbox.witnessed.waiting():
                    await asyncio.sleep(0.05)
        found = network.connector_status(one, capsys)
        assert (found["alarms"], found["witness"]["state"], found["witness"]["receipts_waiting"]) == ({}, "reads", 0)


async def test_rewritten_history_stops_every_witness(network: Network, capsys: pytest.CaptureFixture[str]) -> None:
    """HQ's keys sign another story behind an old size: each witness stops, keeps both notes, and says so."""
    hub = network.hub
    async with contextlib.AsyncExitStack() as running:
        async with hub.running():
            connectors = [await running.enter_async_context(network.connector(name)) for name in network.centers]
            await hub.until(lambda s: not behind(s) and network.standing(s)[0] == 3)
        store = hub.store()
        log = await store.log.read(log_origin(hub.identity.hub))
        await store.close()
        async with hub.running():
            for connector in connectors:
                queue(connector, "K-1")
            await hub.until(lambda s: offers(s) == 3)
            await hub.until(lambda s: not behind(s) and network.standing(s)[0] == 3)
            leaves = tuple(bytes([number]) * 32 for number in range(3))
            edge = log.edge.append(leaves)
            keys = [hub.identity.log, hub.identity.log_long]
            note = sign_checkpoint(
                Checkpoint(log_origin(hub.identity.hub), edge.size, edge.root), keys, datetime.now(UTC)
            )
            key, value, headers = record_of(Stored(edge.size, note, log.size, leaves))
            await produce(hub.bootstrap, CHECKPOINTS, [Sent(key, value, tuple(headers))])
            async with asyncio.timeout(30):
                while any(c.outbox.witnessed.stopped() is None for c in connectors):
                    await asyncio.sleep(0.05)
            asked = "SELECT count(*) FROM intake WHERE alarm IS NOT NULL"
            await hub.until(lambda s: ask(s, asked) == 3)
        for connector, name in zip(connectors, network.centers, strict=True):
            (kept,) = connector.outbox.witnessed.breaks()
            assert kept.theirs == value
            Note.from_bytes(kept.ours).verify([hub.identity.log.verifier])
            found = network.connector_status(name, capsys)
            assert kept.reason in found["alarms"]["log"]
            assert found["witness"]["stopped"]["reason"] == kept.reason
    found = (await network.hub_status(capsys))["log"]
    assert [bool(w["alarm"]["reason"]) for w in found["centers"]] == [True] * 3
