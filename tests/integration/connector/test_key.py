"""A center changes its key, beside a real HQ."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

import pytest

from connectors.runtime.codecs import Codecs
from connectors.runtime.folder import Folder
from connectors.runtime.gather import Gatherer
from connectors.runtime.ids import EventIds
from connectors.runtime.office import read_key, read_office
from connectors.runtime.outbox import Outbox
from connectors.runtime.signals import Replans, Signal
from hub.broker.embedded import EmbeddedKafka
from hub.hq.centers import add_key, revoke_key
from hub.hq.folder import HubFolder
from tests.support.center import Center
from tests.support.folder import OfficeFolder, until
from tests.support.worker import Hub

pytestmark = pytest.mark.integration


async def connector_key(office: OfficeFolder, *arguments: str) -> tuple[int, str]:
    """Run `connector key …`, a process of its own; return its status and what it says."""
    program = "from connectors.cli.main import main; main()"
    asked = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program, "key", *arguments, "--office", str(office.folder)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await asyncio.wait_for(asked.communicate(), 60)
    return asked.returncode or 0, said.decode()


async def test_batches_sealed_by_the_old_key_are_receipted_after_it_was_revoked(
    hub: Hub, kafka: EmbeddedKafka, tmp_path: Path, topic_prefix: str
) -> None:
    """A rotation loses nothing: what the old key sealed and nobody has read yet is sealed again by the new one."""
    office = OfficeFolder(tmp_path / "office", topic_prefix, kafka.bootstrap)
    (office.folder / "trust.note").write_bytes(hub.identity.note)
    await hub.register(Center(office.center, seed=b"k" * 32))
    office.sheet({"A": "Pump"})
    async with office.running() as connector:
        await until(lambda: connector.outbox.status()["totals"]["accepted"] == 1)
    # Rows taken and sealed, and the process died before the first byte was sent.
    office.sheet({"A": "Pump of steel"})
    await seal_unsent(office)

    assert (await connector_key(office, "new"))[0] == 0
    status, said = await connector_key(office, "use")
    assert (status, "HQ does not have" in said) == (2, True)
    note = (office.folder / f"{office.center}.rotation.note").read_bytes()
    place = HubFolder(hub.data_dir)
    await add_key(place, office.center, note, replaces_lost=False)
    async with asyncio.timeout(20):
        while (answer := await connector_key(office, "use"))[0]:
            assert "HQ does not have" in answer[1]  # it is published by the worker, in a moment
    await revoke_key(place, office.center, office.key.verifier.key_id.hex(), "rotated")

    assert read_key(office.folder / "keys" / "seal.key").verifier != office.key.verifier
    async with office.running() as connector:
        await until(lambda: connector.outbox.status()["totals"]["backlog"] == 0)
        await until(lambda: connector.outbox.status()["totals"]["accepted"] == 1)
        assert connector.outbox.status()["alarms"] == {}


async def seal_unsent(office: OfficeFolder) -> None:
    """Gather the sheet and seal it with the present key, with no broker in reach."""
    opened = read_office(office.folder)
    with Outbox(opened.outbox) as outbox:
        gatherer = Gatherer(outbox, Codecs(), EventIds(), settle_s=0, guard=opened.settings.guard, clock=time.monotonic)
        folder = Folder(opened, outbox, gatherer, Replans(), Signal())
        for _ in range(3):
            folder._pass()
        assert outbox.lane.seal(opened.key) is not None
