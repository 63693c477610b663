"""Offices that join by one file, as far as their request goes: keys and a password, from a seed."""

from __future__ import annotations

from hashlib import sha256
from typing import cast

from hub.protocol.control import enrolment, key_name
from hub.protocol.invitation import Invitation
from hub.protocol.joining import JoinRequest, seal_request
from hub.protocol.keys import COSIGNATURE_ED25519, ED25519, Signer, Verifier
from hub.protocol.scram import Credential


def request_of(bundle: Invitation, seed: str = "office", root: Verifier | None = None) -> JoinRequest:
    """Return what the office of this seed asks for by a bundle."""
    key = sha256(seed.encode()).digest()
    hub, center = bundle.hub, bundle.center
    seal = Signer(key_name(hub, center, "seal"), key, ED25519)
    witness = Signer(key_name(hub, center, "witness"), key[::-1], COSIGNATURE_ED25519)
    return JoinRequest(
        hub,
        center,
        bundle.id,
        root or bundle.root,
        (enrolment(hub, center, "seal", seal), enrolment(hub, center, "witness", witness)),
        Credential.of(seed, key, 4096),
    )


def asking(bundle: Invitation, seed: str = "office", root: Verifier | None = None) -> bytes:
    """Return the same as it is sent."""
    return seal_request(bundle, request_of(bundle, seed, root))


def junk(bundle: Invitation, data: bytes) -> bytes:
    """Return anything, encrypted as a request is."""

    class Junk:
        def to_bytes(self) -> bytes:
            return data

    return seal_request(bundle, cast("JoinRequest", Junk()))
