"""Fingerprints are what two people compare: the same words for the same key, read back however they are typed."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.protocol.errors import Malformed
from hub.protocol.fingerprint import BITS, TEXT_LENGTH_MAX, WORDS_COUNT, Fingerprint
from hub.protocol.keys import Verifier
from hub.protocol.wordlist import WORDS
from schemas.vectors.keys import ROOT, bytes_of, signer
from tests.unit.hub.protocol.test_vectors import Vector, cases

PUBLISHED = "2f5eed53a4727b4bf8880d8f3f199efc90e58503646d9ff8eff3a2ed3b24dbda"
NUMBERS = st.integers(0, 2**BITS - 1).map(Fingerprint.numbered)


def test_list_is_the_published_one() -> None:
    """Byte for byte the English list of BIP 39, whose words differ in their first four letters."""
    assert sha256("".join(f"{word}\n" for word in WORDS).encode()).hexdigest() == PUBLISHED
    assert len(WORDS) == len({word[:4] for word in WORDS}) == 2048
    assert len(WORDS) ** WORDS_COUNT == 2**BITS


@cases("fingerprints", "good")
def test_typed_words_are_read(vector: Vector) -> None:
    """Words, numbers, four letters, or both as they are shown."""
    found = Fingerprint.from_text(bytes_of(vector).decode())
    assert list(found.numbers) == vector["numbers"]
    assert found == Fingerprint.of_root(ROOT.verifier)


@cases("fingerprints", "bad")
def test_what_is_no_fingerprint_is_refused(vector: Vector) -> None:
    """Each of these has one defect."""
    with pytest.raises(Malformed):
        Fingerprint.from_text(bytes_of(vector).decode())


@given(NUMBERS, st.sampled_from([" ", ", ", "\n", " - ", "; "]), st.integers(0, 4))
def test_every_way_of_typing_leads_back(one: Fingerprint, between: str, way: int) -> None:
    """A person may give the numbers, the words, their beginnings, or number and word."""
    forms = [(number, word, word[:4], word.upper(), f"{number} {word}") for number, word in one.pairs()]
    assert Fingerprint.from_text(between.join(form[way] for form in forms)) == one
    assert Fingerprint.from_text(one.to_text()) == one


@given(NUMBERS, NUMBERS)
def test_others_are_told_apart(one: Fingerprint, other: Fingerprint) -> None:
    """Two fingerprints with the same words are one."""
    assert (one.words == other.words) == (one == other)
    assert len(one.numbers) == WORDS_COUNT


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    """What is read has six words."""
    try:
        found = Fingerprint.from_text(text)
    except Malformed:
        return
    assert len(found.words) == WORDS_COUNT


def test_number_is_taken_from_its_highest_bits() -> None:
    """The first word is the highest eleven bits, as BIP 39 has it."""
    assert Fingerprint.numbered(0).words == ("abandon",) * 6
    assert Fingerprint.numbered(2**BITS - 1).words == ("zoo",) * 6
    assert Fingerprint.numbered(1 << 55).words == ("ability", *["abandon"] * 5)


def test_fingerprint_is_of_the_key_with_its_name_and_of_its_purpose() -> None:
    """A root key of another hub, or the same bytes for something else, have other words."""
    root = ROOT.verifier
    found = {
        Fingerprint.of_root(root),
        Fingerprint.of_root(Verifier("hub.other/root", root.public)),
        Fingerprint.of_root(signer(root.name, 2).verifier),
        Fingerprint.of("join", root.to_text().encode()),
    }
    assert len(found) == 4


def test_overlong_text_is_refused_before_it_is_read() -> None:
    """Whoever pastes a file is told so."""
    with pytest.raises(Malformed, match="characters"):
        Fingerprint.from_text("zoo " * TEXT_LENGTH_MAX)
