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
from typing import Final

from hub.domain.catalogue import KINDS, STREAMS
from hub.domain.entity import Entity
from hub.domain.judge import judge
from hub.ledger.basis import Basis
from hub.ledger.batch import Batch, Commit, EntityKey, Known, Row
from hub.ledger.take import Pending, Reading, Segment, Taken
from hub.protocol.avro import unframe
from hub.protocol.errors import Malformed, Rejected
from hub.protocol.note import Signer, sign_note
from hub.protocol.receipt import Decision, Receipt
from hub.protocol.record import LANE_OPENED, VALUE_BYTES_MAX, Envelope, read_envelope
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
        duplicates=taken.duplicates,
    )
    for segment in taken.segments:
        batch.commits.append(_Deciding(batch, segment, entities, basis, recorded_at).commit(receipts_key))
    if batch.commits:
        batch.intake = replace(batch.intake, lane=batch.commits[-1].lane)
    return batch


def advance(taken: Taken, batch: Batch) -> Reading:
    """Return the reading to go on with once `batch` is committed: what was taken, with the lane as it was decided."""
    reading, lane = taken.reading, batch.intake.lane
    builds_on = lane if reading.lane is not None and lane is not None and reading.lane.origin == lane.origin else None
    return replace(reading, intake=batch.intake, lane=builds_on or reading.lane)


@dataclass(frozen=True, slots=True)
class _Decided:
    envelope: Envelope | None
    entity: Entity | None
    carries_record: bool
    verdict: Rejected | None


class _Deciding:
    """The working state of one segment."""

    def __init__(
        self, batch: Batch, segment: Segment, entities: Mapping[EntityKey, Known], basis: Basis, now: datetime
    ) -> None:
        self.batch = batch
        self.segment = segment
        self.entities = entities
        self.basis = basis
        self.recorded_at = max(now, segment.lane.recorded_at)
        self.state_digest = segment.lane.state_digest

    def commit(self, receipts_key: Signer) -> Commit:
        segment = self.segment
        rows = [self._row(event) for event in segment.events]
        lane = replace(segment.lane, edge=segment.edge, state_digest=self.state_digest, recorded_at=self.recorded_at)
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

    def _row(self, event: Pending) -> Row:
        decided = self._decide(event)
        envelope, entity, rejected = decided.envelope, decided.entity, decided.verdict
        raw_type, raw_subject = event.headers.get("ce_type") or b"", event.headers.get("ce_subject") or b""
        key = event.record.key
        version = 0
        if entity is not None and envelope is not None:
            version = entity.version
            self._accepted(entity, event, envelope.type, carries_record=decided.carries_record)
        return Row(
            event.sequence,
            event.data,
            event.leaf,
            Code.ACCEPTED if rejected is None else rejected.code,
            "" if rejected is None else rejected.field,
            "" if rejected is None else rejected.params,
            None if key == raw_subject else key,
            raw_type.decode("utf-8", "replace"),
            raw_subject.decode("utf-8", "replace"),
            envelope.time if envelope else None,
            version,
        )

    def _decide(self, event: Pending) -> _Decided:
        envelope = None
        try:
            value = event.record.value
            if value is None or not value:
                raise Rejected(Code.NO_VALUE)
            if len(value) > VALUE_BYTES_MAX:
                raise Rejected(Code.TOO_LARGE, "", f"expected at most {VALUE_BYTES_MAX} bytes, got {len(value)}")
            center = self.segment.lane.center
            envelope = read_envelope(center, event.record.key, event.headers, len(event.record.headers))
            kind = KINDS.get(envelope.type)
            if kind is None:
                raise Rejected(Code.UNKNOWN_TYPE, "ce_type", envelope.type[:100])
            if kind.type == LANE_OPENED and event.sequence != 1:
                raise Rejected(Code.ILLEGAL_TRANSITION, "", "a lane is opened by its sequence 1")
            fields = self._decode(center, kind.type, envelope.dataschema, value)
            known = self._known((kind.stream, envelope.subject))
            entity = judge(
                kind,
                envelope.subject,
                center,
                envelope.time,
                fields,
                known.entity if known else None,
                self.recorded_at,
                self.basis.registry,
            )
        except Rejected as rejected:
            return _Decided(envelope, None, False, rejected)
        return _Decided(envelope, entity, kind.carries_record, None)

    def _decode(self, center: str, event_type: str, dataschema: str, value: bytes) -> dict[str, object]:
        reader = self.basis.reader(center, dataschema)
        if reader is None or reader.type != event_type:
            raise Rejected(Code.UNKNOWN_SCHEMA, "ce_dataschema", dataschema[:100])
        try:
            schema_id, body = unframe(value)
            if schema_id != reader.schema_id:
                raise Rejected(Code.UNKNOWN_SCHEMA, "", f"expected id {reader.schema_id}, got {schema_id}")
            return reader.codec.decode(body)
        except Malformed as exc:
            raise Rejected(Code.BAD_VALUE, "", str(exc)[:100]) from None

    def _known(self, key: EntityKey) -> Known | None:
        return self.batch.entities.get(key) or self.entities.get(key)

    def _accepted(self, entity: Entity, event: Pending, event_type: str, *, carries_record: bool) -> None:
        key = (entity.stream, entity.id)
        before = self._known(key)
        origin = self.segment.lane.origin
        document = entity.to_json()
        digest = sha256(document).digest()
        if carries_record or before is None:
            source, at, value = origin, event.sequence, event.record.value
        else:
            source, at, value = before.record_origin, before.record_sequence, before.value
        after = Known(entity, document, digest, origin, event.sequence, event_type, self.recorded_at, source, at, value)
        self.batch.entities[key] = after
        self.state_digest = sha256(self.state_digest + digest).digest()
        contribution = STREAMS[entity.stream].contribution
        now = contribution(entity)
        then = contribution(before.entity) if before else {}
        if now != then:
            measures = self.batch.measures
            for measure in now.keys() | then.keys():
                change = now.get(measure, ZERO) - then.get(measure, ZERO)
                if change:
                    measures[origin, measure] = measures.get((origin, measure), ZERO) + change
