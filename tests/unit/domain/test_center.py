"""A center's keys prove themselves to whoever reads the ledger, not only to the command that took them."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest

from hub.domain.catalogue import KINDS
from hub.domain.rules import check
from hub.protocol.control import key_name, key_text
from hub.protocol.errors import Rejected
from hub.protocol.note import Signer

HUB = "hub.example"
ADDED = KINDS["net.cohub.center.key_added.v1"]


def signer(seed: int, purpose: str = "seal", center: str = "uz") -> Signer:
    return Signer(key_name(HUB, center, purpose), bytes([seed]) * 32)


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


FIRST, SECOND, WITNESS = signer(1), signer(2), signer(3, "witness")


@pytest.mark.parametrize(
    "keys",
    [
        [key(FIRST), key(SECOND, FIRST)],
        [key(FIRST, status="revoked", status_reason="stolen"), key(SECOND, replaced_lost=True)],
        [key(FIRST), key(WITNESS, purpose="witness")],
    ],
    ids=["vouched for", "replaced", "of another purpose"],
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
    ],
)
def test_keys_that_do_not_prove_themselves_are_refused(keys: list[dict[str, Any]], said: str) -> None:
    with pytest.raises(Rejected, match="keys") as caught:
        checked(*keys)
    assert said in caught.value.params
