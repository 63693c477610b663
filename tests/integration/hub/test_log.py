"""HQ's log on real Kafka: said at once, the same after a restart, silent when rolled back."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

import pytest

from hub.broker.embedded import EmbeddedKafka
from hub.hq.folder import HubFolder
from hub.kafka.topics import delete_topic, describe_topics
from hub.ledger.halt import Halt
from hub.ledger.notary import read_record
from hub.protocol.checkpoint import open_checkpoint
from hub.protocol.topics import CHECKPOINTS
from hub.protocol.tree import Edge
from tests.support.center import Center
from tests.support.halts import told
from tests.support.peek import log_of
from tests.support.worker import Hub, produce, read_topic

pytestmark = pytest.mark.integration


@pytest.fixture
async def hub(tmp_path: Path, kafka: EmbeddedKafka) -> Hub:
    await delete_topic(kafka.cluster, CHECKPOINTS)  # every test here has a hub of its own, and the broker is shared
    return Hub.make(tmp_path, kafka.bootstrap)


def size_of(hub: Hub) -> int:
    return log_of(hub.database).size


def is_followed(hub: Hub, records: list[Any]) -> bool:
    """Return whether what a witness comes to by these records is what HQ has."""
    log = log_of(hub.database)
    return followed(hub, records).root == log.root(log.size)


def behind(database: Path) -> int:
    return log_of(database).behind()


def logged(size: int) -> Any:
    """Return whether every receipt is a leaf, and there are at least so many."""

    def seen(database: Path) -> bool:
        log = log_of(database)
        return log.size >= size and not log.behind()

    return seen


def rolled_back(database: Path) -> Halt | None:
    return log_of(database).rolled_back()


async def said(hub: Hub, size: int) -> list[Any]:
    """Return the topic's records once they have reached this size."""
    async with asyncio.timeout(20):
        while True:
            records = await read_topic(hub.bootstrap, CHECKPOINTS)
            if records and int(records[-1].key) >= size:
                return records
            await asyncio.sleep(0.05)


def followed(hub: Hub, records: list[Any]) -> Edge:
    """Do what a witness does with every record; return its edge."""
    edge = Edge()
    for record in records:
        checkpoint, stored = read_record(record.value, record.headers)
        assert record.key == b"%d" % checkpoint.size
        note = open_checkpoint(record.value)[1]
        for key in (hub.identity.log, hub.identity.log_long):
            note.verify([key.verifier])
        if checkpoint.size > edge.size:
            assert stored.after == edge.size
            edge = edge.append(stored.leaves)
            assert checkpoint.root == edge.root
    return edge


async def test_log_is_said_and_goes_on_after_a_restart(hub: Hub, topic_prefix: str) -> None:
    """Each receipt is in a checkpoint within seconds; the next worker continues behind what the last one stored."""
    center = Center(topic_prefix)
    await hub.register(center)
    async with hub.running():
        await produce(hub.bootstrap, f"in.{center.id}", center.opened(3))
        await hub.until(logged(3))
    before = await said(hub, size_of(hub))
    async with hub.running():
        await produce(hub.bootstrap, f"in.{center.id}", center.offers(3, first=4))
        await hub.until(logged(size_of(hub) + 1))
        records = await said(hub, size_of(hub))
    assert [r.value for r in records[: len(before)]] == [r.value for r in before]
    assert is_followed(hub, records)
    spec = (await describe_topics(hub.cluster, [CHECKPOINTS]))[CHECKPOINTS]
    assert (spec.partitions, spec.configs["cleanup.policy"]) == (1, "compact")


async def test_hub_that_was_rolled_back_takes_events_and_signs_nothing(hub: Hub, topic_prefix: str) -> None:
    """An older copy of the database: the log stands still and says why, all else goes on; the newest copy is well."""
    center = Center(topic_prefix)
    await hub.register(center)
    path = HubFolder(hub.data_dir).database
    older, newest = path.with_name("older"), path.with_name("newest")
    async with hub.running():
        await hub.until(logged(1))
    shutil.copy(path, older)
    async with hub.running():
        await produce(hub.bootstrap, f"in.{center.id}", center.opened(3))
        await hub.until(logged(size_of(hub) + 1))
        records = await said(hub, size_of(hub))
    shutil.move(path, newest)
    shutil.copy(older, path)
    async with hub.running():
        await hub.until(lambda database: rolled_back(database) is not None)
        await produce(hub.bootstrap, f"in.{center.id}", center.offers(2, first=5))
        await hub.until(lambda database: behind(database) > 0)
        standing = log_of(hub.database).standing()
        assert "rolled back" in told(standing.rolled_back)
        assert standing.size < int(records[-1].key)
    assert len(await read_topic(hub.bootstrap, CHECKPOINTS)) == len(records)
    shutil.move(newest, path)
    async with hub.running():
        await hub.until(logged(int(records[-1].key)))
    assert rolled_back(hub.database) is None
