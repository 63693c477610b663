"""Rows of a database that may be damaged: what can be read is read, what can't is named.

SQLite stops a query at the first page that it can't follow, and Python at the first text that is not UTF-8. So a range
that fails is read again in halves, down to the rows that do not come.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from hub.audit.findings import Findings, What
from hub.protocol.errors import CohubError, Fatal, UsageError
from hub.replay.fold import COLUMNS, StoredRow, ledger_rows
from hub.replay.source import BUSY_MS, Ledger

READ_AHEAD: Final = 1024

Row = tuple[Any, ...]

# What the archive raises where it does not give an event: a damaged row of `segment` may not even name a place.
_NOT_GIVEN: Final = (CohubError, ValueError, TypeError, AttributeError)


def open_damaged(path: Path) -> Ledger:
    """Open HQ's database even where texts in it are no UTF-8. Errors: as `Ledger.open`."""
    if not path.exists():
        raise UsageError(f"{path}: there is no database; expected HQ's data directory")
    try:
        db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_MS / 1000)
        db.execute("PRAGMA query_only=1")
        db.text_factory = lenient
        ledger = Ledger(path, db)
        db.text_factory = str
    except sqlite3.Error as exc:
        raise Fatal(f"{path}: cannot be read as HQ's database: {exc}") from exc
    return ledger


@contextmanager
def snapshot(db: sqlite3.Connection) -> Iterator[None]:
    """Let what is read inside be of one moment; inside another snapshot, of that one's."""
    if db.in_transaction:
        yield
        return
    with suppress(sqlite3.Error):  # what is damaged is told where it is read
        db.execute("BEGIN")
    try:
        yield
    finally:
        with suppress(sqlite3.Error):
            if db.in_transaction:
                db.execute("ROLLBACK")  # nothing was written


def lenient(data: bytes) -> str:
    """Return a text that may not be UTF-8; what is none comes as lone surrogates, which equal nothing of ours."""
    return data.decode("utf-8", "surrogateescape")


def query(db: sqlite3.Connection, sql: str, values: Sequence[object] = ()) -> list[Row]:
    """Return all rows of a query, texts that are no UTF-8 too. Errors: sqlite3.Error."""
    try:
        return db.execute(sql, values).fetchall()
    except sqlite3.OperationalError:  # a text that is no UTF-8; anything else comes again
        db.text_factory = lenient
        try:
            return db.execute(sql, values).fetchall()
        finally:
            db.text_factory = str


def keyed(
    db: sqlite3.Connection,
    findings: Findings,
    table: str,
    columns: str,
    keys: Sequence[str],
    where: str = "",
    values: Sequence[object] = (),
    *,
    ahead: int = READ_AHEAD,
) -> Iterator[Row]:
    """Yield a table's rows by its key, `ahead` of them at once in memory.

    After a failure they are read one by one, and those that don't come are told.
    """
    order, condition = ", ".join(keys), f" WHERE {where}" if where else ""
    done: Row | None = None
    width = len(keys)
    after = f"({order}) > ({', '.join('?' * width)})"
    while True:
        more = values if done is None else (*values, *done)
        both = condition if done is None else f"{condition} AND {after}" if where else f" WHERE {after}"
        sql = f"SELECT {order}, {columns} FROM {table}{both} ORDER BY {order} LIMIT {ahead}"  # noqa: S608
        try:
            rows = query(db, sql, more)
        except sqlite3.Error:
            yield from _one_by_one(db, findings, table, columns, keys, condition, values, done)
            return
        yield from rows
        if len(rows) < ahead:
            return
        done = rows[-1][:width]


def _one_by_one(
    db: sqlite3.Connection,
    findings: Findings,
    table: str,
    columns: str,
    keys: Sequence[str],
    condition: str,
    values: Sequence[object],
    done: Row | None,
) -> Iterator[Row]:
    order = ", ".join(keys)
    try:
        # Of the key's index alone: it may be whole where the table is not.
        found = query(db, f"SELECT {order} FROM {table}{condition} ORDER BY {order}", values)  # noqa: S608
    except sqlite3.Error as exc:
        place = " ".join(str(value) for value in values)
        findings.add(What.UNREADABLE, table, key=f"{condition.strip()} {place}".strip(), detail=exc)
        return
    match = " AND ".join(f"{name} = ?" for name in keys)
    begin = 0 if done is None else next((n for n, key in enumerate(found, 1) if key == done), 0)
    for key in found[begin:]:
        try:
            yield from query(db, f"SELECT {order}, {columns} FROM {table} WHERE {match}", key)  # noqa: S608
        except sqlite3.Error as exc:
            named = ", ".join(f"{name} {value}" for name, value in zip(keys, key, strict=True))
            findings.add(What.UNREADABLE, table, key=named, detail=exc)


class LedgerRows:
    """The ledger rows of one lane, read ahead. Rows that can't be read are told once, and count as missing."""

    def __init__(self, ledger: Ledger, lane_id: int, origin: str, findings: Findings) -> None:
        self._ledger = ledger
        self._lane_id = lane_id
        self._origin = origin
        self._findings = findings
        self._rows: list[StoredRow] = []
        self._at = 0  # in _rows
        self._upto = 0  # sequences up to here were asked for
        self.unreadable: set[int] = set()
        self.gone: set[int] = set()  # rows whose bytes the archive does not give back
        self._bad: tuple[int, int, str] | None = None  # the last range of that kind, and why

    def range(self, first: int, last: int) -> list[StoredRow]:
        """Return rows `first` to `last`, those that there are. Ranges must be asked for in order."""
        if first > self._upto + 1:
            self._upto, self._rows, self._at = first - 1, [], 0
        if last > self._upto:
            end = max(last, self._upto + READ_AHEAD)
            read = self._read(self._upto + 1, end)
            self._rows = [*self._rows[self._at :], *read]
            # Behind the last row that there is, one may be written before it is asked for.
            self._at, self._upto = 0, end if read and read[-1][0] == end else max(last, read[-1][0] if read else 0)
        rows, begin = self._rows, self._at
        while begin < len(rows) and rows[begin][0] < first:
            begin += 1
        if len(rows) >= begin + last - first + 1 and rows[begin + last - first][0] == last:
            self._at = begin + last - first + 1  # the usual case: nothing is missing
        else:
            self._at = begin
            while self._at < len(rows) and rows[self._at][0] <= last:
                self._at += 1
        return rows[begin : self._at]

    def _read(self, first: int, last: int) -> list[StoredRow]:
        try:
            return ledger_rows(self._ledger, self._lane_id, first, last)
        except (sqlite3.Error, *_NOT_GIVEN):
            return self._halves(first, last)

    def _halves(self, first: int, last: int) -> list[StoredRow]:
        db = self._ledger.db
        try:
            rows = query(db, _RANGE, (self._lane_id, first, last))
        except sqlite3.Error as exc:
            if first == last:
                self.unreadable.add(first)
                self._findings.add(What.UNREADABLE, "ledger", self._origin, first, detail=exc)
                return []
            middle = (first + last) // 2
            return [*self._halves(first, middle), *self._halves(middle + 1, last)]
        return [row if row[1] else self._archived(row) for row in rows]

    def _archived(self, row: Row) -> Any:
        """Return a row whose bytes are in the archive; where that does not give them, the row stays without."""
        number = row[0]
        if self._bad is None or not self._bad[0] <= number <= self._bad[1]:
            try:
                event = self._ledger.event(self._lane_id, number)
                return (number, event.data if event else b"", *row[2:])
            except sqlite3.Error as exc:
                self._findings.add(What.UNREADABLE, "ledger", self._origin, number, detail=exc)
                self.gone.add(number)
                return row
            except _NOT_GIVEN as exc:
                self._bad = (number, self._end(number), str(exc))
        self._findings.add(What.ARCHIVE, "ledger", self._origin, number, detail=self._bad[2])
        self.gone.add(number)
        return row

    def _end(self, number: int) -> int:
        """Return where the segment ends that should have this event: it is not fetched again for each of them."""
        sql = "SELECT last FROM segment WHERE lane_id = ? AND last >= ? ORDER BY last LIMIT 1"
        try:
            found = query(self._ledger.db, sql, (self._lane_id, number))
        except sqlite3.Error:
            return number
        return int(found[0][0]) if found and isinstance(found[0][0], int) else number


_RANGE: Final = (
    f"SELECT {', '.join(COLUMNS)} FROM ledger WHERE lane_id = ? AND sequence BETWEEN ? AND ? ORDER BY sequence"  # noqa: S608
)

Progress = Callable[[int], None]
