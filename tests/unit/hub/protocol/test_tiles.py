"""Tiles are C2SP's: every hash, root and proof that is read from them is the tree's own."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.protocol import tiles
from hub.protocol.errors import Malformed
from hub.protocol.tiles import (
    TILE_WIDTH,
    bundle_path,
    node,
    read_bundle,
    split_hashes,
    tile_path,
    tile_root,
    tile_width,
    tiles_of,
    write_bundle,
)
from hub.protocol.tree import (
    EMPTY_ROOT,
    Edge,
    consistency_path,
    inclusion_path,
    leaf_hash,
    verify_consistency,
    verify_inclusion,
)

SIZE = 70_000
LEAVES = [leaf_hash(b"%d" % n) for n in range(SIZE)]


def grown(leaves: list[bytes]) -> dict[tuple[int, int], bytes]:
    """Return every tile of the tree of `leaves`, grown level by level by the words of the specification."""
    found: dict[tuple[int, int], bytes] = {}
    row, level = leaves, 0
    while row:
        parts = [row[at : at + TILE_WIDTH] for at in range(0, len(row), TILE_WIDTH)]
        found |= {(level, n): b"".join(part) for n, part in enumerate(parts)}
        row = [Edge().append(part).root for part in parts if len(part) == TILE_WIDTH]
        level += 1
    return found


@pytest.fixture(scope="module")
def tile() -> Callable[[int, int, int], bytes]:
    """Return a reader of the tiles of all the leaves, which is never asked for more than it has."""
    found = grown(LEAVES)

    def read(level: int, index: int, width: int) -> bytes:
        data = found[level, index]
        assert 1 <= width <= len(data) // 32
        return data

    return read


@pytest.mark.parametrize(
    ("level", "index", "width", "path"),
    [
        (0, 0, 256, "tile/0/000"),
        (0, 0, 1, "tile/0/000.p/1"),
        (1, 999, 256, "tile/1/999"),
        (2, 1000, 17, "tile/2/x001/000.p/17"),
        (63, 1234067, 256, "tile/63/x001/x234/067"),
    ],
)
def test_path_of_a_tile_follows_the_specification(level: int, index: int, width: int, path: str) -> None:
    """Any file server can hand them out."""
    assert tile_path(level, index, width) == path
    assert bundle_path(index, width) == path.replace(f"tile/{level}/", "tile/entries/")


@pytest.mark.parametrize(("level", "index", "width"), [(-1, 0, 1), (64, 0, 1), (0, -1, 1), (0, 0, 0), (0, 0, 257)])
def test_tile_that_cannot_be_has_no_path(level: int, index: int, width: int) -> None:
    """Asking for one is the caller's mistake."""
    with pytest.raises(ValueError, match="expected"):
        tile_path(level, index, width)


def test_tree_of_seventy_thousand_has_the_tiles_that_the_specification_counts() -> None:
    """273 full tiles and one of 112 at level 0, one full and one of 17 at level 1, one of 1 at level 2."""
    widths: dict[int, list[int]] = {}
    for level, index, width in tiles_of(SIZE):
        assert index == len(widths.setdefault(level, []))
        assert width == tile_width(level, index, SIZE)
        widths[level].append(width)
    assert widths == {0: [256] * 273 + [112], 1: [256, 17], 2: [1]}
    assert list(tiles_of(256)) == [(0, 0, 256), (1, 0, 1)]
    assert list(tiles_of(0)) == []
    assert tile_width(0, 1, 256) == 0


@given(st.integers(0, 70_000), st.integers(0, 70_000))
@settings(max_examples=40)
def test_new_tiles_are_those_that_were_not_full_before(one: int, other: int) -> None:
    """Whoever writes a log's tiles goes on where a tile was partial."""
    old, size = sorted((one, other))
    full = {(level, n) for level, n, width in tiles_of(old) if width == TILE_WIDTH}
    assert list(tiles_of(size, old)) == [(lv, n, w) for lv, n, w in tiles_of(size) if (lv, n) not in full]


def test_full_tile_is_one_hash_of_the_tile_above(tile: Callable[[int, int, int], bytes]) -> None:
    """A level stands on the one below."""
    above = split_hashes(tile(1, 1, 17))
    assert [tile_root(tile(0, 256 + n, 256)) for n in range(17)] == above
    assert split_hashes(tile(2, 0, 1)) == [tile_root(tile(1, 0, 256))]


@pytest.mark.parametrize("size", [0, 1, 2, 255, 256, 257, 65_535, 65_536, 65_537, SIZE])
def test_root_and_edge_are_read_from_tiles(size: int, tile: Callable[[int, int, int], bytes]) -> None:
    """The root of every size before is in the same tiles."""
    whole = Edge().append(LEAVES[:size])
    assert tiles.edge(size, tile) == whole
    assert tiles.root(size, tile) == whole.root


def test_every_perfect_subtree_is_in_one_tile(tile: Callable[[int, int, int], bytes]) -> None:
    """Heights that are not multiples of eight are hashed within a tile."""
    for height in range(17):
        index = (SIZE >> height) - 1
        low = index << height
        assert node(height, index, tile) == Edge().append(LEAVES[low : low + (1 << height)]).root


@given(data=st.data())
@settings(max_examples=30, deadline=None)
def test_proofs_from_tiles_hold(tile: Callable[[int, int, int], bytes], data: st.DataObject) -> None:
    """Any leaf is proved at any size, and any size against any before."""
    size = data.draw(st.integers(1, SIZE))
    index = data.draw(st.integers(0, size - 1))
    old = data.draw(st.integers(0, size))
    root = tiles.root(size, tile)
    verify_inclusion(LEAVES[index], index, size, tiles.inclusion(index, size, tile), root)
    verify_consistency(old, tiles.root(old, tile), size, root, tiles.consistency(old, size, tile))


@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 600])
def test_proofs_from_tiles_are_those_from_leaves(size: int, tile: Callable[[int, int, int], bytes]) -> None:
    """Two ways to one path."""
    leaves = LEAVES[:size]
    for n in range(0, size, 37):
        assert tiles.inclusion(n, size, tile) == inclusion_path(leaves, n)
        assert tiles.consistency(n, size, tile) == consistency_path(leaves, n)
    with pytest.raises(IndexError):
        tiles.inclusion(size, size, tile)
    with pytest.raises(IndexError):
        tiles.consistency(size + 1, size, tile)


def test_tile_that_is_too_short_is_malformed() -> None:
    """A damaged file is found when it is read."""
    assert tiles.root(0, lambda *_: b"") == EMPTY_ROOT
    for data in (b"", bytes(31), bytes(32 * 43)):
        with pytest.raises(Malformed):
            tiles.root(300, lambda *_, data=data: data)
    for data in (b"", bytes(33), bytes(32 * 257)):
        with pytest.raises(Malformed):
            split_hashes(data)


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=TILE_WIDTH))
@settings(max_examples=30)
def test_bundles_survive_the_round_trip(entries: list[bytes]) -> None:
    """Entries of any length come back, in order."""
    assert read_bundle(write_bundle(entries)) == entries


def test_bundle_has_two_bytes_for_a_length() -> None:
    """The longest entry has 65,535 bytes, and a bundle is read to its last byte."""
    longest = bytes(65_535)
    assert write_bundle([b"ab", b""]) == b"\0\2ab\0\0"
    assert read_bundle(write_bundle([longest])) == [longest]
    with pytest.raises(Malformed):
        write_bundle([longest + b"\0"])
    for data in (b"", b"\0", b"\0\2a", b"\0\1a\0", b"\0\0" * 257):
        with pytest.raises(Malformed):
            read_bundle(data)
