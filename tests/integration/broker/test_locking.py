"""A broker is locked at its start and stays so, whatever it was before and whoever dies; nothing is lost by it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
import sys
import threading
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from aiokafka.admin.config_resource import ConfigResourceType
from aiokafka.errors import KafkaError
from aiokafka.protocol.admin import AlterConfigsRequest, DescribeConfigsRequest

from hub.base.access import Security
from hub.base.certificates import certificate_from_pem
from hub.base.clients import closing
from hub.broker.embedded import EmbeddedKafka
from hub.broker.ports import LOOPBACK, choose_port
from hub.broker.principals import USERS, WORKER
from hub.broker.properties import SNAPSHOTS_OFTEN, Public
from hub.broker.storage import wait_for_snapshot
from hub.kafka.administration import administration
from hub.kafka.cluster import Cluster
from hub.kafka.desired import FIRST
from hub.kafka.rights import Operation
from hub.kafka.topics import TopicSpec, ensure_topics
from hub.protocol.errors import Fatal
from hub.protocol.scram import Credential
from tests.support.locked import (
    OFFICE,
    SALT,
    assert_no_secret,
    command_lines,
    read,
    right,
    there_and_back,
)
from tests.support.users import set_user

BROKER = int(ConfigResourceType.BROKER)
DYNAMIC = (2, 3)  # of a setting's sources: one broker was told it as it ran, or all were

pytestmark = pytest.mark.integration


@contextmanager
def watched_command_lines() -> Iterator[list[bytes]]:
    """Have every command line looked at as long as the block runs."""
    found: list[bytes] = []
    stop = threading.Event()

    def watch() -> None:
        while not stop.is_set():
            found.append(command_lines())
            stop.wait(0.01)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield found
    finally:
        stop.set()
        thread.join()


@pytest.mark.long
async def test_first_start_shows_no_password_and_the_next_one_has_all_that_was_written(tmp_path: Path) -> None:
    """While Kafka's tool makes the first users, too. Certificates change as it runs; offices have their own door."""
    port = choose_port()
    kafka = EmbeddedKafka(
        tmp_path / "broker", authority=tmp_path / "keys", public=Public((LOOPBACK, port), ("localhost", port))
    )
    with watched_command_lines() as lines:
        await kafka.start()
    try:
        assert any(b"format.arguments" in line for line in lines), "the tool was not looked at"
        words = [kafka.cluster_of(user).security.login()[1].encode() for user in USERS]
        assert not [word for word in words if any(word in line for line in lines)]
        assert not list((tmp_path / "broker").glob("format*"))

        office = Cluster((f"localhost:{port}",), kafka.cluster.security)
        await ensure_topics(office, [TopicSpec("t", 1)])
        async with closing(await office.producer("test")) as producer:
            await producer.send_and_wait("t", b"one", partition=0)
            assert [broker.port for broker in (await metadata(producer)).brokers()] == [port]
            await assert_certificates_change(kafka, tmp_path / "broker", (port, int(kafka.bootstrap.split(":")[1])))
            await producer.send_and_wait("t", b"two", partition=0)

        # Kafka 4.3.1 may forget every user at its next start where one was deleted.
        gone = ("x", "a", "0", "uz", "join.0a1b2c3d")
        async with administration(kafka.cluster) as access:
            await access.set_users({name: Credential.of(name, SALT) for name in (*gone, "kz")})
            await access.delete_users(gone)
        await kafka.kill()
        await kafka.start()
        assert await read(office, "t") == [b"one", b"two"]
        assert [kafka.cluster_of(user).security.login()[1].encode() for user in USERS] == words
        for login in (kafka.cluster_of("kz", "kz"), kafka.cluster_of(WORKER)):
            assert await login.diagnose() is None
        assert_no_secret(kafka, tmp_path)
    finally:
        await kafka.stop()


async def assert_certificates_change(kafka: EmbeddedKafka, folder: Path, ports: tuple[int, ...]) -> None:
    """See that whoever comes next is shown another certificate at each of these ports, once there is one."""
    before = {port: shown(port, kafka) for port in ports}
    assert not await kafka.renew()
    (folder / "server.pem").unlink()  # it is made anew, as when it is time
    (folder / "node.pem").unlink()
    assert await kafka.renew()
    after = {port: shown(port, kafka) for port in ports}
    assert not before.items() & after.items()
    assert {certificate_from_pem(pem.encode()).serial_number for pem in after.values()} == {
        certificate_from_pem((folder / "server.pem").read_bytes()).serial_number
    }


@pytest.mark.long
async def test_broker_that_was_plain_is_locked_and_keeps_its_data(tmp_path: Path) -> None:
    """As one of a release before this one; whoever came in before does so no more."""
    async with EmbeddedKafka(tmp_path, plain=True) as kafka:
        await there_and_back(kafka.cluster, "t", b"before")
        address = kafka.bootstrap
        # Whoever came in while it was open left a way in: by the node's own name, which may do everything.
        await set_user(kafka.cluster, "node-1", Credential.of("planted", SALT))
    async with EmbeddedKafka(tmp_path) as kafka:
        assert kafka.bootstrap == address
        assert "refuses this name and password" in str(await kafka.cluster_of("node-1", "planted").diagnose())
        assert await read(kafka.cluster, "t") == [b"before"]
        assert "wants TLS at this port" in str(await Cluster((address,)).diagnose())
        assert_no_secret(kafka, tmp_path)


@pytest.mark.long
async def test_settings_that_were_planted_while_it_was_open_are_taken_back(tmp_path: Path) -> None:
    """A password that stands in a setting lets nobody in once it is locked; of this broker or of all, none is left."""
    jaas = 'org.apache.kafka.common.security.plain.PlainLoginModule required user_admin="planted";'
    prefix = "listener.name.offices."
    planted = {f"{prefix}sasl.enabled.mechanisms": "SCRAM-SHA-512,PLAIN", f"{prefix}plain.sasl.jaas.config": jaas}
    async with EmbeddedKafka(tmp_path, plain=True, overrides=SNAPSHOTS_OFTEN) as kafka:
        await tell(kafka.cluster, "1", planted)
        await tell(kafka.cluster, "", {"message.max.bytes": "2000", "min.insync.replicas": "2"})
        await wait_for_snapshot(tmp_path / "log")  # a broker that ran for an hour has one
    port = choose_port()
    async with EmbeddedKafka(tmp_path, public=Public((LOOPBACK, port), ("localhost", port))) as kafka:
        login = {"protocol": "SASL_SSL", "mechanism": "PLAIN", "username": "admin", "password": "planted"}
        security = Security.model_validate({**login, "ca_file": kafka.authority})
        assert await Cluster((f"localhost:{port}",), security).diagnose() is not None, "the planted password lets in"
        assert await Cluster((f"localhost:{port}",), kafka.cluster.security).diagnose() is None
        assert await told(kafka.cluster) == {("min.insync.replicas", "1")}  # which no broker is without


@pytest.mark.long
async def test_broker_that_knows_other_passwords_or_none_is_told_them_again(tmp_path: Path) -> None:
    """Files that were lost, users that Kafka lost, a password that was changed behind our back; what is in it stays."""
    kafka = EmbeddedKafka(tmp_path)
    async with kafka:
        await there_and_back(kafka.cluster, "t", b"one")
    (tmp_path / "admin.password").unlink()
    async with kafka, administration(kafka.cluster) as access:
        await access.set_users({"x": Credential.of("x", SALT)})
        await access.delete_users(["x", FIRST])  # which makes Kafka 4.3.1 forget all of them at its next start
    async with kafka, administration(kafka.cluster) as access:
        await access.set_users({"admin": Credential.of("another", SALT)})
    async with kafka:
        assert await read(kafka.cluster, "t") == [b"one"]
    async with EmbeddedKafka(tmp_path, plain=True) as opened:
        assert await there_and_back(opened.cluster, "t", b"two") == b"two", "a setting opens it again"


@pytest.mark.long
async def test_password_that_was_changed_lets_go_of_who_came_in_by_the_old_one(tmp_path: Path) -> None:
    """A connection ends some time after its login, which whoever still may come in hardly sees: nothing is lost."""
    async with EmbeddedKafka(tmp_path, overrides={"connections.max.reauth.ms": "2000"}) as kafka:
        await ensure_topics(kafka.cluster, [TopicSpec("t", 1)])
        await set_user(kafka.cluster, OFFICE, Credential.of("old", SALT))
        async with administration(kafka.cluster) as access:
            await access.grant([right("t", Operation.WRITE)])
        clock, sent = asyncio.get_running_loop().time, 0
        async with closing(await kafka.cluster_of(OFFICE, "old").producer("test")) as producer:
            end_s = clock() + 7.0
            while clock() < end_s:
                await producer.send_and_wait("t", b"%d" % sent, partition=0)
                sent += 1
            assert await read(kafka.cluster, "t") == [b"%d" % number for number in range(sent)]
            await set_user(kafka.cluster, OFFICE, Credential.of("new", SALT))
            end_s = clock() + 30.0
            while await is_taken(producer.send_and_wait("t", b"more", partition=0)):
                assert clock() < end_s, "it is still let in"
        assert await kafka.cluster_of(OFFICE, "new").diagnose() is None


@pytest.mark.long
async def test_locking_that_dies_is_gone_on_with(tmp_path: Path) -> None:
    """Whichever process dies, while only the admin's certificate lets in and after; nothing of it is left."""
    async with EmbeddedKafka(tmp_path, plain=True) as kafka:
        await there_and_back(kafka.cluster, "t", b"before")
    kafka = EmbeddedKafka(tmp_path)
    starting = asyncio.create_task(kafka.start())
    async with asyncio.timeout(30):
        while kafka.pid is None:
            await asyncio.sleep(0.01)
    assert (tmp_path / "admin.pem").exists()
    os.kill(kafka.pid, 9)
    with pytest.raises(Fatal, match="ended before it was locked"):
        await starting
    assert not (tmp_path / "admin.pem").exists()
    command = [sys.executable, "-m", "hub.broker", "--data-dir", str(tmp_path)]
    process = await asyncio.create_subprocess_exec(*command)
    async with asyncio.timeout(30):
        while not (tmp_path / "admin.pem").exists():
            await asyncio.sleep(0.01)
    process.kill()
    await process.wait()
    async with kafka:
        assert not (tmp_path / "admin.pem").exists()
        assert await read(kafka.cluster, "t") == [b"before"]
    (tmp_path / "known").unlink()  # it died before the last step
    async with kafka:
        assert await read(kafka.cluster, "t") == [b"before"]


async def is_taken(sending: Awaitable[object]) -> bool:
    with contextlib.suppress(TimeoutError, KafkaError):
        await asyncio.wait_for(sending, 5)
        return True
    return False


def shown(port: int, kafka: EmbeddedKafka) -> str:
    return ssl.get_server_certificate((LOOPBACK, port), ca_certs=str(kafka.authority))


async def metadata(producer: Any) -> Any:
    return await producer.client.fetch_all_metadata()


async def tell(cluster: Cluster, broker: str, settings: dict[str, str]) -> None:
    """Tell a running broker, or (no name) all of them, settings."""
    async with closing(await cluster.admin("test")) as admin:
        resource = (BROKER, broker, list(settings.items()))
        answer: Any = await admin.ask(AlterConfigsRequest([resource]))
        assert [code for code, *_ in answer.resources] == [0], answer


async def told(cluster: Cluster) -> set[tuple[str, str]]:
    """Return the settings that the broker was told as it ran, and those that all were."""
    async with closing(await cluster.admin("test")) as admin:
        answers = [await admin.ask(DescribeConfigsRequest([(BROKER, name, None)])) for name in ("1", "")]
    resources = [resource for answer in answers for resource in answer.to_object()["resources"]]
    configs = [config for resource in resources for config in resource["config_entries"]]
    return {
        (config["config_names"], config["config_value"]) for config in configs if config["config_source"] in DYNAMIC
    }
