"""HQ's database in one file: the connection of its hot reads and writes."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

from hub.protocol.errors import CohubError, Fatal, Retriable
from hub.store.database import Connection, Database
from hub.store.reader import Unreadable
from hub.store.sqlite_insert import BOUND, SqliteInsert
from hub.store.sqlite_query import BUSY_MS, Query
from hub.store.store import Damaged, TakenError

_R = TypeVar("_R")

AGAIN_S: Final = 0.02  # between two attempts while another program writes

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
        self._has_begun = False  # the call that runs has begun to write
        connection.execute("PRAGMA busy_timeout=0")  # `run` waits, so that nobody else has to meanwhile

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
        """See Database. Errors: sqlite3.Error, also where another program writes just now."""
        db = self._connection
        db.execute("BEGIN IMMEDIATE")
        self._has_begun = True
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

        Where another program holds the database, a call that has written nothing yet is made again until that program
        is done, for `BUSY_MS` at most; all other tasks go on meanwhile.
        """
        await asyncio.sleep(0)
        ends_s = 0.0
        while True:
            self._has_begun = False
            try:
                found = await call()
            except (sqlite3.Error, Unreadable) as exc:
                cause = exc.__cause__ if isinstance(exc, Unreadable) else exc  # how the log's rows say it to tools, too
                if not isinstance(cause, sqlite3.Error):
                    raise
                now_s = time.monotonic()
                ends_s = ends_s or now_s + BUSY_MS / 1000
                if self._has_begun or now_s >= ends_s or _code(cause) != sqlite3.SQLITE_BUSY:
                    raise _typed(self.location, cause) from cause
            else:
                await asyncio.sleep(0)
                return found
            await asyncio.sleep(AGAIN_S)


def _code(exc: sqlite3.Error) -> int:
    return getattr(exc, "sqlite_errorcode", 0) & 0xFF  # the rest of it says which call of the file system it was


def _typed(location: str, exc: sqlite3.Error) -> CohubError:
    """Return what a store raises for an error of the driver. Nobody knows whether a COMMIT that failed is done."""
    if getattr(exc, "sqlite_errorcode", 0) == sqlite3.SQLITE_CONSTRAINT_TRIGGER:  # we have no others
        return Fatal(f"{location}: {exc}")
    code = _code(exc)
    if code == sqlite3.SQLITE_CONSTRAINT:
        return TakenError(f"{location}: what is to be written is there already: {exc}")
    return Retriable(f"{location}: {exc}") if code in _PASSING else Damaged(location, "what was asked for", exc)
