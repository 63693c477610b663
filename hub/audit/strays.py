"""Rows that lanes and log do not lead to: lanes themselves, rows of no lane, what stands beside the ledger."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Any, Final

from hub.audit.findings import Findings, What
from hub.audit.rows import Row, keyed, query, snapshot
from hub.ledger.basis import Basis
from hub.protocol.checkpoint import Checkpoint, open_seal
from hub.protocol.errors import Malformed
from hub.protocol.keys import Verifier
from hub.protocol.note import Note
from hub.protocol.receipt import Receipt
from hub.protocol.trust import Trust
from hub.replay.fold import BasisBook
from hub.replay.source import Ledger, StoredLane
from hub.store.store import KEPT_BYTES_MAX

RECORDS_AHEAD: Final = 32  # quarantined records read at once: each may be as large as a record can be
_OF_NOBODY: Final = (
    "SELECT stream, id FROM entity WHERE center NOT IN (SELECT center FROM lane) OR typeof(center) <> 'text'"
)
_LANES: Final = (
    "SELECT id, origin, center, epoch, size, edge, state_digest, recorded_at_us, closed_by, missing, coalesce(upto, 0)"
    " FROM lane LEFT JOIN logged ON lane_id = id ORDER BY id"
)


def sound_lanes(ledger: Ledger, hub: str, findings: Findings) -> list[StoredLane]:
    """Return the lanes as the database has them now, with what is damaged in their rows told and mended.

    A lane's name stands in the note of each of its receipts, and its size in three places: that which is nearest to the
    number of its events counts.
    """
    db = ledger.db
    try:
        with snapshot(db):
            rows = query(db, _LANES)
            ends = {
                lane_id: (last or 0, sequence or 0, count)
                for lane_id, last, sequence, count in _ends(db, rows, findings)
            }
    except sqlite3.Error as exc:
        findings.add(What.UNREADABLE, "lane", detail=exc)
        return ledger.lanes
    return [_sound(db, StoredLane(*row), ends.get(row[0], (0, 0, 0)), hub, findings) for row in rows]


def _ends(db: sqlite3.Connection, rows: Sequence[Row], findings: Findings) -> Iterator[tuple[int, Any, Any, int]]:
    """Yield where each lane's receipts and events end, as far as that can be read, and how many events there are."""
    for lane_id, *_ in rows:
        found = []
        for table, number in (("receipt", "last"), ("ledger", "sequence")):
            try:
                sql = f"SELECT max({number}) FROM {table} WHERE lane_id = ? AND typeof({number}) = 'integer'"  # noqa: S608
                found.append(query(db, sql, (lane_id,))[0][0])
            except sqlite3.Error as exc:
                findings.add(What.UNREADABLE, table, f"#{lane_id}", detail=exc)
                found.append(None)
        try:
            count = query(db, "SELECT count(*) FROM ledger WHERE lane_id = ?", (lane_id,))[0][0]
        except sqlite3.Error:
            count = next((size for size in found if isinstance(size, int)), 0)
        yield lane_id, found[0], found[1], count


def _sound(
    db: sqlite3.Connection, lane: StoredLane, ends: tuple[int, int, int], hub: str, findings: Findings
) -> StoredLane:
    wrong: list[str] = []
    if (lane.origin, lane.center, lane.epoch) != _parts(hub, lane.origin) or not isinstance(lane.origin, str):
        told = _told_origin(db, lane.id) or (lane.origin if isinstance(lane.origin, str) else f"#{lane.id}")
        mended = _parts(hub, told)
        wrong += [
            n
            for n, a, b in zip(
                ("origin", "center", "epoch"), (lane.origin, lane.center, lane.epoch), mended, strict=True
            )
            if a != b
        ]
        lane = replace(lane, origin=mended[0], center=mended[1], epoch=mended[2])
    last, sequence, count = ends
    said = [size for size in (lane.size, last, sequence) if type(size) is int and size >= 0]
    size = min(said, key=lambda size: (abs(size - count), size != lane.size), default=count)
    if size != lane.size:
        wrong.append(f"size is {lane.size}, its receipts end at {last}, its events at {sequence}")
        lane = replace(lane, size=size)
    if type(lane.logged) is not int:
        lane = replace(lane, logged=0)  # told with HQ's log
    if wrong:
        findings.add(What.LANE_ROW, "lane", lane.origin, detail=", ".join(wrong))
    return lane


def _parts(hub: str, origin: object) -> tuple[str, str, str]:
    """Return origin, center and epoch as an origin of this hub has them."""
    text = origin if isinstance(origin, str) else ""
    rest = text.removeprefix(f"{hub}/")
    center, _, epoch = rest.partition("/")
    return text, center, epoch


def _told_origin(db: sqlite3.Connection, lane_id: int) -> str | None:
    """Return the origin that a lane's receipts are about."""
    try:
        for (note,) in query(
            db, "SELECT CAST(note AS BLOB) FROM receipt WHERE lane_id = ? ORDER BY last LIMIT 8", (lane_id,)
        ):
            try:
                return Receipt.from_text(Note.from_bytes(note).text).origin
            except Malformed:
                continue
    except sqlite3.Error:
        return None
    return None


def check_strays(ledger: Ledger, findings: Findings) -> None:
    """Tell of rows that are in no lane, or beyond their lane's end; lanes and rows are looked at in one moment."""
    for table, number, what in (("ledger", "sequence", What.LEDGER_STRAY), ("receipt", "last", What.RECEIPT_STRAY)):
        _tell(
            ledger, findings, what, table,
            f"SELECT t.lane_id, t.{number}, l.origin FROM {table} t LEFT JOIN lane l ON l.id = t.lane_id"  # noqa: S608
            f" WHERE l.id IS NULL OR t.{number} > l.size OR t.{number} < 1 OR typeof(t.{number}) <> 'integer'"
            f" ORDER BY t.lane_id, t.{number}",
        )  # fmt: skip
    for table, what, sql in (
        ("measure", What.MEASURE, "SELECT lane_id, key FROM measure WHERE lane_id NOT IN (SELECT id FROM lane)"),
        ("entity", What.ENTITY, _OF_NOBODY),
    ):
        try:
            for first, second in query(ledger.db, sql):
                lane, key = (f"#{first}", f"{second}") if table == "measure" else ("", f"{first} {second}")
                findings.add(what, table, lane, key=key, detail="it belongs to no lane")
        except sqlite3.Error as exc:
            findings.add(What.UNREADABLE, table, detail=exc)


def _tell(ledger: Ledger, findings: Findings, what: What, table: str, sql: str) -> None:
    try:
        rows = query(ledger.db, sql)
    except sqlite3.Error as exc:
        findings.add(What.UNREADABLE, table, detail=exc)
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
    columns = "center, kafka_offset, digest, data, size_bytes"
    rows = keyed(ledger.db, findings, "quarantine", columns, ("id",), ahead=RECORDS_AHEAD)
    for id_, center, offset, digest, data, size in rows:
        if not isinstance(data, bytes) or not isinstance(digest, bytes) or size != len(data):
            if isinstance(data, bytes) and len(data) == KEPT_BYTES_MAX and isinstance(size, int) and size > len(data):
                continue  # over its center's quota: the digest is all that is left of the rest
            findings.add(What.QUARANTINE, "quarantine", first=id_, key=f"{center} {offset}", detail="size_bytes")
        elif sha256(b"\x00" + data).digest() != digest:
            findings.add(What.QUARANTINE, "quarantine", first=id_, key=f"{center} {offset}")
    for origin, size, ours, theirs in keyed(ledger.db, findings, "evidence", "ours, theirs", ("origin", "size")):
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
