"""A worker, an office and a locked broker: what HQ says of a center is what the broker lets it do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import yaml
from structlog.testing import capture_logs

from connectors.runtime.outbox import Outbox
from hub.broker.embedded import EmbeddedKafka
from hub.domain.catalogue import STREAMS
from hub.hq.access import AccessStanding, issue, standing
from hub.hq.centers import close, resume, suspend
from hub.hq.folder import HubFolder
from hub.hq.headquarters import HqEvent
from hub.hq.identity import load_identity, make_identity
from hub.hq.lookup import find_center
from hub.kafka.cluster import Cluster
from hub.kafka.topics import ensure_group, ensure_topics, standard_topics
from hub.protocol.errors import Retriable
from hub.protocol.note import sign_note
from hub.protocol.record import CENTER_REGISTERED
from hub.worker.own_rights import give_own_rights
from tests.support.attempts import allowed
from tests.support.center import Center
from tests.support.folder import HUB, ROOT, OfficeFolder, until
from tests.support.hq import center_record
from tests.support.worker import Hub

pytestmark = pytest.mark.integration

UZ, KZ = "uz", "kz"


@dataclass
class LockedHub(Hub):
    """A hub whose broker lets nobody in; its worker is one of its users, and makes nothing."""

    kafka: EmbeddedKafka | None = None
    has_admin: bool = True  # whether the worker's settings name who may administer the broker

    @property
    def broker(self) -> EmbeddedKafka:
        assert self.kafka is not None
        return self.kafka

    @property
    def cluster(self) -> Cluster:
        admins = self.broker.cluster.security if self.has_admin else None
        return replace(self.broker.cluster_of("worker"), admins=admins)

    @property
    def place(self) -> HubFolder:
        return HubFolder(self.data_dir)

    async def start(self) -> None:
        await give_own_rights(self.cluster)
        await super().start()

    async def register_only(self, *centers: Center) -> None:
        """Say that there are these centers, and make nothing for them."""
        await self.say(*(HqEvent(CENTER_REGISTERED, center.id, center_record(center)) for center in centers))

    def access(self, center: str) -> AccessStanding:
        with self.place.snapshot() as now:
            return standing(find_center(now, center).registered, now.access())

    async def until_kept(self, center: str, may: str, version: int = 1) -> None:
        """Wait until the broker has what a center may do."""

        def is_kept() -> bool:
            access = self.access(center)
            return (access.state, access.may, access.version) == ("kept", may, version)

        await self.until(lambda _: is_kept())


def office_of(hub: LockedHub, folder: Path, center: str, password: str) -> OfficeFolder:
    """Return the office of a registered center, which logs in by this password."""
    security = {
        "protocol": "SASL_SSL",
        "username": center,
        "password": password,
        "ca_file": str(hub.broker.authority),
    }
    office = OfficeFolder(folder, center, hub.bootstrap, security=security)
    (office.folder / "connector.yaml").chmod(0o600)
    assert hub.identity.trust is not None
    trust = sign_note(replace(hub.identity.trust, root=ROOT.verifier).to_text(), [ROOT])
    (office.folder / "trust.note").write_bytes(trust.to_bytes())
    return office


async def password_of(hub: LockedHub, center: str) -> str:
    given: list[str] = []
    await issue(hub.place, center, given.append)
    return given[0]


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[LockedHub]:
    folder = tmp_path / "data"
    async with EmbeddedKafka(folder / "broker") as kafka:
        make_identity(HubFolder(folder).keys, HUB)
        made = LockedHub(folder, kafka.bootstrap, load_identity(HubFolder(folder).keys), kafka=kafka)
        yield made


def accepted(outbox: Outbox) -> int:
    found: int = outbox.status()["totals"]["accepted"]
    return found


def link_says(outbox: Outbox) -> str:
    state = outbox.database.link()
    return state.reason if state.state == "down" else ""


@pytest.mark.long
async def test_status_of_a_center_is_what_the_broker_lets_it_do(hub: LockedHub, tmp_path: Path) -> None:
    """Added, suspended, resumed, given another password, closed: nobody touches the broker, nothing is lost."""
    await hub.register_only(Center(UZ, seed=b"k" * 32), Center(KZ))
    office = office_of(hub, tmp_path / "office", UZ, await password_of(hub, UZ))
    own = hub.broker.cluster_of(UZ, office.settings["security"]["password"])  # type: ignore[index]
    async with hub.running():
        await hub.until_kept(UZ, "read and write")
        office.sheet({"A": "First"})
        async with office.running() as connector:
            await until(lambda: accepted(connector.outbox) == 1, 40.0)
            await suspend(hub.place, UZ, "audit")
            await hub.until_kept(UZ, "read")
            office.sheet({"A": "First", "B": "Second"})
            await until(lambda: "audit" in link_says(connector.outbox), 40.0)
            assert (await allowed(own, [f"in.{UZ}", f"out.{UZ}", f"in.{KZ}"]))["read"] == {f"out.{UZ}"}
            await resume(hub.place, UZ, "done")
            await until(lambda: accepted(connector.outbox) == 2, 60.0)
        password = await password_of(hub, UZ)
        await hub.until_kept(UZ, "read and write", 2)
        assert "refuses this name and password" in str(await own.diagnose())
        security = office.settings["security"] | {"password": password}  # type: ignore[operator]
        (office.folder / "connector.yaml").write_text(yaml.safe_dump(office.settings | {"security": security}))
        office.sheet({"A": "First", "B": "Second", "C": "Third"})
        async with office.running() as connector:
            await until(lambda: accepted(connector.outbox) == 3, 40.0)
        await close(hub.place, UZ, "left")
        await hub.until(lambda _: hub.access(UZ).state == "kept")
        assert "refuses this name and password" in str(await hub.broker.cluster_of(UZ, password).diagnose())


@pytest.mark.long
async def test_broker_that_was_away_has_it_when_it_is_back(hub: LockedHub) -> None:
    """What HQ said meanwhile reaches it by itself."""
    await hub.register_only(Center(UZ))
    password = await password_of(hub, UZ)
    async with hub.running():
        await hub.until_kept(UZ, "read and write")
        await hub.broker.kill()
        await suspend(hub.place, UZ, "audit")
        await hub.register_only(Center(KZ))
        assert hub.access(UZ).state == "waits"
        await hub.broker.start()
        await hub.until_kept(UZ, "read")
        await hub.until_kept(KZ, "read and write", 0)
        async with asyncio.timeout(20):
            while (await allowed(hub.broker.cluster_of(UZ, password), [f"in.{UZ}"]))["write"]:
                await asyncio.sleep(0.1)


@pytest.mark.long
async def test_worker_that_may_make_no_topic_waits_for_whoever_makes_it(hub: LockedHub) -> None:
    """Its settings name nobody who may: it ends neither at its start nor later, and says what it waits for."""
    await give_own_rights(hub.cluster)
    uz = Center(UZ)
    await hub.register_only(uz)
    hub.has_admin = False
    with pytest.raises(Retriable, match=r"topics are missing, or hidden.* hub\.clock"):
        await hub.start()
    await ensure_topics(hub.broker.cluster, standard_topics([UZ], list(STREAMS)))
    await ensure_group(hub.broker.cluster, "hub-workers")
    with capture_logs() as logs:
        async with hub.running():
            await hub.register_only(Center(KZ))
            await hub.until(lambda _: any(entry["event"] == "look_failed" for entry in logs))
            await ensure_topics(hub.broker.cluster, standard_topics([KZ], []))
            await hub.until(lambda _: any(entry["event"] == "centers_added" for entry in logs))
            assert hub.access(KZ).state == "waits"
    (waits,) = [entry for entry in logs if entry["event"] == "access_waits"]
    assert "`admin`" in waits["error"]
