"""The link to the broker may be down at the start, and break at any moment."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from connectors.runtime.outbox import Outbox
from hub.broker.embedded import EmbeddedKafka
from hub.kafka.topics import ensure_topics, standard_topics
from tests.support.answering import AnsweringHq
from tests.support.folder import HUB, RECEIPTS, OfficeFolder, until

pytestmark = pytest.mark.integration

CENTER = "uz"


@pytest.mark.long
async def test_connector_goes_on_through_a_link_that_is_down_and_a_broker_that_is_killed(tmp_path: Path) -> None:
    """Rows are queued while there is no broker, and told in order, once, when there is one: also after a kill."""
    broker = EmbeddedKafka(tmp_path / "kafka", plain=True)
    await broker.start()
    await ensure_topics(broker.cluster, standard_topics([CENTER], [])[:2])
    await broker.stop()
    office = OfficeFolder(tmp_path / "office", CENTER, broker.bootstrap)
    office.sheet({f"K-{i}": f"Title {i}" for i in range(40)})
    async with office.running() as connector:
        await until(lambda: connector.outbox.status()["totals"]["pending"] == 40)
        await until(lambda: "nobody listens there" in connector.outbox.status()["link"]["reason"])
        with Outbox(office.folder / "outbox.sqlite3", read_only=True) as seen:
            assert seen.status()["totals"]["backlog"] == 40
        await broker.start()
        async with AnsweringHq(broker.bootstrap, HUB, CENTER, office.key.verifier, RECEIPTS) as hq:
            await until(lambda: connector.outbox.status()["totals"]["accepted"] == 40, 60)
            for count in (1500, 3000):
                office.sheet({f"K-{i}": f"Title {i}" for i in range(count)})
                await until(lambda: connector.sender.sent > 100)
                await broker.kill()
                await asyncio.sleep(0)
                await broker.start()
            await until(lambda: connector.outbox.status()["totals"]["accepted"] == 3000, 90)
            assert len(hq.accepted) == len(set(hq.accepted)) == 3001
    await broker.stop()


async def test_connector_without_its_topic_says_whom_to_ask(
    tmp_path: Path, kafka: EmbeddedKafka, topic_prefix: str
) -> None:
    """A center that HQ has not added yet waits, and its status says for what."""
    office = OfficeFolder(tmp_path / "office", topic_prefix, kafka.bootstrap)
    async with office.running() as connector:
        await until(lambda: "ask HQ" in connector.outbox.status()["link"]["reason"])
        await ensure_topics(kafka.cluster, standard_topics([topic_prefix], [])[:2])
        await until(lambda: connector.outbox.status()["link"]["state"] == "up")


async def test_status_of_a_stopped_connector_can_be_read(
    tmp_path: Path, kafka: EmbeddedKafka, topic_prefix: str
) -> None:
    """`connector status` works while no connector runs."""
    office = OfficeFolder(tmp_path / "office", topic_prefix, kafka.bootstrap)
    office.sheet({"K-1": "Title"})
    async with office.running() as connector:
        await until(lambda: connector.outbox.status()["totals"]["pending"] == 1)
    with Outbox(office.folder / "outbox.sqlite3", read_only=True) as outbox:
        assert outbox.status()["totals"]["rows"] == 1


@pytest.mark.long
async def test_broker_that_is_gone_is_noticed_though_nothing_is_to_be_sent(tmp_path: Path) -> None:
    """The link is not up because it was: presence that is not acknowledged says that nobody is there."""
    broker = EmbeddedKafka(tmp_path / "kafka", plain=True)
    await broker.start()
    await ensure_topics(broker.cluster, standard_topics([CENTER], [])[:2])
    office = OfficeFolder(tmp_path / "office", CENTER, broker.bootstrap)
    async with office.running() as connector:
        await until(lambda: connector.outbox.status()["link"]["state"] == "up")
        await broker.kill()
        await until(lambda: connector.outbox.status()["link"]["state"] == "down", 30)
        await broker.start()
        await until(lambda: connector.outbox.status()["link"]["state"] == "up", 60)
    await broker.stop()
