"""Who should be able to do what: each principal by itself, and what follows a change of a center."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hub.kafka.desired import (
    FIRST,
    MIB,
    OFFICES_READ,
    RATE_MIN,
    REQUESTS_PERCENT,
    WEB,
    DeleteUsers,
    Desired,
    DropStrays,
    Found,
    GiveRights,
    GuardUsers,
    Invited,
    Member,
    SetQuotas,
    SetUsers,
    TakeRights,
    changes,
    desired,
    is_reserved,
)
from hub.kafka.rights import (
    SCRAM_SHA_256,
    SCRAM_SHA_512,
    Operation,
    Pattern,
    Resource,
    Right,
    quota_entity,
    user,
)


def of(wanted: Desired, name: str) -> set[str]:
    """Return what one user may do, in short."""
    return {
        f"{right.operation.name} {right.name}{'*' if right.pattern is Pattern.PREFIXED else ''}"
        for right in wanted.rights
        if right.principal == user(name)
    }


def as_found(wanted: Desired) -> Found:
    """All is as it should be, and was kept by HQ before: the user that nobody is is there."""
    users = {*wanted.users, FIRST}
    return Found(wanted.topics, users, dict(wanted.users), wanted.rights, wanted.quotas, {FIRST})


def test_office_has_its_own_topics_and_what_hq_says_to_all() -> None:
    """Not HQ's clock, no group, nothing of the cluster, and nothing of anybody else."""
    wanted = desired([Member("uz", "active", 1), Member("kz", "active", 1)])
    assert of(wanted, "uz") == {"WRITE in.uz", "READ out.uz", *(f"READ {topic}" for topic in OFFICES_READ)}
    assert "hub.clock" not in OFFICES_READ
    assert {right.resource for right in wanted.rights if right.principal == user("uz")} == {Resource.TOPIC}


def test_suspended_office_loses_the_right_to_write_and_no_other() -> None:
    """Receipts, status and trust stay readable, and it may go on at once when it is resumed."""
    active, suspended = (desired([Member("uz", status, 1)]) for status in ("active", "suspended"))
    write = Right(user("uz"), Resource.TOPIC, "in.uz", Pattern.LITERAL, Operation.WRITE)
    assert changes(suspended, as_found(active)) == [TakeRights((write,))]
    assert changes(active, as_found(suspended)) == [GiveRights((write,))]


def test_closed_office_loses_all_and_then_its_user() -> None:
    """Deleting a user ends no connection that is open: without rights it is of no use any more."""
    active, closed = (desired([Member("uz", status, 1)]) for status in ("active", "closed"))
    taken, deleted, quotas = changes(closed, as_found(active))
    assert taken == TakeRights(tuple(sorted(r for r in active.rights if r.principal == user("uz"))))
    assert deleted == DeleteUsers(("uz",))
    assert isinstance(quotas, SetQuotas)
    assert set(quotas.quotas) == {quota_entity("uz"), quota_entity(WEB, "uz")}


def test_new_credential_is_set_and_nothing_else_changes() -> None:
    """Whoever rotates a password goes on with the same rights."""
    before, after = (desired([Member("uz", "active", version)]) for version in (1, 2))
    assert changes(after, as_found(before)) == [SetUsers(("uz",))]


def test_password_that_hq_did_not_give_ends() -> None:
    """A broker may take two mechanisms: who rotates a password by one would leave the other as it was."""
    wanted = desired([Member("uz", "active", 1), Member("kz", "active"), Member("by", "closed")])
    found = replace(as_found(wanted), strays={"uz", "kz", "by", "bob", FIRST})
    assert changes(wanted, found) == [DeleteUsers(("by",)), DropStrays(("uz",))]


def test_center_without_a_credential_has_rights_and_its_user_is_left_alone() -> None:
    """On a cluster of one's own somebody else may see to the users, by certificates for instance."""
    wanted = desired([Member("uz", "active")])
    assert of(wanted, "uz")
    assert wanted.users == {}
    assert changes(wanted, Found(wanted.topics, {"uz"}, {}, wanted.rights, wanted.quotas)) == []


def test_right_that_somebody_gave_an_office_beside_is_taken() -> None:
    """What an office may do is what HQ says here, whoever has said more."""
    wanted = desired([Member("uz", "active", 1)])
    more = Right(user("uz"), Resource.TOPIC, "in.kz", Pattern.LITERAL, Operation.READ)
    bobs = Right(user("bob"), Resource.TOPIC, "in.kz", Pattern.LITERAL, Operation.READ)
    found = as_found(wanted)
    assert changes(
        wanted, Found(found.topics, found.users, found.versions, {*found.rights, more, bobs}, found.quotas)
    ) == [TakeRights((more,))]


@pytest.mark.parametrize("name", ["admin", "worker", "web", "node-1", "node-23", FIRST])
def test_center_that_is_called_like_one_of_hqs_own_gets_nothing(name: str) -> None:
    """It would have HQ's rights, or a broker's."""
    wanted = desired([Member(name, "active", 7)])
    assert is_reserved(name)
    assert wanted == desired([])
    assert name not in wanted.users


def test_center_that_is_called_like_the_clusters_admin_gets_nothing() -> None:
    """On a cluster of one's own the admin has any name, and its password must stay."""
    wanted = desired([Member("operator", "closed", 7)], spared=("operator",))
    assert not wanted.owns("operator")
    assert changes(wanted, Found(users={"operator"}, rights=wanted.rights)) == []


def test_center_of_a_name_that_no_topic_can_have_gets_nothing() -> None:
    """Releases before 0.3 registered such; in a broker's request they would keep all others from what is theirs."""
    assert desired([Member("x!", "active", 1), Member("hq", "active", 1)]) == desired([])


def test_worker_of_another_name_is_given_what_it_needs_and_keeps_what_it_has() -> None:
    """On a cluster of one's own it may be somebody's who does more than this."""
    wanted = desired([], worker="hub-prod")
    more = Right(user("hub-prod"), Resource.TOPIC, "else", Pattern.LITERAL, Operation.READ)
    assert changes(wanted, Found(rights={*wanted.rights, more})) == []
    assert of(wanted, "hub-prod") == of(desired([]), "worker")


def test_worker_makes_no_topic_and_reads_of_what_it_says_its_answers_alone() -> None:
    """Topics are made by the admin alone. What it had signed before it died is read when it starts again."""
    assert of(desired([]), "worker") == {
        "READ in.*",
        "READ out.*",
        "WRITE out.*",
        "WRITE state.*",
        "WRITE events",
        "READ hub.*",
        "WRITE hub.*",
        "READ join.*",
        "WRITE join.*",
        "READ hub-workers",
        "READ hub-workers.*",
    }


def test_worker_that_is_the_admin_needs_no_rights() -> None:
    """Where the settings name one login for both."""
    assert not any(right.principal == user("worker") for right in desired([], worker=None).rights)
    assert not desired([], worker=None).owns("worker")


def test_who_was_invited_asks_on_one_topic_until_the_invitation_is_over() -> None:
    """It has a small quota; afterwards neither right nor user nor quota is left."""
    invited, over = desired([], invited=[Invited("0a1b2c3d", "uz")]), desired([], invited=[])
    assert of(invited, "join.0a1b2c3d") == {"READ join.uz", "WRITE join.uz", "READ hub.trust"}
    assert "join.uz" in invited.topics
    rates = invited.quotas[quota_entity("join.0a1b2c3d")]
    assert rates["producer_byte_rate"] == RATE_MIN
    assert 0 < rates["request_percentage"] < REQUESTS_PERCENT
    taken, deleted, freed = changes(over, as_found(invited))
    assert isinstance(taken, TakeRights)
    assert len(taken.rights) == 3
    assert deleted == DeleteUsers(("join.0a1b2c3d",))
    assert freed == SetQuotas({quota_entity("join.0a1b2c3d"): dict.fromkeys(rates)})


def test_nobody_is_let_in_for_a_center_that_was_closed_meanwhile() -> None:
    """Its invitation may still have two days to go; another center's guest stays."""
    guests = [Invited("0a1b2c3d", "uz"), Invited("0a1b2c3e", "kz")]
    wanted = desired([Member("uz", "closed"), Member("kz", "active")], invited=guests)
    assert wanted.users == {"join.0a1b2c3e": 1}
    assert of(wanted, "join.0a1b2c3d") == set()
    assert quota_entity("join.0a1b2c3d") not in wanted.quotas
    assert "join.uz" not in wanted.topics


def test_quota_is_the_offices_by_whatever_way_it_comes() -> None:
    """By Kafka it is the user's, over HTTPS the web shell's for what calls itself by the center's id."""
    wanted = desired([Member("uz", "active", 1, 2 * MIB)])
    assert wanted.quotas[quota_entity("uz")] == wanted.quotas[quota_entity(WEB, "uz")]
    assert wanted.quotas[quota_entity("uz")]["producer_byte_rate"] == 2 * MIB


def test_topic_of_a_later_release_reaches_offices_that_are_enrolled() -> None:
    """Nobody enrols again: what the release says is compared with what is there."""
    wanted = desired([Member("uz", "active", 1)])
    earlier = {right for right in wanted.rights if right.name != "state.code_list"}
    found = Found(wanted.topics, set(wanted.users), wanted.users, earlier, wanted.quotas)
    (given,) = changes(wanted, found)
    assert isinstance(given, GiveRights)
    assert {right.principal for right in given.rights} == {user("uz"), user(WEB)}


def test_user_that_nobody_is_comes_before_all_others() -> None:
    """Kafka loses every user at a restart where the first one that it reads again was deleted: this one never is."""
    wanted, closed = desired([Member("uz", "active", 1)]), desired([Member("uz", "closed")])
    made = replace(as_found(wanted), users=set(), versions={}, strays=set())
    assert changes(wanted, made) == [GuardUsers((SCRAM_SHA_512,)), SetUsers(("uz",))]
    there = replace(made, users={"uz", "bob"}, rights=closed.rights, quotas={})
    assert changes(replace(closed, topics=frozenset(there.topics)), there) == [
        GuardUsers((SCRAM_SHA_512,)),
        DeleteUsers(("uz",)),
    ]
    both = replace(there, strays={"uz"})
    assert changes(closed, both)[0] == GuardUsers((SCRAM_SHA_256, SCRAM_SHA_512))
    stray = replace(as_found(wanted), strays={"uz"})
    assert changes(wanted, stray) == [GuardUsers((SCRAM_SHA_256,)), DropStrays(("uz",))]
    assert changes(wanted, replace(as_found(wanted), users={"uz"}, strays=set())) == []


def test_web_shell_of_another_name_has_its_rights_and_quotas_and_no_others() -> None:
    """On a cluster of one's own it is whoever its certificate says; a center that is closed leaves no quota behind."""
    name = "CN=web,O=Example"
    wanted = desired([Member("uz", "active", 1)], worker="CN=hq,O=Example", web=name)
    assert of(wanted, name) == {"WRITE in.*", "READ out.*", *(f"READ {topic}" for topic in OFFICES_READ)}
    assert "READ in.*" in of(wanted, "CN=hq,O=Example")
    assert not of(wanted, WEB)
    assert set(wanted.quotas) == {quota_entity("uz"), quota_entity(name, "uz")}
    closed = desired([Member("uz", "closed", 1)], worker="CN=hq,O=Example", web=name)
    strangers = {quota_entity(name, "bob"): {"x": 1.0}, quota_entity(name): {"x": 1.0}}
    found = replace(as_found(wanted), quotas={**wanted.quotas, **strangers})
    (quotas,) = [change for change in changes(closed, found) if isinstance(change, SetQuotas)]
    assert set(quotas.quotas) == {quota_entity("uz"), quota_entity(name, "uz")}
    assert not of(desired([], web=None), WEB)
