"""The lane: its epochs, its tree, its sealed batches, and the exact records of each."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from connectors.runtime.alarm_name import AlarmName
from connectors.runtime.outbox.beliefs import load_all, save
from connectors.runtime.outbox.database import Database
from connectors.runtime.outbox.meta import Meta, receipted, said_again
from connectors.runtime.outbox.queue import NewEvent, entity_id, next_id
from connectors.runtime.told import OfficeFatal
from hub.protocol.checkpoint import Checkpoint, sign_checkpoint
from hub.protocol.errors import Retriable
from hub.protocol.keys import Signer
from hub.protocol.limits import BATCH_BYTES_MAX, BATCH_EVENTS_MAX
from hub.protocol.moment import write_time
from hub.protocol.record import LANE_OPENED, SEAL_HEADER, canonical, origin_of, write_headers
from hub.protocol.tree import Edge, leaf_hash
from hub.protocol.value import value_class

HEADERS_BYTES_MAX: Final = 700  # names, values and framing of a record's headers, subject and traceparent apart
TRACEPARENT_BYTES: Final = 80
_COLUMNS: Final = "id, ce_id, type, subject, time, dataschema, value, correlation, causation, traceparent"


@dataclass(frozen=True, slots=True)
class Epoch:
    """One lane of this outbox. Event `id` has the sequence `id - base`."""

    number: int
    origin: str
    base: int
    opened_at: str
    reason: str

    @property
    def name(self) -> str:
        """The epoch as it stands in `ce_epoch`."""
        return self.origin.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Previous:
    """The lane that a new one continues: as HQ's newest receipt has it, or as we sealed it."""

    origin: str
    size: int
    root: bytes


@value_class
class LaneRecord:
    """One record as it goes to Kafka."""

    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class Batch:
    """A sealed batch: the events `first` to `last` of the lane; its last record carries the seal."""

    first: int
    last: int
    records: list[LaneRecord]


def _always(_dataschema: str) -> bool:
    """Every schema may be written."""
    return True


class Lane:
    """The open lane of one outbox, and the ones before it.

    What is kept in memory is the open epoch and its newest sealed edge; both are read again after a rollback.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._signers: tuple[tuple[str, bytes], list[Signer]] | None = None
        self.held: str | None = None  # type of the event that holds back the lane, for HQ has not announced its schema
        self.reload()

    def reload(self) -> None:
        """Read the open epoch and its edge from the file."""
        rows = self._database.read(
            "SELECT number, origin, base, opened_at, reason FROM epoch ORDER BY number DESC LIMIT 1"
        )
        self.epoch = Epoch(*rows[0]) if rows else None
        self.sealed = Edge()
        if self.epoch:
            self.sealed = self._edge_before(self.epoch.number, None)

    @property
    def origin(self) -> str:
        """The open lane's origin, '' while there is none."""
        return self.epoch.origin if self.epoch else ""

    @property
    def source(self) -> str:
        """The center that writes this lane."""
        return self.origin.split("/")[-2] if self.epoch else ""

    def own_origins(self) -> set[str]:
        """Return the origins of every lane that this outbox has opened."""
        return {row[0] for row in self._database.read("SELECT origin FROM epoch")}

    def unsealed(self, limit: int = -1) -> int:
        """Return how many events wait for a seal, counting no further than `limit`."""
        base = self.epoch.base + self.sealed.size if self.epoch else 0
        found = self._database.read("SELECT count(*) FROM (SELECT 1 FROM event WHERE id > ? LIMIT ?)", (base, limit))
        return int(found[0][0])

    def open(self, origin: str, reason: str, opened: NewEvent, now: datetime) -> None:
        """Open a new lane, `opened` being its first event; events that have no receipt follow in it, in their order.

        They keep their `ce_id` and get new ids. What was sealed of them in the lane before is forgotten, for nobody
        will ask for it: HQ closes that lane at the size that it has.
        """
        try:
            with self._database.transaction() as connection:
                self._open(connection, origin, reason, opened, now)
        finally:
            # Durable from here: the old lane is never written again, the new one begins with its first seal. A commit
            # that failed may have been done all the same: the file knows.
            self.reload()

    def _open(self, connection: sqlite3.Connection, origin: str, reason: str, opened: NewEvent, now: datetime) -> None:
        # The first lane begins at id 1, which the queue left free for this event.
        base = next_id(connection) - 1 if self.epoch else 0
        connection.execute(
            "INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 1, NULL, NULL, NULL)",
            (
                base + 1, opened.id, opened.type, opened.subject, write_time(opened.time), opened.dataschema,
                opened.value, opened.status, opened.digest,
            ),
        )  # fmt: skip
        if self.epoch is not None:
            self._move(connection, self.epoch, base)
        connection.execute(
            "INSERT INTO epoch VALUES (?, ?, ?, ?, ?)",
            (self.epoch.number + 1 if self.epoch else 1, origin, base, write_time(now), reason),
        )
        self._database.set_meta(AlarmName.DIVERGED, None)
        self._database.set_meta(Meta.MET, None)
        self._database.set_meta(Meta.EPOCH_WANTED, None)

    def _move(self, connection: sqlite3.Connection, epoch: Epoch, base: int) -> None:
        """Give every event of `epoch` that has no receipt its place behind event `base` + 1."""
        connection.execute("CREATE TEMP TABLE moved (old INTEGER PRIMARY KEY, new INTEGER NOT NULL)")
        connection.execute(
            "INSERT INTO moved SELECT id, ?1 + 1 + row_number() OVER (ORDER BY id) FROM event "
            "WHERE id > ?2 + ?3 AND id <= ?1 AND type <> ?4 AND NOT EXISTS "
            "(SELECT 1 FROM receipt WHERE epoch=?5 AND event.id - ?2 BETWEEN first AND last)",
            (base, epoch.base, self.receipted(), LANE_OPENED, epoch.number),
        )
        connection.execute(
            "INSERT INTO event SELECT new, ce_id, type, subject, time, dataschema, value, status, digest, creates, "
            "correlation, causation, traceparent FROM moved JOIN event ON id = old"
        )
        moved: dict[str, dict[int, int]] = {}
        for kind, subject, old, new in connection.execute(
            "SELECT type, subject, old, new FROM moved JOIN event ON id = old"
        ):
            moved.setdefault(entity_id(kind, subject), {})[old] = new
        for beliefs in load_all(connection, "inflight > 0"):
            save(
                connection,
                {entity: belief.renumber(moved[entity]) for entity, belief in beliefs.items() if entity in moved},
            )
        # What was sealed may have been sent, and what was sent may have been decided, in this epoch or one before it.
        ((sealed,),) = connection.execute("SELECT coalesce(max(last), 0) FROM batch WHERE epoch=?", (epoch.number,))
        sent = max(epoch.base + sealed, int(self._database.meta(said_again(epoch.number), 0)))
        ((upto,),) = connection.execute("SELECT max(new) FROM moved WHERE old <= ?", (sent,))
        if upto is not None:
            self._database.set_meta(said_again(epoch.number + 1), upto)
        connection.execute("DELETE FROM event WHERE id IN (SELECT old FROM moved)")
        connection.execute("DROP TABLE moved")

    def previous(self) -> Previous | None:
        """Return the lane that a new one would continue, as this outbox sealed it."""
        return Previous(self.epoch.origin, self.sealed.size, self.sealed.root) if self.epoch else None

    def seal(
        self, key: Signer, announced: Callable[[str], bool] = _always, long_key: Signer | None = None
    ) -> Batch | None:
        """Seal the next batch and return its records; None if no event waits, or the next one is `held`.

        Events go out in their order: the first whose `dataschema` is not announced holds back all behind it.

        When it returns, sequence numbers, digests and seal are on the disk: a crash before the first byte is sent, or
        at any byte after, leads to the same bytes again.
        """
        epoch = self.epoch
        if epoch is None:
            return None
        try:
            with self._database.transaction() as connection:
                rows = connection.execute(
                    f"SELECT {_COLUMNS} FROM event WHERE id > ? ORDER BY id LIMIT ?",  # noqa: S608  constants
                    (epoch.base + self.sealed.size, BATCH_EVENTS_MAX),
                ).fetchall()
                self.held = None
                if not all(map(announced, {row[5] for row in rows})):
                    first_held = next(n for n, row in enumerate(rows) if not announced(row[5]))
                    self.held, rows = rows[first_held][2], rows[:first_held]
                records = self._records(epoch, rows)
                if not records:
                    return None
                edge = self.sealed.append(leaf_hash(canonical(r.headers, r.value)) for r in records)
                note = self._sign(epoch.origin, edge, key, long_key)
                connection.execute(
                    "INSERT INTO batch VALUES (?, ?, ?, ?, ?, ?)",
                    (epoch.number, self.sealed.size + 1, edge.size, edge.to_bytes(), note, _ids(key, long_key)),
                )
        except Retriable:
            self.reload()  # a commit that failed may have been done all the same: the file knows
            raise
        first, self.sealed = self.sealed.size + 1, edge
        records[-1].headers.append((SEAL_HEADER, note))
        return Batch(first, edge.size, records)

    def load(self, sequence: int, key: Signer, long_key: Signer | None = None) -> Batch | None:
        """Return the sealed batch that `sequence` is in, byte for byte as it was; None if it was never sealed.

        Its seal is made again, over the same tree, if it is by other keys than ours now.
        Errors: Fatal, if the events are gone, or no longer give the tree that was sealed.
        """
        epoch = self.epoch
        if epoch is None:
            return None
        found = self._database.read(
            "SELECT first, last, edge, seal, key_id FROM batch WHERE epoch=? AND last>=? ORDER BY last LIMIT 1",
            (epoch.number, sequence),
        )
        if not found:
            return None
        first, last, edge, note, key_id = found[0]
        rows = self._database.read(
            f"SELECT {_COLUMNS} FROM event WHERE id BETWEEN ? AND ? ORDER BY id",  # noqa: S608  constants
            (epoch.base + first, epoch.base + last),
        )
        records = self._records(epoch, rows, limited=False)
        before = self._edge_before(epoch.number, first)
        after = before.append(leaf_hash(canonical(r.headers, r.value)) for r in records)
        if after.size != last or after.to_bytes() != edge:
            raise OfficeFatal("errors.sealed_otherwise", first=first, last=last, lane=epoch.origin)
        if key_id != _ids(key, long_key):
            note = self._sign(epoch.origin, after, key, long_key)
            with self._database.transaction() as connection:
                connection.execute(
                    "UPDATE batch SET seal=?, key_id=? WHERE epoch=? AND last=?",
                    (note, _ids(key, long_key), epoch.number, last),
                )
        records[-1].headers.append((SEAL_HEADER, note))
        return Batch(first, last, records)

    def root_at(self, size: int) -> bytes | None:
        """Return our root at `size`, None if we have not sealed that much or no longer have the events."""
        epoch = self.epoch
        if epoch is None or not 0 < size <= self.sealed.size:
            return None
        if size == self.sealed.size:
            return self.sealed.root
        rows = self._database.read(
            "SELECT first, last, edge FROM batch WHERE epoch=? AND last>=? ORDER BY last LIMIT 1", (epoch.number, size)
        )
        if not rows:
            return None
        first, last, edge = rows[0]
        if last == size:
            return Edge.from_bytes(last, edge).root
        events = self._database.read(
            f"SELECT {_COLUMNS} FROM event WHERE id BETWEEN ? AND ? ORDER BY id",  # noqa: S608  constants
            (epoch.base + first, epoch.base + size),
        )
        records = self._records(epoch, events, limited=False)
        if len(records) != size - first + 1:
            return None
        before = self._edge_before(epoch.number, first)
        return before.append(leaf_hash(canonical(r.headers, r.value)) for r in records).root

    def receipted(self) -> int:
        """Return up to which sequence every event has a receipt."""
        return int(self._database.meta(receipted(self.epoch.number), 0)) if self.epoch else 0

    def _sign(self, origin: str, edge: Edge, key: Signer, long_key: Signer | None) -> bytes:
        """Return the seal, as `hub.protocol.checkpoint.seal` makes it, with the keys named but once a lane."""
        wanted = (origin, _ids(key, long_key))
        if self._signers is None or self._signers[0] != wanted:
            keys = [key] if long_key is None else [key, long_key]
            self._signers = (wanted, [each.named(origin) for each in keys])
        return sign_checkpoint(Checkpoint(origin, edge.size, edge.root), self._signers[1], datetime.now(UTC))

    def _edge_before(self, epoch: int, first: int | None) -> Edge:
        """Return the edge of the newest batch that ends before `first` (None: of the newest batch)."""
        rows = self._database.read(
            "SELECT last, edge FROM batch WHERE epoch=? AND last<? ORDER BY last DESC LIMIT 1",
            (epoch, 2**62 if first is None else first),
        )
        return Edge.from_bytes(*rows[0]) if rows else Edge()

    def _records(self, epoch: Epoch, rows: Iterable[tuple[Any, ...]], *, limited: bool = True) -> list[LaneRecord]:
        records: list[LaneRecord] = []
        size, center = 0, self.source
        for number, ce_id, kind, subject, time, dataschema, value, correlation, causation, traceparent in rows:
            headers = write_headers(
                center=center,
                epoch=epoch.name,
                sequence=number - epoch.base,
                event_id=ce_id,
                event_type=kind,
                subject=subject,
                time=datetime.fromisoformat(time),
                dataschema=dataschema,
                correlation_id=correlation,
                causation_id=causation,
                traceparent=traceparent,
            )
            size += TRACEPARENT_BYTES * (traceparent is not None)
            size += len(value) + HEADERS_BYTES_MAX + 8 * len(subject)  # key and header, at most four bytes a character
            if limited and records and size > BATCH_BYTES_MAX:
                break
            records.append(LaneRecord(subject.encode(), value, headers))
        return records


def _ids(key: Signer, long_key: Signer | None) -> bytes:
    """Return what tells by which keys a batch was sealed."""
    return key.verifier.key_id + (long_key.verifier.key_id if long_key is not None else b"")


def new_origin(hub: str, center: str, entropy: bytes) -> str:
    """Return the origin of a lane that never was, out of four random bytes."""
    return origin_of(hub, center, entropy[:4].hex())
