"""The embedded store: SQLite in WAL mode with `synchronous=FULL`, one writer at a time.

The hot writes are hand-written SQL on one connection; other processes (the command line) have their own. Every write
transaction begins IMMEDIATE, so that a reader never has to become a writer half-way.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event

from hub.domain.catalogue import KINDS
from hub.domain.entity import Entity
from hub.domain.state import micros
from hub.domain.stream import HQ
from hub.ledger.lane import Intake, Lane, Status
from hub.ledger.publication import Event, Publication
from hub.ledger.reading import Quarantined
from hub.ledger.step import Commit, EntityKey, Known, Step
from hub.protocol.errors import Fatal, Retriable
from hub.protocol.record import split_canonical
from hub.protocol.tree import Edge
from hub.protocol.verdict import Code
from hub.store.migrate import migrate
from hub.store.released import record_value
from hub.store.rows import StoredEntity, StoredEvent, columns, entity_row, from_us, known_of, ledger_rows
from hub.store.sqlite_log import SqliteLog
from hub.store.sqlite_query import BUSY_MS
from hub.store.store import (
    KEPT_BYTES_MAX,
    QUARANTINE_QUOTA_BYTES,
    Changes,
    Claimed,
    FencedError,
)


def open_engine(path: Path) -> Engine:
    """Return an engine for cold reads and migrations of the database at `path`."""
    engine = create_engine(f"sqlite:///{path}", isolation_level="AUTOCOMMIT")

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        connection.execute(f"PRAGMA busy_timeout={BUSY_MS}")

    return engine


class SqliteStore:
    """A Store in one file. Make it with `open`."""

    def __init__(self, path: Path, connection: sqlite3.Connection, quarantine_quota_bytes: int) -> None:
        self.path = path
        self._db = connection
        self._quarantine_quota_bytes = quarantine_quota_bytes
        self._lane_ids: dict[str, int] = {}
        self._origins: dict[int, str] = {}
        self.log = SqliteLog(connection, self._writing)

    @classmethod
    def open(cls, path: Path, quarantine_quota_bytes: int = QUARANTINE_QUOTA_BYTES) -> SqliteStore:
        """Open or create the database. Errors: Fatal when it is not ours, or newer than this release."""
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            # What the file is, is settled before its first table: pages that hold a whole event, and the journal.
            first = sqlite3.connect(path, timeout=BUSY_MS / 1000)
            first.execute("PRAGMA page_size=8192")
            first.execute("PRAGMA journal_mode=WAL")
            first.close()
            engine = create_engine(f"sqlite:///{path}")
            migrate(engine)
            engine.dispose()
            connection = sqlite3.connect(path, isolation_level=None, timeout=BUSY_MS / 1000, cached_statements=256)
        except sqlite3.Error as exc:
            raise Fatal(f"{path}: cannot be opened as HQ's database: {exc}") from exc
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA cache_size=-16000")
        connection.execute("PRAGMA wal_autocheckpoint=4000")
        return cls(path, connection, quarantine_quota_bytes)

    def close(self) -> None:
        """Close the connection. Idempotent."""
        self._db.close()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        try:
            self._db.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as exc:
            raise Retriable(f"{self.path}: {exc}") from exc
        try:
            yield self._db
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            # The lanes that it made are gone, and the next one made has their number.
            self._lane_ids.clear()
            self._origins.clear()
            raise

    async def claim(self, centers: Collection[str], owner: str) -> dict[str, Claimed]:
        """See Store."""
        with self._writing() as db:
            for center in centers:
                db.execute(
                    "INSERT INTO intake(center, term, owner, status, why, duplicates, quarantined_bytes)"
                    " VALUES (?, 1, ?, 'reading', '', 0, 0)"
                    " ON CONFLICT(center) DO UPDATE SET term = term + 1, owner = excluded.owner",
                    (center, owner),
                )
            return {center: self._claimed(center) for center in centers}

    def _claimed(self, center: str) -> Claimed:
        row = self._db.execute(
            "SELECT next_offset, term, status, why, lane_id FROM intake WHERE center = ?", (center,)
        ).fetchone()
        lane, closed = None, {}
        for lane_id, *rest in self._db.execute(
            "SELECT id, origin, epoch, size, edge, state_digest, recorded_at_us FROM lane WHERE center = ? ORDER BY id",
            (center,),
        ):
            origin, epoch, size, edge, state_digest, recorded_at_us = rest
            self._lane_ids[origin] = lane_id
            if lane_id == row[4]:
                lane = Lane(origin, center, epoch, Edge.from_bytes(size, edge), state_digest, from_us(recorded_at_us))
            else:
                closed[epoch] = size
        return Claimed(Intake(center, row[0], Status(row[2]), row[3], lane, closed), row[1])

    async def commit(self, step: Step, term: int) -> None:
        """See Store. If we crash before COMMIT returns, the fetch is read again from the position in SQL."""
        with self._writing() as db:
            self.write(db, step, term)

    def write(self, db: sqlite3.Connection, step: Step, term: int) -> None:
        """Write `step` inside the caller's transaction. Errors: FencedError."""
        intake = step.reading.intake
        # Asked before anything is written: what a worker that was overtaken writes would break the ledger's keys, and
        # it would die of that instead of letting go of the lane.
        owner = db.execute("SELECT term FROM intake WHERE center = ?", (intake.center,)).fetchone()
        if owner is None or owner[0] != term:
            raise FencedError(f"intake {intake.center}: another worker has taken it over")
        for commit in step.commits:
            self._write_commit(db, commit)
        lane_id = self._lane_id(intake.lane.origin) if intake.lane else None
        quarantined = self._write_quarantine(db, intake.center, step.quarantine, step.committed_at)
        db.execute(
            "UPDATE intake SET next_offset = ?, status = ?, why = ?, lane_id = ?, duplicates = duplicates + ?,"
            " quarantined_bytes = quarantined_bytes + ? WHERE center = ?",
            (intake.offset, intake.status, intake.why, lane_id, step.heard.duplicates, quarantined, intake.center),
        )
        if step.heard.presence is not None:
            db.execute(
                "UPDATE intake SET seen_at_us = ?, presence = ? WHERE center = ?",
                (micros(step.committed_at), step.heard.presence.to_text(), intake.center),
            )
        self._write_witness(db, step)
        self._write_entities(db, step.entities.values())
        self._write_measures(db, step.measures)

    @staticmethod
    def _write_witness(db: sqlite3.Connection, step: Step) -> None:
        """Write what the center's witness says of HQ's log. The first cosignature of a key at a size counts."""
        center = step.reading.intake.center
        db.executemany(
            "INSERT INTO cosignature(size, name, key_id, center, value, cosigned_at_us, received_at_us)"
            " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            [
                (
                    c.said.checkpoint.size,
                    line.name,
                    line.key_id,
                    center,
                    line.value,
                    micros(c.said.at),
                    micros(step.committed_at),
                )
                for c in step.cosignatures
                for line in [c.said.line]
            ],
        )
        alarm = step.heard.alarm
        if alarm is not None:
            text = alarm.to_text() if alarm.reason else None
            db.execute("UPDATE intake SET alarm = ? WHERE center = ?", (text, center))

    def _write_commit(self, db: sqlite3.Connection, commit: Commit) -> None:
        lane, receipt = commit.lane, commit.receipt
        if receipt.first == 1:
            db.execute(
                "INSERT INTO lane(origin, center, epoch, size, edge, state_digest, recorded_at_us, missing, published)"
                " VALUES (?, ?, ?, 0, x'', x'', 0, 0, 0)",
                (lane.origin, lane.center, lane.epoch),
            )
            closes = commit.stretch.closes
            if closes is not None:
                db.execute(
                    "UPDATE lane SET closed_by = ?, missing = ? WHERE id = ?",
                    (lane.origin, commit.missing, self._lane_id(closes.origin)),
                )
        lane_id = self._lane_id(lane.origin)
        recorded_at_us = micros(lane.recorded_at)
        edge = lane.edge.to_bytes()
        db.execute(
            "UPDATE lane SET size = ?, edge = ?, state_digest = ?, recorded_at_us = ? WHERE id = ?",
            (lane.size, edge, lane.state_digest, recorded_at_us, lane_id),
        )
        db.executemany(
            f"INSERT INTO ledger(lane_id, {columns(StoredEvent)}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
            ledger_rows(lane_id, commit.rows, self._lane_id),
        )
        db.execute(
            "INSERT INTO receipt(lane_id, last, first, seal, edge, note, recorded_at_us, basis, state_digest)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                lane_id,
                receipt.last,
                receipt.first,
                commit.stretch.seal,
                edge,
                commit.note,
                recorded_at_us,
                receipt.basis,
                lane.state_digest,
            ),
        )

    def _lane_id(self, origin: str) -> int:
        found = self._lane_ids.get(origin)
        if found is None:
            row = self._db.execute("SELECT id FROM lane WHERE origin = ?", (origin,)).fetchone()
            if row is None:
                raise Fatal(f"lane {origin} is not in the database")
            found = self._lane_ids[origin] = int(row[0])
        return found

    def _origin(self, lane_id: int) -> str:
        found = self._origins.get(lane_id)
        if found is None:
            row = self._db.execute("SELECT origin FROM lane WHERE id = ?", (lane_id,)).fetchone()
            found = self._origins[lane_id] = str(row[0])
        return found

    def _write_quarantine(
        self, db: sqlite3.Connection, center: str, records: Iterable[Quarantined], committed_at: datetime
    ) -> int:
        total = 0
        for item in records:
            if not total:
                row = db.execute("SELECT quarantined_bytes FROM intake WHERE center = ?", (center,)).fetchone()
                used = int(row[0]) if row else 0
            over = used + total > self._quarantine_quota_bytes
            kept = item.data[:KEPT_BYTES_MAX] if over else item.data
            done = db.execute(
                "INSERT INTO quarantine(center, kafka_offset, digest, reason, detail, key, data, size_bytes,"
                " recorded_at_us) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (
                    center,
                    item.record.offset,
                    sha256(b"\x00" + item.data).digest(),
                    item.reason,
                    item.detail[:500],
                    item.record.key,
                    kept,
                    len(item.data),
                    micros(committed_at),
                ),
            )
            total += len(kept) if done.rowcount else 0
        return total

    def _write_entities(self, db: sqlite3.Connection, entities: Collection[Known]) -> None:
        db.executemany(
            f"INSERT INTO entity({columns(StoredEntity)}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608
            " ON CONFLICT(stream, id) DO UPDATE SET status = excluded.status, version = excluded.version,"
            " document = excluded.document, digest = excluded.digest, lane_id = excluded.lane_id,"
            " sequence = excluded.sequence, record_lane_id = excluded.record_lane_id,"
            " record_sequence = excluded.record_sequence, changed_by = excluded.changed_by,"
            " recorded_at_us = excluded.recorded_at_us",
            [entity_row(known, self._lane_id) for known in entities],
        )

    def _write_measures(self, db: sqlite3.Connection, changes: Mapping[tuple[str, str], Decimal]) -> None:
        for (origin, key), change in changes.items():
            lane_id = self._lane_id(origin)
            row = db.execute("SELECT value FROM measure WHERE lane_id = ? AND key = ?", (lane_id, key)).fetchone()
            value = change + Decimal(row[0]) if row else change
            db.execute(
                "INSERT INTO measure(lane_id, key, value) VALUES (?, ?, ?)"
                " ON CONFLICT(lane_id, key) DO UPDATE SET value = excluded.value",
                (lane_id, key, format(value, "f")),
            )

    async def entities(self, keys: Collection[EntityKey]) -> dict[EntityKey, Known]:
        """See Store."""
        by_stream: dict[str, list[str]] = {}
        for stream, entity_id in keys:
            by_stream.setdefault(stream, []).append(entity_id)
        return {
            (stream, known.entity.id): known for stream, ids in by_stream.items() for known in self._known(stream, ids)
        }

    def _known(self, stream: str, ids: list[str]) -> list[Known]:
        rows = self._db.execute(
            f"SELECT {columns(StoredEntity)} FROM entity"  # noqa: S608
            " WHERE stream = ? AND id IN (SELECT value FROM json_each(?))",
            (stream, json.dumps(ids)),
        ).fetchall()
        return [known_of(row, self._origin) for row in rows]

    async def basis(self) -> tuple[int, list[Entity]]:
        """See Store."""
        self._db.execute("BEGIN")
        try:
            row = self._db.execute("SELECT coalesce(sum(size), 0) FROM lane WHERE center = ?", (HQ,)).fetchone()
            documents = self._db.execute("SELECT document FROM entity WHERE center = ?", (HQ,)).fetchall()
        finally:
            self._db.execute("COMMIT")
        return int(row[0]), [Entity.from_json(d[0]) for d in documents]

    async def changes(self) -> Changes:
        """See Store."""
        size = self._db.execute("SELECT coalesce(sum(size), 0) FROM lane WHERE center = ?", (HQ,)).fetchone()[0]
        rows = self._db.execute("SELECT center, term, status FROM intake").fetchall()
        return Changes(int(size), {center: (term, status) for center, term, status in rows})

    async def newest_recorded_at(self) -> datetime | None:
        """See Store."""
        row = self._db.execute("SELECT max(recorded_at_us) FROM lane").fetchone()
        return from_us(row[0]) if row[0] is not None else None

    async def edge_at(self, origin: str, size: int) -> Edge | None:
        """See Store. The newest receipt's edge at or below `size`, and the digests from there on."""
        lane = self._db.execute("SELECT id, size FROM lane WHERE origin = ?", (origin,)).fetchone()
        if lane is None or size > lane[1]:
            return None
        row = self._db.execute(
            "SELECT last, edge FROM receipt WHERE lane_id = ? AND last <= ? ORDER BY last DESC LIMIT 1",
            (lane[0], size),
        ).fetchone()
        edge = Edge.from_bytes(*row) if row else Edge()
        digests = self._db.execute(
            "SELECT digest FROM ledger WHERE lane_id = ? AND sequence > ? AND sequence <= ? ORDER BY sequence",
            (lane[0], edge.size, size),
        )
        return edge.append(d[0] for d in digests)

    async def receipt_at(self, origin: str, sequence: int) -> bytes | None:
        """See Store."""
        row = self._db.execute(
            "SELECT r.note FROM receipt r JOIN lane l ON l.id = r.lane_id"
            " WHERE l.origin = ? AND r.last >= ? AND r.first <= ? ORDER BY r.last LIMIT 1",
            (origin, sequence, sequence),
        ).fetchone()
        return bytes(row[0]) if row else None

    async def set_status(self, center: str, term: int, status: str, why: str) -> None:
        """See Store."""
        with self._writing() as db:
            done = db.execute(
                "UPDATE intake SET status = ?, why = ? WHERE center = ? AND term = ?", (status, why, center, term)
            )
            if done.rowcount != 1:
                raise FencedError(f"intake {center}: another worker has taken it over")

    async def resume(self, center: str) -> str | None:
        """See Store."""
        with self._writing() as db:
            row = db.execute("SELECT status FROM intake WHERE center = ?", (center,)).fetchone()
            db.execute(
                "UPDATE intake SET status = ?, why = '' WHERE center = ? AND status IN (?, ?)",
                (Status.READING, center, Status.PARKED, Status.FORKED),
            )
            return str(row[0]) if row else None

    async def keep_evidence(self, origin: str, size: int, ours: bytes, theirs: bytes, recorded_at: datetime) -> None:
        """See Store."""
        with self._writing() as db:
            db.execute(
                "INSERT INTO evidence(origin, size, ours, theirs, recorded_at_us) VALUES (?, ?, ?, ?, ?)"
                " ON CONFLICT DO NOTHING",
                (origin, size, ours, theirs, micros(recorded_at)),
            )

    async def unpublished(self, center: str) -> list[tuple[str, int, int]]:
        """See Store."""
        rows = self._db.execute(
            "SELECT origin, published, size FROM lane WHERE center = ? AND published < size ORDER BY id", (center,)
        )
        return [(origin, published, size) for origin, published, size in rows]

    async def cursors(self, center: str) -> list[tuple[str, int]]:
        """See Store."""
        return self._db.execute("SELECT origin, published FROM lane WHERE center = ?", (center,)).fetchall()

    async def publication(self, origin: str, after: int, limit: int) -> Publication | None:
        """See Store."""
        lane_id = self._lane_id(origin)
        receipts, last = [], after
        for note, end in self._db.execute(
            "SELECT note, last FROM receipt WHERE lane_id = ? AND last > ? ORDER BY last",
            (lane_id, after),
        ):
            receipts.append(bytes(note))
            last = end
            if last - after >= limit:
                break
        if not receipts:
            return None
        rows = self._db.execute(
            "SELECT sequence, subject, data, type FROM ledger"
            " WHERE lane_id = ? AND sequence > ? AND sequence <= ? AND code = ? ORDER BY sequence",
            (lane_id, after, last, Code.ACCEPTED),
        )
        events, touched = [], set()
        for sequence, subject, data, kind in rows:
            headers, value = split_canonical(data)
            events.append(Event(sequence, subject.encode(), headers, value))
            touched.add((KINDS[kind].stream, subject))
        # The state as it is now, perhaps newer than `last`: readers keep the highest version.
        entities = (await self.entities(touched)).values()
        center = origin.split("/")[-2]
        return Publication(
            origin,
            center,
            after + 1,
            last,
            receipts,
            events,
            [self._with_value(k) for k in entities],
        )

    def _with_value(self, known: Known) -> Known:
        row = self._db.execute(
            "SELECT data FROM ledger WHERE lane_id = ? AND sequence = ?",
            (self._lane_id(known.record_origin), known.record_sequence),
        ).fetchone()
        # What was archived is encoded again: a worker must not wait for an archive.
        return replace(known, value=split_canonical(row[0])[1] if row[0] else record_value(known.entity))

    async def set_published(self, cursors: dict[str, int]) -> None:
        """See Store. If we crash before this, the same is published again: readers go by sequence and version."""
        with self._writing() as db:
            db.executemany(
                "UPDATE lane SET published = ? WHERE origin = ? AND published < ?",
                [(last, origin, last) for origin, last in cursors.items()],
            )
