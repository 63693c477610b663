"""What one step of the notary writes, worked out again the plain way: the tree, its tiles, the record, the alarm."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import settings as with_settings
from hypothesis import strategies as st

from hub.ledger.halt import Halt, Why, cosigned_elsewhere, signed_elsewhere
from hub.ledger.notary import (
    LEAVES_MAX,
    Addition,
    Log,
    Stored,
    Unlogged,
    append,
    check,
    read_record,
    receipt_text,
    record_of,
    signed_by_hq,
    spacing_s,
)
from hub.protocol.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from hub.protocol.cosignature import cosigned_at
from hub.protocol.errors import Malformed
from hub.protocol.keys import COSIGNATURE_MLDSA44, Signer
from hub.protocol.note import Note, sign_note
from hub.protocol.tiles import tile_root, tiles_of
from hub.protocol.tree import Edge, leaf_hash
from tests.support.center import HUB, NOW

ORIGIN = f"{HUB}/log"
KEYS = [Signer(ORIGIN, b"l" * 32), Signer(ORIGIN, b"m" * 32, COSIGNATURE_MLDSA44)]
VERIFIERS = [key.verifier for key in KEYS]
OTHER = Signer(ORIGIN, b"o" * 32)


def receipts(count: int, first: int = 1, lane: int = 1) -> list[Unlogged]:
    return [Unlogged(lane, n, f"receipt {n}\nof {lane}\n\n— x AAAAA\n".encode()) for n in range(first, first + count)]


def grown(*counts: int) -> tuple[Log, list[Addition]]:
    """Return the log after so many receipts at a time, and each addition."""
    log, done = Log(ORIGIN), []
    for count in counts:
        done.append(append(log, receipts(count, log.size + 1), KEYS, NOW))
        log = done[-1].log
    return log, done


@given(st.lists(st.sampled_from([1, 2, 100, 255, 256, 257, 1000, LEAVES_MAX]), min_size=1, max_size=8))
@with_settings(max_examples=15)
def test_leaves_tiles_edge_and_root_are_those_of_the_plain_tree(counts: list[int]) -> None:
    """However the receipts are cut into steps, each full tile is written once, and all of it is the one tree."""
    log, done = grown(*counts)
    leaves = [leaf for addition in done for leaf in addition.leaves]
    assert [leaf.index for leaf in leaves] == list(range(sum(counts)))
    assert [leaf.hash for leaf in leaves] == [leaf_hash(b"receipt %d\nof 1\n" % leaf.last) for leaf in leaves]
    assert log.edge == Edge().append(leaf.hash for leaf in leaves)
    tiles = {(tile.level, tile.index): tile.hashes for addition in done for tile in addition.tiles}
    assert len(tiles) == sum(len(addition.tiles) for addition in done)
    row = [leaf.hash for leaf in leaves]
    for level, index, width in tiles_of(log.size):
        if index == 0 and level:
            row = [tile_root(tiles[level - 1, n]) for n in range(len(row) // 256)]
        hashes = row[index * 256 : index * 256 + width]
        if width == 256:
            assert tiles[level, index] == b"".join(hashes)
        else:
            assert log.right[level] == tuple(hashes)
    assert len(tiles) == sum(width == 256 for _, _, width in tiles_of(log.size))
    check(log, VERIFIERS)


def test_checkpoint_has_one_line_of_each_key_of_hq() -> None:
    """Ed25519 signs it as any note, ML-DSA-44 cosigns it at the time that is stored."""
    log, (addition,) = grown(3)
    checkpoint, note = open_checkpoint(log.note)
    assert (checkpoint.origin, checkpoint.size, checkpoint.root) == (ORIGIN, 3, log.edge.root)
    assert [line.key_id for line in note.signatures] == [key.key_id for key in VERIFIERS]
    assert cosigned_at(note.signatures[1]) == addition.signed_at == NOW
    for key in VERIFIERS:
        note.verify([key])


def test_cursors_are_the_newest_receipt_of_every_lane() -> None:
    """A step over several lanes moves each of them as far as it went."""
    mixed = [*receipts(3, 5, lane=1), *receipts(1, 9, lane=7), *receipts(2, 8, lane=1)]
    addition = append(Log(ORIGIN), mixed, KEYS, NOW)
    assert addition.logged == {1: 9, 7: 9}
    assert [(leaf.lane_id, leaf.last) for leaf in addition.leaves] == [(1, 5), (1, 6), (1, 7), (7, 9), (1, 8), (1, 9)]


def test_leaf_is_of_the_text_that_the_note_signs() -> None:
    """Texts with empty lines in them come out as the note has them."""
    for text in ("cohub-receipt/v1\n", "\n", "a\n\n\nb\n", "ü — 技\n\n"):
        note = sign_note(text, [OTHER])
        assert receipt_text(note.to_bytes()) == Note.from_bytes(note.to_bytes()).text.encode() == text.encode()
    with pytest.raises(Malformed):
        receipt_text(b"no note\n")


def test_log_that_does_not_fit_its_checkpoint_is_found() -> None:
    """Edge, leaves, tiles above them, size, origin, signature: none of them can be changed alone."""
    log, _ = grown(700)
    forged = sign_checkpoint(Checkpoint(ORIGIN, 700, log.edge.root), [OTHER], NOW)
    elsewhere = sign_checkpoint(Checkpoint(f"{HUB}/other", 700, log.edge.root), KEYS, NOW)
    low, high = log.right
    other = leaf_hash(b"")
    wrong = [
        (replace(log, edge=Edge(700, (*log.edge.hashes[:-1], other))), "edge"),
        (replace(log, right=((*low[:-1], other), high)), "leaves and tiles"),
        (replace(log, right=(low, (other, *high[1:]))), "leaves and tiles"),
        (replace(log, right=(low[:-1], high)), "tile level 0"),
        (replace(log, note=forged), "none of the expected keys"),
        (replace(log, note=elsewhere), "expected a checkpoint of"),
        (replace(log, note=grown(699)[0].note), "expected a checkpoint of"),
        (replace(log, note=b""), "note"),
        (replace(Log(ORIGIN), note=log.note), "expected a checkpoint of"),
    ]
    check(log, VERIFIERS)
    check(Log(ORIGIN), VERIFIERS)
    for changed, why in wrong:
        with pytest.raises(Malformed, match=why):
            check(changed, VERIFIERS)
    with pytest.raises(Malformed):
        check(log, [OTHER.verifier])
    check(log, [OTHER.verifier, *VERIFIERS])  # a former key besides does no harm


def test_record_goes_round_and_damaged_ones_are_refused() -> None:
    """Key, note and headers say one thing: the leaves are as many as the size grew."""
    log, done = grown(3, 2)
    stored = Stored(5, log.note, 3, tuple(leaf.hash for leaf in done[1].leaves))
    key, value, headers = record_of(stored)
    assert key == b"5"
    checkpoint, again = read_record(value, headers)
    assert (again, checkpoint.root) == (stored, log.edge.root)
    (after, (name, leaves)) = headers
    for bad in (
        [after],
        [(name, leaves)],
        [after, (name, leaves[:-1])],
        [after, (name, leaves[:32])],
        [("cohub-after", b"03"), (name, leaves)],
        [("cohub-after", b"\xff"), (name, leaves)],
        [("cohub-after", b"6"), (name, leaves)],
        [after, (name, leaves), (name, leaves)],
    ):
        with pytest.raises(Malformed):
            read_record(value, bad)
    with pytest.raises(Malformed):
        read_record(b"", headers)


def test_checkpoint_counts_only_with_a_key_of_hqs_and_for_this_log() -> None:
    """Whoever writes to the topic can say nothing for HQ: not by another key, another log, or no note at all."""
    said = Checkpoint(ORIGIN, 9, bytes(32))
    for keys in (KEYS, KEYS[::-1], [OTHER, *KEYS]):
        assert signed_by_hq(sign_checkpoint(said, keys, NOW), ORIGIN, VERIFIERS) == said
    for keys in (KEYS[:1], KEYS[1:], [OTHER, KEYS[1]]):
        assert signed_by_hq(sign_checkpoint(said, keys, NOW), ORIGIN, VERIFIERS) is None
    for number in (0, 1):  # a thief of retired keys stops no notary
        gone = KEYS[number].verifier
        for late, counts in ((1, True), (0, False)):
            retired = [(NOW + timedelta(seconds=late), gone)]
            found = signed_by_hq(sign_checkpoint(said, KEYS, NOW), ORIGIN, VERIFIERS, retired)
            assert (found is not None) == counts
    assert signed_by_hq(sign_checkpoint(said, [OTHER], NOW), ORIGIN, VERIFIERS) is None
    assert signed_by_hq(sign_checkpoint(replace(said, origin="x/log"), KEYS, NOW), ORIGIN, VERIFIERS) is None
    assert signed_by_hq(sign_checkpoint(said, KEYS, NOW), "x/log", VERIFIERS) is None
    good = sign_checkpoint(said, KEYS, NOW)
    assert signed_by_hq(good[:-10], ORIGIN, VERIFIERS) is None
    assert signed_by_hq(good.replace(b"\n9\n", b"\n8\n"), ORIGIN, VERIFIERS) is None
    assert signed_by_hq(b"\xff", ORIGIN, VERIFIERS) is None


def test_spacing_doubles_under_load_up_to_four_times_and_falls_back_after_a_rest() -> None:
    """A second, two, four, four; and a second again when twice the last has passed without need."""
    spacings, last = [], 1.0
    for since in (1.0, 2.0, 4.0, 4.5, 7.9, 8.0, 1.0, 2.5, float("inf")):
        last = spacing_s(1.0, last, since)
        spacings.append(last)
    assert spacings == [2.0, 4.0, 4.0, 4.0, 4.0, 1.0, 2.0, 4.0, 1.0]


def test_larger_size_or_another_root_proves_a_rollback() -> None:
    """What HQ signed before must be what its database still has."""
    log, _ = grown(5)
    said = Checkpoint(ORIGIN, 5, log.edge.root)
    assert signed_elsewhere(said, 5, log.edge.root) is None
    assert signed_elsewhere(said, 9, log.edge.root) is None
    assert signed_elsewhere(said, 4, None) == Halt.of(Why.SIGNED_BEYOND, size=5, ours=4)
    assert signed_elsewhere(said, 9, bytes(32)) == Halt.of(Why.SIGNED_OTHER_ROOT, size=5)


def test_cosignatures_beyond_the_log_count_before_those_with_another_root() -> None:
    """One witness is enough; what reaches furthest is named, with everybody who says so, a few by name."""
    log, _ = grown(5)
    fits, beyond = Checkpoint(ORIGIN, 5, log.edge.root), Checkpoint(ORIGIN, 8, bytes(32))
    assert cosigned_elsewhere([("uz", fits, log.edge.root)], 9) is None
    assert cosigned_elsewhere([], 9) is None
    other = cosigned_elsewhere([("uz", fits, bytes(32)), ("kz", fits, log.edge.root)], 9)
    assert other == Halt.of(Why.COSIGNED_OTHER_ROOT, size=5, ours=9, centers="uz")
    both = cosigned_elsewhere([("uz", fits, bytes(32)), ("kz", beyond, None), ("by", beyond, None)], 7)
    assert both == Halt.of(Why.COSIGNED_BEYOND, size=8, ours=7, centers="by, kz")
    many = cosigned_elsewhere(((f"c{n:02}", beyond, None) for n in range(30)), 7)
    assert many is not None
    assert many.values["centers"].endswith("c07 (+22)")
