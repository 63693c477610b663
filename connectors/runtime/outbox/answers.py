"""What HQ answered: receipts and the verdicts in them, and what HQ holds of each entity since."""

from __future__ import annotations

import re
import sqlite3
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import orjson
import structlog

from connectors.reconcile.belief import NOTHING, Queued, Verdict
from connectors.reconcile.story import RejectedEvent
from connectors.runtime.alarm_name import AlarmName
from connectors.runtime.alarms import Alarm, AlarmText
from connectors.runtime.ids import is_misdated
from connectors.runtime.outbox.beliefs import files_of, load, load_all, save, save_accepted
from connectors.runtime.outbox.database import Database
from connectors.runtime.outbox.lane import Epoch, Lane
from connectors.runtime.outbox.meta import Meta, receipted, said_again
from connectors.runtime.outbox.origins import Origins, ReceiptOutcome
from connectors.runtime.outbox.queue import entity_id
from connectors.runtime.outbox.schema import must_be_logged
from connectors.runtime.outbox.status import count_passed_over
from connectors.runtime.standing import Kept
from hub.protocol.moment import read_time, write_time
from hub.protocol.note import Note
from hub.protocol.receipt import Decision, Receipt
from hub.protocol.record import LANE_OPENED
from hub.protocol.verdict import Code

_UNLISTED: Final = (Code.UNKNOWN_CENTER, Code.CODE_NOT_LISTED, Code.UNKNOWN_SCHEMA)
_PARAMS: Final = re.compile(r"(?:list=(?P<list>\S+) )?value=(?P<value>\S+)")  # of these verdicts, as HQ writes them

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ReceivedReceipt:
    """One receipt as it was read: its place in `out.<center>`, what it says, and the note's bytes.

    `retired_at` says since when the key that it is by signs nothing new, None where that is in use.
    """

    offset: int
    receipt: Receipt
    note: bytes
    retired_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Beside:
    """What else was read: HQ's newest status, if one came, and how many records were passed over, by `Passed`.

    Shapes: again counts receipts that came before, byte for byte.
    """

    status: Kept | None
    passed: Counter[str]
    again: int = 0


@dataclass(frozen=True, slots=True)
class Listed:
    """What HQ's lane says at a size: which streams we may report, which centers, codes and schemas there are.

    Shapes: `code_lists` has the codes by the list's name; `schemas` are as `ce_dataschema` names them.
    """

    size: int
    streams: Collection[str]
    centers: Collection[str]
    code_lists: Mapping[str, Collection[str]]
    schemas: Collection[str]


@dataclass(slots=True)
class AnswersTaken:
    """What a few answers led to."""

    outcomes: list[ReceiptOutcome] = field(default_factory=list)
    replan: set[str] = field(default_factory=set)  # files whose rows must be planned again


class Answers:
    """Takes receipts. A receipt and all that follows from it are one transaction with the reader's position."""

    def __init__(self, database: Database, lane: Lane) -> None:
        self._database = database
        self._lane = lane
        self.origins = Origins(database, lane)
        # What time it is, once that is known for sure: then a row that HQ rejected for a time that the connector gave,
        # and that is to come still, is planned again.
        self.time: Callable[[], datetime | None] = lambda: None
        # What HQ's lane is known to say: a verdict under an earlier basis may be one that it would not give any more.
        self.listed: Callable[[], Listed | None] = lambda: None

    @property
    def position(self) -> int:
        """Return the offset in `out.<center>` that is read next."""
        return int(self._database.meta(Meta.POSITION, 0))

    def take(
        self, answers: Sequence[ReceivedReceipt], position: int, now: datetime, beside: Beside | None = None
    ) -> AnswersTaken:
        """Take `answers`, in their order, and what came `beside` them, and remember `position`.

        When it returns all of it is on the disk; after a crash before that, the same answers are read again.
        """
        taken = AnswersTaken()
        with self._database.transaction() as connection:
            for answer in answers:
                taken.outcomes.append(self._take(connection, answer, now, taken.replan))
            if beside is not None:
                self._take_beside(beside)
            self._database.set_meta(Meta.POSITION, position)
            said = zip(answers, taken.outcomes, strict=True)
            news = [answer.receipt for answer, outcome in said if outcome is ReceiptOutcome.APPLIED]
            taken.replan |= self._replan_outdated(news)
        return taken

    def _replan_outdated(self, receipts: Sequence[Receipt]) -> set[str]:
        """Have rows planned again that were rejected for what HQ lacked at an earlier basis than is known here.

        What HQ has listed since was looked at when it became known, and by then their verdicts had not come.
        """
        listed = self.listed()
        codes = {d.code for receipt in receipts if listed and receipt.basis < listed.size for d in receipt.decisions}
        if listed is None or codes.isdisjoint({*_UNLISTED, Code.STREAM_NOT_ALLOWED}):
            return set()
        return self.replan_allowed(listed.streams) | self.replan_listed(listed)

    def newest_basis(self) -> int:
        """Return how large HQ's own lane was when HQ signed the newest receipt that is kept here; 0 without one."""
        rows = self._database.read("SELECT note FROM receipt ORDER BY epoch DESC, first DESC LIMIT 1")
        return Receipt.from_text(Note.from_bytes(rows[0][0]).text).basis if rows else 0

    def newest_recorded_at(self) -> datetime | None:
        """Return when HQ recorded what the newest receipt of the open lane is of; None where it has none."""
        epoch = self._lane.epoch
        rows = (
            self._database.read("SELECT max(recorded_at) FROM receipt WHERE epoch=?", (epoch.number,)) if epoch else []
        )
        return read_time(rows[0][0]) if rows and rows[0][0] else None

    def notes_from(self, first: int) -> list[bytes]:
        """Return HQ's receipts for the open lane from an event on, byte for byte, in order."""
        epoch = self._lane.epoch
        sql = "SELECT note FROM receipt WHERE epoch=? AND last>=? ORDER BY first"
        return [bytes(note) for (note,) in self._database.read(sql, (epoch.number, first))] if epoch else []

    def is_answered(self, sequence: int) -> bool:
        """Return whether there is a receipt for an event of the open lane."""
        epoch = self._lane.epoch
        if epoch is None or sequence <= self._lane.receipted():
            return epoch is not None
        found = self._database.read(
            "SELECT 1 FROM receipt WHERE epoch=? AND last>=? AND first<=? LIMIT 1", (epoch.number, sequence, sequence)
        )
        return bool(found)

    def _take_beside(self, beside: Beside) -> None:
        if beside.status is not None:
            self._database.set_meta(Meta.HQ_STATUS, beside.status.to_text())
        if beside.again:
            self._count_duplicates(beside.again)
        if beside.passed:
            counts = Counter(count_passed_over(self._database)) + beside.passed
            self._database.set_meta(Meta.PASSED_OVER, orjson.dumps(dict(counts)).decode())

    def replan_allowed(self, streams: Collection[str]) -> set[str]:
        """Have rows that HQ rejected since it had not allowed their stream planned again, now that it has.

        Nothing is wrong with these rows, so that nobody would change them. Returns their files.
        """
        files = set()
        with self._database.transaction() as connection:
            for beliefs in load_all(connection, "state='rejected' AND code=?", (Code.STREAM_NOT_ALLOWED,)):
                changed = {
                    entity: belief.replan()
                    for entity, belief in beliefs.items()
                    if belief.is_rejected_for(Code.STREAM_NOT_ALLOWED) and entity.partition("/")[0] in streams
                }
                files |= files_of(changed)
                save(connection, changed)
        return files

    def replan_listed(self, listed: Listed) -> set[str]:
        """Have rows planned again that HQ rejected for a center, a code or a schema that it lacked, now that it has it.

        Nothing is wrong with these rows, so that nobody would change them. Returns their files.
        """
        files: set[str] = set()
        with self._database.transaction() as connection:
            for beliefs in load_all(connection, "state='rejected' AND code IN (?, ?, ?)", _UNLISTED):
                changed = {
                    entity: belief.replan()
                    for entity, belief in beliefs.items()
                    if any(map(belief.is_rejected_for, _UNLISTED)) and _is_listed(belief.verdict, listed)
                }
                files |= files_of(changed)
                save(connection, changed)
        return files

    def replan_own_times(self) -> set[str]:
        """Have rows planned again that HQ rejected for a time that the connector itself gave, now that it knows better.

        Nothing is wrong with these rows, so that nobody would change them. Returns their files.
        """
        files: set[str] = set()
        now = self.time()
        if now is None:
            return files
        with self._database.transaction() as connection:
            misdated = _misdated(connection, now)
            rejected = load_all(connection, "state='rejected' AND code=?", (Code.TIME_IN_FUTURE,)) if misdated else ()
            for beliefs in rejected:
                changed = {
                    entity: belief.replan()
                    for entity, belief in beliefs.items()
                    if belief.is_rejected_for(Code.TIME_IN_FUTURE)
                    and belief.rejected is not None
                    and belief.rejected.id in misdated
                }
                files |= files_of(changed)
                save(connection, changed)
        return files

    def _take(
        self, connection: sqlite3.Connection, answer: ReceivedReceipt, now: datetime, replan: set[str]
    ) -> ReceiptOutcome:
        """Take one answer; add to `replan` the files whose rows must be planned again."""
        receipt, epoch = answer.receipt, self._lane.epoch
        if answer.retired_at is not None and _is_backdated(connection, receipt, answer.retired_at):
            log.warning("answer_backdated", offset=answer.offset, origin=receipt.origin, last=receipt.last)
            return ReceiptOutcome.BACKDATED
        self.origins.remember(receipt)
        if epoch is None or receipt.origin != epoch.origin:
            if receipt.origin in self._lane.own_origins():
                return ReceiptOutcome.STRAY
            return self.origins.take_foreign(connection, receipt)
        if receipt.last > self._lane.sealed.size or self._lane.root_at(receipt.last) not in (None, receipt.root):
            values = {"size": str(receipt.last), "recorded_at": write_time(receipt.recorded_at)}
            self._database.set_meta(AlarmName.DIVERGED, Alarm(AlarmText.DIVERGED, values).to_text())
            return ReceiptOutcome.DIVERGED
        ranges = self._uncovered(connection, epoch, receipt)
        if not ranges:
            self._count_duplicates(1)
            return ReceiptOutcome.DUPLICATE
        for first, last in ranges:
            replan |= self._decide(connection, epoch, first, last, receipt.decisions)
        connection.execute(
            "INSERT OR IGNORE INTO receipt VALUES (?, ?, ?, ?, ?, ?)",
            (
                epoch.number, receipt.first, receipt.last, answer.note, write_time(receipt.recorded_at),
                write_time(now),
            ),
        )  # fmt: skip
        must_be_logged(connection, [(answer.note, epoch.number, receipt.last, write_time(now))])
        self._advance(connection, epoch)
        return self.origins.begin(epoch, receipt) if receipt.first == 1 else ReceiptOutcome.APPLIED

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

    def _count_duplicates(self, count: int) -> None:
        self._database.set_meta(Meta.DUPLICATES, int(self._database.meta(Meta.DUPLICATES, 0)) + count)

    def _decide(
        self,
        connection: sqlite3.Connection,
        epoch: Epoch,
        first: int,
        last: int,
        decisions: Iterable[Decision],
    ) -> set[str]:
        """Have what is believed follow from HQ's verdicts on a part of the lane; return the files to plan again."""
        # What HQ had already is as good as accepted: it holds what the event says.
        rejections = {
            d.sequence + epoch.base: d for d in decisions if first <= d.sequence <= last and d.code != Code.ALREADY_SAID
        }
        rows = connection.execute(
            "SELECT type, subject, id, status, digest, creates, ce_id, correlation, time FROM event "
            "WHERE id BETWEEN ? AND ? AND type <> ? ORDER BY id",
            (epoch.base + first, epoch.base + last, LANE_OPENED),
        ).fetchall()
        connection.executemany(
            "INSERT OR IGNORE INTO rejection VALUES (?, ?, ?, ?)",
            [(number, d.code, d.field, d.params) for number, d in rejections.items()],
        )
        said_upto = int(self._database.meta(said_again(epoch.number), 0)) if rejections else 0
        entities = [entity_id(row[0], row[1]) for row in rows]
        beliefs, rejected = load(connection, list(set(entities))), set()
        for entity, (_, _, number, status, digest, creates, ce_id, correlation, time) in zip(
            entities, rows, strict=True
        ):
            event, decision = Queued(number, status, digest, bool(creates)), rejections.get(number)
            belief = beliefs.get(entity, NOTHING)
            if decision is None:
                beliefs[entity] = belief.accept(event)
            else:
                verdict = Verdict(decision.code, decision.field, decision.params)
                story = RejectedEvent(ce_id, correlation or ce_id)
                lane_begins = epoch.base + 1 if number <= said_upto else 0
                beliefs[entity] = belief.reject(event, verdict, story, lane_begins)
                if verdict.code == Code.TIME_IN_FUTURE and is_misdated(time, ce_id, self.time()):
                    beliefs[entity] = beliefs[entity].misdated()
                rejected.add(entity)
        again = {entity: belief.replan() for entity, belief in beliefs.items() if belief.is_to_replan}
        others = {entity: beliefs.pop(entity) for entity in rejected.union(again)} | again
        save(connection, others)
        save_accepted(connection, beliefs)
        return files_of(again)

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
        self._database.set_meta(receipted(epoch.number), mark)


def _is_listed(verdict: Verdict | None, listed: Listed) -> bool:
    """Return whether HQ has by now what an event was rejected for the lack of."""
    if verdict is None:
        return False
    if verdict.code == Code.UNKNOWN_SCHEMA:
        return verdict.params in listed.schemas
    found = _PARAMS.fullmatch(verdict.params)
    if found is None:
        return False
    if verdict.code == Code.UNKNOWN_CENTER:
        return found["value"] in listed.centers
    if found["list"] is None:
        return False
    codes = listed.code_lists.get(found["list"])
    return codes is None or found["value"] in codes  # a list that HQ does not have any more forbids nothing


def _misdated(connection: sqlite3.Connection, now: datetime) -> set[str]:
    """Return the ids of the events that are kept still and have a wrong time from the connector itself.

    All of them are gone through once: a clock that was wrong may have had thousands of them rejected.
    """
    later = connection.execute("SELECT ce_id, time FROM event WHERE time > ?", (write_time(now),))
    return {event_id for event_id, moment in later if is_misdated(moment, event_id, now)}


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
