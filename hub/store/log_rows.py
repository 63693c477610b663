"""The questions that HQ's log is asked in a database: what an engine has to answer for `hub.store.log.LogReader`.

Indexes count from 0, sizes from 1. An edited database may have text where bytes belong: an engine gives bytes, whatever
stands there, and what is wrong with them is found by who reads them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from typing import Protocol

from hub.ledger.notary import Leaf
from hub.ledger.witness import Witnesses
from hub.protocol.checkpoint import Checkpoint, open_checkpoint
from hub.protocol.note import Signature
from hub.protocol.value import value_class


@value_class
class StoredCheckpoint:
    """A checkpoint row: `note` is byte for byte what HQ signed and published."""

    size: int
    note: bytes
    edge: bytes
    signed_at: datetime

    @property
    def checkpoint(self) -> Checkpoint:
        """What the note says. Errors: Malformed."""
        return open_checkpoint(self.note)[0]


@value_class
class StoredCosignature:
    """A witness's line under the checkpoint of `size`: verified when HQ received it, against the keys active then."""

    size: int
    name: str
    key_id: bytes
    center: str
    value: bytes
    cosigned_at: datetime
    received_at: datetime

    @property
    def line(self) -> Signature:
        """The signature line."""
        return Signature(self.name, self.key_id, self.value)


@value_class
class Heard:
    """How far HQ has heard a center that is a witness.

    Shapes: `position` is the offset of what it reads next of the center's topic, None where it has read nothing;
            `reads` says whether it reads on, `cosigned` whether a cosignature of the center is in the database.
    """

    position: int | None
    reads: bool
    cosigned: bool


class LogRows(Protocol):
    """The rows of HQ's log. Errors: Unreadable, of every method."""

    def ends(self) -> tuple[int, int]:
        """Return how many leaves there are, and the size of the newest checkpoint, both of one moment."""

    def leaf_of(self, lane_id: int, sequence: int) -> int | None:
        """Return the index of the receipt that covers an event, None where it is not in the log yet."""

    def leaves(self, first: int, end: int) -> Iterator[Leaf]:
        """Yield the leaves `first` to `end` − 1, in order."""

    def receipts(self, first: int, end: int) -> Iterator[tuple[int, bytes]]:
        """Yield index and receipt of the leaves `first` to `end` − 1, in order."""

    def tile(self, level: int, index: int) -> bytes | None:
        """Return the hashes of a tile that is stored, None where it is not."""

    def checkpoint(self, size: int) -> StoredCheckpoint | None:
        """Return the checkpoint of exactly this size."""

    def newest(self) -> StoredCheckpoint | None:
        """Return the newest checkpoint."""

    def checkpoints(self, after: int) -> Iterator[StoredCheckpoint]:
        """Yield the checkpoints of more than `after` leaves, in order."""

    def size_upto(self, size: int) -> int:
        """Return the size of the newest checkpoint of at most this size, 0 where there is none."""

    def notes(self, after: int, limit: int) -> list[tuple[int, bytes]]:
        """Return size and note of up to `limit` checkpoints of more than `after` leaves, in order."""

    def cosignatures(self, size: int) -> list[StoredCosignature]:
        """Return the cosignatures under the checkpoint of this size, in the order in which they came."""

    def cosigned(self, after: int, centers: Collection[str], *, newest: bool) -> int | None:
        """Return the first or newest size above `after` of a checkpoint that more than half of `centers` cosigned."""

    def lanes_behind(self) -> list[tuple[int, int]]:
        """Return the lanes whose end is not in the log, in their order, and up to where each of them is."""

    def receipts_behind(self, lane_id: int, after: int, limit: int) -> list[tuple[int, bytes]]:
        """Return last sequence and note of up to `limit` receipts of a lane that end behind `after`, in order."""

    def behind(self) -> int:
        """Return how many receipts are no leaf yet."""

    def owed(self) -> tuple[int, int]:
        """Return how many receipts the ledger has to come to again, and how many leaves have lost theirs for good."""

    def begun(self) -> int:
        """Return the largest size up to which a person has let leaves be lost, 0 where there is none."""

    def evidence(self) -> list[bytes]:
        """Return the checkpoints that were kept because they do not fit HQ's log, the largest first."""

    def newest_quarantined(self) -> int:
        """Return the number of the newest quarantined record, 0 where there is none."""

    def strange_cosignatures(self, after: int, upto: int) -> Iterator[tuple[str, str, bytes]]:
        """Yield center, reason and bytes of the quarantined cosignatures that speak of another log, in their order.

        They are the records of a number above `after`, and `upto` at most.
        """

    def witnesses(self) -> Witnesses:
        """Return who may cosign by the entities' rows, which nobody has verified."""

    def hearing(self, witnesses: Witnesses) -> Mapping[str, Heard]:
        """Return how far HQ has heard each center that has a witness key, by its id."""
