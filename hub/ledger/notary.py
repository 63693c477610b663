"""The notary: every receipt becomes a leaf of HQ's log, and a signed checkpoint says so. Pure.

    receipts that no leaf stands for  →  leaves, the tiles they fill, the edge after them, one checkpoint
    a stored checkpoint               →  the record that says it on `hub.checkpoints`

A leaf is the RFC 6962 hash of a receipt's text. Within a lane receipts are gap-free and become leaves in their order,
so a cursor for each lane is enough to miss none, whatever order the lanes' transactions commit in. What `append`
returns is written in one transaction, before anybody is told of it: SQL has leaf index and size as keys, so of two
notaries that build on one size only one is written.

Source: schemas/PROTOCOL.md, "HQ's log"; docs/adr/0008.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Final

from hub.ledger.halt import DamagedLog, Why
from hub.protocol.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from hub.protocol.cosignature import cosigned_at
from hub.protocol.errors import Malformed
from hub.protocol.head import read_size
from hub.protocol.keys import COSIGNATURE_MLDSA44, ED25519, Signer, Verifier
from hub.protocol.tiles import TILE_WIDTH, tile_root
from hub.protocol.tree import HASH_BYTES, Edge, leaf_hash
from hub.protocol.value import value_class
from hub.protocol.witness import AFTER_HEADER, LEAVES_HEADER

LEAVES_MAX: Final = 4096  # of one checkpoint: 128 KiB in its record's header

SPACING_MAX: Final = 4  # times the least time between two checkpoints, while commits never rest

Right = tuple[tuple[bytes, ...], ...]


@value_class
class Unlogged:
    """A receipt that is no leaf yet: the lane's number in SQL, the receipt's last sequence, and its note."""

    lane_id: int
    last: int
    note: bytes


NOTHING_KNOWN: Final[Mapping[int, int]] = MappingProxyType({})  # of no lane any receipt: what is unlogged is all of it


@value_class
class Leaf:
    """A leaf: its index, and the receipt that it stands for."""

    index: int
    lane_id: int
    last: int
    hash: bytes


@value_class
class FullTile:
    """A tile that has become full; it never changes again."""

    level: int
    index: int
    hashes: bytes


@dataclass(frozen=True, slots=True)
class Log:
    """HQ's log as it stands: its edge, its partial tiles (level by level, the leaves first), its newest checkpoint.

    An empty log has no checkpoint: it says nothing before its first leaf.
    """

    origin: str
    edge: Edge = field(default_factory=Edge)
    right: Right = ()
    note: bytes = b""

    @property
    def size(self) -> int:
        """How many leaves it has."""
        return self.edge.size


@dataclass(frozen=True, slots=True)
class Addition:
    """What one transaction writes: the log after it, the leaves, the full tiles, each lane's cursor, the time.

    Shapes: `lost` are leaves that HQ has signed and whose receipts it has no more: index and hash.
    """

    before: int
    log: Log
    leaves: list[Leaf]
    tiles: list[FullTile]
    logged: dict[int, int]  # lane's number → last sequence that is in the log now
    signed_at: datetime
    lost: tuple[tuple[int, bytes], ...] = ()


@value_class
class Stored:
    """A checkpoint as SQL has it: its size, its note, and what it added behind the checkpoint before it."""

    size: int
    note: bytes
    after: int
    leaves: tuple[bytes, ...]


def receipt_text(note: bytes) -> bytes:
    """Return the text of a receipt of ours, as bytes: what its leaf is the hash of. Errors: Malformed."""
    head, separator, _ = note.rpartition(b"\n\n")
    if not separator:
        raise Malformed("a stored receipt: expected a text, an empty line and signature lines")
    return head + b"\n"


def append(log: Log, receipts: Sequence[Unlogged], keys: Sequence[Signer], at: datetime) -> Addition:
    """Return what logging these receipts, in this order, writes: one checkpoint over all of them.

    Shapes: at least one and at most LEAVES_MAX receipts, of every lane the next ones in order; `keys` are HQ's for the
        log, Ed25519 and ML-DSA-44.
    Errors: Malformed when a receipt's bytes are no note's.
    """
    assert 1 <= len(receipts) <= LEAVES_MAX, len(receipts)
    hashes = [leaf_hash(receipt_text(receipt.note)) for receipt in receipts]
    leaves = [
        Leaf(index, receipt.lane_id, receipt.last, hashed)
        for index, (receipt, hashed) in enumerate(zip(receipts, hashes, strict=True), log.size)
    ]
    edge = log.edge.append(hashes)
    tiles, right = fill(log.size, log.right, hashes)
    note = sign_checkpoint(Checkpoint(log.origin, edge.size, edge.root), keys, at)
    logged = {receipt.lane_id: receipt.last for receipt in receipts}
    return Addition(log.size, Log(log.origin, edge, right, note), leaves, tiles, logged, at)


def fill(size: int, right: Right, hashes: Sequence[bytes]) -> tuple[list[FullTile], Right]:
    """Return the tiles that become full when `hashes` follow `size` leaves, and the partial ones then."""
    tiles: list[FullTile] = []
    partial: list[tuple[bytes, ...]] = []
    rising: Sequence[bytes] = hashes
    level, index = 0, size // TILE_WIDTH
    while rising or level < len(right):
        row = [*(right[level] if level < len(right) else ()), *rising]
        full = len(row) // TILE_WIDTH
        filled = [b"".join(row[n * TILE_WIDTH : (n + 1) * TILE_WIDTH]) for n in range(full)]
        tiles += (FullTile(level, index + n, tile) for n, tile in enumerate(filled))
        partial.append(tuple(row[full * TILE_WIDTH :]))
        rising = [tile_root(tile) for tile in filled]
        level, index = level + 1, index // TILE_WIDTH
    return tiles, tuple(partial)


def check(log: Log, keys: Sequence[Verifier]) -> None:
    """Check that what SQL has is what HQ signed: nothing is built on a log that somebody edited.

    Shapes: `keys` are HQ's keys for the log, former ones too.
    Errors: Malformed with what differs.
    """
    if not log.size and not log.note:
        return
    open_checkpoint(log.note)[1].verify([key for key in keys if key.name == log.origin])
    check_tree(log)


def check_tree(log: Log) -> None:
    """Check that edge, leaves and tiles lead to the root of the newest checkpoint, whoever signed it.

    Errors: Malformed with what differs.
    """
    if not log.size and not log.note:
        return
    said, _ = open_checkpoint(log.note)
    if (said.origin, said.size) != (log.origin, log.size):
        text = f"expected a checkpoint of {log.origin} at size {log.size}, got {said.origin} at {said.size}"
        raise DamagedLog(text, Why.CHECKPOINT, size=log.size, came=said.size)
    if said.root != log.edge.root:
        text = f"the stored edge at size {log.size} does not give the root that HQ signed"
        raise DamagedLog(text, Why.EDGE, size=log.size)
    if _edge_of(log.size, log.right) != log.edge:
        text = f"the stored leaves and tiles up to size {log.size} do not give the root that HQ signed"
        raise DamagedLog(text, Why.TILES, size=log.size)


def _edge_of(size: int, right: Right) -> Edge:
    """Return the edge that the partial tiles give: every level's is that of its own small tree."""
    hashes: list[bytes] = []
    for level, row in reversed(list(enumerate(right))):
        if len(row) != (size >> (8 * level)) % TILE_WIDTH:
            raise Malformed(f"tile level {level}: expected {(size >> (8 * level)) % TILE_WIDTH} hashes, got {len(row)}")
        hashes += Edge().append(row).hashes
    return Edge(size, tuple(hashes))


def record_of(stored: Stored) -> tuple[bytes, bytes, list[tuple[str, bytes]]]:
    """Return key, value and headers of the record that says a checkpoint; the same every time it is said."""
    headers = [(AFTER_HEADER, b"%d" % stored.after), (LEAVES_HEADER, b"".join(stored.leaves))]
    return b"%d" % stored.size, stored.note, headers


def read_record(value: bytes, headers: Sequence[tuple[str, bytes | None]]) -> tuple[Checkpoint, Stored]:
    """Return what a record of `hub.checkpoints` says, nothing verified. Errors: Malformed."""
    checkpoint, _ = open_checkpoint(value)
    found = dict(headers)
    data = found.get(LEAVES_HEADER) or b""
    after = read_size((found.get(AFTER_HEADER) or b"").decode("ascii", "replace"), AFTER_HEADER)
    if len(found) != len(headers) or len(data) % HASH_BYTES or len(data) != HASH_BYTES * (checkpoint.size - after):
        raise Malformed(f"checkpoint record: expected {checkpoint.size - after} leaves of {HASH_BYTES} bytes")
    leaves = tuple(data[at : at + HASH_BYTES] for at in range(0, len(data), HASH_BYTES))
    return checkpoint, Stored(checkpoint.size, value, after, leaves)


def spacing_s(every_s: float, last_s: float, since_s: float) -> float:
    """Return how long after the checkpoint that is signed now the next may come.

    The first after a rest comes at once. While commits never rest they grow rarer: each costs every center a
    cosignature, and a checkpoint is believed only if most centers have seen it before the next.

    Units: `every_s` is the least time, `last_s` what this returned last, `since_s` the time since that checkpoint.
    """
    return min(every_s * SPACING_MAX, last_s * 2) if since_s < last_s * 2 else every_s


def size_of(note: bytes) -> int | None:
    """Return the size that a checkpoint speaks of, whoever signed it; None where the bytes are no checkpoint."""
    try:
        return open_checkpoint(note)[0].size
    except Malformed:
        return None


def signed_by_hq(
    note: bytes, origin: str, keys: Sequence[Verifier], retired: Iterable[tuple[datetime, Verifier]] = ()
) -> Checkpoint | None:
    """Return the checkpoint of this log that HQ has signed by both kinds of key, None where the bytes are not that.

    One kind alone is no word of HQ's, to the witnesses neither; nor is what a `retired` key says of a later time.
    """
    try:
        checkpoint, opened = open_checkpoint(note)
        long = opened.verify([key for key in keys if key.name == origin and key.algorithm == COSIGNATURE_MLDSA44])
        short = opened.verify([key for key in keys if key.name == origin and key.algorithm == ED25519])
        line = opened.line_of(long)
        assert line is not None
        said_at = cosigned_at(line)
        if any(key in (long, short) and said_at >= since for since, key in retired):
            return None
    except Malformed:
        return None
    return checkpoint if checkpoint.origin == origin else None
