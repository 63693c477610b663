"""Notes and keys are C2SP's: what others sign we read, what we sign they read, and nothing else passes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from hub.protocol.errors import Malformed
from hub.protocol.note import SIGNATURES_MAX, SMALL_ORDER_Y, Note, Signature, Signer, Verifier, check_name, sign_note

# The key and the note that Go's golang.org/x/mod/sumdb/note is tested with.
PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PETER_PRIVATE = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
PETER_TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
PETER_NOTE = (
    PETER_TEXT + "\n— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6R"
    "yyBwJnAM=\n"
)
# The examples in C2SP's signed-note and tlog-checkpoint.
C2SP_NOTE = (
    "Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned è subito sera.\n\n"
    "— quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3Ze"
    "kRwNtIc=\n"
)

names = st.text(
    st.characters(min_codepoint=0x21, exclude_categories=["Cs", "Zs", "Zl", "Zp", "Cc"], exclude_characters="+"),
    min_size=1,
    max_size=30,
).filter(lambda name: not any(c.isspace() for c in name))
seeds = st.binary(min_size=32, max_size=32)
texts = st.text(st.characters(exclude_categories=["Cs"], min_codepoint=0x20) | st.just("\n"), max_size=80).map(
    lambda text: text + "\n"
)


def test_published_go_note_is_signed_byte_for_byte() -> None:
    """A note of ours is what Go's signer writes with the same key."""
    signer = Signer.from_text(PETER_PRIVATE)
    assert signer.verifier.to_text() == PETER
    assert sign_note(PETER_TEXT, [signer]).to_bytes() == PETER_NOTE.encode()


def test_published_go_note_verifies() -> None:
    """A note that Go signed is good here."""
    key = Verifier.from_text(PETER)
    assert Note.from_bytes(PETER_NOTE.encode()).verify([key]) == key


def test_example_of_the_specification_keeps_its_empty_line() -> None:
    """The last empty line ends the text; one before it belongs to the text."""
    note = Note.from_bytes(C2SP_NOTE.encode())
    assert note.text.endswith("sole:\n\ned è subito sera.\n")
    assert [(s.name, s.key_id.hex()) for s in note.signatures] == [("quasimodo.example/salvatore", "367ba04b")]
    assert note.to_bytes() == C2SP_NOTE.encode()


@given(names, seeds)
def test_keys_survive_the_round_trip(name: str, seed: bytes) -> None:
    """A key that was written to a file is the same key."""
    signer = Signer(name, seed)
    assert Signer.from_text(signer.to_text()) == signer
    assert Signer.from_text(signer.to_text() + "\n") == signer
    assert Verifier.from_text(signer.verifier.to_text()) == signer.verifier


@given(texts, st.lists(st.tuples(names, seeds), min_size=1, max_size=4, unique_by=lambda pair: pair[0]))
def test_notes_survive_the_round_trip_and_every_signature_is_good(text: str, pairs: list[tuple[str, bytes]]) -> None:
    """Any text with any number of signers is read as it was written."""
    signers = [Signer(name, seed) for name, seed in pairs]
    note = sign_note(text, signers)
    assert Note.from_bytes(note.to_bytes()) == note
    for signer in signers:
        assert note.verify([signer.verifier]) == signer.verifier


def test_no_cut_or_flipped_bit_leaves_the_text_signed(refused: Callable[..., int]) -> None:
    """No damage to a note's bytes yields a verified note with another text."""
    key = Verifier.from_text(PETER)

    def read(data: bytes) -> None:
        note = Note.from_bytes(data)
        note.verify([key])
        if note.text == PETER_TEXT:
            raise Malformed("the same text: no harm")

    assert refused(read, PETER_NOTE.encode()) == 0


def test_no_damage_to_a_vkey_leaves_a_key(refused: Callable[..., int]) -> None:
    """A mistyped key is noticed when it is read."""
    assert refused(lambda data: Verifier.from_text(data.decode("latin-1")), PETER.encode()) == 0
    assert refused(lambda data: Signer.from_text(data.decode("latin-1")), PETER_PRIVATE.encode()) == 0


@pytest.mark.parametrize(
    "vkey",
    [
        "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==",
        "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann",
        "",
        "\ud800+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
    ],
)
def test_vkey_of_another_shape_is_refused(vkey: str) -> None:
    """Wrong length, unknown algorithm, missing parts and broken Unicode are Malformed, never another error."""
    with pytest.raises(Malformed):
        Verifier.from_text(vkey)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\u00a0b", "a\u2028b", "a\nb", "a\x01", "a\ud800"])
def test_name_that_a_note_cannot_carry_is_refused(name: str) -> None:
    """Key names are what the specification allows."""
    with pytest.raises(Malformed):
        check_name(name)


@pytest.mark.parametrize("size", [0, 31, 33])
def test_seed_of_another_length_is_refused(size: int) -> None:
    """A short seed is a broken key file."""
    with pytest.raises(Malformed, match="seed of 32 bytes"):
        Signer("hub.example/root", bytes(size))


def test_signer_never_shows_its_seed(key: Callable[..., Signer]) -> None:
    """A log line or traceback with a signer in it gives nothing away."""
    signer = key("hub.example/root")
    assert signer.seed.hex() not in repr(signer)
    assert repr(signer.seed) not in repr(signer)


PRIME = 2**255 - 19
CURVE_D = -121665 * pow(121666, -1, PRIME) % PRIME
Point = tuple[int, int]


def add(p: Point, q: Point) -> Point:
    """Return the sum of two points of edwards25519 (RFC 8032, section 5.1.4, in affine form)."""
    t = CURVE_D * p[0] * q[0] * p[1] * q[1] % PRIME
    x = (p[0] * q[1] + q[0] * p[1]) * pow(1 + t, -1, PRIME)
    y = (p[1] * q[1] + p[0] * q[0]) * pow(1 - t, -1, PRIME)
    return x % PRIME, y % PRIME


def points_with(y: int) -> list[Point]:
    """Return the points of the curve with this y."""
    square = (y * y - 1) * pow(CURVE_D * y * y + 1, -1, PRIME) % PRIME
    x = pow(square, (PRIME + 3) // 8, PRIME)
    if x * x % PRIME != square:
        x = x * pow(2, (PRIME - 1) // 4, PRIME) % PRIME
    assert x * x % PRIME == square
    return [(x, y), (-x % PRIME, y)]


def test_small_order_points_are_the_eight_of_the_curve() -> None:
    """The list is complete: eight points, each of which comes to nothing when added to itself eight times."""
    points = {point for y in SMALL_ORDER_Y for point in points_with(y)}
    assert len(points) == 8
    for point in points:
        total: Point = (0, 1)
        for _ in range(8):
            total = add(total, point)
        assert total == (0, 1)


def test_key_that_signs_everything_at_once_is_refused() -> None:
    """A center cannot enrol a key under which one signature is good for every text, and then disown its seals."""
    identity = bytes([1]) + bytes(31)
    Ed25519PublicKey.from_public_bytes(identity).verify(identity + bytes(32), b"whatever text")  # the library allows it
    with pytest.raises(Malformed, match="small order"):
        Verifier("hub.example/uz", identity)
    for y in SMALL_ORDER_Y:
        for sign in (0, 1 << 255):
            with pytest.raises(Malformed):
                Verifier("hub.example/uz", (y | sign).to_bytes(32, "little"))
    with pytest.raises(Malformed):
        Verifier("hub.example/uz", (PRIME + 3).to_bytes(32, "little"))


def test_bad_line_of_a_second_known_key_refuses_the_note(key: Callable[..., Signer]) -> None:
    """Every line by a key that the reader knows has to be good, not only the first."""
    one, two = key("hub.example/one"), key("hub.example/two")
    good = sign_note("text\n", [one, two])
    bad = Note(good.text, (good.signatures[0], Signature("hub.example/two", two.verifier.key_id, bytes(64))))
    assert bad.verify([one.verifier]) == one.verifier
    with pytest.raises(Malformed, match="not good"):
        bad.verify([one.verifier, two.verifier])


def test_line_of_an_unknown_key_with_a_known_name_is_passed_over(key: Callable[..., Signer]) -> None:
    """A key is known by name and id together."""
    ours, theirs = key("hub.example/one"), key("hub.example/one", "another")
    note = sign_note("text\n", [theirs, ours])
    assert note.verify([ours.verifier]) == ours.verifier
    with pytest.raises(Malformed, match="none of the expected keys"):
        sign_note("text\n", [theirs]).verify([ours.verifier])


def test_signature_under_another_name_of_the_same_key_does_not_count(key: Callable[..., Signer]) -> None:
    """A seal of one lane is no seal of another, though one key signs both."""
    signer = key("hub.example/uz")
    note = sign_note("text\n", [signer.named("hub.example/uz/00000001")])
    with pytest.raises(Malformed):
        note.verify([signer.verifier.named("hub.example/uz/00000002")])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b"text\n",
        b"text\n\n",
        PETER_NOTE[:-1].encode(),
        PETER_NOTE.encode() + b"\n",
        PETER_NOTE.replace("\n", "\r\n").encode(),
        PETER_NOTE.replace("— ", "- ").encode(),
        PETER_NOTE.replace("=\n", "\n").encode(),
        PETER_NOTE.encode("utf-16"),
        b"\xff" + PETER_NOTE.encode(),
        b"text\n\n" + "— name eHg=\n".encode(),
        b"x" * 1_000_001,
    ],
)
def test_note_of_another_shape_is_refused(data: bytes) -> None:
    """What is not a note is Malformed, never another error."""
    with pytest.raises(Malformed):
        Note.from_bytes(data)


def test_note_takes_sixteen_signatures_and_no_more(key: Callable[..., Signer]) -> None:
    """The limit is the least that the specification demands of a reader."""
    signers = [key(f"hub.example/{n}") for n in range(SIGNATURES_MAX + 1)]
    assert len(Note.from_bytes(sign_note("text\n", signers[:-1]).to_bytes()).signatures) == SIGNATURES_MAX
    line = sign_note("text\n", signers[-1:]).signatures[0].to_text().encode()
    with pytest.raises(Malformed, match="at most 16"):
        Note.from_bytes(sign_note("text\n", signers[:-1]).to_bytes() + line)


@pytest.mark.parametrize("text", ["", "no newline", "tab\there\n", "\ud800\n"])
def test_text_that_a_note_cannot_carry_is_not_signed(text: str, key: Callable[..., Signer]) -> None:
    """We never write a note that we would not read."""
    with pytest.raises(Malformed):
        sign_note(text, [key("hub.example/one")])


def test_note_without_a_signer_is_not_written() -> None:
    """A note has at least one signature."""
    with pytest.raises(Malformed):
        sign_note("text\n", [])
