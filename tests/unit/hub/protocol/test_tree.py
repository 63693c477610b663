"""The lane's Merkle tree is RFC 6962's, whatever way it was grown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.protocol.errors import Malformed
from hub.protocol.tree import (
    EMPTY_ROOT,
    Edge,
    consistency_path,
    inclusion_path,
    leaf_hash,
    node_hash,
    range_inclusion,
    verify_consistency,
    verify_inclusion,
)

# The eight entries and roots that Certificate Transparency's implementations test with.
ENTRIES = [
    bytes.fromhex(entry)
    for entry in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = (
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)
LEAVES = [leaf_hash(entry) for entry in ENTRIES]

leaves_of = st.lists(st.binary(min_size=32, max_size=32), max_size=70)


def rfc_root(leaves: list[bytes]) -> bytes:
    """The recursive definition of RFC 6962, section 2.1, as it stands there."""
    if not leaves:
        return EMPTY_ROOT
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return node_hash(rfc_root(leaves[:split]), rfc_root(leaves[split:]))


@pytest.mark.parametrize("size", range(1, 9))
def test_root_of_the_public_entries_is_the_published_one(size: int) -> None:
    """Another implementation of RFC 6962 finds the same root."""
    assert Edge().append(LEAVES[:size]).root.hex() == ROOTS[size - 1]


def test_root_of_nothing_is_the_hash_of_nothing() -> None:
    """The empty tree has a root, so a checkpoint of size 0 can be written."""
    assert Edge().root.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@given(leaves_of, st.data())
def test_append_in_any_pieces_gives_the_recursive_root(leaves: list[bytes], data: st.DataObject) -> None:
    """A lane's root does not depend on how it was cut into batches."""
    cut = data.draw(st.integers(0, len(leaves)))
    edge = Edge().append(leaves[:cut]).append(leaves[cut:])
    assert edge.size == len(leaves)
    assert edge.root == rfc_root(leaves)


@given(leaves_of)
def test_edge_survives_the_round_trip(leaves: list[bytes]) -> None:
    """An edge that was stored goes on as if it had been kept."""
    edge = Edge().append(leaves)
    assert Edge.from_bytes(edge.size, edge.to_bytes()) == edge


@given(leaves_of.filter(bool), st.data())
def test_every_leaf_is_proved_and_no_other(leaves: list[bytes], data: st.DataObject) -> None:
    """An inclusion path proves its leaf at its index in its tree, and nothing else."""
    index = data.draw(st.integers(0, len(leaves) - 1))
    root, path, size = Edge().append(leaves).root, inclusion_path(leaves, index), len(leaves)
    verify_inclusion(leaves[index], index, size, path, root)
    wrong = [
        (leaf_hash(leaves[index]), index, size, path, root),
        (leaves[index], size, size, path, root),
        (leaves[index], -1, size, path, root),
        (leaves[index], index, size, [*path, root], root),
        (leaves[index], index, size, path, leaf_hash(root)),
    ]
    if path:
        wrong.append((leaves[index], index, size, path[:-1], root))
        wrong.append((leaves[index], index, size, [path[0] + b"\0", *path[1:]], root))
        wrong.append((leaves[index], index, size, [leaf_hash(path[0]), *path[1:]], root))
    for leaf, at, n, steps, top in wrong:
        with pytest.raises(Malformed):
            verify_inclusion(leaf, at, n, steps, top)


def test_path_of_a_leaf_that_is_not_there_is_an_index_error() -> None:
    """Asking for a leaf beyond the tree is the caller's mistake."""
    with pytest.raises(IndexError):
        inclusion_path(LEAVES, 8)


@given(leaves_of, st.data())
def test_leaf_of_a_range_is_proved_from_the_edge_before_it(leaves: list[bytes], data: st.DataObject) -> None:
    """One receipt's range and the edge before it are enough, whatever was in the lane before."""
    cut = data.draw(st.integers(0, len(leaves)))
    before = Edge().append(leaves[:cut])
    for index in range(cut, len(leaves)):
        assert range_inclusion(before, leaves[cut:], index) == inclusion_path(leaves, index)
    for outside in (cut - 1, len(leaves)):
        with pytest.raises(IndexError):
            range_inclusion(before, leaves[cut:], outside)


def rfc_proof(old: int, leaves: list[bytes], *, known: bool = True) -> list[bytes]:
    """The recursive definition of RFC 6962, section 2.1.2, as it stands there."""
    if old == len(leaves):
        return [] if known else [rfc_root(leaves)]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    if old <= split:
        return [*rfc_proof(old, leaves[:split], known=known), rfc_root(leaves[split:])]
    return [*rfc_proof(old - split, leaves[split:], known=False), rfc_root(leaves[:split])]


@given(leaves_of, st.data())
def test_every_beginning_is_proved_and_no_other_tree(leaves: list[bytes], data: st.DataObject) -> None:
    """A consistency path shows that nothing before was changed, and shows it of nothing else."""
    size = len(leaves)
    old = data.draw(st.integers(0, size))
    one, two, path = Edge().append(leaves[:old]).root, Edge().append(leaves).root, consistency_path(leaves, old)
    assert path == (rfc_proof(old, leaves) if old else [])
    verify_consistency(old, one, size, two, path)
    wrong = [
        (old, leaf_hash(one), size, two, path),
        (old, one, old - 1, two, path),
        (-1, one, size, two, path),
        (old, one[:-1], size, two, path),
        (old, one, size, two, [*path, two]),
        (old, one, size, two, [*path, two[:-1]]),
    ]
    if old:  # to the empty tree everything is a continuation
        wrong.append((old, one, size, leaf_hash(two), path))
    if path:
        at = data.draw(st.integers(0, len(path) - 1))
        bit = data.draw(st.integers(0, 255))
        changed = (int.from_bytes(path[at], "big") ^ 1 << bit).to_bytes(32, "big")
        wrong += [
            (old, one, size, two, path[:-1]),
            (old, one, size, two, path[1:]),
            (old, one, size, two, []),
            (old, one, size, two, [*path[:at], changed, *path[at + 1 :]]),
            (old, two, size, one, path),
        ]
    for old_size, old_root, new_size, root, steps in wrong:
        with pytest.raises(Malformed):
            verify_consistency(old_size, old_root, new_size, root, steps)


def test_log_of_one_size_has_one_root() -> None:
    """A fork at one size is seen without any path."""
    root = Edge().append(LEAVES).root
    verify_consistency(8, root, 8, root, [])
    verify_consistency(0, EMPTY_ROOT, 8, root, [])
    verify_consistency(0, EMPTY_ROOT, 0, EMPTY_ROOT, [])
    for old, old_root, size, new_root in (
        (8, root, 8, leaf_hash(root)),
        (0, root, 8, root),
        (0, EMPTY_ROOT, 0, root),
        (8, root, 9, root),
    ):
        with pytest.raises(Malformed):
            verify_consistency(old, old_root, size, new_root, [])


@pytest.mark.parametrize("old", [-1, 9])
def test_proof_from_more_leaves_than_there_are_is_an_index_error(old: int) -> None:
    """Asking for it is the caller's mistake."""
    with pytest.raises(IndexError):
        consistency_path(LEAVES, old)


def test_edge_of_the_wrong_shape_is_refused() -> None:
    """A damaged row in the database is found at once, not by a wrong root later."""
    data = Edge().append(LEAVES[:7]).to_bytes()
    for size, broken in ((7, data[:-1]), (7, data[:-32]), (6, data), (8, data), (-1, b""), (0, data)):
        with pytest.raises(Malformed):
            Edge.from_bytes(size, broken)
    with pytest.raises(Malformed):
        Edge(1, (b"short",))


def test_leaf_and_node_hashes_never_meet() -> None:
    """An inner node cannot be shown as an event."""
    assert leaf_hash(LEAVES[0] + LEAVES[1]) != node_hash(LEAVES[0], LEAVES[1])
