"""Deciding: the events taken from a fetch become verdicts, entities and a receipt. Pure.

verdict = f(event, own entity, recorded_at, basis). Nothing else is asked, so the ledger alone gives every verdict
again (DESIGN, law 4).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any, Final

from hub.domain.catalogue import KINDS, STREAMS
from hub.domain.entity import Entity
from hub.domain.fold import fold
from hub.domain.judge import judge
from hub.domain.stream import EventKind, Stream, count_by_status
from hub.ledger.basis import Basis, Reader
from hub.ledger.batch import Batch, Commit, EntityKey, Known, Row
from hub.ledger.lane import Intake, Lane
from hub.ledger.take import Pending, Reading, Segment, Taken
from hub.protocol.avro import PREFIX_SIZE, frame, schema_id_of
from hub.protocol.errors import Malformed, Rejected
from hub.protocol.note import Signer, sign_note
from hub.protocol.receipt import Decision, Receipt
from hub.protocol.record import LANE_OPENED, VALUE_BYTES_MAX, Common, is_signed, read_alike, read_envelope
from hub.protocol.value import value_class
from hub.protocol.verdict import Code

_STREAM_OF: Final = {kind.type.encode(): kind.stream for kind in KINDS.values()}
ZERO: Final = Decimal(0)


def subjects(taken: Taken) -> set[EntityKey]:
    """Return the entities that deciding will look at, as far as the headers tell."""
    found = set()
    for segment in taken.segments:
        for event in segment.events:
            stream = _STREAM_OF.get(event.headers.get("ce_type") or b"")
            subject = event.headers.get("ce_subject")
            if stream is not None and subject is not None:
                found.add((stream, subject.decode("utf-8", "replace")))
    return found


def decide(
    taken: Taken, entities: Mapping[EntityKey, Known], basis: Basis, recorded_at: datetime, receipts_key: Signer
) -> Batch:
    """Return what the commit writes for `taken`.

    Shapes: `entities` has every known entity that `subjects` names.
    Units:  `recorded_at` is HQ's clock in UTC; within a lane it never decreases.
    Errors: none for any event; an exception is a fault of ours and parks the lane.
    """
    batch = Batch(
        taken.reading.intake,
        quarantine=taken.quarantine,
        claims=taken.claims,
        resends=[sign_note(r.to_text(), [receipts_key]).to_bytes() for r in taken.resends],
        presence=taken.presence,
        cosignatures=taken.cosignatures,
        alarm=taken.alarm,
        duplicates=taken.duplicates,
    )
    for taken_segment in taken.segments:
        segment, before = taken_segment, batch.commits[-1].lane if batch.commits else None
        if before is not None and before.origin == segment.lane.origin:
            segment = replace(segment, lane=before)  # it goes on from what was just decided
        batch.commits.append(_Deciding(batch, segment, entities, basis, recorded_at).commit(receipts_key))
    if batch.commits:
        batch.intake = replace(batch.intake, lane=batch.commits[-1].lane)
    return batch


@dataclass(frozen=True, slots=True)
class Judged:
    """A segment decided, with nothing signed: its rows, the lane after them, what changed.

    Shapes: `digests` has the entity's digest for every accepted event, in order; `state_digest` chains them.
    """

    rows: list[Row]
    lane: Lane
    entities: dict[EntityKey, Known]
    measures: dict[tuple[str, str], Decimal]
    digests: list[bytes]


def judge_again(segment: Segment, entities: Mapping[EntityKey, Known], basis: Basis, recorded_at: datetime) -> Judged:
    """Return what `decide` decided of a segment, as replay asks it: no receipt is signed.

    Shapes, Units, Errors: as for `decide`.
    """
    batch = Batch(Intake(segment.lane.center))
    deciding = _Deciding(batch, segment, entities, basis, recorded_at)
    rows = [deciding.row(event) for event in segment.events]
    return Judged(rows, deciding.lane, batch.entities, batch.measures, deciding.digests)


def fold_again(segment: Segment, entities: Mapping[EntityKey, Known], basis: Basis, recorded_at: datetime) -> Judged:
    """Return what the events of a segment fold to, all of which were accepted once: they are not judged again.

    Shapes: as `judge_again`, without rows.
    Errors: Rejected, for an event that can't have been accepted: it does not decode, or is no legal next step.
    """
    batch = Batch(Intake(segment.lane.center))
    deciding = _Deciding(batch, segment, entities, basis, recorded_at)
    for event in segment.events:
        deciding.accept(event)
    return Judged([], deciding.lane, batch.entities, batch.measures, deciding.digests)


def advance(taken: Taken, batch: Batch) -> Reading:
    """Return the reading to go on with once `batch` is committed: what was taken, with the lane as it was decided."""
    reading, lane = taken.reading, batch.intake.lane
    builds_on = lane if reading.lane is not None and lane is not None and reading.lane.origin == lane.origin else None
    return replace(reading, intake=batch.intake, lane=builds_on or reading.lane)


@value_class
class _Alike:
    """What the first good envelope of a Common settled for the records that are alike. `prefix` begins their values."""

    type: str
    kind: EventKind
    reader: Reader
    prefix: bytes
    stream: Stream


class _Deciding:
    """The working state of one segment."""

    def __init__(
        self, batch: Batch, segment: Segment, entities: Mapping[EntityKey, Known], basis: Basis, now: datetime
    ) -> None:
        self.batch = batch
        self.segment = segment
        self.entities = entities
        self.basis = basis
        self.registry = basis.registry
        self.recorded_at = max(now, segment.lane.recorded_at)
        self.center = segment.lane.center
        self.origin = segment.lane.origin
        self.alike: dict[Common, _Alike] = {}
        self.state_digest = segment.lane.state_digest
        self.digests: list[bytes] = []

    @property
    def lane(self) -> Lane:
        """The lane after the events decided so far."""
        segment = self.segment
        return replace(segment.lane, edge=segment.edge, state_digest=self.state_digest, recorded_at=self.recorded_at)

    def commit(self, receipts_key: Signer) -> Commit:
        segment = self.segment
        rows = [self.row(event) for event in segment.events]
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
        return Commit(lane, rows, segment.seal, receipt, note, segment.closes, self._missing())

    def _missing(self) -> int:
        """Return how many events of the lane that this one closes its center wrote and HQ does not have."""
        lane, closes = self.segment.lane, self.segment.closes
        opened = self.batch.entities.get(("lane", f"{lane.center}:{lane.epoch}"))
        if closes is None or opened is None or opened.entity.record["previous_origin"] != closes.origin:
            return 0
        return max(0, int(opened.entity.record["previous_size"]) - closes.size)

    def row(self, event: Pending) -> Row:
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
                read = read_alike(self.center, record.key, headers, common.links)
            if alike is None or read is None:
                envelope = read_envelope(self.center, record.key, headers, _count(event))
                subject, occurred_at = envelope.subject, envelope.time
                alike = self._alike(envelope.type, envelope.dataschema, event)
            else:
                subject, occurred_at = read
            kind = alike.kind
            key = (kind.stream, subject)
            before = self.batch.entities.get(key) or self.entities.get(key)
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
            # The key of an accepted event is its subject.
            return Row(
                event.sequence, event.data, event.leaf, Code.ACCEPTED, "", "", None, alike.type, subject, occurred_at,
                entity.version, previous,
            )  # fmt: skip
        raw_type, raw_subject = headers.get("ce_type") or b"", headers.get("ce_subject") or b""
        return Row(
            event.sequence,
            event.data,
            event.leaf,
            code,
            field,
            params,
            None if record.key == raw_subject else record.key,
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
        before = self.batch.entities.get(key) or self.entities.get(key)
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

    def _accepted(self, key: EntityKey, entity: Entity, before: Known | None, event: Pending, alike: _Alike) -> None:
        origin = self.origin
        document = entity.to_json()
        digest = sha256(document).digest()
        if before is None or alike.kind.carries_record:
            source, at, value = origin, event.sequence, event.record.value
        else:
            source, at, value = before.record_origin, before.record_sequence, before.value
        self.batch.entities[key] = Known(
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
            measures = self.batch.measures
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


def _decode(alike: _Alike, value: bytes) -> dict[str, Any]:
    reader = alike.reader
    try:
        if not value.startswith(alike.prefix):
            schema_id = schema_id_of(value)
            raise Rejected(Code.UNKNOWN_SCHEMA, "", f"expected id {reader.schema_id}, got {schema_id}")
        return reader.codec.decode(value, PREFIX_SIZE)
    except Malformed as exc:
        raise Rejected(Code.BAD_VALUE, "", str(exc)[:100]) from None
