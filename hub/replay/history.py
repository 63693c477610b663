"""Everything that was ever said of one entity: each event, HQ's verdict, and what it changed. Oldest first."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from heapq import merge
from typing import Any

from hub.domain.catalogue import KINDS
from hub.protocol.moment import from_us
from hub.protocol.value import value_class
from hub.replay.chain import back, newest
from hub.replay.changes import FieldChange, changes
from hub.replay.decoding import Decoded, Decoder
from hub.replay.known import KnownSizes, RecordedOrder, damaged, recorded_at_us
from hub.replay.source import Ledger
from hub.store.rows import StoredEvent


@value_class
class Told:
    """One event of a history.

    Shapes: `status` and `version` are the entity's after it ('' and 0 where it was rejected); `changed` are the fields
            of the record that it set to other values, or what it said beside a status.
    """

    recorded_at: datetime
    occurred_at: datetime | None
    origin: str
    event: StoredEvent
    decoded: Decoded
    status: str
    changed: list[FieldChange]

    @property
    def name(self) -> str:
        """The event's name within its stream, or its whole type where the catalogue does not have it."""
        kind = KINDS.get(self.event.type)
        return self.event.type if kind is None else kind.name

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        event, headers = self.event, self.decoded.headers
        return {
            "recorded_at": self.recorded_at,
            "occurred_at": self.occurred_at,
            "origin": self.origin,
            "sequence": event.sequence,
            "stream": event.stream,
            "event": self.name,
            "type": event.type,
            "id": headers.get("ce_id"),
            "correlation_id": headers.get("ce_correlationid"),
            "causation_id": headers.get("ce_causationid"),
            "code": event.code,
            "field": event.field,
            "params": event.params,
            "version": event.version,
            "status": self.status,
            "changed": [change.as_dict() for change in self.changed],
            "value": self.decoded.plain,
            "why_no_value": self.decoded.why,
            "digest": event.digest.hex(),
        }


@value_class
class _Row:
    """A ledger row with its lane and by when it counts as recorded: what a history is sorted by."""

    counted_us: int
    recorded_at_us: int
    lane_id: int
    event: StoredEvent

    def __lt__(self, other: _Row) -> bool:
        return self._place < other._place

    @property
    def _place(self) -> tuple[int, int, int]:
        return self.counted_us, self.lane_id, self.event.sequence


def history(ledger: Ledger, decoder: Decoder, stream: str, entity_id: str) -> Iterator[Told]:
    """Yield every event about an entity, oldest first; what was rejected stands where HQ recorded it.

    Rejected events of other centers, and of types that nobody knows, are among them: they named this id.
    Errors: Fatal where the ledger contradicts itself.
    """
    origins = {lane.id: lane.origin for lane in ledger.lanes}
    known, order = KnownSizes.all(ledger), RecordedOrder(ledger)
    found = newest(ledger, stream, entity_id)
    links = [] if found is None else list(back(ledger, found.lane_id, found.sequence))
    accepted = (
        _row(ledger, order, link.lane_id, link.sequence)
        for link in reversed(links)
        if known.has(link.lane_id, link.sequence)
    )
    status, record = "", None
    for row in merge(accepted, _rejected(ledger, known, order, stream, entity_id)):
        event = row.event
        decoded = decoder.decode(event)
        changed: list[FieldChange] = []
        kind = KINDS.get(event.type)
        if event.accepted and kind is not None:
            value = decoded.plain
            changed = changes(record if kind.carries_record else None, value)
            record = value if kind.carries_record else record
            status = kind.status_after or status
        occurred = None if event.occurred_at_us is None else from_us(event.occurred_at_us)
        yield Told(
            from_us(row.recorded_at_us),
            occurred,
            origins[row.lane_id],
            event,
            decoded,
            status if event.accepted else "",
            changed,
        )


def _rejected(ledger: Ledger, known: KnownSizes, order: RecordedOrder, stream: str, entity_id: str) -> list[_Row]:
    return sorted(
        _row(ledger, order, lane_id, sequence)
        for lane_id, sequence, event_type in ledger.reader.entities.rejected(entity_id)
        if known.has(lane_id, sequence) and (event_type not in KINDS or KINDS[event_type].stream == stream)
    )


def _row(ledger: Ledger, order: RecordedOrder, lane_id: int, sequence: int) -> _Row:
    event = ledger.event(lane_id, sequence)
    if event is None:
        raise damaged(f"event {sequence} of lane {lane_id} is missing")
    at_us = recorded_at_us(ledger, lane_id, sequence)
    return _Row(order.at_us(lane_id, sequence, at_us), at_us, lane_id, event)
