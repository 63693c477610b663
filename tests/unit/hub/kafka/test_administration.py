"""Rights, users and quotas, seen and changed; the broker in memory reads and writes the protocol's bytes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiokafka.errors import ClusterAuthorizationFailedError, IncompatibleBrokerVersion, NotControllerError

from hub.kafka.administration import (
    CHUNK,
    Administration,
    NotAdministrator,
    Unguarded,
    administration,
)
from hub.kafka.cluster import Cluster
from hub.kafka.memory import MemoryBroker
from hub.kafka.rights import (
    SCRAM_SHA_256,
    SCRAM_SHA_512,
    Operation,
    Pattern,
    Permission,
    Resource,
    Right,
    quota_entity,
    user,
)
from hub.protocol.errors import Fatal, Retriable, UsageError
from hub.protocol.scram import Credential

WRITE = Right(user("uz"), Resource.TOPIC, "in.uz", Pattern.LITERAL, Operation.WRITE)
READ = Right(user("uz"), Resource.TOPIC, "hub.", Pattern.PREFIXED, Operation.READ)
OF_OTHERS = Right("User:bob", Resource.GROUP, "bobs", Pattern.LITERAL, Operation.ALL, Permission.DENY, "10.0.0.1")


@pytest.fixture
def broker() -> MemoryBroker:
    made = MemoryBroker()
    made.access.has_authorizer = True
    return made


@pytest.fixture
def cluster(broker: MemoryBroker) -> Cluster:
    return Cluster(("broker:9092",), clients=broker)


@pytest.fixture
async def access(cluster: Cluster) -> AsyncIterator[Administration]:
    async with administration(cluster) as made:
        yield made


async def test_rights_are_given_seen_and_taken(access: Administration) -> None:
    """Each call may be said again, as somebody does who was broken off."""
    await access.grant([WRITE, READ, OF_OTHERS])
    await access.grant([WRITE])
    assert await access.rights() == {WRITE, READ, OF_OTHERS}
    await access.revoke([WRITE])
    await access.revoke([WRITE])
    assert await access.rights() == {READ, OF_OTHERS}


async def test_right_of_a_later_kafka_is_seen_and_can_be_taken(broker: MemoryBroker, access: Administration) -> None:
    """A number that this release has no word for keeps its number."""
    broker.access.acls.add((9, "x", 3, "User:uz", "*", 77, 3))
    (found,) = await access.rights()
    assert (found.resource, found.operation) == (9, 77)
    await access.revoke([found])
    assert not broker.access.acls


async def test_users_are_made_changed_and_deleted(broker: MemoryBroker, cluster: Cluster) -> None:
    """A broker tells of a user only that it is there, and by which mechanisms it logs in."""
    first, second = Credential.of("1", bytes(16), 4096), Credential.of("2", bytes(32), 8192)
    async with administration(cluster) as access:
        await access.set_users({"uz": first})
        await access.set_users({"uz": second})
        assert broker.access.users == {"uz": (8192, second.salt, second.salted_password)}
        await access.set_users({"kz": first})
        broker.access.users_by_256 |= {"by", "kz", "uz"}
        both = frozenset({SCRAM_SHA_256, SCRAM_SHA_512})
        assert await access.users() == {"by": frozenset({SCRAM_SHA_256}), "kz": both, "uz": both}
        await access.delete_users(["uz", "uz", "nobody"])
        await access.delete_users(["kz"], SCRAM_SHA_256)
        assert await access.users() == {"by": frozenset({SCRAM_SHA_256}), "kz": frozenset({SCRAM_SHA_512})}


async def test_quotas_are_set_key_by_key(access: Administration) -> None:
    """What is not named stays; the last key that goes takes the quota with it."""
    uz, web = quota_entity("uz"), quota_entity("web", "uz")
    await access.set_quotas({uz: {"producer_byte_rate": 1024.0, "request_percentage": 5.0}, web: {"x": 1.0}})
    await access.set_quotas({uz: {"producer_byte_rate": 2048.0}, web: {"x": None}})
    assert await access.quotas() == {uz: {"producer_byte_rate": 2048.0, "request_percentage": 5.0}}


async def test_many_changes_go_in_several_requests(broker: MemoryBroker, access: Administration) -> None:
    """A controller takes ten thousand at once, and no more."""
    many = [Right(user(f"c{n}"), Resource.TOPIC, "t", Pattern.LITERAL, Operation.READ) for n in range(CHUNK + 1)]
    await access.grant(many)
    assert await access.rights() == set(many)
    assert [len(request.creations) for request in broker.access.changes] == [CHUNK, 1]


async def test_broker_without_authorizer_is_told_from_one_that_refuses(
    broker: MemoryBroker, access: Administration
) -> None:
    """It has users and quotas all the same."""
    broker.access.has_authorizer = False
    for call in (access.rights(), access.grant([WRITE]), access.revoke([WRITE])):
        with pytest.raises(Unguarded, match="no authorizer"):
            await call
    await access.set_quotas({quota_entity("uz"): {"producer_byte_rate": 1.0}})


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (ClusterAuthorizationFailedError("Request(processor=1, connectionId=…)"), NotAdministrator),
        (NotControllerError(), Retriable),
        (IncompatibleBrokerVersion("DescribeAcls"), UsageError),
        (NotImplementedError("v7"), UsageError),
        (TimeoutError(), Retriable),
        (ConnectionResetError(), Retriable),
    ],
)
async def test_what_a_client_raises_is_said_in_our_words(raised: Exception, kind: type[Exception]) -> None:
    """A dump of the broker's objects is for nobody to read."""

    class Failing:
        async def ask(self, request: Any) -> Any:
            del request
            raise raised

    with pytest.raises(kind) as caught:
        await Administration(Failing(), "broker:9092").users()  # type: ignore[arg-type]
    assert type(caught.value) is kind
    assert "processor" not in str(caught.value)


@pytest.mark.parametrize(
    ("code", "kind", "said"),
    [
        (31, NotAdministrator, "`admin`"),
        (41, Retriable, "NotController"),
        (93, Fatal, "UNACCEPTABLE_CREDENTIAL: too few"),
        (54, Unguarded, "no authorizer"),
    ],
)
async def test_what_a_broker_answers_is_said_in_our_words(code: int, kind: type[Exception], said: str) -> None:
    """Whoever reads it knows whether to wait, to change a setting, or to look closer."""

    class Refusing:
        async def ask(self, request: Any) -> Any:
            response = request.prepare({50: (0, 0)}).RESPONSE_TYPE
            return response(0, code, "too few", [], {})

    with pytest.raises(kind, match=said) as caught:
        await Administration(Refusing(), "broker:9092").users()  # type: ignore[arg-type]
    assert type(caught.value) is kind


async def test_broker_that_is_away_is_tried_again_later(broker: MemoryBroker, access: Administration) -> None:
    """What was changed before it went is not lost."""
    broker.cut()
    with pytest.raises(Retriable):
        await access.grant([WRITE])
