"""Cosignatures are C2SP's, in both kinds: what a cosigner saw, and when."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.exceptions import UnsupportedAlgorithm
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.protocol.checkpoint import Checkpoint, open_checkpoint, open_seal, seal, sign_checkpoint
from hub.protocol.cosignature import cosign, cosigned_at, cosigned_message, verify_cosignature
from hub.protocol.errors import Fatal, Malformed
from hub.protocol.note import (
    COSIGNATURE_ED25519,
    COSIGNATURE_MLDSA44,
    ED25519,
    SIGNATURES_MAX,
    Note,
    Signature,
    Signer,
    Verifier,
    sign_note,
)
from hub.protocol.tree import EMPTY_ROOT, Edge, leaf_hash

AT = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)
LOG = "hub.example/log"
HEAD = Checkpoint(LOG, 5, leaf_hash(b"root"))
SEED = bytes(range(32))
SHORT = Signer("hub.example/uz/witness", SEED, COSIGNATURE_ED25519)
LONG = Signer(LOG, SEED, COSIGNATURE_MLDSA44)
COSIGNERS = pytest.mark.parametrize("key", [SHORT, LONG], ids=["ed25519", "mldsa44"])
# The example in C2SP's tlog-cosignature: the cosigner's key is not published, the form of its line is.
C2SP = (
    "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
    "— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeM"
    "cTOAYQ8=\n"
    "— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+"
    "mbIUBkBIfZ+qnA==\n"
).encode()


def test_example_of_the_specification_has_its_time_and_message() -> None:
    """The specification shows which bytes are signed at which second."""
    _, note = open_checkpoint(C2SP)
    line = note.signatures[1]
    assert (line.name, line.key_id.hex(), len(line.value)) == ("witness.example.com/w1", "8d66cf3f", 72)
    assert cosigned_at(line) == datetime.fromtimestamp(1679315147, UTC)
    key = SHORT.named("witness.example.com/w1").verifier
    assert cosigned_message(note.text, key, 1679315147) == b"cosignature/v1\ntime 1679315147\n" + note.text.encode()


def test_message_of_ml_dsa_is_the_structure_of_the_specification() -> None:
    """Label, name, time, origin, first leaf, size and root, in the presentation language of TLS."""
    assert cosigned_message(HEAD.to_text(), LONG.verifier, 7) == (
        b"subtree/v1\n\x00" + b"\x0f" + LOG.encode() + b"\0\0\0\0\0\0\0\x07" + b"\x0f" + LOG.encode() + bytes(8)
        + b"\0\0\0\0\0\0\0\x05" + HEAD.root
    )  # fmt: skip


@COSIGNERS
def test_keys_of_cosigners_survive_the_round_trip(key: Signer) -> None:
    """A vkey and a private key's text say which algorithm they are of."""
    assert Signer.from_text(key.to_text()) == key
    assert Verifier.from_text(key.verifier.to_text()) == key.verifier
    assert key.named("other").verifier == key.verifier.named("other")
    assert "seed" not in repr(key)


def test_one_key_has_another_id_for_every_algorithm() -> None:
    """A line of one kind is never taken for one of another."""
    plain = Signer(SHORT.name, SEED)
    assert plain.verifier.public == SHORT.verifier.public
    assert plain.verifier.key_id != SHORT.verifier.key_id
    assert plain.algorithm == ED25519


@COSIGNERS
def test_cosignature_says_when_and_is_good_for_its_text_alone(key: Signer) -> None:
    """It is good for the checkpoint, at the second that it names, and for nothing else."""
    line = cosign(HEAD.to_text(), key, AT)
    assert cosigned_at(line) == AT.replace(microsecond=0)
    verify_cosignature(HEAD.to_text(), key.verifier, line.value)
    assert Note(HEAD.to_text(), (line,)).verify([key.verifier]) == key.verifier
    later = (int.from_bytes(line.value[:8], "big") + 1).to_bytes(8, "big") + line.value[8:]
    flipped = line.value[:-1] + bytes([line.value[-1] ^ 1])
    wrong = [
        (HEAD.to_text(), later),
        (HEAD.to_text(), flipped),
        (HEAD.to_text(), line.value[:-1]),
        (HEAD.to_text(), line.value + b"\0"),
        (HEAD.to_text(), b""),
        (HEAD.to_text(), b"\xff" + line.value[1:]),
        (Checkpoint(LOG, 6, HEAD.root).to_text(), line.value),
        (Checkpoint(LOG, 5, EMPTY_ROOT).to_text(), line.value),
        (Checkpoint("hub.example/other", 5, HEAD.root).to_text(), line.value),
        ("no checkpoint\n", line.value),
    ]
    for text, value in wrong:
        with pytest.raises(Malformed):
            Note(text, (Signature(line.name, line.key_id, value),)).verify([key.verifier])


def test_ml_dsa_commits_to_the_name_of_the_cosigner() -> None:
    """What one cosigner said cannot be shown as another's, though they had one key."""
    line = cosign(HEAD.to_text(), LONG, AT)
    with pytest.raises(Malformed):
        verify_cosignature(HEAD.to_text(), LONG.verifier.named("hub.example/other"), line.value)


def test_ml_dsa_does_not_cosign_what_it_would_not_sign() -> None:
    """Extension lines are outside that message, so a checkpoint with some gets no such cosignature."""
    text = Checkpoint(LOG, 5, HEAD.root, ("extension",)).to_text()
    cosign(text, SHORT, AT)
    with pytest.raises(Malformed, match="extension"):
        cosign(text, LONG, AT)
    line = cosign(HEAD.to_text(), LONG, AT)
    with pytest.raises(Malformed, match="extension"):
        Note(text, (line,)).verify([LONG.verifier])


@pytest.mark.parametrize(
    ("text", "key", "at"),
    [
        ("no checkpoint\n", SHORT, AT),
        ("\ud800\n5\n" + HEAD.to_text().split("\n")[2] + "\n", SHORT, AT),
        (HEAD.to_text(), Signer(LOG, SEED), AT),
        (HEAD.to_text(), SHORT, datetime(1969, 12, 31, tzinfo=UTC)),
        (Checkpoint(LOG, 0, HEAD.root).to_text(), SHORT, AT),
        (Checkpoint("o" * 256, 5, HEAD.root).to_text(), LONG, AT),
        (HEAD.to_text(), LONG.named("n" * 256), AT),
    ],
)
def test_what_cannot_be_cosigned_is_malformed(text: str, key: Signer, at: datetime) -> None:
    """Not a checkpoint, not a cosigner's key, a time before 1970, an empty tree with another root, a long name."""
    with pytest.raises(Malformed):
        cosign(text, key, at)


@pytest.mark.parametrize("value", [b"", bytes(8), b"\xff" * 72, (2**62).to_bytes(8, "big") + bytes(64)])
def test_line_without_a_readable_time_has_none(value: bytes) -> None:
    """Whoever writes a time that no calendar has, or none, is refused."""
    with pytest.raises(Malformed):
        cosigned_at(Signature("name", bytes(4), value))


def test_checkpoint_carries_both_kinds_and_each_reader_finds_its_own(key: Callable[..., Signer]) -> None:
    """HQ's checkpoint is a note by its key of 0x01 and a cosignature by its key of 0x06."""
    plain = key(LOG)
    data = sign_checkpoint(HEAD, [plain, LONG], AT)
    checkpoint, note = open_checkpoint(data)
    assert checkpoint == HEAD
    assert [s.key_id for s in note.signatures] == [plain.verifier.key_id, LONG.verifier.key_id]
    assert note.signatures[0] == sign_note(HEAD.to_text(), [plain]).signatures[0]
    assert note.verify([plain.verifier]) == plain.verifier
    assert note.verify([LONG.verifier]) == LONG.verifier
    assert note.verify([LONG.verifier, plain.verifier]) == LONG.verifier
    line = note.line_of(LONG.verifier)
    assert line == note.signatures[1]
    assert note.line_of(SHORT.verifier) is None
    spoiled = Note(note.text, (note.signatures[0], Signature(LOG, LONG.verifier.key_id, note.signatures[1].value[:-1])))
    with pytest.raises(Malformed):
        spoiled.verify([plain.verifier, LONG.verifier])


def test_checkpoint_with_all_witnesses_has_room_for_sixteen_lines() -> None:
    """A note has at most sixteen lines, of whatever kind."""
    keys = [SHORT.named(f"hub.example/c{n}/witness") for n in range(SIGNATURES_MAX + 1)]
    assert len(open_checkpoint(sign_checkpoint(HEAD, keys[:-1], AT))[1].signatures) == SIGNATURES_MAX
    for wrong in (keys, []):
        with pytest.raises(Malformed):
            sign_checkpoint(HEAD, wrong, AT)


def test_note_that_is_no_checkpoint_is_not_signed_by_a_cosigner() -> None:
    """A cosigner's key signs checkpoints and nothing else."""
    for signer in (SHORT, LONG):
        with pytest.raises(Malformed, match="checkpoints alone"):
            sign_note("text\n", [signer])


def test_seal_takes_a_second_long_lived_line(key: Callable[..., Signer]) -> None:
    """A center may add ML-DSA-44 to its seals; whoever knows the first key alone reads them as before."""
    plain, long_key = key("hub.example/uz"), LONG.named("hub.example/uz")
    origin, edge = "hub.example/uz/0a1b2c3d", Edge().append([EMPTY_ROOT])
    data = seal(origin, edge, plain, long_key=long_key, at=AT)
    checkpoint, note = open_seal(data)
    assert (checkpoint.size, checkpoint.root) == (1, edge.root)
    assert [s.name for s in note.signatures] == [origin, origin]
    note.verify([plain.verifier.named(origin), long_key.verifier.named(origin)])
    assert Note(note.text, note.signatures[:1]).to_bytes() == seal(origin, edge, plain)
    with pytest.raises(Malformed, match="time"):
        seal(origin, edge, plain, long_key=long_key)


@settings(max_examples=25)
@given(
    st.sampled_from([SHORT, LONG]),
    st.integers(0, 2**63 - 1),
    st.binary(min_size=32, max_size=32),
    st.integers(0, 253402300799).map(lambda s: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=s)),
    st.data(),
)
def test_no_change_of_a_cosigned_note_is_good(
    key: Signer, size: int, root: bytes, at: datetime, data: st.DataObject
) -> None:
    """Any checkpoint at any time verifies, and no bit of its line or text can be another."""
    text = Checkpoint(LOG, size, root if size else EMPTY_ROOT).to_text()
    note = Note(text, (cosign(text, key, at),))
    assert note.verify([key.verifier]) == key.verifier
    assert cosigned_at(note.signatures[0]) == at
    whole = note.to_bytes()
    bit = data.draw(st.integers(0, 8 * len(whole) - 1))
    broken = whole[: bit // 8] + bytes([whole[bit // 8] ^ 1 << bit % 8]) + whole[bit // 8 + 1 :]
    with pytest.raises(Malformed):
        Note.from_bytes(broken).verify([key.verifier])


@pytest.mark.parametrize("algorithm", [0, 2, 3, 5, 7, 255])
def test_key_of_an_unknown_algorithm_is_refused(algorithm: int) -> None:
    """Only three algorithms are known here."""
    with pytest.raises(Malformed):
        Verifier("name", SHORT.verifier.public, algorithm)
    with pytest.raises(Malformed):
        Signer("name", SEED, algorithm)


def test_key_of_another_length_is_refused() -> None:
    """A key of one algorithm is none of another."""
    for algorithm, public in (
        (ED25519, LONG.verifier.public),
        (COSIGNATURE_ED25519, LONG.verifier.public),
        (COSIGNATURE_MLDSA44, SHORT.verifier.public),
        (COSIGNATURE_ED25519, bytes([1]) + bytes(31)),
    ):
        with pytest.raises(Malformed):
            Verifier("name", public, algorithm)
    with pytest.raises(Malformed):
        Signer("name", SEED[:-1], COSIGNATURE_MLDSA44)


def test_library_without_ml_dsa_is_told_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """A build over an older OpenSSL lacks it: that is no bad signature, and the remedy is in the sentence."""

    class Lacking:
        @staticmethod
        def from_seed_bytes(_seed: bytes) -> None:
            raise UnsupportedAlgorithm("ML-DSA is not supported by this version of OpenSSL")

    monkeypatch.setattr("hub.protocol.keys.MLDSA44PrivateKey", Lacking)
    with pytest.raises(Fatal, match="install its wheel"):
        Signer("hub.example/log", b"l" * 32, COSIGNATURE_MLDSA44)
