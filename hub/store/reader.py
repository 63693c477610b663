"""What can be asked of HQ's database by whoever reads the past: every statement, under the name of its question.

    LedgerReader   lanes, events, receipts, segments, all as of one moment if wanted     replay, audit, evidence
    EntityReader   entities, their histories, what was rejected                           replay, evidence
    AuditReader    the same tables as they are, damaged perhaps (`audit_reader`)          audit
    LogRows        HQ's log (`log_rows`), on which a LogReader makes proofs (`log`)       everybody

Whoever asks keeps the question and what follows from the answer; nothing outside of hub/store has SQL. A reader looks
at a SQLite file: HQ's own, or a mirror of a database elsewhere (docs/adr/0015). `hub.store.opener` opens it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from hub.protocol.errors import Fatal
from hub.store.audit_reader import AuditReader
from hub.store.log import LogReader
from hub.store.rows import (
    Archivable,
    HistoryLink,
    Newest,
    RejectedRow,
    StoredEvent,
    StoredLane,
    StoredReceipt,
    StoredSegment,
    StoredStretch,
    Touch,
)


class Unreadable(Fatal):
    """The database does not give this back: its file is damaged, locked for long, or not HQ's.

    Shapes: `why` is the engine's text. An audit tells it and goes on; any other reader ends.
    """

    def __init__(self, location: str, why: str) -> None:
        super().__init__(f"{location}: cannot be read: {why}; `hub audit verify` tells what of it")
        self.why = why


class EntityReader(Protocol):
    """Entities as HQ's database has them, and the events that they came from. Errors: Unreadable, of every method."""

    def newest(self, stream: str, entity_id: str) -> Newest | None:
        """Return where an entity's newest event stands, None for one that HQ never accepted."""

    def page(self, stream: str, after: str, limit: int) -> list[Newest]:
        """Return up to `limit` entities of a stream behind an id, in the order of their ids."""

    def document(self, stream: str, entity_id: str) -> tuple[Newest, str] | None:
        """Return an entity's newest event with its document, None for one that HQ never accepted."""

    def documents(self, stream: str, center: str = "") -> list[str]:
        """Return the documents of a stream, of one center or all, in the order of their ids."""

    def documents_of(self, center: str) -> list[str]:
        """Return the documents of every entity of a center."""

    def naming(self, stream: str, field: str, entity_id: str) -> list[str]:
        """Return the ids of the entities of a stream whose record has this id in a field, in their order."""

    def chain(self, lane_id: int, sequence: int) -> Iterator[HistoryLink]:
        """Yield that accepted event, then the one before it of the same entity, and so on as far as the links lead.

        Each is looked up when it is asked for.
        """

    def rejected(self, entity_id: str) -> list[RejectedRow]:
        """Return where the events stand that named this id and were not accepted, of any stream and center."""

    def rejected_types(self, entity_id: str) -> list[str]:
        """Return the types of those events, each once."""


class LedgerReader(Protocol):
    """One HQ database, opened to be read alone. For one process and thread. Errors: Unreadable, of every method."""

    @property
    def location(self) -> str:
        """Where the database is, as messages name it."""

    @property
    def entities(self) -> EntityReader:
        """Its entities."""

    @property
    def log(self) -> LogReader:
        """HQ's log, read from the LogRows of this database."""

    @property
    def audit(self) -> AuditReader:
        """Its tables as they are."""

    def close(self) -> None:
        """Close the database. Idempotent."""

    def snapshot(self) -> AbstractContextManager[None]:
        """Let all that is read inside be of one moment; inside another snapshot, of that one's."""

    def lanes(self) -> list[StoredLane]:
        """Return every lane, in the order in which HQ met them."""

    def receipts(self, lane_id: int, after: int, upto: int) -> Iterator[StoredReceipt]:
        """Yield the receipts of a lane that end behind `after`, up to `upto`, in order; read as they are asked for."""

    def covering(self, lane_id: int, sequence: int) -> StoredStretch | None:
        """Return the first receipt of a lane that ends at or behind an event: the one that covers it, if any does."""

    def ends_recorded(self, lane_id: int, since_us: int, before_us: int, upto: int) -> tuple[int, int] | None:
        """Return where the first and the last receipt end that were recorded from `since_us` to before `before_us`.

        Shapes: only receipts that end at `upto` or before; None where there is none.
        """

    def steps_back(self, lane_id: int, upto: int) -> list[tuple[int, int]]:
        """Return after which receipts, that end at `upto` or before, a lane's time went back: their ends, and to when.

        Units: microseconds since 1970.
        """

    def events(self, lane_id: int, first: int, last: int) -> list[StoredEvent]:
        """Return the rows `first` to `last` of a lane in order, as they are stored; those missing are missing."""

    def accepted(self, lane_id: int, first: int, last: int) -> list[tuple[int, bytes]]:
        """Return sequence and bytes of the accepted ones among these rows, in order."""

    def data(self, lane_id: int, first: int, last: int) -> list[tuple[int, bytes]]:
        """Return sequence and bytes of these rows, in order."""

    def digests(self, lane_id: int, first: int, last: int) -> list[bytes]:
        """Return the digests of these rows, in order."""

    def touches(self, lane_id: int, after: int, upto: int) -> list[Touch]:
        """Return whom the accepted events behind `after`, up to `upto`, are about, in order."""

    def leaf_of(self, lane_id: int, last: int) -> int | None:
        """Return the index in HQ's log of the receipt that ends there, None where it is in none."""

    # -- the archive ------------------------------------------------------------------------------------------------

    def archivable(self) -> list[Archivable]:
        """Return how far a center's lanes may be archived and how far they are: of those logged and published at all.

        The hq lane stays.
        """

    def receipts_before(self, lane_id: int, after: int, upto: int, before_us: int) -> list[StoredReceipt]:
        """Return the receipts of a lane that `receipts` yields, up to the last that was recorded before a moment.

        What stands in front of that was recorded before it, whatever a clock that was ahead has called the time.
        """

    def newest_segment(self) -> StoredSegment | None:
        """Return the segment that was written last."""

    def segments(self) -> Sequence[StoredSegment]:
        """Return the segments of the archive, the oldest first."""

    def segment_of(self, lane_id: int, sequence: int) -> StoredSegment | None:
        """Return the segment that has the bytes of an event, None where they were not archived."""
