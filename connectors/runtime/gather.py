"""Takes what a file wants to be true into the outbox: new and changed rows become events, all others nothing.

    read → guard (did too much change at once?) → settle (has the row stood still?) → plan → queue, with the rows

Each few hundred rows are one transaction: their events, what was planned for, and their state. A file that is new is
gone through once, as it is read. A file that is known is gone through once too, for the guard, which must see all of it
before anything is taken: what has to be planned is kept from there, of all other rows only what is stored of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import islice
from typing import Final, TypeVar

import orjson

from connectors.mapping.outcome import RowOutcome
from connectors.mapping.problem import LocalCode, Problem, Wanted
from connectors.reconcile.belief import NOTHING, Aim, Belief, OwnState
from connectors.reconcile.digest import record_digest
from connectors.reconcile.plan import NoTransition, plan
from connectors.reconcile.story import tell
from connectors.runtime.codecs import Codecs
from connectors.runtime.ids import EventIds
from connectors.runtime.outbox import Outbox
from connectors.runtime.outbox.beliefs import load, save
from connectors.runtime.outbox.meta import Meta
from connectors.runtime.outbox.queue import NewEvent, append
from connectors.runtime.outbox.rows import FileState, Reason, StoredRow, put_rows
from connectors.runtime.settings import Guard
from hub.domain.catalogue import STREAMS
from hub.domain.rules import check
from hub.protocol.errors import Malformed, Rejected, Retriable
from hub.protocol.limits import VALUE_BYTES_MAX
from hub.protocol.moment import write_time
from hub.protocol.verdict import Code

CHUNK_ROWS: Final = 500  # a transaction holds the outbox for some twenty milliseconds
KEPT_MAX: Final = 5_000  # outcomes that are kept; they take eight times the memory of what they were read from

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Gathered:
    """What became of one reading of a file: how many events were queued, when a row that waits may be taken."""

    events: int = 0
    due_s: float | None = None  # seconds from now; None if no row waits for its settling time
    waits: bool = False  # for `connector approve`


@dataclass(slots=True)
class _Chunk:
    """What one transaction will write."""

    rows: list[StoredRow] = field(default_factory=list)
    events: list[NewEvent] = field(default_factory=list)
    aims: dict[str, Aim] = field(default_factory=dict)  # by entity: what the events are for
    held: dict[str, bytes] = field(default_factory=dict)  # by entity: the wanted state for which nothing is to be said


class Gatherer:
    """Takes files into one outbox. Not for two threads at a time.

    Units: settle_s is how long a row must have said the same before it is taken; `clock` is monotonic, in seconds.
    """

    def __init__(
        self,
        outbox: Outbox,
        codecs: Codecs,
        ids: EventIds,
        *,
        settle_s: float,
        guard: Guard,
        clock: Callable[[], float],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._outbox = outbox
        self._codecs = codecs
        self._ids = ids
        self._settle_s = settle_s
        self._guard = guard
        self._clock = clock
        self._now = now  # what time it is, for rows that have none
        self._others: dict[str, frozenset[str]] = {}  # what other files name, looked up once a reading
        self._stopping = False
        self._due: dict[str, datetime] = {}  # by file: when its first row that waits may be taken
        self._seen: dict[str, dict[str, tuple[bytes, float]]] = {}  # by file and key: what a row says, since when

    def take(self, file: str, outcomes: Iterable[RowOutcome], *, blank: int = 0, age_s: float = 0.0) -> Gathered:
        """Take one reading of `file`: outcomes in the sheet's order, `blank` rows more that the source only counted.

        Shapes: outcomes are gone through twice, where very much of a known file has to be planned: no iterator that
                does it but once.
        Units:  age_s is for how long the file's content has stood as it is, as far as its time tells.
        Errors: OutboxFull; what was taken until then stays taken, the file is to be read again.
        """
        lines: Iterable[RowOutcome | StoredRow] = outcomes
        known = self._outbox.rows.known(file)
        if known:
            survey = _survey(known, outcomes)
            if not self._passes_guard(file, known, survey.marks):
                return Gathered(waits=True)
            lines = outcomes if survey.lines is None else survey.lines
        settling = _Settling(self._seen.pop(file, {}), self._settle_s, age_s, self._clock())
        self._others.clear()
        generation = self._outbox.rows.begin(file)
        count = 0
        for part in _chunks(lines, CHUNK_ROWS):
            if self._stopping:
                raise Retriable(f"stopped while {file} was read: the next start reads it again")
            count += self._take_chunk(file, generation, part, settling)
        self._outbox.rows.finish(file, generation, blank)
        if settling.waiting:
            self._seen[file] = settling.waiting
        self._note_due(file, settling.due_s)
        return Gathered(count, settling.due_s)

    def _take_chunk(
        self, file: str, generation: int, part: Sequence[RowOutcome | StoredRow], settling: _Settling
    ) -> int:
        """Take some rows in one transaction; return how many events were queued."""
        try:
            with self._outbox.database.transaction() as connection:
                wanted = [_entity_id(o.wanted) for o in part if isinstance(o, RowOutcome) and o.wanted is not None]
                beliefs = load(connection, wanted)
                chunk = self._plan_chunk(beliefs, file, part, settling)
                put_rows(connection, file, generation, chunk.rows)
                beliefs |= (changed := append(connection, chunk.events, beliefs, chunk.aims))
                held = {entity: beliefs[entity].hold(mark) for entity, mark in chunk.held.items()}
                save(connection, changed | held)
        except Retriable:
            self._outbox.queued.ring()  # it may have been done all the same, and the next reading queues nothing
            raise
        # Durable from here: these rows, their events and what was planned. A crash leaves the rest of the file for the
        # next reading, which finds the same wanted states and says nothing twice.
        if chunk.events:
            self._outbox.queued.ring()
        return len(chunk.events)

    def _note_due(self, file: str, due_s: float | None) -> None:
        """Keep when the first row that waits may be taken, for `status`."""
        before = min(self._due.values(), default=None)
        self._due.pop(file, None)
        if due_s is not None:
            self._due[file] = datetime.now(UTC) + timedelta(seconds=due_s)
        first = min(self._due.values(), default=None)
        if first != before:
            self._outbox.database.set_meta(Meta.SETTLES_AT, None if first is None else write_time(first))

    def stop(self) -> None:
        """Have a `take` that is under way in another thread end soon, as Retriable."""
        self._stopping = True

    def refuse(self, file: str, reason: Reason) -> None:
        """Note that no rows can be had from `file`."""
        self._outbox.rows.set_file(file, FileState.REFUSED, reason)

    def vanish(self, file: str) -> None:
        """Note that `file` is gone. What HQ holds of its rows stays: nothing is withdrawn."""
        self._seen.pop(file, None)
        self._outbox.rows.set_file(file, FileState.VANISHED, Reason("the file is gone; nothing was withdrawn"))

    def _passes_guard(self, file: str, known: Mapping[str, bytes], new: Mapping[str, bytes]) -> bool:
        """Return whether so little changed or vanished that the file may be taken, or a person has approved it."""
        changed = sum(1 for key, mark in known.items() if new.get(key) not in (mark, b"", None))
        vanished = sum(1 for key in known if key not in new)
        touched = changed + vanished
        if touched < self._guard.rows_min or touched * 100 <= self._guard.percent * len(known):
            return True
        content = sha256(b"".join(sorted(key.encode() + mark for key, mark in new.items()))).digest()
        if self._outbox.rows.approvals().get(file) == content:
            return True
        message = (
            f"{changed} of {len(known)} known rows changed and {vanished} vanished at once: "
            f"look at the file, then run `connector approve {file}`"
        )
        params = {"known": str(len(known)), "changed": str(changed), "vanished": str(vanished)}
        self._outbox.rows.set_file(file, FileState.WAITING, Reason(message, params=params), content)
        return False

    def _plan_chunk(
        self, beliefs: dict[str, Belief], file: str, part: Sequence[RowOutcome | StoredRow], settling: _Settling
    ) -> _Chunk:
        chunk = _Chunk()
        for line in part:
            stored = line if isinstance(line, StoredRow) else self._plan_row(file, line, beliefs, settling, chunk)
            chunk.rows.append(stored)
        return chunk

    def _plan_row(
        self,
        file: str,
        outcome: RowOutcome,
        beliefs: dict[str, Belief],
        settling: _Settling,
        chunk: _Chunk,
    ) -> StoredRow:
        """Return the row as it is stored; what is to be said for it goes into `chunk`."""
        stored, wanted = _stored(outcome), outcome.wanted
        if stored.state or wanted is None:
            return stored
        entity = _entity_id(wanted)
        belief = beliefs.get(entity, NOTHING)
        if belief.fingerprint == outcome.fingerprint:
            return stored
        if not settling.is_settled(outcome.key, outcome.fingerprint):
            return stored  # pending: the entity was planned for something else
        problem = self._plan_events(Aim(outcome.fingerprint, file), entity, wanted, belief, chunk)
        return stored if problem is None else _refused(outcome, (problem,))

    def _plan_events(self, aim: Aim, entity: str, wanted: Wanted, belief: Belief, chunk: _Chunk) -> Problem | None:
        """Put into `chunk` what leads to `wanted`; return what stands against it instead, if anything does."""
        if belief.file not in (None, aim.file) and entity in self._entities_of(belief.file):
            return Problem("", "", LocalCode.DUPLICATE_KEY, f"file={belief.file}"[:100])
        try:
            events = self._events(wanted, belief)
        except NoTransition as exc:
            return Problem("", "", Code.ILLEGAL_TRANSITION, f"status={exc.known} event={exc.wanted}")
        except Rejected as exc:
            return Problem("", exc.field, exc.code, exc.params)
        except Malformed as exc:
            return Problem("", "", Code.BAD_VALUE, str(exc)[:100])
        if events:
            chunk.events.extend(events)
            chunk.aims[entity] = aim
        else:
            chunk.held[entity] = aim.fingerprint
        return None

    def _entities_of(self, file: str) -> frozenset[str]:
        if file not in self._others:
            self._others[file] = self._outbox.rows.entities_of(file)
        return self._others[file]

    def _events(self, wanted: Wanted, belief: Belief) -> list[NewEvent]:
        """Return the events that lead to `wanted`. Errors: NoTransition, Rejected, Malformed."""
        known = belief.presumed
        planned = plan(STREAMS[wanted.stream], known, wanted)
        if not planned:
            return []
        digest = record_digest(wanted.record)
        moment = wanted.occurred_at or self._now()
        status = known.status if known else ""
        ids = [self._ids.make() for _ in planned]
        links = tell(ids, belief.rejected)
        events = []
        for step, event_id, link in zip(planned, ids, links, strict=True):
            if not step.kind.carries_record:
                check(step.kind, step.value)  # the record's own rules were kept when the row was read
            status = step.kind.status_after or status
            event = self._codecs.event(
                step.kind,
                wanted.subject,
                step.value,
                event_id=event_id,
                time=moment,
                status=status,
                digest=digest if step.kind.carries_record else None,
                link=link,
            )
            if len(event.value) > VALUE_BYTES_MAX:
                raise Rejected(Code.TOO_LARGE, "", f"length={len(event.value)} max={VALUE_BYTES_MAX}")
            events.append(event)
        return events


class _Settling:
    """Which rows have said the same for long enough; what waits is kept for the next reading."""

    def __init__(self, seen: dict[str, tuple[bytes, float]], settle_s: float, age_s: float, now: float) -> None:
        self._seen = seen
        self._settle_s = settle_s
        self._all = age_s >= settle_s
        self._now = now
        self.waiting: dict[str, tuple[bytes, float]] = {}
        self.due_s: float | None = None

    def is_settled(self, key: str, fingerprint: bytes) -> bool:
        """Return whether the row may be taken now."""
        if self._all:
            return True
        before = self._seen.get(key)
        since = before[1] if before is not None and before[0] == fingerprint else self._now
        left = since + self._settle_s - self._now
        if left <= 0:
            return True
        self.waiting[key] = (fingerprint, since)
        self.due_s = left if self.due_s is None else min(left, self.due_s)
        return False


@dataclass(frozen=True, slots=True)
class _Survey:
    """What the guard is asked about: which wanted state each key has. `lines` are the rows as they will be taken.

    Of a row that was planned for already, or that nothing is to be said of, a line has what is stored of it. None:
    there were too many others to be kept, and the outcomes are to be gone through again.
    """

    marks: dict[str, bytes]
    lines: list[RowOutcome | StoredRow] | None


def _survey(known: Mapping[str, bytes], outcomes: Iterable[RowOutcome]) -> _Survey:
    marks: dict[str, bytes] = {}
    lines: list[RowOutcome | StoredRow] | None = []
    kept = 0
    for outcome in outcomes:
        if outcome.key:
            marks[outcome.key] = outcome.fingerprint
        if lines is None:
            continue
        stored = _stored(outcome)
        # A plan that is shaken meanwhile leaves the row pending, and has its file read again.
        is_planned = bool(stored.state) or known.get(outcome.key) == outcome.fingerprint
        kept += not is_planned
        lines.append(stored if is_planned else outcome)
        if kept > KEPT_MAX:
            lines = None
    return _Survey(marks, lines)


def _stored(outcome: RowOutcome) -> StoredRow:
    """Return a row as it is stored, if nothing is to be said for it."""
    wanted = outcome.wanted
    if outcome.blank:
        return StoredRow(outcome.row, "", None, None, "blank")
    if outcome.problems or wanted is None:
        return _refused(outcome, outcome.problems)
    told = _told(wanted.remarks) if wanted.remarks else ""
    state: OwnState = "" if outcome.duplicate_of is None else "unchanged"
    return StoredRow(outcome.row, outcome.key, _entity_id(wanted), outcome.fingerprint, state, problems=told)


def _entity_id(wanted: Wanted) -> str:
    return f"{wanted.stream}/{wanted.subject}"


def _refused(outcome: RowOutcome, problems: Sequence[Problem]) -> StoredRow:
    first, told = problems[0], _told(problems)
    return StoredRow(outcome.row, outcome.key, None, None, "refused", str(first.code), first.field, first.params, told)


def _told(problems: Sequence[Problem]) -> str:
    return orjson.dumps([[p.column, p.field, str(p.code), p.params] for p in problems]).decode()


def _chunks(items: Iterable[_T], size: int) -> Iterator[list[_T]]:
    iterator = iter(items)
    while part := list(islice(iterator, size)):
        yield part
