"""The hot write: all that one fetch of one lane has led to, in one transaction."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final, TypeVar

from hub.domain.exact import EXACT
from hub.ledger.control import SignedTimes, hear_alarms, hear_presences
from hub.ledger.reading import Heard, Quarantined
from hub.ledger.step import Commit, Step
from hub.ledger.witness import STRANGE
from hub.protocol.control import Presence
from hub.protocol.errors import Malformed
from hub.protocol.moment import to_us
from hub.protocol.tree import leaf_hash
from hub.protocol.witness import Alarm
from hub.store.database import Connection, Database
from hub.store.rows import StoredEvent, StoredReceipt, columns, ledger_rows, marks, receipt_row
from hub.store.sql_entities import SqlEntities
from hub.store.store import JUNK_SHARE, KEPT_BYTES_MAX, KEPT_KEY_BYTES_MAX, ROW_BYTES, WHOLE_SHARE, FencedError

KEPT_DETAIL_CHARS_MAX: Final = 500
MEASURE_FORM: Final = r"-?[0-9]{1,60}(\.[0-9]{1,60})?"
_MEASURE: Final = re.compile(MEASURE_FORM)
_RECEIPT: Final = f"INSERT INTO receipt({columns(StoredReceipt)}) VALUES ({marks(StoredReceipt)})"  # noqa: S608
_HEARD: Final = "INSERT INTO heard VALUES (?, ?, ?) ON CONFLICT(center, kind) DO UPDATE SET times = excluded.times"
Said = TypeVar("Said", Presence, Alarm)


class SqlCommit:
    """Writes steps. `quarantine_quota_bytes` is each center's."""

    def __init__(self, database: Database, entities: SqlEntities, quarantine_quota_bytes: int) -> None:
        self._database = database
        self._entities = entities
        self._ledger = database.insert("ledger", ["lane_id", *StoredEvent._fields])
        self._locked_term = f"SELECT term FROM intake WHERE center = ?{database.locking}"  # noqa: S608
        self._quarantine_quota_bytes = quarantine_quota_bytes

    def write(self, db: Connection, step: Step, term: int) -> None:
        """Write `step` inside the caller's transaction `db`. Errors: FencedError."""
        intake = step.reading.intake
        # Asked before anything is written: what a worker that was overtaken writes would break the ledger's keys, and
        # it would die of that instead of letting go of the lane.
        owner = db.execute(self._locked_term, (intake.center,)).fetchone()
        if owner is None or owner[0] != term:
            raise FencedError(f"intake {intake.center}: another worker has taken it over")
        for commit in step.commits:
            self._write_commit(db, commit)
        lane_id = self._database.lane_id(intake.lane.origin) if intake.lane else None
        quarantined = self._write_quarantine(db, intake.center, step.quarantine, step.committed_at)
        heard = step.heard
        db.execute(
            "UPDATE intake SET next_offset = ?, read_upto = ?, lane_id = ?, duplicates = duplicates + ?,"
            " strangers = strangers + ?, quarantined_bytes = quarantined_bytes + ? WHERE center = ?",
            (intake.offset, intake.read_upto, lane_id, heard.duplicates, heard.strangers, quarantined, intake.center),
        )
        if step.restates:
            db.execute(
                "UPDATE intake SET status = ?, why = ?, reads_on = ? WHERE center = ?",
                (intake.status, intake.why, intake.reads_on, intake.center),
            )
        if heard.presences or heard.alarms:
            self._write_heard(db, intake.center, heard, step.committed_at)
        self._write_witness(db, step)
        self._entities.write(db, step.entities.values())
        self._write_measures(db, step.measures)

    @staticmethod
    def _write_heard(db: Connection, center: str, heard: Heard, heard_at: datetime) -> None:
        """Write what a center says of itself and of HQ's log, unless it is what it said before.

        An alarm that was taken back stays, without a reason: so one that is said again is known to be older.
        """
        presence, alarm = db.execute("SELECT presence, alarm FROM intake WHERE center = ?", (center,)).fetchone()
        kept = dict(db.execute("SELECT kind, times FROM heard WHERE center = ?", (center,)))
        before = read_times(kept.get("presence")) or _times_of(_read(Presence.from_text, presence), heard_at)
        times, newest = hear_presences(heard.presences, before, heard_at)
        if newest is not None:
            db.execute(
                "UPDATE intake SET seen_at_us = ?, presence = ? WHERE center = ?",
                (to_us(heard_at), newest.to_text(), center),
            )
            db.execute(_HEARD, (center, "presence", times.to_text()))
        before = read_times(kept.get("alarm")) or _times_of(_read(Alarm.from_text, alarm), heard_at)
        times, held = hear_alarms(heard.alarms, before, heard_at)
        if held is not None:
            db.execute("UPDATE intake SET alarm = ? WHERE center = ?", (held.to_text(), center))
            db.execute(_HEARD, (center, "alarm", times.to_text()))

    @staticmethod
    def _write_witness(db: Connection, step: Step) -> None:
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

    def _write_commit(self, db: Connection, commit: Commit) -> None:
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
        db.execute(
            "UPDATE lane SET size = ?, edge = ?, state_digest = ?, recorded_at_us = ? WHERE id = ?",
            (lane.size, lane.edge.to_bytes(), lane.state_digest, to_us(lane.recorded_at), lane_id),
        )
        self._ledger.write(db, ledger_rows(lane_id, commit.rows, self._database.lane_id, self._database.bound))
        db.execute(_RECEIPT, receipt_row(lane_id, commit))

    def _write_quarantine(
        self, db: Connection, center: str, records: Sequence[Quarantined], committed_at: datetime
    ) -> int:
        """Keep what the center's quota has room for, and count the rest. Returns how much of the quota it took."""
        if not records:
            return 0
        row = db.execute("SELECT quarantined_bytes FROM intake WHERE center = ?", (center,)).fetchone()
        quota, before, used = self._quarantine_quota_bytes, int(row[0]), int(row[0])
        unkept: dict[str, tuple[int, int]] = {}
        for item in records:
            data = item.data if used + len(item.data) <= quota * WHOLE_SHARE else item.data[:KEPT_BYTES_MAX]
            key, detail = item.record.key and item.record.key[:KEPT_KEY_BYTES_MAX], item.detail[:KEPT_DETAIL_CHARS_MAX]
            takes = len(data) + len(key or b"") + len(detail.encode()) + ROW_BYTES
            if used + takes > quota * (1 if item.reason in STRANGE else JUNK_SHARE):
                if not item.is_again:
                    count, size = unkept.get(item.reason, (0, 0))
                    unkept[item.reason] = count + 1, size + len(item.data)
                continue
            done = db.execute(
                "INSERT INTO quarantine(center, kafka_offset, digest, reason, detail, key, data, size_bytes,"
                " recorded_at_us) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (
                    center,
                    item.record.offset,
                    leaf_hash(item.data),
                    item.reason,
                    detail,
                    key,
                    data,
                    len(item.data),
                    to_us(committed_at),
                ),
            )
            used += takes if done.rowcount else 0
        db.executemany(
            "INSERT INTO unkept(center, reason, records, size_bytes, first_at_us, last_at_us) VALUES (?, ?, ?, ?, ?, ?)"
            " ON CONFLICT(center, reason) DO UPDATE SET records = unkept.records + excluded.records,"
            " size_bytes = unkept.size_bytes + excluded.size_bytes, last_at_us = excluded.last_at_us",
            [
                (center, reason, count, size, to_us(committed_at), to_us(committed_at))
                for reason, (count, size) in unkept.items()
            ],
        )
        return used - before

    def _write_measures(self, db: Connection, changes: Mapping[tuple[str, str], Decimal]) -> None:
        for (origin, key), change in changes.items():
            lane_id = self._database.lane_id(origin)
            row = db.execute("SELECT value FROM measure WHERE lane_id = ? AND key = ?", (lane_id, key)).fetchone()
            if row is not None and not (isinstance(row[0], str) and _MEASURE.fullmatch(row[0])):
                continue  # somebody has edited it: it stays as it is, and an audit counts anew
            value = EXACT.add(change, Decimal(row[0])) if row else change
            db.execute(
                "INSERT INTO measure(lane_id, key, value) VALUES (?, ?, ?)"
                " ON CONFLICT(lane_id, key) DO UPDATE SET value = excluded.value",
                (lane_id, key, format(value, "f")),
            )


def _read(from_text: Callable[[str], Said], text: str | None) -> Said | None:
    """Return what was said before; None where nothing was, a later release wrote it, or somebody has edited it."""
    if not isinstance(text, str):
        return None
    try:
        return from_text(text)
    except Malformed:
        return None


def read_times(text: object) -> SignedTimes | None:
    """Return the times that are kept; None where there are none, or somebody has edited them."""
    try:
        return SignedTimes.from_text(text) if isinstance(text, str) else None
    except (ValueError, OverflowError):
        return None


def _times_of(said: Presence | Alarm | None, now: datetime) -> SignedTimes:
    """Return the times where a release that kept none of them has kept what was said last."""
    return SignedTimes.of(None if said is None else said.time, now)
