"""Nobody changes the archive unseen: files exchanged, gone or spoiled, rows gone, the chain in another order."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from hub.audit.findings import Finding
from hub.ledger.segment import SUFFIX, Segment
from tests.support.tampering import ask, change, findings, has, origins


@pytest.fixture
def spoiled(archived: Path, tmp_path: Path) -> Path:
    """Return a copy of the archived ledger and of its archive, to be spoiled."""
    path = Path(shutil.copy(archived, tmp_path / "hub.sqlite3"))
    shutil.copytree(archived.parent / "archive", tmp_path / "archive")
    change(path, ("UPDATE segment SET location = ?", (str(tmp_path / "archive"),)))
    return path


def segments(path: Path) -> list[tuple[Any, ...]]:
    return ask(path, "SELECT digest, lane_id, first, last FROM segment ORDER BY rowid")


def file_of(path: Path, digest: bytes) -> Path:
    return path.parent / "archive" / (digest.hex() + SUFFIX)


def told(path: Path, number: int, detail: str) -> list[Finding]:
    """Return what an audit finds, which must name this segment, with its range and why."""
    digest, lane_id, first, last = segments(path)[number]
    found = findings(path)
    (one,) = [f for f in found if f.table == "segment" and f.key == digest.hex() and detail in f.detail]
    assert (one.what, one.lane, one.first, one.last) == ("ARCHIVE", origins(path)[lane_id], first, last)
    return found


def test_deleted_file_is_told_and_the_audit_goes_on(spoiled: Path) -> None:
    """The segment is named with its range, its events as unread; everything else is checked and good."""
    digest, lane_id, first, last = segments(spoiled)[1]
    file_of(spoiled, digest).unlink()
    found = told(spoiled, 1, "is missing")
    lane = origins(spoiled)[lane_id]
    assert has(found, "ARCHIVE", "ledger", lane, first)
    assert has(found, "ARCHIVE", "ledger", lane, last)
    assert [f for f in found if f.table not in ("segment", "ledger", "entity", "measure")] == []
    assert [f for f in found if f.table == "ledger" and (f.what != "ARCHIVE" or f.lane != lane)] == []


@pytest.mark.parametrize("at", [0, 40, 0.3, 0.9, -1])
def test_flipped_byte_of_a_file_is_told(spoiled: Path, at: float) -> None:
    """The file is not what its name says."""
    path = file_of(spoiled, segments(spoiled)[2][0])
    data = bytearray(path.read_bytes())
    data[int(at * len(data)) if isinstance(at, float) else at] ^= 4
    path.write_bytes(data)
    told(spoiled, 2, "is damaged")


def test_file_exchanged_for_another_good_one_is_told(spoiled: Path) -> None:
    """Under its name, it is not what the name says; named in the row, it is another range."""
    rows = segments(spoiled)
    shutil.copy(file_of(spoiled, rows[0][0]), file_of(spoiled, rows[1][0]))
    told(spoiled, 1, "is damaged")
    change(
        spoiled,
        ("DELETE FROM segment WHERE digest = ?", (rows[0][0],)),
        ("UPDATE segment SET digest = ? WHERE digest = ?", (rows[0][0], rows[1][0])),
    )
    told(spoiled, 0, "the file says")


def test_deleted_row_is_told(spoiled: Path) -> None:
    """In the middle the chain is broken and a range is missing; at the end events are gone that no segment has."""
    rows = segments(spoiled)
    change(spoiled, ("DELETE FROM segment WHERE digest = ?", (rows[1][0],)))
    found = told(spoiled, 1, "the segment before it is")
    assert has(found, "LEDGER_BYTES", "ledger", origins(spoiled)[rows[1][1]], rows[1][2])
    change(spoiled, ("DELETE FROM segment WHERE digest = ?", (rows[-1][0],)))
    assert has(findings(spoiled), "LEDGER_BYTES", "ledger", origins(spoiled)[rows[-1][1]], rows[-1][2])


def test_reordered_chain_is_told(spoiled: Path) -> None:
    """The rows stand in another order, or each names another as the one before."""
    copy = Path(shutil.copy(spoiled, spoiled.with_name("other.sqlite3")))
    with closing(sqlite3.connect(copy)) as db, db:
        one, two = (row[0] for row in db.execute("SELECT rowid FROM segment ORDER BY rowid LIMIT 2 OFFSET 1"))
        for old, new in ((one, -1), (two, one), (-1, two)):
            db.execute("UPDATE segment SET rowid = ? WHERE rowid = ?", (new, old))
    told(copy, 1, "the segment before it is")
    told(copy, 2, "the segment before it is")
    rows = segments(spoiled)
    change(spoiled, ("UPDATE segment SET previous = ? WHERE digest = ?", (rows[0][0], rows[3][0])))
    told(spoiled, 3, "the segment before it is")
    told(spoiled, 3, f"previous is {rows[0][0].hex()}, the file says {rows[2][0].hex()}")


def test_forged_segment_is_told_by_the_databases_rows(spoiled: Path) -> None:
    """A well-formed file with another verdict, under its right name: every column stands in the database too."""
    digest, lane_id, first, last = segments(spoiled)[-1]
    segment = Segment.from_bytes(file_of(spoiled, digest).read_bytes())
    segment.commits[0]["events"][0]["code"] = "NOT_HERS"
    segment.commits[-1]["events"][-1]["data"] += b"x"  # of a row that has its bytes still
    forged = segment.to_bytes()
    file_of(spoiled, sha256(forged).digest()).write_bytes(forged)
    values = (sha256(forged).digest(), len(forged), digest)
    change(spoiled, ("UPDATE segment SET digest = ?, size_bytes = ? WHERE digest = ?", values))
    found = findings(spoiled)
    lane = origins(spoiled)[lane_id]
    assert [(f.what, f.table, f.lane, f.first) for f in found] == [
        ("ARCHIVE", "ledger", lane, first),
        ("ARCHIVE", "ledger", lane, last),
    ]
    assert "NOT_HERS" in found[0].detail


@pytest.mark.parametrize("column", ["first", "last", "lane_id", "location", "digest", "size_bytes", "previous"])
@pytest.mark.long
def test_nonsense_in_a_row_is_told_and_ends_no_audit(spoiled: Path, column: str) -> None:
    """Values of other types than a column should have."""
    for value in ("\x00", b"\xff\x00", 2**62, -1):
        change(spoiled, (f"UPDATE segment SET {column} = ? WHERE rowid = 2", (value,)))
        assert any(f.what == "ARCHIVE" and f.table == "segment" for f in findings(spoiled))
