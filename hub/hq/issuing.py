"""The next trust note: signed by the root key where that is here, or asked for with a request; and what a note says.

A request goes to the machine of the root key, where `rotation.read_request` and `signed` make the note of it, and
`install` puts the note in force here. Until then all is as it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Protocol

from pydantic import Field

from hub.hq import rotation
from hub.hq.clock import clock_standing
from hub.hq.folder import HubFolder
from hub.hq.identity import ROOT, Identity, load_identity, read_root
from hub.hq.rotation import current, is_same, next_note, put, retired, rotated, with_witnesses, witness_keys
from hub.hq.saying import again
from hub.ledger.basis import Basis
from hub.protocol.errors import NotFound
from hub.protocol.keys import COSIGNATURE_ED25519, COSIGNATURE_MLDSA44, ED25519, Signer, Verifier
from hub.protocol.note import sign_note
from hub.protocol.trust import Trust
from hub.store.read.model import ReadModel

ALGORITHMS: Final = {ED25519: "Ed25519", COSIGNATURE_ED25519: "Ed25519 cosignature", COSIGNATURE_MLDSA44: "ML-DSA-44"}
PIN_TRIES: Final = 30  # one is lost only where another command's note was faster


class TrustedKey(ReadModel):
    """A key of the trust note."""

    purpose: str = Field(description="root, receipts, log, hq or witness")
    name: str = Field(description="As in a note's signature line")
    id: str = Field(description="As in a note's signature line, 8 hex digits")
    kind: str = Field(description="Ed25519, Ed25519 cosignature or ML-DSA-44")
    status: str = Field(description="pinned (the root key), in use, former, or retired and since when")
    retired_at: datetime | None = Field(description="From when on nothing new is signed by it")
    vkey: str = Field(description="The verifier key of a signed note: name, id, algorithm and public half")


class TrustStanding(ReadModel):
    """What the trust note in force says."""

    hub: str = Field(description="The hub's name")
    serial: int = Field(description="Counts the hub's notes from 1; 0 for one of version 0.1.0")
    time: datetime | None = Field(description="When it was made")
    reason: str = Field(description="Why it was made")
    keys: tuple[TrustedKey, ...] = Field(description="Every key, the root key first")


@dataclass(frozen=True, slots=True)
class Issued:
    """A trust note that was made. `before` is the one that it goes on from.

    `request` is what the root key is to sign elsewhere; where it is None the note is in force.
    """

    trust: Trust
    before: Trust
    request: bytes | None = None

    @property
    def is_in_force(self) -> bool:
        """Whether a running worker publishes it and takes its keys over."""
        return self.request is None


@dataclass(frozen=True, slots=True)
class Rotated:
    """New keys of one purpose: the note that takes them into use, and the keys that they take the place of."""

    issued: Issued
    made: tuple[Verifier, ...]
    former: tuple[Verifier, ...]  # not retired yet


class HqLane(Protocol):
    """What the hq lane says now."""

    async def basis(self) -> Basis:
        """Return the basis as the hq lane stands."""
        ...


def standing(identity: Identity) -> TrustStanding:
    """Return what the trust note in force says."""
    trust = current(identity)
    return TrustStanding(
        hub=trust.hub, serial=trust.serial, time=trust.time, reason=trust.reason, keys=tuple(trusted_keys(trust))
    )


def names_log_keys(identity: Identity) -> bool:
    """Return whether the trust note has the keys of HQ's log: one of version 0.1.0 does not."""
    return identity.trust is not None and identity.trust.serial > 0


def rotate(identity: Identity, purpose: str, reason: str, root: Signer | None) -> Rotated:
    """Make a new key of `purpose` and have it taken into use; of the log, one of each kind.

    Shapes: see `issue`. A crash before the note is written leaves key files that no note names: nothing uses them.
    Errors: UsageError, Retriable.
    """
    trust = rotated(identity, purpose)
    issued = issue(identity, trust, reason, root)
    keys = trust.keys()[purpose]
    made = tuple(key for key in keys if trust.in_use(purpose, key.algorithm) == key)
    former = tuple(key for key in keys if key not in made and not trust.retired_at(key))
    return Rotated(issued, made, former)


def retire(
    identity: Identity,
    key_ids: Sequence[str],
    reason: str,
    root: Signer | None,
    signed_until: datetime | None = None,
) -> Issued:
    """Say that from now on nothing new is signed by these former keys, or from behind `signed_until` on.

    Errors: NotFound, Conflict, Retriable.
    """
    trust = retired(identity, key_ids, datetime.now(UTC), signed_until)
    return issue(identity, trust, f"{reason}: {' '.join(key_ids)}", root)


def signed_ahead(where: HubFolder) -> datetime | None:
    """Return the latest time to come that something signed names, None where nothing does. Errors: Retriable."""
    try:
        with where.snapshot() as now:
            ahead = clock_standing(now, datetime.now(UTC)).ahead
    except NotFound:
        return None
    return ahead[0].recorded_at if ahead else None


async def renewal(where: HubFolder, identity: Identity, outside: Sequence[Verifier]) -> Trust | None:
    """Return what the next note has to say: the keys as they are, the centers' witness keys, those `outside`.

    Shapes: None where the note in force says it all; otherwise `issue` takes it.
    Errors: UsageError, Retriable.
    """
    async with where.headquarters() as (_, headquarters):
        registered = witness_keys((await headquarters.basis()).registry)
    trust = with_witnesses(current(identity), registered, datetime.now(UTC))
    added = [key for key in outside if key not in trust.witnesses]
    trust = replace(trust, witnesses=(*trust.witnesses, *added))
    return None if is_same(trust, current(identity)) else trust


def install(identity: Identity, note: bytes) -> Issued:
    """Put a trust note in force that the root key signed elsewhere. Errors: UsageError, Conflict, Retriable."""
    return Issued(rotation.install(identity, note), current(identity))


def signed(trust: Trust, root: Signer) -> bytes:
    """Return the trust note of a request that was read, signed by the root key."""
    return sign_note(trust.to_text(), [root]).to_bytes()


def issue(identity: Identity, trust: Trust, reason: str, root: Signer | None) -> Issued:
    """Put the next trust note in force, or make the request for it where the root key is elsewhere (`root` is None).

    Errors: UsageError, Retriable.
    """
    made, before = next_note(trust, datetime.now(UTC), reason), current(identity)
    if root is None:
        return Issued(made, before, rotation.request(made, identity.receipts))
    put(_folder(identity), made, root)
    return Issued(made, before)


async def pin_witness_keys(where: HubFolder, headquarters: HqLane) -> bool:
    """Have the trust note name the witness keys as they are now. A crash before: the next change, or `renewal`, does.

    Shapes: False where the root key is elsewhere, so that somebody has to ask for the note (`renewal`).
    Another command may do the same at this moment, for a center of its own. The note is read before the hq lane, and
    only that note is replaced: so none is written that knows less of the lane than the one before it.
    """

    async def attempt() -> bool:
        identity = load_identity(where.keys)
        return _pin(identity, witness_keys((await headquarters.basis()).registry))

    return await again(attempt, PIN_TRIES)


def _pin(identity: Identity, registered: Sequence[Verifier]) -> bool:
    trust = with_witnesses(current(identity), registered, datetime.now(UTC))
    if is_same(trust, current(identity)):
        return True
    path = _folder(identity) / ROOT
    if not path.exists():
        return False
    issue(identity, trust, "the witnesses", read_root(path, trust.root))
    return True


def changes(trust: Trust, before: Trust | None) -> list[TrustedKey]:
    """Return the keys that are new in a note, or of which it says something else; all of them without `before`."""
    known = [] if before is None else trusted_keys(before)
    return [key for key in trusted_keys(trust) if key not in known]


def trusted_keys(trust: Trust) -> list[TrustedKey]:
    """Return every key of a trust note, the root key first."""
    found = [_key("root", trust.root, "pinned", None)]
    for purpose, keys in trust.keys().items():
        for key in keys:
            gone = trust.retired_at(key)
            in_use = purpose == "witness" or trust.in_use(purpose, key.algorithm) == key
            status = f"retired {gone:%Y-%m-%dT%H:%M:%SZ}" if gone else "in use" if in_use else "former"
            found.append(_key(purpose, key, status, gone))
    return found


def _key(purpose: str, key: Verifier, status: str, gone: datetime | None) -> TrustedKey:
    return TrustedKey(
        purpose=purpose,
        name=key.name,
        id=key.key_id.hex(),
        kind=ALGORITHMS[key.algorithm],
        status=status,
        retired_at=gone,
        vkey=key.to_text(),
    )


def _folder(identity: Identity) -> Path:
    assert identity.folder is not None
    return identity.folder
