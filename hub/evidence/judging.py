"""Judging again: HQ's own lane gives the basis, and under it each event gets its verdict once more.

verdict = f(event, own entity, recorded_at, basis). The bundle holds all four, so what HQ decided can be decided again
by anybody, and the state follows from what was accepted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from typing import Any, Final

import orjson

from hub.domain.catalogue import KINDS, STREAMS
from hub.domain.entity import Entity, canonical_json
from hub.domain.registry import registry
from hub.domain.stream import HQ
from hub.evidence import layout
from hub.evidence.case import Case, Held, LaneOf, Span
from hub.evidence.lanes import check_seal
from hub.evidence.report import Check, Severity
from hub.evidence.subject import EntityKey
from hub.ledger.basis import Basis, basis
from hub.ledger.batch import Known
from hub.ledger.decide import judge_again
from hub.ledger.lane import EPOCH_START, Lane
from hub.ledger.take import Pending, Segment
from hub.protocol.errors import Malformed
from hub.protocol.receipt import Decision
from hub.protocol.record import LANE_OPENED
from hub.protocol.schema import DATASCHEMA, Schema, parse_schema
from hub.protocol.tree import Edge
from hub.protocol.verdict import Code

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


@dataclass(slots=True)
class _Record:
    """An event in the shape of a record from Kafka."""

    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]
    offset: int = 0
    timestamp: int = 0
    timestamp_type: int | None = None


def read_schemas(case: Case) -> None:
    """Read the schema files; those that the software has too must be the same."""
    for path in sorted(case.files):
        matched = layout.SCHEMA.fullmatch(path)
        if matched is None:
            continue
        try:
            case.schemas[matched["path"]] = parse_schema(case.files[path])
        except Malformed as exc:
            case.report.error(Check.SCHEMAS, exc, path)


def fold_hq(case: Case, released: dict[str, Schema]) -> None:
    """Fold HQ's own lane; keep the basis at each size that a receipt names, and the registry at its end.

    Shapes: `released` are the schemas of this software. Those of the bundle join them: each goes by the digest that
    the sealed event itself names, so a false one can stand for nothing.
    """
    lane, trust, report = case.hq_lane, case.trust, case.report
    if lane is None or trust is None or not trust.hqs:
        report.error(Check.HQ_LANE, "HQ's own lane is missing, or the trust note names no key for it")
        return
    known = {schema.sha256 for schema in released.values()}
    extra = {path: schema for path, schema in case.schemas.items() if schema.sha256 not in known}
    readable = {**extra, **released}
    wanted = {span.receipt.basis for other, span in case.spans() if other is not lane and span.receipt}
    states: dict[EntityKey, Known] = {}
    size = 0

    def standing() -> Basis:
        return basis(size, (state.entity for state in states.values()), trust.hqs[-1], readable)

    for span in lane.spans:
        if size in wanted:
            case.bases[size] = standing()
        check_seal(case, lane, span, None)
        if span.receipt is None or span.first != size + 1 or not span.is_whole:
            break  # told by the checks of receipts and of the whole lane
        if span.receipt.basis != size:
            detail = f"judged under basis {span.receipt.basis}, expected {size}: what stood before it"
            report.error(Check.VERDICTS, detail, f"{span.folder}receipt.note", case.origin(lane), span.first)
        _judge_all(case, lane, span, [span.events[n] for n in sorted(span.events)], standing(), states)
        size = span.last
    if size in wanted:
        case.bases[size] = standing()
    case.registry = registry(size, (state.entity for state in states.values()))
    case.hq_entities = states


def judge_subject(case: Case) -> None:
    """Check every seal; judge every event of the subject under the basis that its receipt names; keep the states."""
    case.states = dict(case.states_before)
    for lane in case.lanes:
        if lane.center == HQ:
            continue
        for span in lane.spans:
            under = case.bases.get(span.receipt.basis) if span.receipt else None
            check_seal(case, lane, span, under)
            if span.receipt is None:
                continue
            if under is None:
                detail = f"the bundle has no hq lane of size {span.receipt.basis}"
                case.report.error(Check.VERDICTS, detail, span.folder, case.origin(lane), span.first)
            elif case.subject.covers(span.receipt.recorded_at):
                events = [span.events[n] for n in sorted(span.events)]
                _judge_all(case, lane, span, events, under, case.states)
    root = case.subject.root
    if root is not None and root[1].partition(":")[0] == HQ and root in case.hq_entities:
        case.states = {root: case.hq_entities[root]}


def _judge_all(
    case: Case, lane: LaneOf, span: Span, events: Iterable[Held], under: Basis, states: dict[EntityKey, Known]
) -> None:
    origin = case.origin(lane)
    for held in events:
        held.before = states.get(held.entity)
        try:
            decision, after = _judge(lane, origin, span, held, under, states)
        except Exception as exc:  # noqa: BLE001 -- an entity that a stranger made up may be of any shape
            detail = f"cannot be judged: {type(exc).__name__}: {exc}"
            case.report.error(Check.VERDICTS, detail, held.path, origin, held.sequence)
            continue
        held.is_judged = True
        if held.is_accepted and after is not None:
            held.after = states[held.entity] = after
        signed = held.decision.to_text() if held.decision else "accepted"
        found = decision.to_text() if decision else "accepted"
        if signed != found:
            case.report.error(
                Check.VERDICTS, f"HQ signed {signed!r}, its rules give {found!r}", held.path, origin, held.sequence
            )
        else:
            case.report.passed(Check.VERDICTS)


def _judge(
    lane: LaneOf, origin: str, span: Span, held: Held, under: Basis, states: dict[EntityKey, Known]
) -> tuple[Decision | None, Known | None]:
    """Return what HQ's rules decide of an event (None for accepted), and the entity after it."""
    assert span.receipt is not None
    key = held.text("ce_subject").encode() if held.key is None else held.key
    record = _Record(key, held.value or None, held.headers)
    pending = Pending(held.sequence, record, dict(held.headers), held.data, held.leaf, None)
    at = Lane(origin, lane.center, lane.epoch, recorded_at=EPOCH_START)
    judged = judge_again(Segment(at, [pending], Edge(), b""), states, under, span.receipt.recorded_at)
    row = judged.rows[0]
    if row.code == Code.ACCEPTED:
        return None, judged.entities[held.entity]
    return Decision(row.sequence, row.code, row.field, row.params), None


def check_schemas(case: Case) -> None:
    """Each schema file is the one that HQ announced or that this software ships; each event's schema is here."""
    there = {DATASCHEMA + schema.sha256 for schema in case.schemas.values()}
    announced = {info.sha256 for info in case.registry.schemas.values()}
    written = {held.text("ce_dataschema") for lane in case.lanes for _, held in lane.held()}
    own = {held.text("ce_dataschema") for _, held in (case.hq_lane.held() if case.hq_lane else ())}
    for path, schema in sorted(case.schemas.items()):
        name = DATASCHEMA + schema.sha256
        if name not in written:
            case.report.error(Check.SCHEMAS, "no event was written under it", f"schemas/{path}")
        elif schema.sha256 not in announced and name not in own:
            case.report.error(Check.SCHEMAS, "HQ has not announced it", f"schemas/{path}")
        else:
            case.report.passed(Check.SCHEMAS)
    for lane in case.lanes:
        for _, held in lane.held():
            if held.is_accepted and held.text("ce_dataschema") not in there:
                case.report.error(
                    Check.SCHEMAS, "its schema is not in the bundle", held.path, case.origin(lane), held.sequence
                )


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


def _read_document(data: bytes) -> Known:
    entity = Entity.from_json(data)
    for name, types in _DOCUMENT_TYPES.items():
        value = getattr(entity, name)
        if not isinstance(value, types) or isinstance(value, bool):
            raise Malformed(f"entity: {name} is not of its type")
    if entity.to_json() != data:
        raise Malformed("entity: not in the one canonical form (RFC 8785)")
    return Known(entity, data, sha256(data).digest(), "", 0, entity.kind, EPOCH_START, "", 0)


def _witnesses(case: Case) -> dict[EntityKey, list[Held]]:
    """Return the accepted events that were recorded before the range, by entity, in order."""
    found: dict[EntityKey, list[Held]] = {}
    for lane in case.lanes:
        if lane.center != case.subject.id:
            continue
        for span, held in lane.held():
            at, since = span.recorded_at, case.subject.since
            if at is not None and since is not None and at < since and held.is_accepted:
                found.setdefault(held.entity, []).append(held)
    return found


def _check_witnesses(case: Case, entity: Entity, witnesses: list[Held]) -> None:
    """Hold an entity's document to the last events before the range: its record, its kind, its status if they say it.

    The number of its version is nobody's signed word: it is what HQ's books say.
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


def check_after(case: Case) -> None:
    """Compare the state that follows with the documents that the bundle states."""
    expected = {layout.state_path("after", *key): known.document for key, known in case.states.items()}
    stated = {path for path in case.files if (m := layout.STATE.fullmatch(path)) and m["when"] == "after"}
    for path in sorted(stated | expected.keys()):
        if path not in expected:
            case.report.error(Check.STATE, "no event of the bundle makes this entity", path)
        elif path not in stated:
            case.report.error(Check.STATE, "the entity that the events make is not here", path)
        elif case.files[path] != expected[path]:
            case.report.error(Check.STATE, "is not what the events make of it", path)
        else:
            case.report.passed(Check.STATE)


def _unbounded(case: Case, origin: str, last: int) -> str:
    """Return what is not shown of a lane's end behind `last`, '' where the center's next lane says that it ended."""
    for lane in case.lanes:
        for _, held in lane.held():
            if held.text("ce_type") == LANE_OPENED and held.is_accepted and lane.center == case.subject.id:
                opened = case.decode(held)
                if opened.get("previous_origin") == origin:
                    size = int(opened["previous_size"])
                    return "" if size <= last else f"its center wrote {size} events of it, HQ had {last}"
    return f"nothing here is recorded later: that no more came up to {case.subject.until} is HQ's word alone"


def check_range(case: Case) -> None:
    """Of a range of time: nothing between its two ends is left out, in any lane that the bundle has."""
    subject, report = case.subject, case.report
    if subject.kind != "center":
        report.skip(Check.COMPLETE, "an entity's lanes hold other entities' events too: only a range can be complete")
        return
    for lane in case.lanes:
        if lane.center == HQ:
            continue
        origin = case.origin(lane)
        if lane.center != subject.id:
            report.error(Check.COMPLETE, f"a lane of {lane.center}: the range is of {subject.id}", "", origin)
        inside = [s for s in lane.spans if s.receipt and subject.covers(s.receipt.recorded_at)]
        for span in inside:
            if not span.is_whole:
                detail = f"holds {len(span.events)} of the events {span.first} to {span.last}"
                report.error(Check.COMPLETE, detail, span.folder, origin, span.first)
            else:
                report.passed(Check.COMPLETE)
        for left, right in pairwise(inside):
            if right.first != left.last + 1:
                report.error(Check.COMPLETE, f"nothing covers {left.last + 1} to {right.first - 1}", "", origin)
        if inside and inside[0].first > 1:
            ends = [s for s in lane.spans if s.last == inside[0].first - 1]
            if not ends or not all(s.receipt and subject.since and s.receipt.recorded_at < subject.since for s in ends):
                detail = "no earlier receipt bounds the range"
                report.error(Check.COMPLETE, detail, inside[0].folder, origin, inside[0].first)
        if inside and lane.spans[-1] is inside[-1] and (detail := _unbounded(case, origin, inside[-1].last)):
            report.found(Severity.WARNING, Check.COMPLETE, detail, inside[-1].folder, origin, inside[-1].last)
        later = [s for s in lane.spans if inside and s.first > inside[-1].last]
        if later and later[0].first != inside[-1].last + 1:
            report.error(Check.COMPLETE, f"nothing covers {inside[-1].last + 1} to {later[0].first - 1}", "", origin)
