"""Nobody rewrites the ledger unseen: every byte of every cell, rows gone, come, swapped; the log rolled back."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final

import pytest

from hub.replay.findings import Finding, readable
from hub.replay.rebuild import rebuild
from hub.replay.verify import verify
from hub.store.tables import METADATA
from tests.support.audited import TRUST, audited

# What no check covers, and why. Every other column of every table is flipped, byte by byte, and must be found.
UNCOVERED: Final[dict[str, dict[str, str]]] = {
    "intake": {"*": "where HQ stands in a topic, and what it last heard: a cursor and news, no record"},
    "lease": {"*": "who does the notary's work for the next seconds"},
    "lane": {"published": "the publisher's cursor: what goes out again is the ledger, which is checked"},
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
    "segment": {"*": "tests/unit/archive has the archive's own tests"},
}
KEYS: Final = {
    "lane": ("id",),
    "ledger": ("lane_id", "sequence"),
    "receipt": ("lane_id", "last"),
    "entity": ("stream", "id"),
    "measure": ("lane_id", "key"),
    "quarantine": ("id",),
    "evidence": ("origin", "size"),
    "log_leaf": ("leaf_index",),
    "log_tile": ("level", "tile_index"),
    "checkpoint": ("size",),
    "cosignature": ("size", "name", "key_id"),
}
AT_ONCE: Final = 24  # flips in one copy of the database, each in another row


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a ledger that nobody has touched, and no test does."""
    return asyncio.run(audited(tmp_path_factory.mktemp("audited")))


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    """Return a copy to be spoiled."""
    return Path(shutil.copy(whole, tmp_path / "hub.sqlite3"))


def change(path: Path, *statements: str | tuple[str, Sequence[Any]]) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        for statement in statements:
            sql, values = statement if isinstance(statement, tuple) else (statement, ())
            db.execute(sql, values)


def ask(path: Path, sql: str, *values: Any) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as db:
        return db.execute(sql, values).fetchall()


def origins(path: Path) -> dict[int, str]:
    return dict(ask(path, "SELECT id, origin FROM lane"))


# -- the untouched ledger ----------------------------------------------------------------------------------------------


def test_untouched_ledger_has_no_finding(whole: Path, tmp_path: Path) -> None:
    """No false alarm, in one process or two, and the state follows from the ledger."""
    one = verify(whole, TRUST)
    assert one.findings == []
    assert one.events > 1300
    assert one.leaves > 256
    assert verify(whole, TRUST, processes=2) == one
    assert rebuild(whole, TRUST, tmp_path / "state").differences == []
    assert rebuild(whole, TRUST, tmp_path / "state2", processes=2).entities == one.entities


def test_every_column_is_covered_or_said_not_to_be() -> None:
    """A new column is decided on: checked, or listed here and in docs/audit.md with the reason."""
    for table in METADATA.sorted_tables:
        left_out = UNCOVERED.get(table.name, {})
        assert set(left_out) <= {"*", *(column.name for column in table.columns)}
        assert "*" in left_out or table.name in KEYS, table.name


# -- single bytes ------------------------------------------------------------------------------------------------------


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


def names(finding: Finding, table: str, key: tuple[Any, ...], lanes: dict[int, str]) -> bool:
    """Return whether a finding names this row."""
    if not key:
        return False  # the number of a lane is what its row goes by: there is none of the old one any more
    lane = finding.lane in (lanes.get(key[0]), f"#{key[0]}")
    match table:
        case "lane":
            return lane
        case "ledger" | "receipt":
            first, last = finding.first, finding.last if finding.last is not None else finding.first
            inside = first is not None and last is not None and first <= key[1] <= last
            return lane and inside and table in (finding.table, "receipt")
        case "measure":
            place: tuple[object, ...] = (lane, finding.key)
            return finding.table == table and place == (True, key[1])
        case "entity":
            place = (finding.key,)
            key = (f"{key[0]} {key[1]}",)
        case "log_tile":
            place = (finding.key, finding.first)
            key = (f"level {key[0]}", key[1])
        case "evidence":
            place, key = (finding.lane,), key[:1]
        case _:
            place, key = (finding.first,), key[:1]
    return finding.table == table and place == key


def key_of(path: Path, table: str, rowid: int) -> tuple[Any, ...]:
    columns = ", ".join(KEYS[table])
    with closing(sqlite3.connect(path)) as db:
        db.text_factory = lambda data: data.decode("utf-8", "surrogateescape")
        found = db.execute(f"SELECT {columns} FROM {table} WHERE rowid = ?", (rowid,)).fetchone()
    return tuple(readable(part) if isinstance(part, str) else part for part in found) if found else ()


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


def by_rounds(cells: Sequence[Cell], rng: Random, bytes_of: Callable[[Cell], Iterable[int]]) -> Iterator[list[Flip]]:
    """Yield flips in rounds, no two of a round in one row, or in rows that say one thing together."""
    todo = [Flip(c.table, c.rowid, c.column, at, rng.randrange(8)) for c in cells for at in bytes_of(c)]
    rng.shuffle(todo)
    while todo:
        some: list[Flip] = []
        rest: list[Flip] = []
        rows: set[tuple[str, int]] = set()
        for one in todo:
            # One lane's row, one tile: they vouch for nothing but themselves, and all else hangs on them.
            row = (one.table, one.rowid if one.table != "lane" else 0)
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
    sample = [cell for some in by_column.values() for cell in rng.sample(some, min(10, len(some)))]
    for some in by_rounds(sample, rng, lambda cell: [rng.randrange(cell.size)]):
        assert missed(whole, copy, some) == []


@pytest.mark.long
@pytest.mark.timeout(24 * 3600)
def test_every_flipped_byte_is_found_and_located(whole: Path, copy: Path) -> None:
    """All of them."""
    for some in by_rounds(cells(whole), Random(1), lambda cell: range(cell.size)):
        assert missed(whole, copy, some) == []


# -- rows gone, come and swapped ---------------------------------------------------------------------------------------

UZ: Final = f"{HUB}/uz/00000001"
KZ: Final = f"{HUB}/kz/00000002"
CN: Final = f"{HUB}/cn/00000003"


def lane_id(path: Path, origin: str) -> int:
    found: int = ask(path, "SELECT id FROM lane WHERE origin = ?", origin)[0][0]
    return found


def findings(path: Path) -> list[Finding]:
    return verify(path, TRUST).findings


def has(found: Sequence[Finding], what: str, table: str, lane: str = "", first: int | None = None) -> bool:
    """Return whether this was found, there."""
    return any(
        (f.what, f.table, f.lane) == (what, table, lane)
        and (first is None or (f.first is not None and f.first <= first <= (f.last or f.first)))
        for f in found
    )


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
        (f"INSERT INTO receipt SELECT lane_id, {size + 1}, {size + 1}, seal, edge, note, recorded_at_us, basis,"
         " state_digest FROM receipt WHERE lane_id = ? LIMIT 1", (number,)),
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


# -- the clever forger: everything that a database can hold is made to fit, but nobody's key is there -------------------


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
    assert has(found, "LANE_ROW", "lane", KZ)
    assert ask(copy, "SELECT count(*) FROM log_leaf WHERE lane_id = ? AND last > ?", number, last) == [(5,)]


def roll_back(path: Path, size: int, *, cosignatures: bool) -> None:
    """Let HQ's log end at an older checkpoint, everything in the database fitting it."""
    change(
        path,
        ("DELETE FROM log_leaf WHERE leaf_index >= ?", (size,)),
        ("DELETE FROM log_tile WHERE tile_index >= ? >> (8 * (level + 1))", (size,)),
        ("DELETE FROM checkpoint WHERE size > ?", (size,)),
        "UPDATE lane SET logged = coalesce((SELECT max(last) FROM log_leaf WHERE lane_id = id), 0)",
    )
    if cosignatures:
        change(path, ("DELETE FROM cosignature WHERE size > ?", (size,)))


def test_log_rolled_back_is_found(copy: Path) -> None:
    """Cosignatures are left that were under checkpoints which are gone; without them, one checkpoint from elsewhere
    tells."""
    newest = ask(copy, "SELECT note FROM checkpoint ORDER BY size DESC LIMIT 1")[0][0]
    size = ask(copy, "SELECT size FROM checkpoint ORDER BY size LIMIT 1 OFFSET 9")[0][0]
    roll_back(copy, size, cosignatures=False)
    assert {f.what for f in findings(copy)} == {"COSIGNATURE"}
    roll_back(copy, size, cosignatures=True)
    assert findings(copy) == []  # every row fits: only somebody who has seen more can know
    (found,) = verify(copy, TRUST, outside=newest).findings
    assert (found.what, found.table) == ("CHECKPOINT_ROOT", "log_leaf")
    assert "rolled back" in found.detail


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
    """kz's first key was good for its time alone: a late seal by it is nobody's word."""
    number = lane_id(copy, KZ)
    last, edge = ask(copy, "SELECT last, edge FROM receipt WHERE lane_id = ? ORDER BY last DESC LIMIT 1", number)[0]
    old = Center("kz").signer
    change(copy, ("UPDATE receipt SET seal = ? WHERE lane_id = ? AND last = ?",
                  (seal(KZ, Edge.from_bytes(last, edge), old), number, last)))  # fmt: skip
    (found,) = [f for f in findings(copy) if f.table == "receipt"]
    assert (found.what, found.lane, found.last) == ("SEAL_KEY", KZ, last)
    assert "REVOKED_KEY" in found.detail


# -- a broken file -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(8))
def test_overwritten_pages_are_findings(copy: Path, seed: int) -> None:
    """SQLite calls the file malformed; what can't be read is named, the rest is checked, nothing is raised."""
    rng = Random(seed)
    data = bytearray(copy.read_bytes())
    for _ in range(3):
        page = rng.randrange(4, len(data) // 8192) * 8192
        data[page : page + 8192] = rng.randbytes(8192) if seed % 2 else bytes(8192)
    copy.write_bytes(data)
    report: Report = verify(copy, TRUST)
    assert report.findings


def test_shortened_file_is_findings(copy: Path) -> None:
    """The file ends too early."""
    data = copy.read_bytes()
    copy.write_bytes(data[: len(data) * 2 // 3])
    assert verify(copy, TRUST).findings
