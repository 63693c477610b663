"""What HQ answered: receipts and the verdicts in them, and what HQ holds of each entity since."""

from __future__ import annotations

import base64
import re
import sqlite3
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any, Final

import orjson
import structlog

from connectors.reconcile.plan import UNKNOWN_DIGEST
from connectors.reconcile.story import Refused
from connectors.runtime.outbox.database import Database, must_be_logged
from connectors.runtime.outbox.lane import Epoch, Lane, Previous
from connectors.runtime.outbox.queue import entity_id
from hub.protocol.receipt import Decision, Receipt
from hub.protocol.record import LANE_OPENED, write_time
from hub.protocol.verdict import Code

# The right-hand sides see the row as it was: `inflight = :count` means that none is left in flight.
_ACCEPT: Final = """
UPDATE entity SET
    status = CASE WHEN decided < :event THEN :status ELSE status END,
    digest = CASE WHEN decided < :event THEN coalesce(:digest, digest) ELSE digest END,
    presumed_status = CASE WHEN inflight = :count AND decided < :event THEN :status
                           WHEN inflight = :count THEN status ELSE presumed_status END,
    presumed_digest = CASE WHEN inflight = :count AND decided < :event THEN coalesce(:digest, digest)
                           WHEN inflight = :count THEN digest ELSE presumed_digest END,
    decided = max(decided, :event), inflight = inflight - :count,
    state = CASE WHEN inflight = :count AND state = 'pending' THEN 'accepted' ELSE state END
WHERE id = :entity
"""


log = structlog.get_logger(__name__)

_STATUS: Final = re.compile(r"\bstatus=([a-z_]+)")  # HQ's verdict says in which status the entity is


class Outcome(Enum):
    """What one receipt was to this outbox."""

    APPLIED = "applied"
    DUPLICATE = "duplicate"  # all of it was receipted before
    DIVERGED = "diverged"  # HQ holds more of our lane than we do, or another tree: a new epoch is due
    STRAY = "stray"  # for a lane that is closed
    FOREIGN = "foreign"  # for a lane of our center that this outbox never opened
    BACKDATED = "backdated"  # by a key that was retired, and later than one from after that: not HQ's word


@dataclass(frozen=True, slots=True)
class Answer:
    """One receipt as it was read: its place in `out.<center>`, what it says, and the note's bytes.

    `retired_at` says since when the key that it is by signs nothing new, None where that is in use.
    """

    offset: int
    receipt: Receipt
    note: bytes
    retired_at: datetime | None = None


@dataclass(slots=True)
class Taken:
    """What a few answers led to."""

    outcomes: list[Outcome] = field(default_factory=list)
    replan: set[str] = field(default_factory=set)  # files whose rows must be planned again


class Answers:
    """Takes receipts. A receipt and all that follows from it are one transaction with the reader's position."""

    def __init__(self, database: Database, lane: Lane) -> None:
        self._database = database
        self._lane = lane

    @property
    def position(self) -> int:
        """Return the offset in `out.<center>` that is read next."""
        return int(self._database.meta("position", 0))

    def take(self, answers: Sequence[Answer], position: int, now: datetime) -> Taken:
        """Take `answers`, in their order, and remember `position`.

        When it returns all of it is on the disk; after a crash before that, the same answers are read again.
        """
        taken = Taken()
        with self._database.transaction() as connection:
            for answer in answers:
                taken.outcomes.append(self._take(connection, answer, now))
            taken.replan = _replan(connection)
            self._database.set_meta("position", position)
        return taken

    def replan_allowed(self, streams: Collection[str]) -> set[str]:
        """Have rows that HQ rejected since it had not allowed their stream planned again, now that it has.

        Nothing is wrong with these rows, so that nobody would change them. Returns their files.
        """
        with self._database.transaction() as connection:
            rejected = connection.execute(
                "SELECT id, file FROM entity WHERE state='rejected' AND code=? AND inflight=0 AND file IS NOT NULL",
                (Code.STREAM_NOT_ALLOWED,),
            )
            found = {entity: file for entity, file in rejected if entity.partition("/")[0] in streams}
            connection.executemany(
                "UPDATE entity SET state='pending', code='', field='', params='', fingerprint=NULL WHERE id=?",
                ((entity,) for entity in found),
            )
        return set(found.values())

    def newest(self) -> Previous | None:
        """Return the lane of this center of which HQ spoke last, whoever wrote it."""
        text = self._database.meta("newest")
        if text is None:
            return None
        found = orjson.loads(text)
        return Previous(found["origin"], found["size"], base64.b64decode(found["root"]))

    def count_receipts(self) -> int:
        """Return how many receipts are stored."""
        return int(self._database.read("SELECT count(*) FROM receipt")[0][0])

    def _take(self, connection: sqlite3.Connection, answer: Answer, now: datetime) -> Outcome:
        receipt, epoch = answer.receipt, self._lane.epoch
        if answer.retired_at is not None and _is_backdated(connection, receipt, answer.retired_at):
            log.warning("answer_backdated", offset=answer.offset, origin=receipt.origin, last=receipt.last)
            return Outcome.BACKDATED
        self._remember_newest(receipt)
        if epoch is None or receipt.origin != epoch.origin:
            if receipt.origin in self._lane.own_origins():
                return Outcome.STRAY
            return self._take_foreign(connection, receipt)
        if receipt.last > self._lane.sealed.size or self._lane.root_at(receipt.last) not in (None, receipt.root):
            self._database.set_meta("diverged", f"size {receipt.last} recorded {write_time(receipt.recorded_at)}")
            return Outcome.DIVERGED
        ranges = self._uncovered(connection, epoch, receipt)
        if not ranges:
            self._database.set_meta("duplicates", int(self._database.meta("duplicates", 0)) + 1)
            return Outcome.DUPLICATE
        for first, last in ranges:
            self._decide(connection, epoch, first, last, receipt.decisions)
        connection.execute(
            "INSERT OR IGNORE INTO receipt VALUES (?, ?, ?, ?, ?, ?)",
            (
                epoch.number, receipt.first, receipt.last, answer.note, write_time(receipt.recorded_at),
                write_time(now),
            ),
        )  # fmt: skip
        must_be_logged(connection, [(answer.note, epoch.number, receipt.last, write_time(now))])
        self._advance(connection, epoch)
        return Outcome.APPLIED

    def _remember_newest(self, receipt: Receipt) -> None:
        known = self.newest()
        if known is None or known.origin != receipt.origin or known.size < receipt.last:
            root = base64.b64encode(receipt.root).decode()
            found = {"origin": receipt.origin, "size": receipt.last, "root": root}
            self._database.set_meta("newest", orjson.dumps(found).decode())

    def _take_foreign(self, connection: sqlite3.Connection, receipt: Receipt) -> Outcome:
        known = connection.execute("SELECT 1 FROM foreign_lane WHERE origin=?", (receipt.origin,)).fetchone()
        if known:
            return Outcome.STRAY
        if self._lane.epoch is None or self._database.meta("epoch_wanted") is not None:
            # The lane that we are about to open will continue it.
            connection.execute(
                "INSERT INTO foreign_lane VALUES (?, ?)", (receipt.origin, write_time(receipt.recorded_at))
            )
            return Outcome.STRAY
        self._database.set_meta("foreign", f"{receipt.origin} recorded {write_time(receipt.recorded_at)}")
        return Outcome.FOREIGN

    def _uncovered(self, connection: sqlite3.Connection, epoch: Epoch, receipt: Receipt) -> list[tuple[int, int]]:
        """Return the parts of a receipt that no earlier receipt covers: a verdict is final, the first one counts."""
        at, ranges = receipt.first, []
        mark = self._lane.receipted()
        at = max(at, mark + 1)
        found = connection.execute(
            "SELECT first, last FROM receipt WHERE epoch=? AND last>=? AND first<=? ORDER BY first, last",
            (epoch.number, at, receipt.last),
        )
        for first, last in found.fetchall():
            if first > at:
                ranges.append((at, first - 1))
            at = max(at, last + 1)
        if at <= receipt.last:
            ranges.append((at, receipt.last))
        return ranges

    def _decide(
        self,
        connection: sqlite3.Connection,
        epoch: Epoch,
        first: int,
        last: int,
        decisions: Iterable[Decision],
    ) -> None:
        refusals = {d.sequence + epoch.base: d for d in decisions if first <= d.sequence <= last}
        accepted: dict[str, dict[str, Any]] = {}
        rejected: dict[str, list[_Refusal]] = {}
        rows = connection.execute(
            "SELECT id, type, subject, status, digest, creates, ce_id, correlation FROM event "
            "WHERE id BETWEEN ? AND ? AND type <> ? ORDER BY id",
            (epoch.base + first, epoch.base + last, LANE_OPENED),
        )
        for number, kind, subject, status, digest, creates, ce_id, correlation in rows.fetchall():
            decision, entity = refusals.get(number), entity_id(kind, subject)
            if decision is not None:
                event = Refused(ce_id, correlation or ce_id)
                rejected.setdefault(entity, []).append(_Refusal(number, status, bool(creates), decision, event))
                continue
            entry = accepted.setdefault(entity, {"entity": entity, "count": 0, "digest": None})
            entry["event"], entry["status"] = number, status
            entry["count"] += 1
            entry["digest"] = entry["digest"] if digest is None else digest
        connection.executemany(
            "INSERT OR IGNORE INTO rejection VALUES (?, ?, ?, ?)",
            [(number, d.code, d.field, d.params) for number, d in refusals.items()],
        )
        connection.executemany(_ACCEPT, accepted.values())
        for entity, those in rejected.items():
            _reject(connection, entity, those)

    def _advance(self, connection: sqlite3.Connection, epoch: Epoch) -> None:
        """Move the mark up to which there is a receipt for every event."""
        mark = self._lane.receipted()
        found = connection.execute(
            "SELECT first, last FROM receipt WHERE epoch=? AND last>? ORDER BY first, last", (epoch.number, mark)
        )
        for first, last in found:
            if first > mark + 1:
                break  # a hole: it is filled when its batch is sent again
            mark = max(mark, last)
        self._database.set_meta(f"receipted:{epoch.number}", mark)


def _is_backdated(connection: sqlite3.Connection, receipt: Receipt, retired_at: datetime) -> bool:
    """Return whether a receipt by a retired key is dated back, whatever it says of its own time.

    A lane's times never go back: what comes behind a receipt from after the retirement is from after it, too. A hole
    before that receipt is filled by what HQ signed at its time, and stays good.
    """
    found = connection.execute(
        "SELECT 1 FROM receipt JOIN epoch ON epoch.number=receipt.epoch "
        "WHERE origin=? AND last<? AND recorded_at>=? LIMIT 1",
        (receipt.origin, receipt.last, write_time(retired_at)),
    )
    return found.fetchone() is not None


@dataclass(frozen=True, slots=True)
class _Refusal:
    number: int
    status: str
    creates: bool
    decision: Decision
    event: Refused


def _reject(connection: sqlite3.Connection, entity: str, refusals: Sequence[_Refusal]) -> None:
    """Record that HQ refused events of one entity, and what this does to the plan they, or later ones, belong to."""
    found = connection.execute(
        "SELECT status, digest, decided, inflight, plan, shaken, state, code, field, params, refused, story "
        "FROM entity WHERE id=?",
        (entity,),
    ).fetchone()
    status, digest, decided, inflight, plan, shaken, state, code, field_, params, refused, story = found
    for refusal in refusals:
        decision = refusal.decision
        held = _told_status(refusal) if refusal.number > decided else None
        if held is not None and held != status:
            # Another outbox of this center, or this one before it went back to an old copy, told HQ more than we know:
            # we learn the status, not the record.
            status, digest, shaken = held, UNKNOWN_DIGEST, 1
        if refusal.number < plan:
            shaken = 1  # the present plan began from a state that never came to be
        elif state != "rejected":
            state, code, field_, params = "rejected", decision.code, decision.field, decision.params
            refused, story = refusal.event.id, refusal.event.story
    inflight -= len(refusals)
    if inflight == 0 and state == "pending":
        state = "accepted"
    connection.execute(
        "UPDATE entity SET status=?1, digest=?2, inflight=?3, shaken=?4, state=?5, code=?6, field=?7, params=?8, "
        "refused=?10, story=?11, "
        "presumed_status=CASE WHEN ?3=0 THEN ?1 ELSE presumed_status END, "
        "presumed_digest=CASE WHEN ?3=0 THEN ?2 ELSE presumed_digest END WHERE id=?9",
        (status, digest, inflight, shaken, state, code, field_, params, entity, refused, story),
    )


def _told_status(refusal: _Refusal) -> str | None:
    """Return the status in which HQ has the entity, None if the verdict does not tell."""
    decision = refusal.decision
    if decision.code not in (Code.ALREADY_EXISTS, Code.ILLEGAL_TRANSITION):
        return None
    told = _STATUS.search(decision.params)
    if told is None:
        return refusal.status if decision.code == Code.ALREADY_EXISTS and refusal.creates else None
    return told[1]


def _replan(connection: sqlite3.Connection) -> set[str]:
    """Forget what was planned for rows that were refused for what we wrongly presumed; return their files.

    It is not the row that was wrong. The row is planned once more, from what HQ holds as we know it now.
    """
    files = {
        file
        for (file,) in connection.execute(
            "SELECT DISTINCT file FROM entity WHERE shaken=1 AND inflight=0 AND state='rejected' AND file IS NOT NULL"
        )
    }
    if files:
        connection.execute(
            "UPDATE entity SET state='pending', code='', field='', params='', fingerprint=NULL, shaken=0 "
            "WHERE shaken=1 AND inflight=0 AND state='rejected' AND file IS NOT NULL"
        )
    return files
