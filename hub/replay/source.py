"""The ledger as it was written: rows, with nothing believed and nothing worked out.

Everything that audits or replays reads through here, so that what was moved to the archive is covered by all of it.
The database is opened to be read alone; the lanes' sizes are read once, and what is committed later is not looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Final, Self

from hub.ledger.segment import SUFFIX, Segment
from hub.protocol.errors import Fatal, Malformed
from hub.store.depot import Depot, fetch, open_depot
from hub.store.opener import Place, open_reader
from hub.store.reader import LedgerReader, Unreadable
from hub.store.rows import StoredEvent, StoredLane, StoredReceipt, StoredSegment

SEGMENTS_KEPT: Final = 4


class Ledger:
    """HQ's ledger through a reader: the archive's bytes filled in. For one process and thread; close it, or use `with`.

    Shapes: `lanes` are those that are looked at, with the sizes that they had when the ledger was opened.
    Errors: as LedgerReader's, of every method.
    """

    def __init__(self, reader: LedgerReader, lanes: Sequence[StoredLane] | None = None) -> None:
        self.reader = reader
        self._depots: dict[str, Depot] = {}
        self._kept: dict[tuple[int, int, int], dict[int, bytes]] = {}  # lane and range of segments read last
        self.lanes: list[StoredLane] = list(reader.lanes() if lanes is None else lanes)

    @classmethod
    def open(cls, place: Place) -> Self:
        """Open HQ's database. Errors: UsageError where there is none; Fatal where it is not readable or not ours."""
        reader = open_reader(place)
        try:
            return cls(reader)
        except Unreadable as exc:
            reader.close()
            raise Fatal(f"{reader.location}: cannot be read as HQ's database: {exc.why}") from exc

    def now(self) -> Self:
        """Return the ledger with the lanes as they are by now, through the same reader."""
        return type(self)(self.reader)

    def close(self) -> None:
        """Close the reader. Idempotent."""
        self.reader.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def receipts(self, lane: StoredLane, after: int = 0, upto: int | None = None) -> Iterator[StoredReceipt]:
        """Yield the receipts of a lane whose events lie behind `after`, up to `upto` (or the lane's size), in order."""
        return self.reader.receipts(lane.id, after, lane.size if upto is None else min(upto, lane.size))

    def events(self, lane_id: int, first: int, last: int) -> list[StoredEvent]:
        """Return the rows `first` to `last` of a lane, in order; those that are missing are missing.

        The bytes of archived ones are filled in; a row that is in no segment stays without. Errors: as `segment`, too.
        """
        rows = self.reader.events(lane_id, first, last)
        if all(row.data for row in rows):
            return rows
        return [row if row.data else row._replace(data=self.archived(lane_id, row.sequence) or b"") for row in rows]

    def event(self, lane_id: int, sequence: int) -> StoredEvent | None:
        """Return one row."""
        found = self.events(lane_id, sequence, sequence)
        return found[0] if found else None

    def segment(self, stored: StoredSegment) -> Segment:
        """Return a segment's content. Errors: Fatal where it is missing or damaged; Retriable; UsageError (depot)."""
        depot = self._depots.get(stored.location)
        if depot is None:
            depot = self._depots[stored.location] = open_depot(stored.location)
        try:
            return Segment.from_bytes(fetch(depot, stored.digest, SUFFIX))
        except Malformed as exc:
            raise Fatal(f"archive {stored.location}: {stored.digest.hex()}{SUFFIX}: {exc}") from exc

    def archived(self, lane_id: int, sequence: int) -> bytes | None:
        """Return the bytes that the archive has of an event, None where no segment has it. Errors: as `segment`."""
        for (lane, first, last), found in self._kept.items():
            if lane == lane_id and first <= sequence <= last:
                return found.get(sequence)
        stored = self.reader.segment_of(lane_id, sequence)
        if stored is None:
            return None
        found = {event["sequence"]: event["data"] for event in self.segment(stored).events}
        if len(self._kept) >= SEGMENTS_KEPT:
            self._kept.pop(next(iter(self._kept)))
        self._kept[lane_id, stored.first, stored.last] = found
        return found.get(sequence)
