"""The RFC 6962 Merkle tree of a lane, kept as its right edge alone.

Source: RFC 6962, section 2.1. A leaf hash is SHA-256(0x00 ‖ entry), a node is SHA-256(0x01 ‖ left ‖ right).
The *edge* of a tree of n leaves is the list of the roots of its perfect subtrees, largest first: one hash for
every 1 bit of n. It is all that is needed to append and to know the root.

Two kinds of proof: an *inclusion path* leads from one leaf to the root; a *consistency path* shows that a smaller tree
is the beginning of a larger one. `hub.protocol.tiles` makes both for a log that is too large to hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from hub.protocol.errors import Malformed

HASH_BYTES: Final = 32
EMPTY_ROOT: Final = sha256(b"").digest()


def leaf_hash(entry: bytes) -> bytes:
    """Return the 32-byte RFC 6962 leaf hash of `entry`."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the 32-byte RFC 6962 hash of an inner node."""
    return sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True, slots=True)
class Edge:
    """The right edge of a tree: `size` leaves, the roots of its perfect subtrees, largest first.

    Errors: Malformed where the number of hashes is not the number of 1 bits of `size`, or one is not 32 bytes.
    """

    size: int = 0
    hashes: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if self.size < 0 or len(self.hashes) != self.size.bit_count():
            raise Malformed(
                f"edge of size {self.size}: expected {self.size.bit_count()} hashes, got {len(self.hashes)}"
            )
        if any(len(node) != HASH_BYTES for node in self.hashes):
            raise Malformed(f"edge of size {self.size}: expected hashes of {HASH_BYTES} bytes")

    def append(self, leaves: Iterable[bytes]) -> Edge:
        """Return the edge after appending `leaves` (leaf hashes); about two hashes a leaf."""
        size, stack = self.size, list(self.hashes)
        for leaf in leaves:
            node, bits = leaf, size
            while bits & 1:
                node = sha256(b"\x01" + stack.pop() + node).digest()
                bits >>= 1
            stack.append(node)
            size += 1
        return Edge(size, tuple(stack))

    @property
    def root(self) -> bytes:
        """The tree's 32-byte root; SHA-256 of nothing for the empty tree."""
        if not self.hashes:
            return EMPTY_ROOT
        node = self.hashes[-1]
        for left in reversed(self.hashes[:-1]):
            node = sha256(b"\x01" + left + node).digest()
        return node

    def to_bytes(self) -> bytes:
        """Return the hashes, 32 bytes each, largest subtree first (the size is kept beside them)."""
        return b"".join(self.hashes)

    @classmethod
    def from_bytes(cls, size: int, data: bytes) -> Edge:
        """Return the edge that `to_bytes` wrote. Errors: Malformed."""
        if len(data) % HASH_BYTES:
            raise Malformed(f"edge of {len(data)} bytes: expected a multiple of {HASH_BYTES}")
        return cls(size, tuple(data[i : i + HASH_BYTES] for i in range(0, len(data), HASH_BYTES)))


def inclusion_path(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """Return the audit path of leaf `index` in the tree of `leaves` (leaf hashes), lowest sibling first.

    Errors: IndexError when there is no such leaf.
    Source: RFC 6962, section 2.1.1.
    """
    return range_inclusion(Edge(), leaves, index)


def range_inclusion(before: Edge, leaves: Sequence[bytes], index: int) -> list[bytes]:
    """Return the audit path of leaf `index` in the tree `before.append(leaves)`, lowest sibling first.

    So a leaf of a range is proved from the edge before the range and the range's own leaf hashes: what stands left of
    a leaf in its path is the edge of the tree that ends before it.
    Shapes: index counts from 0 in the whole tree. Costs about two hashes a leaf of the range.
    Errors: IndexError when the leaf is not in the range.
    """
    at = index - before.size
    if not 0 <= at < len(leaves):
        raise IndexError(index)
    left = list(before.append(leaves[:at]).hashes)
    size = before.size + len(leaves)

    def subtree(low: int, high: int) -> bytes:
        if low <= index:
            return left.pop(0)
        return Edge().append(leaves[low - before.size : high - before.size]).root

    return inclusion_by(index, size, subtree)


def inclusion_by(index: int, size: int, subtree: Callable[[int, int], bytes]) -> list[bytes]:
    """Return the audit path of leaf `index` in a tree of `size`, each hash asked of `subtree(low, high)`.

    Shapes: subtree gives the hash of leaves low to high − 1, asked from the root's child down to the leaf's sibling.
    Errors: IndexError when there is no such leaf.
    """
    if not 0 <= index < size:
        raise IndexError(index)
    path: list[bytes] = []
    low, high = 0, size
    while high - low > 1:
        middle = _split(low, high)
        if index < middle:
            path.append(subtree(middle, high))
            high = middle
        else:
            path.append(subtree(low, middle))
            low = middle
    return path[::-1]


def verify_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> None:
    """Check that `leaf` (a leaf hash) is entry `index` of the tree of `size` leaves with `root`.

    Errors: Malformed when it is not.
    Source: RFC 9162, section 2.1.3.2 (the same algorithm for RFC 6962 trees).
    """
    if not 0 <= index < size:
        raise Malformed(f"inclusion: index {index} is outside a tree of {size}")
    if any(len(node) != HASH_BYTES for node in (leaf, *path)):
        raise Malformed(f"inclusion: expected hashes of {HASH_BYTES} bytes")
    node, fn, sn = leaf, index, size - 1
    for sibling in path:
        if sn == 0:
            raise Malformed("inclusion: the path is too long")
        if fn & 1 or fn == sn:
            node = node_hash(sibling, node)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            node = node_hash(node, sibling)
        fn, sn = fn >> 1, sn >> 1
    if sn or node != root:
        raise Malformed("inclusion: the path does not lead to the root")


def consistency_path(leaves: Sequence[bytes], old_size: int) -> list[bytes]:
    """Return the proof that the tree of the first `old_size` of `leaves` (leaf hashes) is the beginning of the whole.

    Shapes: empty where there is nothing to prove: old_size is 0 or all.
    Errors: IndexError when there are not so many leaves.
    Source: RFC 6962, section 2.1.2.
    """
    return consistency_by(old_size, len(leaves), lambda low, high: Edge().append(leaves[low:high]).root)


def consistency_by(old_size: int, size: int, subtree: Callable[[int, int], bytes]) -> list[bytes]:
    """Return the consistency proof from `old_size` to `size`, each hash asked of `subtree(low, high)`.

    Shapes: subtree gives the hash of leaves low to high − 1, asked from the root's child downwards.
    Errors: IndexError when old_size is negative or greater than size.
    """
    if not 0 <= old_size <= size:
        raise IndexError(old_size)
    if old_size in (0, size):
        return []
    path: list[bytes] = []
    low, high = 0, size
    while high != old_size:
        middle = _split(low, high)
        if old_size <= middle:
            path.append(subtree(middle, high))
            high = middle
        else:
            path.append(subtree(low, middle))
            low = middle
    if low:  # else the old tree is a perfect subtree, whose hash is the old root that the reader has
        path.append(subtree(low, high))
    return path[::-1]


def verify_consistency(old_size: int, old_root: bytes, size: int, root: bytes, path: Sequence[bytes]) -> None:
    """Check that the tree of `old_size` leaves with `old_root` is the beginning of the tree of `size` with `root`.

    Of the empty tree everything is a continuation, and a tree is one of itself: both by an empty path alone.
    Errors: Malformed when it is not.
    Source: RFC 9162, section 2.1.4.2 (the same algorithm for RFC 6962 trees).
    """
    if not 0 <= old_size <= size:
        raise Malformed(f"consistency: a tree of {size} is no continuation of one of {old_size}")
    if any(len(node) != HASH_BYTES for node in (old_root, root, *path)):
        raise Malformed(f"consistency: expected hashes of {HASH_BYTES} bytes")
    if (old_size == 0 and old_root != EMPTY_ROOT) or (size == 0 and root != EMPTY_ROOT):
        raise Malformed("consistency: the empty tree has another root")
    if old_size in (0, size):
        if path or (old_size == size and old_root != root):
            raise Malformed("consistency: expected an empty path, and of one size one root")
        return
    steps = list(path)
    if old_size & (old_size - 1) == 0:  # a perfect tree: its own root is the first hash of the path
        steps.insert(0, old_root)
    if not steps:
        raise Malformed("consistency: the path is too short")
    fn, sn = old_size - 1, size - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    old = new = steps[0]
    for sibling in steps[1:]:
        if sn == 0:
            raise Malformed("consistency: the path is too long")
        if fn & 1 or fn == sn:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            new = node_hash(new, sibling)
        fn, sn = fn >> 1, sn >> 1
    if sn or old != old_root or new != root:
        raise Malformed("consistency: the path does not lead from the old root to the new one")


def _split(low: int, high: int) -> int:
    """Return where the tree over leaves low to high − 1 divides: at the largest power of two below its size."""
    return low + (1 << ((high - low - 1).bit_length() - 1))
