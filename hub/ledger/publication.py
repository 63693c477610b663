"""What of a commit goes out: receipts to its center, accepted events and entity states to everybody. Pure.

The publisher runs from its cursor in SQL; what `publications` makes from memory is its fast path and equals what the
store reads for the same rows (a contract test holds it).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from hub.domain.state import encode_state_prefix, partition_of
from hub.domain.stream import HQ
from hub.ledger.reading import Pending
from hub.ledger.step import KnownEntity, Step
from hub.protocol.avro import PREFIX_SIZE, frame
from hub.protocol.moment import to_us
from hub.protocol.record import SEAL_HEADER
from hub.protocol.topics import topic_out
from hub.protocol.value import value_class
from hub.protocol.verdict import Code

KIND: Final = "cohub-kind"  # of a note to a center

Outbound = tuple[bytes | None, bytes | None, Sequence[tuple[str, bytes | None]]]  # key, value, headers
Places = dict[tuple[str, int], list[Outbound]]  # topic and partition → what is to be written there, in order


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


def publications(step: Step) -> list[Publication]:
    """Return what the transaction of `step` made publishable, without asking SQL."""
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
        found.append(
            Publication(
                commit.lane.origin, commit.lane.center, receipt.first, receipt.last, [commit.note], events, touched
            )
        )
    return found


def _signed(event: Pending) -> list[tuple[str, bytes | None]]:
    headers = event.record.headers
    if event.common is not None and event.common.is_plain:
        return list(headers)
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
    """Return the records that answer centers."""
    places: Places = {}
    for answer in answers:
        place = places.setdefault((topic_out(answer.center), 0), [])
        place.append((answer.center.encode(), answer.note, [(KIND, answer.kind.encode())]))
    return places


def published_records(found: Sequence[Publication], state_schemas: Mapping[str, int]) -> Places:
    """Return the records that publish all of this: receipts, events, and the newest state of each entity.

    Shapes: `state_schemas` has the schema id of each kind of event that carries an entity's record.
    """
    places: Places = {}
    for publication in found:
        if publication.center != HQ:
            out = places.setdefault((topic_out(publication.center), 0), [])
            kind = [(KIND, b"receipt")]
            out.extend((publication.origin.encode(), note, kind) for note in publication.receipts)
        events = places.setdefault(("events", partition_of(publication.center)), [])
        events.extend((e.key, e.value, e.headers) for e in publication.events)
    return places | state_records(found, state_schemas)


def state_records(found: Sequence[Publication], state_schemas: Mapping[str, int]) -> Places:
    """Return the records of the newest state of each entity alone; see `published_records`."""
    newest = {(known.entity.stream, known.entity.id): known for p in found for known in p.entities}
    places: Places = {}
    for (stream, entity_id), known in newest.items():
        value = state_value(known, state_schemas[known.entity.kind])
        place = (f"state.{stream}", partition_of(known.entity.center))
        places.setdefault(place, []).append((entity_id.encode(), value, []))
    return places
