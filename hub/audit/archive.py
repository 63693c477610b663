"""The archive's segments checked: each is there and has its digest, the chain is unbroken, the database says the same.

The bytes of events are checked with their lanes (hub/audit/lane.py), wherever they are read from. Here is what
only the segments have: their files, their headers, their order, and a second copy of every column.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from operator import itemgetter
from typing import Any, Final, TypeVar

from hub.audit.findings import Findings, What
from hub.ledger.segment import COMMIT_COLUMNS, EVENT_COLUMNS, SUFFIX, Segment
from hub.protocol.errors import CohubError
from hub.replay.source import Ledger
from hub.store.depot import Depot, fetch, open_depot
from hub.store.reader import Unreadable
from hub.store.rows import StoredEvent, StoredReceipt, StoredSegment

AT_ONCE: Final = 512  # rows that are compared at once
_of_commit = itemgetter(*COMMIT_COLUMNS)
_of_event = itemgetter(*EVENT_COLUMNS)

R = TypeVar("R", bound=StoredEvent | StoredReceipt)


class ArchiveCheck:
    """The check of all segments, in the order in which they were written. One of them is in memory."""

    def __init__(self, ledger: Ledger, findings: Findings) -> None:
        self.segments = 0
        self._reader = ledger.reader.audit
        self._findings = findings
        self._origins = {lane.id: lane.origin for lane in ledger.lanes}
        self._depots: dict[str, Depot] = {}
        self._covered: dict[int, int] = {}  # lane's number → end of its archived range
        self._newest: bytes | None = None

    def check(self) -> None:
        """Check all of it."""
        for row in self._reader.walk_segments(self._findings.unread):
            self.segments += 1
            self._segment(row)

    def _segment(self, row: StoredSegment) -> None:
        digest, lane_id, first, last, previous, location, size_bytes, archived_at_us = row
        if type(digest) is not bytes or any(type(v) is not int for v in (lane_id, first, last, size_bytes)):
            self._tell(row, "its columns are of other types than they must be")
            return
        if previous != self._newest:
            self._tell(row, f"the segment before it is {_hex(self._newest)}, it names {_hex(previous)}")
        self._newest = digest
        upcoming = self._covered.get(lane_id, 0) + 1
        if first != upcoming:
            self._tell(row, f"it begins at {first}, the lane's archived range ends at {upcoming - 1}")
        self._covered[lane_id] = last
        if type(archived_at_us) is not int:
            self._tell(row, "archived_at_us is no number")
        if lane_id not in self._origins and (origin := self._origin(lane_id)) is not None:
            self._origins[lane_id] = origin  # a lane that was opened since the audit began
        try:
            data = self._fetch(location, digest)
            segment = Segment.from_bytes(data)
        except CohubError as exc:
            self._tell(row, exc)
            return
        except Exception as exc:  # noqa: BLE001 - a damaged location is refused in whatever way the platform has
            self._tell(row, f"{location!r} can't be read as a location: {type(exc).__name__}: {exc}")
            return
        said = (segment.origin, segment.first, segment.last, segment.previous, len(data))
        kept = (self._origins.get(lane_id), first, last, previous, size_bytes)
        wrong = [
            f"{name} is {_hex(a)}, the file says {_hex(b)}"
            for name, a, b in zip(("lane", "first", "last", "previous", "size_bytes"), kept, said, strict=True)
            if a != b
        ]
        if wrong:
            self._tell(row, "; ".join(wrong))
        if segment.origin == self._origins.get(lane_id):
            self._rows(lane_id, digest, segment)

    def _origin(self, lane_id: int) -> str | None:
        try:
            origin = self._reader.origin(lane_id)
        except Unreadable:
            return None  # told where lanes are checked
        return origin if isinstance(origin, str) else None

    def _fetch(self, location: str, digest: bytes) -> bytes:
        depot = self._depots.get(location)
        if depot is None:
            depot = self._depots[location] = open_depot(location)
        return fetch(depot, digest, SUFFIX)

    def _tell(self, row: StoredSegment, detail: object) -> None:
        digest, lane_id, first, last = row[:4]
        numbers = type(first) is int and type(last) is int
        self._findings.add(
            What.ARCHIVE, "segment", self._origins.get(lane_id, f"#{lane_id}"),
            first if numbers else None, last if numbers else None, key=_hex(digest), detail=detail,
        )  # fmt: skip

    # -- what a segment says, beside the database's rows -----------------------------------------------------------

    def _rows(self, lane_id: int, digest: bytes, segment: Segment) -> None:
        origin, expected = segment.origin, segment.first
        for some in _blocks(segment.commits):
            receipts = self._kept(self._reader.receipts, lane_id, some[0]["last"], some[-1]["last"])
            kept = {row.last: row[1:] for row in receipts}  # a segment has no number of its lane
            for commit in some:
                first, last = commit["first"], commit["last"]
                numbers = [event["sequence"] for event in commit["events"]]
                if first != expected or numbers != list(range(first, last + 1)):
                    detail = f"segment {digest.hex()} has not every event of it, once"
                    self._findings.add(What.ARCHIVE, "segment", origin, first, last, key=digest.hex(), detail=detail)
                expected = last + 1
                row = kept.get(last)
                if row is None:
                    self._differ("receipt", origin, last, digest, "there is no such row in the database")
                elif row != _of_commit(commit):
                    self._differ("receipt", origin, last, digest, _words(COMMIT_COLUMNS, row, _of_commit(commit)))
        for some in _blocks(segment.events):
            events = self._kept(self._reader.events, lane_id, some[0]["sequence"], some[-1]["sequence"])
            rows = {row.sequence: row for row in events}
            for event in some:
                told = _of_event(event)
                found = rows.get(told[0])
                if found is None:
                    continue  # a row that is missing is told with its lane
                if found.data == b"":
                    found = found._replace(data=event["data"])  # moved
                if found[: len(told)] != told:
                    detail = _words(EVENT_COLUMNS, found[: len(told)], told)
                    self._differ("ledger", origin, told[0], digest, detail)

    def _kept(self, read: Callable[[int, int, int], list[R]], lane_id: int, first: int, last: int) -> list[R]:
        """Return the database's rows of a range; what can't be read is told with the lane."""
        try:
            return read(lane_id, first, last)
        except OverflowError:
            return []  # a number that no row can have
        except Unreadable:
            if first >= last:
                return []
        middle = (first + last) // 2
        return [*self._kept(read, lane_id, first, middle), *self._kept(read, lane_id, middle + 1, last)]

    def _differ(self, table: str, origin: str, number: int, digest: bytes, detail: str) -> None:
        detail = f"segment {digest.hex()[:16]}…: {detail}"
        self._findings.add(What.ARCHIVE, table, origin, number, detail=detail)


def _blocks(rows: Any) -> Iterator[Sequence[Mapping[str, Any]]]:
    it = iter(rows)
    while some := list(islice(it, AT_ONCE)):
        yield some


def _words(names: Sequence[str], kept: Sequence[object], told: Sequence[object]) -> str:
    pairs = zip(names, kept, told, strict=True)
    return "; ".join(f"{n} is {_hex(a)[:40]}, the segment has {_hex(b)[:40]}" for n, a, b in pairs if a != b)


def _hex(value: object) -> str:
    if isinstance(value, bytes):
        return value.hex()
    return "none" if value is None else str(value)
