"""HQ's database in one file: the connection of its hot reads and writes."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

from hub.protocol.errors import CohubError, Fatal, Retriable
from hub.store.database import Connection, Database
from hub.store.reader import Unreadable
from hub.store.sqlite_insert import BOUND, SqliteInsert
from hub.store.sqlite_query import Query
from hub.store.store import Damaged, TakenError

_R = TypeVar("_R")

# What another attempt may not meet again: a lock, a disk that is full or fails, memory, a file that cannot be opened.
_PASSING: Final = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_INTERRUPT,
        sqlite3.SQLITE_PROTOCOL,
    }
)


class SqliteDatabase(Database):
    """An open connection. Every write transaction is IMMEDIATE: a reader never has to become a writer half-way."""

    locking = ""
    bound = BOUND
    contradictions = (sqlite3.IntegrityError,)

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        super().__init__()
        self.path = path
        self.location = str(path)
        self._connection = connection
        self._questions = Query(self.location, connection)

    @property
    def connection(self) -> sqlite3.Connection:
        """See Database."""
        return self._connection

    @property
    def questions(self) -> Query:
        """See Database."""
        return self._questions

    def insert(self, table: str, names: Sequence[str], upon: str = "") -> SqliteInsert:
        """See Database."""
        return SqliteInsert(table, names, upon)

    async def close(self) -> None:
        """See Database."""
        self._connection.close()

    def alone(self, db: Connection, table: str) -> None:
        """See Database. Whoever writes here is alone."""

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """See Database."""
        self._connection.execute("BEGIN")
        try:
            yield
        finally:
            self._connection.execute("COMMIT")

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """See Database. Errors: sqlite3.Error, also where another program writes for too long."""
        db = self._connection
        db.execute("BEGIN IMMEDIATE")
        try:
            yield db
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            self._forget_lanes()  # the next one made has the number of one that is gone
            raise

    async def run(self, call: Callable[[], Coroutine[Any, Any, _R]]) -> _R:
        """See Database.

        SQLite answers within the call. Were it not suspended all the same, nobody would ever come between a caller's
        question and its next line, and what relied on that would break on an engine that waits.
        """
        await asyncio.sleep(0)
        try:
            found = await call()
        except sqlite3.Error as exc:
            raise _typed(self.location, exc) from exc
        except Unreadable as exc:  # how the log's rows say it, which tools read too; a worker tells a lock from damage
            if isinstance(exc.__cause__, sqlite3.Error):
                raise _typed(self.location, exc.__cause__) from exc.__cause__
            raise
        await asyncio.sleep(0)
        return found


def _typed(location: str, exc: sqlite3.Error) -> CohubError:
    """Return what a store raises for an error of the driver. Nobody knows whether a COMMIT that failed is done."""
    whole = getattr(exc, "sqlite_errorcode", 0)
    if whole == sqlite3.SQLITE_CONSTRAINT_TRIGGER:  # we have no others
        return Fatal(f"{location}: {exc}")
    code = whole & 0xFF  # the rest of it says which call of the file system it was
    if code == sqlite3.SQLITE_CONSTRAINT:
        return TakenError(f"{location}: what is to be written is there already: {exc}")
    return Retriable(f"{location}: {exc}") if code in _PASSING else Damaged(location, "what was asked for", exc)
