"""Whom the keeper of access makes and gives rights to beside the centers: who nobody is, and HQ by its certificates."""

from __future__ import annotations

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from hub.kafka.cluster import Cluster
from hub.kafka.desired import FIRST as NOBODY
from hub.kafka.desired import web_rights, worker_rights
from hub.kafka.rights import quota_entity
from hub.kafka.security import ClusterSecurity
from hub.protocol.errors import UsageError
from hub.worker.own_rights import give_own_rights
from tests.support.access import FIRST, Bench
from tests.support.certificates import Authority


async def test_user_that_nobody_is_is_there_before_any_other_and_stays(bench: Bench) -> None:
    """Kafka's tables of users are safe at a restart from then on, whoever is deleted; its password is nobody's."""
    keeper = bench.keeper()
    await bench.settle(keeper)
    assert set(bench.broker.access.users) == {"bob"}  # nobody was made or deleted yet
    await bench.give("uz", FIRST)
    bench.broker.access.users_by_256 |= {"uz"}
    await bench.settle(keeper)
    of_users = [change for change in bench.broker.access.changes if hasattr(change, "upsertions")]
    assert [name for change in of_users for name, *_ in change.upsertions] == [NOBODY, NOBODY, "uz"]
    secret = bench.broker.access.users[NOBODY]
    bench.statuses = {"uz": "closed", "kz": "active"}
    await bench.settle(keeper)
    assert (set(bench.broker.access.users), bench.broker.access.users_by_256) == ({"bob", NOBODY}, {NOBODY})
    assert bench.broker.access.users[NOBODY] == secret


async def test_principals_of_certificates_have_their_rights(bench: Bench, tmp_path: Path) -> None:
    """Whoever HQ's worker and web shell are there: by the names in their certificates, or as the settings say."""

    def by_certificate(name: str, **more: str) -> ClusterSecurity:
        return ClusterSecurity(protocol="SSL", cert_file=authority.leaf(name), **more)

    authority = Authority(tmp_path)
    worker, web = by_certificate("hq, worker"), by_certificate("web", principal="web-shell")
    cluster = Cluster(("b:1",), worker, by_certificate("boss"), bench.broker, web)
    assert (cluster.user, cluster.web_user) == ("CN=hq\\, worker", "web-shell")
    assert cluster.logins == {"CN=hq\\, worker", "CN=boss", "web-shell"}
    await give_own_rights(cluster)
    assert await bench.rights("CN=hq\\, worker") == worker_rights("CN=hq\\, worker")
    await bench.settle(bench.keeper(cluster))
    assert await bench.rights("web-shell") == web_rights("web-shell")
    assert not await bench.rights("web")
    assert quota_entity("web-shell", "kz") in bench.broker.access.quotas


async def test_certificate_that_does_not_tell_is_told_of_and_tried_again(bench: Bench, tmp_path: Path) -> None:
    """Its file may be replaced while the worker runs, by half for a moment."""
    authority = Authority(tmp_path)
    file = authority.leaf("worker")
    whole = file.read_bytes()
    login = ClusterSecurity(protocol="SSL", cert_file=file)
    cluster = Cluster(("b:1",), login, ClusterSecurity(protocol="SSL", cert_file=authority.leaf("boss")), bench.broker)
    keeper = bench.keeper(cluster)
    file.write_bytes(b"")
    with capture_logs() as logs:
        await keeper.look()
    assert "does not tell who we are on the cluster" in logs[0]["error"]
    with pytest.raises(UsageError, match="set principal beside it"):
        await give_own_rights(cluster)
    file.write_bytes(whole)
    await keeper.forget()
    await bench.settle(keeper)
    assert await bench.rights("CN=worker") == worker_rights("CN=worker")
