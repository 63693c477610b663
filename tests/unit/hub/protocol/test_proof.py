"""A tlog-proof stands alone: the leaf, its path, and a checkpoint that a key of the log has signed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.protocol.checkpoint import Checkpoint, sign_checkpoint
from hub.protocol.errors import Malformed
from hub.protocol.note import COSIGNATURE_ED25519, COSIGNATURE_MLDSA44, Signer, Verifier
from hub.protocol.proof import EXTRA_BYTES_MAX, TlogProof
from hub.protocol.tree import Edge, inclusion_path, leaf_hash

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
LOG = "hub.example/log"
SEED = bytes(range(32))
KEYS = [Signer(LOG, SEED), Signer(LOG, SEED, COSIGNATURE_MLDSA44)]
WITNESS = Signer("hub.example/uz/witness", SEED, COSIGNATURE_ED25519)
LEAVES = [leaf_hash(b"%d" % n) for n in range(13)]


def proof(index: int, size: int = 13, extra: bytes | None = None, keys: list[Signer] = KEYS) -> TlogProof:
    head = Checkpoint(LOG, size, Edge().append(LEAVES[:size]).root)
    return TlogProof(index, tuple(inclusion_path(LEAVES[:size], index)), sign_checkpoint(head, keys, AT), extra)


@pytest.mark.parametrize("extra", [None, b"", b"extra"])
def test_proof_survives_the_round_trip(extra: bytes | None) -> None:
    """Extra data is there, empty or absent, and each is told apart."""
    said = proof(7, extra=extra)
    assert TlogProof.from_text(said.to_text()) == said


def test_proof_has_the_form_of_the_specification() -> None:
    """Header, extra, index, hashes, an empty line, the checkpoint as it is."""
    said = proof(0, 2, b"abc")
    head, _, checkpoint = said.to_text().partition("\n\n")
    assert checkpoint.encode() == said.checkpoint
    lines = head.split("\n")
    assert lines[:3] == ["c2sp.org/tlog-proof@v1", "extra YWJj", "index 0"]
    assert len(lines) == 4
    single = proof(0, 1).to_text()
    assert single.startswith(f"c2sp.org/tlog-proof@v1\nindex 0\n\n{LOG}\n1\n")


def test_every_key_of_the_log_proves_and_a_witness_does_not() -> None:
    """When Ed25519 is broken the other key alone is asked; a witness is no log."""
    said = TlogProof.from_text(proof(7, keys=[*KEYS, WITNESS]).to_text())
    for keys in ([KEYS[0].verifier], [KEYS[1].verifier], [k.verifier for k in KEYS]):
        assert said.verify(LEAVES[7], keys).size == 13
    for wrong in ([WITNESS.verifier], [], [Signer(LOG, bytes(32)).verifier]):
        with pytest.raises(Malformed):
            said.verify(LEAVES[7], wrong)


def test_proof_of_another_leaf_index_or_log_is_refused() -> None:
    """Everything in it counts but the extra data."""
    said, keys = proof(7), [KEYS[0].verifier]
    assert replace(said, extra=b"anything").verify(LEAVES[7], keys)
    elsewhere = Signer("hub.example/other", SEED)
    head = Checkpoint(LOG, 13, Edge().append(LEAVES).root)
    foreign = sign_checkpoint(head, [elsewhere], AT)
    wrong: list[tuple[TlogProof, bytes, list[Verifier]]] = [
        (said, LEAVES[6], keys),
        (replace(said, index=6), LEAVES[7], keys),
        (replace(said, index=13), LEAVES[7], keys),
        (replace(said, path=said.path[:-1]), LEAVES[7], keys),
        (replace(said, checkpoint=proof(7, 12).checkpoint), LEAVES[7], keys),
        (replace(said, checkpoint=b"no note"), LEAVES[7], keys),
        (replace(said, checkpoint=foreign), LEAVES[7], [elsewhere.verifier]),
    ]
    for changed, leaf, known in wrong:
        with pytest.raises(Malformed):
            changed.verify(leaf, known)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 13), st.data())
def test_no_flipped_bit_leaves_a_good_proof(size: int, data: st.DataObject) -> None:
    """Every bit of a proof without extra data is read, but those that only name unknown keys."""
    index = data.draw(st.integers(0, size - 1))
    said = proof(index, size, keys=KEYS[:1])
    keys = [KEYS[0].verifier]
    whole = said.to_text().encode()
    assert TlogProof.from_text(whole.decode()).verify(LEAVES[index], keys).size == size
    bit = data.draw(st.integers(0, 8 * len(whole) - 1))
    broken = whole[: bit // 8] + bytes([whole[bit // 8] ^ 1 << bit % 8]) + whole[bit // 8 + 1 :]
    with pytest.raises(Malformed):
        TlogProof.from_text(broken.decode("latin-1")).verify(LEAVES[index], keys)


def test_no_damage_raises_anything_but_a_refusal(refused: Callable[..., int]) -> None:
    """Cut or flipped, a proof is refused or still the same statement."""
    said, keys = proof(1, 3, b"x", keys=KEYS[:1]), [KEYS[0].verifier]

    def read(data: bytes) -> None:
        read = TlogProof.from_text(data.decode("utf-8", "surrogateescape"))
        if read.verify(LEAVES[1], keys) and replace(read, extra=said.extra) == said:
            raise Malformed("the same statement: extra data is anybody's")

    assert refused(read, said.to_text().encode()) == 0


GOOD = proof(1, 3).to_text()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "c2sp.org/tlog-proof@v1",
        "c2sp.org/tlog-proof@v1\n\n" + GOOD.partition("\n\n")[2],
        GOOD.replace("@v1", "@v2"),
        GOOD.replace("index 1\n", ""),
        GOOD.replace("index 1", "index 01"),
        GOOD.replace("index 1", "index -1"),
        GOOD.replace("index 1", "index 9223372036854775808"),
        GOOD.replace("index 1", "extra !\nindex 1"),
        GOOD.replace("index 1", "extra\nindex 1"),
        GOOD.replace("index 1", "extra YQ==\nextra YQ==\nindex 1"),
        GOOD.replace("index 1", "index 1\nYQ=="),
        GOOD.replace("index 1\n", "index 1\n" + "A" * 43 + "=\n" * 1 + ("A" * 43 + "=\n") * 63),
        GOOD.replace("\n\n", "\n", 1),
        GOOD.partition("\n\n")[0] + "\n\n\ud800",
        GOOD.partition("\n\n")[0] + "\n\n" + "x" * 1_000_001,
        GOOD.replace("index 1", f"extra {'A' * 4 * (EXTRA_BYTES_MAX // 3 + 1)}\nindex 1"),
    ],
)
def test_text_of_another_shape_is_refused(text: str) -> None:
    """Each of these has one defect."""
    with pytest.raises(Malformed):
        TlogProof.from_text(text).verify(LEAVES[1], [KEYS[0].verifier])


def test_proof_that_no_reader_takes_is_not_written() -> None:
    """Too much extra data, or a checkpoint that is no text."""
    with pytest.raises(Malformed):
        proof(1, 3, bytes(EXTRA_BYTES_MAX + 1)).to_text()
    with pytest.raises(Malformed):
        replace(proof(1, 3), checkpoint=b"\xff").to_text()
