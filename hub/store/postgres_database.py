"""HQ's database in PostgreSQL: one connection that is opened when it is needed, and anew after it failed.

Calls of one store run one after the other on it. What is true when one fails: nobody knows whether it was done, unless
it raised one of the store's typed errors; its transaction, if it had one, is undone by the server.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final, TypeVar

import asyncpg
from sqlalchemy.util import greenlet_spawn

from hub.protocol.errors import CohubError, Fatal, Retriable, UsageError
from hub.store.database import Connection, Database
from hub.store.moved import MOVED_AWAY
from hub.store.moved import SQLSTATE as MOVED_STATE
from hub.store.postgres_connection import PostgresConnection, PostgresInsert
from hub.store.postgres_server import STATEMENT_S, WORKER_SETTINGS, Server
from hub.store.rows import AS_IT_IS, UNREADABLE
from hub.store.store import Damaged, TakenError

_R = TypeVar("_R")

CALL_S: Final = 30.0  # a call that takes longer is given up, and its connection with it
CLOSE_S: Final = 2.0

# What the driver raises. The last are of a connection that is lost, or of a driver that has lost its place in it.
FAILURES: Final = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError)

# SQLSTATE, by its class or whole: another attempt may not meet it again.
_PASSING: Final = (
    "08",  # the connection
    "25P03",  # idle in a transaction for too long: we were frozen
    "25P04",  # a transaction for too long
    "40",  # rolled back: a deadlock, a conflict of serialization
    "53",  # no room, no memory, too many connections
    "55P03",  # a lock that did not come
    "57",  # cancelled, ended, the server starts or stops
    "58",  # its disk
    "0A000",  # a prepared statement of tables that have changed since
    "25006",  # read only: a standby that is not the first yet
)
_REFUSED: Final = ("28", "3D", "42501")  # who we are, which database, what we may: nothing that passes by itself


class PostgresDatabase(Database):
    """A database at a server."""

    locking = " FOR UPDATE"
    bound = AS_IT_IS
    contradictions = (asyncpg.IntegrityConstraintViolationError,)

    def __init__(self, server: Server, call_s: float = CALL_S) -> None:
        super().__init__()
        self.location = server.location
        self._server = server
        self._call_s = call_s
        self._turn = asyncio.Lock()
        self._running: asyncio.Task[Any] | None = None
        self._connection: PostgresConnection | None = None

    @property
    def connection(self) -> PostgresConnection:
        """See Database."""
        assert self._connection is not None, "a statement outside of a call"
        return self._connection

    @property
    def questions(self) -> _Questions:
        """See Database."""
        return _Questions(self)

    def insert(self, table: str, names: Sequence[str], upon: str = "") -> PostgresInsert:
        """See Database."""
        return PostgresInsert(table, names, upon)

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """See Database."""
        with self._transaction("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"):
            yield

    @contextmanager
    def writing(self) -> Iterator[PostgresConnection]:
        """See Database."""
        with self._transaction("BEGIN") as db:
            yield db

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[PostgresConnection]:
        db = self.connection
        db.command(begin)
        try:
            yield db
            db.command("COMMIT")
        except BaseException as exc:
            self._forget_lanes()
            # Whatever else was raised, the connection is given up: the server undoes what it was doing. To ask it for
            # that would be to wait for a server that may never answer, behind the deadline or whoever cancelled us.
            if not _is_kept(exc) or not self._rolled_back(db):
                db.raw.terminate()
            raise

    @staticmethod
    def _rolled_back(db: PostgresConnection) -> bool:
        try:
            db.command("ROLLBACK")
        except FAILURES:
            return False
        return True

    def alone(self, db: Connection, table: str) -> None:
        """See Database."""
        assert isinstance(db, PostgresConnection)
        db.command(f"LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE")

    async def run(self, call: Callable[[], Coroutine[Any, Any, _R]]) -> _R:
        """See Database. Errors: Retriable while the server is away; Fatal where it does not let us in."""
        await asyncio.sleep(0)  # a call that has nothing to ask lets others run, too
        async with self._turn:
            self._running = asyncio.current_task()
            try:
                async with asyncio.timeout(self._call_s):
                    await self._open()
                    found: _R = await greenlet_spawn(_result, call())
            except FAILURES as exc:
                if not isinstance(exc, asyncpg.IntegrityConstraintViolationError):
                    self._drop()
                raise typed(self.location, exc) from exc
            except asyncio.CancelledError:
                self._drop()  # what it was doing is undone by the server
                raise
            finally:
                self._running = None
        await asyncio.sleep(0)
        return found

    def pid(self, task: asyncio.Task[Any]) -> int | None:
        """Return the server's number of the connection on which a task's call runs, None while it does not."""
        if self._running is not task or self._connection is None:
            return None
        return self._connection.raw.get_server_pid()

    async def _open(self) -> None:
        if self._connection is None or self._connection.raw.is_closed():
            self._forget_lanes()
            try:
                connection = await self._server.connect(STATEMENT_S, **WORKER_SETTINGS)
            except UsageError as exc:  # the password's file is being replaced: it was good when the store was opened
                raise Retriable(str(exc)) from exc
            self._connection = PostgresConnection(connection)

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.raw.terminate()
            self._connection = None
        self._forget_lanes()

    async def close(self) -> None:
        """See Database."""
        async with self._turn:
            if self._connection is not None:
                with suppress(*FAILURES):
                    await self._connection.raw.close(timeout=CLOSE_S)
            self._drop()


class _Questions:
    """Questions on whatever connection the call has that runs."""

    def __init__(self, database: PostgresDatabase) -> None:
        self._database = database

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database.connection, name)


def _is_kept(exc: BaseException) -> bool:
    """Return whether the connection works on, once its transaction is rolled back: the server has answered."""
    if isinstance(exc, FAILURES):
        return isinstance(exc, asyncpg.IntegrityConstraintViolationError)
    return isinstance(exc, (CohubError, *UNREADABLE))


def _result(call: Coroutine[Any, Any, _R]) -> _R:
    """Return what a coroutine comes to that awaits nothing itself."""
    try:
        call.send(None)
    except StopIteration as done:
        found: _R = done.value
        return found
    raise AssertionError("a call of a store awaits something of its own")


def typed(location: str, exc: Exception) -> CohubError:
    """Return what a store raises for an error of the driver. Nobody knows whether a COMMIT that failed is done."""
    state = getattr(exc, "sqlstate", None) or ""
    if state.startswith("23"):
        return TakenError(f"{location}: what is to be written is there already: {exc}")
    if state == MOVED_STATE:
        return Fatal(f"{location} {MOVED_AWAY}")
    if state.startswith(_REFUSED):
        return Fatal(f"{location}: {exc}")
    # The driver's own refusal, or the server's: its words quote the value, which may be anybody's.
    if state.startswith("22") or (isinstance(exc, asyncpg.InterfaceError) and isinstance(exc, ValueError)):
        return Fatal(
            f"{location}: a value of a statement is none that its column takes ({state or type(exc).__name__}): this"
            " release does not fit this database, or has a fault; nothing of the statement was done"
        )
    if not state or state.startswith(_PASSING):
        return Retriable(f"{location}: {str(exc) or type(exc).__name__}")
    return Damaged(location, "what was asked for", exc)
