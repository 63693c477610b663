"""Opening HQ's database in SQLite: what the file is, its tables, its connections.

Any number of programs may open one path at once, and any of them may die at any moment. What is true after each step:

    what is there          nothing happened: somebody else's database is left as it is, byte for byte
    page size, journal     the file is empty, or has one page and no table; the next opening goes on from there
    tables                 one transaction, under the lock that allows one writer: all of them are there, or none
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, StaticPool, create_engine, event
from sqlalchemy.exc import DBAPIError

from hub.base import files
from hub.protocol.errors import Fatal, Retriable
from hub.store.migrate import migrate, refuse_others
from hub.store.sqlite_query import BUSY_MS
from hub.store.version import READ, Version

_AGAIN_S: Final = 0.02
_IN_USE: Final = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def open_database(path: Path) -> sqlite3.Connection:
    """Open or create the database, bring it to the tables of this release, and return a connection for hot writes.

    Errors: Fatal when it is not ours, or too new for us; Retriable while another program brings it up to date.
    """
    try:
        files.settle_database(path)
        _settle(path)
        _bring_up_to_date(path)
        return _connect(path)
    except (sqlite3.Error, DBAPIError) as exc:
        cause = exc.orig if isinstance(exc, DBAPIError) else exc
        if getattr(cause, "sqlite_errorcode", None) in _IN_USE:
            raise Retriable(f"{path}: another program makes it or brings it up to date just now: try again") from exc
        raise Fatal(f"{path}: cannot be opened as HQ's database: {cause}") from exc
    except OSError as exc:
        raise Fatal(f"{exc.filename or path}: cannot be opened as HQ's database: {exc.strerror or exc}") from exc
    except Fatal as exc:
        raise Fatal(f"{path}: {exc}") from exc


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, timeout=BUSY_MS / 1000, cached_statements=256)
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA cache_size=-16000")
    connection.execute("PRAGMA wal_autocheckpoint=4000")
    return connection


def _settle(path: Path) -> None:
    """Settle what the file is, before its first table: pages that hold a whole event, and the journal.

    SQLite does not wait for its lock when the journal is changed, so we do.
    """
    deadline_s = time.monotonic() + BUSY_MS / 1000
    while True:
        try:
            refuse_others(_tables(path))
            with closing(sqlite3.connect(path, isolation_level=None, timeout=BUSY_MS / 1000)) as connection:
                connection.execute("PRAGMA page_size=8192")
                connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as exc:
            if exc.sqlite_errorcode not in _IN_USE or time.monotonic() > deadline_s:
                raise
        else:
            return
        time.sleep(_AGAIN_S)


def _tables(path: Path) -> list[str]:
    """Return the tables of the file, none where there is no file. It is opened for reading, if that is possible."""
    if not path.exists():
        return []
    try:
        return _tables_of(path, "ro")
    except sqlite3.OperationalError as exc:
        if exc.sqlite_errorcode in _IN_USE:
            raise
        # A program that wrote it was stopped: SQLite has to undo what it began before anybody reads.
        return _tables_of(path, "rw")


def _tables_of(path: Path, mode: str) -> list[str]:
    uri = f"{path.absolute().as_uri()}?mode={mode}"
    with closing(sqlite3.connect(uri, uri=True, isolation_level=None, timeout=BUSY_MS / 1000)) as connection:
        found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    return [name for (name,) in found if not name.startswith("sqlite_")]


def _bring_up_to_date(path: Path) -> None:
    """Make or migrate the tables in one transaction. Of programs that start at once one does it, the others wait."""
    connection = sqlite3.connect(path, isolation_level=None, timeout=BUSY_MS / 1000)
    try:
        if not version_of(connection).is_usable:
            _migrate(connection)
    finally:
        connection.close()


def _migrate(connection: sqlite3.Connection) -> None:
    engine = create_engine("sqlite://", creator=lambda: connection, poolclass=StaticPool)

    # Left to themselves, sqlite3 and SQLAlchemy begin a transaction at the first row that is written, and every table
    # before it is there for good: this one begins before anything is read, with the lock for writing.
    @event.listens_for(engine, "begin")
    def _begin(began: Connection) -> None:
        began.exec_driver_sql("BEGIN IMMEDIATE")

    with engine.begin() as transaction:
        migrate(transaction)


def version_of(connection: sqlite3.Connection) -> Version:
    """Return what a file says of its tables, without waiting for a writer. What is odd is looked at under the lock."""
    try:
        cursor = connection.execute(READ)
        rows = cursor.fetchall()
    except sqlite3.OperationalError:
        return Version()
    return Version.of(dict(zip([name for name, *_ in cursor.description], rows[0], strict=True)) if rows else None)
