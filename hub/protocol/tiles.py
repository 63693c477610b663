"""C2SP tlog-tiles: a log's tree as files of 256 hashes, and the proofs that are read from them.

Source: C2SP tlog-tiles (https://c2sp.org/tlog-tiles). Hash i of tile n at level l is that of the perfect subtree of
256^l leaves number n·256 + i; the tile's own root is one hash of the tile above it. Full tiles never change. On the
right of every level stands at most one partial tile.

The functions that need hashes take `tile(level, index, width)`, which returns at least the first `width` hashes of
that tile, 32 bytes each; what it reads them from, and whether it keeps them, is its own matter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from hub.protocol.errors import Malformed
from hub.protocol.tree import HASH_BYTES, Edge, consistency_by, inclusion_by

TILE_HEIGHT: Final = 8
TILE_WIDTH: Final = 1 << TILE_HEIGHT
TILE_BYTES: Final = TILE_WIDTH * HASH_BYTES
LEVEL_MAX: Final = 63
ENTRY_BYTES_MAX: Final = 65_535  # a bundle gives the length of an entry in two bytes

Tile = Callable[[int, int, int], bytes]


def tile_path(level: int, index: int, width: int = TILE_WIDTH) -> str:
    """Return the path of a tile below the log's prefix, such as `tile/0/x001/x234/067` or `tile/1/000.p/17`."""
    if not 0 <= level <= LEVEL_MAX:
        raise ValueError(f"tile level {level}: expected 0 to {LEVEL_MAX}")
    return f"tile/{level}/{_numbered(index, width)}"


def bundle_path(index: int, width: int = TILE_WIDTH) -> str:
    """Return the path of the entries whose hashes are tile `index` of level 0, such as `tile/entries/000`."""
    return f"tile/entries/{_numbered(index, width)}"


def tile_width(level: int, index: int, size: int) -> int:
    """Return how many hashes tile `index` of `level` has in a log of `size`: 0 to 256."""
    return max(0, min(TILE_WIDTH, (size >> (TILE_HEIGHT * level)) - index * TILE_WIDTH))


def tiles_of(size: int, after: int = 0) -> Iterator[tuple[int, int, int]]:
    """Yield level, index and width of every tile of a log of `size`, without those that were full at size `after`.

    In this order a tile comes after all that it stands on, so whoever stops half-way has written nothing unfounded.
    """
    for level in range(LEVEL_MAX + 1):
        hashes, known = size >> (TILE_HEIGHT * level), after >> (TILE_HEIGHT * level)
        if not hashes:
            return
        for index in range(known // TILE_WIDTH, -(-hashes // TILE_WIDTH)):
            yield level, index, tile_width(level, index, size)


def tile_root(hashes: bytes) -> bytes:
    """Return the root over a tile's hashes; of a full tile, that is a hash of the tile above. Errors: Malformed."""
    return Edge().append(split_hashes(hashes)).root


def split_hashes(data: bytes) -> list[bytes]:
    """Return the hashes of a tile, one by one. Errors: Malformed when they are not whole, or none, or too many."""
    if not data or len(data) % HASH_BYTES or len(data) > TILE_BYTES:
        raise Malformed(f"tile of {len(data)} bytes: expected 1 to {TILE_WIDTH} hashes of {HASH_BYTES}")
    return [data[at : at + HASH_BYTES] for at in range(0, len(data), HASH_BYTES)]


def node(height: int, index: int, tile: Tile) -> bytes:
    """Return the hash of the perfect subtree number `index` of 2^height leaves, from one tile. Errors: Malformed."""
    level, inner = divmod(height, TILE_HEIGHT)
    number, first = divmod(index << inner, TILE_WIDTH)
    width = first + (1 << inner)
    data = tile(level, number, width)
    if len(data) < width * HASH_BYTES:
        raise Malformed(f"tile {level}/{number}: expected {width} hashes, got {len(data)} bytes")
    return tile_root(data[first * HASH_BYTES : width * HASH_BYTES])


def edge(size: int, tile: Tile) -> Edge:
    """Return the right edge of the log at this size. Errors: Malformed."""
    return _edge(0, size, tile)


def root(size: int, tile: Tile) -> bytes:
    """Return the root of the log at this size. Errors: Malformed."""
    return edge(size, tile).root


def inclusion(index: int, size: int, tile: Tile) -> list[bytes]:
    """Return the inclusion path of leaf `index` in the log of `size`, lowest sibling first.

    Errors: IndexError when there is no such leaf; Malformed for bytes that are no tile.
    """
    return inclusion_by(index, size, lambda low, high: _edge(low, high, tile).root)


def consistency(old_size: int, size: int, tile: Tile) -> list[bytes]:
    """Return the consistency path from the log of `old_size` to that of `size`.

    Errors: IndexError when old_size is greater; Malformed for bytes that are no tile.
    """
    return consistency_by(old_size, size, lambda low, high: _edge(low, high, tile).root)


def write_bundle(entries: Iterable[bytes]) -> bytes:
    """Return a bundle: every entry after its length in two bytes. Errors: Malformed when one is too long for that."""
    parts: list[bytes] = []
    for entry in entries:
        if len(entry) > ENTRY_BYTES_MAX:
            raise Malformed(f"entry of {len(entry)} bytes: a bundle holds at most {ENTRY_BYTES_MAX}")
        parts += (len(entry).to_bytes(2, "big"), entry)
    return b"".join(parts)


def read_bundle(data: bytes) -> list[bytes]:
    """Return the entries of a bundle. Errors: Malformed."""
    entries: list[bytes] = []
    at = 0
    while at < len(data):
        end = at + 2 + int.from_bytes(data[at : at + 2], "big")
        if end > len(data) or at + 2 > len(data):
            raise Malformed(f"bundle: entry {len(entries)} ends beyond its {len(data)} bytes")
        entries.append(data[at + 2 : end])
        at = end
    if not 1 <= len(entries) <= TILE_WIDTH:
        raise Malformed(f"bundle: expected 1 to {TILE_WIDTH} entries, got {len(entries)}")
    return entries


def _edge(low: int, high: int, tile: Tile) -> Edge:
    """Return the edge of the tree over leaves low to high − 1, where low stands at a multiple of its largest part."""
    size, hashes, at = high - low, [], low
    for height in reversed(range(size.bit_length())):
        if size >> height & 1:
            hashes.append(node(height, at >> height, tile))
            at += 1 << height
    return Edge(size, tuple(hashes))


def _numbered(index: int, width: int) -> str:
    if index < 0 or not 1 <= width <= TILE_WIDTH:
        raise ValueError(f"tile {index} of width {width}: expected a number from 0 and a width of 1 to {TILE_WIDTH}")
    digits = str(index)
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    path = "/".join([*(f"x{group}" for group in groups[:-1]), groups[-1]])
    return path if width == TILE_WIDTH else f"{path}.p/{width}"
