"""The one connection of HQ's hot reads and writes: its transactions, and the numbers of the lanes."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from hub.protocol.errors import Fatal, Retriable

_P = ParamSpec("_P")
_R = TypeVar("_R")


def suspends(call: Callable[_P, Coroutine[Any, Any, _R]]) -> Callable[_P, Coroutine[Any, Any, _R]]:
    """Let other tasks run before and after `call`, as every call over a network does.

    SQLite answers within the call. Without this nobody would ever come between a caller's question and its next line,
    and what relied on that would break with the first store that waits. Who is cancelled here does not know whether
    the call has been done: that, too, is as elsewhere.
    """

    @wraps(call)
    async def suspended(*arguments: _P.args, **named: _P.kwargs) -> _R:
        await asyncio.sleep(0)
        found = await call(*arguments, **named)
        await asyncio.sleep(0)
        return found

    return suspended


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

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Begin a transaction, and commit or roll back. Nothing may be awaited inside: the connection is everybody's.

        Errors: Retriable where another program writes for too long.
        """
        db = self.connection
        try:
            db.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as exc:
            raise Retriable(f"{self.path}: {exc}") from exc
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
        """Return a lane's number. Errors: Fatal where there is no such lane."""
        found = self._lane_ids.get(origin)
        if found is None:
            row = self.connection.execute("SELECT id FROM lane WHERE origin = ?", (origin,)).fetchone()
            if row is None:
                raise Fatal(f"lane {origin} is not in the database")
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
            found = self._origins[lane_id] = str(row[0])
        return found
