"""Opening HQ's database: the one place that knows what stands at a place (docs/adr/0015, 0037)."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from hub.base import files
from hub.base.durable import disk_errors
from hub.protocol.errors import Fatal, UsageError
from hub.store.archive import Archiver
from hub.store.postgres_server import Server
from hub.store.reader import LedgerReader
from hub.store.sql_reader import SqlReader
from hub.store.sql_store import SqlStore
from hub.store.sqlite_archive import SqliteArchiveWriter
from hub.store.sqlite_query import BUSY_MS, Query
from hub.store.store import QUARANTINE_QUOTA_BYTES

Place = Path | Server  # a SQLite file, HQ's own or a mirror; or a database at a server


async def open_store(place: Place, quarantine_quota_bytes: int = QUARANTINE_QUOTA_BYTES) -> SqlStore:
    """Open HQ's database to be written. A SQLite file is made, or brought up to date; a server's is by `hub migrate`.

    Errors: UsageError, Fatal where it is not HQ's, or of another release; Retriable while it can't be reached.
    """
    if isinstance(place, Path):
        from hub.store.sqlite import SqliteStore  # noqa: PLC0415 - each engine brings its own drivers

        return SqliteStore.open(place, quarantine_quota_bytes)
    from hub.store.postgres import PostgresStore  # noqa: PLC0415

    return await PostgresStore.open(place, quarantine_quota_bytes)


def open_reader(place: Place) -> LedgerReader:
    """Return a reader of HQ's database, its own or a mirror; nothing can be written through it.

    Errors: UsageError where there is none; Fatal where it can't be opened; Retriable while a server is away.
    """
    if isinstance(place, Server):
        from hub.store.postgres_query import open_reader as at_server  # noqa: PLC0415

        return at_server(place)
    if not place.exists():
        raise UsageError(f"{place}: there is no database; expected HQ's data directory")
    with disk_errors(place):
        files.settle_database(place, make=False)
    try:
        db = sqlite3.connect(f"{place.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_MS / 1000)
        db.execute("PRAGMA query_only=1")
    except sqlite3.Error as exc:
        raise Fatal(f"{place}: cannot be read as HQ's database: {exc}") from exc
    return SqlReader(Query(str(place), db))


def open_archiver(place: Place) -> Archiver:
    """Return what archives HQ's own database, live. Errors: UsageError where there is none; Fatal."""
    if isinstance(place, Server):
        raise UsageError(f"{place.location}: the archive takes from a hub in SQLite alone so far; nothing was archived")
    return Archiver(SqliteArchiveWriter.open(place))
