"""Looks into HQ's database in SQLite, or edits it, beside the store under test: on connections of its own."""

from __future__ import annotations

import sqlite3
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

from hub.store.log import LogReader
from hub.store.sql_log_rows import SqlLogRows
from hub.store.sqlite import SqliteStore
from hub.store.sqlite_open import open_database
from hub.store.sqlite_query import Query
from hub.store.store import QUARANTINE_QUOTA_BYTES


def peek(path: Path, query: str, *values: Any) -> list[tuple[Any, ...]]:
    """Return the rows of one query."""
    with closing(sqlite3.connect(path)) as db:
        return db.execute(query, values).fetchall()


def ask(path: Path, query: str, *values: Any) -> Any:
    """Return the first column of a query's first row."""
    return peek(path, query, *values)[0][0]


def dump(path: Path) -> list[str]:
    """Return all of a database, as the statements that make it."""
    with closing(sqlite3.connect(path)) as db:
        return list(db.iterdump())


def is_published(path: Path) -> bool:
    """Return whether the publisher's cursor is at the end of every lane."""
    return bool(ask(path, "SELECT min(coalesce(upto, 0) = size) FROM lane LEFT JOIN published ON lane_id = id"))


def edit(path: Path, statement: str, *values: Any) -> None:
    """Do what no program of ours does to a database."""
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(statement, values)


def log_of(path: Path) -> LogReader:
    """Return a reader of HQ's log; its connection is closed when nobody has it any more."""
    db = sqlite3.connect(path, isolation_level=None)
    reader = LogReader(SqlLogRows(Query(str(path), db)))
    weakref.finalize(reader, db.close)
    return reader


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[SqliteStore]:
    """Yield an open store."""
    store = SqliteStore.open(path)
    try:
        yield store
    finally:
        await store.close()


def open_without_disk(path: Path) -> SqliteStore:
    """Return a store whose commits wait for no disk, for tests of thousands of them that cut no power."""
    connection = open_database(path)
    connection.execute("PRAGMA synchronous=OFF")
    return SqliteStore(path, connection, QUARANTINE_QUOTA_BYTES)
