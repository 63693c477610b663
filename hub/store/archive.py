"""Moves old commits out of the database: their bytes into segments of an archive, every other column stays.

    choose whole commits → write a segment → read it back and compare → note it in SQL → only then empty the rows' bytes

If we crash anywhere before the note, the same segment is written again, to the same name. After it, the next run
empties what is left. The hq lane stays: every verdict is judged under it, and it is small.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Self

from hub.ledger.segment import SUFFIX, Segment
from hub.protocol.errors import Fatal, Malformed, Retriable, UsageError
from hub.protocol.moment import to_us
from hub.protocol.tree import leaf_hash
from hub.store.depot import Depot, fetch, open_depot
from hub.store.rows import StoredSegment, archived_commit, columns
from hub.store.sqlite_query import BUSY_MS
from hub.store.sqlite_reader import SqliteReader

SEGMENT_EVENTS_MAX: Final = 10_000
SEGMENT_BYTES_MAX: Final = 8 * 1024 * 1024
EMPTIED_AT_ONCE: Final = 1_000  # rows a transaction: the worker waits for no longer


@dataclass(frozen=True, slots=True)
class Archived:
    """One segment that was, or would be, written: a lane's events `first` to `last`."""

    origin: str
    first: int
    last: int
    digest: str
    size_bytes: int  # of the file
    freed_bytes: int  # in the database


class Archiver:
    """Archives one database. Close it, or use `with`.

    Errors: UsageError where there is no database; Retriable while another process writes.
    """

    def __init__(self, database: Path) -> None:
        if not database.exists():
            raise UsageError(f"{database}: there is no hub here yet")
        self._db = sqlite3.connect(database, isolation_level=None, timeout=BUSY_MS / 1000)
        self._db.execute("PRAGMA synchronous=FULL")
        self._reader = SqliteReader(str(database), self._db)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

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
            with self._writing():
                if self._newest() != previous:
                    raise Retriable("another process archives this database; nothing was lost, run it again later")
                first, last = segment.first, segment.last
                self._db.execute(
                    f"INSERT INTO segment({columns(StoredSegment)}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
                    StoredSegment(digest, lane_id, first, last, previous, depot.location, len(data), to_us(now)),
                )
            # If we crash here, both have the bytes, and the next run goes on with this.
            freed = self._empty(lane_id, segment.first, segment.last)
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
        with self._writing():
            self._db.execute("UPDATE segment SET location = ? WHERE location = ?", (depot.location, old_location))
        return len(digests)

    def compact(self) -> None:
        """Give the space that archiving freed back to the disk. Errors: Retriable while a worker runs."""
        try:
            self._db.execute("VACUUM")
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.OperationalError as exc:
            raise Retriable(f"the database is in use ({exc}): stop the worker, then compact") from exc

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
            self._empty(newest.lane_id, newest.first, newest.last)

    def _empty(self, lane_id: int, first: int, last: int) -> int:
        freed = 0
        for at in range(first, last + 1, EMPTIED_AT_ONCE):
            span = (lane_id, at, min(at + EMPTIED_AT_ONCE - 1, last))
            where = "WHERE lane_id = ? AND sequence BETWEEN ? AND ? AND data <> x''"
            with self._writing():
                row = self._db.execute(f"SELECT coalesce(sum(length(data)), 0) FROM ledger {where}", span).fetchone()  # noqa: S608
                freed += int(row[0])
                self._db.execute(f"UPDATE ledger SET data = x'' {where}", span)  # noqa: S608
        return freed

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            self._db.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as exc:
            raise Retriable(f"the database is busy: {exc}") from exc
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
