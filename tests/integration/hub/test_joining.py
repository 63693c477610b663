"""An office joins a hub by one file, with a worker and a locked broker, and is killed on its way."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from hub.broker.embedded import EmbeddedKafka
from hub.hq import centers, invitations
from hub.hq.folder import HubFolder
from hub.hq.identity import load_identity, make_identity
from hub.hq.profile import Profile
from hub.kafka.administration import administration
from hub.protocol.fingerprint import Fingerprint
from hub.protocol.invitation import Invitation, KafkaWay
from tests.integration.hub.test_access import LockedHub
from tests.support.attempts import allowed
from tests.support.folder import HUB

pytestmark = [pytest.mark.integration, pytest.mark.long]

UZ = Profile(name="Ташкент", country="UZ", direction="north", languages=("ru",), streams=("offer",))


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[LockedHub]:
    folder = tmp_path / "data"
    async with EmbeddedKafka(folder / "broker") as kafka:
        make_identity(HubFolder(folder).keys, HUB)
        yield LockedHub(folder, kafka.bootstrap, load_identity(HubFolder(folder).keys), kafka=kafka)


async def connector(*arguments: str, kill_after_s: float | None = None) -> tuple[int, str, str]:
    """Run a connector's command; return its status and what it printed."""
    command = [sys.executable, "-m", "connectors.cli.main", *arguments]
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    if kill_after_s is not None:
        await asyncio.sleep(kill_after_s)
        process.send_signal(signal.SIGKILL)
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def asked(file: Path, office: Path, wait_s: int = 4) -> dict[str, Any]:
    """Have an office ask until HQ has its request; return what the command says."""
    for _ in range(6):
        status, out, err = await connector("join", str(file), "--office", str(office), "--json", "--wait", str(wait_s))
        assert status in (0, 1), err
        found: dict[str, Any] = json.loads(out)
        if found["state"] != "waits" or wait_s == 0:
            return found
        wait_s = 0
    return found


async def users(hub: LockedHub) -> set[str]:
    async with administration(hub.broker.cluster) as access:
        return set(await access.users())


async def until_user(hub: LockedHub, name: str, *, there: bool) -> None:
    async with asyncio.timeout(30):
        while (name in await users(hub)) is not there:
            await asyncio.sleep(0.3)


async def test_office_joins_by_one_file(hub: LockedHub, tmp_path: Path) -> None:
    """Killed on its way it goes on; confirmed it is ready; a copy of the file opens nothing any more."""
    file, office = tmp_path / "uz.cohub", tmp_path / "office"
    await centers.register(hub.place, "uz", UZ, [])
    assert hub.broker.authority is not None
    way = KafkaWay((hub.bootstrap,), "SASL_SSL", hub.broker.authority.read_text())
    await invitations.invite(hub.place, "uz", file, way, None)
    bundle = Invitation.from_bytes(file.read_bytes())
    await connector("join", str(file), "--office", str(office), kill_after_s=3)  # HQ is away
    async with hub.running():
        await until_user(hub, bundle.user, there=True)
        guest = hub.broker.cluster_of(bundle.user, bundle.password)
        topics = ["join.uz", "join.kz", "in.uz", "out.uz", "hub.trust", "hub.lane", "state.center"]
        may = {what: names for what, names in (await allowed(guest, topics)).items() if names}
        seen = {"join.uz", "hub.trust"}
        assert may == {"describe": seen, "read": seen, "write": {"join.uz"}}
        waiting = await asked(file, office)
        assert waiting["state"] == "waits"
        await connector("join", str(file), "--office", str(office), kill_after_s=3)
        spoken = Fingerprint(tuple(waiting["own"]["numbers"]))
        async with asyncio.timeout(30):
            while (await invitations.look(hub.place, "uz")).standing.stage != "asked":
                await asyncio.sleep(0.2)
        assert (await invitations.look(hub.place, "uz")).root.numbers == tuple(waiting["root"]["numbers"])
        await invitations.confirm(hub.place, "uz", spoken)
        await until_user(hub, bundle.user, there=False)  # before the office has read its answer
        assert (await asked(file, office))["state"] == "joined"
        settings = yaml.safe_load((office / "connector.yaml").read_text())
        assert settings["security"]["username"] == "uz"
        status, out, err = await connector("check", "--office", str(office))
        assert "may write: in.uz" in out, out + err
        status, out, _ = await connector("join", str(file), "--office", str(office))
        assert (status, "already" in out) == (0, True)
        thief = await asked(file, tmp_path / "copy", wait_s=0)
        assert thief["state"] == "waits"
        assert not (tmp_path / "copy" / "connector.yaml").exists()
