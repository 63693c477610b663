"""HQ and three centers on real parts: the log is cosigned and believed, and a history that HQ rewrites is found out."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime

import pytest

from hub.ledger.notary import Stored, record_of
from hub.protocol.checkpoint import Checkpoint, sign_checkpoint
from hub.protocol.note import Note
from hub.protocol.topics import CHECKPOINTS
from hub.protocol.witness import log_origin
from tests.support.center import Sent
from tests.support.cosigning import Network, behind, offers, queue, size
from tests.support.peek import ask
from tests.support.worker import produce

pytestmark = pytest.mark.integration


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
