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
from connectors.mapping.problem import Problem, Wanted
from connectors.reconcile.belief import NOTHING, Aim, Belief, OwnState
from connectors.reconcile.digest import record_digest
from connectors.reconcile.plan import NoTransition, plan
from connectors.reconcile.story import tell
from connectors.runtime.codecs import Codecs
from connectors.runtime.ids import EventIds
from connectors.runtime.outbox import Outbox
from connectors.runtime.outbox.beliefs import load, save
from connectors.runtime.outbox.meta import Meta
from connectors.runtime.outbox.orphans import name
from connectors.runtime.outbox.queue import NewEvent, append
from connectors.runtime.outbox.rows import GONE, FileState, Reason, StoredRow, put_rows
from connectors.runtime.settings import Guard
from connectors.runtime.settling import Settling
from connectors.runtime.traced import traced
from connectors.runtime.units import approve_command
from hub.base.traces.spans import NO_TRACES, Begun, Traces, now_ns
from hub.domain.catalogue import STREAMS
from hub.domain.rules import check
from hub.protocol.errors import Malformed, Rejected, Retriable
from hub.protocol.limits import VALUE_BYTES_MAX
from hub.protocol.moment import write_time
from hub.protocol.rules import NEWEST
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
    again: frozenset[str] = frozenset()  # files that own now what this one named, and want something else of it


@dataclass(slots=True)
class _Chunk:
    """What one transaction will write."""

    rows: list[StoredRow] = field(default_factory=list)
    events: list[NewEvent] = field(default_factory=list)
    aims: dict[str, Aim] = field(default_factory=dict)  # by entity: what the events are for
    held: dict[str, Aim] = field(default_factory=dict)  # by entity: what it is there for already, so nothing is said
    begun: list[Begun] = field(default_factory=list)  # the events' traces
    began_ns: int = 0
    owned: dict[str, Belief] = field(default_factory=dict)  # by entity: what is the file's own from now on


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
        traces: Traces = NO_TRACES,
    ) -> None:
        self._outbox = outbox
        self._traces = traces
        self._codecs = codecs
        self._ids = ids
        self._settle_s = settle_s
        self._guard = guard
        self._clock = clock
        self._now = now  # what time it is, for rows that have none
        self._others: dict[str, frozenset[str]] = {}  # what other files name, looked up once a reading
        self._has_orphans = False  # asked once a reading; only readings make any
        self._stopping = False
        self._due: dict[str, datetime] = {}  # by file: when its first row that waits may be taken
        self._seen: dict[str, dict[str, tuple[bytes, float]]] = {}  # by file and key: what a row says, since when

    def take(
        self, file: str, outcomes: Iterable[RowOutcome], *, entities: str = "", blank: int = 0, age_s: float = 0.0
    ) -> Gathered:
        """Take one reading of `file`: outcomes in the sheet's order, `blank` rows more that the source only counted.

        Shapes: entities is what the ids of its entities begin with, before the key: `<stream>/<center>:`. So a refused
                row names its entity too; without it, it does not.
        Shapes: outcomes are gone through twice, where very much of a known file has to be planned: no iterator that
                does it but once.
        Units:  age_s is for how long the file's content has stood as it is, as far as its time tells.
        Errors: OutboxFull; what was taken until then stays taken, the file is to be read again.
        """
        lines: Iterable[RowOutcome | StoredRow] = outcomes
        known = self._outbox.rows.known(file)
        self._has_orphans = not self._outbox.orphans.is_empty
        left = self._outbox.orphans.marks(entities) if self._has_orphans and not known else {}
        if known or len(left) >= self._guard.rows_min:
            survey = _survey(known, entities, outcomes)
            # A file that is new may be one that got another name: it is guarded by what it takes over.
            before = known or {key: mark for key, mark in left.items() if key in survey.marks}
            if not self._passes_guard(file, before, survey.marks):
                return Gathered(waits=True)
            lines = outcomes if survey.lines is None else survey.lines
        settling = Settling(self._seen.pop(file, {}), self._settle_s, age_s, self._clock())
        self._others.clear()
        generation = self._outbox.rows.begin(file)
        count = 0
        for part in _chunks(lines, CHUNK_ROWS):
            if self._stopping:
                raise Retriable(f"stopped while {file} was read: the next start reads it again")
            count += self._take_chunk(file, entities, generation, part, settling)
        again = self._outbox.rows.finish(file, generation, blank, datetime.now(UTC))
        if settling.waiting:
            self._seen[file] = settling.waiting
        self._note_due(file, settling.due_s)
        return Gathered(count, settling.due_s, again=frozenset(again))

    def _take_chunk(
        self, file: str, entities: str, generation: int, part: Sequence[RowOutcome | StoredRow], settling: Settling
    ) -> int:
        """Take some rows in one transaction; return how many events were queued."""
        try:
            with self._outbox.database.transaction() as connection:
                lines = [o if isinstance(o, StoredRow) else (o, _stored(o, entities)) for o in part]
                asked = [o for o in lines if not isinstance(o, StoredRow) or _is_in_doubt(o)]
                beliefs = load(connection, _entities(asked))
                chunk = self._plan_chunk(beliefs, file, lines, settling)
                put_rows(connection, file, generation, chunk.rows)
                beliefs |= (changed := append(connection, chunk.events, beliefs, chunk.aims))
                held = {entity: beliefs[entity].hold(aim) for entity, aim in chunk.held.items()}
                save(connection, chunk.owned | changed | held)
                if self._has_orphans:
                    name(connection, _entities(lines))
        except Retriable:
            self._outbox.queued.ring()  # it may have been done all the same, and the next reading queues nothing
            raise
        # Durable from here: these rows, their events and what was planned. A crash leaves the rest of the file for the
        # next reading, which finds the same wanted states and says nothing twice.
        if chunk.events:
            self._outbox.queued.ring()
        for begun in chunk.begun:
            begun.end()
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

    def vanish(self, file: str) -> set[str]:
        """Note that `file` is gone; return the files to be read again. What HQ holds of its rows stays as it is."""
        self._seen.pop(file, None)
        self._note_due(file, None)
        now = datetime.now(UTC)
        again = self._outbox.rows.leave(file, FileState.VANISHED, GONE, now)
        self._outbox.rows.forget_vanished(now)
        return again

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
            f"look at the file, then run `{approve_command(file)}`"
        )
        params = {"known": str(len(known)), "changed": str(changed), "vanished": str(vanished)}
        self._outbox.rows.set_file(file, FileState.WAITING, Reason(message, params=params), content)
        return False

    def _plan_chunk(
        self,
        beliefs: dict[str, Belief],
        file: str,
        part: Sequence[StoredRow | tuple[RowOutcome, StoredRow]],
        settling: Settling,
    ) -> _Chunk:
        chunk = _Chunk(began_ns=now_ns())
        for line in part:
            if isinstance(line, StoredRow):
                stored = line
                if _is_in_doubt(stored):
                    self._own(file, stored.entity, beliefs, chunk)
            else:
                stored = self._plan_row(file, *line, beliefs, settling, chunk)
            chunk.rows.append(stored)
        return chunk

    def _plan_row(
        self,
        file: str,
        outcome: RowOutcome,
        stored: StoredRow,
        beliefs: dict[str, Belief],
        settling: Settling,
        chunk: _Chunk,
    ) -> StoredRow:
        """Return the row as it is stored; what is to be said for it goes into `chunk`."""
        entity, wanted = stored.entity, outcome.wanted
        if stored.state or wanted is None or entity is None:
            self._own(file, entity, beliefs, chunk)
            return stored
        belief = beliefs.get(entity, NOTHING)
        if not self._may_own(file, entity, belief):
            return stored
        problem = None
        if belief.fingerprint != outcome.fingerprint and settling.is_settled(outcome.key, outcome.fingerprint):
            problem = self._plan_events(Aim(outcome.fingerprint, file), entity, wanted, belief, chunk)
        if entity not in chunk.aims and entity not in chunk.held:
            self._own(file, entity, beliefs, chunk)  # not planned for now: it waits, or HQ has it as it is
        return stored if problem is None else _refused(outcome, (problem,), entity)

    def _may_own(self, file: str, entity: str, belief: Belief) -> bool:
        """Return whether `file` says what becomes of an entity: it does, unless another that is there names it."""
        return belief.file is None or belief.file == file or entity not in self._entities_of(belief.file)

    def _own(self, file: str, entity: str | None, beliefs: dict[str, Belief], chunk: _Chunk) -> None:
        """Have `file` own what it names, if it may: no other file says it while this one waits, or is to be mended."""
        belief = NOTHING if entity is None else beliefs.get(entity, NOTHING)
        if entity is not None and belief.file != file and self._may_own(file, entity, belief):
            beliefs[entity] = chunk.owned[entity] = belief.own(file)

    def _plan_events(self, aim: Aim, entity: str, wanted: Wanted, belief: Belief, chunk: _Chunk) -> Problem | None:
        """Put into `chunk` what leads to `wanted`; return what stands against it instead, if anything does."""
        try:
            events = self._events(wanted, belief)
        except NoTransition as exc:
            return Problem("", "", Code.ILLEGAL_TRANSITION, f"status={exc.known} event={exc.wanted}")
        except Rejected as exc:
            return Problem("", exc.field, exc.code, exc.params)
        except Malformed as exc:
            return Problem("", "", Code.BAD_VALUE, str(exc)[:100])
        if events:
            chunk.events.extend(traced(self._traces, events, chunk.began_ns, chunk.begun))
            chunk.aims[entity] = aim
        else:
            chunk.held[entity] = aim
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
                check(step.kind, step.value, NEWEST)  # the record's own rules were kept when the row was read
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


@dataclass(frozen=True, slots=True)
class _Survey:
    """What the guard is asked about: which wanted state each key has. `lines` are the rows as they will be taken.

    Of a row that was planned for already, or that nothing is to be said of, a line has what is stored of it. None:
    there were too many others to be kept, and the outcomes are to be gone through again.
    """

    marks: dict[str, bytes]
    lines: list[RowOutcome | StoredRow] | None


def _survey(known: Mapping[str, bytes], entities: str, outcomes: Iterable[RowOutcome]) -> _Survey:
    marks: dict[str, bytes] = {}
    lines: list[RowOutcome | StoredRow] | None = []
    kept = 0
    for outcome in outcomes:
        if outcome.key:
            marks[outcome.key] = outcome.fingerprint
        if lines is None:
            continue
        stored = _stored(outcome, entities)
        # A plan that is shaken meanwhile leaves the row pending, and has its file read again.
        is_planned = bool(stored.state) or known.get(outcome.key) == outcome.fingerprint
        kept += not is_planned
        lines.append(stored if is_planned else outcome)
        if kept > KEPT_MAX:
            lines = None
    return _Survey(marks, lines)


def _stored(outcome: RowOutcome, entities: str) -> StoredRow:
    """Return a row as it is stored, if nothing is to be said for it."""
    wanted = outcome.wanted
    if outcome.blank:
        return StoredRow(outcome.row, "", None, None, "blank")
    if outcome.problems or wanted is None:
        return _refused(outcome, outcome.problems, f"{entities}{outcome.key}" if entities and outcome.key else None)
    told = _told(wanted.remarks) if wanted.remarks else ""
    state: OwnState = "" if outcome.duplicate_of is None else "unchanged"
    return StoredRow(outcome.row, outcome.key, _entity_id(wanted), outcome.fingerprint, state, problems=told)


def _entities(lines: Iterable[StoredRow | tuple[RowOutcome, StoredRow]]) -> list[str]:
    """Return the entities that rows name."""
    stored = (line if isinstance(line, StoredRow) else line[1] for line in lines)
    return [row.entity for row in stored if row.entity is not None]


def _is_in_doubt(stored: StoredRow) -> bool:
    """Return whether it is to be asked who owns the entity of a row of which nothing is to be said.

    One that has the state '' was planned for in this file, or it would not be stored as it is.
    """
    return stored.state == "refused"


def _entity_id(wanted: Wanted) -> str:
    return f"{wanted.stream}/{wanted.subject}"


def _refused(outcome: RowOutcome, problems: Sequence[Problem], entity: str | None) -> StoredRow:
    first, told = problems[0], _told(problems)
    return StoredRow(
        outcome.row, outcome.key, entity, None, "refused", str(first.code), first.field, first.params, told
    )


def _told(problems: Sequence[Problem]) -> str:
    return orjson.dumps([[p.column, p.field, str(p.code), p.params] for p in problems]).decode()


def _chunks(items: Iterable[_T], size: int) -> Iterator[list[_T]]:
    iterator = iter(items)
    while part := list(islice(iterator, size)):
        yield part
