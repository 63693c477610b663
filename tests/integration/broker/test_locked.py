"""A locked broker lets its admin in, and nobody else to what was not granted; nothing tells its secrets."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
import pytest_asyncio
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError, TopicAuthorizationFailedError
from cryptography.x509.oid import ExtendedKeyUsageOID

from hub.base.access import Security
from hub.base.clients import closing
from hub.broker.embedded import EmbeddedKafka
from hub.broker.ports import LOOPBACK
from hub.broker.principals import WORKER
from hub.kafka.administration import NotAdministrator, administration
from hub.kafka.cluster import Unreachable
from hub.kafka.rights import Operation
from hub.kafka.topics import TopicSpec, describe_topics, ensure_topics
from hub.protocol.errors import CohubError
from hub.protocol.scram import Credential
from hub.worker.own_rights import give_own_rights
from tests.support.certificates import Authority
from tests.support.locked import (
    OFFICE,
    OFFICE_PASSWORD,
    SALT,
    assert_no_secret,
    read,
    right,
    there_and_back,
    write,
)
from tests.support.users import set_user

pytestmark = pytest.mark.integration


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def locked(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmbeddedKafka]:
    folder = tmp_path_factory.mktemp("locked")
    async with EmbeddedKafka(folder / "broker") as kafka:
        await set_user(kafka.cluster, OFFICE, Credential.of(OFFICE_PASSWORD, SALT))
        yield kafka


@pytest.mark.asyncio(loop_scope="module")
class TestLocked:
    """One broker for all of these."""

    async def test_admin_is_let_in_by_every_client(self, locked: EmbeddedKafka, topic_prefix: str) -> None:
        assert await there_and_back(locked.cluster, topic_prefix) == b"value"
        assert topic_prefix in await describe_topics(locked.cluster)
        assert await locked.cluster.diagnose() is None

    async def test_strangers_are_not_let_in(self, locked: EmbeddedKafka, tmp_path: Path) -> None:
        """Without TLS, without a password, with another one, by another name, and where another authority is asked."""
        stranger = Authority(tmp_path, "stranger")
        certificate = stranger.leaf("admin", usage=ExtendedKeyUsageOID.CLIENT_AUTH)
        admin = locked.cluster.security
        told = {
            "wants TLS at this port: set security.protocol to SASL_SSL": Security(),
            "asks for a name and a password, which SSL has not": having(admin, protocol="SSL"),
            "set security.protocol to SASL_SSL, with username": having(admin, protocol="SSL", cert_file=certificate),
            "wants TLS at this port": having(admin, protocol="SASL_PLAINTEXT"),
            "refuses this name and password": locked.cluster_of("admin", "wrong").security,
            "refuses this name": locked.cluster_of("nobody", "wrong").security,
            "refuses this name and password: ": having(admin, username="node-1"),
            "takes no PLAIN": having(admin, mechanism="PLAIN"),
            "takes no SCRAM-SHA-256": having(admin, mechanism="SCRAM-SHA-256"),
            "signed by nobody in security.ca_file": having(admin, ca_file=stranger.file),
        }
        found = {expected: await replace(locked.cluster, security=s).diagnose() for expected, s in told.items()}
        assert {e: text for e, text in found.items() if e.removesuffix(": ") not in (text or "")} == {}
        for security in told.values():
            with pytest.raises(Unreachable):
                await replace(locked.cluster, security=security).admin("test", deadline_s=5.0)

    async def test_who_was_granted_nothing_may_do_nothing(self, locked: EmbeddedKafka, topic_prefix: str) -> None:
        """A name and a password alone open no topic, and do not even show that there is one."""
        office = locked.cluster_of(OFFICE, OFFICE_PASSWORD)
        await there_and_back(locked.cluster, topic_prefix)
        assert await office.diagnose() is None
        with pytest.raises(Unreachable, match="ClusterAuthorizationFailed"):  # who may write nothing gets no number
            await write(office, topic_prefix, b"forged")
        async with closing(await office.consumer("test")) as consumer:
            assert topic_prefix not in await consumer.topics()
            consumer.assign([TopicPartition(topic_prefix, 0)])
            with contextlib.suppress(KafkaError):
                assert not await consumer.getmany(timeout_ms=500)
        with pytest.raises(CohubError):
            await ensure_topics(office, [TopicSpec(f"{topic_prefix}-2", 1)])
        async with administration(office) as access:
            for asked in (access.rights, access.quotas):  # Kafka 4.3 gives no answer at all to who may not list users
                with pytest.raises(NotAdministrator):
                    await asked()
            with pytest.raises(NotAdministrator):
                await access.set_users({"admin": Credential.of("mine now", SALT)})
            with pytest.raises(NotAdministrator):
                await access.grant([right(topic_prefix, Operation.READ)])
        assert await read(locked.cluster, topic_prefix) == [b"value"]
        assert f"{topic_prefix}-2" not in await describe_topics(locked.cluster)

    async def test_who_was_granted_to_write_writes_and_reads_nothing(
        self, locked: EmbeddedKafka, topic_prefix: str
    ) -> None:
        office = locked.cluster_of(OFFICE, OFFICE_PASSWORD)
        await ensure_topics(locked.cluster, [TopicSpec(topic_prefix, 1), TopicSpec(f"{topic_prefix}-2", 1)])
        async with administration(locked.cluster) as access:
            await access.grant([right(topic_prefix, Operation.WRITE)])
        await write(office, topic_prefix, b"mine")
        assert await read(locked.cluster, topic_prefix) == [b"mine"]
        with pytest.raises(TopicAuthorizationFailedError):
            await read(office, topic_prefix)
        with pytest.raises(TopicAuthorizationFailedError):
            await write(office, f"{topic_prefix}-2", b"not mine")

    async def test_worker_reads_and_writes_what_it_is_for_and_its_admin_makes_the_topics(
        self, locked: EmbeddedKafka, topic_prefix: str
    ) -> None:
        """What makes topics and gives rights is the admin's client, whoever holds it."""
        worker = replace(locked.cluster_of(WORKER), admins=locked.cluster.security)
        names = [f"in.{topic_prefix}", f"out.{topic_prefix}", f"state.{topic_prefix}"]
        await ensure_topics(worker, [TopicSpec(name, 1) for name in names])
        await give_own_rights(worker)
        await give_own_rights(worker)
        for name in (names[0], names[2]):
            await write(locked.cluster, name, b"said")
        assert await read(worker, names[0]) == [b"said"]
        await write(worker, names[1], b"answered")
        assert await read(worker, names[1]) == [b"answered"]
        for forbidden in (write(worker, names[0], b"forged"), read(worker, names[2])):
            with pytest.raises(TopicAuthorizationFailedError):
                await forbidden
        with pytest.raises(CohubError):
            await ensure_topics(replace(worker, admins=None), [TopicSpec(f"in.{topic_prefix}-2", 1)])
        assert f"in.{topic_prefix}-2" not in await describe_topics(locked.cluster)

    async def test_controller_lets_nobody_in_without_the_nodes_certificate(
        self, locked: EmbeddedKafka, tmp_path: Path
    ) -> None:
        """Its port is the system's choice, and any process of this machine could find it."""
        stranger = Authority(tmp_path, "stranger").leaf("node-1", usage=ExtendedKeyUsageOID.CLIENT_AUTH)
        controller = [port for port in listening(locked) if port != int(locked.bootstrap.split(":")[1])]
        assert len(controller) == 1
        for certificate in (None, stranger):
            context = ssl.create_default_context(cafile=str(locked.authority))
            if certificate:
                context.load_cert_chain(certificate)
            with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
                await api_versions(controller[0], context)
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await api_versions(controller[0], None)
        own = ssl.create_default_context(cafile=str(locked.authority))
        own.load_cert_chain(locked.log_file.with_name("node.pem"))
        assert await api_versions(controller[0], own), "the test would see an open door"

    async def test_nothing_tells_the_passwords(self, locked: EmbeddedKafka) -> None:
        """No process's command line and no file but those two, which are private, as are all others."""
        assert_no_secret(locked, locked.log_file.parent)


def having(security: Security, **changed: Any) -> Security:
    return security.model_copy(update=changed)


def listening(kafka: EmbeddedKafka) -> list[int]:
    found = psutil.Process(kafka.pid).net_connections("tcp")
    return sorted({one.laddr.port for one in found if one.status == psutil.CONN_LISTEN})


async def api_versions(port: int, context: ssl.SSLContext | None) -> bytes:
    """Return what a listener answers to the first request of any client."""
    async with asyncio.timeout(10):
        reader, writer = await asyncio.open_connection(LOOPBACK, port, ssl=context)
        try:
            body = bytes.fromhex("0012 0000 00000001 0004 74657374")  # ApiVersions v0, correlation 1, client "test"
            writer.write(len(body).to_bytes(4, "big") + body)
            return await reader.readexactly(int.from_bytes(await reader.readexactly(4), "big"))
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
