"""The archive's few writes in SQLite, on a connection of their own beside the worker's."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from hub.base import files
from hub.base.durable import disk_errors
from hub.protocol.errors import Fatal, Retriable, UsageError
from hub.store.reader import LedgerReader
from hub.store.rows import StoredSegment, columns, marks
from hub.store.sql_reader import SqlReader
from hub.store.sqlite_query import BUSY_MS, Query

EMPTIED_AT_ONCE: Final = 1_000  # rows a transaction: the worker waits for no longer
_IN_USE: Final = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


class SqliteArchiveWriter:
    """An ArchiveWriter. Make it with `open`."""

    def __init__(self, database: Path, db: sqlite3.Connection) -> None:
        self._database = database
        self._db = db
        self.reader: LedgerReader = SqlReader(Query(str(database), db))

    @classmethod
    def open(cls, database: Path) -> SqliteArchiveWriter:
        """Open a database that is there. Errors: UsageError, Fatal."""
        if not database.exists():
            raise UsageError(f"{database}: there is no hub here yet")
        with disk_errors(database):
            files.settle_database(database, make=False)
        db = sqlite3.connect(database, isolation_level=None, timeout=BUSY_MS / 1000)
        try:
            db.execute("PRAGMA synchronous=FULL")
        except sqlite3.Error as exc:
            db.close()
            raise Fatal(f"{database}: cannot be read as HQ's database: {exc}") from exc
        return cls(database, db)

    def close(self) -> None:
        """See ArchiveWriter."""
        self._db.close()

    def note(self, segment: StoredSegment) -> None:
        """See ArchiveWriter."""
        with self._writing():
            newest = self._db.execute("SELECT digest FROM segment ORDER BY rowid DESC LIMIT 1").fetchone()
            if (newest[0] if newest else None) != segment.previous:
                raise Retriable("another process archives this database; nothing was lost, run it again later")
            self._db.execute(
                f"INSERT INTO segment({columns(StoredSegment)}) VALUES ({marks(StoredSegment)})",  # noqa: S608
                segment,
            )

    def empty(self, lane_id: int, first: int, last: int) -> int:
        """See ArchiveWriter."""
        freed = 0
        where = "WHERE lane_id = ? AND sequence BETWEEN ? AND ? AND data <> x''"
        for at in range(first, last + 1, EMPTIED_AT_ONCE):
            span = (lane_id, at, min(at + EMPTIED_AT_ONCE - 1, last))
            with self._writing():
                row = self._db.execute(f"SELECT coalesce(sum(length(data)), 0) FROM ledger {where}", span).fetchone()  # noqa: S608
                freed += int(row[0])
                self._db.execute(f"UPDATE ledger SET data = x'' {where}", span)  # noqa: S608
        return freed

    def move(self, old: str, new: str) -> None:
        """See ArchiveWriter."""
        with self._writing():
            self._db.execute("UPDATE segment SET location = ? WHERE location = ?", (new, old))

    def compact(self) -> None:
        """See ArchiveWriter."""
        try:
            self._db.execute("VACUUM")
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.Error as exc:
            if getattr(exc, "sqlite_errorcode", None) in _IN_USE:
                raise Retriable(f"the database is in use ({exc}): stop the worker, then compact") from exc
            raise Fatal(f"{self._database}: cannot be compacted: {exc}; it is as it was") from exc

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Have the block in one transaction. Errors: Retriable where it may be tried again; Fatal for a full disk."""
        db = self._db
        try:
            db.execute("BEGIN IMMEDIATE")
            yield
            db.execute("COMMIT")
        except sqlite3.Error as exc:
            self._roll_back()
            if getattr(exc, "sqlite_errorcode", None) in _IN_USE:
                raise Retriable(f"the database is busy: {exc}") from exc
            raise Fatal(f"{self._database}: cannot be written: {exc}; run it again, and it goes on") from exc
        except BaseException:
            self._roll_back()
            raise

    def _roll_back(self) -> None:
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")
