"""The trust note of version 2: which keys a hub signs with, which it used to, and since when one signs no more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from hub.protocol.errors import Malformed
from hub.protocol.keys import COSIGNATURE_ED25519, COSIGNATURE_MLDSA44, ED25519, Signer, Verifier
from hub.protocol.note import sign_note
from hub.protocol.trust import HqKeys, Trust, open_trust
from tests.unit.hub.protocol.conftest import HUB, make_key

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ROOT = make_key(f"{HUB}/root")


def public(name: str, label: str = "", algorithm: int = ED25519) -> Verifier:
    return Signer(name, make_key(name, label + str(algorithm)).seed, algorithm).verifier


RECEIPTS, RECEIPTS_2 = public(f"{HUB}/receipts"), public(f"{HUB}/receipts", "2")
LOG, LOG_2 = public(f"{HUB}/log"), public(f"{HUB}/log", "2")
LONG, LONG_2 = (public(f"{HUB}/log", label, COSIGNATURE_MLDSA44) for label in ("", "2"))
HQ, HQ_2 = public(f"{HUB}/hq"), public(f"{HUB}/hq", "2")
WITNESS = public(f"{HUB}/uz/witness", "", COSIGNATURE_ED25519)
OUTSIDE = public("witness.example/w1", "", COSIGNATURE_MLDSA44)
FIRST = Trust(HUB, ROOT.verifier, (RECEIPTS,), (LOG, LONG), (HQ,), serial=1, time=NOW, reason="the first keys")
FULL = Trust(
    HUB,
    ROOT.verifier,
    (RECEIPTS, RECEIPTS_2),
    (LOG, LONG, LOG_2, LONG_2),
    (HQ, HQ_2),
    (WITNESS, OUTSIDE),
    ((NOW, RECEIPTS), (NOW, HQ), (NOW, WITNESS)),
    7,
    NOW,
    "",
)
OF_V1 = Trust(HUB, ROOT.verifier, (RECEIPTS,))


def signed(trust: Trust, by: Signer = ROOT) -> bytes:
    return sign_note(trust.to_text(), [by]).to_bytes()


@pytest.mark.parametrize(
    "trust", [FIRST, FULL, replace(FIRST, reason="钥匙 ключ"), Trust(HUB, ROOT.verifier, (RECEIPTS,))]
)
def test_trust_survives_the_round_trip(trust: Trust) -> None:
    """A center pins what the root key signed: of version 2, and of version 1, whose serial is 0."""
    assert Trust.from_text(trust.to_text()) == trust
    assert open_trust(signed(trust), ROOT.verifier) == trust


def test_last_key_of_each_kind_is_in_use() -> None:
    """The former ones stay, for what they have signed."""
    assert FULL.in_use("receipts") == RECEIPTS_2
    assert (FULL.in_use("log"), FULL.in_use("log", COSIGNATURE_MLDSA44)) == (LOG_2, LONG_2)
    assert FULL.in_use("hq") == HQ_2
    assert Trust(HUB, ROOT.verifier, (RECEIPTS,)).in_use("log") is None


def test_retired_key_is_good_for_what_was_before() -> None:
    """A time decides, which the log gives; a key that was never retired is good at any time."""
    before = NOW - timedelta(microseconds=1)
    assert HqKeys.of(FULL).hqs_at(before) == (HQ, HQ_2)
    assert HqKeys.of(FULL).hqs_at(NOW) == (HQ_2,)
    assert FULL.good_at(FULL.receipts, NOW + timedelta(days=9)) == (RECEIPTS_2,)
    assert (FULL.retired_at(RECEIPTS), FULL.retired_at(RECEIPTS_2)) == (NOW, None)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (replace(FIRST, receipts=()), "a receipts key"),
        (replace(FIRST, hqs=()), "hq lane"),
        (replace(FIRST, logs=(LOG,)), "both kinds"),
        (replace(FIRST, logs=(LONG,)), "both kinds"),
        (replace(FIRST, receipts=(LOG,)), "named"),
        (replace(FIRST, hqs=(HQ, HQ)), "one use"),
        (replace(FIRST, hqs=(Verifier(f"{HUB}/hq", RECEIPTS.public),)), "one use"),
        (replace(FIRST, hqs=(Verifier(f"{HUB}/hq", ROOT.verifier.public),)), "one use"),
        (replace(FIRST, receipts=(public(f"{HUB}/receipts", "", COSIGNATURE_ED25519),)), "no kind of receipts"),
        (replace(FIRST, witnesses=(public(f"{HUB}/uz/witness"),)), "no kind of witness"),
        (replace(FIRST, retired=((NOW, RECEIPTS),)), "in use is retired"),
        (replace(FIRST, retired=((NOW, LONG),)), "in use is retired"),
        (replace(FIRST, retired=((NOW, RECEIPTS_2),)), "among those above"),
        (replace(FULL, retired=((NOW, HQ), (NOW, HQ))), "each retired key once"),
        (replace(FIRST, retired=((NOW, ROOT.verifier),)), "among those above"),
        (replace(FIRST, reason="x" * 201), "one form"),
        (replace(FIRST, hub="HUB"), "hub's name"),
    ],
)
def test_trust_that_no_hub_could_mean_is_refused(changed: Trust, said: str) -> None:
    """Every purpose has its keys, of its kinds and named for it; no key has two uses."""
    text = changed.to_text() if changed.reason != "x" * 201 else FIRST.to_text().replace("the first keys", "x" * 201)
    with pytest.raises(Malformed, match=said):
        open_trust(sign_note(text, [ROOT]).to_bytes())


TEXT = FULL.to_text()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("trust/v2", "trust/v3"),
        ("trust/v2", "trust/v1"),
        ("serial 7", "serial 07"),
        ("serial 7", "serial 0"),
        ("serial 7\n", ""),
        ("\nhub.example\n", "\n"),
        ("reason -", "reason "),
        ("time 2026-03-01T12:00:00.000000Z", "time 2026-03-01T12:00:00Z"),
        ("\nroot ", "\nroots "),
        ("\nretired 2026", "\nretired 2026 2026"),
        ("\nwitness ", "\n\nwitness "),
    ],
)
def test_trust_of_another_shape_is_refused(old: str, new: str) -> None:
    """Other versions, missing lines and other forms of the same are Malformed."""
    assert old in TEXT
    with pytest.raises(Malformed):
        open_trust(sign_note(TEXT.replace(old, new, 1), [ROOT]).to_bytes())


def test_lines_in_another_order_are_refused() -> None:
    """There is one text for one meaning: the order is part of the form, as the last key is the one in use."""
    lines = TEXT.splitlines(keepends=True)
    at = next(n for n, line in enumerate(lines) if line.startswith("hq "))
    lines[5], lines[at] = lines[at], lines[5]
    with pytest.raises(Malformed, match="in their order"):
        open_trust(sign_note("".join(lines), [ROOT]).to_bytes())


def test_root_key_is_never_changed() -> None:
    """A note that names another root is refused by whoever has pinned one, also when the pinned one signed it."""
    other = make_key(f"{HUB}/root", "other")
    both = sign_note(replace(FIRST, root=other.verifier).to_text(), [ROOT, other]).to_bytes()
    assert open_trust(both).root == other.verifier
    with pytest.raises(Malformed, match="never changed"):
        open_trust(both, ROOT.verifier)
    with pytest.raises(Malformed):
        open_trust(signed(FIRST, other), ROOT.verifier)


def test_no_damage_to_a_trust_note_leaves_another(refused: Callable[..., int]) -> None:
    """No cut or flipped bit yields other keys."""
    small = replace(FIRST, logs=(LOG, LONG))
    good = signed(small)
    head, _, tail = good.partition(LONG.to_text().encode())

    def read(data: bytes) -> None:
        # The ML-DSA-44 key fills most of the note; its own bytes are flipped in one place of each line.
        if open_trust(data, ROOT.verifier) == small:
            raise Malformed("the same: no harm")

    def read_around(data: bytes) -> None:
        read(data.replace(b"@", LONG.to_text().encode(), 1))

    assert refused(read_around, head + b"@" + tail) == 0
    middle = len(head) + 1000
    for bit in range(8):
        broken = good[:middle] + bytes([good[middle] ^ 1 << bit]) + good[middle + 1 :]
        with pytest.raises(Malformed):
            read(broken)
