"""Thirty principals and thirty prefixes on a locked broker: each may do what it is granted, and nothing else."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio
from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.produce import ProduceRequest

from hub.base.clients import closing
from hub.broker.embedded import EmbeddedKafka
from hub.hq.access import give
from hub.hq.access_key import AccessKey
from hub.kafka.administration import administration
from hub.kafka.cluster import Cluster
from hub.kafka.desired import Invited
from hub.kafka.ends import topic_ends
from hub.kafka.topics import TopicSpec, ensure_group, ensure_topics
from hub.protocol.scram import ITERATIONS_MIN, Credential
from hub.store.sqlite import SqliteStore
from hub.worker.access import AccessKeeper, Invitation
from hub.worker.owing import records_of
from hub.worker.own_rights import give_own_rights
from tests.support.attempts import OPERATIONS, TIMEOUT_MS, allowed, codes, may_administer, may_see_group
from tests.support.center import NOW
from tests.support.engines import open_store
from tests.support.hostile import hostile

pytestmark = pytest.mark.integration

ACTIVE: Final = ("uz", "uz2", "kz", "u", "in", "out", "hub", "state", "events", "join")  # names that begin like others'
SUSPENDED: Final = ("by", "am")
CLOSED: Final = ("ge",)
MANY: Final = tuple(f"c{number}" for number in range(14))
STRANGER: Final = "bob"  # it has a login, and was granted nothing
INVITED: Final = Invited("0a1b2c3d", "by")
HQS: Final = (
    "hub.trust",
    "hub.checkpoints",
    "hub.lane",
    "hub.schemas",
    "state.center",
    "state.code_list",
    "state.lane",
    "state.schema",
)
OTHERS: Final = ("hub.clock", "events", "state.offer", "state.deal", "bobs", "join.by", "join.uz")
STATES: Final = ("state.center", "state.code_list", "state.lane", "state.schema", "state.offer", "state.deal")


def granted(principal: str, centers: Iterable[str], topics: Iterable[str]) -> dict[str, set[str]]:
    """Return what a principal may do, written out apart from the product's own rules."""
    read, write = set(), set()
    if principal in centers and principal not in CLOSED:
        read, write = {f"out.{principal}", *HQS}, {f"in.{principal}"} if principal not in SUSPENDED else set()
    elif principal == INVITED.name:
        read, write = {"join.by", "hub.trust"}, {"join.by"}
    elif principal == "worker":
        read = {topic for topic in topics if topic.startswith(("in.", "out.", "hub.", "join."))}
        write = {topic for topic in topics if topic.startswith(("out.", "hub.", "state.", "join."))} | {"events"}
    elif principal == "web":
        read = {*HQS, *(topic for topic in topics if topic.startswith("out."))}
        write = {topic for topic in topics if topic.startswith("in.")}
    return {
        "read": read,
        "write": write,
        "describe": read | write,
        "create": set(),
        "delete": set(),
        "alter": set(),
    }


@dataclass
class Site:
    """A locked broker with what the keeper of access made of it."""

    kafka: EmbeddedKafka
    store: SqliteStore
    keeper: AccessKeeper
    statuses: dict[str, str]
    passwords: dict[str, str]
    topics: list[str]

    def cluster(self, principal: str) -> Cluster:
        return self.kafka.cluster_of(principal, self.passwords[principal])


async def make_site(kafka: EmbeddedKafka, folder: Path, centers: tuple[str, ...]) -> Site:
    """Return a broker with these centers, each with its login, brought about by the keeper of access."""
    statuses = (
        dict.fromkeys(centers, "active") | dict.fromkeys(SUSPENDED, "suspended") | dict.fromkeys(CLOSED, "closed")
    )
    store, keys = open_store(folder / "hub.sqlite3"), folder / "keys"
    keys.mkdir(mode=0o700, exist_ok=True)
    passwords = {name: os.urandom(12).hex() for name in (*statuses, STRANGER, INVITED.name, "web")}
    credentials = {name: Credential.of(word, os.urandom(32), ITERATIONS_MIN) for name, word in passwords.items()}
    for center in statuses:
        await give(store.access, AccessKey.make(keys), center, credentials[center])
    async with administration(kafka.cluster) as access:
        await access.set_users({name: credentials[name] for name in (STRANGER, "web", *CLOSED)})
    worker = kafka.cluster_of("worker")
    passwords["worker"] = worker.security.login()[1]

    async def invitations() -> list[Invitation]:
        return [Invitation(INVITED, credentials[INVITED.name])]

    cluster = Cluster(worker.servers, worker.security, kafka.cluster.security)
    await give_own_rights(cluster)
    keeper = AccessKeeper(
        store, cluster, lambda: statuses, lambda: AccessKey.load(keys), "me", invitations, lambda: NOW, 0.0, share=0.0
    )
    await ensure_topics(kafka.cluster, [TopicSpec(name, 1) for name in ("bobs", "join.uz")])
    await ensure_group(kafka.cluster, "hub-workers")
    await keeper.look()
    async with asyncio.timeout(30):  # a broker lets somebody in a moment after it was told to
        while {has.kept for has in (await store.access.every()).values()} & {""}:
            await keeper.look()
    topics = [f"{kind}.{center}" for center in statuses for kind in ("in", "out")]
    return Site(kafka, store, keeper, statuses, passwords, sorted({*topics, *HQS, *OTHERS}))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    folder = tmp_path_factory.mktemp("isolation")
    async with EmbeddedKafka(folder / "broker") as kafka:
        made = await make_site(kafka, folder, (*ACTIVE, *MANY))
        yield made
        await made.store.close()


async def differences(site: Site, principals: Iterable[str]) -> dict[tuple[str, str], tuple[set[str], set[str]]]:
    """Return by principal and operation what it may do beyond what was granted, and what it may not of that."""
    found = {}
    for principal in principals:
        expected = granted(principal, site.statuses, site.topics)
        actual = await allowed(site.cluster(principal), site.topics)
        for operation in OPERATIONS:
            if expected[operation] != actual[operation]:
                found[principal, operation] = (
                    actual[operation] - expected[operation],
                    expected[operation] - actual[operation],
                )
    return found


async def ends_of(site: Site) -> dict[str, int]:
    """Return where each topic ends."""
    async with closing(await site.kafka.cluster.consumer("test")) as consumer:
        return {
            place.topic: end
            for place, end in (await consumer.end_offsets([TopicPartition(t, 0) for t in site.topics])).items()
        }


@pytest.mark.asyncio(loop_scope="module")
class TestIsolation:
    """One broker for all of these."""

    async def test_each_principal_may_do_what_was_granted_and_nothing_else(self, site: Site) -> None:
        """By every operation on every topic: of its own, of every other center, of HQ, of strangers."""
        principals = [name for name in site.passwords if name not in CLOSED]
        assert len(principals) >= 30
        assert len([*site.statuses, *HQS, *OTHERS]) >= 30
        assert await differences(site, principals) == {}

    @pytest.mark.long
    async def test_strangers_batches_of_an_enrolled_office_reach_its_own_lane_alone(self, site: Site) -> None:
        """Whatever they are: forged, packed, of another format; everybody else's topics are as they were."""
        before, answered = await ends_of(site), 0
        for principal in ("uz", "by", INVITED.name):
            own = {"uz": {"in.uz"}, "by": set(), INVITED.name: {"join.by"}}[principal]
            async with closing(await site.cluster(principal).admin("attempts")) as admin:
                for name, data in hostile(light=True).items():
                    told = [(topic, [(0, data)]) for topic in site.topics]
                    try:
                        answer = await admin.ask(ProduceRequest(None, -1, TIMEOUT_MS, told))
                    except KafkaConnectionError:  # what no broker can read: it hangs up
                        continue
                    answered += 1
                    taken = {topic for topic, parts in codes(answer.topics) if 0 in parts}
                    assert taken <= own, (principal, name)
        assert answered > 30
        after = await ends_of(site)
        assert {topic for topic in before if before[topic] != after[topic]} == {"in.uz", "join.by"}

    async def test_worker_that_starts_again_reads_what_it_had_signed(self, site: Site) -> None:
        """Else one that died between a receipt and its database's word of that could never begin again."""
        worker = site.cluster("worker")
        async with closing(await worker.producer("test")) as producer:
            await producer.send_and_wait("out.kz", b"signed", partition=0)
        end = (await topic_ends(worker, ["out.kz"]))["out.kz"][1]
        read = [record.value async for record in records_of(worker, {"out.kz": end - 1}, {"out.kz": end})]
        assert read == [b"signed"]

    async def test_nobody_but_the_admin_may_administer(self, site: Site) -> None:
        """Who has which rights, users and quotas is nobody's to know; nor which group HQ's workers are in."""
        for principal in ("uz", "by", "worker", "web", INVITED.name, STRANGER):
            assert await may_administer(site.cluster(principal)) == set()
            assert await may_see_group(site.cluster(principal), "hub-workers") == (principal == "worker")
        assert await may_administer(site.kafka.cluster) == {"rights", "users", "quotas"}

    async def test_closed_center_is_not_let_in(self, site: Site) -> None:
        """Though it had a login once."""
        assert "refuses this name and password" in str(await site.cluster("ge").diagnose())

    async def test_office_sees_no_topic_but_those_it_was_granted(self, site: Site) -> None:
        """Asked for all topics, a broker names these: nobody learns who the other centers are from it."""
        expected = granted("uz", site.statuses, site.topics)
        async with administration(site.cluster("uz")) as access:
            assert await access.topics() == expected["describe"]
