"""Moves old commits out of the database: their bytes into segments of an archive, every other column stays.

    choose whole commits → write a segment → read it back and compare → note it in SQL → only then empty the rows' bytes

If we crash anywhere before the note, the same segment is written again, to the same name. After it, the next run
empties what is left. The hq lane stays: every verdict is judged under it, and it is small.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, Final, Protocol, Self

from hub.ledger.segment import SUFFIX, Segment
from hub.protocol.errors import Fatal, Malformed, UsageError
from hub.protocol.moment import to_us
from hub.protocol.tree import leaf_hash
from hub.store.depot import Depot, fetch, open_depot
from hub.store.reader import LedgerReader
from hub.store.rows import StoredSegment, archived_commit

SEGMENT_EVENTS_MAX: Final = 10_000
SEGMENT_BYTES_MAX: Final = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Archived:
    """One segment that was, or would be, written: a lane's events `first` to `last`."""

    origin: str
    first: int
    last: int
    digest: str
    size_bytes: int  # of the file
    freed_bytes: int  # in the database


class ArchiveWriter(Protocol):
    """What archiving writes into HQ's database, and the reader that sees it: live, beside a worker (docs/adr/0015).

    Each method writes all of it or nothing, but `empty`, which may stop between two rows. After an error any of them
    may be asked again, also where it was done and its answer was lost.
    Errors: Retriable while another process writes; Fatal for a full disk.
    """

    @property
    def reader(self) -> LedgerReader:
        """Reads the same database."""

    def close(self) -> None:
        """Close the database. Idempotent."""

    def note(self, segment: StoredSegment) -> None:
        """Note a segment that the archive has. Errors: Retriable where another came behind its `previous` meanwhile."""

    def empty(self, lane_id: int, first: int, last: int) -> int:
        """Let go of the bytes of these rows; return how many there were. Rows that are empty already stay so."""

    def move(self, old: str, new: str) -> None:
        """Note that the segments of one place are at another now."""

    def compact(self) -> None:
        """Give the space that was freed back to the disk. Errors: Retriable while a worker runs."""


class Archiver:
    """Archives one database (`hub.store.opener.open_archiver`). Close it, or use `with`."""

    def __init__(self, writer: ArchiveWriter) -> None:
        self._writer = writer
        self._reader = writer.reader

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.close()

    def plan(self, before: datetime) -> Iterator[Archived]:
        """Yield what `archive` would move, without writing anything; digest and size stay unknown until it does."""
        for lane_id, origin, commits in self._due(before):
            freed = sum(len(event["data"]) for commit in commits for event in commit["events"])
            segment = Segment.of(origin, None, commits)
            self._check(origin, segment)
            yield Archived(origin, segment.first, segment.last, "", 0, freed)
            del lane_id

    def archive(self, depot: Depot, before: datetime, now: datetime) -> Iterator[Archived]:
        """Move every commit that was recorded before `before`, and tell of each segment when it is done.

        Only what is in HQ's log and published moves, and only whole commits.
        Errors: Fatal for a ledger that is damaged (nothing of that segment is moved) and for a depot that does not
                give back what it was given; UsageError, Retriable from the depot; Retriable for a second archiver.
        """
        self._empty_rest()
        for lane_id, origin, commits in self._due(before):
            previous = self._newest()
            segment = Segment.of(origin, previous, commits)
            self._check(origin, segment)
            data = segment.to_bytes()
            digest = sha256(data).digest()
            depot.put(digest.hex() + SUFFIX, data)
            self._see_that_it_is_there(depot, digest, segment)
            first, last = segment.first, segment.last
            self._writer.note(
                StoredSegment(digest, lane_id, first, last, previous, depot.location, len(data), to_us(now))
            )
            # If we crash here, both have the bytes, and the next run goes on with this.
            freed = self._writer.empty(lane_id, first, last)
            yield Archived(origin, segment.first, segment.last, digest.hex(), len(data), freed)

    def moved(self, old: str, new: str, on_each: Callable[[int, int], None] = lambda _done, _of: None) -> int:
        """Note that the segments of one place are at another now, after reading every one of them there.

        Errors: UsageError where nothing is noted at `old`; as `fetch`, where one is missing or damaged at `new`.
        """
        depot = open_depot(new)
        old_location = open_depot(old).location
        digests = [segment.digest for segment in self._reader.segments() if segment.location == old_location]
        if not digests:
            raise UsageError(f"no segment is noted at {old_location}; `hub ledger segments` lists where they are")
        for number, digest in enumerate(digests, 1):
            fetch(depot, digest, SUFFIX)
            on_each(number, len(digests))
        self._writer.move(old_location, depot.location)
        return len(digests)

    def compact(self) -> None:
        """Give the space that archiving freed back to the disk. Errors: Retriable while a worker runs."""
        self._writer.compact()

    def _due(self, before: datetime) -> Iterator[tuple[int, str, list[dict[str, Any]]]]:
        for lane_id, origin, upto, at in self._reader.archivable():
            commits: list[dict[str, Any]] = []
            events = size = 0
            for receipt in self._reader.receipts_before(lane_id, at, upto, to_us(before)):
                commit = archived_commit(receipt, self._reader.events(lane_id, receipt.first, receipt.last))
                more = sum(len(event["data"]) for event in commit["events"])
                if commits and (events + len(commit["events"]) > SEGMENT_EVENTS_MAX or size + more > SEGMENT_BYTES_MAX):
                    yield lane_id, origin, commits
                    commits, events, size = [], 0, 0
                commits.append(commit)
                events, size = events + len(commit["events"]), size + more
            if commits:
                yield lane_id, origin, commits

    def _check(self, origin: str, segment: Segment) -> None:
        """What is damaged is not moved: it would look whole in the archive."""
        expected = segment.first
        for event in segment.events:
            if event["sequence"] != expected or leaf_hash(event["data"]) != event["digest"]:
                raise Fatal(
                    f"lane {origin}, sequence {expected}: the ledger is damaged there, and is left as it is; "
                    "`hub audit verify` tells what is wrong"
                )
            expected += 1
        if expected != segment.last + 1:
            raise Fatal(f"lane {origin}: event {expected} is missing in the ledger; `hub audit verify` tells more")

    def _see_that_it_is_there(self, depot: Depot, digest: bytes, segment: Segment) -> None:
        try:
            again = Segment.from_bytes(fetch(depot, digest, SUFFIX))
        except Malformed as exc:
            raise Fatal(f"archive {depot.location}: {digest.hex()}{SUFFIX} does not read back: {exc}") from exc
        if again != segment:
            raise Fatal(f"archive {depot.location}: {digest.hex()}{SUFFIX} reads back as something else")

    def _newest(self) -> bytes | None:
        newest = self._reader.newest_segment()
        return newest.digest if newest else None

    def _empty_rest(self) -> None:
        newest = self._reader.newest_segment()
        if newest:
            self._writer.empty(newest.lane_id, newest.first, newest.last)
