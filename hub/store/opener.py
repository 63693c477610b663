"""Opening HQ's database to be read, or archived: the one place that knows what stands at a path (docs/adr/0015)."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from hub.base import files
from hub.base.durable import disk_errors
from hub.protocol.errors import Fatal, UsageError
from hub.store.archive import Archiver
from hub.store.reader import LedgerReader
from hub.store.sqlite_archive import SqliteArchiveWriter
from hub.store.sqlite_query import BUSY_MS
from hub.store.sqlite_reader import SqliteReader


def open_reader(path: Path) -> LedgerReader:
    """Return a reader of the database at `path`, HQ's own or a mirror; nothing can be written through it.

    Errors: UsageError where there is none; Fatal where it can't be opened.
    """
    if not path.exists():
        raise UsageError(f"{path}: there is no database; expected HQ's data directory")
    with disk_errors(path):
        files.settle_database(path, make=False)
    try:
        db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_MS / 1000)
        db.execute("PRAGMA query_only=1")
    except sqlite3.Error as exc:
        raise Fatal(f"{path}: cannot be read as HQ's database: {exc}") from exc
    return SqliteReader(str(path), db)


def open_archiver(path: Path) -> Archiver:
    """Return what archives HQ's own database at `path`, live. Errors: UsageError where there is none; Fatal."""
    return Archiver(SqliteArchiveWriter.open(path))
