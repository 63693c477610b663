"""One connection to PostgreSQL as the store's statements take it: plain calls, run where asyncpg can be awaited.

A call of a store runs in a greenlet (SQLAlchemy's, as its own asyncio engines do it): where a statement waits for the
server, the event loop goes on. So no deadline is missed while the database hangs, and the statements are written once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, NoReturn

import asyncpg
from sqlalchemy.util import await_only

from hub.store.database import Connection, Row
from hub.store.postgres_text import kept_column
from hub.store.postgres_words import numbered
from hub.store.tables import METADATA

if TYPE_CHECKING:
    from asyncpg.prepared_stmt import PreparedStatement

_KINDS: Final = {"INTEGER": "int", "BIGINT": "bigint", "TEXT": "text", "BLOB": "bytea", "BYTEA": "bytea"}


class PostgresCursor:
    """The rows of one statement, all of them here."""

    __slots__ = ("_rows", "rowcount")

    def __init__(self, rows: Sequence[Any], rowcount: int) -> None:
        self._rows = iter(rows)
        self.rowcount = rowcount

    def fetchone(self) -> Any:
        """See Cursor."""
        return next(self._rows, None)

    def fetchall(self) -> list[Any]:
        """See Cursor."""
        return list(self._rows)

    def __iter__(self) -> Iterator[Any]:
        """See Cursor."""
        return self._rows


class PostgresConnection:
    """A Connection, and Questions. What is asked is prepared once: there are as many texts as statements of ours.

    Errors: those of asyncpg, ConnectionError, TimeoutError.
    """

    def __init__(self, connection: asyncpg.Connection[Any]) -> None:
        self.raw = connection
        self._prepared: dict[str, PreparedStatement[Any]] = {}

    def execute(self, sql: str, values: Sequence[Any] = (), /) -> PostgresCursor:
        """See Connection."""
        return self.run(numbered(sql), values)

    def executemany(self, sql: str, rows: Iterable[Sequence[Any]], /) -> None:
        """See Connection: all of them are on their way before the first answer."""
        many = list(rows)
        if many:
            await_only(self._statement(numbered(sql)).executemany(many))

    def run(self, text: str, values: Sequence[Any] = ()) -> PostgresCursor:
        """Run a statement in PostgreSQL's own words."""
        statement = self._statement(text)
        rows = await_only(statement.fetch(*(kept_column(v) if type(v) in (tuple, list) else v for v in values)))
        _, _, count = (statement.get_statusmsg() or "").rpartition(" ")
        return PostgresCursor(rows, int(count) if count.isdecimal() else -1)

    def command(self, text: str) -> None:
        """Run a command that has no values and no rows."""
        await_only(self.raw.execute(text))

    def _statement(self, text: str) -> PreparedStatement[Any]:
        statement = self._prepared.get(text)
        if statement is None:
            statement = self._prepared[text] = await_only(self.raw.prepare(text))
        return statement

    # -- Questions ------------------------------------------------------------------------------------------------

    def all(self, sql: str, values: Sequence[object] = ()) -> list[Row]:
        """See Questions."""
        return self.execute(sql, values).fetchall()

    def one(self, sql: str, values: Sequence[object] = ()) -> Row | None:
        """See Questions."""
        found: Row | None = self.execute(sql, values).fetchone()
        return found

    def each(self, sql: str, values: Sequence[object] = ()) -> Iterator[Row]:
        """See Questions."""
        return iter(self.execute(sql, values))

    def lenient(self, sql: str, values: Sequence[object] = ()) -> list[Row]:
        """See Questions. PostgreSQL lets in no text that is not UTF-8."""
        return self.all(sql, values)


def lists(table: str, names: Sequence[str], after: int = 0) -> tuple[str, int]:
    """Return what makes rows of a list for each column, numbered behind `after`, and the number of the last one."""
    columns = METADATA.tables[table].columns
    kinds = [_KINDS[str(columns[name].type).partition(" ")[0]] for name in names]
    listed = ", ".join(f"${number}::{kind}[]" for number, kind in enumerate(kinds, after + 1))
    return f"unnest({listed})", after + len(kinds)


class PostgresInsert:
    """Inserts rows of one kind by one statement, a list a column: as many rows as there are, in one round trip."""

    def __init__(self, table: str, names: Sequence[str], upon: str = "") -> None:
        rows, _ = lists(table, names)
        self._sql = f"INSERT INTO {table}({', '.join(names)}) SELECT * FROM {rows} {upon}"  # noqa: S608

    def write(self, db: Connection, rows: Sequence[Row]) -> None:
        """See Insert."""
        assert isinstance(db, PostgresConnection)
        if rows:
            db.run(self._sql, list(zip(*rows, strict=True)))


class Closed:
    """The connection of nobody: statements outside of a call."""

    def __getattr__(self, name: str) -> NoReturn:
        raise RuntimeError("a statement was run outside of a store's call")
