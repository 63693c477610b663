"""Whatever a cluster has, and wherever one is broken off: it ends as desired, and nobody has too much on the way."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Final, TypeVar

from hypothesis import given
from hypothesis import strategies as st

from hub.kafka.desired import (
    WEB,
    WORKER,
    Change,
    DeleteUsers,
    Desired,
    DropStrays,
    Found,
    GiveRights,
    Invited,
    MakeTopics,
    Member,
    SetQuotas,
    SetUsers,
    TakeRights,
    changes,
    desired,
)
from hub.kafka.rights import Entity, Operation, Pattern, Permission, Resource, Right, quota_entity, user

Item = TypeVar("Item")

OURS: Final = ("uz", "kz", "by", WORKER, WEB, "join.0000000a", "join.0000000b")
STRANGERS: Final = ("admin", "bob", "node-1", "hq", "uz2", "join", "*")
TOPICS: Final = ("in.uz", "out.uz", "in.kz", "hub.trust", "hub.lane", "events", "join.by", "bobs")

centers = st.sampled_from(("uz", "kz", "by", "admin", "node-1"))
members = st.lists(
    st.builds(
        Member,
        centers,
        st.sampled_from(("active", "suspended", "closed")),
        st.integers(0, 3),
        st.sampled_from((1 << 20, 1 << 21)),
    ),
    unique_by=lambda member: member.id,
)
invitations = st.none() | st.lists(
    st.builds(Invited, st.sampled_from(("0000000a", "0000000b")), st.sampled_from(("by", "kz"))),
    unique_by=lambda one: one.id,
)
rights = st.builds(
    Right,
    st.sampled_from([*map(user, (*OURS, *STRANGERS)), "Group:uz"]),
    st.sampled_from((Resource.TOPIC, Resource.GROUP, Resource.CLUSTER, Resource(9))),
    st.sampled_from(TOPICS),
    st.sampled_from(Pattern),
    st.sampled_from((Operation.READ, Operation.WRITE, Operation.ALL, Operation(77))),
    st.sampled_from(Permission),
    st.sampled_from(("*", "10.0.0.1")),
)
entities = st.builds(
    quota_entity, st.none() | st.sampled_from((*OURS, *STRANGERS)), st.none() | st.sampled_from(("uz", "bobs"))
)
quotas = st.dictionaries(
    entities, st.dictionaries(st.sampled_from(("producer_byte_rate", "other")), st.just(5.0), min_size=1)
)


@dataclass
class Cluster:
    """A cluster, and what HQ has noted of the credentials that it gave."""

    topics: set[str]
    users: dict[str, int]  # the version of each user's password; a stranger's is 99
    rights: set[Right]
    quotas: dict[Entity, dict[str, float]]
    noted: dict[str, int] = field(default_factory=dict)
    strays: set[str] = field(default_factory=set)  # who logs in by another mechanism

    def found(self) -> Found:
        return Found(self.topics, set(self.users), dict(self.noted), set(self.rights), self.quotas, self.strays)

    def apply(self, change: Change, wanted: Desired, chance: Random) -> None:
        """Do a part of a change, any that a broker may have done when it was broken off."""

        def some(items: tuple[Item, ...]) -> list[Item]:
            return [item for item in items if chance.random() < 0.7]

        match change:
            case TakeRights(taken):
                self.rights -= set(some(taken))
            case DeleteUsers(names):
                for name in some(names):
                    self.users.pop(name, None)
                    self.strays.discard(name)
            case DropStrays(names):
                self.strays -= set(some(names))
            case MakeTopics(names):
                self.topics.update(some(names))
            case SetQuotas(changed):
                for entity in some(tuple(changed)):
                    rates = self.quotas.setdefault(entity, {})
                    for key, rate in changed[entity].items():
                        rates.pop(key, None) if rate is None else rates.update({key: rate})
                    if not rates:
                        del self.quotas[entity]
            case SetUsers(names):
                done = some(names)
                self.users.update({name: wanted.users[name] for name in done})
                self.noted.update({name: wanted.users[name] for name in some(tuple(done))})
            case GiveRights(given):
                self.rights.update(some(given))

    def of_strangers(self, wanted: Desired) -> object:
        """Return all that is nobody's of HQ's."""
        return (
            {name: version for name, version in self.users.items() if not wanted.owns(name)},
            {name for name in self.strays if not wanted.owns(name)},
            {right for right in self.rights if not wanted.owns(right.principal.removeprefix("User:"))},
            {entity: dict(rates) for entity, rates in self.quotas.items() if not wanted.owns(dict(entity).get("user"))},
        )


def noted_of(users: dict[str, int], chance: Random) -> dict[str, int]:
    """Return what HQ may know of these: never more than is so."""
    return {name: version for name, version in users.items() if chance.random() < 0.5}


@given(
    members,
    invitations,
    st.sets(st.sampled_from(TOPICS)),
    st.dictionaries(st.sampled_from((*OURS, *STRANGERS)), st.just(99)),
    st.sets(rights, max_size=12),
    quotas,
    st.sets(st.sampled_from((*OURS, *STRANGERS))),
    st.integers(0, 2**32),
)
def test_any_cluster_ends_as_desired_and_strangers_keep_what_they_have(
    listed: list[Member],
    invited: list[Invited] | None,
    topics: set[str],
    users: dict[str, int],
    given_rights: set[Right],
    rates: dict[Entity, dict[str, float]],
    strays: set[str],
    seed: int,
) -> None:
    """Every stop on the way is one that somebody may stay at for long: there, too, nobody has too much."""
    chance = Random(seed)
    wanted = desired(listed, TOPICS[:-2], invited=invited, spared=("admin",))
    rates = {entity: dict(values) for entity, values in rates.items()}
    noted = noted_of(users, chance)
    cluster = Cluster(set(topics), dict(users), set(given_rights), rates, noted, set(strays))
    strangers = cluster.of_strangers(wanted)
    for _ in range(200):
        planned = changes(wanted, cluster.found())
        if not planned:
            break
        for change in planned[: chance.randrange(len(planned)) + 1]:
            before, had = set(cluster.rights), set(cluster.users)
            # The one that breaks off ends this round: what follows is planned anew.
            whole = chance.random() < 0.5
            cluster.apply(change, wanted, Always() if whole else chance)
            check_step(wanted, cluster, before, had)
            if not whole:
                break
    assert changes(wanted, cluster.found()) == []
    ours = {right for right in cluster.rights if wanted.owns(right.principal.removeprefix("User:"))}
    assert ours <= wanted.rights <= cluster.rights
    assert wanted.topics <= cluster.topics
    assert not wanted.gone & (cluster.users.keys() | cluster.strays)
    assert not wanted.users.keys() & cluster.strays
    assert {name: cluster.users[name] for name in wanted.users} == dict(wanted.users)
    assert {entity: cluster.quotas.get(entity) for entity in wanted.quotas} == dict(wanted.quotas)
    assert cluster.of_strangers(wanted) == strangers


class Always(Random):
    """Breaks nothing off."""

    def random(self) -> float:
        return 0.0


def check_step(wanted: Desired, cluster: Cluster, before: set[Right], had: set[str]) -> None:
    """See that what was just done was safe by itself, whatever comes after it."""
    for right in cluster.rights - before:
        name = right.principal.removeprefix("User:")
        assert right in wanted.rights
        # Its password is the one that it should be, and the quota is there before the first byte.
        assert cluster.users.get(name) == wanted.users.get(name, cluster.users.get(name))
        assert cluster.quotas.get(quota_entity(name)) == wanted.quotas.get(quota_entity(name))
        assert wanted.topics <= cluster.topics
        assert not (name in wanted.users and name in cluster.strays)
    for name in had - cluster.users.keys():
        assert not any(right.principal == user(name) for right in cluster.rights - wanted.rights)


@given(members, invitations)
def test_what_is_as_desired_is_left_alone(listed: list[Member], invited: list[Invited] | None) -> None:
    """A keeper that looks every two seconds changes nothing all day."""
    wanted = desired(listed, TOPICS, invited=invited)
    assert changes(wanted, Found(wanted.topics, set(wanted.users), wanted.users, wanted.rights, wanted.quotas)) == []
