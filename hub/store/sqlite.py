"""The embedded store: SQLite in WAL mode with `synchronous=FULL`, one writer at a time."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Self

from hub.base import files
from hub.store.sql_store import SqlStore
from hub.store.sqlite_database import SqliteDatabase
from hub.store.sqlite_open import open_database
from hub.store.store import QUARANTINE_QUOTA_BYTES


class SqliteStore(SqlStore):
    """A Store in one file, on one connection; other processes (the command line) have their own."""

    def __init__(self, path: Path, connection: sqlite3.Connection, quarantine_quota_bytes: int) -> None:
        super().__init__(SqliteDatabase(path, connection), quarantine_quota_bytes)
        self.path = path

    @classmethod
    def open(cls, path: Path, quarantine_quota_bytes: int = QUARANTINE_QUOTA_BYTES) -> Self:
        """Open or create the database.

        Errors: Fatal when it is not ours, or too new for this release; Retriable while another program brings it up to
            date.
        """
        files.make_folder(path.parent, files.PRIVATE_FOLDER)
        return cls(path, open_database(path), quarantine_quota_bytes)
