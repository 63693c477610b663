"""HQ's log taken in: checkpoints that HQ has signed, and a database put back from a copy does not have. Pure.

A record of `hub.checkpoints` is a signed checkpoint with the leaves since the one before. Each leaf is the hash of a
receipt's text, so a ledger that has come to its receipts again (`hub.ledger.owed`) knows for which it stands, and the
log goes on with the same leaves in the same places, and the same notes. A leaf whose receipt can't be had again is
*lost*: its hash stays where it was, and proves what it proved to whoever has the receipt. That is written only where a
person has confirmed it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from hub.ledger.notary import Addition, Leaf, Log, Stored, fill, size_of
from hub.protocol.checkpoint import Checkpoint, open_checkpoint
from hub.protocol.cosignature import cosigned_at
from hub.protocol.errors import Malformed
from hub.protocol.keys import COSIGNATURE_MLDSA44, Verifier
from hub.protocol.witness import LentLog

JOINED_MAX: Final = 7 * 4_096  # leaves, under the megabyte that a record may have


@dataclass(frozen=True, slots=True)
class Beyond:
    """A checkpoint that HQ has signed beyond its log, with the leaves that a topic has beside it."""

    checkpoint: Checkpoint
    stored: Stored
    signed_at: datetime


class Place(NamedTuple):
    """Where a receipt stands: the lane's number in SQL, and the receipt's last sequence."""

    lane_id: int
    last: int


@dataclass(frozen=True, slots=True)
class NotYet:
    """Leaves whose receipts the ledger does not have (yet), by how many they are, and up to which size HQ signed."""

    size: int
    missing: int


def beyond(stored: Stored, keys: Sequence[Verifier]) -> Beyond:
    """Return a checkpoint whose signatures were verified, with its time. Errors: Malformed."""
    checkpoint, note = open_checkpoint(stored.note)
    lines = (note.line_of(key) for key in keys if key.algorithm == COSIGNATURE_MLDSA44)
    line = next((line for line in lines if line is not None), None)
    if line is None:
        raise Malformed("a checkpoint without the line that has its time")
    return Beyond(checkpoint, stored, cosigned_at(line))


def joined(parts: Iterable[bytes]) -> list[Stored]:
    """Return the checkpoints that witnesses have lent with their leaves, put together; nothing of it is verified.

    Shapes: no more leaves are joined than a record of `hub.checkpoints` can have, for HQ has to say them again.
    """
    lent: dict[bytes, dict[int, LentLog]] = {}
    for data in parts:
        try:
            part = LentLog.from_bytes(data)
        except Malformed:
            continue
        lent.setdefault(part.note, {})[part.after] = part
    found = []
    for note, by_place in lent.items():
        size = size_of(note)
        for begin in by_place if size is not None else ():
            leaves: tuple[bytes, ...] = ()
            while begin + len(leaves) in by_place and len(leaves) < JOINED_MAX:
                leaves += by_place[begin + len(leaves)].leaves
            if size == begin + len(leaves) and len(leaves) <= JOINED_MAX:
                found.append(Stored(size, note, begin, leaves))
    return found


def follows(log: Log, said: Beyond) -> bool:
    """Return whether the leaves beside a checkpoint lead from the log to its root: then they are HQ's."""
    stored = said.stored
    if not stored.after <= log.size < stored.size:
        return False
    return log.edge.append(stored.leaves[log.size - stored.after :]).root == said.checkpoint.root


def take_in(log: Log, said: Beyond, receipts: Mapping[bytes, Place], *, loses: bool) -> Addition | NotYet:
    """Return what going on to a checkpoint writes, with the note that HQ signed then.

    Shapes: the checkpoint `follows`; `receipts` has by its leaf where what is no leaf yet stands. With `loses` a leaf
            without a receipt is written as lost; else it is waited for.
    """
    new = said.stored.leaves[log.size - said.stored.after :]
    missing = sum(leaf not in receipts for leaf in new)
    if missing and not loses:
        return NotYet(said.stored.size, missing)
    leaves, lost, logged = [], [], dict[int, int]()
    for index, hashed in enumerate(new, log.size):
        place = receipts.get(hashed)
        if place is None or place.last <= logged.get(place.lane_id, 0):
            lost.append((index, hashed))
        else:
            leaves.append(Leaf(index, place.lane_id, place.last, hashed))
            logged[place.lane_id] = place.last
    tiles, right = fill(log.size, log.right, new)
    after = Log(log.origin, log.edge.append(new), right, said.stored.note)
    return Addition(log.size, after, leaves, tiles, logged, said.signed_at, tuple(lost))
