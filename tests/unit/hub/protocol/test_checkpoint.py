"""A checkpoint is C2SP's, and a seal is one over a whole lane."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.protocol.checkpoint import Checkpoint, open_seal, seal
from hub.protocol.errors import Malformed
from hub.protocol.note import Signer
from hub.protocol.tree import EMPTY_ROOT, Edge, leaf_hash

ORIGIN = "hub.example/uz/0a1b2c3d"
# The example in C2SP's tlog-checkpoint.
C2SP = (
    "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
    "— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeM"
    "cTOAYQ8=\n"
).encode()

lines = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=40)
checkpoints = st.builds(
    Checkpoint,
    origin=lines,
    size=st.integers(0, 2**63 - 1),
    root=st.binary(min_size=32, max_size=32),
    extensions=st.lists(lines, max_size=3).map(tuple),
)


def test_example_of_the_specification_is_read() -> None:
    """A log's checkpoint that another implementation wrote is one to us."""
    checkpoint, note = open_seal(C2SP)
    assert (checkpoint.origin, checkpoint.size) == ("example.com/behind-the-sofa", 20852163)
    assert checkpoint.root.hex().startswith("0ac5186a9186")
    assert note.signatures[0].name == checkpoint.origin
    assert checkpoint.to_text() == note.text


@given(checkpoints)
def test_checkpoint_survives_the_round_trip(checkpoint: Checkpoint) -> None:
    """What was signed is what is read."""
    assert Checkpoint.from_text(checkpoint.to_text()) == checkpoint


@given(st.text(max_size=100) | lines.map(lambda line: f"{line}\n5\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"))
def test_what_reads_is_written_the_same(text: str) -> None:
    """A checkpoint has one text, so two readers never disagree on what was signed."""
    try:
        checkpoint = Checkpoint.from_text(text)
    except Malformed:
        return
    assert checkpoint.to_text() == text


ROOT = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="


@pytest.mark.parametrize(
    "text",
    [
        "",
        f"origin\n1\n{ROOT}",
        f"origin\n01\n{ROOT}\n",
        f"origin\n-1\n{ROOT}\n",
        f"origin\n+1\n{ROOT}\n",
        f"origin\n1 \n{ROOT}\n",
        f"origin\n٣\n{ROOT}\n",
        f"origin\n9223372036854775808\n{ROOT}\n",
        f"origin\n{'9' * 5000}\n{ROOT}\n",
        f"\n1\n{ROOT}\n",
        "origin\n1\n\n",
        f"origin\n1\n{ROOT[:-1]}\n",
        "origin\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2J=\n",
        "origin\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxqw==\n",
        f"origin\n1\n{ROOT}\n\n",
        f"origin\n1\n{ROOT}\n\nextension\n",
    ],
)
def test_checkpoint_of_another_shape_is_refused(text: str) -> None:
    """Sizes with signs, zeros in front or other digits, and roots in loose base64, are Malformed."""
    with pytest.raises(Malformed):
        Checkpoint.from_text(text)


@given(st.lists(st.binary(max_size=40), max_size=20))
def test_seal_says_the_whole_lane(entries: list[bytes]) -> None:
    """A seal's size and root are those of every event since the lane was opened."""
    edge, signer = Edge().append(map(leaf_hash, entries)), Signer("hub.example/uz", bytes(range(32)))
    checkpoint, note = open_seal(seal(ORIGIN, edge, signer))
    assert checkpoint == Checkpoint(ORIGIN, len(entries), edge.root)
    assert note.verify([signer.verifier.named(ORIGIN)]).name == ORIGIN


def test_seal_of_one_lane_is_not_good_for_another(key: Callable[..., Signer]) -> None:
    """The key signs under the lane's origin, so a seal cannot be moved to another epoch."""
    _, note = open_seal(seal(ORIGIN, Edge(), key("hub.example/uz")))
    for other in ("hub.example/uz/ffffffff", "hub.example/kz/0a1b2c3d", "hub.example/uz"):
        with pytest.raises(Malformed):
            note.verify([key("hub.example/uz").verifier.named(other)])


def test_no_cut_or_flipped_bit_leaves_a_good_seal(key: Callable[..., Signer], refused: Callable[..., int]) -> None:
    """No damage to a seal's bytes yields a verified seal that says something else."""
    good = seal(ORIGIN, Edge().append([EMPTY_ROOT]), key("hub.example/uz"))
    said, _ = open_seal(good)

    def read(data: bytes) -> None:
        checkpoint, note = open_seal(data)
        note.verify([key("hub.example/uz").verifier.named(ORIGIN)])
        if checkpoint == said:
            raise Malformed("the same: no harm")

    assert refused(read, good) == 0
