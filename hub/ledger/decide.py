"""Deciding: the events taken from a fetch become verdicts, entities and a receipt. Pure.

verdict = f(event, own entity, recorded_at, basis). Nothing else is asked, so the ledger alone gives every verdict
again (ARCHITECTURE.md, "Four laws").
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from types import MappingProxyType
from typing import Any, Final

from hub.domain.catalogue import KINDS, STREAMS
from hub.domain.clock import recorded_at
from hub.domain.entity import Entity
from hub.domain.fold import fold
from hub.domain.judge import judge
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
from hub.protocol.record import LANE_OPENED, is_signed
from hub.protocol.value import value_class
from hub.protocol.verdict import Code


def _counts_record(kind: EventKind) -> bool:
    """Return whether an event of this kind is judged, folded or counted by the record of the entity before it."""
    stream = STREAMS[kind.stream]
    return not kind.carries_record or bool(stream.growing_fields) or stream.contribution is not count_by_status


# A Kafka key that no verdict depends on is kept beside its row where it is not the subject, and not longer than this.
KEY_REMARK_BYTES_MAX: Final = 1024
# The stream of each type of event, and whether the record counts of the entity before it.
_SUBJECTS: Final = {kind.type.encode(): (kind.stream, _counts_record(kind)) for kind in KINDS.values()}
ZERO: Final = Decimal(0)


def subjects(stretches: Iterable[Stretch]) -> tuple[frozenset[EntityKey], frozenset[EntityKey]]:
    """Return the entities that deciding will look at, and those of them whose records count, as far as headers tell."""
    found, whole = set(), set()
    for stretch in stretches:
        for event in stretch.events:
            subject, known = event.headers.get("ce_subject"), _SUBJECTS.get(event.headers.get("ce_type") or b"")
            if known is not None and subject is not None:
                key = known[0], subject.decode("utf-8", "replace")
                found.add(key)
                if known[1]:
                    whole.add(key)
    return frozenset(found), frozenset(whole)


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
    rows = [deciding.row(event) for event in stretch.events]
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
    for event in stretch.events:
        deciding.accept(event)
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
        rows = tuple([self.row(event) for event in self.stretch.events])
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
            read = None
            if alike is not None and common is not None:
                read = read_alike(self.center, record.key, headers, common.links, self.rules)
            if alike is None or read is None:
                envelope = read_envelope(self.center, record.key, headers, _count(event), self.rules)
                subject, occurred_at = envelope.subject, envelope.time
                alike = self._alike(envelope.type, envelope.dataschema, event)
            else:
                subject, occurred_at = read
            kind = alike.kind
            key = (kind.stream, subject)
            before = self.state.changed.get(key) or self.state.found.get(key)
            entity = judge(
                kind,
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
            self._accepted(key, entity, before, event, alike)
            previous = None if before is None else (before.origin, before.sequence)
            return LedgerRow(
                event.sequence, event.data, event.leaf, Code.ACCEPTED, "", "", _remark(record.key, headers),
                alike.type, subject, occurred_at, entity.version, previous,
            )  # fmt: skip
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

    def accept(self, event: Pending) -> None:
        """Fold one event that was accepted."""
        headers, value = event.headers, event.record.value or b""
        alike = None if event.common is None else self.alike.get(event.common)
        if alike is None:
            type_, dataschema = headers.get("ce_type") or b"", headers.get("ce_dataschema") or b""
            alike = self._alike(type_.decode("utf-8", "replace"), dataschema.decode("utf-8", "replace"), event)
        kind = alike.kind
        subject = (headers.get("ce_subject") or b"").decode("utf-8", "replace")
        key = (kind.stream, subject)
        before = self.state.changed.get(key) or self.state.found.get(key)
        entity = fold(before.entity if before else None, kind, subject, self.center, _decode(alike, value))
        self._accepted(key, entity, before, event, alike)

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
        self, key: EntityKey, entity: Entity, before: KnownEntity | None, event: Pending, alike: _Alike
    ) -> None:
        origin = self.origin
        document = entity.to_json()
        digest = sha256(document).digest()
        if before is None or alike.kind.carries_record:
            source, at, value = origin, event.sequence, event.record.value
        else:
            source, at, value = before.record_origin, before.record_sequence, before.value
        self.state.changed[key] = KnownEntity(
            entity, document, digest, origin, event.sequence, alike.type, self.recorded_at, source, at, value
        )
        self.digests.append(digest)
        self.state_digest = sha256(self.state_digest + digest).digest()
        contribution = alike.stream.contribution
        if contribution is count_by_status:  # as most streams do: it reads no record, neither now nor later
            entity.put_away(document)
            if before is not None and before.entity.status == entity.status:
                return
        now = contribution(entity)
        then = contribution(before.entity) if before else {}
        if now != then:
            measures = self.state.measures
            for measure in now.keys() | then.keys():
                change = now.get(measure, ZERO) - then.get(measure, ZERO)
                if change:
                    measures[origin, measure] = measures.get((origin, measure), ZERO) + change


def _count(event: Pending) -> int:
    """Return how many headers came, repeated ones that nobody signs left out: they are not in the ledger's bytes."""
    headers = event.record.headers
    if len(headers) == len(event.headers):
        return len(headers)
    signed = [name for name, _ in headers if is_signed(name)]
    return len(event.headers) + len(signed) - len(set(signed))


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
