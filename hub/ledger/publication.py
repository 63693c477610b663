"""What of a commit goes out: receipts to its center, accepted events and entity states to everybody. Pure.

The publisher runs from its cursor in SQL; what `publications` makes from memory is its fast path and equals what the
store reads for the same rows (a contract test holds it).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final

from hub.domain.entity import Entity
from hub.domain.hq_lane import HqStretch
from hub.domain.state import encode_state_prefix, partition_of
from hub.domain.stream import HQ
from hub.ledger.lane import Lane
from hub.ledger.reading import Pending
from hub.ledger.step import EntityKey, KnownEntity, Step
from hub.protocol.avro import PREFIX_SIZE, frame
from hub.protocol.moment import to_us
from hub.protocol.record import CONTENT_TYPE, LANE_OPENED, RECEIPT_HEADER, SCHEMA_HEADER, SEAL_HEADER, split_canonical
from hub.protocol.schema import DATASCHEMA, Schema
from hub.protocol.topics import topic_out
from hub.protocol.value import value_class
from hub.protocol.verdict import Code

EPOCH: Final = datetime.fromtimestamp(0, UTC)
CLOSED: Final = "closed"
KIND: Final = "cohub-kind"  # of a note to a center
RECEIPT: Final = "receipt"

Outbound = tuple[bytes | None, bytes | None, Sequence[tuple[str, bytes | None]]]  # key, value, headers
Places = dict[tuple[str, int], list[Outbound]]  # topic and partition → what is to be written there, in order


@dataclass(frozen=True, slots=True)
class StateForm:
    """How the state of an entity is written whose record came with one kind of event: its schema's id, the headers."""

    schema_id: int
    headers: Sequence[tuple[str, bytes | None]]

    @classmethod
    def of(cls, schema: Schema) -> StateForm:
        """Return the form that a schema of `state/` gives."""
        named = (DATASCHEMA + schema.sha256).encode()
        return cls(schema.id, [("content-type", CONTENT_TYPE), (SCHEMA_HEADER, named)])


@value_class
class Event:
    """An accepted event on its way out: its key, signed headers and value as they came."""

    sequence: int
    key: bytes
    headers: Sequence[tuple[str, bytes | None]]
    value: bytes


@dataclass(frozen=True, slots=True)
class Publication:
    """What is to be published of one lane: events `first` to `last`, all of them committed."""

    origin: str
    center: str
    first: int
    last: int
    receipts: Sequence[bytes]
    events: Sequence[Event]
    entities: Sequence[KnownEntity]


@dataclass(frozen=True, slots=True)
class Answer:
    """A note to a center that no cursor covers: a request to send again, or a stored receipt once more."""

    center: str
    kind: str
    note: bytes


def publications(step: Step, kept: Mapping[EntityKey, KnownEntity] = MappingProxyType({})) -> list[Publication]:
    """Return what the transaction of `step` made publishable, without asking SQL. `kept`: entities in memory."""
    found = []
    for commit in step.commits:
        events = [
            # The record's own key is nobody's word: what is published has the subject that was sealed.
            Event(row.sequence, pending.headers["ce_subject"] or b"", _signed(pending), pending.record.value or b"")
            for pending, row in zip(commit.stretch.events, commit.rows, strict=True)
            if row.code == Code.ACCEPTED
        ]
        receipt = commit.receipt
        touched = [
            known
            for known in step.entities.values()
            if known.origin == receipt.origin and receipt.first <= known.sequence <= receipt.last
        ]
        closes = commit.stretch.closes
        if closes is not None:
            closed = _lane_entity(closes)
            key = (closed.entity.stream, closed.entity.id)
            closed = step.entities.get(key) or kept.get(key) or closed  # without its record SQL will tell of all this
            touched.append(closed_by(closed, receipt.origin, receipt.recorded_at))
        found.append(
            Publication(
                commit.lane.origin, commit.lane.center, receipt.first, receipt.last, [commit.note], events, touched
            )
        )
    return found


def closed_by(lane: KnownEntity, origin: str, recorded_at: datetime) -> KnownEntity:
    """Return the state of a lane that another one has followed: closed, as of that one's opening.

    No event says so of the lane itself, and no verdict follows from it: its entity stays as its opening left it.
    """
    was = lane.entity
    entity = Entity.unread(was.stream, was.id, was.center, CLOSED, was.version + 1, lane.document)
    return replace(lane, entity=entity, origin=origin, sequence=1, recorded_at=recorded_at)


def _lane_entity(lane: Lane) -> KnownEntity:
    """Return the entity of a lane as far as it is known without what opened it."""
    entity = Entity.unread("lane", f"{lane.center}:{lane.epoch}", lane.center, "open", 1, b"")
    return KnownEntity(entity, b"", b"", lane.origin, 1, LANE_OPENED, EPOCH, lane.origin, 1)


def _signed(event: Pending) -> list[tuple[str, bytes | None]]:
    headers, common = event.record.headers, event.common
    if common is not None and common.is_plain:
        return list(headers)
    if common is not None and common.is_sealed:
        return [header for header in headers if header[0] != SEAL_HEADER]
    return [h for h in headers if h[0] != SEAL_HEADER and (h[0].startswith("ce_") or h[0] == "content-type")]


def state_value(known: KnownEntity, state_schema_id: int) -> bytes:
    """Return the value of an entity's record on `state.<stream>`: a prefix and the Avro body of its record's event.

    Shapes: `known.value` is there.
    """
    assert known.value is not None
    entity = known.entity
    prefix = encode_state_prefix(
        entity.id,
        entity.center,
        known.origin.rpartition("/")[2],
        known.sequence,
        entity.version,
        entity.status,
        to_us(known.recorded_at),
        known.changed_by,
    )
    return frame(state_schema_id, prefix + known.value[PREFIX_SIZE:])


def answer_records(answers: Sequence[Answer]) -> Places:
    """Return the records that answer centers. A receipt has the key that it had the first time: its lane's origin."""
    places: Places = {}
    for answer in answers:
        key = answer.note.split(b"\n", 2)[1] if answer.kind == RECEIPT else answer.center.encode()
        place = places.setdefault((topic_out(answer.center), 0), [])
        place.append((key, answer.note, [(KIND, answer.kind.encode())]))
    return places


def receipt_records(origin: str, notes: Iterable[bytes]) -> list[Outbound]:
    """Return the records that say receipts of a lane."""
    return [(origin.encode(), note, [(KIND, RECEIPT.encode())]) for note in notes]


def event_record(data: bytes) -> Outbound:
    """Return the record of an accepted event by its canonical bytes. Errors: Malformed."""
    headers, value = split_canonical(data)
    # The key of an accepted event is its subject.
    return next(content for name, content in headers if name == "ce_subject"), value, headers


def lane_records(stretches: Iterable[HqStretch]) -> list[Outbound]:
    """Return the records of `hub.lane`: the hq lane's events, the seal and the receipt with the last of each stretch.

    Shapes: the stretches were taken (`HqLane.taken`), so that their bytes are what they are.
    """
    found: list[Outbound] = []
    for stretch in stretches:
        for number, data in enumerate(stretch.events, 1):
            key, value, headers = event_record(data)
            signatures = [(SEAL_HEADER, stretch.seal), (RECEIPT_HEADER, stretch.receipt)]
            found.append((key, value, [*headers, *(signatures if number == len(stretch.events) else ())]))
    return found


def published_records(found: Sequence[Publication], state_forms: Mapping[str, StateForm]) -> Places:
    """Return the records that publish all of this: receipts, events, and the newest state of each entity.

    Shapes: `state_forms` has the form of each kind of event that carries an entity's record.
    """
    places: Places = {}
    for publication in found:
        if publication.center != HQ:
            out = places.setdefault((topic_out(publication.center), 0), [])
            out.extend(receipt_records(publication.origin, publication.receipts))
        events = places.setdefault(("events", partition_of(publication.center)), [])
        events.extend((e.key, e.value, e.headers) for e in publication.events)
    return places | state_records(found, state_forms)


def state_records(found: Sequence[Publication], state_forms: Mapping[str, StateForm]) -> Places:
    """Return the records of the newest state of each entity alone; see `published_records`."""
    newest = {(known.entity.stream, known.entity.id): known for p in found for known in p.entities}
    places: Places = {}
    for (stream, _), known in newest.items():
        place = (f"state.{stream}", partition_of(known.entity.center))
        places.setdefault(place, []).append(state_record(known, state_forms))
    return places


def state_record(known: KnownEntity, state_forms: Mapping[str, StateForm]) -> Outbound:
    """Return the record of an entity on `state.<stream>`. Shapes: `known.value` is there."""
    form = state_forms[known.entity.kind]
    return known.entity.id.encode(), state_value(known, form.schema_id), form.headers
