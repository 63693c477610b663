"""HQ's log: each receipt is a leaf of it, HQ signed it with two keys, and witnesses have seen it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from hub.domain.registry import Registry
from hub.domain.stream import HQ
from hub.evidence import layout
from hub.evidence.case import Case, LaneOf, LogOf, Span
from hub.evidence.report import Check, Severity
from hub.protocol.checkpoint import open_checkpoint
from hub.protocol.cosignature import cosigned_at, verify_cosignature
from hub.protocol.errors import Malformed
from hub.protocol.keys import COSIGNATURE_MLDSA44, COSIGNATURES, ED25519, Signature, Verifier
from hub.protocol.note import Note
from hub.protocol.proof import TlogProof
from hub.protocol.tree import leaf_hash, verify_inclusion
from hub.protocol.trust import Trust

FILE = layout.CHECKPOINT


@dataclass(frozen=True, slots=True)
class Witness:
    """A key that may cosign HQ's log: of which center ('' for one outside), and whether HQ's registry has it active."""

    key: Verifier
    center: str
    is_active: bool
    retired_at: datetime | None = None


def witnesses_of(registry: Registry, trust: Trust) -> list[Witness]:
    """Return every witness key of the centers that the registry knows, then those outside that the root key named."""
    found = [
        Witness(Verifier.from_text(key.vkey), center.id, key.status == "active" and center.status == "active")
        for center in registry.centers.values()
        for key in center.keys
        if key.purpose == "witness" and center.id != HQ  # HQ is no witness of itself
    ]
    known = {witness.key for witness in found}
    outside = [Witness(key, "", True, trust.retired_at(key)) for key in trust.witnesses if key not in known]
    return found + outside


def active_centers(registry: Registry) -> tuple[str, ...]:
    """Return the centers whose word counts: all that are active, but not HQ itself."""
    return tuple(
        sorted(center.id for center in registry.centers.values() if center.status == "active" and center.id != HQ)
    )


@dataclass(slots=True)
class Seen:
    """Whose cosignatures are good, and when they were made: of active centers by id, of outside witnesses by key name.

    `wrong` says in words what is wrong with other lines, `passed_over` which lines count for nothing.
    """

    centers: dict[str, datetime] = field(default_factory=dict)
    others: dict[str, datetime] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    passed_over: list[str] = field(default_factory=list)


def seen_by(text: str, lines: Iterable[Signature], witnesses: Iterable[Witness]) -> Seen:
    """Return who has cosigned the checkpoint with this text."""
    known = {(w.key.name, w.key.key_id): w for w in witnesses}
    seen = Seen()
    for line in lines:
        witness = known.get((line.name, line.key_id))
        if witness is None:
            seen.passed_over.append(f"a line of {line.name[:80]}, which is no witness that HQ's lane knows")
            continue
        try:
            verify_cosignature(text, witness.key, line.value)
            at = cosigned_at(line)
        except Malformed as exc:
            seen.wrong.append(str(exc))
            continue
        if not witness.center and witness.retired_at is not None and at >= witness.retired_at:
            seen.passed_over.append(f"{line.name[:80]} was retired before")
        elif not witness.center:
            seen.others[line.name] = at
        elif witness.is_active:
            seen.centers[witness.center] = at
        else:
            seen.passed_over.append(f"{line.name[:80]} is not active any more")
    return seen


def check_log(case: Case) -> None:
    """Check HQ's log as far as the bundle has it."""
    report, data = case.report, case.files.get(layout.CHECKPOINT)
    if data is None:
        report.found(Severity.PENDING, Check.CHECKPOINT, "no checkpoint of HQ's log is in the bundle", FILE)
        for lane, span in case.spans():
            _not_logged(case, lane, span)
        return
    log = case.log = LogOf(active=active_centers(case.registry))
    try:
        log.checkpoint, log.note = open_checkpoint(data)
        if log.checkpoint.origin != f"{case.hub}/log":
            raise Malformed(f"is a checkpoint of {log.checkpoint.origin[:80]!r}")
        log.signed_at = _check_hq(case, log.note)
    except Malformed as exc:
        report.error(Check.CHECKPOINT, exc, FILE)
        if log.checkpoint is None:
            return
    else:
        report.passed(Check.CHECKPOINT)
    for lane, span in case.spans():
        if span.receipt is not None:
            _check_receipt(case, log, lane, span)
    _check_witnesses(case, log)


def _check_hq(case: Case, note: Note) -> datetime:
    """Return when HQ signed the checkpoint, which both of its keys must have done. Errors: Malformed."""
    trust = case.keys
    if trust is None:
        raise Malformed("HQ's keys are not known")
    signed_at: datetime | None = None
    for algorithm in (COSIGNATURE_MLDSA44, ED25519):  # the first says the time
        keys = [key for key in trust.logs if key.algorithm == algorithm]
        if signed_at is not None:
            keys = list(trust.good_at(keys, signed_at))
        key = note.verify(keys)
        if algorithm == COSIGNATURE_MLDSA44:
            line = note.line_of(key)
            assert line is not None
            signed_at = cosigned_at(line)
            retired = trust.retired_at(key)
            if retired is not None and signed_at >= retired:
                raise Malformed(f"signed at {signed_at:%Y-%m-%d}, by a key that was retired before")
    assert signed_at is not None
    return signed_at


def _check_receipt(case: Case, log: LogOf, lane: LaneOf, span: Span) -> None:
    assert log.checkpoint is not None
    assert span.receipt is not None
    if span.proof is None:
        _not_logged(case, lane, span)
        return
    file, origin = f"{span.folder}receipt.tlog-proof", case.origin(lane)
    try:
        proof = TlogProof.from_text(span.proof.decode("utf-8"))
        if proof.checkpoint != case.files[layout.CHECKPOINT] or proof.extra is not None:
            raise Malformed("it is not for the checkpoint of this bundle, or carries more than a proof")
        leaf = leaf_hash(span.receipt.to_text().encode())
        verify_inclusion(leaf, proof.index, log.checkpoint.size, proof.path, log.checkpoint.root)
    except (Malformed, UnicodeDecodeError) as exc:
        case.report.error(Check.LOG, exc, file, origin, span.first)
        return
    span.is_logged = True
    case.report.passed(Check.LOG)


def _not_logged(case: Case, lane: LaneOf, span: Span) -> None:
    detail = "the receipt is not in HQ's log yet; HQ logs it within a minute"
    case.report.found(Severity.PENDING, Check.LOG, detail, f"{span.folder}receipt.note", case.origin(lane), span.first)


def _check_witnesses(case: Case, log: LogOf) -> None:
    report = case.report
    assert log.note is not None
    assert case.keys is not None
    own = {(key.name, key.key_id) for key in case.keys.logs}
    notes = [(FILE, log.note)]
    for path in sorted(path for path in case.files if layout.COSIGNATURES.fullmatch(path)):
        try:
            note = Note.from_bytes(case.files[path])
            if note.text != log.note.text:
                raise Malformed("is for another checkpoint")
        except Malformed as exc:
            report.error(Check.WITNESSES, exc, path)
        else:
            notes.append((path, note))
    witnesses = witnesses_of(case.registry, case.keys)
    for path, note in notes:
        lines = [line for line in note.signatures if (line.name, line.key_id) not in own]
        seen = seen_by(note.text, lines, witnesses)
        log.cosigned |= seen.centers
        log.others |= seen.others
        report.passed(Check.WITNESSES, len(seen.centers) + len(seen.others))
        for detail in seen.wrong:
            report.error(Check.WITNESSES, detail, path)
        for detail in seen.passed_over:
            report.found(Severity.WARNING, Check.WITNESSES, detail, path)
    known = {witness.key for witness in witnesses if witness.center}
    for key in case.trust.witnesses if case.trust else ():
        if key.name.startswith(f"{case.hub}/") and key not in known:
            detail = f"the trust note names the witness {key.name}, which the hq lane of this bundle does not have"
            report.found(Severity.WARNING, Check.WITNESSES, detail, layout.TRUST)
    if case.pinned is not None and case.pinned.witnesses:
        _check_pinned(case, witnesses, case.pinned, notes)
    if not log.is_believed:
        report.found(
            Severity.PENDING,
            Check.WITNESSES,
            f"{len(log.cosigned)} of {len(log.active)} active centers have cosigned, expected more than half",
            FILE,
        )


def _check_pinned(case: Case, witnesses: list[Witness], pinned: Trust, notes: list[tuple[str, Note]]) -> None:
    """Hold the log to the witnesses that the checker has pinned: more than half of them must have cosigned it too.

    HQ's lane is HQ's word alone. Whoever has HQ's keys can write another lane, with centers and witnesses of his own;
    what he can't write is the line of a witness that the checker knows. How the two lists differ is told as well.
    """
    active = {w.key for w in witnesses if w.is_active and w.key.algorithm in COSIGNATURES}
    wanted = [k for k in pinned.witnesses if k.algorithm in COSIGNATURES and pinned.retired_at(k) is None]
    for key in wanted:
        if key not in active:
            detail = f"you trust the witness {key.name}+{key.key_id.hex()}, which HQ's lane does not have as active"
            case.report.found(Severity.WARNING, Check.WITNESSES, detail, FILE)
    for key in sorted(active - set(pinned.witnesses), key=lambda key: key.name):
        detail = f"HQ's lane has the witness {key.name}+{key.key_id.hex()}, which you have not pinned"
        case.report.found(Severity.WARNING, Check.WITNESSES, detail, FILE)
    names = {key.name for key in wanted}
    signed = {key.name for key in wanted if any(_has_cosigned(note, key) for _, note in notes)}
    if 2 * len(signed) <= len(names):
        detail = (
            f"{len(signed)} of the {len(names)} witnesses that you have pinned have cosigned, expected more than half; "
            "if their keys were changed since, pin the newest trust note"
        )
        case.report.found(Severity.PENDING, Check.WITNESSES, detail, FILE)


def _has_cosigned(note: Note, key: Verifier) -> bool:
    line = note.line_of(key)
    if line is None:
        return False
    try:
        verify_cosignature(note.text, key, line.value)
    except Malformed:
        return False  # told where every line is looked at
    return True
