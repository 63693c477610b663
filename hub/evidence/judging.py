"""Judging again: HQ's own lane gives the basis, and under it each event gets its verdict once more.

verdict = f(event, own entity, recorded_at, basis). The bundle holds all four, so what HQ decided can be decided again
by anybody, and the state follows from what was accepted.
"""

from __future__ import annotations

from collections.abc import Iterable

from hub.domain.catalogue import KINDS
from hub.domain.registry import correction_of, registry
from hub.domain.stream import HQ
from hub.evidence import layout
from hub.evidence.case import BundledEvent, Case, LaneOf, Span
from hub.evidence.lanes import check_seal
from hub.evidence.report import Check
from hub.evidence.subject import EntityKey
from hub.ledger.basis import BASIS_AGE_MAX, Basis, basis
from hub.ledger.decide import judge_again
from hub.ledger.lane import Lane
from hub.ledger.reading import Pending, Stretch
from hub.ledger.step import KnownEntity
from hub.protocol.errors import Malformed, Newer
from hub.protocol.moment import EPOCH_START
from hub.protocol.plain_record import PlainRecord
from hub.protocol.receipt import Decision
from hub.protocol.schema import DATASCHEMA, Schema, parse_schema
from hub.protocol.tree import Edge
from hub.protocol.verdict import Code


def read_schemas(case: Case) -> None:
    """Read the schema files."""
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
            the sealed event itself names, so a false one can stand for nothing. Where the lane says what only a later
            release can judge, the case is newer from there on.
    """
    lane, trust, report = case.hq_lane, case.trust, case.report
    if lane is None or trust is None or not trust.hqs:
        report.error(Check.HQ_LANE, "HQ's own lane is missing, or the trust note names no key for it")
        return
    known = {schema.sha256 for schema in released.values()}
    extra = {path: schema for path, schema in case.schemas.items() if schema.sha256 not in known}
    readable = {**extra, **released}
    wanted = {span.receipt.basis for other, span in case.spans() if other is not lane and span.receipt}
    states: dict[EntityKey, KnownEntity] = {}
    size = 0

    def corrected_at() -> int:
        return case.corrections[-1][0] if case.corrections else 0

    def standing() -> Basis:
        return basis(
            size, (state.entity for state in states.values()), trust.hqs[-1], readable, corrected_at=corrected_at()
        )

    for span in lane.spans:
        try:
            under = standing()
        except Newer as exc:
            _newer(case, lane, lane.spans[lane.spans.index(span) - 1].last, str(exc))
            return
        if size in wanted:
            case.bases[size] = under
        check_seal(case, lane, span, None)
        if span.receipt is None or span.first != size + 1 or not span.is_whole:
            break  # told by the checks of receipts and of the whole lane
        if span.receipt.basis != size:
            detail = f"judged under basis {span.receipt.basis}, expected {size}: what stood before it"
            report.error(Check.VERDICTS, detail, f"{span.folder}receipt.note", case.origin(lane), span.first)
        events = [span.events[n] for n in sorted(span.events)]
        for held in events:
            if held.is_accepted and (why := _unknown(held, under)):
                _newer(case, lane, held.sequence, why)
                return
        _judge_all(case, lane, span, events, under, states)
        for held in events:
            said = states.get(held.entity) if held.is_accepted and held.entity[0] == "clock" else None
            correction = None if said is None else correction_of(said.entity, span.last)
            if correction is not None:
                case.corrections.append((span.last, correction))
        size = span.last
    try:
        under = standing()
    except Newer as exc:
        _newer(case, lane, size, str(exc))
        return
    if size in wanted:
        case.bases[size] = under
    case.registry = registry(size, (state.entity for state in states.values()), corrected_at())
    case.hq_entities = states


def _newer(case: Case, lane: LaneOf, sequence: int, why: str) -> None:
    case.is_newer = True
    case.report.newer(Check.HQ_LANE, why, "", case.origin(lane), sequence)


def _unknown(held: BundledEvent, under: Basis) -> str:
    """Return what this release lacks to judge an event of the hq lane that HQ accepted, '' for nothing."""
    type_, name = held.text("ce_type"), held.text("ce_dataschema")
    if type_ not in KINDS:
        return f"HQ's own lane has an event of the type {type_[:100]}, which this release does not know"
    if name not in under.own:
        return f"HQ's own lane has an event under the schema {name[:100]}, which this release does not have"
    return ""


def _is_of_a_later_release(held: BundledEvent, under: Basis, found: Decision | None) -> bool:
    """Return whether HQ accepted an event of a type that it has announced and that this release does not know."""
    if not held.is_accepted or found is None or found.code != Code.UNKNOWN_TYPE:
        return False
    type_ = held.text("ce_type")
    announced = under.announced.get(held.text("ce_dataschema"))
    return type_ not in KINDS and announced is not None and announced.type == type_


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
                continue
            _check_age(case, lane, span)
            if case.subject.covers(span.receipt.recorded_at):
                events = [span.events[n] for n in sorted(span.events)]
                _judge_all(case, lane, span, events, under, case.states)
    root = case.subject.root
    if root is not None and root[1].partition(":")[0] == HQ and root in case.hq_entities:
        case.states = {root: case.hq_entities[root]}


def _check_age(case: Case, lane: LaneOf, span: Span) -> None:
    """Check that HQ recorded this under what its own lane said then, not under what it had said once."""
    receipt = span.receipt
    assert receipt is not None
    later = next((s for s in case.hq_lane.spans if s.first == receipt.basis + 1), None) if case.hq_lane else None
    if later is None or later.recorded_at is None or receipt.recorded_at - later.recorded_at <= BASIS_AGE_MAX:
        return
    if _is_taken_back(case, lane, span):
        return
    detail = (
        f"recorded at {receipt.recorded_at:%Y-%m-%d %H:%M:%S} under basis {receipt.basis}, "
        f"which HQ's lane had left at {later.recorded_at:%Y-%m-%d %H:%M:%S}"
    )
    case.report.error(Check.VERDICTS, detail, f"{span.folder}receipt.note", case.origin(lane), span.first)


def _is_taken_back(case: Case, lane: LaneOf, span: Span) -> bool:
    """Return whether HQ took a receipt's time back afterwards: then it does not tell how old its basis was.

    It has to stand before what its lane has under that correction, or HQ could use an old basis for ever.
    """
    receipt = span.receipt
    assert receipt is not None
    known = [size for size, said in case.corrections if size > receipt.basis and said.takes_back(receipt.recorded_at)]
    before = [other.receipt.basis for other in lane.spans if other.last < span.first and other.receipt]
    return bool(known) and max(before, default=0) < known[0]


def _judge_all(
    case: Case,
    lane: LaneOf,
    span: Span,
    events: Iterable[BundledEvent],
    under: Basis,
    states: dict[EntityKey, KnownEntity],
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
        if _is_of_a_later_release(held, under, decision):
            case.is_newer = True
            detail = f"an event of the type {held.text('ce_type')[:100]}, which this release does not know"
            case.report.newer(Check.VERDICTS, detail, held.path, origin, held.sequence)
        elif signed != found:
            case.report.error(
                Check.VERDICTS,
                f"HQ signed: {_said(held.decision)}; its rules give: {_said(decision)}",
                held.path,
                origin,
                held.sequence,
            )
        else:
            case.report.passed(Check.VERDICTS)


def _said(decision: Decision | None) -> str:
    """Return a decision as a person would say it."""
    if decision is None:
        return "accepted"
    place = " ".join(part for part in (decision.field, decision.params) if part)
    return f"{decision.code} ({place})" if place else decision.code


def _judge(
    lane: LaneOf, origin: str, span: Span, held: BundledEvent, under: Basis, states: dict[EntityKey, KnownEntity]
) -> tuple[Decision | None, KnownEntity | None]:
    """Return what HQ's rules decide of an event (None for accepted), and the entity after it."""
    assert span.receipt is not None
    key = held.text("ce_subject").encode() if held.key is None else held.key
    record = PlainRecord(key, held.value or None, held.headers)
    pending = Pending(held.sequence, record, dict(held.headers), held.data, held.leaf, None)
    at = Lane(origin, lane.center, lane.epoch, recorded_at=EPOCH_START)
    judged = judge_again(Stretch(at, (pending,), Edge()), states, under, span.receipt.recorded_at)
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
