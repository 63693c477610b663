"""Nobody changes a byte of the ledger unseen: every byte of every cell, found, and located."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

import pytest

from hub.audit.rebuild import rebuild
from hub.audit.verify import verify
from hub.store.tables import METADATA
from tests.support.audited import TRUST
from tests.support.tampering import KEYS, key_of, names, origins

# What no check covers, and why. Every other column of every table is flipped, byte by byte, and must be found.
UNCOVERED: Final[dict[str, dict[str, str]]] = {
    "intake": {"*": "where HQ stands in a topic, and what it last heard: a cursor and news, no record"},
    "heard": {"*": "when notes were signed that came before their time, so that a replay of them is no news"},
    "remark": {"*": "what the last audit told a center: the next one with --tell writes it again from the ledger"},
    "told": {"*": "the status note that a center was told last: it is told again whenever what it says changes"},
    "unkept": {"*": "how much of nobody's records was not kept: counts of what is no evidence"},
    "said": {"*": "what the broker has acknowledged: a topic that has less is said again from the ledger"},
    "said_again": {"*": "how far a topic that was lost is said again from the ledger, which is checked"},
    "access": {"*": "how a center reaches HQ's Kafka: see tests/unit/hub/worker/test_access_edited.py"},
    "invitation": {"*": "who may join by which file: see tests/unit/hub/hq/test_edited_invitations.py"},
    "said_late": {"*": "which states went out too late: they are said again from the ledger, which is checked"},
    "tenure": {"*": "under which term HQ's own lane is published"},
    "owed": {"*": "receipts that HQ has to come to again: each is signed, and one that is not is worth nothing"},
    "restored": {"*": "that HQ has to hear itself: see tests/unit/hub/hq/test_restored.py"},
    "log_lost": {
        "*": "leaves without receipts: checkpoints are of them, see tests/unit/hub/worker/test_log_taking_in.py"
    },
    "log_begun": {"*": "what a person has confirmed of them: see tests/unit/hub/worker/test_log_taking_in.py"},
    "lease": {"*": "who does the notary's work for the next seconds"},
    "published": {"*": "the publisher's cursors: what goes out again is the ledger, which is checked"},
    "quarantine": {
        "center": "nobody's word: only the bytes are tied to their digest",
        "kafka_offset": "as above",
        "reason": "as above",
        "detail": "as above",
        "key": "as above",
        "recorded_at_us": "as above",
        "id": "as above",
    },
    "evidence": {"recorded_at_us": "the two notes are the proof, whenever they were kept"},
    "cosignature": {"received_at_us": "when HQ heard it: looked at roughly, for which keys were active then"},
    "checkpoint": {"signed_at_us": "its seconds stand in the note, what is below them nowhere"},
    "segment": {"archived_at_us": "when it was moved: the archiver's own note"},
}
AT_ONCE: Final = 32  # flips in one copy of the database, each in another row


def test_untouched_ledger_has_no_finding(whole: Path, tmp_path: Path) -> None:
    """No false alarm, in one process or two, and the state follows from the ledger."""
    one = verify(whole, TRUST)
    assert one.findings == []
    assert one.events > 1300
    assert one.leaves > 256
    assert verify(whole, TRUST, processes=2) == one
    assert rebuild(whole, TRUST, tmp_path / "state").differences == []
    assert rebuild(whole, TRUST, tmp_path / "state2", processes=2).entities == one.entities


def test_archived_ledger_has_no_finding(archived: Path) -> None:
    """Nor has one whose older half is in segments, the newest of them not emptied to its end."""
    report = verify(archived, TRUST)
    assert report.findings == []
    assert report.segments > 6
    assert verify(archived, TRUST, processes=2) == report


def test_every_column_is_covered_or_said_not_to_be() -> None:
    """A new column is decided on: checked, or listed here and in docs/audit.md with the reason."""
    for table in METADATA.sorted_tables:
        left_out = UNCOVERED.get(table.name, {})
        assert set(left_out) <= {"*", *(column.name for column in table.columns)}
        assert "*" in left_out or table.name in KEYS, table.name


def test_page_names_what_no_check_covers() -> None:
    """docs/audit.md tells of every table and column that is left out, and of no other."""
    page = (Path(__file__).parents[4] / "docs/audit.md").read_text("utf-8")
    page = page.split("## What no check covers")[1].split("\n## ")[0]
    said = {name for row in re.findall(r"^\| (`.*?) \|", page, re.MULTILINE) for name in re.findall(r"`(.+?)`", row)}
    left_out = {
        f"{table}.{next(iter(columns))}" if len(columns) == 1 else table for table, columns in UNCOVERED.items()
    }
    assert said == left_out | {"ledger.key"}


@dataclass(frozen=True)
class Flip:
    """One byte of one cell changed."""

    table: str
    rowid: int
    column: str
    at: int
    bit: int


@dataclass(frozen=True)
class Cell:
    """A cell that is to be spoiled: its row by rowid and by key, and how many bytes it has."""

    table: str
    rowid: int
    column: str
    size: int


def cells(path: Path) -> list[Cell]:
    """Return every covered cell of the database."""
    found = []
    with closing(sqlite3.connect(path)) as db:
        for table in METADATA.sorted_tables:
            left_out = UNCOVERED.get(table.name, {})
            if "*" in left_out:
                continue
            names = [column.name for column in table.columns if column.name not in left_out]
            for rowid, *values in db.execute(f"SELECT rowid, {', '.join(names)} FROM {table.name}"):
                for name, value in zip(names, values, strict=True):
                    if table.name == "ledger" and name == "key" and value is not None:
                        continue  # the key of a record whose key is not its subject is in no digest
                    found.append(Cell(table.name, rowid, name, size_of(value)))
    return found


def size_of(value: object) -> int:
    if isinstance(value, bytes | str):
        return max(1, len(value if isinstance(value, bytes) else value.encode()))
    return 1 if value is None else 8


def flip(db: sqlite3.Connection, made: Flip) -> bool:
    """Change one byte; False where the database's own keys refuse it."""
    (value,) = db.execute(f"SELECT {made.column} FROM {made.table} WHERE rowid = ?", (made.rowid,)).fetchone()
    sql = f"UPDATE {made.table} SET {made.column} = {{}} WHERE rowid = {made.rowid}"
    try:
        if value is None:
            db.execute(sql.format("?"), (made.bit,))
        elif isinstance(value, int):
            number = (value & (2**64 - 1)) ^ (1 << (8 * made.at + made.bit))
            db.execute(sql.format("?"), (number - 2**64 if number >= 2**63 else number,))
        else:
            data = bytearray(value if isinstance(value, bytes) else value.encode())
            if data:
                data[made.at] ^= 1 << made.bit
            else:
                data = bytearray(b"x")
            db.execute(sql.format("?" if isinstance(value, bytes) else "CAST(? AS TEXT)"), (bytes(data),))
    except sqlite3.IntegrityError:
        return False
    return True


def missed(whole: Path, copy: Path, flips: Iterable[Flip]) -> list[Flip]:
    """Spoil a copy by all of these flips, and return those that the audit does not name."""
    for ending in ("-wal", "-shm"):
        Path(f"{copy}{ending}").unlink(missing_ok=True)
    shutil.copy(whole, copy)
    made = []
    with closing(sqlite3.connect(copy)) as db, db:
        made = [one for one in flips if flip(db, one)]
    lanes = origins(whole)
    found = verify(copy, TRUST).findings
    # A byte of a row's key makes another row of it: to name either is to name it.
    places = {one: (key_of(whole, one.table, one.rowid), key_of(copy, one.table, one.rowid)) for one in made}
    return [one for one in made if not any(names(f, one.table, key, lanes) for f in found for key in places[one])]


def unseen(whole: Path, copy: Path, flips: Sequence[Flip]) -> list[Flip]:
    """Return the flips that are not found even alone: beside thirty others, one may hide behind another."""
    return [one for one in missed(whole, copy, flips) if missed(whole, copy, [one])]


def by_rounds(cells: Sequence[Cell], rng: Random, bytes_of: Callable[[Cell], Iterable[int]]) -> Iterator[list[Flip]]:
    """Yield flips in rounds, no two of a round in one row, or in rows that say one thing together."""
    todo = [Flip(c.table, c.rowid, c.column, at, rng.randrange(8)) for c in cells for at in bytes_of(c)]
    rng.shuffle(todo)
    while todo:
        some: list[Flip] = []
        rest: list[Flip] = []
        rows: set[tuple[str, int]] = set()
        for one in todo:
            # One lane's row, one segment's: they vouch for nothing but themselves, and all else hangs on them.
            row = (one.table, one.rowid if one.table not in ("lane", "segment") else 0)
            if len(some) < AT_ONCE and row not in rows:
                some.append(one)
                rows.add(row)
            else:
                rest.append(one)
        yield some
        todo = rest


def test_flipped_bytes_are_found_and_located(whole: Path, copy: Path) -> None:
    """A sample over every table and column: 100 % found, each by a finding that names its row."""
    rng = Random(20261124)
    by_column: dict[tuple[str, str], list[Cell]] = {}
    for cell in cells(whole):
        by_column.setdefault((cell.table, cell.column), []).append(cell)
    sample = [
        cell
        for (table, _), some in by_column.items()
        if table != "lane"
        for cell in rng.sample(some, min(6, len(some)))
    ]
    for some in by_rounds(sample, rng, lambda cell: [rng.randrange(cell.size)]):
        assert unseen(whole, copy, some) == []


@pytest.mark.long
def test_flipped_bytes_of_the_lanes_rows_are_found_and_located(small: Path, copy: Path) -> None:
    """A byte of each of their cells; only one of them can be spoiled at a time."""
    rng = Random(20261124)
    lanes = [cell for cell in cells(small) if cell.table == "lane"]
    for some in by_rounds(lanes, rng, lambda cell: [rng.randrange(cell.size)]):
        assert unseen(small, copy, some) == []


@pytest.mark.long
def test_flipped_bytes_of_an_archived_ledger_are_found_and_located(archived: Path, copy: Path) -> None:
    """Each column of the segments' rows, and what stands beside bytes that are in the archive."""
    rng = Random(20261125)
    by_column: dict[tuple[str, str], list[Cell]] = {}
    for cell in cells(archived):
        by_column.setdefault((cell.table, cell.column), []).append(cell)
    sample = [
        cell
        for (table, _), some in by_column.items()
        if table in ("segment", "ledger", "receipt")
        for cell in rng.sample(some, min(3, len(some)))
    ]
    for some in by_rounds(sample, rng, lambda cell: [rng.randrange(cell.size)]):
        assert unseen(archived, copy, some) == []


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_every_flipped_byte_of_the_segments_rows_is_found(archived: Path, copy: Path) -> None:
    """All of them."""
    some_cells = [cell for cell in cells(archived) if cell.table == "segment"]
    for some in by_rounds(some_cells, Random(2), lambda cell: range(cell.size)):
        assert unseen(archived, copy, some) == []


@pytest.mark.long
@pytest.mark.timeout(24 * 3600)
def test_every_flipped_byte_is_found_and_located(whole: Path, copy: Path) -> None:
    """All of them, in an order of chance: as many as an hour allows, for all would take days (FLIPS_S: seconds)."""
    ends, tried = time.monotonic() + float(os.environ.get("FLIPS_S", "3600")), 0
    for some in by_rounds(cells(whole), Random(), lambda cell: range(cell.size)):  # another sample at every run
        assert unseen(whole, copy, some) == []
        tried += len(some)
        if time.monotonic() > ends:
            break
    print(f"{tried} flipped bytes found and located")  # noqa: T201  the sample's size is what the run says
    assert tried
