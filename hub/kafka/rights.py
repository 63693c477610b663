"""Kafka's words for who may do what: rights (its ACLs), quotas, the names of who they are given to.

Numbers are those of the protocol. One that this release does not know keeps its number, so that a right which somebody
gave by a newer tool is seen and can be taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Self

SCRAM_SHA_256: Final = 1
SCRAM_SHA_512: Final = 2
USER: Final = "User:"  # the only kind of principal that a broker with SCRAM or certificates knows
ANY_HOST: Final = "*"


class _Numbered(IntEnum):
    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, int):
            return None
        member = int.__new__(cls, value)
        member._name_ = f"UNKNOWN_{value}"
        member._value_ = value
        return member


class Resource(_Numbered):
    """What a right is for."""

    TOPIC = 2
    GROUP = 3
    CLUSTER = 4
    TRANSACTIONAL_ID = 5
    DELEGATION_TOKEN = 6
    USER = 7


class Pattern(_Numbered):
    """Whether a right is for one name, or for all that begin with it."""

    LITERAL = 3
    PREFIXED = 4


class Operation(_Numbered):
    """What may be done. READ and WRITE, ALTER and DELETE imply DESCRIBE."""

    ALL = 2
    READ = 3
    WRITE = 4
    CREATE = 5
    DELETE = 6
    ALTER = 7
    DESCRIBE = 8
    CLUSTER_ACTION = 9
    DESCRIBE_CONFIGS = 10
    ALTER_CONFIGS = 11
    IDEMPOTENT_WRITE = 12


class Permission(_Numbered):
    """Whether it is allowed. A denial stands above every allowance."""

    DENY = 2
    ALLOW = 3


@dataclass(frozen=True, slots=True, order=True)
class Right:
    """One right of one principal; `principal` is Kafka's whole name of it, such as `User:uz`."""

    principal: str
    resource: Resource
    name: str
    pattern: Pattern
    operation: Operation
    permission: Permission = Permission.ALLOW
    host: str = ANY_HOST

    def __str__(self) -> str:
        star = "*" if self.pattern is Pattern.PREFIXED else ""
        text = f"{self.permission.name} {self.principal} {self.operation.name} {self.resource.name} {self.name}{star}"
        return text if self.host == ANY_HOST else f"{text} from {self.host}"


def user(name: str) -> str:
    """Return Kafka's whole name of a user."""
    return USER + name


# Who a quota is for: pairs of a kind (`user`, `client-id`) and a name, in the order of kinds; None is everybody else.
Entity = tuple[tuple[str, str | None], ...]
Quotas = Mapping[str, float]

PRODUCER_BYTE_RATE: Final = "producer_byte_rate"
CONSUMER_BYTE_RATE: Final = "consumer_byte_rate"
REQUEST_PERCENTAGE: Final = "request_percentage"


def quota_entity(user: str | None = None, client_id: str | None = None) -> Entity:
    """Return who a quota is for: a user, what calls itself by this client id, or a user that does."""
    named = (("client-id", client_id), ("user", user))
    return tuple((kind, name) for kind, name in named if name is not None)
