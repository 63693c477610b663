"""Enrolment notes at HQ: which key a note asks for, who vouches for it, and the key as a center's record has it."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hub.domain.registry import Registry
from hub.protocol.control import open_enrolment
from hub.protocol.errors import Conflict, Malformed, UsageError
from hub.protocol.keys import ED25519, Verifier
from hub.protocol.trust import Trust


def proven_all(enrolments: Sequence[bytes], hub: str, center: str) -> list[dict[str, Any]]:
    """Return the keys of a new center as its record has them. Errors: UsageError, Conflict."""
    keys: list[dict[str, Any]] = []
    # The Ed25519 seal key vouches for the ML-DSA-44 one, so it comes first, whatever the order of the options.
    for data in sorted(enrolments, key=_vkey_length):
        key = proven(data, hub, center, keys, replaces_lost=False)
        if any(key["vkey"] == other["vkey"] for other in keys):
            raise UsageError(f"the same key twice: {key['vkey'][:120]}")
        keys.append(key)
    return keys


def _vkey_length(data: bytes) -> int:
    return max(map(len, data.split(b"\n")[:5]))


def proven(data: bytes, hub: str, center: str, known: list[dict[str, Any]], *, replaces_lost: bool) -> dict[str, Any]:
    """Return a new key as the center's record has it, its proofs checked. Errors: UsageError, Conflict."""
    try:
        enrolled = open_enrolment(data)
    except Malformed as exc:
        raise UsageError(f"this is no enrolment note: {exc}; make one with `connector init`") from exc
    if (enrolled.hub, enrolled.center) != (hub, center):
        raise UsageError(
            f"the enrolment note is for center {enrolled.center} of {enrolled.hub}, expected {center} of {hub}"
        )
    if (enrolled.purpose, enrolled.key.algorithm) == ("witness", ED25519):
        raise UsageError(
            "the enrolment note is for a witness key as version 0.1.0 knew them, which can't cosign: "
            "make another with `connector key new --purpose witness`"
        )
    others = [Verifier.from_text(k["vkey"]).public for k in known if k["purpose"] != enrolled.purpose]
    if enrolled.key.public in others:
        raise Conflict(f"center {center} has this key for another purpose already: no key has two uses")
    previous = None
    earlier = [k for k in known if k["purpose"] == enrolled.purpose]
    active = [k for k in earlier if k["status"] == "active"]
    for old in active:
        verifier = Verifier.from_text(old["vkey"])
        if verifier == enrolled.key:
            continue  # whoever asks twice is told by the caller
        try:
            found = enrolled.proof(verifier)
        except Malformed as exc:
            raise UsageError(f"the signature of the earlier key {id_of(old)} is not good: {exc}") from exc
        previous = found or previous
    if active and previous is None and not replaces_lost:
        raise UsageError(
            f"expected an enrolment note that an active key of {center} vouches for "
            f"({', '.join(id_of(k) for k in active)}), came the new key's signature alone; "
            "where that key is lost, say --replaces-lost"
        )
    return {
        "vkey": enrolled.key.to_text(),
        "purpose": enrolled.purpose,
        "status": "active",
        "proof": _base64(enrolled.proof(enrolled.key)),
        "previous_proof": _base64(previous),
        "replaced_lost": bool(earlier) and previous is None,
        "status_reason": None,
    }


def check_unshared(keys: Iterable[Mapping[str, Any]], center: str, registry: Registry, trust: Trust) -> None:
    """Return if nobody else has one of these new keys of `center`'s. Errors: Conflict.

    A trust note names every key once, and of a key that two have nobody could say whose word a signature is.
    """
    own = f"{trust.hub}/{center}/"
    owners = {key.public: f"the witness {key.name}" for key in trust.witnesses if not key.name.startswith(own)}
    owners |= {key.public: f"center {other.id}" for other in registry.centers.values() for key in other.keys}
    owners |= {key.public: f"HQ ({key.name})" for key in (trust.root, *trust.receipts, *trust.logs, *trust.hqs)}
    owners = {public: owner for public, owner in owners.items() if owner != f"center {center}"}
    for key in keys:
        owner = owners.get(Verifier.from_text(key["vkey"]).public)
        if owner is not None:
            raise Conflict(
                f"the key {id_of(key)} is that of {owner} already: no key has two uses. Have the office of {center} "
                "make one of its own: `connector key new`"
            )


def _base64(signature: bytes | None) -> str | None:
    return None if signature is None else base64.b64encode(signature).decode()


def id_of(key: Mapping[str, Any]) -> str:
    """Return the id of a key in a center's record, 8 hex digits."""
    return str(key["vkey"]).split("+")[1]
