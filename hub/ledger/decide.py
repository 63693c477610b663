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
from hub.domain.fold import fold
from hub.domain.judge import judge, judge_each
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
ZERO: Final = Decimal(0)


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
    deciding.accept()
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
        """Decide all events in their order: plain ones several at once; each alone where one of them has to be."""
        rows: list[LedgerRow] = []
        for events, alike in self._runs():
            found = None if alike is None or len(events) == 1 else self._rows_of(events, alike)
            rows += [self.row(event) for event in events] if found is None else found
        return rows

    def _runs(self) -> Iterator[tuple[Sequence[Pending], _Alike | None]]:
        """Yield the events in runs that are alike, no two of one entity; without an _Alike one whose form is new.

        So of a run nothing depends on what another event of it has changed.
        """
        events, at = self.stretch.events, 0
        while at < len(events):
            common = events[at].common
            alike = None if common is None else self.alike.get(common)
            end, subjects = at + 1, {events[at].headers.get("ce_subject")}
            if alike is not None:
                for event in events[end : at + AT_ONCE_MAX]:
                    subject = event.headers["ce_subject"]
                    if event.common is not common or subject in subjects:
                        break
                    subjects.add(subject)
                    end += 1
            yield events[at:end], alike
            at = end

    def _rows_of(self, events: Sequence[Pending], alike: _Alike) -> list[LedgerRow] | None:
        """Return the rows of events that are alike, each of another entity; None where one must be looked at alone.

        One short loop a step costs less than one long one an event: the processor has each at hand while it runs.
        """
        values = [event.record.value or b"" for event in events]
        if not all(values) or max(map(len, values)) > VALUE_BYTES_MAX:
            return None
        read = self._read_alike(events)
        if read is None:
            return None
        subjects, times = read
        befores = [self._before(alike, subject) for subject in subjects]
        was = [before.entity if before else None for before in befores]
        try:
            records = [_decode(alike, value) for value in values]
            entities = judge_each(
                alike.kind, subjects, self.center, times, records, was, self.recorded_at, self.registry
            )
        except Rejected:
            return None
        self._accepted(events, alike, befores, entities)
        return [
            _accepted_row(*each)
            for each in zip(events, repeat(alike.type), subjects, times, entities, befores, strict=False)
        ]

    def _read_alike(self, events: Sequence[Pending]) -> tuple[list[str], list[datetime]] | None:
        common = events[0].common
        links = () if common is None else common.links
        return read_alike(
            self.center, [event.record.key for event in events], [event.headers for event in events], links, self.rules
        )

    def _before(self, alike: _Alike, subject: str) -> KnownEntity | None:
        key = (alike.kind.stream, subject)
        return self.state.changed.get(key) or self.state.found.get(key)

    def row(self, event: Pending) -> LedgerRow:
        """Decide one event."""
        record, headers = event.record, event.headers
        occurred_at: datetime | None = None
        common = event.common
        alike = None if common is None else self.alike.get(common)
        try:
            value = record.value
            if not value:
                raise Rejected(Code.NO_VALUE)
            if len(value) > VALUE_BYTES_MAX:
                raise Rejected(Code.TOO_LARGE, "", f"expected at most {VALUE_BYTES_MAX} bytes, got {len(value)}")
            read = None if alike is None else self._read_alike((event,))
            if alike is None or read is None:
                envelope = read_envelope(self.center, record.key, headers, event.headers_count, self.rules)
                subject, occurred_at = envelope.subject, envelope.time
                alike = self._alike(envelope.type, envelope.dataschema, event)
            else:
                [subject], [occurred_at] = read
            before = self._before(alike, subject)
            entity = judge(
                alike.kind,
                subject,
                self.center,
                occurred_at,
                _decode(alike, value),
                before.entity if before else None,
                self.recorded_at,
                self.registry,
            )
        except Rejected as rejected:
            code, field, params = rejected.code, rejected.field, rejected.params
        else:
            self._accepted((event,), alike, (before,), (entity,))
            return _accepted_row(event, alike.type, subject, occurred_at, entity, before)
        raw_type, raw_subject = headers.get("ce_type") or b"", headers.get("ce_subject") or b""
        key_said = None if record.key == raw_subject else record.key
        return LedgerRow(
            event.sequence,
            event.data,
            event.leaf,
            code,
            field,
            params,
            key_said if self.rules.kafka_key_judged or key_said is None else key_said[:KEY_REMARK_BYTES_MAX],
            alike.type if alike else raw_type.decode("utf-8", "replace"),
            raw_subject.decode("utf-8", "replace"),
            occurred_at,
            0,
            None,
        )

    def accept(self) -> None:
        """Fold all events, which were accepted. Errors: Rejected; see `fold_again`."""
        for events, known in self._runs():
            alike = known or self._alike_of(events[0])
            subjects = [(event.headers.get("ce_subject") or b"").decode("utf-8", "replace") for event in events]
            befores = [self._before(alike, subject) for subject in subjects]
            values = [_decode(alike, event.record.value or b"") for event in events]
            entities = [
                fold(before.entity if before else None, alike.kind, subject, self.center, value)
                for before, subject, value in zip(befores, subjects, values, strict=True)
            ]
            self._accepted(events, alike, befores, entities)

    def _alike_of(self, event: Pending) -> _Alike:
        type_, dataschema = (event.headers.get(name) or b"" for name in ("ce_type", "ce_dataschema"))
        return self._alike(type_.decode("utf-8", "replace"), dataschema.decode("utf-8", "replace"), event)

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

    def _accepted(
        self,
        events: Sequence[Pending],
        alike: _Alike,
        befores: Sequence[KnownEntity | None],
        entities: Sequence[Entity],
    ) -> None:
        """Let entities be what they are after an event each, in the events' order."""
        origin, changed, carries_record = self.origin, self.state.changed, alike.kind.carries_record
        documents = [entity.to_json() for entity in entities]
        digests = [sha256(document).digest() for document in documents]
        self.digests += digests
        for digest in digests:
            self.state_digest = sha256(self.state_digest + digest).digest()
        for event, before, entity, document, digest in zip(events, befores, entities, documents, digests, strict=True):
            if before is None or carries_record:
                source, at, value = origin, event.sequence, event.record.value
            else:
                source, at, value = before.record_origin, before.record_sequence, before.value
            changed[entity.stream, entity.id] = KnownEntity(
                entity, document, digest, origin, event.sequence, alike.type, self.recorded_at, source, at, value
            )
        contribution = alike.stream.contribution
        for before, entity in zip(befores, entities, strict=True):
            was = None if before is None else before.entity
            # Most streams count by status alone: what doesn't change it changes no measure, and no record is read.
            if contribution is not count_by_status or was is None or was.status != entity.status:
                self._measure(contribution(entity), contribution(was) if was else {})

    def _measure(self, now: Mapping[str, Decimal], then: Mapping[str, Decimal]) -> None:
        measures = self.state.measures
        for measure in now.keys() | then.keys() if now != then else ():
            change = now.get(measure, ZERO) - then.get(measure, ZERO)
            if change:
                measures[self.origin, measure] = measures.get((self.origin, measure), ZERO) + change


def _remark(key: bytes | None, headers: Mapping[str, bytes | None]) -> bytes | None:
    """Return what is to be kept of the Kafka key of an accepted event: nothing, where it is the subject."""
    return None if key is None or key == headers["ce_subject"] else key[:KEY_REMARK_BYTES_MAX]


def _accepted_row(
    event: Pending, type_: str, subject: str, occurred_at: datetime, entity: Entity, before: KnownEntity | None
) -> LedgerRow:
    previous = None if before is None else (before.origin, before.sequence)
    return LedgerRow(
        event.sequence, event.data, event.leaf, Code.ACCEPTED, "", "", _remark(event.record.key, event.headers),
        type_, subject, occurred_at, entity.version, previous,
    )  # fmt: skip


def _decode(alike: _Alike, value: bytes) -> dict[str, Any]:
    reader = alike.reader
    try:
        if not value.startswith(alike.prefix):
            schema_id = schema_id_of(value)
            raise Rejected(Code.UNKNOWN_SCHEMA, "", f"expected id {reader.schema_id}, got {schema_id}")
        return reader.codec.decode(value, PREFIX_SIZE)
    except Malformed as exc:
        raise Rejected(Code.BAD_VALUE, "", str(exc)[:100]) from None
