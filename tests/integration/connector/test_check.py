"""What `connector check` says of a real, locked broker with a real HQ behind it: each obstacle is there for real."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiokafka import TopicPartition

from connectors.cli.check import Checked
from connectors.cli.check_broker import ask_broker
from connectors.cli.office import OpenedOffice
from connectors.runtime.joining import PASSWORD
from connectors.runtime.outbox import Outbox
from connectors.runtime.outbox.meta import Meta
from connectors.runtime.standing import Kept
from hub.base import durable
from hub.base.clients import closing
from hub.base.obstacle import STATUSES, Obstacle, exit_status, obstacles_in
from hub.broker.embedded import EmbeddedKafka
from hub.hq.headquarters import HqEvent
from hub.kafka.administration import administration
from hub.kafka.cluster import Cluster
from hub.kafka.ends import topic_ends
from hub.kafka.rights import CONSUMER_BYTE_RATE, PRODUCER_BYTE_RATE, Operation, Pattern, Resource, Right, quota_entity
from hub.kafka.topics import delete_topic, ensure_topics, log_topics, standard_topics
from hub.protocol.scram import Credential
from hub.protocol.status import State, StatusNote
from hub.protocol.topics import CHECKPOINTS, LANE, topic_in, topic_out
from tests.support.center import HUB, Center, filled
from tests.support.folder import OfficeFolder, until
from tests.support.users import set_user
from tests.support.worker import Hub

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="module")]

SALT = b"salt of a test, of 32 bytes long"
SENTINEL = "sentinel-password-41"
RIGHTS = ("none", "read", "write", "describe")
CENTERS = (
    "fine", "mechanism", "suspended", "closed", "silent", "login-password", "login-username",
    "quota-producer", "quota-consumer", *(f"rights-{one}" for one in RIGHTS),
)  # fmt: skip


@dataclass
class Site:
    """A locked broker, and the worker of an HQ that it lets in as its admin."""

    broker: EmbeddedKafka
    hub: Hub
    folder: Path

    async def office(
        self,
        center: str,
        rights: Collection[Operation] = (Operation.READ, Operation.WRITE),
        password: str = SENTINEL,
        **security: Any,
    ) -> OfficeFolder:
        """Return the office of a center, with these rights to its own topics alone.

        Its password stands where `connector join` writes it, which no other account may read.
        """
        cluster = self.broker.cluster
        await set_user(cluster, center, Credential.of(SENTINEL, SALT))
        granted = [right(center, topic_out(center), Operation.READ)] if Operation.READ in rights else []
        granted += [right(center, topic_in(center), Operation.WRITE)] if Operation.WRITE in rights else []
        granted += [Right(f"User:{center}", Resource.TOPIC, "hub.", Pattern.PREFIXED, Operation.READ)] if rights else []
        async with administration(cluster) as access:
            have = {one for one in await access.rights() if one.principal == f"User:{center}"}  # by HQ's keeper
            await access.revoke(have - set(granted))
            await access.grant(set(granted) - have)
        await ensure_topics(cluster, standard_topics([center], [])[:2])
        made = {
            "protocol": "SASL_SSL",
            "username": center,
            "password_file": PASSWORD,
            "ca_file": str(self.broker.authority),
            **security,
        }
        office = OfficeFolder(self.folder / center, center, self.broker.bootstrap, security=made)
        durable.create_private(office.folder / PASSWORD, password + "\n")
        (office.folder / "trust.note").write_bytes(self.hub.identity.note)
        return office


def right(center: str, topic: str, operation: Operation) -> Right:
    return Right(f"User:{center}", Resource.TOPIC, topic, Pattern.LITERAL, operation)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    folder = tmp_path_factory.mktemp("check")
    async with EmbeddedKafka(folder / "broker") as broker:

        class Locked(Hub):
            @property
            def cluster(self) -> Cluster:
                return broker.cluster

        (folder / "hub").mkdir()
        hub = Locked.make(folder / "hub", broker.bootstrap)
        await hub.register(*(Center(center, seed=b"k" * 32) for center in CENTERS))
        async with hub.running():  # it says its lane; what these tests take from centers it would give again
            async with asyncio.timeout(30):
                while not await count(broker.cluster, LANE):
                    await asyncio.sleep(0.1)
        yield Site(broker, hub, folder)


async def count(cluster: Cluster, topic: str) -> int:
    """Return how many records a topic has."""
    return (await topic_ends(cluster, [topic])).get(topic, (0, 0))[1]


async def newest(cluster: Cluster, topic: str) -> Any:
    """Return the newest record of a topic."""
    place = TopicPartition(topic, 0)
    async with closing(await cluster.consumer("test")) as consumer, asyncio.timeout(20):
        consumer.assign([place])
        consumer.seek(place, (await consumer.end_offsets([place]))[place] - 1)
        while not (found := (await consumer.getmany(place, timeout_ms=500)).get(place)):
            pass
        return found[-1]


async def look(office: OfficeFolder) -> list[Checked]:
    found = await ask_broker(OpenedOffice.open(office.folder))
    shown = f"{found}{[one.plain() for one in found]}"
    assert SENTINEL not in shown
    assert "Traceback" not in shown
    assert "org.apache" not in shown  # no Java either
    return found


def wrong(found: list[Checked]) -> list[str]:
    """Return the obstacles that are in the way."""
    failed = [one.said for one in found if one.ok is False]
    return [one.name.removeprefix("obstacles.") for said in failed for one in obstacles_in(said)]


def status(found: list[Checked]) -> int:
    return exit_status([one.said for one in found if one.ok is False])


async def test_enrolled_office_finds_nothing_in_the_way(site: Site) -> None:
    """Broker, rights, registry, key, clock, HQ and quota: all of it is as it should be, and the command ends with 0."""
    office = await site.office("fine")
    office.sheet({"K-1": "Title"})
    async with site.hub.running(), office.running() as connector:
        await until(lambda: connector.outbox.status()["totals"]["accepted"] == 1, 60)
        await until(lambda: connector.outbox.status()["hq"] is not None, 60)
        async with asyncio.timeout(30):
            while not await count(site.broker.cluster, CHECKPOINTS):
                await asyncio.sleep(0.1)
    named = {one.name: one for one in await look(office)}
    assert [one.name for one in named.values() if one.ok is False] == []
    assert {name for name, one in named.items() if one.ok} >= {
        "broker", "may write", "may read", "center at HQ", "key at HQ", "clock", "HQ alive", "quota",
    }  # fmt: skip
    asked = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "from connectors.cli.main import main; main()",
        "check", "--office", str(office.folder), "--json", stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    said, _ = await asyncio.wait_for(asked.communicate(), 60)
    findings = json.loads(said)
    assert [one["name"] for one in findings if one["ok"] is False or one["obstacles"]] == []
    assert asked.returncode == 0


@pytest.mark.parametrize("security", [{"password": "wrong"}, {"username": "nobody"}])
async def test_wrong_password_and_unknown_user_are_told(site: Site, security: dict[str, Any]) -> None:
    """A broker does not tell the two apart, and neither do we."""
    found = await look(await site.office(f"login-{next(iter(security))}", **security))
    assert wrong(found) == ["login_refused"]
    assert status(found) == 50


async def test_mechanism_that_is_off_is_told_with_those_that_are_on(site: Site) -> None:
    """No guess is made: the broker says what it takes."""
    found = await look(await site.office("mechanism", mechanism="SCRAM-SHA-256"))
    assert wrong(found) == ["other_mechanism"]
    assert "SCRAM-SHA-512" in found[0].said.text("zh")  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("rights", "expected"),
    [
        ([], ["no_right"] * 5),
        ([Operation.READ], ["no_right"]),  # without WRITE its topic is not even shown
        ([Operation.WRITE], ["no_right"]),
        ([Operation.DESCRIBE], ["no_right_to_write", "no_right_to_read"]),
    ],
    ids=RIGHTS,
)
async def test_right_that_is_missing_is_told_by_topic(site: Site, rights: list[Operation], expected: list[str]) -> None:
    """The broker says what is granted: nothing is tried, and nothing spins."""
    center = f"rights-{'-'.join(one.name.lower() for one in rights) or 'none'}"
    office = await site.office(center, rights)
    if Operation.DESCRIBE in rights:
        async with administration(site.broker.cluster) as access:
            own = [right(center, name, Operation.DESCRIBE) for name in (topic_in(center), topic_out(center))]
            await access.grant(own)
    found = await look(office)
    assert wrong(found) == expected
    assert status(found) == STATUSES[Obstacle(expected[0])]


async def test_topic_that_is_not_there_is_told(kafka: EmbeddedKafka, topic_prefix: str, tmp_path: Path) -> None:
    """A broker that lets in everybody tells what it has: a center that was never added has no topics."""
    office = OfficeFolder(tmp_path / "office", topic_prefix, kafka.bootstrap)
    found = await look(office)
    assert wrong(found) == ["no_topic", "no_topic"]
    assert status(found) == 51


@pytest.mark.long
async def test_suspended_office_is_told_since_when_and_why(site: Site) -> None:
    """Its right to write is gone, and that is explained by the reason, which HQ's sealed lane gives."""
    office = await site.office("suspended")
    async with site.hub.running(), office.running() as connector:
        await until(lambda: connector.outbox.status()["hq"] is not None, 60)
        kind = "net.cohub.center.suspended.v1"
        await site.hub.say(HqEvent(kind, "suspended", filled(kind, {"reason": "an audit of 2026"})))
        await until(lambda: connector.outbox.status()["hq"]["state"] == "suspended", 60)
    async with administration(site.broker.cluster) as access:
        await access.revoke([right("suspended", topic_in("suspended"), Operation.WRITE)])
    found = await look(office)
    assert wrong(found) == ["suspended"]
    assert status(found) == 61
    told = next(one for one in found if one.name == "center at HQ").said
    for text in (told.text("en"), told.text("ru")):  # type: ignore[union-attr]
        assert "an audit of 2026" in text
        assert f"{datetime.now(UTC):%Y-%m-}" in text
    assert next(one for one in found if one.name == "may write").ok is None


async def test_closed_office_whose_login_is_gone_is_told(site: Site) -> None:
    """HQ said so while it still could: a password that does not count any more is explained by that."""
    office, now = await site.office("closed"), datetime.now(UTC)
    note = StatusNote(HUB, "closed", now, "", 0, State.CLOSED, now, "CLOSED moved away", 3, f"{HUB}/hq/00c0ffee", 1)
    with Outbox(office.folder / "outbox.sqlite3") as outbox:
        outbox.database.set_meta(Meta.HQ_STATUS, Kept.read(note, now, now).to_text())
    async with administration(site.broker.cluster) as access:
        await access.delete_users(["closed"])
    found = await look(office)
    assert wrong(found) == ["closed", "login_refused"]
    assert status(found) == 62
    assert "moved away" in str(found[0].said)


async def test_center_that_hq_does_not_know_is_told(site: Site) -> None:
    """It has a login and topics, and was never added."""
    found = await look(await site.office("stranger"))
    assert wrong(found) == ["unregistered"]
    assert status(found) == 64


@pytest.mark.long
@pytest.mark.parametrize("rate", [PRODUCER_BYTE_RATE, CONSUMER_BYTE_RATE])
async def test_quota_that_is_reached_is_told(site: Site, rate: str) -> None:
    """Kafka only says it beside its answers: how long this office is made to wait is read there."""
    center = f"quota-{rate.split('_', maxsplit=1)[0]}"
    office = await site.office(center)
    async with administration(site.broker.cluster) as access:
        await access.set_quotas({quota_entity(center): {rate: 5.0}})
    found = await look(office)
    assert wrong(found) == ["quota"]
    assert status(found) == 55
    told = next(one for one in found if one.name == "quota").said
    assert told.values["seconds"] > 0  # type: ignore[union-attr]


async def test_hq_that_is_silent_behind_a_broker_that_answers_is_told(site: Site) -> None:
    """What is sent waits; since when HQ is silent is told by its log, which it says again every minute."""
    office = await site.office("silent")
    said = await newest(site.broker.cluster, CHECKPOINTS)
    await delete_topic(site.broker.cluster, CHECKPOINTS)
    await ensure_topics(site.broker.cluster, log_topics())
    at = datetime.now(UTC) - timedelta(hours=3)
    async with closing(await site.broker.cluster.producer("test")) as producer:
        await producer.send_and_wait(
            CHECKPOINTS, said.value, key=said.key, partition=0,
            timestamp_ms=int(at.timestamp() * 1000), headers=list(said.headers),
        )  # fmt: skip
    found = await look(office)
    assert wrong(found) == ["hq_down"]
    assert status(found) == 60
    assert f"{at:%Y-%m-%d %H:%M:%S} UTC" in str(next(one for one in found if one.name == "HQ alive").said)
