"""What the store's statements run on: a connection, its transactions, the numbers of the lanes (docs/adr/0037).

The statements (`sql_*`) are written once, in what SQLite says; PostgreSQL is told what it says otherwise by a closed
list (`postgres_words`). They are plain calls on a connection: each call of a store runs whole, and no other call of the
same store comes between its statements.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Coroutine, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from hub.protocol.errors import Malformed
from hub.store.rows import UNREADABLE, Bound
from hub.store.store import Damaged

Row = tuple[Any, ...]

_P = ParamSpec("_P")
_R = TypeVar("_R")
_S = TypeVar("_S", bound="OnDatabase")


class Cursor(Protocol):
    """What a statement came to. Shapes: `rowcount` is how many rows it wrote."""

    @property
    def rowcount(self) -> int:
        """How many rows were written."""

    def fetchone(self) -> Any:
        """Return the next row, None behind the last."""

    def fetchall(self) -> list[Any]:
        """Return the rows that are left."""

    def __iter__(self) -> Iterator[Any]:
        """Yield the rows that are left."""


class Connection(Protocol):
    """A connection as statements need it: `?` stands for a value."""

    def execute(self, sql: str, values: Sequence[Any] = (), /) -> Cursor:
        """Run one statement."""

    def executemany(self, sql: str, rows: Iterable[Sequence[Any]], /) -> object:
        """Run one statement for each of many rows, in their order."""


class Questions(Protocol):
    """Ways to ask for rows. Errors: Unreadable where they don't come."""

    def all(self, sql: str, values: Sequence[object] = ()) -> list[Row]:
        """Return all rows of a query."""

    def one(self, sql: str, values: Sequence[object] = ()) -> Row | None:
        """Return the first row of a query."""

    def each(self, sql: str, values: Sequence[object] = ()) -> Iterator[Row]:
        """Yield the rows of a query as they are asked for."""

    def lenient(self, sql: str, values: Sequence[object] = ()) -> list[Row]:
        """Return all rows of a query, also those with a text that is no UTF-8, where an engine lets any in."""


class Insert(Protocol):
    """Inserts rows of one kind into a table."""

    def write(self, db: Connection, rows: Sequence[Row]) -> None:
        """Write rows in their order, inside the caller's transaction `db`."""


class Database(ABC):
    """One database as a store has it.

    Shapes: `location` is what messages call it; `locking` ends a question whose rows nobody else may write before the
            transaction ends; `bound` is what rows are made of; `contradictions` are what a driver raises for a row
            that is there already.
    """

    location: str
    locking: str
    bound: Bound
    contradictions: tuple[type[Exception], ...]

    def __init__(self) -> None:
        self._lane_ids: dict[str, int] = {}
        self._origins: dict[int, str] = {}

    @property
    @abstractmethod
    def connection(self) -> Connection:
        """The connection of the call that runs."""

    @property
    @abstractmethod
    def questions(self) -> Questions:
        """Ways to ask through it."""

    @abstractmethod
    def insert(self, table: str, names: Sequence[str], upon: str = "") -> Insert:
        """Return what inserts rows.

        Shapes: `names` are the columns; `upon` is what is done with a row that is there.
        """

    @abstractmethod
    def writing(self) -> AbstractContextManager[Connection]:
        """Begin a transaction, and commit or roll back."""

    @abstractmethod
    def snapshot(self) -> AbstractContextManager[None]:
        """Let what is read inside be of one moment."""

    @abstractmethod
    def alone(self, db: Connection, table: str) -> None:
        """Let nobody else write the table before the transaction `db` ends, for what is looked up before it writes."""

    @abstractmethod
    async def run(self, call: Callable[[], Coroutine[Any, Any, _R]]) -> _R:
        """Run a call of a store, which awaits nothing itself, and translate what the driver raises."""

    @abstractmethod
    async def close(self) -> None:
        """Close every connection. Idempotent."""

    def lenient(self, sql: str, values: Sequence[object] = ()) -> list[Row]:
        """Return all rows of a query, as `Questions.lenient`."""
        return self.questions.lenient(sql, values)

    def lane_id(self, origin: str) -> int:
        """Return a lane's number. Errors: Damaged where there is no such lane."""
        found = self._lane_ids.get(origin)
        if found is None:
            row = self.connection.execute("SELECT id FROM lane WHERE origin = ?", (origin,)).fetchone()
            if row is None:
                raise Damaged(self.location, f"lane {origin}", "it is not there")
            found = self._lane_ids[origin] = int(row[0])
        return found

    def remember(self, origin: str, lane_id: int) -> None:
        """Remember a lane's number that was read anyway."""
        self._lane_ids[origin] = lane_id

    def remember_lanes(self, origins: Collection[str]) -> None:
        """Look up together the numbers of these lanes that are not known yet."""
        missing = [origin for origin in origins if origin not in self._lane_ids]
        if len(missing) > 1:
            marks = ", ".join("?" * len(missing))
            rows = self.connection.execute(f"SELECT origin, id FROM lane WHERE origin IN ({marks})", missing)  # noqa: S608
            self._lane_ids.update((str(origin), int(number)) for origin, number in rows)

    def origin(self, lane_id: int) -> str:
        """Return the origin of the lane of this number."""
        found = self._origins.get(lane_id)
        if found is None:
            row = self.connection.execute("SELECT origin FROM lane WHERE id = ?", (lane_id,)).fetchone()
            if row is None:
                raise Damaged(self.location, f"the lane of number {lane_id}", "it is not there")
            found = self._origins[lane_id] = str(row[0])
        return found

    def _forget_lanes(self) -> None:
        """Forget the numbers that were remembered: a transaction that made lanes is undone."""
        self._lane_ids.clear()
        self._origins.clear()


class OnDatabase:
    """What answers from a database: its calls are made with `suspends`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @property
    def location(self) -> str:
        """What messages call the database."""
        return self._database.location


@contextmanager
def reading(location: str, what: str) -> Iterator[None]:
    """Let rows that can't be read inside be told as damage to `what`. Errors: Damaged."""
    try:
        yield
    except (*UNREADABLE, Malformed) as exc:
        raise Damaged(location, what, exc) from exc


def suspends(
    call: Callable[Concatenate[_S, _P], Coroutine[Any, Any, _R]],
) -> Callable[Concatenate[_S, _P], Coroutine[Any, Any, _R]]:
    """Make `call` a store's: other tasks run before and after it, and no error of the driver comes out of it.

    Who is cancelled here does not know whether the call has been done.
    """

    @wraps(call)
    async def suspended(asked: _S, /, *arguments: _P.args, **named: _P.kwargs) -> _R:
        database = asked._database  # noqa: SLF001 - its own
        try:
            return await database.run(lambda: call(asked, *arguments, **named))
        except UNREADABLE as exc:
            raise Damaged(database.location, "what was asked for", exc) from exc

    return suspended
