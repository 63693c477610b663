"""The hot write: all that one fetch of one lane has led to, in one transaction of SQLite."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from hashlib import sha256

from hub.ledger.control import is_news
from hub.ledger.reading import Quarantined
from hub.ledger.step import Commit, Step
from hub.protocol.control import Presence
from hub.protocol.errors import Malformed
from hub.protocol.moment import to_us
from hub.store.rows import StoredEvent, columns, ledger_rows, marks
from hub.store.sqlite_database import SqliteDatabase
from hub.store.sqlite_entities import SqliteEntities
from hub.store.store import KEPT_BYTES_MAX, FencedError


class SqliteCommit:
    """Writes steps. `quarantine_quota_bytes` is each center's."""

    def __init__(self, database: SqliteDatabase, entities: SqliteEntities, quarantine_quota_bytes: int) -> None:
        self._database = database
        self._entities = entities
        self._quarantine_quota_bytes = quarantine_quota_bytes

    def write(self, db: sqlite3.Connection, step: Step, term: int) -> None:
        """Write `step` inside the caller's transaction `db`. Errors: FencedError."""
        intake = step.reading.intake
        # Asked before anything is written: what a worker that was overtaken writes would break the ledger's keys, and
        # it would die of that instead of letting go of the lane.
        owner = db.execute("SELECT term FROM intake WHERE center = ?", (intake.center,)).fetchone()
        if owner is None or owner[0] != term:
            raise FencedError(f"intake {intake.center}: another worker has taken it over")
        for commit in step.commits:
            self._write_commit(db, commit)
        lane_id = self._database.lane_id(intake.lane.origin) if intake.lane else None
        quarantined = self._write_quarantine(db, intake.center, step.quarantine, step.committed_at)
        db.execute(
            "UPDATE intake SET next_offset = ?, status = ?, why = ?, lane_id = ?, duplicates = duplicates + ?,"
            " quarantined_bytes = quarantined_bytes + ? WHERE center = ?",
            (intake.offset, intake.status, intake.why, lane_id, step.heard.duplicates, quarantined, intake.center),
        )
        if step.heard.presence is not None:
            self._write_presence(db, intake.center, step.heard.presence, step.committed_at)
        self._write_witness(db, step)
        self._entities.write(db, step.entities.values())
        self._write_measures(db, step.measures)

    @staticmethod
    def _write_presence(db: sqlite3.Connection, center: str, said: Presence, heard_at: datetime) -> None:
        """Write what a center says of itself, unless it is what it said before."""
        (text,) = db.execute("SELECT presence FROM intake WHERE center = ?", (center,)).fetchone()
        before = None
        if text is not None:
            with contextlib.suppress(Malformed):  # a later release wrote it
                before = Presence.from_text(text)
        if is_news(said, before, heard_at):
            db.execute(
                "UPDATE intake SET seen_at_us = ?, presence = ? WHERE center = ?",
                (to_us(heard_at), said.to_text(), center),
            )

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
                    to_us(c.said.at),
                    to_us(step.committed_at),
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
                "INSERT INTO lane(origin, center, epoch, size, edge, state_digest, recorded_at_us, missing)"
                " VALUES (?, ?, ?, 0, x'', x'', 0, 0)",
                (lane.origin, lane.center, lane.epoch),
            )
            closes = commit.stretch.closes
            if closes is not None:
                db.execute(
                    "UPDATE lane SET closed_by = ?, missing = ? WHERE id = ?",
                    (lane.origin, commit.missing, self._database.lane_id(closes.origin)),
                )
        lane_id = self._database.lane_id(lane.origin)
        recorded_at_us = to_us(lane.recorded_at)
        edge = lane.edge.to_bytes()
        db.execute(
            "UPDATE lane SET size = ?, edge = ?, state_digest = ?, recorded_at_us = ? WHERE id = ?",
            (lane.size, edge, lane.state_digest, recorded_at_us, lane_id),
        )
        db.executemany(
            f"INSERT INTO ledger(lane_id, {columns(StoredEvent)}) VALUES (?, {marks(StoredEvent)})",  # noqa: S608
            ledger_rows(lane_id, commit.rows, self._database.lane_id),
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
                    to_us(committed_at),
                ),
            )
            total += len(kept) if done.rowcount else 0
        return total

    def _write_measures(self, db: sqlite3.Connection, changes: Mapping[tuple[str, str], Decimal]) -> None:
        for (origin, key), change in changes.items():
            lane_id = self._database.lane_id(origin)
            row = db.execute("SELECT value FROM measure WHERE lane_id = ? AND key = ?", (lane_id, key)).fetchone()
            value = change + Decimal(row[0]) if row else change
            db.execute(
                "INSERT INTO measure(lane_id, key, value) VALUES (?, ?, ?)"
                " ON CONFLICT(lane_id, key) DO UPDATE SET value = excluded.value",
                (lane_id, key, format(value, "f")),
            )
