"""A Cluster's clients at a broker that asks for TLS and a password; and what it says when they are not let in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiokafka import ConsumerRecord, TopicPartition
from cryptography.x509.oid import ExtendedKeyUsageOID
from pydantic import SecretStr

from hub.base.access import Security
from hub.base.clients import closing
from hub.broker.embedded import EmbeddedKafka
from hub.broker.ports import LOOPBACK, choose_port
from hub.kafka.cluster import Cluster, Unreachable
from hub.kafka.topics import TopicSpec, describe_topics, ensure_topics
from hub.protocol.topics import CHECKPOINTS, TRUST
from hub.worker.app import ReaderSettings, create_app
from hub.worker.ports import LaneHandle
from hub.worker.supervision import consume
from tests.support.center import Center
from tests.support.certificates import Authority
from tests.support.peek import is_published
from tests.support.worker import Hub, answers, produce, read_topic

pytestmark = pytest.mark.integration

JAAS = 'org.apache.kafka.common.security.plain.PlainLoginModule required user_hq="{password}";'
PASSWORD = "not-on-any-command-line"
SCRAM = "SCRAM-SHA-512"


class Collecting:
    """Intakes that read from the beginning, and keep what comes."""

    def __init__(self) -> None:
        self.records: list[ConsumerRecord] = []
        self.came = asyncio.Event()

    def attach(self, reader: LaneHandle) -> None:
        """No position is moved."""

    async def assign(self, centers: Sequence[str]) -> dict[str, int | None]:
        return dict.fromkeys(centers)

    async def revoke(self, centers: Sequence[str]) -> None:
        """Nothing is held."""

    async def ready(self, records: Sequence[ConsumerRecord], before: Collection[str] = ()) -> None:
        """Be ready at once."""

    async def handle(self, center: str, records: Sequence[ConsumerRecord]) -> None:
        self.records.extend(records)
        self.came.set()


@dataclass
class Site:
    """A broker with five ports: one for each protocol, and one that asks for certificates.

    `cluster` is the way in by TLS and password.
    """

    plain: Cluster
    cluster: Cluster
    ports: dict[str, str]
    client: Path

    def having(self, protocol: str = "SASL_SSL", port: str = "", **security: Any) -> Cluster:
        """Return the cluster with this protocol at the port of another one, and other proofs of who we are."""
        changed = self.cluster.security.model_copy(update={"protocol": protocol, **security})
        return replace(self.cluster, servers=(self.ports[port or protocol],), security=changed)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    folder = tmp_path_factory.mktemp("secure")
    authority = Authority(folder)
    port = choose_port()
    ports = {name: f"{LOOPBACK}:{choose_port()}" for name in ("SSL", "SASL_PLAINTEXT", "SASL_SSL", "MUTUAL")}
    ports["PLAINTEXT"] = f"{LOOPBACK}:{port}"
    named = {name.replace("_", ""): address for name, address in ports.items() if name != "PLAINTEXT"}
    listeners = ",".join(f"{name}://{address}" for name, address in {"CLIENT": ports["PLAINTEXT"], **named}.items())
    overrides = {
        "listeners": f"{listeners},CONTROLLER://{LOOPBACK}:0",
        "advertised.listeners": listeners,
        "listener.security.protocol.map": "CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT,SSL:SSL,"
        "SASLPLAINTEXT:SASL_PLAINTEXT,SASLSSL:SASL_SSL,MUTUAL:SSL",
        "listener.name.mutual.ssl.client.auth": "required",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(authority.leaf("node")),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(authority.file),
        "sasl.enabled.mechanisms": "PLAIN",
        "listener.name.saslssl.plain.sasl.jaas.config": JAAS.format(password=PASSWORD),
        "listener.name.saslplaintext.plain.sasl.jaas.config": JAAS.format(password=PASSWORD),
    }
    client = authority.leaf("client", usage=ExtendedKeyUsageOID.CLIENT_AUTH)
    security = Security(
        protocol="SASL_SSL",
        mechanism="PLAIN",
        username="hq",
        password=SecretStr(PASSWORD),
        ca_file=authority.file,
    )
    async with EmbeddedKafka(folder / "kafka", port=port, plain=True, overrides=overrides) as kafka:
        yield Site(kafka.cluster, Cluster((ports["SASL_SSL"],), security), ports, client)


async def there_and_back(cluster: Cluster, topic: str) -> bytes:
    await ensure_topics(cluster, [TopicSpec(topic, 1)])
    async with closing(await cluster.producer("test")) as producer:
        await producer.send_and_wait(topic, b"value", partition=0)
    async with closing(await cluster.consumer("test")) as consumer:
        consumer.assign([TopicPartition(topic, 0)])
        (found,) = (await consumer.getmany(timeout_ms=10_000)).values()
        return found[0].value or b""


@pytest.mark.parametrize("protocol", ["SASL_SSL", "SASL_PLAINTEXT", "SSL", "PLAINTEXT"])
async def test_every_client_of_a_cluster_is_let_in(site: Site, topic_prefix: str, protocol: str) -> None:
    """Admin, producer and consumer have all that the broker asks for, by each protocol."""
    cluster = site.having(protocol)
    assert await there_and_back(cluster, topic_prefix) == b"value"
    assert topic_prefix in await describe_topics(cluster, [topic_prefix])
    assert await cluster.diagnose() is None


async def test_client_with_a_certificate_is_let_in(site: Site, topic_prefix: str, tmp_path: Path) -> None:
    """Where the broker asks for one, `cert_file` and `key_file` are shown, which may be one file."""
    ours = site.having("SSL", "MUTUAL", cert_file=site.client, key_file=site.client)
    assert await there_and_back(ours, topic_prefix) == b"value"


@pytest.mark.parametrize("protocol", ["SASL_SSL", "SSL"])
async def test_faust_is_let_in(site: Site, topic_prefix: str, protocol: str) -> None:
    """The reading side of a worker reads by the same settings."""
    cluster = site.having(protocol)
    await ensure_topics(cluster, [TopicSpec(f"in.{topic_prefix}", 1)])
    async with closing(await cluster.producer("test")) as producer:
        await producer.send_and_wait(f"in.{topic_prefix}", b"read", partition=0)
    intakes, stop = Collecting(), asyncio.Event()
    app = create_app(ReaderSettings(cluster=cluster, group=topic_prefix), intakes, [topic_prefix])
    reading = asyncio.create_task(consume(app, stop=stop, stall_s=60.0, deadline_s=8.0))
    async with asyncio.timeout(30):
        await asyncio.wait([reading, asyncio.create_task(intakes.came.wait())], return_when="FIRST_COMPLETED")
    stop.set()
    await reading
    assert [record.value for record in intakes.records] == [b"read"]


async def test_whole_worker_is_let_in(site: Site, tmp_path: Path, topic_prefix: str) -> None:
    """Each of its clients logs in: reading, publishing, the log's notary, the trust note, the topics."""

    class Secured(Hub):
        cluster = site.cluster

    hub, center = Secured.make(tmp_path, site.plain.bootstrap), Center(topic_prefix)
    await hub.register(center)
    await produce(hub.bootstrap, f"in.{center.id}", center.opened(5))
    async with hub.running():
        await hub.until(is_published)
        async with asyncio.timeout(30):
            while not await answers(hub, center.id) or not await read_topic(hub.bootstrap, CHECKPOINTS):
                await asyncio.sleep(0.1)
        async with asyncio.timeout(30):
            while not await read_topic(hub.bootstrap, TRUST):
                await asyncio.sleep(0.1)


async def test_who_is_not_let_in_is_told_why(site: Site, tmp_path: Path) -> None:
    """Each mistake in the settings has a sentence of its own, where Kafka's clients say one and the same."""
    other = Authority(tmp_path, "stranger")
    stranger, theirs = other.file, other.leaf("theirs", usage=ExtendedKeyUsageOID.CLIENT_AUTH)
    taken = "it takes PLAIN"
    told = [
        ("refuses this name and password", site.having(password=SecretStr("wrong"))),
        ("refuses this name", site.having(username="nobody")),
        ("takes no SCRAM-SHA-512: set security.mechanism to one that it takes (PLAIN)", site.having(mechanism=SCRAM)),
        (f"signed by nobody in security.ca_file {stranger}", site.having(ca_file=stranger)),
        ("signed by nobody in this system's list", site.having(ca_file=None)),
        ("wants TLS at this port: set security.protocol to SASL_SSL", site.having("PLAINTEXT", "SASL_SSL")),
        ("wants TLS at this port: set security.protocol to SASL_SSL", site.having("SASL_PLAINTEXT", "SASL_SSL")),
        ("wants TLS at this port: set security.protocol to SSL", site.having("PLAINTEXT", "SSL")),
        ("wants TLS at this port", site.having("PLAINTEXT", "MUTUAL")),
        (f"set security.protocol to SASL_SSL, with username and password; {taken}", site.having("SSL", "SASL_SSL")),
        (f"to SASL_PLAINTEXT, with username and password; {taken}", site.having("PLAINTEXT", "SASL_PLAINTEXT")),
        ("does not take up TLS at this port", site.having("SASL_SSL", "SASL_PLAINTEXT")),
        ("set security.protocol to SASL_PLAINTEXT", site.having("SASL_SSL", "SASL_PLAINTEXT")),
        ("set security.protocol to PLAINTEXT", site.having("SSL", "PLAINTEXT")),
        ("asks for no name and password", site.having("SASL_SSL", "SSL")),
        ("asks for a client's certificate", site.having("SSL", "MUTUAL")),
        ("refuses our certificate", site.having("SSL", "MUTUAL", cert_file=theirs, key_file=theirs)),
        ("nobody listens there", Cluster.at(f"{LOOPBACK}:{choose_port()}")),
        ("no such host", Cluster.at("there.is.no.such.host.invalid:9092")),
    ]
    found = await asyncio.gather(*(cluster.diagnose(30.0) for _, cluster in told))
    assert [(want, text) for (want, _), text in zip(told, found, strict=True) if want not in (text or "")] == []


async def test_client_that_is_not_let_in_says_why_and_no_secret(site: Site, topic_prefix: str) -> None:
    """What a command prints is the reason, not "unable to bootstrap"."""
    wrong = site.having(password=SecretStr("wrong-secret"))
    for client in (wrong.producer("test"), wrong.consumer("test"), wrong.admin("test")):
        with pytest.raises(Unreachable, match="refuses this name and password") as told:
            await client
        assert "wrong-secret" not in f"{told.value!r}{wrong!r}"
    with pytest.raises(Unreachable, match="refuses this name and password"):
        await ensure_topics(wrong, [TopicSpec(topic_prefix, 1)])
