"""Receipts, seals and inclusion: who said each event, that HQ took it, and that it stands in the sealed lane."""

from __future__ import annotations

from hub.domain.clock import goes_back
from hub.domain.stream import HQ
from hub.evidence.case import BundledEvent, Case, LaneOf, Span
from hub.evidence.report import Check, Severity
from hub.ledger.basis import Basis
from hub.ledger.keyring import Standing
from hub.protocol.errors import Malformed
from hub.protocol.keys import Verifier
from hub.protocol.moment import write_time
from hub.protocol.note import Note
from hub.protocol.proof import TlogProof
from hub.protocol.tree import Edge, verify_inclusion
from hub.protocol.trust import HqKeys, seal_of


def check_receipts(case: Case) -> None:
    """Read every receipt and seal; check HQ's signature, and that both speak of this lane and these events."""
    report = case.report
    for lane, span in case.spans():
        origin, file = case.origin(lane), f"{span.folder}receipt.note"
        if span.receipt_note is None:
            report.error(Check.RECEIPTS, "the receipt is missing", file, origin, span.first)
            continue
        try:
            note = Note.from_bytes(span.receipt_note)
            if case.keys is None:
                raise Malformed("HQ's keys are not known")
            receipt = HqKeys.of(case.keys).signed_receipt(note)
            if (receipt.origin, receipt.first, receipt.last) != (origin, span.first, span.last):
                raise Malformed(f"it is for {receipt.origin[:80]} {receipt.first} to {receipt.last}")
        except Malformed as exc:
            report.error(Check.RECEIPTS, exc, file, origin, span.first)
            continue
        span.receipt = receipt
        for decision in receipt.decisions:
            if decision.sequence in span.events:
                span.events[decision.sequence].decision = decision
        report.passed(Check.RECEIPTS)


def check_order(case: Case) -> None:
    """Check that receipts follow one another, in a lane and from lane to lane; the hq lane was folded before.

    HQ's clock does not go back but where HQ took a time back, in its own lane: that is allowed, and shown.
    """
    for lane in case.lanes:
        _check_order(case, lane)
    _check_lanes(case)
    clock = case.registry.clock
    if clock is not None:
        since, until = write_time(clock.since), write_time(clock.until)
        detail = f"HQ took back, at {since}, the times up to {until}, since its clock was ahead: {clock.reason}"
        origin = case.origin(case.hq_lane) if case.hq_lane else ""
        case.report.found(Severity.WARNING, Check.RECEIPTS, detail, "", origin)


def _goes_back(case: Case, before: Span, after: Span) -> bool:
    """Return whether HQ's clock went back between two receipts, and not as HQ took it back before the later one."""
    if before.recorded_at is None or after.recorded_at is None or before.receipt is None or after.receipt is None:
        return False
    basis = after.receipt.basis
    in_force = next((said for size, said in reversed(case.corrections) if size <= basis), None)
    return goes_back(before.recorded_at, before.receipt.basis, after.recorded_at, in_force)


def _check_order(case: Case, lane: LaneOf) -> None:
    """No two receipts of a lane cover one event, and its times do not go back."""
    before: Span | None = None
    for span in lane.spans:
        if before is not None:
            place = (f"{span.folder}receipt.note", case.origin(lane), span.first)
            if span.first <= before.last:
                case.report.error(Check.RECEIPTS, f"overlaps the receipt of {before.first} to {before.last}", *place)
            elif _goes_back(case, before, span):
                case.report.error(Check.RECEIPTS, "was recorded before the receipt in front of it", *place)
        before = span


def _check_lanes(case: Case) -> None:
    """A center's lanes follow one another: the order in which they stand here is the order in which HQ recorded them.

    Otherwise somebody could number the lanes anew, and an entity's last word would be another.
    """
    newest: dict[str, Span] = {}
    for lane, span in case.spans():
        before = newest.get(lane.center)
        if before is not None and before.lane is not lane and before.recorded_at and span.recorded_at:
            place = (f"{span.folder}receipt.note", case.origin(lane), span.first)
            if _goes_back(case, before, span):
                detail = f"was recorded before {case.origin(before.lane)}, which stands in front of it"
                case.report.error(Check.RECEIPTS, detail, *place)
            elif span.recorded_at == before.recorded_at:
                detail = f"was recorded in the same moment as {case.origin(before.lane)}: which came first is HQ's word"
                case.report.found(Severity.WARNING, Check.RECEIPTS, detail, *place)
        if span.receipt is not None:
            newest[lane.center] = span


def check_seal(case: Case, lane: LaneOf, span: Span, basis: Basis | None) -> None:
    """Check that the seal is over what the receipt is for, by a key of the lane's center that was good then."""
    report, origin, file = case.report, case.origin(lane), f"{span.folder}seal.note"
    if span.seal_note is None:
        report.error(Check.SEALS, "the seal is missing", file, origin, span.first)
        return
    receipt = span.receipt
    if receipt is None:
        return  # told already
    try:
        checkpoint, span.seal = seal_of(receipt, span.seal_note)
        if lane.center == HQ:
            assert case.keys is not None
            span.sealed_by = HqKeys.of(case.keys).sealer(span.seal, origin, receipt.recorded_at)
        else:
            if basis is None:
                raise Malformed(f"the bundle has no hq lane of size {receipt.basis}, which says whose key it is")
            if no_seal := basis.keyring.no_seal(checkpoint):
                raise Malformed(no_seal)
            standing, why = basis.keyring.check_seal(lane.center, origin, span.seal)
            if standing is not Standing.GOOD:
                raise Malformed(f"at basis {receipt.basis}: {why}")
            span.sealed_by = _signer(basis, lane.center, origin, span.seal)
    except Malformed as exc:
        report.error(Check.SEALS, exc, file, origin, span.first)
        return
    report.passed(Check.SEALS)


def _signer(basis: Basis, center: str, origin: str, note: Note) -> Verifier | None:
    known = basis.registry.centers[center].keys if center in basis.registry.centers else ()
    for key in known:
        if key.purpose == "seal" and key.status == "active":
            verifier = Verifier.from_text(key.vkey).named(origin)
            if note.line_of(verifier) is not None:
                return verifier
    return None


def check_inclusion(case: Case) -> None:
    """Check that each event is in the tree whose root the center sealed and HQ receipted."""
    for lane in case.lanes:
        if lane.center == HQ:
            _check_whole(case, lane)
            continue
        for span, held in lane.held():
            if span.receipt is not None:
                _check_path(case, lane, span, held)


def _check_path(case: Case, lane: LaneOf, span: Span, held: BundledEvent) -> None:
    report, origin = case.report, case.origin(lane)
    file = held.path.removesuffix("event") + "tlog-proof"
    assert span.receipt is not None
    try:
        if held.proof is None:
            raise Malformed("the proof is missing")
        proof = TlogProof.from_text(held.proof.decode("utf-8"))
        if proof.index != held.sequence - 1 or proof.extra is not None:
            raise Malformed(f"it is for leaf {proof.index}, or carries more than a proof")
        if proof.checkpoint != span.seal_note:
            raise Malformed("it is not for the seal that the receipt answers")
        verify_inclusion(held.leaf, proof.index, span.last, proof.path, span.receipt.root)
    except (Malformed, UnicodeDecodeError) as exc:
        report.error(Check.INCLUSION, exc, file, origin, held.sequence)
        return
    report.passed(Check.INCLUSION)


def _check_whole(case: Case, lane: LaneOf) -> None:
    """HQ's own lane is here from its first event: its tree is built again, so nothing can be left out of it."""
    report, origin = case.report, case.origin(lane)
    edge = Edge()
    for span in lane.spans:
        if span.first != edge.size + 1 or not span.is_whole:
            report.error(
                Check.HQ_LANE,
                f"events {edge.size + 1} to {span.last}: not all here",
                span.folder,
                origin,
                edge.size + 1,
            )
            return
        if any(held.proof is not None or held.key is not None for held in span.events.values()):
            report.error(
                Check.FILES, "the hq lane needs no proofs of single events, and has no keys", span.folder, origin
            )
        edge = edge.append(span.events[number].leaf for number in range(span.first, span.last + 1))
        if span.receipt is not None and edge.root != span.receipt.root:
            report.error(
                Check.HQ_LANE, "the events do not have the root of the receipt", span.folder, origin, span.last
            )
            return
        report.passed(Check.HQ_LANE, span.last - span.first + 1)
        report.passed(Check.INCLUSION, span.last - span.first + 1)
