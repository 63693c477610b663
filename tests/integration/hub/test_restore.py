"""A hub that was destroyed is restored from a backup, while offices and brokers live: nothing is said otherwise."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from connectors.runtime.daemon import Connector
from hub.broker.embedded import EmbeddedKafka
from hub.hq.backup import back_up
from hub.hq.folder import HubFolder
from hub.hq.headquarters import HqEvent
from hub.hq.restore import restore
from hub.kafka.topics import delete_topic
from tests.support.center import Center
from tests.support.cosigning import Network, behind, offers, queue, rolled_back, size
from tests.support.hq import center_record
from tests.support.peek import ask, log_of, peek
from tests.support.worker import Hub, all_said

pytestmark = pytest.mark.integration

PASSPHRASE = b"correct horse battery"
RECEIPTS = (
    "SELECT l.origin, r.first, r.last, r.note, r.edge, r.seal, r.state_digest FROM receipt r JOIN lane l ON"
    " l.id = r.lane_id ORDER BY 1, 2"
)
LEDGER = (
    "SELECT l.origin, e.sequence, e.data, e.code, e.field, e.params, e.version FROM ledger e JOIN lane l ON"
    " l.id = e.lane_id ORDER BY 1, 2"
)
CHECKPOINTS = "SELECT size, note, edge FROM checkpoint ORDER BY size"
LEAVES = "SELECT leaf_index, hash FROM log_leaf ORDER BY leaf_index"


async def say(hub: Hub, connectors: list[Connector], key: str, of_all: int) -> None:
    """Have each office say one thing more, and wait until all of it is judged and cosigned."""
    for connector in connectors:
        queue(connector, key)
    await hub.until(lambda s: offers(s) == of_all and not behind(s), 60)


async def all_cosigned(network: Network) -> None:
    await network.hub.until(lambda s: not behind(s) and network.standing(s)[0] == 3, 60)


def destroy(hub: Hub) -> dict[str, list[Any]]:
    """Remove all of the hub, and return what it had said."""
    said = {query: peek(hub.database, query) for query in (RECEIPTS, LEDGER, CHECKPOINTS, LEAVES)}
    shutil.rmtree(hub.data_dir)
    return said


def has_said(hub: Hub, said: dict[str, list[Any]]) -> None:
    """Check that all that the hub had said before is there, byte for byte."""
    for query, rows in said.items():
        now = set(map(tuple, peek(hub.database, query)))
        assert [row for row in rows if tuple(row) not in now] == [], query


async def nothing_is_twice(network: Network, connectors: list[Connector], capsys: pytest.CaptureFixture[str]) -> None:
    """Check what the audit says, and that no witness and no office holds anything against HQ."""
    status, text = await all_said(network.hub, capsys, "audit", "verify", "--json")
    assert (status, json.loads(text)["findings"]) == (0, [])
    assert not any(connector.outbox.witnessed.stopped() for connector in connectors)
    assert (
        ask(network.hub.database, "SELECT count(*) - count(DISTINCT subject) FROM ledger WHERE type LIKE '%offer%'")
        == 0
    )


async def test_restored_hub_takes_in_what_it_had_signed(
    network: Network, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its own lane, receipts and checkpoints come back with the same bytes, and the witnesses go on."""
    hub = network.hub
    async with contextlib.AsyncExitStack() as running:
        async with hub.running():
            connectors = [await running.enter_async_context(network.connector(name)) for name in network.centers]
            await say(hub, connectors, "K-1", 3)
            await all_cosigned(network)
            manifest = back_up(HubFolder(hub.data_dir), tmp_path / "backup", PASSPHRASE)
            late = Center(f"{network.centers[0]}-late", seed=os.urandom(32))
            await hub.say(HqEvent("net.cohub.center.registered.v1", late.id, center_record(late)))
            for number in range(2, 6):
                await say(hub, connectors, f"K-{number}", 3 * number)
            await all_cosigned(network)
            newest = size(hub.database)
        assert newest > manifest.facts.log_size
        said = destroy(hub)
        restore(HubFolder(hub.data_dir), tmp_path / "backup", PASSPHRASE)
        assert size(hub.database) == manifest.facts.log_size
        async with hub.running():
            assert ask(hub.database, "SELECT count(*) FROM restored") == 0
            await hub.until(lambda s: size(s) >= newest and rolled_back(s) is None and offers(s) == 15, 60)
            has_said(hub, said)
            await say(hub, connectors, "K-6", 18)
            await all_cosigned(network)
            assert log_of(hub.database).size > newest
        has_said(hub, said)
        assert ask(hub.database, "SELECT count(*) FROM log_lost") == 0
        await nothing_is_twice(network, connectors, capsys)


def stands_still_for(database: Path) -> int | None:
    """Return the size that HQ's log stands still for; None where it does not."""
    halt = rolled_back(database)
    return None if halt is None else int(halt.values["size"])


async def test_log_begins_anew_where_receipts_are_lost_and_a_person_says_so(
    network: Network, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """HQ's answers are gone from the brokers: the log stands still with an alarm until it is confirmed."""
    hub = network.hub
    async with contextlib.AsyncExitStack() as running:
        async with hub.running():
            connectors = [await running.enter_async_context(network.connector(name)) for name in network.centers]
            await say(hub, connectors, "K-1", 3)
            await all_cosigned(network)
            manifest = back_up(HubFolder(hub.data_dir), tmp_path / "backup", PASSPHRASE)
            for number in range(2, 4):
                await say(hub, connectors, f"K-{number}", 3 * number)
            await all_cosigned(network)
            newest = size(hub.database)
        before = destroy(hub)
        for center in network.centers:
            await delete_topic(hub.cluster, f"out.{center}")
        restore(HubFolder(hub.data_dir), tmp_path / "backup", PASSPHRASE)
        async with hub.running():
            # What HQ had signed is read from the oldest to the newest: it names the newest once all is read.
            await hub.until(lambda s: stands_still_for(s) == newest and offers(s) == 9, 60)
            await asyncio.sleep(2)  # of a notary that takes in every second what it can
            assert size(hub.database) < newest
            status, text = await all_said(hub, capsys, "log", "status")
            assert (status, "hub log begin SIZE" in text) == (1, True)
            status, text = await all_said(hub, capsys, "log", "begin", str(newest - 1), "--reason", "a test")
            assert (status, f"of size {newest}" in text) == (2, True), text
            status, text = await all_said(hub, capsys, "log", "begin", str(newest), "--reason", "the answers are lost")
            assert status == 0, text
            await hub.until(lambda s: size(s) >= newest and rolled_back(s) is None, 60)
            await say(hub, connectors, "K-4", 12)
            await all_cosigned(network)
            assert log_of(hub.database).size > newest
            status, text = await all_said(hub, capsys, "log", "begin", "7", "--reason", "again")
            assert (status, "lacks nothing" in text) == (2, True)
        lost = ask(hub.database, "SELECT count(*) FROM log_lost")
        assert lost == newest - manifest.facts.log_size
        now = {tuple(row) for row in peek(hub.database, CHECKPOINTS)}
        assert [row for row in before[CHECKPOINTS] if tuple(row) not in now] == []
        await nothing_is_twice(network, connectors, capsys)
        assert (await all_said(hub, capsys, "log", "status"))[1].count(f"a person confirmed: {lost}") == 1
        status, text = await all_said(hub, capsys, "log", "export", str(tmp_path / "tree"), "--newest")
        assert (status, "was lost" in text) == (0, True), text


@pytest.mark.long
async def test_offices_lend_what_hub_and_brokers_have_lost(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The whole machine is lost, broker and all: receipts and leaves come from the offices, and nothing is given up."""
    where = HubFolder(tmp_path / "data")
    broker = EmbeddedKafka(where.broker, plain=True)
    await broker.start()
    port = int(broker.bootstrap.rpartition(":")[2])
    network = Network(Hub.make(tmp_path / "data", broker.bootstrap), tmp_path, "lent")
    await network.register()
    hub = network.hub
    async with contextlib.AsyncExitStack() as running:
        async with hub.running():
            connectors = [await running.enter_async_context(network.connector(name)) for name in network.centers]
            await say(hub, connectors, "K-1", 3)
            await all_cosigned(network)
            manifest = back_up(where, tmp_path / "backup", PASSPHRASE)
            for number in range(2, 5):
                await say(hub, connectors, f"K-{number}", 3 * number)
            await all_cosigned(network)
            newest = size(hub.database)
        await broker.stop()
        said = destroy(hub)
        restore(where, tmp_path / "backup", PASSPHRASE)
        broker = EmbeddedKafka(where.broker, port=port, plain=True)
        await broker.start()
        running.push_async_callback(broker.stop)
        assert size(hub.database) == manifest.facts.log_size < newest
        async with hub.running():
            await hub.until(lambda s: size(s) >= newest and rolled_back(s) is None and offers(s) == 12, 180)
            await say(hub, connectors, "K-5", 15)
            await all_cosigned(network)
        said[CHECKPOINTS] = said[CHECKPOINTS][-1:]  # a witness lends the newest: those between lead to it
        has_said(hub, said)
        assert ask(hub.database, "SELECT count(*) FROM log_lost") == 0
        await nothing_is_twice(network, connectors, capsys)
