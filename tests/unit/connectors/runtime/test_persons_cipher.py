"""What is sealed of a person: the cipher is the RFC's, the same says the same, and nothing fits another place."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from hypothesis import given
from hypothesis import strategies as st

import schemas
from connectors.mapping.person import PARTS_BYTES_MAX
from connectors.runtime.persons import cipher
from connectors.runtime.persons.cipher import Located
from hub.domain.entity import canonical_json
from hub.domain.sealed import SEALED_LENGTH_MAX, key_id_of, told
from hub.domain.streams.partner import Partner
from hub.protocol.errors import Malformed

KEY = bytes(range(32))
PLACE = Located("hub.example", "uz", "partner", "uz:P-1", "contact")
PARTS = {"name": "Нигора Каримова", "email": "nigora@example.org", "phone": "+998 71 200 00 00"}
# Made once by this release and never to change: what lies sealed at HQ is read for as long as its key is there.
KEY_ID = "H4TFu1PxsrUsz_nr0c5n0w"

VECTORS = [
    (  # RFC 5297, A.1
        "fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff",
        ["101112131415161718191a1b1c1d1e1f2021222324252627"],
        "112233445566778899aabbccddee",
        "85632d07c6e8f37f950acd320a2ecc9340c02b9690c4dc04daef7f6afe5c",
    ),
    (  # RFC 5297, A.2: several components of associated data
        "7f7e7d7c7b7a79787776757473727170404142434445464748494a4b4c4d4e4f",
        [
            "00112233445566778899aabbccddeeffdeaddadadeaddadaffeeddccbbaa99887766554433221100",
            "102030405060708090a0",
            "09f911029d74e35bd84156c5635688c0",
        ],
        "7468697320697320736f6d6520706c61696e7465787420746f20656e6372797074207573696e67205349562d414553",
        (
            "7bdb6e3b432667eb06f4d14bff2fbd0fcb900f2fddbe404326601965c889bf17"
            "dba77ceb094fa663b7a3f748ba8af829ea64ad544a272e9c485b62a3fd5c0d"
        ),
    ),
    (  # Miscreant's vectors, AES-256 with 64 bytes of key: the size that we use
        (
            "fffefdfcfbfaf9f8f7f6f5f4f3f2f1f06f6e6d6c6b6a69686766656463626160"
            "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff000102030405060708090a0b0c0d0e0f"
        ),
        ["101112131415161718191a1b1c1d1e1f2021222324252627"],
        "112233445566778899aabbccddee",
        "f125274c598065cfc26b0e71575029088b035217e380cac8919ee800c126",
    ),
]


@pytest.mark.parametrize(("key", "associated", "plain", "sealed"), VECTORS)
def test_siv_is_the_rfcs(key: str, associated: list[str], plain: str, sealed: str) -> None:
    """The primitive gives what others have published, to the byte."""
    made = AESSIV(bytes.fromhex(key)).encrypt(bytes.fromhex(plain), [bytes.fromhex(part) for part in associated])
    assert made.hex() == sealed


def test_seal_stays_what_it_was() -> None:
    """The form is frozen: a text that was sealed long ago is read by every later release."""
    text = cipher.seal(KEY, PLACE, PARTS)
    assert text == (
        "sealed.v1.H4TFu1PxsrUsz_nr0c5n0w."
        "U0XdBl_Z0fOsKXaal07vqcwvM5Kmr-ZR9cat4h17286MR-u0KiyhySvVV6ni6PhLyRnA5p8sMNxjBXZsHNHwwxA2AkWq4ibLkjh3"
        "e6mXGTBo7OcFPJNyIQrYtZPLx3lzQcWbuqCACk-Ybg43-oJBIDrdRSds209HaEM-a0IZfyeExu40msMsccx2KKw40R54"
    )
    assert cipher.unseal(KEY, PLACE, text) == PARTS
    assert key_id_of(text) == cipher.key_id(KEY, PLACE) == KEY_ID


def test_example_of_the_protocol_is_ours() -> None:
    """What PROTOCOL.md shows to other implementers is what we seal."""
    page = schemas.read("PROTOCOL.md").decode().split("### Personal fields", 1)[1].split("\n## ", 1)[0]
    shown = re.findall(r"^    (\S.*)$", page.split("are sealed as", 1)[1], re.MULTILINE)
    assert "".join(shown) == cipher.seal(KEY, PLACE, PARTS)
    assert "    " + canonical_json(PARTS).decode() + "\n" in page


def test_seal_is_the_same_for_the_same_and_other_for_anything_else() -> None:
    """A row that says nothing new gives the same text; another key, place or part gives another, and another key id."""
    text = cipher.seal(KEY, PLACE, PARTS)
    assert cipher.seal(KEY, PLACE, dict(reversed(PARTS.items()))) == text
    others = [
        cipher.seal(KEY, PLACE, PARTS | {"phone": "+998 71 200 00 01"}),
        cipher.seal(bytes(31) + b"x", PLACE, PARTS),
        *(cipher.seal(KEY, replace(PLACE, **{name: "other"}), PARTS) for name in PLACE.__dataclass_fields__),
    ]
    bodies = {one.rpartition(".")[2] for one in (text, *others)}
    assert len(bodies) == len(others) + 1
    assert len({key_id_of(one) for one in (text, *others)}) == len(others)  # the first other is of the same key


@given(
    parts=st.dictionaries(
        st.from_regex(r"[a-z]{1,8}", fullmatch=True),
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=256),
        max_size=12,
    )
)
def test_seal_goes_round_and_keeps_the_shape(parts: dict[str, str]) -> None:
    """Whatever a person is called, HQ's rules take the text, and it is read again as it was."""
    text = cipher.seal(KEY, PLACE, parts)
    assert cipher.unseal(KEY, PLACE, text) == parts
    assert key_id_of(text) is not None
    assert told(text, "uz") == "(sealed: only uz can read it)"


def test_largest_person_fits_the_field() -> None:
    """What the mapping lets through is never too long for HQ's rules."""
    parts = {"name": "x" * (PARTS_BYTES_MAX - len('{"name":""}'))}
    text = cipher.seal(KEY, PLACE, parts)
    assert len(text) <= SEALED_LENGTH_MAX
    assert Partner(kind="investor", name="x", country="KZ", contact=text).contact == text


def test_length_tells_no_more_than_the_number_of_blocks() -> None:
    """Short and long names of one block look alike."""
    lengths = {len(cipher.seal(KEY, PLACE, {"name": "x" * size})) for size in range(1, 117)}
    assert len(lengths) == 1
    assert len(cipher.seal(KEY, PLACE, {"name": "x" * 118})) > lengths.pop()


def test_changed_text_and_another_place_are_refused() -> None:
    """A text moved to another entity, or with one character changed, is not read."""
    text = cipher.seal(KEY, PLACE, PARTS)
    with pytest.raises(Malformed):
        cipher.unseal(KEY, replace(PLACE, subject="uz:P-2"), text)
    with pytest.raises(Malformed):
        cipher.unseal(bytes(32), PLACE, text)
    head, _, body = text.rpartition(".")
    for at in range(0, len(body) - 2, 7):
        swapped = "A" if body[at] != "A" else "B"
        with pytest.raises(Malformed):
            cipher.unseal(KEY, PLACE, f"{head}.{body[:at]}{swapped}{body[at + 1 :]}")
    for broken in ("", "a plain text", cipher.erased(KEY_ID), text[: len(head) + 80]):
        with pytest.raises(Malformed):
            cipher.unseal(KEY, PLACE, broken)
