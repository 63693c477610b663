"""Rows of which every event has some: however many there are, they are written as they are."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from hub.ledger.step import LedgerRow
from hub.store.rows import StoredEvent, ledger_rows
from hub.store.sqlite_insert import BOUND, ROWS_AT_ONCE, SqliteInsert

LEDGER = SqliteInsert("ledger", ["lane_id", *StoredEvent._fields])
UPON = "ON CONFLICT(lane_id, sequence) DO UPDATE SET data = excluded.data"


@pytest.fixture
def db() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:")) as opened:
        names = ", ".join(StoredEvent._fields)  # no column has a type: what was bound is what is there
        opened.execute(f"CREATE TABLE ledger(lane_id, {names}, UNIQUE(lane_id, sequence))")
        yield opened


def row(sequence: int, key: bytes | None = None, previous: tuple[str, int] | None = None) -> LedgerRow:
    return LedgerRow(
        sequence, b"data", b"D" * 32, "ACCEPTED", "", "", key, "type", "uz:K", None, 3, previous,
    )  # fmt: skip


def found(db: sqlite3.Connection) -> list[tuple[Any, ...]]:
    return db.execute("SELECT * FROM ledger ORDER BY rowid").fetchall()


@pytest.mark.parametrize(
    "count", [0, 1, ROWS_AT_ONCE - 1, ROWS_AT_ONCE, ROWS_AT_ONCE + 1, 2 * ROWS_AT_ONCE, 5 * ROWS_AT_ONCE + 7]
)
def test_any_number_of_rows_is_written_in_order_and_as_it_is(db: sqlite3.Connection, count: int) -> None:
    """With the same types as without all this, and nothing where there is none."""
    keys, places = [None, b"", b"key", b"0"], [None, ("lane", 1)]
    rows = [row(n, keys[n % 4], places[n % 3 % 2]) for n in range(1, count + 1)]
    LEDGER.write(db, ledger_rows(7, rows, {"lane": 9}.__getitem__, BOUND))
    assert found(db) == ledger_rows(7, rows, {"lane": 9}.__getitem__)


@pytest.mark.parametrize("count", [1, ROWS_AT_ONCE])
def test_row_that_is_there_is_an_error_or_changed(db: sqlite3.Connection, count: int) -> None:
    """As the statement says; of those that were to be written with it none is, if it is an error."""
    rows = ledger_rows(7, [row(n) for n in range(1, count + 1)], {"lane": 9}.__getitem__, BOUND)
    LEDGER.write(db, rows[-1:])
    with pytest.raises(sqlite3.IntegrityError):
        LEDGER.write(db, rows)
    assert len(found(db)) == 1
    SqliteInsert("ledger", ["lane_id", *StoredEvent._fields], UPON).write(
        db, [(*each[:2], "new", *each[3:]) for each in rows]
    )
    assert sorted((each[1], each[2]) for each in found(db)) == [(n, "new") for n in range(1, count + 1)]
