"""The one connection of HQ's hot reads and writes: its transactions, and the numbers of the lanes."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

from hub.protocol.errors import CohubError, Malformed, Retriable
from hub.store.reader import Unreadable
from hub.store.rows import UNREADABLE
from hub.store.sqlite_query import Query
from hub.store.store import Damaged, TakenError

_P = ParamSpec("_P")
_R = TypeVar("_R")
_S = TypeVar("_S", bound="OnDatabase")

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


@contextmanager
def reading(path: Path, what: str) -> Iterator[None]:
    """Let rows that can't be read inside be told as damage to `what`. Errors: Damaged."""
    try:
        yield
    except (*UNREADABLE, Malformed) as exc:
        raise Damaged(path, what, exc) from exc


def suspends(
    call: Callable[Concatenate[_S, _P], Coroutine[Any, Any, _R]],
) -> Callable[Concatenate[_S, _P], Coroutine[Any, Any, _R]]:
    """Make `call` a store's: other tasks run before and after it, and no error of the driver comes out of it.

    SQLite answers within the call. Without this nobody would ever come between a caller's question and its next line,
    and what relied on that would break with the first store that waits. Who is cancelled here does not know whether
    the call has been done: that, too, is as elsewhere.
    """

    @wraps(call)
    async def suspended(asked: _S, /, *arguments: _P.args, **named: _P.kwargs) -> _R:
        await asyncio.sleep(0)
        try:
            found = await call(asked, *arguments, **named)
        except sqlite3.Error as exc:
            raise _typed(asked.path, exc) from exc
        except Unreadable as exc:  # how the log's rows say it, which tools read too; a worker tells a lock from damage
            if isinstance(exc.__cause__, sqlite3.Error):
                raise _typed(asked.path, exc.__cause__) from exc.__cause__
            raise
        except UNREADABLE as exc:
            raise Damaged(asked.path, "what was asked for", exc) from exc
        await asyncio.sleep(0)
        return found

    return suspended


def _typed(path: Path, exc: sqlite3.Error) -> CohubError:
    """Return what a store raises for an error of the driver. Nobody knows whether a COMMIT that failed is done."""
    code = getattr(exc, "sqlite_errorcode", 0) & 0xFF  # the rest of it says which call of the file system it was
    if code == sqlite3.SQLITE_CONSTRAINT:
        return TakenError(f"{path}: what is to be written is there already: {exc}")
    return Retriable(f"{path}: {exc}") if code in _PASSING else Damaged(path, "what was asked for", exc)


class SqliteDatabase:
    """An open connection. Every write transaction is IMMEDIATE: a reader never has to become a writer half-way."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self.connection = connection
        self._lane_ids: dict[str, int] = {}
        self._origins: dict[int, str] = {}

    def close(self) -> None:
        """Close the connection. Idempotent."""
        self.connection.close()

    def lenient(self, sql: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Return all rows of a query, also those with a text that is no UTF-8, which is no `is_text`."""
        return Query(str(self.path), self.connection).lenient(sql, values)

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Begin a transaction, and commit or roll back. Nothing may be awaited inside: the connection is everybody's.

        Errors: sqlite3.Error, also where another program writes for too long.
        """
        db = self.connection
        db.execute("BEGIN IMMEDIATE")
        try:
            yield db
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            # The lanes that it made are gone, and the next one made has their number.
            self._lane_ids.clear()
            self._origins.clear()
            raise

    def lane_id(self, origin: str) -> int:
        """Return a lane's number. Errors: Damaged where there is no such lane."""
        found = self._lane_ids.get(origin)
        if found is None:
            row = self.connection.execute("SELECT id FROM lane WHERE origin = ?", (origin,)).fetchone()
            if row is None:
                raise Damaged(self.path, f"lane {origin}", "it is not there")
            found = self._lane_ids[origin] = int(row[0])
        return found

    def remember(self, origin: str, lane_id: int) -> None:
        """Remember a lane's number that was read anyway."""
        self._lane_ids[origin] = lane_id

    def origin(self, lane_id: int) -> str:
        """Return the origin of the lane of this number."""
        found = self._origins.get(lane_id)
        if found is None:
            row = self.connection.execute("SELECT origin FROM lane WHERE id = ?", (lane_id,)).fetchone()
            if row is None:
                raise Damaged(self.path, f"the lane of number {lane_id}", "it is not there")
            found = self._origins[lane_id] = str(row[0])
        return found


class OnDatabase:
    """What answers on this connection: its calls are made with `suspends`."""

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database

    @property
    def path(self) -> Path:
        """The database's file."""
        return self._database.path
