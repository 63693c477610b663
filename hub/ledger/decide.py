"""Deciding: the events taken from a fetch become verdicts, entities and a receipt. Pure.

verdict = f(event, own entity, recorded_at, basis). Nothing else is asked, so the ledger alone gives every verdict
again (ARCHITECTURE.md, "Four laws").
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from itertools import repeat
from types import MappingProxyType
from typing import Any, Final

from hub.domain.catalogue import KINDS, STREAMS
from hub.domain.clock import recorded_at
from hub.domain.entity import Entity
from hub.domain.exact import EXACT, ZERO, add_up
from hub.domain.fold import fold
from hub.domain.judge import judge_each
from hub.domain.stream import EventKind, Stream, count_by_status
from hub.ledger.basis import Basis, Reader
from hub.ledger.lane import Lane
from hub.ledger.reading import Pending, Stretch
from hub.ledger.step import Commit, EntityKey, KnownEntity, LedgerRow
from hub.protocol.avro import PREFIX_SIZE, frame, schema_id_of
from hub.protocol.envelope import read_alike, read_envelope
from hub.protocol.errors import Malformed, Rejected
from hub.protocol.leaf import Common
from hub.protocol.limits import VALUE_BYTES_MAX
from hub.protocol.note import Signer, sign_note
from hub.protocol.receipt import Decision, Receipt
from hub.protocol.record import LANE_OPENED
from hub.protocol.value import value_class
from hub.protocol.verdict import Code

# A Kafka key that no verdict depends on is kept beside its row where it is not the subject, and not longer than this.
KEY_REMARK_BYTES_MAX: Final = 1024
AT_ONCE_MAX: Final = 64  # events that are decided step by step, and not one by one


@dataclass(frozen=True, slots=True)
class Decided:
    """The stretches of one fetch decided: what a Step has under the same names."""

    commits: tuple[Commit, ...]
    entities: Mapping[EntityKey, KnownEntity]
    measures: Mapping[tuple[str, str], Decimal]


def decide(
    stretches: Iterable[Stretch],
    entities: Mapping[EntityKey, KnownEntity],
    basis: Basis,
    now: datetime,
    receipts_key: Signer,
) -> Decided:
    """Return what becomes of the stretches of one fetch, in order.

    Shapes: `entities` has every known entity that `subjects` names.
    Units:  `now` is HQ's clock in UTC; what a lane records is never earlier than what it has recorded, but for times
            that HQ took back (hub/domain/clock.py).
    Errors: none for any event; an exception is a fault of ours and parks the lane.
    """
    state = _State(entities)
    commits: list[Commit] = []
    for stretch in stretches:
        if commits and commits[-1].lane.origin == stretch.lane.origin:
            stretch = replace(stretch, lane=commits[-1].lane)  # noqa: PLW2901 - on from what was just decided
        commits.append(_Deciding(state, stretch, basis, now).commit(receipts_key))
    return Decided(tuple(commits), MappingProxyType(state.changed), MappingProxyType(state.measures))


@dataclass(frozen=True, slots=True)
class Judged:
    """A stretch decided, with nothing signed: its rows, the lane after them, what changed.

    Shapes: `digests` has the entity's digest for every accepted event, in order; `state_digest` chains them.
    """

    rows: list[LedgerRow]
    lane: Lane
    entities: dict[EntityKey, KnownEntity]
    measures: dict[tuple[str, str], Decimal]
    digests: list[bytes]


def judge_again(
    stretch: Stretch, entities: Mapping[EntityKey, KnownEntity], basis: Basis, recorded_at: datetime
) -> Judged:
    """Return what `decide` decided of a stretch, as replay asks it: no receipt is signed.

    Shapes, Units, Errors: as for `decide`.
    """
    state = _State(entities)
    deciding = _Deciding(state, stretch, basis, recorded_at)
    rows = deciding.rows()
    return Judged(rows, deciding.lane, state.changed, state.measures, deciding.digests)


def fold_again(
    stretch: Stretch, entities: Mapping[EntityKey, KnownEntity], basis: Basis, recorded_at: datetime
) -> Judged:
    """Return what the events of a stretch fold to, all of which were accepted once: they are not judged again.

    Shapes: as `judge_again`, without rows.
    Errors: Rejected, for an event that can't have been accepted: it does not decode, or is no legal next step.
    """
    state = _State(entities)
    deciding = _Deciding(state, stretch, basis, recorded_at)
    deciding.refold()
    return Judged([], deciding.lane, state.changed, state.measures, deciding.digests)


class _State:
    """Entities as they were found and as they have become, and by how much measures change, while deciding."""

    def __init__(self, found: Mapping[EntityKey, KnownEntity]) -> None:
        self.found = found
        self.changed: dict[EntityKey, KnownEntity] = {}
        self.measures: dict[tuple[str, str], Decimal] = {}


@value_class
class _Alike:
    """What the first good envelope of a Common settled for the records that are alike. `prefix` begins their values."""

    type: str
    kind: EventKind
    reader: Reader
    prefix: bytes
    stream: Stream


# The entity after an event, or why it is rejected; the event's form, subject and time; the entity before it.
_Judgement = tuple[Entity | Rejected, _Alike, str, datetime, KnownEntity | None]


class _Deciding:
    """The working state of one stretch."""

    def __init__(self, state: _State, stretch: Stretch, basis: Basis, now: datetime) -> None:
        self.state = state
        self.stretch = stretch
        self.basis = basis
        self.registry = basis.registry
        self.rules = basis.rules
        self.recorded_at = recorded_at(now, stretch.lane.recorded_at, stretch.lane.basis, self.registry.clock)
        self.center = stretch.lane.center
        self.origin = stretch.lane.origin
        self.alike: dict[Common, _Alike] = {}
        self.state_digest = stretch.lane.state_digest
        self.digests: list[bytes] = []

    @property
    def lane(self) -> Lane:
        """The lane after the events decided so far."""
        stretch = self.stretch
        return replace(
            stretch.lane, edge=stretch.edge, state_digest=self.state_digest, recorded_at=self.recorded_at,
            basis=self.basis.size,
        )  # fmt: skip

    def commit(self, receipts_key: Signer) -> Commit:
        rows = tuple(self.rows())
        lane = self.lane
        receipt = Receipt(
            lane.origin,
            rows[0].sequence,
            rows[-1].sequence,
            lane.edge.root,
            self.recorded_at,
            self.basis.size,
            tuple(Decision(r.sequence, r.code, r.field, r.params) for r in rows if r.code != Code.ACCEPTED),
        )
        note = sign_note(receipt.to_text(), [receipts_key]).to_bytes()
        return Commit(self.stretch, lane, rows, receipt, note, self._missing())

    def _missing(self) -> int:
        """Return how many events of the lane that this one closes its center wrote and HQ does not have."""
        lane, closes = self.stretch.lane, self.stretch.closes
        opened = self.state.changed.get(("lane", f"{lane.center}:{lane.epoch}"))
        if closes is None or opened is None or opened.entity.record["previous_origin"] != closes.origin:
            return 0
        return max(0, int(opened.entity.record["previous_size"]) - closes.size)

    def rows(self) -> list[LedgerRow]:
        """Decide all events in their order: several at once, and each alone whose form is new or unusual."""
        rows: list[LedgerRow] = []
        for events in self._windows():
            judged, done = self._judged(events), 0
            for end in [number for number, one in enumerate(judged) if one is None] + [len(judged)]:
                rows += self._rows_of(events[done:end], judged[done:end])
                rows += [self._alone(event) for event in events[end : end + 1]]
                done = end + 1
        return rows

    def _windows(self) -> Iterator[Sequence[Pending]]:
        """Yield the events in windows: those of one have forms that are known, and no two are of one entity.

        So nothing depends on what another event of it has changed. One whose form is new is alone.
        """
        events, at = self.stretch.events, 0
        while at < len(events):
            end, subjects = at, set()
            for event in events[at : at + AT_ONCE_MAX]:
                subject = event.headers.get("ce_subject") or b""
                if event.common not in self.alike or subject in subjects or not subject.isascii():
                    break
                subjects.add(subject)
                end += 1
            end = max(end, at + 1)
            yield events[at:end]
            at = end

    def _judged(self, events: Sequence[Pending]) -> list[_Judgement | None]:
        """Return what becomes of the events of a window, None of those that are to be looked at alone."""
        found: list[_Judgement | None] = [None] * len(events)
        groups: dict[Common, list[int]] = {}
        for number, event in enumerate(events):
            if event.common is not None and event.common in self.alike:
                groups.setdefault(event.common, []).append(number)
        for common, numbers in groups.items():
            judged = self._judged_alike([events[number] for number in numbers], self.alike[common], common)
            for number, one in zip(numbers, judged, strict=True):
                found[number] = one
        return found

    def _judged_alike(self, events: Sequence[Pending], alike: _Alike, common: Common) -> list[_Judgement | None]:
        """Judge events that are alike, step by step.

        One short loop a step costs less than one long one an event: the processor has each at hand while it runs.
        """
        values = [event.record.value or b"" for event in events]
        keys, headers = [event.record.key for event in events], [event.headers for event in events]
        read = None
        if all(values) and max(map(len, values)) <= VALUE_BYTES_MAX:
            read = read_alike(self.center, keys, headers, common.links, self.rules)
        try:
            records = [] if read is None else [_decode(alike, value) for value in values]
        except Rejected:
            read = None
        if read is None:  # for the sake of one of them: who is it?
            half = len(events) // 2
            parts = (events[:half], events[half:]) if half else ()
            return [one for part in parts for one in self._judged_alike(part, alike, common)] or [None]
        subjects, times = read
        befores = [self._before(alike, subject) for subject in subjects]
        was = [before.entity if before else None for before in befores]
        judged = judge_each(alike.kind, subjects, self.center, times, records, was, self.recorded_at, self.registry)
        return list(zip(judged, repeat(alike), subjects, times, befores, strict=False))

    def _rows_of(self, events: Sequence[Pending], judged: Sequence[_Judgement | None]) -> list[LedgerRow]:
        """Let what was judged be so, in its order, and return the rows."""
        settled = [(event, *one) for event, one in zip(events, judged, strict=True) if one is not None]
        self._accept(
            [
                (event, found, alike, before)
                for event, found, alike, _, _, before in settled
                if isinstance(found, Entity)
            ]
        )
        return [
            self._rejected(event, found, alike, occurred_at)
            if isinstance(found, Rejected)
            else LedgerRow(
                event.sequence, event.data, event.leaf, Code.ACCEPTED, "", "",
                _remark(event.record.key, event.headers), alike.type, subject, occurred_at, found.version,
                None if before is None else (before.origin, before.sequence),
            )
            for event, found, alike, subject, occurred_at, before in settled
        ]  # fmt: skip

    def _before(self, alike: _Alike, subject: str) -> KnownEntity | None:
        key = (alike.kind.stream, subject)
        return self.state.changed.get(key) or self.state.found.get(key)

    def _alone(self, event: Pending) -> LedgerRow:
        """Decide one event whose form is new or unusual."""
        record, alike, occurred_at = event.record, None, None
        try:
            value = record.value
            if not value:
                raise Rejected(Code.NO_VALUE)
            if len(value) > VALUE_BYTES_MAX:
                raise Rejected(Code.TOO_LARGE, "", f"expected at most {VALUE_BYTES_MAX} bytes, got {len(value)}")
            envelope = read_envelope(self.center, record.key, event.headers, event.headers_count, self.rules)
            occurred_at = envelope.time
            alike = self._alike(envelope.type, envelope.dataschema, event)
            body = _decode(alike, value)
        except Rejected as rejected:
            return self._rejected(event, rejected, alike, occurred_at)
        before = self._before(alike, envelope.subject)
        was = before.entity if before else None
        (found,) = judge_each(
            alike.kind, [envelope.subject], self.center, [occurred_at], [body], [was], self.recorded_at, self.registry
        )
        return self._rows_of([event], [(found, alike, envelope.subject, occurred_at, before)])[0]

    def _rejected(
        self, event: Pending, rejected: Rejected, alike: _Alike | None, occurred_at: datetime | None
    ) -> LedgerRow:
        headers, key = event.headers, event.record.key
        raw_type, raw_subject = headers.get("ce_type") or b"", headers.get("ce_subject") or b""
        key_said = None if key == raw_subject else key
        return LedgerRow(
            event.sequence,
            event.data,
            event.leaf,
            rejected.code,
            rejected.field,
            rejected.params,
            key_said if self.rules.kafka_key_judged or key_said is None else key_said[:KEY_REMARK_BYTES_MAX],
            alike.type if alike else raw_type.decode("utf-8", "replace"),
            raw_subject.decode("utf-8", "replace"),
            occurred_at,
            0,
            None,
        )

    def refold(self) -> None:
        """Fold all events, which were accepted. Errors: Rejected; see `fold_again`."""
        for events in self._windows():
            alikes = [(event.common and self.alike.get(event.common)) or self._alike_of(event) for event in events]
            values = [_decode(alike, event.record.value or b"") for event, alike in zip(events, alikes, strict=True)]
            folded = []
            for event, alike, value in zip(events, alikes, values, strict=True):
                subject = (event.headers.get("ce_subject") or b"").decode("utf-8", "replace")
                before = self._before(alike, subject)
                entity = fold(before.entity if before else None, alike.kind, subject, self.center, value)
                folded.append((event, entity, alike, before))
            self._accept(folded)

    def _alike_of(self, event: Pending) -> _Alike:
        type_, schema = ((event.headers.get(n) or b"").decode("utf-8", "replace") for n in ("ce_type", "ce_dataschema"))
        return self._alike(type_, schema, event)

    def _alike(self, type_: str, dataschema: str, event: Pending) -> _Alike:
        """Return how to read an event of this type and schema; the records that are alike need not ask again."""
        kind = KINDS.get(type_)
        if kind is None:
            raise Rejected(Code.UNKNOWN_TYPE, "ce_type", type_[:100])
        if kind.type == LANE_OPENED and event.sequence != 1:
            raise Rejected(Code.ILLEGAL_TRANSITION, "", "a lane is opened by its sequence 1")
        reader = self.basis.reader(self.center, dataschema)
        if reader is None or reader.type != kind.type:
            raise Rejected(Code.UNKNOWN_SCHEMA, "ce_dataschema", dataschema[:100])
        alike = _Alike(kind.type, kind, reader, frame(reader.schema_id, b""), STREAMS[kind.stream])
        if event.common is not None and kind.type != LANE_OPENED:
            self.alike[event.common] = alike
        return alike

    def _accept(self, folded: Sequence[tuple[Pending, Entity, _Alike, KnownEntity | None]]) -> None:
        """Let entities be what they are after an event each, in the events' order."""
        origin, changed = self.origin, self.state.changed
        documents = [entity.to_json() for _, entity, _, _ in folded]
        digests = [sha256(document).digest() for document in documents]
        self.digests += digests
        for digest in digests:
            self.state_digest = sha256(self.state_digest + digest).digest()
        for (event, entity, alike, before), document, digest in zip(folded, documents, digests, strict=True):
            if before is None or alike.kind.carries_record:
                source, at, value = origin, event.sequence, event.record.value
            else:
                source, at, value = before.record_origin, before.record_sequence, before.value
            changed[entity.stream, entity.id] = KnownEntity(
                entity, document, digest, origin, event.sequence, alike.type, self.recorded_at, source, at, value
            )
            contribution, was = alike.stream.contribution, None if before is None else before.entity
            # Most streams count by status alone: what doesn't change it changes no measure, and no record is read.
            if contribution is not count_by_status or was is None or was.status != entity.status:
                self._measure(contribution(entity), contribution(was) if was else {})

    def _measure(self, now: Mapping[str, Decimal], then: Mapping[str, Decimal]) -> None:
        measures = self.state.measures
        for measure in now.keys() | then.keys() if now != then else ():
            change = EXACT.subtract(now.get(measure, ZERO), then.get(measure, ZERO))
            if change:
                add_up(measures, {(self.origin, measure): change})


def _remark(key: bytes | None, headers: Mapping[str, bytes | None]) -> bytes | None:
    """Return what is to be kept of the Kafka key of an accepted event: nothing, where it is the subject."""
    return None if key is None or key == headers["ce_subject"] else key[:KEY_REMARK_BYTES_MAX]


def _decode(alike: _Alike, value: bytes) -> dict[str, Any]:
    reader = alike.reader
    try:
        if not value.startswith(alike.prefix):
            schema_id = schema_id_of(value)
            raise Rejected(Code.UNKNOWN_SCHEMA, "", f"expected id {reader.schema_id}, got {schema_id}")
        return reader.codec.decode(value, PREFIX_SIZE)
    except Malformed as exc:
        raise Rejected(Code.BAD_VALUE, "", str(exc)[:100]) from None
