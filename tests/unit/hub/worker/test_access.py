"""What the keeper of access does to a broker in memory, which is told everything in the protocol's own bytes."""

from __future__ import annotations

import asyncio
from copy import deepcopy
from typing import Any

import pytest
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    IncompatibleBrokerVersion,
    InvalidRequestError,
    UnknownError,
)
from structlog.testing import capture_logs

from hub.hq.access import mark, sealed
from hub.hq.access_key import AccessKey
from hub.kafka.administration import administration
from hub.kafka.cluster import Cluster
from hub.kafka.desired import FIRST as NOBODY
from hub.kafka.desired import Invited, Member, invited_rights, office_rights, worker_rights
from hub.kafka.rights import Operation, Pattern, Resource, Right, quota_entity, user
from hub.store.access_store import OPEN
from hub.worker.access import Invitation
from hub.worker.own_rights import give_own_rights
from tests.support.access import BOB, FIRST, SECOND, Bench, login
from tests.support.center import NOW


async def test_centers_have_topics_rights_quotas_and_their_users(bench: Bench) -> None:
    """All that the hq lane and the database say is so after one look, and noted; a stranger keeps what it has."""
    await bench.give("uz", FIRST)
    await bench.settle()
    assert {"in.uz", "out.uz", "in.kz", "hub.lane", "events"} <= bench.broker.topics().keys()
    assert await bench.rights("uz") == office_rights("uz", may_write=True)
    assert await bench.rights("kz") == office_rights("kz", may_write=True)
    assert await bench.rights("worker") == worker_rights("worker")
    assert await bench.rights("bob") == {BOB}
    assert bench.broker.access.users["uz"] == (4096, FIRST.salt, FIRST.salted_password)
    assert set(bench.broker.access.users) == {"bob", "uz", NOBODY}
    assert quota_entity("kz") in bench.broker.access.quotas
    assert await bench.kept() == {"uz": mark(Member("uz", "active", 1)), "kz": mark(Member("kz", "active"))}


async def test_nothing_is_changed_where_all_is_as_it_should_be(bench: Bench) -> None:
    """A look asks, and no more: neither Kafka nor the database is written to."""
    keeper = bench.keeper()
    await bench.settle(keeper)
    bench.broker.access.changes.clear()
    await bench.store.access.keep({"uz": "as it was"}, NOW)
    await bench.store.access.keep({"uz": (await bench.kept())["kz"]}, NOW)
    await bench.settle(keeper)
    assert bench.broker.access.changes == []


async def test_status_counts_from_the_next_look_on(bench: Bench) -> None:
    """Suspended takes the right to write alone, resumed gives it back, closed takes all and then the user."""
    await bench.give("uz", FIRST)
    keeper = bench.keeper()
    await bench.settle(keeper)
    for status, may_write in (("suspended", False), ("active", True)):
        bench.statuses["uz"] = status
        bench.broker.access.changes.clear()
        await bench.settle(keeper)
        assert await bench.rights("uz") == office_rights("uz", may_write=may_write)
        assert len(bench.broker.access.changes) == 1
        assert "uz" in bench.broker.access.users
    bench.statuses["uz"] = "closed"
    bench.broker.access.changes.clear()
    await bench.settle(keeper)
    assert await bench.rights("uz") == set()
    assert list(dict.fromkeys(type(change).__name__ for change in bench.broker.access.changes)) == [
        "DeleteAclsRequest_v1",
        "AlterUserScramCredentialsRequest_v0",
        "AlterClientQuotasRequest_v0",
    ]
    assert "uz" not in bench.broker.access.users
    assert (await bench.kept())["uz"] == "closed"


async def test_what_somebody_changed_by_hand_is_put_right(bench: Bench) -> None:
    """A right that is too much is taken, one that is missing is given, a user and a quota that are gone are made."""
    await bench.give("uz", FIRST)
    keeper = bench.keeper()
    await bench.settle(keeper)
    before = deepcopy((bench.broker.access.acls, bench.broker.access.users, bench.broker.access.quotas))
    async with administration(bench.cluster) as access:
        await access.grant([Right(user("uz"), Resource.TOPIC, "in.kz", Pattern.LITERAL, Operation.READ)])
        await access.revoke([Right(user("kz"), Resource.TOPIC, "out.kz", Pattern.LITERAL, Operation.READ)])
        await access.delete_users(["uz"])
        await access.set_quotas({quota_entity("uz"): {"producer_byte_rate": None, "request_percentage": 900.0}})
    bench.broker.delete_topic("out.kz")
    await bench.settle(keeper)
    assert (bench.broker.access.acls, bench.broker.access.users, bench.broker.access.quotas) == before
    assert "out.kz" in bench.broker.topics()


async def test_new_credential_and_quota_reach_kafka(bench: Bench) -> None:
    """One look later the old password is of no use, and the new quota holds for both ways in."""
    await bench.give("uz", FIRST)
    keeper = bench.keeper()
    await bench.settle(keeper)
    await bench.give("uz", SECOND)
    await bench.store.access.limit("uz", 1 << 21)
    await bench.settle(keeper)
    assert bench.broker.access.users["uz"] == (4096, SECOND.salt, SECOND.salted_password)
    for entity in (quota_entity("uz"), quota_entity("web", "uz")):
        assert bench.broker.access.quotas[entity]["producer_byte_rate"] == 1 << 21
    assert (await bench.kept())["uz"] == mark(Member("uz", "active", 2, 1 << 21))


async def test_password_that_hq_did_not_give_is_of_no_use(bench: Bench) -> None:
    """Who rotates a password by one mechanism would leave the one by the other as it was."""
    await bench.give("uz", FIRST)
    bench.broker.access.users_by_256 |= {"uz", "kz", "bob"}
    await bench.settle()
    assert bench.broker.access.users_by_256 == {
        "kz",
        "bob",
        NOBODY,
    }  # kz has no credential by HQ: somebody else sees to it


async def test_next_keeper_gives_every_credential_once(bench: Bench) -> None:
    """A broker does not tell which password a user has: one that was put back from a copy may have an older one."""
    await bench.give("uz", FIRST)
    await bench.settle()
    bench.broker.access.users["uz"] = (4096, b"of", b"old")
    await bench.settle()
    assert bench.broker.access.users["uz"] == (4096, FIRST.salt, FIRST.salted_password)


async def test_kafka_that_was_away_is_told_all_when_it_is_back(bench: Bench) -> None:
    """Why is said once, for however long; nothing that was said at HQ meanwhile is lost."""
    keeper = bench.keeper()
    await bench.settle(keeper)
    bench.broker.cut()
    bench.statuses |= {"uz": "suspended", "by": "active"}
    with capture_logs() as logs:
        for _ in range(4):
            await keeper.look()
    reasons = [entry["error"] for entry in logs if entry["event"] == "access_waits"]
    assert len(reasons) == len(set(reasons)) > 0
    assert (await bench.kept())["uz"] != mark(Member("uz", "suspended"))
    bench.broker.mend()
    await bench.settle(keeper)
    assert await bench.rights("uz") == office_rights("uz", may_write=False)
    assert await bench.rights("by") == office_rights("by", may_write=True)
    assert (await bench.kept())["uz"] == mark(Member("uz", "suspended"))


async def test_cluster_that_lets_in_everybody_is_left_as_it_is(bench: Bench) -> None:
    """That is said once, and `hub center show` says it too."""
    bench.broker.access.has_authorizer = False
    await bench.give("uz", FIRST)
    keeper = bench.keeper()
    with capture_logs() as logs:
        await bench.settle(keeper)
        bench.statuses["by"] = "active"
        await bench.settle(keeper)
    assert [entry["event"] for entry in logs].count("cluster_lets_in_everybody") == 1
    assert bench.broker.access.changes == []
    assert set(bench.broker.access.users) == {"bob"}
    assert await bench.kept() == {"uz": OPEN, "kz": OPEN, "by": OPEN}


async def test_cluster_that_we_may_not_administer_is_left_as_it_is(bench: Bench) -> None:
    """The worker goes on; it is said which setting names who may."""

    def refuse(request: object) -> object:
        raise ClusterAuthorizationFailedError(request)

    bench.broker.access.answer = refuse  # type: ignore[method-assign]
    keeper = bench.keeper()
    with capture_logs() as logs:
        await bench.settle(keeper)
    (said,) = [entry for entry in logs if entry["event"] == "access_waits"]
    assert "`admin`" in said["error"]
    assert await bench.kept() == {}


async def test_cluster_that_keeps_its_users_elsewhere_has_rights_and_quotas_all_the_same(bench: Bench) -> None:
    """As a hosted one that refuses to tell them: none is made or deleted, and it is said once."""
    await bench.give("uz", FIRST)
    answer = bench.broker.access.answer

    def refuse(request: Any) -> Any:
        if request.API_KEY in (50, 51):
            raise ClusterAuthorizationFailedError(request)
        return answer(request)

    bench.broker.access.answer = refuse  # type: ignore[method-assign]
    keeper = bench.keeper()
    with capture_logs() as logs:
        await bench.settle(keeper)
        bench.statuses["kz"] = "suspended"
        await bench.settle(keeper)
    assert await bench.rights("uz") == office_rights("uz", may_write=True)
    assert await bench.rights("kz") == office_rights("kz", may_write=False)
    assert quota_entity("uz") in bench.broker.access.quotas
    assert set(bench.broker.access.users) == {"bob"}
    assert [entry["event"] for entry in logs].count("access_waits") == 1
    kept = await bench.kept()
    assert kept["kz"] == mark(Member("kz", "suspended"))
    assert kept["uz"] != mark(Member("uz", "active", 1))  # its credential is not in force


async def test_credential_that_can_not_be_read_keeps_nobody_else_from_theirs(bench: Bench) -> None:
    """One that was put in another's row does not open; its user stays as it is, and the remedy is said."""
    await bench.give("kz", FIRST)
    key = AccessKey.load(bench.keys)
    await bench.store.access.give("uz", sealed(key, "kz", SECOND), NOW)
    keeper = bench.keeper()
    with capture_logs() as logs:
        await bench.settle(keeper)
    assert set(bench.broker.access.users) == {"bob", "kz", NOBODY}
    assert await bench.rights("uz") == office_rights("uz", may_write=True)
    (said,) = [entry for entry in logs if entry["event"] == "credential_unreadable"]
    assert (said["center"], said["remedy"]) == ("uz", "`hub center rotate uz --to FILE` gives it a new one")
    assert (await bench.kept())["uz"] != mark(Member("uz", "active", 1))


async def test_lost_key_leaves_every_user_as_it_is(bench: Bench) -> None:
    """Rights are kept all the same."""
    await bench.give("uz", FIRST)
    await bench.settle()
    (bench.keys / "access.key").unlink()
    bench.statuses["kz"] = "suspended"
    await bench.settle()
    assert "uz" in bench.broker.access.users
    assert await bench.rights("kz") == office_rights("kz", may_write=False)


async def test_center_that_is_called_like_the_admin_does_not_become_it(bench: Bench) -> None:
    """Its password would be the admin's."""
    bench.statuses |= {"admin": "active", "operator": "active", "node-1": "active"}
    for center in ("admin", "operator", "node-1"):
        await bench.give(center, FIRST)
    await bench.keeper(Cluster(("b:1",), login("worker"), login("operator"), bench.broker)).look()
    assert {"admin", "operator", "node-1"}.isdisjoint(bench.broker.access.users)
    assert await bench.rights("operator") == await bench.rights("admin") == set()


async def test_who_was_invited_is_let_in_until_the_invitation_is_over(bench: Bench) -> None:
    """It has a topic of its own, and afterwards neither right nor user."""
    one = Invited("0a1b2c3d", "by")
    bench.invitations = [Invitation(one, FIRST)]
    keeper = bench.keeper()
    await bench.settle(keeper)
    assert await bench.rights("join.0a1b2c3d") == invited_rights(one)
    assert bench.broker.access.users["join.0a1b2c3d"] == (4096, FIRST.salt, FIRST.salted_password)
    assert "join.by" in bench.broker.topics()
    bench.invitations = []
    await bench.settle(keeper)
    assert await bench.rights("join.0a1b2c3d") == set()
    assert "join.0a1b2c3d" not in bench.broker.access.users


async def test_worker_is_let_in_before_it_begins(bench: Bench) -> None:
    """Its own rights alone; where it is the admin, or nobody else is, there is nothing to do."""
    await give_own_rights(bench.cluster)
    assert await bench.rights("worker") == worker_rights("worker")
    bench.broker.access.changes.clear()
    await give_own_rights(bench.cluster)
    await give_own_rights(Cluster(("b:1",), login("admin"), None, bench.broker))
    bench.broker.access.has_authorizer = False
    await give_own_rights(bench.cluster)
    assert bench.broker.access.changes == []


@pytest.mark.parametrize(
    "error",
    [ClusterAuthorizationFailedError(), IncompatibleBrokerVersion("ACLs"), UnknownError(), InvalidRequestError()],
    ids=lambda error: type(error).__name__,
)
async def test_worker_begins_where_the_broker_refuses_to_give_it_rights(bench: Bench, error: Exception) -> None:
    """As the keeper waits then: somebody else may have given them. It is said once."""

    def refuse(request: object) -> object:
        raise error

    bench.broker.access.answer = refuse  # type: ignore[method-assign]
    with capture_logs() as logs:
        await give_own_rights(bench.cluster)
    assert [entry["event"] for entry in logs] == ["own_rights_not_given"]


async def test_one_of_two_workers_keeps_access(bench: Bench) -> None:
    """The other takes it over when the first has ended."""
    bench.every_s = 3600.0
    first = asyncio.create_task(bench.keeper().run())
    async with asyncio.timeout(20):
        while not bench.broker.access.acls >= {(2, "in.uz", 3, "User:uz", "*", 4, 3)}:
            await asyncio.sleep(0.01)
    assert not await bench.store.access.lead("another", NOW, NOW)
    first.cancel()
    await asyncio.wait([first])
    assert await bench.store.access.lead("another", NOW, NOW)
