"""A cluster of the user's own, by settings alone: certificates say who HQ's worker, admin and HTTPS way in are."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

import pytest
import pytest_asyncio
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from hub.broker.embedded import EmbeddedKafka
from hub.broker.ports import LOOPBACK, choose_port
from hub.hq.access import issue
from hub.hq.centers import close
from hub.hq.doctor.examination import examine
from hub.hq.doctor.examined import Examined, Mark
from hub.hq.folder import HubFolder
from hub.hq.identity import load_identity
from hub.hq.settings import FILE, read_settings
from hub.kafka.administration import administration
from hub.kafka.cluster import Cluster
from hub.kafka.desired import FIRST, web_rights, worker_rights
from hub.kafka.rights import user
from hub.protocol.scram import Credential
from hub.worker.own_rights import give_own_rights
from tests.support.center import Center
from tests.support.certificates import Authority
from tests.support.peek import peek
from tests.support.worker import Hub, produce

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="module")]

# As Kafka prints it, which no other library does: other attributes by number, signs escaped, the last part first.
WORKER: Final = x509.Name(
    [
        x509.RelativeDistinguishedName([x509.NameAttribute(NameOID.COUNTRY_NAME, "KZ")]),
        x509.RelativeDistinguishedName([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Центр, Ltd. = #1 <+>")]),
        x509.RelativeDistinguishedName(
            [
                x509.NameAttribute(NameOID.COMMON_NAME, ' "hq";\\ worker '),
                x509.NameAttribute(NameOID.EMAIL_ADDRESS, "hq@example.org"),
            ]
        ),
    ]
)
ADMIN: Final = "CN=boss"


@dataclass
class Site:
    """A hub, its cluster, and a worker in this process; `strangers` log in there by a password, and are not HQ's."""

    where: HubFolder
    kafka: EmbeddedKafka
    hub: Hub
    strangers: frozenset[str] = frozenset({"bob", "mary"})

    async def look(self) -> dict[str, Examined]:
        """Return what the doctor finds, by check."""
        return {str(one.check): one for one in await examine(self.where, {})}

    async def well(self) -> dict[str, Examined]:
        """Return it once nothing fails, and every center has what it should."""
        async with asyncio.timeout(60):
            while True:
                self.where.worker_file.touch()
                found = await self.look()
                if found["centers"].case == "as_wanted" and Mark.FAILS not in {one.mark for one in found.values()}:
                    return found
                await asyncio.sleep(0.3)

    async def users(self) -> set[str]:
        """Return who logs in by a password."""
        async with administration(self.kafka.cluster) as access:
            return set(await access.users())


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    folder = tmp_path_factory.mktemp("own")
    authority, usage = Authority(folder), ExtendedKeyUsageOID.CLIENT_AUTH
    authority.leaf("worker", usage=usage, subject=WORKER)
    for name in ("boss", "web"):
        authority.leaf(name, usage=usage)
    port, mutual = choose_port(), choose_port()
    listeners = f"CLIENT://{LOOPBACK}:{port},MUTUAL://{LOOPBACK}:{mutual}"
    overrides = {
        "listeners": f"{listeners},CONTROLLER://{LOOPBACK}:0",
        "advertised.listeners": listeners,
        "listener.security.protocol.map": "CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT,MUTUAL:SSL",
        "listener.name.mutual.ssl.client.auth": "required",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(authority.leaf("node")),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(authority.file),
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "allow.everyone.if.no.acl.found": "false",
        "super.users": f"User:ANONYMOUS;User:{ADMIN}",  # the test itself, and the broker, come in without a name
    }
    data = folder / "data"
    data.mkdir(mode=0o700)
    where = HubFolder(data)
    assert where.ensure_identity("hub.example") is not None
    (data / FILE).write_text(
        f"bootstrap: ['{LOOPBACK}:{mutual}']\n"
        "security: {protocol: SSL, ca_file: ../ca.pem, cert_file: ../worker.pem}\n"
        "admin: {cert_file: ../boss.pem}\n"
        "web: {security: {cert_file: ../web.pem}}\n"
    )
    async with EmbeddedKafka(folder / "kafka", port=port, plain=True, overrides=overrides) as kafka:
        ready = {"bootstrap": f"{LOOPBACK}:{mutual}", "pid": os.getpid(), "host": socket.gethostname()}
        where.worker_file.write_text(json.dumps(ready))
        where.worker_file.chmod(0o600)

        class BySettings(Hub):
            @property
            def cluster(self) -> Cluster:
                found = where.cluster(read_settings(data, {}).settings)
                assert found is not None
                return found

            async def start(self) -> None:
                await give_own_rights(self.cluster)
                await super().start()

        yield Site(where, kafka, BySettings(data, kafka.bootstrap, load_identity(where.keys)))


@pytest.mark.long
async def test_worker_of_a_certificate_is_given_its_rights_and_takes_events(site: Site) -> None:
    """Nobody gives it any by hand: the admin's certificate does, to the name that Kafka has for the worker's."""
    hub, center = site.hub, Center("uz")
    async with hub.running():
        await hub.register(center)
        await produce(site.kafka.bootstrap, "in.uz", center.opened(3))
        await hub.until(lambda database: peek(database, "SELECT size FROM lane WHERE center = 'uz'") == [(4,)])
        found = await site.well()
    worker = hub.cluster.user
    assert worker is not None
    assert worker.startswith('CN=\\ \\"hq\\"\\;\\\\ worker\\ +1.2.840.113549.1.9.1=#')
    assert [found[f"broker_as_{who}"].values["user"] for who in ("admin", "worker", "web")] == [ADMIN, worker, "CN=web"]
    assert found["rights"].case == "enough"
    async with administration(hub.cluster) as access:
        rights = await access.rights()
        assert await access.rights(["uz", worker]) == {r for r in rights if r.principal in ("User:uz", user(worker))}
    assert rights >= worker_rights(worker) | web_rights("CN=web")
    assert not {right.principal for right in rights} & {"User:worker", "User:web", "User:ANONYMOUS"}


async def test_web_that_is_not_let_in_is_told(site: Site) -> None:
    """Its certificate may be of another authority, though the worker's is right."""
    file = site.where.data_dir.parent / "web.pem"
    whole = file.read_bytes()
    (file.parent / "other").mkdir()
    try:
        file.write_bytes(Authority(file.parent / "other").leaf("web").read_bytes())
        found = await site.look()
    finally:
        file.write_bytes(whole)
    assert (found["broker_as_web"].case, found["broker_as_worker"].case) == ("away", "answers")


@pytest.mark.long
async def test_users_of_others_outlive_a_restart_after_a_center_was_closed(site: Site) -> None:
    """Kafka would lose all of them: HQ has made the user that nobody is before it made or deleted anybody.

    In Java's tables `aq` is first of these: its change is read again before the others', and it is a deletion.
    """
    hub = site.hub
    async with hub.running():
        await hub.register(*(Center(center) for center in ("aq", "kg", "kz", "tj")))
        for center in ("aq", "kg", "kz", "tj"):
            await issue(site.where, center, lambda _: None)
        async with asyncio.timeout(60):
            while not {"aq", "kg", "kz", "tj"} <= await site.users():
                await asyncio.sleep(0.1)
        async with administration(site.kafka.cluster) as access:
            await access.set_users({name: Credential.of(name, bytes(32)) for name in site.strangers})
        await close(site.where, "aq", "left")
        async with asyncio.timeout(60):
            while "aq" in await site.users():
                await asyncio.sleep(0.1)
    await site.kafka.stop()
    await site.kafka.start()
    assert await site.users() == {"kg", "kz", "tj", FIRST, *site.strangers}
