"""The ledger as it was written: rows, with nothing believed and nothing worked out.

Everything that audits or replays reads through here, so that what was moved to the archive is covered by all of it.
The database is opened read-only; the lanes' sizes are read once, and what is committed later is not looked at.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from hub.domain.catalogue import KINDS
from hub.ledger.reading import Pending
from hub.ledger.segment import SUFFIX, Segment
from hub.protocol.errors import Fatal, Malformed, UsageError
from hub.protocol.receipt import Decision
from hub.protocol.record import SEAL_HEADER, split_canonical
from hub.protocol.tree import leaf_hash
from hub.protocol.value import value_class
from hub.protocol.verdict import Code
from hub.store.depot import Depot, fetch, open_depot

BUSY_MS: Final = 10_000
SEGMENTS_KEPT: Final = 4
_EVENT: Final = (
    "sequence, data, digest, code, field, params, key, type, subject, occurred_at_us, version,"
    " previous_lane_id, previous"
)
_RECEIPT: Final = "lane_id, first, last, seal, edge, note, recorded_at_us, basis, state_digest"


@value_class
class StoredEvent:
    """A ledger row. `data` is the canonical bytes; `version` that of the entity after it, 0 where not accepted."""

    sequence: int
    data: bytes
    digest: bytes
    code: str
    field: str
    params: str
    key: bytes | None
    type: str
    subject: str
    occurred_at_us: int | None
    version: int
    previous_lane_id: int | None
    previous: int | None

    @property
    def stream(self) -> str:
        """The stream of its entity, '' where the type is none of ours."""
        kind = KINDS.get(self.type)
        return kind.stream if kind else ""

    @property
    def accepted(self) -> bool:
        """Whether HQ accepted it."""
        return self.code == Code.ACCEPTED

    @property
    def line(self) -> str:
        """The line that a receipt must have for it, if it was not accepted."""
        return Decision(self.sequence, self.code, self.field, self.params).to_text()

    def split(self) -> tuple[list[tuple[str, bytes | None]], bytes]:
        """Return its signed headers and value, nothing where the bytes are no event's."""
        try:
            return split_canonical(self.data)
        except Malformed:
            return [], b""


@value_class
class StoredReceipt:
    """A receipt row: `first` to `last` of one lane, its seal and receipt notes, the lane's edge after `last`."""

    lane_id: int
    first: int
    last: int
    seal: bytes
    edge: bytes
    note: bytes
    recorded_at_us: int
    basis: int
    state_digest: bytes | None


@dataclass(frozen=True, slots=True)
class StoredLane:
    """A lane row as it was when the ledger was opened."""

    id: int
    origin: str
    center: str
    epoch: str
    size: int
    edge: bytes
    state_digest: bytes
    recorded_at_us: int
    closed_by: str | None
    missing: int
    logged: int


@value_class
class StoredSegment:
    """A range of a lane whose bytes are in the archive, in the file that `digest` names; `previous` came before."""

    digest: bytes
    lane_id: int
    first: int
    last: int
    previous: bytes | None
    location: str
    size_bytes: int
    archived_at_us: int


@value_class
class Replayed:
    """A ledger row as the record that it was, in the shape of one from Kafka. Offsets and broker times are not kept."""

    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]
    offset: int = 0
    timestamp: int = 0
    timestamp_type: int | None = None


def pending(event: StoredEvent, seal: bytes | None) -> Pending:
    """Return the event as taking handed it to deciding; its leaf is worked out of the bytes, not read."""
    headers, value = event.split()
    key = event.subject.encode() if event.key is None else event.key
    record = Replayed(key, value or None, [*headers, *([(SEAL_HEADER, seal)] if seal else [])])
    return Pending(event.sequence, record, dict(record.headers), event.data, leaf_hash(event.data), seal)


class Ledger:
    """HQ's database, opened to be read alone. One for each process and thread; close it, or use `with`."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self.db = connection
        self._depots: dict[str, Depot] = {}
        self._kept: dict[tuple[int, int, int], dict[int, bytes]] = {}  # lane and range of segments read last
        self.lanes: list[StoredLane] = [
            StoredLane(*row)
            for row in connection.execute(
                "SELECT id, origin, center, epoch, size, edge, state_digest, recorded_at_us, closed_by, missing,"
                " coalesce(upto, 0) FROM lane LEFT JOIN logged ON lane_id = id ORDER BY id"
            )
        ]

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open HQ's database. Errors: UsageError where there is none; Fatal where it is not readable or not ours."""
        if not path.exists():
            raise UsageError(f"{path}: there is no database; expected HQ's data directory")
        try:
            connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_MS / 1000)
            connection.execute("PRAGMA query_only=1")
            return cls(path, connection)
        except sqlite3.Error as exc:
            raise Fatal(f"{path}: cannot be read as HQ's database: {exc}") from exc

    def close(self) -> None:
        """Close the connection. Idempotent."""
        self.db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def receipts(self, lane: StoredLane, after: int = 0, upto: int | None = None) -> Iterator[StoredReceipt]:
        """Yield the receipts of a lane whose events lie behind `after`, up to `upto` (or the lane's size), in order."""
        end = lane.size if upto is None else min(upto, lane.size)
        rows = self.db.execute(
            f"SELECT {_RECEIPT} FROM receipt WHERE lane_id = ? AND last > ? AND last <= ? ORDER BY last",  # noqa: S608
            (lane.id, after, end),
        )
        yield from (StoredReceipt(*row) for row in rows)

    def events(self, lane_id: int, first: int, last: int) -> list[StoredEvent]:
        """Return the rows `first` to `last` of a lane, in order; those that are missing are missing."""
        rows = self.db.execute(
            f"SELECT {_EVENT} FROM ledger WHERE lane_id = ? AND sequence BETWEEN ? AND ? ORDER BY sequence",  # noqa: S608
            (lane_id, first, last),
        )
        return self._with_data(lane_id, [StoredEvent(*row) for row in rows])

    def event(self, lane_id: int, sequence: int) -> StoredEvent | None:
        """Return one row."""
        found = self.events(lane_id, sequence, sequence)
        return found[0] if found else None

    def segments(self) -> list[StoredSegment]:
        """Return the segments of the archive, the oldest first."""
        rows = self.db.execute(
            "SELECT digest, lane_id, first, last, previous, location, size_bytes, archived_at_us FROM segment"
            " ORDER BY rowid"
        )
        return [StoredSegment(*row) for row in rows]

    def segment(self, stored: StoredSegment) -> Segment:
        """Return a segment's content. Errors: Fatal where it is missing or damaged; Retriable; UsageError (depot)."""
        depot = self._depots.get(stored.location)
        if depot is None:
            depot = self._depots[stored.location] = open_depot(stored.location)
        try:
            return Segment.from_bytes(fetch(depot, stored.digest, SUFFIX))
        except Malformed as exc:
            raise Fatal(f"archive {stored.location}: {stored.digest.hex()}{SUFFIX}: {exc}") from exc

    def _with_data(self, lane_id: int, events: list[StoredEvent]) -> list[StoredEvent]:
        """Fill in the bytes of rows that were archived; a row that is in no segment stays without.

        Errors: as `segment`.
        """
        if all(event.data for event in events):
            return events
        return [
            event if event.data else replace(event, data=self.archived(lane_id, event.sequence) or b"")
            for event in events
        ]

    def archived(self, lane_id: int, sequence: int) -> bytes | None:
        """Return the bytes that the archive has of an event, None where no segment has it. Errors: as `segment`."""
        for (lane, first, last), found in self._kept.items():
            if lane == lane_id and first <= sequence <= last:
                return found.get(sequence)
        row = self.db.execute(
            "SELECT digest, lane_id, first, last, previous, location, size_bytes, archived_at_us FROM segment"
            " WHERE lane_id = ? AND last >= ? ORDER BY last LIMIT 1",
            (lane_id, sequence),
        ).fetchone()
        if row is None or row[2] > sequence:
            return None
        stored = StoredSegment(*row)
        found = {event["sequence"]: event["data"] for event in self.segment(stored).events}
        if len(self._kept) >= SEGMENTS_KEPT:
            self._kept.pop(next(iter(self._kept)))
        self._kept[lane_id, stored.first, stored.last] = found
        return found.get(sequence)
