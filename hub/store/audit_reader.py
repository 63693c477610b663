"""What an audit asks of HQ's database: the tables as they are, whatever stands in them.

A column may hold anything, whatever its type here says. A question whose answer is one row, or a few, raises
Unreadable, and the audit says what it could not look at. A walk goes through a whole table by its key: it yields every
row that can be read, and tells of each that can't be (`Unread`), so that one damaged page hides none of the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Literal, NamedTuple, Protocol

from hub.store.rows import StoredEntity, StoredEvent, StoredLane, StoredReceipt, StoredSegment

Unread = Callable[[str, str, str], None]
"""Told of a table, of the rows' key in words, and why they can't be read."""

Numbered = Literal["ledger", "receipt"]  # the tables whose rows go by a lane and a number in it


class Stray(NamedTuple):
    """A row that is in no lane or beyond its lane's end; `origin` is None where there is no such lane."""

    lane_id: int
    number: int
    origin: str | None


class Cursor(NamedTuple):
    """A lane, and how far its receipts are said to be in HQ's log."""

    lane_id: int
    origin: str
    logged: int


class LeafRow(NamedTuple):
    """A leaf of HQ's log, and the note of the receipt that it stands for: None where there is none, b"" unreadable.

    Shapes: lane and `last` are None of a leaf that is said to be lost.
    """

    leaf_index: int
    lane_id: int | None
    last: int | None
    hash: bytes
    note: bytes | None


class TileRow(NamedTuple):
    """A full tile of HQ's log."""

    level: int
    tile_index: int
    hashes: bytes


class CheckpointRow(NamedTuple):
    """A checkpoint of HQ's log."""

    size: int
    note: bytes
    edge: bytes
    signed_at_us: int


class CosignatureRow(NamedTuple):
    """A witness's line under the checkpoint of `size`."""

    size: int
    name: str
    key_id: bytes
    center: str
    value: bytes
    cosigned_at_us: int
    received_at_us: int


class MeasureRow(NamedTuple):
    """What a lane counts for, a decimal as text."""

    lane_id: int
    key: str
    value: str


class QuarantinedRow(NamedTuple):
    """A record that was kept without becoming an event."""

    id: int
    center: str
    kafka_offset: int
    digest: bytes
    data: bytes
    size_bytes: int


class EvidenceRow(NamedTuple):
    """Two notes that prove a fork."""

    origin: str
    size: int
    ours: bytes
    theirs: bytes


class AuditReader(Protocol):
    """HQ's tables as they are. Errors: Unreadable, of every method that is no walk."""

    # -- lanes and what belongs to them -----------------------------------------------------------------------------

    def lanes(self) -> list[StoredLane]:
        """Return every lane."""

    def origin(self, lane_id: int) -> str | None:
        """Return the origin of one lane, None where there is none of this number."""

    def end(self, table: Numbered, lane_id: int) -> int | None:
        """Return the highest number that a row of a lane has, None where it has no row with a number."""

    def count_events(self, lane_id: int) -> int:
        """Return how many ledger rows a lane has."""

    def receipt_notes(self, lane_id: int, limit: int) -> list[bytes]:
        """Return the notes of a lane's first receipts."""

    def events(self, lane_id: int, first: int, last: int) -> list[StoredEvent]:
        """Return the ledger rows `first` to `last` of a lane, in order. Errors: OverflowError, too."""

    def receipts(self, lane_id: int, first: int, last: int) -> list[StoredReceipt]:
        """Return the receipts of a lane that end at `first` to `last`, in order. Errors: OverflowError, too."""

    def walk_receipts(self, lane_id: int, after: int, upto: int, unread: Unread) -> Iterator[StoredReceipt]:
        """Yield the receipts of a lane that end behind `after`, up to `upto`, in order."""

    def segment_end(self, lane_id: int, sequence: int) -> int | None:
        """Return where the segment ends that should have an event; None where there is none."""

    def walk_segments(self, unread: Unread) -> Iterator[StoredSegment]:
        """Yield the segments of the archive in the order in which they were written."""

    # -- what follows from the ledger -------------------------------------------------------------------------------

    def entities(self, stream: str, ids: Sequence[str]) -> list[StoredEntity]:
        """Return the entities of a stream that have these ids, in any order."""

    def count_entities(self, center: str) -> int:
        """Return how many entities a center has."""

    def walk_entity_keys(self, center: str, unread: Unread) -> Iterator[tuple[str, str]]:
        """Yield stream and id of a center's entities, in their order."""

    def walk_measures(self, lane_id: int, unread: Unread) -> Iterator[MeasureRow]:
        """Yield the measures of a lane by key."""

    # -- HQ's log ---------------------------------------------------------------------------------------------------

    def walk_leaves(self, unread: Unread) -> Iterator[LeafRow]:
        """Yield the leaves by index, each with the note of its receipt."""

    def walk_tiles(self, level: int, unread: Unread) -> Iterator[TileRow]:
        """Yield the tiles of a level by index."""

    def tiles_beyond(self, levels: int) -> list[tuple[int, int]]:
        """Return level and index of the tiles that stand on none of the first `levels` levels."""

    def walk_checkpoints(self, unread: Unread) -> Iterator[CheckpointRow]:
        """Yield the checkpoints by size."""

    def walk_cosignatures(self, unread: Unread) -> Iterator[CosignatureRow]:
        """Yield the cosignatures by size, name and key."""

    def cursors(self) -> list[Cursor]:
        """Return how far every lane is said to be in HQ's log."""

    def unlogged(self, lane_id: int, upto: int) -> list[tuple[int, int]]:
        """Return first and last event of a lane's receipts up to `upto` that are no leaf of HQ's log."""

    # -- what nothing leads to --------------------------------------------------------------------------------------

    def strays(self, table: Numbered) -> list[Stray]:
        """Return the rows that are in no lane, beyond their lane's end, or under no number, in their order."""

    def measures_of_nobody(self) -> list[tuple[int, str]]:
        """Return lane and key of the measures whose lane there is not."""

    def entities_of_nobody(self) -> list[tuple[str, str]]:
        """Return stream and id of the entities whose center has no lane."""

    def walk_quarantine(self, unread: Unread) -> Iterator[QuarantinedRow]:
        """Yield the records that were kept without becoming events."""

    def walk_evidence(self, unread: Unread) -> Iterator[EvidenceRow]:
        """Yield the pairs of notes that prove forks, by origin and size."""
