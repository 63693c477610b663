"""Who should be able to do what on HQ's cluster, and what has to change so that it is so. Pure: nothing is asked here.

Names of principals, all of them users: a center's is its id; HQ's worker and web shell have theirs, which on a cluster
of the user's own are any, such as the names in their certificates; who was invited and has not joined yet is
`join.<invitation>`. What others have on the same cluster, and rights that are everybody's, are
left alone. Under the names that are HQ's own all is as it is said here, and nothing else.

Changes come in an order in which no stop leaves anybody more than it had or should have: rights are taken before all
else, a user is deleted when its rights are gone, and is given rights when the topics are there and its password is the
one that it should be.

Before the first user is made or deleted there is one that nobody is (`FIRST`). Kafka loses every user at a restart
where the first one in the table of changes that it reads again was deleted, and no snapshot was made since: with those
of the centers the admin, and whoever else logs in by a password. In Java's tables this name comes first (its hash is
0), and it is never deleted.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from hub.kafka.rights import (
    CONSUMER_BYTE_RATE,
    PRODUCER_BYTE_RATE,
    REQUEST_PERCENTAGE,
    SCRAM_SHA_256,
    SCRAM_SHA_512,
    USER,
    Entity,
    Operation,
    Pattern,
    Resource,
    Right,
    quota_entity,
    user,
)
from hub.protocol.control import is_center_id
from hub.protocol.topics import CHECKPOINTS, LANE, SCHEMAS, TRUST, topic_in, topic_out

ADMIN: Final = "admin"
WORKER: Final = "worker"
WEB: Final = "web"
INVITED: Final = "join."  # an invitation's id follows; no center's id has a dot
FIRST: Final = "f5a5a608"
GROUP: Final = "hub-workers"
_BROKERS_OWN: Final = re.compile(r"node-[0-9]+")  # by its certificate a broker may do everything

# What every office reads beside its own answers. The states are what connectors of release 0.2 know HQ's registry by,
# and how each release names a machine that opened a second lane.
OFFICES_READ: Final = (
    TRUST,
    CHECKPOINTS,
    LANE,
    SCHEMAS,
    "state.center",
    "state.code_list",
    "state.lane",
    "state.schema",
)

MIB: Final = 1 << 20
RATE_DEFAULT: Final = MIB  # bytes a second that a center may write
RATE_MIN: Final = MIB // 4  # one batch of events within five seconds, so that no request waits past its time
RATE_MAX: Final = 1 << 30
READS_A_WRITE: Final = 4  # an office that joins reads what HQ has said for years
REQUESTS_PERCENT: Final = 25.0  # of one of the broker's threads
INVITED_PERCENT: Final = 5.0  # who was invited asks once, and hears the answer

Quotas = Mapping[Entity, Mapping[str, float]]


def is_reserved(name: str) -> bool:
    """Return whether a user of this name is HQ's own or a broker's, so that no center may have it."""
    return name in (ADMIN, WORKER, WEB, FIRST) or _BROKERS_OWN.fullmatch(name) is not None


@dataclass(frozen=True, slots=True)
class Member:
    """A center as HQ's registry has it, and what it was given. `version` is its credential's number, 0: it has none.

    Units: rate is in bytes a second.
    """

    id: str
    status: str
    version: int = 0
    rate: int = RATE_DEFAULT


@dataclass(frozen=True, slots=True)
class Invited:
    """Who may join as a center and has not: one user that reads and writes `join.<center>`, and no more."""

    id: str
    center: str

    @property
    def name(self) -> str:
        """The user's name."""
        return INVITED + self.id

    @property
    def topic(self) -> str:
        """Where it asks, and HQ answers."""
        return INVITED + self.center


@dataclass(frozen=True, slots=True)
class Desired:
    """How a cluster should be.

    Shapes: `users` has the version of each credential that is to be in force, `gone` the users that are not to be.
            `owned` are the names under which nothing else may be, `topics` those that have to be there.
    """

    topics: frozenset[str] = frozenset()
    users: Mapping[str, int] = field(default_factory=dict)
    gone: frozenset[str] = frozenset()
    rights: frozenset[Right] = frozenset()
    quotas: Quotas = field(default_factory=dict)
    owned: frozenset[str] = frozenset()
    owns_invited: bool = False
    web: str | None = WEB

    def owns(self, name: str | None) -> bool:
        """Return whether this user is HQ's to give rights to and to take them from."""
        return name is not None and (name in self.owned or (self.owns_invited and name.startswith(INVITED)))

    def part(self, names: Collection[str]) -> Desired:
        """Return what of it is about these users, and no more; what they share with others is nobody's of them."""
        named = {user(name) for name in names}
        return replace(
            self,
            topics=frozenset(self.topics & {topic for name in names for topic in (topic_in(name), topic_out(name))})
            | {topic for topic in self.topics if topic.startswith(INVITED) and topic.removeprefix(INVITED) in names},
            users={name: version for name, version in self.users.items() if name in names},
            gone=self.gone & set(names),
            rights=frozenset(right for right in self.rights if right.principal in named),
            quotas={
                entity: rates for entity, rates in self.quotas.items() if {name for _, name in entity} & set(names)
            },
        )

    def owns_quota(self, entity: Entity) -> bool:
        """Return whether this quota is HQ's to set and to remove: that of a user, or of a center by the web shell."""
        of = dict(entity)
        return self.owns(of.get("user")) or (
            of.get("user") == self.web is not None and of.get("client-id") in self.owned
        )


@dataclass(frozen=True, slots=True)
class Found:
    """How a cluster is. `versions` says which credential each user was given, as far as HQ knows.

    Shapes: `strays` are the users that log in by another mechanism than HQ gives credentials for, beside it or alone.
    """

    topics: Collection[str] = frozenset()
    users: Collection[str] = frozenset()
    versions: Mapping[str, int] = field(default_factory=dict)
    rights: Collection[Right] = frozenset()
    quotas: Quotas = field(default_factory=dict)
    strays: Collection[str] = frozenset()


@dataclass(frozen=True, slots=True)
class TakeRights:
    """Rights that nobody should have any more."""

    rights: tuple[Right, ...]


@dataclass(frozen=True, slots=True)
class GuardUsers:
    """The user that nobody is, by these mechanisms: Kafka keeps a table for each."""

    mechanisms: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class DeleteUsers:
    """Users that have no rights any more."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DropStrays:
    """Users whose login by another mechanism is to end: a password that HQ did not give is behind it."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MakeTopics:
    """Topics that are missing."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SetQuotas:
    """Quotas that are to be others, key by key; None removes one."""

    quotas: Mapping[Entity, Mapping[str, float | None]]


@dataclass(frozen=True, slots=True)
class SetUsers:
    """Users that are to be made, or to have another password."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GiveRights:
    """Rights that are missing."""

    rights: tuple[Right, ...]


Change = TakeRights | GuardUsers | DeleteUsers | DropStrays | MakeTopics | SetQuotas | SetUsers | GiveRights


def desired(
    members: Iterable[Member],
    topics: Iterable[str] = (),
    *,
    worker: str | None = WORKER,
    web: str | None = WEB,
    invited: Iterable[Invited] | None = None,
    spared: Collection[str] = (),
) -> Desired:
    """Return how the cluster of these centers should be.

    Shapes: `topics` are those of the release. `worker` and `web` are the names of HQ's worker and web shell; None where
            it is the admin. None of `invited` says that somebody else sees to them; for a center that is closed nobody
            is let in. `spared` are users that are somebody's already, such as the admin: a center of such a name gets
            nothing.
    """
    centers = [m for m in members if is_center_id(m.id) and not is_reserved(m.id) and m.id not in spared]
    closed = frozenset(member.id for member in centers if member.status == "closed")
    waiting = [one for one in invited or () if one.center not in closed]
    there = [member for member in centers if member.status != "closed"]
    rights = {right for member in there for right in office_rights(member.id, may_write=member.status == "active")}
    rights |= {right for one in waiting for right in invited_rights(one)}
    rights |= worker_rights(worker) if worker is not None else set()
    rights |= web_rights(web) if web is not None else set()
    quotas = {entity: rates for member in there for entity, rates in office_quotas(member.id, member.rate, web).items()}
    quotas |= {entity: rates for one in waiting for entity, rates in invited_quotas(one).items()}
    return Desired(
        topics=frozenset({*topics, *(one.topic for one in waiting)}),
        users={member.id: member.version for member in there if member.version} | {one.name: 1 for one in waiting},
        gone=closed,
        rights=frozenset(rights),
        quotas=quotas,
        owned=frozenset({WEB, *(member.id for member in centers), *((WORKER,) if worker == WORKER else ())}),
        owns_invited=invited is not None,
        web=web,
    )


def changes(wanted: Desired, found: Found) -> list[Change]:
    """Return what has to be done, in this order; nothing where all is as it should be."""
    present = set(found.rights)
    ours = {right for right in present if wanted.owns(_user_of(right.principal))}
    there = {*found.users, *found.strays}
    invited = {name for name in there if wanted.owns_invited and name.startswith(INVITED)}
    leaving = (wanted.gone & there) | (invited - wanted.users.keys())
    strays = wanted.users.keys() & set(found.strays)
    stale = {
        name for name, version in wanted.users.items() if name not in found.users or found.versions.get(name) != version
    }
    unguarded = {SCRAM_SHA_512} if (stale or leaving) and FIRST not in found.users else set()
    if (strays | leaving) & set(found.strays) and FIRST not in found.strays:
        unguarded.add(SCRAM_SHA_256)
    every: list[Change] = [
        TakeRights(tuple(sorted(ours - wanted.rights))),
        GuardUsers(tuple(sorted(unguarded))),
        DeleteUsers(tuple(sorted(leaving))),
        DropStrays(tuple(sorted(strays))),
        MakeTopics(tuple(sorted(wanted.topics - set(found.topics)))),
        SetQuotas(_quota_changes(wanted, found.quotas)),
        SetUsers(tuple(sorted(stale))),
        GiveRights(tuple(sorted(wanted.rights - present))),
    ]
    return [change for change in every if _is_any(change)]


def office_rights(center: str, *, may_write: bool) -> set[Right]:
    """Return what an office may do; one that HQ has suspended reads as before."""
    principal = user(center)
    rights = {_topic(principal, topic, Operation.READ) for topic in (topic_out(center), *OFFICES_READ)}
    return rights | ({_topic(principal, topic_in(center), Operation.WRITE)} if may_write else set())


def invited_rights(one: Invited) -> set[Right]:
    """Return what somebody may do who was invited: ask, hear the answer, and read which keys HQ signs it with."""
    principal = user(one.name)
    return {
        _topic(principal, one.topic, Operation.READ),
        _topic(principal, one.topic, Operation.WRITE),
        _topic(principal, TRUST, Operation.READ),
    }


def worker_rights(name: str) -> set[Right]:
    """Return what HQ's worker may do: read what centers write, write what HQ says, and make nothing.

    Of what it answers it reads, when it starts, what its database may not know: what it had signed before it died.
    """
    principal = user(name)
    return {
        _topics(principal, topic_in(""), Operation.READ),
        _topics(principal, topic_out(""), Operation.READ),
        _topics(principal, topic_out(""), Operation.WRITE),
        _topics(principal, "state.", Operation.WRITE),
        _topic(principal, "events", Operation.WRITE),
        _topics(principal, "hub.", Operation.READ),
        _topics(principal, "hub.", Operation.WRITE),
        _topics(principal, INVITED, Operation.READ),
        _topics(principal, INVITED, Operation.WRITE),
        Right(principal, Resource.GROUP, GROUP, Pattern.LITERAL, Operation.READ),  # that of releases up to 0.2
        Right(principal, Resource.GROUP, f"{GROUP}.", Pattern.PREFIXED, Operation.READ),
    }


def web_rights(name: str = WEB) -> set[Right]:
    """Return what HQ's web shell may do: what any office may, whose requests it has checked."""
    principal = user(name)
    return {
        _topics(principal, topic_in(""), Operation.WRITE),
        _topics(principal, topic_out(""), Operation.READ),
        *(_topic(principal, topic, Operation.READ) for topic in OFFICES_READ),
    }


def office_quotas(center: str, rate: int, web: str | None = WEB) -> Quotas:
    """Return how much an office may ask of the broker, by itself or through HQ's web shell."""
    rates = {
        PRODUCER_BYTE_RATE: float(rate),
        CONSUMER_BYTE_RATE: float(rate * READS_A_WRITE),
        REQUEST_PERCENTAGE: REQUESTS_PERCENT,
    }
    return {quota_entity(center): rates} | ({} if web is None else {quota_entity(web, center): rates})


def invited_quotas(one: Invited) -> Quotas:
    """Return how much somebody may ask of the broker who was invited: one request and its answers are small."""
    rates = {
        PRODUCER_BYTE_RATE: float(RATE_MIN),
        CONSUMER_BYTE_RATE: float(RATE_MIN * READS_A_WRITE),
        REQUEST_PERCENTAGE: INVITED_PERCENT,
    }
    return {quota_entity(one.name): rates}


def _topic(principal: str, name: str, operation: Operation) -> Right:
    return Right(principal, Resource.TOPIC, name, Pattern.LITERAL, operation)


def _topics(principal: str, prefix: str, operation: Operation) -> Right:
    return Right(principal, Resource.TOPIC, prefix, Pattern.PREFIXED, operation)


def _user_of(principal: str) -> str | None:
    return principal.removeprefix(USER) if principal.startswith(USER) else None


def _quota_changes(wanted: Desired, found: Quotas) -> dict[Entity, dict[str, float | None]]:
    ours = {entity: rates for entity, rates in found.items() if wanted.owns_quota(entity)}
    changed: dict[Entity, dict[str, float | None]] = {}
    for entity in sorted({*ours, *wanted.quotas}, key=repr):
        should, is_now = wanted.quotas.get(entity, {}), ours.get(entity, {})
        different = {key: should.get(key) for key in {*should, *is_now} if should.get(key) != is_now.get(key)}
        if different:
            changed[entity] = dict(sorted(different.items()))
    return changed


def _is_any(change: Change) -> bool:
    match change:
        case (
            TakeRights(what)
            | GuardUsers(what)
            | DeleteUsers(what)
            | DropStrays(what)
            | MakeTopics(what)
            | SetUsers(what)
            | GiveRights(what)
        ):
            return bool(what)
        case SetQuotas(quotas):
            return bool(quotas)
