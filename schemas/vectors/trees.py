"""Vectors of trees: roots, edges and inclusion paths of the lane's tree and of the well-known eight entries."""

from __future__ import annotations

from typing import Any, Final

from hub.protocol.tree import Edge, inclusion_path, leaf_hash
from schemas.vectors.records import lane_digests

# The entries that Certificate Transparency's implementations test with.
ENTRIES: Final = (
    "",
    "00",
    "10",
    "2021",
    "3031",
    "40414243",
    "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
)


def tree_vectors() -> dict[str, Any]:
    """Return trees grown leaf by leaf, and paths that prove nothing."""
    known = [leaf_hash(bytes.fromhex(entry)) for entry in ENTRIES]
    proof = _path(known, 2, 7)
    bad = [
        {**proof, "name": "index_of_another_leaf", "index": 3},
        {**proof, "name": "index_outside", "index": 7},
        {**proof, "name": "size_of_another_tree", "size": 4},
        {**proof, "name": "leaf_changed", "leaf": known[3].hex()},
        {**proof, "name": "root_of_another_tree", "root": Edge().append(known).root.hex()},
        {**proof, "name": "path_cut", "path": proof["path"][:-1]},
        {**proof, "name": "path_too_long", "path": [*proof["path"], known[0].hex()]},
        {**proof, "name": "path_in_wrong_order", "path": proof["path"][::-1]},
        {**proof, "name": "hash_of_31_bytes", "path": [proof["path"][0][2:], *proof["path"][1:]]},
    ]
    return {
        "about": "RFC 6962 trees. edge: the roots of the perfect subtrees, largest first; path: lowest sibling first.",
        "good": [_tree("public_entries", known), _tree("lane", lane_digests())],
        "bad": bad,
    }


def _tree(name: str, leaves: list[bytes]) -> dict[str, Any]:
    edges = [Edge().append(leaves[:size]) for size in range(len(leaves) + 1)]
    return {
        "name": name,
        "leaves": [leaf.hex() for leaf in leaves],
        "sizes": [{"size": e.size, "edge": [h.hex() for h in e.hashes], "root": e.root.hex()} for e in edges],
        "inclusion": [_path(leaves, index, size) for size in range(1, len(leaves) + 1) for index in range(size)],
    }


def _path(leaves: list[bytes], index: int, size: int) -> dict[str, Any]:
    return {
        "leaf": leaves[index].hex(),
        "index": index,
        "size": size,
        "path": [step.hex() for step in inclusion_path(leaves[:size], index)],
        "root": Edge().append(leaves[:size]).root.hex(),
    }
