"""By which key a center cosigns: its own, as long as HQ would know whose it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.runtime.office import Office
from connectors.runtime.registry import OurCenter, OurKey, Registry
from connectors.runtime.settings import make_settings
from connectors.runtime.witness import unknown_keys
from connectors.runtime.witness_keys import WitnessKeys
from hub.protocol.keys import COSIGNATURE_ED25519, Signer
from hub.protocol.trust import Trust
from hub.protocol.witness import witness_key_name
from tests.support.hq_lane import LaneWriter
from tests.support.log import TestLog, leaf

HUB = "hub.example"
KEY = Signer(witness_key_name(HUB, "uz"), b"w" * 32, COSIGNATURE_ED25519)
SEAL = Signer(f"{HUB}/uz", b"k" * 32)


def keys(witness: Signer | None, *, known: bool, status: bool | None = None) -> WitnessKeys:
    """Return the keys of an office; `status` is how HQ has its witness key, None where it has not."""
    trust = Trust(HUB, Signer(f"{HUB}/root", b"o" * 32).verifier, (Signer(f"{HUB}/receipts", b"r" * 32).verifier,))
    settings = make_settings({"hub": HUB, "center": "uz", "bootstrap": "127.0.0.1:9"}, "test")
    registry = Registry("uz")
    if known:
        registry.follow(LaneWriter().open().lane())
        registry.complete = True
        theirs = () if status is None else (OurKey("witness", KEY.verifier, status),)
        registry.center = OurCenter("active", theirs)
    return WitnessKeys(Office(Path(), settings, SEAL, trust, None, witness), registry, lambda: (), dict, _look)


async def _look() -> None:
    """Nothing is published."""


@pytest.mark.parametrize(
    ("witness", "known", "status", "expected"),
    [
        (None, True, True, None),
        (KEY, False, None, KEY),  # the registry is hidden from us: HQ passes over what it does not know
        (KEY, True, True, KEY),
        (KEY, True, False, None),
        (KEY, True, None, None),
    ],
)
def test_witness_key_is_used_while_hq_knows_it(
    witness: Signer | None, known: bool, status: bool | None, expected: Signer | None
) -> None:
    """A cosignature that HQ would not take is not made: it would be made again for every checkpoint."""
    assert keys(witness, known=known, status=status).witness() == expected
    assert keys(witness, known=known, status=status).seal() == SEAL


def test_unknown_keys_are_those_of_the_log_that_are_not_pinned() -> None:
    """Only lines under the log's own name count, and bytes that are no checkpoint have none."""
    hq, other = TestLog(), TestLog(seed=b"o" * 32)
    note = hq.append(leaf(1)).value
    ids = frozenset(key.key_id for key in hq.verifiers)
    assert unknown_keys(note, hq.origin, other.verifiers) == ids
    assert unknown_keys(note, hq.origin, hq.verifiers[:1]) == {hq.verifiers[1].key_id}
    assert unknown_keys(note, hq.origin, hq.verifiers) == frozenset()
    assert unknown_keys(note, "other.example/log", ()) == frozenset()
    assert unknown_keys(b"junk", hq.origin, ()) == unknown_keys(None, hq.origin, ()) == frozenset()
