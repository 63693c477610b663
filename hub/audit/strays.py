"""Rows that lanes and log do not lead to: lanes themselves, rows of no lane, what stands beside the ledger."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Any, Final

from hub.audit.findings import Findings, What
from hub.ledger.basis import Basis
from hub.protocol.checkpoint import Checkpoint, open_seal
from hub.protocol.errors import Malformed
from hub.protocol.keys import Verifier
from hub.protocol.note import Note
from hub.protocol.receipt import Receipt
from hub.protocol.trust import Trust
from hub.replay.fold import BasisBook
from hub.replay.source import Ledger
from hub.store.audit_reader import AuditReader, Numbered
from hub.store.reader import Unreadable
from hub.store.rows import StoredLane
from hub.store.store import KEPT_BYTES_MAX, KEPT_BYTES_MAX_BEFORE_0_3

NOTES_ASKED: Final = 8  # receipts of a lane that are asked for its name
CUT_AT: Final = (KEPT_BYTES_MAX, KEPT_BYTES_MAX_BEFORE_0_3)  # what is kept of a record that is not kept whole
_OF_NOBODY: Final = "it belongs to no lane"


def sound_lanes(ledger: Ledger, hub: str, findings: Findings) -> list[StoredLane]:
    """Return the lanes as the database has them now, with what is damaged in their rows told and mended.

    A lane's name stands in the note of each of its receipts, and its size in three places: that which is nearest to the
    number of its events counts.
    """
    reader = ledger.reader.audit
    try:
        with ledger.reader.snapshot():
            lanes = reader.lanes()
            ends = {
                lane_id: (last or 0, sequence or 0, count)
                for lane_id, last, sequence, count in _ends(reader, lanes, findings)
            }
    except Unreadable as exc:
        findings.add(What.UNREADABLE, "lane", detail=exc.why)
        return ledger.lanes
    return [_sound(reader, lane, ends.get(lane.id, (0, 0, 0)), hub, findings) for lane in lanes]


def _ends(
    reader: AuditReader, lanes: Sequence[StoredLane], findings: Findings
) -> Iterator[tuple[int, int | None, int | None, int]]:
    """Yield where each lane's receipts and events end, as far as that can be read, and how many events there are."""
    tables: tuple[Numbered, Numbered] = ("receipt", "ledger")
    for lane in lanes:
        found: list[int | None] = []
        for table in tables:
            try:
                found.append(reader.end(table, lane.id))
            except Unreadable as exc:
                findings.add(What.UNREADABLE, table, f"#{lane.id}", detail=exc.why)
                found.append(None)
        try:
            count = reader.count_events(lane.id)
        except Unreadable:
            count = next((size for size in found if isinstance(size, int)), 0)
        yield lane.id, found[0], found[1], count


def _sound(
    reader: AuditReader, lane: StoredLane, ends: tuple[int, int, int], hub: str, findings: Findings
) -> StoredLane:
    wrong: list[str] = []
    if (lane.origin, lane.center, lane.epoch) != _parts(hub, lane.origin) or not isinstance(lane.origin, str):
        told = _told_origin(reader, lane.id) or (lane.origin if isinstance(lane.origin, str) else f"#{lane.id}")
        mended = _parts(hub, told)
        wrong += [
            n
            for n, a, b in zip(
                ("origin", "center", "epoch"), (lane.origin, lane.center, lane.epoch), mended, strict=True
            )
            if a != b
        ]
        lane = lane._replace(origin=mended[0], center=mended[1], epoch=mended[2])
    last, sequence, count = ends
    said = [size for size in (lane.size, last, sequence) if type(size) is int and size >= 0]
    size = min(said, key=lambda size: (abs(size - count), size != lane.size), default=count)
    if size != lane.size:
        wrong.append(f"size is {lane.size}, its receipts end at {last}, its events at {sequence}")
        lane = lane._replace(size=size)
    if wrong:
        findings.add(What.LANE_ROW, "lane", lane.origin, detail=", ".join(wrong))
    return lane


def _parts(hub: str, origin: object) -> tuple[str, str, str]:
    """Return origin, center and epoch as an origin of this hub has them."""
    text = origin if isinstance(origin, str) else ""
    rest = text.removeprefix(f"{hub}/")
    center, _, epoch = rest.partition("/")
    return text, center, epoch


def _told_origin(reader: AuditReader, lane_id: int) -> str | None:
    """Return the origin that a lane's receipts are about."""
    try:
        notes = reader.receipt_notes(lane_id, NOTES_ASKED)
    except Unreadable:
        return None
    for note in notes:
        try:
            return Receipt.from_text(Note.from_bytes(note).text).origin
        except Malformed:
            continue
    return None


def check_strays(ledger: Ledger, findings: Findings) -> None:
    """Tell of rows that are in no lane, or beyond their lane's end; lanes and rows are looked at in one moment."""
    reader = ledger.reader.audit
    _tell(reader, findings, What.LEDGER_STRAY, "ledger")
    _tell(reader, findings, What.RECEIPT_STRAY, "receipt")
    try:
        for lane_id, key in reader.measures_of_nobody():
            findings.add(What.MEASURE, "measure", f"#{lane_id}", key=f"{key}", detail=_OF_NOBODY)
    except Unreadable as exc:
        findings.add(What.UNREADABLE, "measure", detail=exc.why)
    try:
        for stream, entity_id in reader.entities_of_nobody():
            findings.add(What.ENTITY, "entity", key=f"{stream} {entity_id}", detail=_OF_NOBODY)
    except Unreadable as exc:
        findings.add(What.UNREADABLE, "entity", detail=exc.why)


def _tell(reader: AuditReader, findings: Findings, what: What, table: Numbered) -> None:
    try:
        rows = reader.strays(table)
    except Unreadable as exc:
        findings.add(What.UNREADABLE, table, detail=exc.why)
        return
    for lane_id, number, origin in rows:
        if isinstance(number, int):
            findings.add(what, table, origin or f"#{lane_id}", number)
        else:
            findings.add(what, table, origin or f"#{lane_id}", key=repr(number)[:60])


def check_beside(ledger: Ledger, trust: Trust, bases: BasisBook, findings: Findings) -> list[Checkpoint]:
    """Check what is kept beside the ledger: the bytes of quarantined records, the notes that prove forks.

    Returns the checkpoints of HQ's log that a notary met elsewhere and kept: the log must contain them.
    """
    met: list[Checkpoint] = []
    reader = ledger.reader.audit
    for id_, center, offset, digest, data, size in reader.walk_quarantine(findings.unread):
        if not isinstance(data, bytes) or not isinstance(digest, bytes) or size != len(data):
            if isinstance(data, bytes) and len(data) in CUT_AT and isinstance(size, int) and size > len(data):
                continue  # over its center's quota: the digest is all that is left of the rest
            findings.add(What.QUARANTINE, "quarantine", first=id_, key=f"{center} {offset}", detail="size_bytes")
        elif sha256(b"\x00" + data).digest() != digest:
            findings.add(What.QUARANTINE, "quarantine", first=id_, key=f"{center} {offset}")
    for origin, size, ours, theirs in reader.walk_evidence(findings.unread):
        why = _no_proof(trust, bases.at(bases.size), origin, size, ours, theirs)
        if why:
            findings.add(What.EVIDENCE, "evidence", str(origin), size if isinstance(size, int) else None, detail=why)
        elif origin == f"{trust.hub}/log":
            met.append(open_seal(theirs)[0])
    return met


def _no_proof(trust: Trust, basis: Basis | None, origin: Any, size: Any, ours: Any, theirs: Any) -> str:
    """Return why two notes prove no fork, '' if they do.

    Shapes: of a lane, `ours` is HQ's receipt for the events around that size and `theirs` a seal of the center's; of
            HQ's log both are checkpoints that HQ has signed, `ours` nothing where HQ's database had none left.
    """
    try:
        said, note = open_seal(theirs if isinstance(theirs, bytes) else b"")
        if (said.origin, said.size) != (origin, size):
            return f"the note of the other side is over {said.origin} at size {said.size}"
        if origin == f"{trust.hub}/log":
            note.verify(trust.logs)
            if ours != b"":
                Note.from_bytes(ours if isinstance(ours, bytes) else b"").verify(trust.logs)
            return ""
        own = Note.from_bytes(ours if isinstance(ours, bytes) else b"")
        own.verify(trust.receipts)
        receipt = Receipt.from_text(own.text)
        if receipt.origin != origin or not receipt.first <= size <= receipt.last:
            return f"HQ's receipt is over {receipt.origin} {receipt.first} to {receipt.last}"
        if receipt.last == size and receipt.root == said.root:
            return "both notes have the same root, so they do not contradict each other"
        center = basis.registry.centers.get(_parts(trust.hub, origin)[1]) if basis is not None else None
        keys = [Verifier.from_text(key.vkey) for key in (center.keys if center else ()) if key.purpose == "seal"]
        note.verify([key.named(origin) for key in keys])
    except Malformed as exc:
        return str(exc)
    return ""
