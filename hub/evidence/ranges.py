"""A range of time: the entities as they were before it, and that nothing in it is left out."""

from __future__ import annotations

from hashlib import sha256
from itertools import pairwise
from typing import Any, Final

import orjson

from hub.domain.catalogue import KINDS, STREAMS
from hub.domain.entity import Entity, canonical_json
from hub.domain.stream import HQ
from hub.evidence import layout
from hub.evidence.case import BundledEvent, Case, LaneOf, Span
from hub.evidence.report import Check, Severity
from hub.evidence.subject import EntityKey
from hub.ledger.step import KnownEntity
from hub.protocol.errors import Malformed
from hub.protocol.moment import EPOCH_START, write_time
from hub.protocol.record import LANE_OPENED

_DOCUMENT_TYPES: Final[dict[str, type | tuple[type, ...]]] = {
    "stream": str,
    "id": str,
    "center": str,
    "status": str,
    "version": int,
    "kind": str,
    "record": dict,
    "changed": (dict, type(None)),
}


def read_before(case: Case) -> None:
    """Read the entities as they are said to have been before the range, and hold them to the events that made them."""
    witnesses = _witnesses(case)
    for path in sorted(case.files):
        matched = layout.STATE.fullmatch(path)
        if matched is None or matched["when"] != "before":
            continue
        try:
            known = _read_document(case.files[path])
            entity = known.entity
            if layout.state_path("before", entity.stream, entity.id) != path:
                raise Malformed("the file's name is not that of its entity")
            if entity.stream not in STREAMS:
                raise Malformed("an entity of a stream that this release does not know")
            if case.subject.kind != "center" or entity.center != case.subject.id:
                raise Malformed("an entity before, where nothing is before: the bundle begins with the first event")
            _check_witnesses(case, entity, witnesses.get((entity.stream, entity.id), []))
        except (Malformed, TypeError, ValueError, RecursionError) as exc:  # orjson has its own mind of odd values
            case.report.error(Check.STATE, exc, path)
            continue
        case.states_before[entity.stream, entity.id] = known
        case.report.passed(Check.STATE)


def check_range(case: Case) -> None:
    """Of a range of time: nothing between its two ends is left out, in any lane that the bundle has."""
    subject, report = case.subject, case.report
    if subject.kind != "center":
        report.skip(Check.COMPLETE, "an entity's lanes hold other entities' events too: only a range can be complete")
        return
    seen = 0
    for lane in case.lanes:
        if lane.center == HQ:
            continue
        if lane.center != subject.id:
            detail = f"a lane of {lane.center}: the range is of {subject.id}"
            report.error(Check.COMPLETE, detail, "", case.origin(lane))
        covered = [n for n, s in enumerate(lane.spans) if s.receipt and subject.covers(s.receipt.recorded_at)]
        # Between them stands what a wrong clock recorded, where HQ took its time back.
        inside = lane.spans[covered[0] : covered[-1] + 1] if covered else []
        seen += len(inside)
        if inside:
            _check_inside(case, lane, inside)
            _check_begin(case, lane, inside[0])
            _check_end(case, lane, inside[-1])
    if not seen:
        report.error(Check.COMPLETE, "holds nothing of its range: that nothing was recorded then can't be proved")


def _check_inside(case: Case, lane: LaneOf, inside: list[Span]) -> None:
    for span in inside:
        if span.is_whole:
            case.report.passed(Check.COMPLETE)
        else:
            detail = f"holds {len(span.events)} of the events {span.first} to {span.last}"
            case.report.error(Check.COMPLETE, detail, span.folder, case.origin(lane), span.first)
    for left, right in pairwise(inside):
        if right.first != left.last + 1:
            detail = f"nothing covers {left.last + 1} to {right.first - 1}"
            case.report.error(Check.COMPLETE, detail, "", case.origin(lane))


def _check_begin(case: Case, lane: LaneOf, first: Span) -> None:
    """In front of a lane's first events of the range stands an earlier receipt, or the lane before it, to its end."""
    report = case.report
    place = (first.folder, case.origin(lane), first.first)
    if first.first > 1:
        ends = [s for s in lane.spans if s.last == first.first - 1]
        if not ends or any(s.receipt is None or case.subject.covers(s.receipt.recorded_at) for s in ends):
            report.error(Check.COMPLETE, "no earlier receipt bounds the range", *place)
        return
    for other, size in _openings(case, lane):
        before = next((known for known in case.lanes if case.origin(known) == other), None)
        if before is None:
            detail = f"{other}, the lane before it, is not here: that it has nothing of the range is HQ's word alone"
            report.found(Severity.WARNING, Check.COMPLETE, detail, *place)
        elif before.spans[-1].last < size:
            detail = f"its center wrote {size} events of {other}, the lane before it; here are {before.spans[-1].last}"
            report.found(Severity.WARNING, Check.COMPLETE, detail, *place)


def _check_end(case: Case, lane: LaneOf, last: Span) -> None:
    """Behind a lane's last events of the range stands a later receipt, or the next lane, which says where it ended."""
    report, origin = case.report, case.origin(lane)
    later = [s for s in lane.spans if s.first > last.last]
    if later:
        if later[0].first != last.last + 1:
            report.error(Check.COMPLETE, f"nothing covers {last.last + 1} to {later[0].first - 1}", "", origin)
        return
    sizes = [size for other in case.lanes for name, size in _openings(case, other) if name == origin]
    if sizes and sizes[0] <= last.last:
        return
    until = write_time(case.subject.until) if case.subject.until else ""
    detail = f"nothing here is recorded later: that no more came up to {until} is HQ's word alone"
    if sizes:
        detail = f"its center wrote {sizes[0]} events of this lane, HQ had {last.last}"
    report.found(Severity.WARNING, Check.COMPLETE, detail, last.folder, origin, last.last)


def _openings(case: Case, lane: LaneOf) -> list[tuple[str, int]]:
    """Return which lane this one says that it follows, and how many events its center wrote of that."""
    if lane.center != case.subject.id:
        return []
    said = [
        case.decode(held)
        for _, held in lane.held()
        if held.sequence == 1 and held.text("ce_type") == LANE_OPENED and held.is_accepted
    ]
    return [
        (str(opened["previous_origin"]), int(opened["previous_size"])) for opened in said if opened["previous_origin"]
    ]


def _read_document(data: bytes) -> KnownEntity:
    entity = Entity.from_json(data)
    for name, types in _DOCUMENT_TYPES.items():
        value = getattr(entity, name)
        if not isinstance(value, types) or isinstance(value, bool):
            raise Malformed(f"entity: {name} is not of its type")
    if entity.to_json() != data:
        raise Malformed("entity: not in the one canonical form (RFC 8785)")
    return KnownEntity(entity, data, sha256(data).digest(), "", 0, entity.kind, EPOCH_START, "", 0)


def _witnesses(case: Case) -> dict[EntityKey, list[BundledEvent]]:
    """Return the accepted events that were recorded before the range, by entity, in order."""
    found: dict[EntityKey, list[BundledEvent]] = {}
    for lane in case.lanes:
        if lane.center != case.subject.id:
            continue
        for span, held in lane.held():
            at, since = span.recorded_at, case.subject.since
            if at is not None and since is not None and at < since and held.is_accepted:
                found.setdefault(held.entity, []).append(held)
    return found


def _check_witnesses(case: Case, entity: Entity, witnesses: list[BundledEvent]) -> None:
    """Hold an entity's document to the last events before the range: its record, its kind, its status if they say it.

    The number of its version is signed by nobody: HQ's books say it.
    """
    kinds = [KINDS[held.text("ce_type")] for held in witnesses]
    carrying = [number for number, kind in enumerate(kinds) if kind.carries_record]
    if not carrying:
        raise Malformed("no event before the range shows its record")
    source = carrying[-1]
    if entity.kind != kinds[source].type or _plain(entity.record) != _plain(case.decode(witnesses[source])):
        raise Malformed("its record is not that of the last event before the range")
    changed = None if source == len(kinds) - 1 else case.decode(witnesses[-1])
    if _plain(entity.changed) != _plain(changed):
        raise Malformed("what changed its status is not what the last event before the range says")
    told = [kind.status_after for kind in kinds if kind.status_after is not None]
    if told and told[-1] != entity.status:
        raise Malformed(f"its status is {entity.status[:40]}, the last event before the range made it {told[-1]}")


def _plain(value: Any) -> Any:
    return orjson.loads(canonical_json(value))
