"""Reading a SQLite file that may be damaged: what can be read is read, what can't is named.

SQLite stops a query at the first page that it can't follow, and Python at the first text that is not UTF-8. So there
are three ways to ask:

    all, each   rows as they must be; a text that is not UTF-8 is unreadable
    lenient     texts that are not UTF-8 too
    walk        a whole table by its key, page by page; from the first failure on row by row, and what does not come
                is told
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final

from hub.store.audit_reader import Unread
from hub.store.reader import Unreadable

BUSY_MS: Final = 10_000  # how long another process's write is waited for
READ_AHEAD: Final = 1024

Row = tuple[Any, ...]


def lenient(data: bytes) -> str:
    """Return a text; bytes in it that are not UTF-8 come as lone surrogates, which equal nothing of ours."""
    return data.decode("utf-8", "surrogateescape")


class Query:
    """Questions on one open connection. Errors: Unreadable where rows don't come."""

    def __init__(self, location: str, db: sqlite3.Connection) -> None:
        self.location = location  # as messages name it
        self._db = db

    def close(self) -> None:
        """Close the connection. Idempotent."""
        self._db.close()

    def all(self, sql: str, values: Sequence[object] = ()) -> list[Row]:
        """Return all rows of a query."""
        try:
            return self._db.execute(sql, values).fetchall()
        except sqlite3.Error as exc:
            raise Unreadable(self.location, str(exc)) from exc

    def one(self, sql: str, values: Sequence[object] = ()) -> Row | None:
        """Return the first row of a query."""
        try:
            found: Row | None = self._db.execute(sql, values).fetchone()
        except sqlite3.Error as exc:
            raise Unreadable(self.location, str(exc)) from exc
        return found

    def each(self, sql: str, values: Sequence[object] = ()) -> Iterator[Row]:
        """Yield the rows of a query as they are asked for."""
        try:
            yield from self._db.execute(sql, values)
        except sqlite3.Error as exc:
            raise Unreadable(self.location, str(exc)) from exc

    def lenient(self, sql: str, values: Sequence[object] = ()) -> list[Row]:
        """Return all rows of a query, texts that are not UTF-8 too."""
        try:
            return self._db.execute(sql, values).fetchall()
        except sqlite3.Error as exc:
            if hasattr(exc, "sqlite_errorcode"):  # SQLite's own: what Python can't decode has none
                raise Unreadable(self.location, str(exc)) from exc
        self._db.text_factory = lenient
        try:
            return self.all(sql, values)
        finally:
            self._db.text_factory = str

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Let what is read inside be of one moment; inside another snapshot, of that one's."""
        db = self._db
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

    def walk(
        self,
        table: str,
        columns: str,
        keys: Sequence[str],
        unread: Unread,
        where: str = "",
        values: Sequence[object] = (),
        *,
        ahead: int = READ_AHEAD,
    ) -> Iterator[Row]:
        """Yield `columns` of a table's rows by its key, `ahead` of them at once in memory.

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
                rows = self.lenient(sql, more)
            except Unreadable:
                yield from self._one_by_one(table, columns, keys, unread, condition, values, done)
                return
            yield from (row[width:] for row in rows)
            if len(rows) < ahead:
                return
            done = rows[-1][:width]

    def _one_by_one(
        self,
        table: str,
        columns: str,
        keys: Sequence[str],
        unread: Unread,
        condition: str,
        values: Sequence[object],
        done: Row | None,
    ) -> Iterator[Row]:
        order = ", ".join(keys)
        try:
            # Of the key's index alone: it may be whole where the table is not.
            found = self.lenient(f"SELECT {order} FROM {table}{condition} ORDER BY {order}", values)  # noqa: S608
        except Unreadable as exc:
            place = " ".join(str(value) for value in values)
            unread(table, f"{condition.strip()} {place}".strip(), exc.why)
            return
        match = " AND ".join(f"{name} = ?" for name in keys)
        begin = 0 if done is None else next((n for n, key in enumerate(found, 1) if key == done), 0)
        for key in found[begin:]:
            try:
                yield from self.lenient(f"SELECT {columns} FROM {table} WHERE {match}", key)  # noqa: S608
            except Unreadable as exc:
                unread(table, ", ".join(f"{name} {value}" for name, value in zip(keys, key, strict=True)), exc.why)
