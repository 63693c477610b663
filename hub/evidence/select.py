"""Which events a bundle holds: read from the ledger by the subject, with nothing believed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from hub.domain.catalogue import KINDS
from hub.domain.entity import Entity
from hub.domain.stream import HQ
from hub.evidence.subject import EntityKey, Subject, answers_to, references
from hub.protocol.avro import PREFIX_SIZE, Codec
from hub.protocol.errors import Fatal, Malformed, UsageError
from hub.protocol.moment import to_us
from hub.protocol.schema import DATASCHEMA, Schema
from hub.replay.chain import back, newest
from hub.replay.source import Ledger
from hub.store.rows import EventPlace, StoredEvent, StoredLane, StoredReceipt

EVENTS_MAX: Final = 50_000
_NOWHERE: Final[EventPlace] = (-1, -1)  # there was no event before


@dataclass
class BundleSelection:
    """The events of a bundle by place, the receipts that only bound a range, and entities before and after."""

    events: dict[EventPlace, StoredEvent] = field(default_factory=dict)
    bounds: set[EventPlace] = field(default_factory=set)  # lane id and last event of receipts
    before: dict[EntityKey, bytes] = field(default_factory=dict)
    live: dict[EntityKey, bytes] = field(default_factory=dict)  # HQ's document, where its last event is in the bundle

    def add(self, lane_id: int, events: Iterable[StoredEvent]) -> None:
        """Add events of a lane. Errors: UsageError when they become too many."""
        for event in events:
            self.events[lane_id, event.sequence] = event
        if len(self.events) > EVENTS_MAX:
            raise UsageError(f"over {EVENTS_MAX} events: a bundle holds no more; choose a shorter time")


class Selector:
    """Reads one ledger. `schemas` has every definition that HQ announced or ships, by its SHA-256 in hex."""

    def __init__(self, ledger: Ledger, schemas: dict[str, Schema]) -> None:
        self.ledger = ledger
        self.lanes = {lane.id: lane for lane in ledger.lanes}
        self._codecs = {DATASCHEMA + digest: schema for digest, schema in schemas.items()}
        self._read: dict[str, Codec] = {}

    def select(self, subject: Subject) -> BundleSelection:
        """Return what belongs to the subject. Errors: UsageError when HQ has nothing of it."""
        selection = BundleSelection()
        if subject.kind == "center":
            self._range(subject, selection)
        elif subject.kind == "deal":
            self._deal(subject, selection)
        else:
            assert subject.root is not None
            if not self._entity(subject.root, selection):
                raise UsageError(f"HQ has no event of {subject.stream} {subject.id}; `hub show {subject.stream}` lists")
        return selection

    # -- one entity, whole ---------------------------------------------------------------------------------------------

    def _entity(self, key: EntityKey, selection: BundleSelection) -> list[dict[str, Any]]:
        """Add every event of an entity, rejected ones too; return its records in order."""
        entities = self.ledger.reader.entities
        live = entities.document(*key)
        records: list[dict[str, Any]] = []
        found = False
        if live is not None:
            last, document = live
            selection.live[key] = document.encode()
            for lane_id, event in self._chain((last.lane_id, last.sequence)):
                selection.add(lane_id, [event])
                found = True
                kind = KINDS.get(event.type)
                if kind is not None and kind.carries_record:
                    records.append(self._value(event))
        for lane_id, sequence, event_type in entities.rejected(key[1]):
            known = KINDS.get(event_type)
            if known is None or known.stream != key[0] or self.lanes[lane_id].center != key[1].partition(":")[0]:
                continue
            selection.add(lane_id, self.ledger.events(lane_id, sequence, sequence))
            found = True
        return records[::-1] or ([{}] if found else [])

    def _chain(self, at: EventPlace) -> Iterator[tuple[int, StoredEvent]]:
        """Yield an entity's accepted events, the newest first. Errors: Fatal where the ledger has them no more."""
        for link in back(self.ledger, *at):
            event = self.ledger.event(link.lane_id, link.sequence)
            if event is None:
                raise Fatal(f"lane {link.lane_id}: event {link.sequence} is missing; `hub audit verify` says more")
            yield link.lane_id, event

    def _value(self, event: StoredEvent) -> dict[str, Any]:
        headers, value = event.split()
        name = (dict(headers).get("ce_dataschema") or b"").decode("utf-8", "replace")
        codec = self._read.get(name)
        if codec is None:
            schema = self._codecs.get(name)
            if schema is None:
                raise Fatal(f"event {event.sequence} of {event.subject}: its schema {name} is not known here")
            codec = self._read[name] = Codec(schema)
        try:
            return codec.decode(value, PREFIX_SIZE)
        except Malformed as exc:
            raise Fatal(f"event {event.sequence} of {event.subject} was accepted and does not decode: {exc}") from exc

    # -- a deal and what belongs to it ---------------------------------------------------------------------------------

    def _deal(self, subject: Subject, selection: BundleSelection) -> None:
        assert subject.root is not None
        waiting = [(subject.root, self._entity(subject.root, selection))]
        if not waiting[0][1]:
            raise UsageError(f"HQ has no event of a deal {subject.id}; `hub show deal` lists")
        seen = {subject.root}
        while waiting:
            (stream, _), records = waiting.pop(0)
            for record in records:
                for _, key in references(stream, record):
                    if key not in seen:
                        seen.add(key)
                        waiting.append((key, self._entity(key, selection)))
        for stream, name in answers_to(subject.root[0]):
            for answer in self.ledger.reader.entities.naming(stream, name, subject.id):
                self._entity((stream, answer), selection)

    # -- what was recorded of a center in a time -----------------------------------------------------------------------

    def _range(self, subject: Subject, selection: BundleSelection) -> None:
        assert subject.since is not None
        assert subject.until is not None
        lanes = [lane for lane in self.ledger.lanes if lane.center == subject.id]
        if subject.id == HQ or not lanes:
            known = sorted({lane.center for lane in self.ledger.lanes} - {HQ})
            hint = "the hq lane is in every bundle" if subject.id == HQ else f"known are {', '.join(known) or 'none'}"
            raise UsageError(f"no lane of a center {subject.id}: {hint}")
        first_inside: EventPlace | None = None
        for number, lane in enumerate(lanes):
            inside = self._inside(lane, subject.since, subject.until)
            if not inside:
                continue
            for receipt in inside:
                selection.add(lane.id, self.ledger.events(lane.id, receipt.first, receipt.last))
            first_inside = first_inside or (lane.id, inside[0].first)
            after = next(self.ledger.receipts(lane, inside[-1].last), None)
            if inside[0].first > 1:
                selection.bounds.add((lane.id, inside[0].first - 1))
            else:
                # The lane says which one it follows and with how many events that ended: its end is here too.
                selection.bounds |= {(other.id, other.size) for other in lanes[:number][-1:] if other.size}
            if after is not None:
                selection.bounds.add((lane.id, after.last))
            else:
                # The lane that its center opened next says with how many events this one ended.
                for later in lanes[number + 1 :][:1]:
                    selection.add(later.id, self.ledger.events(later.id, 1, 1))
        if first_inside is None:
            raise UsageError(f"HQ recorded nothing of {subject.id} from {subject.since} to {subject.until}")
        touched: dict[EntityKey, EventPlace | None] = {}
        for (lane_id, _), event in sorted(selection.events.items()):
            if event.stream and event.subject.partition(":")[0] == self.lanes[lane_id].center:
                self._touch(touched, event)
        for key, place in touched.items():
            now = None if place else newest(self.ledger, *key)
            at = place or ((now.lane_id, now.sequence) if now else _NOWHERE)
            if at != _NOWHERE:
                self._before(key, at, first_inside, selection)

    def _inside(self, lane: StoredLane, since: datetime, until: datetime) -> list[StoredReceipt]:
        ends = self.ledger.reader.ends_recorded(lane.id, to_us(since), to_us(until), lane.size)
        return [] if ends is None else list(self.ledger.receipts(lane, ends[0] - 1, ends[1]))

    @staticmethod
    def _touch(touched: dict[EntityKey, EventPlace | None], event: StoredEvent) -> None:
        """Keep where the first accepted event of each entity in the range says that the one before it is."""
        key = (event.stream, event.subject)
        if event.accepted and touched.get(key) is None:
            before = (event.previous_lane_id, event.previous)
            touched[key] = _NOWHERE if before[0] is None or before[1] is None else (before[0], before[1])
        else:
            touched.setdefault(key, None)

    def _before(self, key: EntityKey, at: EventPlace, first_inside: EventPlace, selection: BundleSelection) -> None:
        """Add an entity as it was before the range, and the last events that show its record and its status."""
        last: StoredEvent | None = None
        source: StoredEvent | None = None  # of its record
        status: str | None = None
        for lane_id, event in self._chain(at):
            if (lane_id, event.sequence) >= first_inside:
                continue
            kind = KINDS[event.type]
            last = last or event
            if event is last or (source is None and kind.carries_record) or (status is None and kind.status_after):
                selection.add(lane_id, [event])
            if kind.carries_record:
                source = source or event
            status = status or kind.status_after
            if source is not None and status is not None:
                changed = None if last is source else self._value(last)
                center = key[1].partition(":")[0]
                made = Entity(*key, center, status, last.version, source.type, self._value(source), changed)
                selection.before[key] = made.to_json()
                return


def read_records(ledger: Ledger, stream: str) -> Iterator[dict[str, Any]]:
    """Yield the records of HQ's own entities of a stream."""
    for document in ledger.reader.entities.documents(stream, HQ):
        yield Entity.from_json(document).record
