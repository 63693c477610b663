"""What `hub doctor` says of a hub on a real, locked broker: well, and with each fault that can be made there."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from hub.broker.embedded import EmbeddedKafka
from hub.cli.main import run_command
from hub.cli.options import Settings
from hub.hq.doctor.examination import examine
from hub.hq.doctor.examined import Examined, Mark
from hub.hq.folder import HubFolder
from hub.hq.identity import load_identity
from hub.hq.settings import read_settings
from hub.kafka.administration import administration
from hub.kafka.cluster import Cluster
from hub.kafka.desired import worker_rights
from hub.kafka.rights import Operation
from hub.kafka.topics import delete_topic
from hub.protocol.topics import CHECKPOINTS
from hub.worker.own_rights import give_own_rights
from tests.support.center import Center
from tests.support.certificates import Authority
from tests.support.worker import Hub

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="module")]


@dataclass
class Site:
    """A hub with its own broker, as `hub up` has it, and a worker in this process."""

    where: HubFolder
    broker: EmbeddedKafka
    hub: Hub

    async def look(self) -> dict[str, Examined]:
        """Return what the doctor finds, by check."""
        found = await examine(self.where, {})
        told = str([one.plain() for one in found])
        for secret in self.where.broker.glob("*.password"):
            assert secret.read_text().strip() not in told
        assert "Traceback" not in told
        assert "org.apache" not in told
        return {str(one.check): one for one in found}

    async def well(self) -> None:
        """Wait until all is as it should be."""
        async with asyncio.timeout(60):
            while any(one.mark is not Mark.OK for one in (await self.look()).values()):
                await asyncio.sleep(0.3)

    @asynccontextmanager
    async def worker_is_away(self) -> AsyncIterator[None]:
        """End the worker, and start it again behind this."""
        await self.hub.end()
        try:
            yield
        finally:
            await self.hub.start()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    folder = tmp_path_factory.mktemp("doctor") / "data"
    folder.mkdir(mode=0o700)
    where = HubFolder(folder)
    assert where.ensure_identity("hub.example") is not None
    async with EmbeddedKafka(where.broker, authority=where.keys) as broker:
        ready = {"bootstrap": broker.bootstrap, "pid": os.getpid(), "host": socket.gethostname()}
        where.worker_file.write_text(json.dumps(ready))
        where.worker_file.chmod(0o600)

        class AsWorker(Hub):
            @property
            def cluster(self) -> Cluster:
                found = where.known_cluster(read_settings(folder, {}).settings)
                assert found is not None
                return found

        hub = AsWorker(folder, broker.bootstrap, load_identity(where.keys))
        await give_own_rights(hub.cluster)
        async with hub.running():
            await hub.register(Center("uz"))
            yield Site(where, broker, hub)


async def test_hub_that_works_is_well(site: Site) -> None:
    """Every check is made, and each is ok; the command ends with 0."""
    site.where.worker_file.touch()
    await site.well()
    found = await site.look()
    assert set(found) >= {
        "data_directory", "settings", "keys", "database", "disk", "worker", "broker_as_admin", "broker_as_worker",
        "broker_as_web", "rights", "certificates", "topics", "clock", "centers", "invitations",
    }  # fmt: skip
    assert found["broker_as_admin"].values["user"] == "admin"
    assert found["broker_as_worker"].values["user"] == "worker"
    assert found["broker_as_web"].values["user"] == "web"
    assert await asyncio.to_thread(run_command, ["doctor", "--json"], Settings(site.where.data_dir)) == 0


async def test_right_that_the_worker_lacks_is_named(site: Site) -> None:
    """Somebody took it: the worker can't go on, and which right it is stands there."""
    async with site.worker_is_away(), administration(site.broker.cluster) as access:
        taken = [right for right in worker_rights("worker") if (right.name, right.operation) == ("in.", Operation.READ)]
        assert taken
        await access.revoke(taken)
        found = (await site.look())["rights"]
        await access.grant(taken)
    assert (found.case, found.mark) == ("lacking", Mark.FAILS)
    assert "READ in.uz" in found.said.text()


async def test_topic_that_is_gone_is_named(site: Site) -> None:
    """A worker makes it again; until then it is missing."""
    async with site.worker_is_away():
        await delete_topic(site.broker.cluster, CHECKPOINTS)
        found = await site.look()
    assert found["topics"].case == "missing"
    assert CHECKPOINTS in found["topics"].said.text()


async def test_password_of_the_broker_that_is_another_or_open_is_told(site: Site) -> None:
    """A file that was put back from an older copy, or that others may read."""
    file = site.where.broker / "worker.password"
    before = file.read_text()
    try:
        file.write_text("0" * 64 + "\n")
        found = (await site.look())["broker_as_worker"]
        assert [one["code"] for one in found.plain()["obstacles"]] == ["login_refused"]
        file.chmod(0o644)
        told = (await site.look())["broker_as_admin"]
        assert told.case == "misset"
        assert "chmod 600" in told.said.text()
    finally:
        file.chmod(0o600)
        file.write_text(before)


async def test_authority_that_is_another_is_told(site: Site, tmp_path: Path) -> None:
    """The broker that answers is not the one that this hub's authority has vouched for."""
    before = site.where.authority.read_bytes()
    try:
        site.where.authority.write_bytes(Authority(tmp_path).file.read_bytes())
        found = await site.look()
    finally:
        site.where.authority.write_bytes(before)
    codes = [one["code"] for one in found["broker_as_admin"].plain()["obstacles"]]
    assert codes == ["unknown_authority"]
    assert found["broker_as_worker"].mark is Mark.FAILS


async def test_broker_that_is_down_is_told_and_the_command_fails(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    """Last: what can be seen without a broker is still told, in the reader's language."""
    await site.hub.end()
    await site.broker.stop()
    capsys.readouterr()
    arguments = ["doctor", "--language", "ru"]
    assert await asyncio.to_thread(run_command, arguments, Settings(site.where.data_dir)) == 1
    text = capsys.readouterr().out
    assert "СБОЙ" in text
    assert "там никто не отвечает" in text
    assert "ключи hub.example на месте" in text
