"""Questions to PostgreSQL of whoever waits for the answers: tools, and threads beside a worker's loop."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final, Self

from hub.protocol.errors import Retriable
from hub.store.postgres_open import heard, keep_texts
from hub.store.postgres_server import READ_S, Server, needing_extra
from hub.store.postgres_words import formatted
from hub.store.reader import Unreadable
from hub.store.sql_reader import SqlReader
from hub.store.sqlite_query import Query, Row

_SNAPSHOT: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


def open_reader(server: Server) -> SqlReader:
    """Return a reader of a database at a server, live; nothing can be written through it. Errors: Retriable, Fatal."""
    with needing_extra():
        from pg8000 import dbapi  # noqa: PLC0415 - a hub in SQLite has none
    try:
        db = dbapi.connect(
            user=server.user,
            password=server.password(),
            host=server.host,
            port=server.port,
            database=server.database,
            ssl_context=server.tls(),
            timeout=READ_S,
            application_name="cohub",
        )
        keep_texts(db)
        db.autocommit = True  # a transaction is begun where one is wanted
        db.cursor().execute("SET default_transaction_read_only = on")
    except (dbapi.Error, OSError) as exc:
        raise heard(server.location, exc) from exc
    return SqlReader(PostgresQuery.of(server.location, db))


class PostgresQuery(Query):
    """Questions on one open connection of pg8000. All rows of an answer come at once."""

    def __init__(self, location: str, driver: Any, errors: tuple[type[Exception], ...]) -> None:
        super().__init__(location, driver)
        self._driver = driver
        self._errors = errors
        self._is_snapshot = False

    @classmethod
    def of(cls, location: str, driver: Any) -> Self:
        """Return questions on a connection that is open already."""
        from pg8000 import dbapi  # noqa: PLC0415

        return cls(location, driver, (dbapi.Error, OSError))

    def all(self, sql: str, values: Sequence[object] = ()) -> list[Row]:
        """See Query. Errors: Unreadable; Retriable while the server is away."""
        db = self._driver
        try:
            cursor = db.cursor()
            cursor.execute(formatted(sql), tuple(values))
            return [tuple(row) for row in cursor.fetchall()]
        except self._errors as exc:
            found = heard(self.location, exc)
            if isinstance(found, Retriable):
                raise found from exc
            raise Unreadable(self.location, str(exc)) from exc

    def one(self, sql: str, values: Sequence[object] = ()) -> Row | None:
        """See Query."""
        return next(iter(self.all(sql, values)), None)

    def each(self, sql: str, values: Sequence[object] = ()) -> Iterator[Row]:
        """See Query."""
        yield from self.all(sql, values)

    def lenient(self, sql: str, values: Sequence[object] = ()) -> list[Row]:
        """See Query. PostgreSQL lets in no text that is not UTF-8."""
        return self.all(sql, values)

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """See Query."""
        if self._is_snapshot:
            yield
            return
        self._driver.cursor().execute(_SNAPSHOT)
        self._is_snapshot = True
        try:
            yield
        finally:
            self._is_snapshot = False
            with suppress(*self._errors):
                self._driver.cursor().execute("COMMIT")

    def close(self) -> None:
        """See Query."""
        with suppress(*self._errors):
            self._driver.close()
