"""A center's keys prove themselves to whoever reads the ledger, not only to the command that took them."""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime
from typing import Any

import pytest

from hub.domain.catalogue import KINDS
from hub.domain.rules import check
from hub.protocol.checkpoint import Checkpoint
from hub.protocol.control import key_name, key_text
from hub.protocol.cosignature import cosign
from hub.protocol.errors import Rejected
from hub.protocol.keys import COSIGNATURE_ED25519, COSIGNATURE_MLDSA44, ED25519, Signer

HUB = "hub.example"
ADDED = KINDS["net.cohub.center.key_added.v1"]


def signer(seed: int, purpose: str = "seal", algorithm: int = ED25519) -> Signer:
    return Signer(key_name(HUB, "uz", purpose), bytes([seed]) * 32, algorithm)


def signed(by: Signer, new: Signer, purpose: str = "seal") -> str:
    return b64encode(by.sign(key_text(HUB, "uz", purpose, new.verifier).encode())).decode()


def key(new: Signer, previous: Signer | None = None, purpose: str = "seal", **fields: Any) -> dict[str, Any]:
    return {
        "vkey": new.verifier.to_text(),
        "purpose": purpose,
        "status": "active",
        "proof": signed(new, new, purpose),
        "previous_proof": None if previous is None else signed(previous, new, purpose),
        "replaced_lost": False,
        "status_reason": None,
    } | fields


def checked(*keys: dict[str, Any]) -> None:
    record = {
        "name": "Ташкент",
        "country": "UZ",
        "direction": "north",
        "zone": None,
        "languages": ["ru"],
        "timezone": "UTC",
        "streams": [],
        "keys": list(keys),
    }
    check(ADDED, record)


def cosigned(by: Signer) -> str:
    """Return what a cosigner signs every minute, in the place of a proof."""
    line = cosign(Checkpoint("hub.example/log", 1, bytes(32)).to_text(), by, datetime(2026, 3, 1, tzinfo=UTC))
    return b64encode(line.value[8:]).decode()


FIRST, SECOND, WITNESS = signer(1), signer(2), signer(3, "witness")
LONG, LONG_2 = signer(4, algorithm=COSIGNATURE_MLDSA44), signer(5, algorithm=COSIGNATURE_MLDSA44)
COSIGNER, COSIGNER_2 = (signer(seed, "witness", COSIGNATURE_ED25519) for seed in (6, 7))


@pytest.mark.parametrize(
    "keys",
    [
        [key(FIRST), key(SECOND, FIRST)],
        [key(FIRST, status="revoked", status_reason="stolen"), key(SECOND, replaced_lost=True)],
        [key(FIRST), key(WITNESS, purpose="witness")],
        [key(FIRST), key(COSIGNER, purpose="witness"), key(COSIGNER_2, COSIGNER, purpose="witness")],
        [key(WITNESS, purpose="witness"), key(COSIGNER, WITNESS, purpose="witness")],
        [key(FIRST), key(LONG, FIRST), key(LONG_2, LONG), key(SECOND, LONG)],
    ],
    ids=["vouched for", "replaced", "of another purpose", "cosigners", "after a witness of 0.1.0", "ML-DSA-44"],
)
def test_keys_that_prove_themselves_pass(keys: list[dict[str, Any]]) -> None:
    checked(*keys)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ([key(FIRST, proof=signed(SECOND, FIRST))], "proof is not by the key"),
        ([key(FIRST, proof="AAAA")], "proof is not by the key"),
        ([key(FIRST, proof="A")], "proof is not by the key"),
        ([key(FIRST), key(SECOND, WITNESS)], "previous_proof is not by an earlier key"),
        ([key(SECOND, FIRST), key(FIRST, replaced_lost=True)], "previous_proof is not by an earlier key"),
        ([key(FIRST, SECOND)], "previous_proof is not by an earlier key"),
        ([key(FIRST), key(SECOND)], "replaced_lost"),
        ([key(FIRST, status="revoked"), key(SECOND)], "replaced_lost"),
        ([key(FIRST, replaced_lost=True)], "replaced_lost"),
        ([key(FIRST), key(SECOND, FIRST, replaced_lost=True)], "replaced_lost"),
        ([key(WITNESS, purpose="seal")], "proof is not by the key"),
        ([key(FIRST, purpose="witness")], "a witness key of another name"),
        ([key(signer(1, algorithm=COSIGNATURE_ED25519))], "0x04 is no kind of seal key"),
        ([key(signer(1, "witness", COSIGNATURE_MLDSA44), purpose="witness")], "0x06 is no kind of witness key"),
        ([key(FIRST), key(LONG)], "replaced_lost"),
        ([key(FIRST), key(LONG, SECOND)], "previous_proof is not by an earlier key"),
        ([key(LONG, proof=signed(LONG_2, LONG))], "proof is not by the key"),
        ([key(COSIGNER, purpose="witness", proof=cosigned(COSIGNER))], "proof is not by the key"),
    ],
)
def test_keys_that_do_not_prove_themselves_are_refused(keys: list[dict[str, Any]], said: str) -> None:
    with pytest.raises(Rejected, match="keys") as caught:
        checked(*keys)
    assert said in caught.value.params
