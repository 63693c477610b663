"""Nobody rewrites the ledger unseen: rows gone, come, swapped, lanes cut, the log rolled back, pages broken."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Final

import pytest

from hub.audit.verify import verify
from hub.hq.headquarters import HqEvent
from hub.ledger.basis import Basis
from hub.protocol.checkpoint import seal
from hub.protocol.keys import Signer
from hub.protocol.note import Note, sign_note
from hub.protocol.receipt import Receipt
from hub.protocol.tree import Edge, leaf_hash
from tests.support.audited import TRUST
from tests.support.center import HUB, Center, filled, offer
from tests.support.evidence import DAY, told
from tests.support.tampering import ask, change, findings, has, key_of, lane_id, names, origins

PAGE_BYTES: Final = 8192

UZ: Final = f"{HUB}/uz/00000001"
KZ: Final = f"{HUB}/kz/00000002"
CN: Final = f"{HUB}/cn/00000003"


def test_deleted_event_is_missed_at_its_sequence_and_nothing_behind_it_is(copy: Path) -> None:
    """One row gone is one finding: what follows is checked as if nothing had happened."""
    change(copy, ("DELETE FROM ledger WHERE lane_id = ? AND sequence = 100", (lane_id(copy, UZ),)))
    found = findings(copy)
    assert has(found, "LEDGER_GAP", "ledger", UZ, 100)
    assert {f.table for f in found} <= {"ledger", "entity", "measure"}
    assert [f for f in found if f.table == "ledger" and f.first != 100] == []


@pytest.mark.parametrize("seed", range(6))
def test_deleted_row_of_any_table_is_missed(whole: Path, copy: Path, seed: int) -> None:
    """A row of each table is gone; only what a later checkpoint covers as well leaves no trace of its own."""
    rng = Random(seed)
    gone = []
    with closing(sqlite3.connect(copy)) as db, db:
        for table in ("ledger", "receipt", "entity", "measure", "log_leaf", "log_tile"):
            rowid = rng.choice(db.execute(f"SELECT rowid FROM {table}").fetchall())[0]
            gone.append((table, key_of(whole, table, rowid)))
            db.execute(f"DELETE FROM {table} WHERE rowid = ?", (rowid,))
    found = findings(copy)
    lanes = origins(whole)
    assert [one for one in gone if not any(names(f, *one, lanes) for f in found)] == []


def test_deleted_newest_checkpoint_is_missed(copy: Path) -> None:
    """The leaves behind the one before are under no checkpoint, and cosignatures are under none."""
    size = ask(copy, "SELECT max(size) FROM checkpoint")[0][0]
    change(copy, ("DELETE FROM checkpoint WHERE size = ?", (size,)))
    found = findings(copy)
    assert has(found, "CHECKPOINT_ROW", "checkpoint", "", size)
    assert has(found, "COSIGNATURE", "cosignature", "", size)


def test_deleted_lane_is_missed(copy: Path) -> None:
    """Its rows are there, and in no lane."""
    number = lane_id(copy, KZ)
    change(copy, ("DELETE FROM lane WHERE id = ?", (number,)))
    found = findings(copy)
    assert has(found, "LEDGER_STRAY", "ledger", f"#{number}", 1)
    assert has(found, "RECEIPT_STRAY", "receipt", f"#{number}")


def test_inserted_rows_are_found(copy: Path) -> None:
    """An event, a receipt, an entity, a leaf, a checkpoint, a tile that nobody made."""
    number = lane_id(copy, UZ)
    size = ask(copy, "SELECT size FROM lane WHERE id = ?", number)[0][0]
    leaves = ask(copy, "SELECT count(*) FROM log_leaf")[0][0]
    same = "digest, code, field, params, key, type, subject, occurred_at_us, version, previous_lane_id, previous"
    change(
        copy,
        (f"INSERT INTO ledger SELECT lane_id, {size + 1}, data, {same} FROM ledger WHERE lane_id = ? AND sequence = 9",
         (number,)),
        ((f"INSERT INTO receipt SELECT lane_id, {size + 1}, {size + 1}, seal, edge, note, recorded_at_us, basis,"
         " state_digest FROM receipt WHERE lane_id = ? LIMIT 1"), (number,)),
        "INSERT INTO entity SELECT stream, id || 'x', center, status, version, document, digest, lane_id, sequence,"
        " record_lane_id, record_sequence, changed_by, recorded_at_us FROM entity WHERE stream = 'deal' LIMIT 1",
        ("INSERT INTO log_leaf VALUES (?, ?, ?, ?)", (leaves, number, size + 1, b"x" * 32)),
        "INSERT INTO log_tile SELECT level, 7, hashes FROM log_tile",
        f"INSERT INTO checkpoint SELECT {leaves + 1}, note, edge, signed_at_us FROM checkpoint WHERE size = {leaves}",
    )  # fmt: skip
    found = findings(copy)
    assert has(found, "LEDGER_STRAY", "ledger", UZ, size + 1) or has(found, "RECEIPT_GAP", "receipt", UZ, size + 1)
    assert has(found, "RECEIPT_STRAY", "receipt", UZ, size + 1) or has(found, "RECEIPT_ROW", "receipt", UZ, size + 1)
    assert any(f.what == "ENTITY" and f.key.endswith("x") for f in found)
    assert has(found, "LOG_LEAF", "log_leaf", "", leaves)
    assert has(found, "LOG_TILE", "log_tile", "", 7)
    assert has(found, "CHECKPOINT_ROW", "checkpoint", "", leaves + 1)


SWAPPED: Final = {
    "ledger": "data",
    "receipt": "seal",
    "log_leaf": "hash",
    "checkpoint": "note",
    "entity": "document",
    "cosignature": "value",
}


@pytest.mark.parametrize("table", SWAPPED)
def test_swapped_cells_are_found_at_both_places(whole: Path, copy: Path, table: str) -> None:
    """What is genuine is so at its own place alone."""
    column = SWAPPED[table]
    rows = [row for (row,) in ask(copy, f"SELECT rowid FROM {table} ORDER BY rowid")]
    one, other = rows[len(rows) // 3], rows[len(rows) // 2]
    kept = dict(ask(copy, f"SELECT rowid, {column} FROM {table}"))
    for row, from_ in ((one, other), (other, one)):
        change(copy, (f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (kept[from_], row)))
    found, lanes = findings(copy), origins(whole)
    for row in (one, other):
        assert any(names(f, table, key_of(whole, table, row), lanes) for f in found)


def test_swapped_rows_are_found(copy: Path) -> None:
    """Two events change places, digests, verdicts and all."""
    number = lane_id(copy, UZ)
    change(
        copy,
        ("UPDATE ledger SET sequence = -1 WHERE lane_id = ? AND sequence = 40", (number,)),
        ("UPDATE ledger SET sequence = 40 WHERE lane_id = ? AND sequence = 41", (number,)),
        ("UPDATE ledger SET sequence = 41 WHERE lane_id = ? AND sequence = -1", (number,)),
    )
    found = findings(copy)
    assert has(found, "WRONG_PLACE", "ledger", UZ, 40)
    assert has(found, "WRONG_PLACE", "ledger", UZ, 41)


# -- the clever forger: everything that a database can hold is made to fit, but nobody's key is there ---------


def cut(path: Path, origin: str, receipts: int) -> int:
    """Take the newest receipts of a lane away, and let its row be as it was before; return its size then."""
    number = lane_id(path, origin)
    last, edge, digest, at = ask(
        path,
        "SELECT last, edge, state_digest, recorded_at_us FROM receipt WHERE lane_id = ? ORDER BY last DESC"
        f" LIMIT 1 OFFSET {receipts}",
        number,
    )[0]
    change(
        path,
        ("DELETE FROM ledger WHERE lane_id = ? AND sequence > ?", (number, last)),
        ("DELETE FROM receipt WHERE lane_id = ? AND last > ?", (number, last)),
        ("UPDATE lane SET size = ?, edge = ?, state_digest = ?, recorded_at_us = ? WHERE id = ?",
         (last, edge, digest, at, number)),
    )  # fmt: skip
    return int(last)


def test_lane_cut_at_a_receipt_is_found_by_the_log(copy: Path) -> None:
    """Of itself the shorter lane is whole; the log's leaves stand for receipts that are gone."""
    number = lane_id(copy, KZ)
    last = cut(copy, KZ, 5)
    found = findings(copy)
    assert sum(f.what == "LOG_LEAF" for f in found) == 5
    assert has(found, "LANE_ROW", "logged", KZ)
    assert ask(copy, "SELECT count(*) FROM log_leaf WHERE lane_id = ? AND last > ?", number, last) == [(5,)]


def roll_back(path: Path, size: int, *, cosignatures: bool) -> None:
    """Let HQ's log end at an older checkpoint, everything in the database fitting it."""
    change(
        path,
        ("DELETE FROM log_leaf WHERE leaf_index >= ?", (size,)),
        ("DELETE FROM log_tile WHERE tile_index >= ? >> (8 * (level + 1))", (size,)),
        ("DELETE FROM checkpoint WHERE size > ?", (size,)),
        "DELETE FROM logged",
        "INSERT INTO logged SELECT lane_id, max(last) FROM log_leaf GROUP BY lane_id",
    )
    if cosignatures:
        change(path, ("DELETE FROM cosignature WHERE size > ?", (size,)))


def test_log_rolled_back_is_found(copy: Path) -> None:
    """Cosignatures are left over, under checkpoints that are gone; without them, a checkpoint from elsewhere tells."""
    newest = ask(copy, "SELECT note FROM checkpoint ORDER BY size DESC LIMIT 1")[0][0]
    size = ask(copy, "SELECT size FROM checkpoint ORDER BY size LIMIT 1 OFFSET 9")[0][0]
    roll_back(copy, size, cosignatures=False)
    assert {f.what for f in findings(copy)} == {"COSIGNATURE"}
    roll_back(copy, size, cosignatures=True)
    assert findings(copy) == []  # every row fits: only somebody who has seen more can know
    (found,) = verify(copy, TRUST, outside=newest).findings
    assert (found.what, found.table) == ("CHECKPOINT_ROOT", "log_leaf")
    assert "rolled back" in found.detail


@pytest.mark.parametrize("ours", ["x''", "(SELECT note FROM checkpoint ORDER BY size DESC LIMIT 1)"])
def test_log_that_its_notary_found_rolled_back_is_found(copy: Path, ours: str) -> None:
    """The notary kept the checkpoint that it met on the topic; with a database that had none of its own, too."""
    newest, largest = ask(copy, "SELECT note, size FROM checkpoint ORDER BY size DESC LIMIT 1")[0]
    kept = f"INSERT INTO evidence SELECT '{HUB}/log', ?, {ours}, ?, 0"
    change(copy, (kept, (largest, newest)))
    assert findings(copy) == []  # it fits again: the newest database was put back
    roll_back(copy, ask(copy, "SELECT size FROM checkpoint ORDER BY size LIMIT 1 OFFSET 9")[0][0], cosignatures=True)
    (found,) = findings(copy)
    assert (found.what, found.table, found.first) == ("CHECKPOINT_ROOT", "log_leaf", largest)


def test_checkpoint_from_elsewhere_fits_the_untouched_log(whole: Path) -> None:
    """Every checkpoint that was ever signed is a beginning of the log."""
    for (note,) in ask(whole, "SELECT note FROM checkpoint ORDER BY size")[::7]:
        assert verify(whole, TRUST, outside=note).is_good


def test_forked_lane_is_found_at_each_receipt(copy: Path) -> None:
    """Somebody rewrites a lane's tail, digests, edges and roots and all, and signs by keys of his own."""
    number, forger = lane_id(copy, CN), Signer(f"{HUB}/receipts", b"F" * 32)
    receipts = ask(copy, "SELECT first, last, note FROM receipt WHERE lane_id = ? ORDER BY last DESC LIMIT 6", number)[
        ::-1
    ]
    begin = receipts[0][0]
    digests = ask(copy, "SELECT digest FROM ledger WHERE lane_id = ? AND sequence < ? ORDER BY sequence", number, begin)
    edge = Edge().append(digest for (digest,) in digests)
    for first, last, note in receipts:
        rows = ask(
            copy,
            "SELECT sequence, data FROM ledger WHERE lane_id = ? AND sequence BETWEEN ? AND ?",
            number,
            first,
            last,
        )
        for sequence, data in rows:
            forged = data.replace(b"Revised", b"Forged!").replace(b"Offer", b"Fraud")
            change(copy, ("UPDATE ledger SET data = ?, digest = ? WHERE lane_id = ? AND sequence = ?",
                          (forged, leaf_hash(forged), number, sequence)))  # fmt: skip
            edge = edge.append([leaf_hash(forged)])
        said = replace(Receipt.from_text(Note.from_bytes(note).text), root=edge.root)
        forged_note = sign_note(said.to_text(), [forger]).to_bytes()
        change(copy, ("UPDATE receipt SET note = ?, edge = ?, seal = ? WHERE lane_id = ? AND last = ?",
                      (forged_note, edge.to_bytes(), seal(CN, edge, forger.named(CN)), number, last)))  # fmt: skip
    change(copy, ("UPDATE lane SET edge = ? WHERE id = ?", (edge.to_bytes(), number)))
    found = findings(copy)
    for _, last, _ in receipts:
        assert has(found, "RECEIPT_NOTE", "receipt", CN, last)
        assert has(found, "SEAL_KEY", "receipt", CN, last)
    assert not any(f.first is not None and f.first < begin for f in found if f.lane == CN)


def test_swapped_keys_are_found(copy: Path) -> None:
    """Another trust file: nothing that HQ has signed is good. Another center's seals: the key is not its own."""
    other = Signer(f"{HUB}/receipts", b"F" * 32).verifier
    found = verify(copy, replace(TRUST, receipts=(other,))).findings
    receipts = ask(copy, "SELECT count(*) FROM receipt")[0][0]
    assert sum((f.last or 0) - (f.first or 0) + 1 for f in found if f.what == "RECEIPT_NOTE") >= receipts
    found = verify(copy, replace(TRUST, logs=(TRUST.logs[0],))).findings
    assert {f.what for f in found} == {"CHECKPOINT_NOTE", "COSIGNATURE"}
    forger = Signer(f"{HUB}/cn", b"F" * 32)
    number = lane_id(copy, CN)
    last, edge = ask(copy, "SELECT last, edge FROM receipt WHERE lane_id = ? ORDER BY last LIMIT 1 OFFSET 4", number)[0]
    forged = seal(CN, Edge.from_bytes(last, edge), forger)
    change(copy, ("UPDATE receipt SET seal = ? WHERE lane_id = ? AND last = ?", (forged, number, last)))
    assert has(findings(copy), "SEAL_KEY", "receipt", CN, last)


def test_revoked_keys_seal_after_its_revocation_is_found(copy: Path) -> None:
    """The first key of kz was good for its time alone: a late seal by it is nobody's word."""
    number = lane_id(copy, KZ)
    last, edge = ask(copy, "SELECT last, edge FROM receipt WHERE lane_id = ? ORDER BY last DESC LIMIT 1", number)[0]
    old = Center("kz").signer
    change(copy, ("UPDATE receipt SET seal = ? WHERE lane_id = ? AND last = ?",
                  (seal(KZ, Edge.from_bytes(last, edge), old), number, last)))  # fmt: skip
    (found,) = [f for f in findings(copy) if f.table == "receipt"]
    assert (found.what, found.lane, found.last) == ("SEAL_KEY", KZ, last)
    assert "REVOKED_KEY" in found.detail


def test_revoked_key_that_seals_on_under_an_old_basis_is_found(tmp_path: Path) -> None:
    """HQ's own word names the basis. It can't go on naming the one before a revocation."""

    async def tell() -> tuple[Path, int]:
        story = await told(tmp_path)
        headquarters = story.hq.headquarters
        left, story.now = await headquarters.basis(), datetime.now(UTC) + timedelta(days=1)
        kind = "net.cohub.center.suspended.v1"
        await headquarters.say([HqEvent(kind, "uz", filled(kind, {"reason": "stolen"}))], story.now)

        async def stale() -> Basis:
            return left

        headquarters.basis = stale  # type: ignore[method-assign]
        for late in (9, 2):
            story.now += timedelta(minutes=late) - (DAY if late == 2 else timedelta())
            await story.take("uz", [story.event("uz", "offer.published", f"K-{late}", offer("Sealed by a thief"))])
        await story.notarize()
        await story.close()
        return story.database, left.size

    path, basis = asyncio.run(tell())
    found = [f for f in findings(path) if f.what == "BASIS"]
    assert [(f.table, f.last) for f in found] == [("receipt", found[0].last)]
    assert found[0].detail == f"basis {basis} was left more than 10 minutes before"


# -- a broken file -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [*range(3), *(pytest.param(seed, marks=pytest.mark.long) for seed in range(3, 16))])
def test_overwritten_pages_are_findings(copy: Path, seed: int) -> None:
    """SQLite calls the file malformed; what can't be read is named, the rest is checked, nothing is raised."""
    rng = Random(seed)
    data = bytearray(copy.read_bytes())
    for _ in range(8):  # some hold tables that no check covers, such as cursors
        page = rng.randrange(4, len(data) // PAGE_BYTES) * PAGE_BYTES
        data[page : page + PAGE_BYTES] = rng.randbytes(PAGE_BYTES) if seed % 2 else bytes(PAGE_BYTES)
    copy.write_bytes(data)
    assert findings(copy)


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("part", range(16))
def test_no_page_that_is_overwritten_raises(small: Path, tmp_path: Path, part: int) -> None:
    """Whatever table or index it belongs to, what can't be read is told, or nothing of it is checked."""
    whole, copy, rng = small.read_bytes(), tmp_path / "hub.sqlite3", Random(part)
    for page in range(1 + part // 2, len(whole) // PAGE_BYTES, 8):
        at = page * PAGE_BYTES
        spoilt = rng.randbytes(PAGE_BYTES) if part % 2 else bytes(PAGE_BYTES)
        copy.write_bytes(whole[:at] + spoilt + whole[at + PAGE_BYTES :])
        try:
            findings(copy)
        except Exception as exc:
            raise AssertionError(f"page {page} of {len(whole) // PAGE_BYTES}") from exc


def test_shortened_file_is_findings(copy: Path) -> None:
    """The file ends too early."""
    data = copy.read_bytes()
    copy.write_bytes(data[: len(data) * 2 // 3])
    assert verify(copy, TRUST).findings
