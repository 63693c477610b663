"""Presence, enrolment and the trust file: who may say what, in one text each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.protocol.checkpoint import Checkpoint
from hub.protocol.control import (
    Presence,
    enrolment,
    key_name,
    key_text,
    open_enrolment,
    proof_line,
    seal_key_name,
)
from hub.protocol.cosignature import cosign, cosigned_message
from hub.protocol.errors import Malformed
from hub.protocol.keys import COSIGNATURE_ED25519, COSIGNATURE_MLDSA44, ED25519, Signer, Verifier
from hub.protocol.note import Note, sign_note
from hub.protocol.receipt import one_line
from hub.protocol.trust import Trust, open_trust

HUB = "hub.example"
ORIGIN = "hub.example/uz/0a1b2c3d"
GOOD = Presence("uz", ORIGIN, datetime(2026, 3, 1, 12, 0, tzinfo=UTC), 9, 2, "cohub 0.1.0")
words = st.text(st.characters(exclude_categories=["Cs"]), max_size=120)
Keys = Callable[..., Signer]


@given(st.datetimes(timezones=st.just(UTC)), st.integers(0, 2**63 - 1), st.integers(0, 2**63 - 1), words, st.booleans())
def test_presence_survives_the_round_trip(
    moment: datetime, size: int, backlog: int, version: str, has_lane: bool
) -> None:
    """HQ reads what the center said of itself, with or without an open lane."""
    said = Presence("uz", ORIGIN if has_lane else "", moment, size, backlog, one_line(version)[:100])
    assert Presence.from_text(said.to_text()) == said


TEXT = GOOD.to_text()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("presence/v1", "presence/v2"),
        ("\nuz\n", "\nUZ\n"),
        ("\nuz\n", "\n\n"),
        ("origin ", "lane "),
        ("12:00:00.000000Z", "12:00:00Z"),
        ("12:00:00.000000Z", "12:00:00.000000"),
        ("12:00:00.000000Z", "25:00:00.000000Z"),
        ("size 9", "size -9"),
        ("size 9", "size +9"),
        ("size 9", "size 09"),
        ("size 9", "size ٩"),
        ("size 9", "size " + "9" * 5000),
        ("backlog 2", "backlog 1_0"),
        ("backlog 2", "backlog"),
        ("0.1.0\n", "0.1.0"),
        ("0.1.0\n", "0.1.0\nmore"),
        ("0.1.0\n", "0.1.0\n\n"),
    ],
)
def test_presence_of_another_shape_is_refused(old: str, new: str) -> None:
    """Anything else is Malformed, never another error."""
    assert old in TEXT
    with pytest.raises(Malformed):
        Presence.from_text(TEXT.replace(old, new, 1))


@pytest.mark.parametrize("purpose", ["seal", "witness"])
def test_enrolment_proves_the_key_that_it_names(purpose: str, key: Keys) -> None:
    """HQ learns for which hub, center and purpose the holder of a key wants it taken."""
    new = key(key_name(HUB, "uz", purpose))
    asked = open_enrolment(enrolment(HUB, "uz", purpose, new))
    assert (asked.hub, asked.center, asked.purpose, asked.key) == (HUB, "uz", purpose, new.verifier)


def test_rotation_carries_the_word_of_the_key_before(key: Keys) -> None:
    """On rotation the old key has signed too, and HQ can check it."""
    new, old = key(seal_key_name(HUB, "uz")), key(seal_key_name(HUB, "uz"), "old")
    asked = open_enrolment(enrolment(HUB, "uz", "seal", new, old))
    assert asked.note.verify([old.verifier]) == old.verifier
    with pytest.raises(Malformed):
        open_enrolment(enrolment(HUB, "uz", "seal", new)).note.verify([old.verifier])


@pytest.mark.parametrize(
    ("purpose", "algorithm"),
    [("seal", ED25519), ("seal", COSIGNATURE_MLDSA44), ("witness", COSIGNATURE_ED25519), ("witness", ED25519)],
)
def test_enrolment_of_every_kind_of_key_is_proved_by_its_raw_signature(purpose: str, algorithm: int, key: Keys) -> None:
    """A cosigner's key signs the text in a line of another kind; the center's record keeps the signature alone."""
    new, old = (Signer(key_name(HUB, "uz", purpose), key("x", label).seed, algorithm) for label in ("new", "old"))
    data = enrolment(HUB, "uz", purpose, new, old)
    asked = open_enrolment(data)
    text = key_text(HUB, "uz", purpose, new.verifier).encode()
    for one in (new, old):
        proof = asked.proof(one.verifier)
        assert proof is not None
        one.verifier.verify(text, proof)
    assert open_enrolment(enrolment(HUB, "uz", purpose, new)).proof(old.verifier) is None
    if algorithm != ED25519:
        assert new.verifier.key_id not in {signature.key_id for signature in asked.note.signatures}
    with pytest.raises(Malformed):
        open_enrolment(spoiled(asked.note, 0).to_bytes())
    with pytest.raises(Malformed):
        open_enrolment(spoiled(asked.note, 1).to_bytes()).proof(old.verifier)


def spoiled(note: Note, number: int) -> Note:
    """Return a note with one bit flipped in the signature of one of its lines."""
    lines = list(note.signatures)
    value = lines[number].value
    lines[number] = replace(lines[number], value=value[:40] + bytes([value[40] ^ 1]) + value[41:])
    return Note(note.text, tuple(lines))


@pytest.mark.parametrize(("purpose", "algorithm"), [("seal", COSIGNATURE_ED25519), ("witness", COSIGNATURE_MLDSA44)])
def test_enrolment_of_a_kind_that_a_purpose_does_not_have_is_refused(purpose: str, algorithm: int, key: Keys) -> None:
    """A key that cosigns can't seal alone, and witnesses are Ed25519."""
    new = Signer(key_name(HUB, "uz", purpose), key("x").seed, algorithm)
    with pytest.raises(Malformed, match="no kind of"):
        open_enrolment(enrolment(HUB, "uz", purpose, new))


def test_cosignature_is_no_proof_and_a_proof_no_cosignature(key: Keys) -> None:
    """The texts can't be read as each other, so no witness can be made to enrol a key by cosigning."""
    new = Signer(key_name(HUB, "uz", "witness"), key("x").seed, COSIGNATURE_ED25519)
    checkpoint = Checkpoint("hub.example/log", 1, bytes(32)).to_text()
    text = key_text(HUB, "uz", "witness", new.verifier)
    line = cosign(checkpoint, new, datetime(2026, 3, 1, tzinfo=UTC))
    with pytest.raises(Malformed):
        open_enrolment(Note(text, (proof_line(new.verifier, line.value[8:]),)).to_bytes())
    with pytest.raises(Malformed):
        cosigned_message(text, new.verifier, 0)


def test_enrolment_by_another_than_the_key_itself_is_refused(key: Keys) -> None:
    """Nobody can enrol a key that they do not hold."""
    new, other = key(seal_key_name(HUB, "uz")), key(seal_key_name(HUB, "uz"), "other")
    with pytest.raises(Malformed):
        open_enrolment(sign_note(key_text(HUB, "uz", "seal", new.verifier), [other]).to_bytes())


@pytest.mark.parametrize(
    ("hub", "center", "purpose", "name"),
    [
        (HUB, "uz", "receipts", "hub.example/uz"),
        (HUB, "UZ", "seal", "hub.example/UZ"),
        (HUB, "", "seal", "hub.example/"),
        (HUB, "uz", "seal", "hub.example/kz"),
        (HUB, "uz", "seal", "hub.example/uz/witness"),
        (HUB, "uz", "witness", "hub.example/uz"),
        (HUB, "root", "seal", "hub.example/root"),
        (HUB, "log", "seal", "hub.example/log"),
        (HUB, "hq", "seal", "hub.example/hq"),
        (HUB, "receipts", "seal", "hub.example/receipts"),
        ("other.example", "uz", "seal", "hub.example/uz"),
        ("hub.example/x", "uz", "seal", "hub.example/x/uz"),
        ("", "uz", "seal", "/uz"),
    ],
)
def test_enrolment_under_another_name_is_refused(hub: str, center: str, purpose: str, name: str, key: Keys) -> None:
    """A key is named for its hub, center and purpose, and never like a key of the hub itself."""
    new = key(name)
    with pytest.raises(Malformed):
        open_enrolment(sign_note(key_text(hub, center, purpose, new.verifier), [new]).to_bytes())


@pytest.mark.parametrize(
    "text", ["cohub-key/v1\n", "cohub-key/v2\nhub.example\nuz\nseal\nx\n", "cohub-key/v1\na\nb\nc\nd\ne\n"]
)
def test_enrolment_of_another_shape_is_refused(text: str, key: Keys) -> None:
    """Other versions and other numbers of lines are Malformed."""
    with pytest.raises(Malformed):
        open_enrolment(sign_note(text, [key("hub.example/uz")]).to_bytes())


def trust_of(key: Keys, hub: str = HUB) -> Trust:
    """Return the trust of a hub with test keys."""
    return Trust(hub, key(f"{hub}/root").verifier, (key(f"{hub}/receipts").verifier,))


def test_trust_file_survives_the_round_trip(key: Keys) -> None:
    """A center pins the keys that the root key signed."""
    trust = trust_of(key)
    data = sign_note(trust.to_text(), [key("hub.example/root")]).to_bytes()
    assert open_trust(data) == trust
    assert open_trust(data, trust.root) == trust


def test_trust_file_by_another_root_is_refused_once_pinned(key: Keys) -> None:
    """After first sight only the pinned root key changes the hub's keys, and only those of its own hub."""
    pinned = trust_of(key).root
    other = Signer("hub.example/root", bytes(32))
    forged = Trust(HUB, other.verifier, (key("hub.example/receipts").verifier,))
    with pytest.raises(Malformed):
        open_trust(sign_note(forged.to_text(), [other]).to_bytes(), pinned)
    foreign = trust_of(key, "other.example")
    with pytest.raises(Malformed):
        open_trust(sign_note(foreign.to_text(), [key("hub.example/root")]).to_bytes(), pinned)


def test_trust_file_of_another_shape_is_refused(key: Keys) -> None:
    """Unsigned, misnamed and doubled keys, and other versions, are Malformed."""
    root, receipts = key("hub.example/root"), key("hub.example/receipts")
    good = trust_of(key).to_text()
    assert good.count("root ") == 1
    same = Verifier("hub.example/receipts", root.verifier.public)
    misnamed = key("hub.example/log").verifier
    for text in (
        good.replace("trust/v1", "trust/v2"),
        good.replace("\nroot ", "\nRoot "),
        good.replace("\nreceipts ", "\nreceipt "),
        good + "more\n",
        good.replace("\nhub.example\n", "\nother.example\n"),
        Trust(HUB, root.verifier, (same,)).to_text(),
        Trust(HUB, root.verifier, (misnamed,)).to_text(),
    ):
        with pytest.raises(Malformed):
            open_trust(sign_note(text, [root]).to_bytes())
    with pytest.raises(Malformed):
        open_trust(sign_note(good, [receipts]).to_bytes())


def test_no_damage_to_an_enrolment_leaves_another(key: Keys, refused: Callable[..., int]) -> None:
    """No cut or flipped bit yields an enrolment of something else."""
    good = enrolment(HUB, "uz", "seal", key(seal_key_name(HUB, "uz")))
    asked = open_enrolment(good)

    def read(data: bytes) -> None:
        if open_enrolment(data).note.text == asked.note.text:
            raise Malformed("the same: no harm")

    assert refused(read, good) == 0


def test_no_damage_to_a_trust_file_leaves_another(key: Keys, refused: Callable[..., int]) -> None:
    """No cut or flipped bit yields other keys, not even at first sight."""
    trust = trust_of(key)

    def read(data: bytes) -> None:
        if open_trust(data) == trust:
            raise Malformed("the same: no harm")

    assert refused(read, sign_note(trust.to_text(), [key("hub.example/root")]).to_bytes()) == 0
