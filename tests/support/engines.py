"""The engines that HQ's database runs on, each opened to write and to read: the contract suite knows no more of any."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, Protocol

from hub.base.files import PRIVATE, creating
from hub.store.opener import open_reader
from hub.store.reader import LedgerReader
from hub.store.sqlite import SqliteStore
from hub.store.sqlite_open import open_database
from hub.store.store import QUARANTINE_QUOTA_BYTES, Store
from tests.support.mirror import mirror


class Engine(Protocol):
    """How a test gets at HQ's database of a folder."""

    name: str

    async def open(self, folder: Path, quota_bytes: int = QUARANTINE_QUOTA_BYTES) -> Store:
        """Open the folder's database; make it where there is none."""

    def read(self, folder: Path) -> LedgerReader:
        """Open the folder's database to be read."""

    def mirrored(self, folder: Path) -> LedgerReader:
        """Open a mirror of it, as of now, to be read."""

    def peek(self, folder: Path, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Return the rows of a query, which is not a store's: `?` stands for a value."""

    def edit(self, folder: Path, statement: str, *values: Any) -> None:
        """Do what no program of ours does to a database."""


@cache
def _new_database() -> bytes:
    """Return a database as the migrations make it: it is made once a run, for it takes a short test's time."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "hub.sqlite3"
        open_database(path).close()
        return path.read_bytes()


def open_store(path: Path, quota_bytes: int = QUARANTINE_QUOTA_BYTES) -> SqliteStore:
    """Open a database file; make it where there is none."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with creating(path, PRIVATE) as file:
            file.write(_new_database())
    return SqliteStore.open(path, quota_bytes)


class Sqlite:
    """One file in the folder."""

    name = "sqlite"

    async def open(self, folder: Path, quota_bytes: int = QUARANTINE_QUOTA_BYTES) -> Store:
        return open_store(folder / "hub.sqlite3", quota_bytes)

    def read(self, folder: Path) -> LedgerReader:
        return open_reader(folder / "hub.sqlite3")

    def mirrored(self, folder: Path) -> LedgerReader:
        return open_reader(mirror(folder / "hub.sqlite3", folder / "mirror.sqlite3"))

    def peek(self, folder: Path, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(folder / "hub.sqlite3")) as db:
            return db.execute(query, values).fetchall()

    def edit(self, folder: Path, statement: str, *values: Any) -> None:
        with closing(sqlite3.connect(folder / "hub.sqlite3")) as db, db:
            db.execute(statement, values)


SQLITE: Final = Sqlite()
ENGINES: Final[list[Engine]] = [SQLITE]
