"""HQ is put back from an older copy: it finds out before it signs, says so everywhere, and signs nothing more."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hub.broker.embedded import EmbeddedKafka
from hub.hq.centers import revoke_key
from hub.hq.folder import HubFolder
from hub.kafka.topics import delete_topic, ensure_topics, log_topics
from hub.protocol.topics import CHECKPOINTS
from tests.support.cosigning import Network, behind, offers, queue, rolled_back, size
from tests.support.peek import log_of
from tests.support.worker import Hub, all_said

pytestmark = pytest.mark.integration


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[EmbeddedKafka]:
    """Yield a broker whose files lie in the hub's own data directory, as `hub up` has it."""
    made = EmbeddedKafka(HubFolder(tmp_path / "data").broker, plain=True)
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def network(tmp_path: Path, broker: EmbeddedKafka, topic_prefix: str) -> Network:
    made = Network(Hub.make(tmp_path / "data", broker.bootstrap), tmp_path, topic_prefix)
    await made.register()
    return made


async def is_said_everywhere(hub: Hub, capsys: pytest.CaptureFixture[str], why: str) -> None:
    """Check that each command says it with an exit status, and what a person can do."""
    for command in (["status"], ["log", "status"]):
        status, text = await all_said(hub, capsys, *command)
        assert status == 1, text
        assert "ALARM HQ's log stands still" in text
        assert "rolled back to an older copy" in text
        assert "nothing of them is lost" in text
        assert "put the newest copy back" in text
        status, text = await all_said(hub, capsys, *command, "--language", "ru")
        assert "журнал штаб-квартиры остановлен" in text
        status, text = await all_said(hub, capsys, *command, "--json")
        found = json.loads(text[: text.rindex("}") + 1])
        assert (status, (found.get("log") or found)["rolled_back"]["why"]) == (1, why)
    status, text = await all_said(hub, capsys, "audit", "verify", "--json")
    assert status == 1
    assert {finding["what"] for finding in json.loads(text)["findings"]} & {"NOT_AS_COSIGNED", "CHECKPOINT_ROOT"}


async def lived(network: Network, running: contextlib.AsyncExitStack, between: Any) -> list[Any]:
    """Have all centers cosign the log, do what comes `between`, and have them cosign more."""
    hub = network.hub
    async with hub.running():
        connectors = [await running.enter_async_context(network.connector(name)) for name in network.centers]
        await hub.until(lambda s: not behind(s) and network.standing(s)[0] == 3)
    await between()
    async with hub.running():
        for connector in connectors:
            queue(connector, "K-1")
        await hub.until(lambda s: offers(s) == 3)
        await hub.until(lambda s: not behind(s) and network.standing(s)[0] == 3, 60)
    return connectors


@pytest.mark.long
async def test_whole_directory_with_its_broker_is_an_older_copy(
    network: Network, broker: EmbeddedKafka, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing at HQ knows of the newer log; the offices do, and lend it what they have before anything is signed."""
    data, copy = network.hub.data_dir, tmp_path / "copy"

    async def copied() -> None:
        await broker.stop()
        shutil.copytree(data, copy)
        await broker.start()

    async with contextlib.AsyncExitStack() as running:
        connectors = await lived(network, running, copied)
        newest = size(network.hub.database)
        await broker.stop()
        shutil.rmtree(data)
        shutil.copytree(copy, data)
        await broker.start()
        assert size(network.hub.database) < newest
        async with network.hub.running():
            healed = lambda path: rolled_back(path) is None and size(path) >= newest and not behind(path)  # noqa: E731
            await network.hub.until(healed, 120)
        assert not any(connector.outbox.witnessed.stopped() for connector in connectors)
    status, text = await all_said(network.hub, capsys, "audit", "verify", "--json")
    assert (status, json.loads(text)["findings"]) == (0, [])


@pytest.mark.long
async def test_older_database_beside_a_topic_that_was_lost_is_known_by_the_cosignatures(
    network: Network, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`hub.checkpoints` is gone; what stands on the centers' topics is read before anything is signed.

    Where nobody put back a copy, the keys of those who said so are revoked, and the log goes on by itself.
    """
    hub, older = network.hub, tmp_path / "older"
    path = HubFolder(hub.data_dir).database

    async def copied() -> None:
        shutil.copy(path, older)

    async with contextlib.AsyncExitStack() as running:
        await lived(network, running, copied)
    shutil.copy(older, path)
    await delete_topic(hub.cluster, CHECKPOINTS)
    await ensure_topics(hub.cluster, log_topics())
    before = size(hub.database)
    async with hub.running():
        await hub.until(lambda s: rolled_back(s) is not None, 60)
        await hub.until(lambda s: behind(s) >= 3, 60)
        await asyncio.sleep(2)
        assert size(hub.database) == before
    await is_said_everywhere(hub, capsys, "COSIGNED_BEYOND")
    with HubFolder(hub.data_dir).snapshot() as now:
        keys = [(center.id, key.id) for center in now.centers() for key in center.keys if key.purpose == "witness"]
    for center, key in keys:
        await revoke_key(HubFolder(hub.data_dir), center, key, "it cosigned what HQ never signed")
    assert rolled_back(hub.database) is None
    async with hub.running():
        await hub.until(lambda s: not behind(s) and log_of(s).size > before, 60)
    assert (await all_said(hub, capsys, "log", "status"))[0] == 0
