"""How centers reach HQ's Kafka: giving a credential, setting a quota, and whether Kafka has it as it should.

Nothing here asks Kafka. What is said stands in the database, and the worker brings it about, also when Kafka is away at
first (`hub.worker.access`). What a center may do follows from its status in the hq lane.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Final, Protocol

import orjson
from pydantic import Field

from hub.hq.access_key import AccessKey
from hub.hq.folder import HubFolder
from hub.kafka.desired import (
    MIB,
    RATE_DEFAULT,
    RATE_MAX,
    RATE_MIN,
    Member,
    is_reserved,
    office_quotas,
    office_rights,
)
from hub.protocol.errors import Conflict, Malformed, NotFound, UsageError
from hub.protocol.scram import ITERATIONS, SALT_LENGTH, Credential
from hub.store.access_store import OPEN
from hub.store.read.access import GivenAccess
from hub.store.read.centers import RegisteredCenter
from hub.store.read.model import ReadModel

if TYPE_CHECKING:
    from hub.store.access_store import AccessStore

PASSWORD_BYTES: Final = 32
PURPOSE: Final = "credential of "
_UNITS: Final[Mapping[str, int]] = {"": 1, "B": 1, "KiB": 1 << 10, "MiB": MIB, "kB": 1000, "MB": 1_000_000}
_RATE: Final = re.compile(r"([0-9]{1,10})\s*([A-Za-z]{0,3})(?:/s)?")


class Given(Protocol):
    """What a center was given, as the store has it or as people read it."""

    @property
    def version(self) -> int:
        """The number of its credential."""

    @property
    def rate(self) -> int | None:
        """Bytes a second that it may write; None: as many as all."""


async def issue(where: HubFolder, center: str, hand_over: Callable[[str], None]) -> int:
    """Give a center a new password in the place of the one before; return its number.

    HQ keeps none of it, but what Kafka needs to know it again: `hand_over` is told it, before it counts for anything.
    Errors: NotFound, Conflict, UsageError, and those of `hand_over`, after which the center has what it had.
    """
    _check_open(where, center)
    key = AccessKey.make(where.keys)
    password = secrets.token_urlsafe(PASSWORD_BYTES)
    hand_over(password)
    async with where.store() as store:
        return await give(store.access, key, center, Credential.of(password, os.urandom(SALT_LENGTH), ITERATIONS))


async def give(access: AccessStore, key: AccessKey, center: str, credential: Credential) -> int:
    """Keep a center's credential, which its office may have made itself; return its number."""
    return await access.give(center, sealed(key, center, credential), datetime.now(UTC))


async def limit(where: HubFolder, center: str, rate: int | None) -> None:
    """Set how many bytes a second a center may write; None for as many as all. Errors: NotFound, Conflict."""
    _check_open(where, center)
    async with where.store() as store:
        await store.access.limit(center, rate)


def _check_open(where: HubFolder, center: str) -> None:
    """See that a center can be given anything. Errors: NotFound; Conflict where it is closed, or of a reserved name."""
    with where.snapshot() as now:
        centers = {registered.id: registered for registered in now.centers()}
    if center not in centers:
        raise NotFound(f"there is no center {center}; known are {', '.join(centers) or 'none'}")
    if centers[center].status == "closed":
        raise Conflict(f"center {center} is closed for good: it has no access any more")
    check_name(center)


def check_name(center: str) -> None:
    """See that a center is called like none of HQ's own users. Errors: Conflict."""
    if is_reserved(center):
        raise Conflict(f"{center} is the name of a user of HQ's own on Kafka: a center of this name can't have access")


def read_rate(text: str) -> int | None:
    """Return bytes a second of a text such as `2MiB`; None for `default`. Errors: UsageError."""
    if text == "default":
        return None
    found = _RATE.fullmatch(text.strip())
    rate = int(found[1]) * _UNITS.get(found[2], 0) if found else 0
    if not RATE_MIN <= rate <= RATE_MAX:
        raise UsageError(
            f"quota {text[:40]!r}: expected bytes a second from {write_rate(RATE_MIN)} to {write_rate(RATE_MAX)}, "
            "such as 512KiB or 2MiB, or `default`"
        )
    return rate


def write_rate(rate: int) -> str:
    """Return bytes a second as people write them."""
    for name in ("MiB", "KiB"):
        if rate % _UNITS[name] == 0:
            return f"{rate // _UNITS[name]}{name}/s"
    return f"{rate}B/s"


def sealed(key: AccessKey, center: str, credential: Credential) -> bytes:
    """Return a credential as it is kept."""
    parts = [credential.iterations, credential.salt.hex(), credential.salted_password.hex()]
    return key.seal(orjson.dumps(parts), PURPOSE + center)


def opened(key: AccessKey, center: str, kept: bytes) -> Credential:
    """Return a credential as Kafka is given it. Errors: Malformed."""
    plain = key.open(kept, PURPOSE + center)
    try:
        iterations, salt, salted_password = orjson.loads(plain)
        return Credential(bytes.fromhex(salt), iterations, bytes.fromhex(salted_password))
    except (ValueError, TypeError) as exc:
        raise Malformed("what was sealed is no credential") from exc


def mark(member: Member) -> str:
    """Return a digest of all that Kafka should have of a center: another release may say another one."""
    if member.status == "closed":
        return "closed"
    rights = sorted(map(str, office_rights(member.id, may_write=member.status == "active")))
    quotas = sorted(
        (repr(entity), sorted(rates.items())) for entity, rates in office_quotas(member.id, member.rate).items()
    )
    return sha256(orjson.dumps([member.version, rights, quotas])).hexdigest()[:16]


def members(centers: Iterable[tuple[str, str]], given: Mapping[str, Given]) -> list[Member]:
    """Return centers, each with its status, and what they were given."""
    nothing = GivenAccess()
    found = ((center, status, given.get(center, nothing)) for center, status in centers)
    return [Member(center, status, has.version, has.rate or RATE_DEFAULT) for center, status, has in found]


class AccessStanding(ReadModel):
    """How a center reaches HQ's Kafka, and whether Kafka has it as it should."""

    state: str = Field(description="kept, waits, open (the cluster lets in everybody) or none (its name is HQ's own)")
    may: str = Field(description="What its status lets it do: read and write, read, nothing")
    version: int = Field(description="The number of its credential, 0 while it has none by HQ")
    given_at: datetime | None = Field(description="When HQ had that credential")
    quota: str = Field(description="How much it may write")
    kept_at: datetime | None = Field(description="When Kafka was last brought to what was right then")


MAY: Final[Mapping[str, str]] = {"active": "read and write", "suspended": "read", "closed": "nothing"}


def standing(center: RegisteredCenter, given: Mapping[str, GivenAccess]) -> AccessStanding:
    """Return how a center reaches HQ's Kafka."""
    (member,) = members([(center.id, center.status)], given)
    has = given.get(center.id, GivenAccess())
    if is_reserved(center.id):
        state = "none"
    elif has.kept == OPEN:
        state = OPEN
    else:
        state = "kept" if has.kept == mark(member) else "waits"
    return AccessStanding(
        state=state,
        may=MAY.get(center.status, "nothing"),
        version=has.version,
        given_at=has.given_at,
        quota=write_rate(member.rate),
        kept_at=has.kept_at,
    )
