"""HQ's log read from SQL: proofs from tiles are those of the plain tree, whatever the size."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hub.protocol.checkpoint import open_checkpoint
from hub.protocol.cosignature import cosign
from hub.protocol.keys import COSIGNATURE_ED25519, Signer
from hub.protocol.moment import to_us
from hub.protocol.note import SIGNATURES_MAX
from hub.protocol.tree import Edge, consistency_path, inclusion_path, verify_consistency, verify_inclusion
from hub.store.sqlite import SqliteStore
from tests.support.center import HUB, NOW, Center
from tests.support.engines import open_store
from tests.support.hq import IDENTITY, Hq
from tests.support.notarized import ORIGIN, add_receipts, notarize
from tests.support.peek import ask, edit, log_of


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    opened = open_store(tmp_path / "hub.sqlite3")
    yield opened
    await opened.close()


async def test_proofs_are_those_of_the_plain_tree_at_every_size(store: SqliteStore) -> None:
    """Inclusion, consistency, root, edge and partial tiles come out as RFC 6962 has them, around every tile's end."""
    add_receipts(store.path, "uz", 70_000)
    assert await notarize(store, IDENTITY, 4000) == 70_000
    log = log_of(store.path)
    leaves = [leaf.hash for leaf in log.leaves(0, 70_000)]
    rng = random.Random(6)
    for size in (1, 2, 255, 256, 257, 511, 512, 65_535, 65_536, 65_537, 70_000, rng.randrange(1, 70_000)):
        tree = leaves[:size]
        edge = Edge().append(tree)
        assert (log.root(size), log.edge(size)) == (edge.root, edge)
        for index in {0, size - 1, rng.randrange(size)}:
            path = log.inclusion(index, size)
            verify_inclusion(leaves[index], index, size, path, edge.root)
            old = index + 1
            between = log.consistency(old, size)
            verify_consistency(old, log.root(old), size, edge.root, between)
            if size <= 512:
                assert (path, between) == (inclusion_path(tree, index), consistency_path(tree, old))
    with pytest.raises(IndexError):
        log.inclusion(5, 5)


async def test_log_that_is_read_again_is_the_one_that_was_written(store: SqliteStore) -> None:
    """Whatever the size at which a notary starts, it finds the edge and the partial tiles that the last one had."""
    add_receipts(store.path, "uz", 66_000)
    rng = random.Random(7)
    while log_of(store.path).behind():
        await notarize(store, IDENTITY, limit=rng.choice([1, 255, 256, 257, 1000, 4096, 30_000]))
        log = await store.log.read(ORIGIN)
        sizes = [log.size >> (8 * level) & 255 for level in range(len(log.right))]
        assert [len(row) for row in log.right] == sizes
        assert log.edge == log_of(store.path).edge(log.size)


async def test_leaf_of_an_event_is_its_receipts(tmp_path: Path) -> None:
    """Every event leads to the leaf whose text covers it; one that is not logged yet leads nowhere."""
    uz = Center("uz")
    hq = await Hq.open(tmp_path, uz)
    log = log_of(hq.database)
    await hq.feed("uz", uz.opened(3))
    await notarize(hq.store, IDENTITY)
    await hq.feed("uz", uz.offers(2, first=9))
    lane = ask(hq.database, "SELECT id FROM lane WHERE center = 'uz'")
    index = log.leaf_of(lane, 1)
    assert index is not None
    assert {log.leaf_of(lane, n) for n in range(1, 5)} == {index}
    assert [log.leaf_of(lane, n) for n in (0, 5, 6, 7)] == [None] * 4
    await notarize(hq.store, IDENTITY)
    assert log.leaf_of(lane, 5) == log.leaf_of(lane, 6) == index + 1
    found = dict(log.entries(index, index + 2))
    assert b"from 1\nto 4\n" in found[index]
    assert b"from 5\nto 6\n" in found[index + 1]
    assert log.leaf(index + 2) is None
    await hq.store.close()


def cosigned(database: Path, size: int, *centers: str, keys: int = 1) -> None:
    """Write what HQ keeps of these centers' cosignatures."""
    found = log_of(database).checkpoint(size)
    assert found is not None
    text = open_checkpoint(found.note)[1].text
    for center in centers:
        for number in range(keys):
            key = Signer(f"{HUB}/{center}/witness", bytes([number]) * 31 + center[:1].encode(), COSIGNATURE_ED25519)
            line = cosign(text, key, NOW)
            row = (size, key.name, line.key_id, center, line.value, to_us(NOW), to_us(NOW))
            edit(database, "INSERT INTO cosignature VALUES (?, ?, ?, ?, ?, ?, ?)", *row)


async def test_checkpoint_is_believed_with_more_than_half_of_the_active_centers(tmp_path: Path) -> None:
    """Two of four do not make it believed, three do; two keys of one center are one; HQ and closed centers are none."""
    centers = [Center(name) for name in ("by", "kg", "kz", "tj", "uz")]
    hq = await Hq.open(tmp_path, *centers)
    await hq.said("closed", centers[1])
    log = log_of(hq.database)
    assert log.active() == {"by", "kz", "tj", "uz"}
    assert (log.newest(), log.newest_believed(), log.cosigned_note(1)) == (None, None, None)
    first = await notarize(hq.store, IDENTITY, limit=3)
    second = await notarize(hq.store, IDENTITY)
    await hq.feed("uz", centers[4].opened(1))
    cosigned(hq.database, first, "by", "kz", keys=2)
    assert log.newest_believed() is None
    cosigned(hq.database, first, "uz")
    cosigned(hq.database, second, "by", "kz", "kg")  # the last has left: it makes no majority
    believed, newest = log.newest_believed(), log.newest()
    assert believed is not None
    assert newest is not None
    assert (believed.size, newest.size) == (first, second)
    assert log.believed_covering(0) == believed
    assert log.believed_covering(first) is None
    assert list(log.checkpoints(first)) == [newest]
    assert list(log.checkpoints(second)) == []
    standing = log.standing()
    assert (standing.size, standing.cosigned, standing.witnesses, standing.believed) == (second, 2, 4, False)
    assert (standing.believed_size, standing.behind, standing.rolled_back) == (first, 1, None)
    await hq.store.close()


async def test_cosigned_notes_have_16_signatures_at_most_and_every_center_first(store: SqliteStore) -> None:
    """What no note can hold comes in more notes; each has HQ's own two signatures, and all of them verify."""
    add_receipts(store.path, "uz", 5)
    await notarize(store, IDENTITY)
    centers = [f"{chr(97 + n)}c" for n in range(20)]
    cosigned(store.path, 5, *centers, keys=2)
    notes = log_of(store.path).cosigned_notes(5)
    assert [len(open_checkpoint(note)[1].signatures) for note in notes] == [SIGNATURES_MAX] * 2 + [14]
    by_hq = [IDENTITY.log.verifier, IDENTITY.log_long.verifier]
    names = []
    for data in notes:
        note = open_checkpoint(data)[1]
        assert [note.line_of(key) for key in by_hq] == list(note.signatures[:2])
        keys = [
            Signer(f"{HUB}/{c}/witness", bytes([n]) * 31 + c[:1].encode(), COSIGNATURE_ED25519).verifier
            for c in centers
            for n in (0, 1)
        ]
        note.verify([*by_hq, *keys])
        names += [line.name for line in note.signatures[2:]]
    assert sorted(names[:20]) == [f"{HUB}/{center}/witness" for center in centers]
