"""The RFC 6962 Merkle tree of a lane, kept as its right edge alone.

Source: RFC 6962, section 2.1. A leaf hash is SHA-256(0x00 ‖ entry), a node is SHA-256(0x01 ‖ left ‖ right).
The *edge* of a tree of n leaves is the list of the roots of its perfect subtrees, largest first: one hash for
every 1 bit of n. It is all that is needed to append and to know the root.
"""

from __future__ import annotations

from collections.abc import Iterable
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


def inclusion_path(leaves: list[bytes], index: int) -> list[bytes]:
    """Return the audit path of leaf `index` in the tree of `leaves` (leaf hashes), lowest sibling first.

    Errors: IndexError when there is no such leaf.
    Source: RFC 6962, section 2.1.1.
    """
    if not 0 <= index < len(leaves):
        raise IndexError(index)
    path: list[bytes] = []
    low, high = 0, len(leaves)
    while high - low > 1:
        middle = low + (1 << ((high - low - 1).bit_length() - 1))
        if index < middle:
            path.append(Edge().append(leaves[middle:high]).root)
            high = middle
        else:
            path.append(Edge().append(leaves[low:middle]).root)
            low = middle
    return path[::-1]


def verify_inclusion(leaf: bytes, index: int, size: int, path: list[bytes], root: bytes) -> None:
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
