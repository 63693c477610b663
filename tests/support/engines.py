"""The engines that HQ's database runs on, each opened to write and to read: the contract suite knows no more of any."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, Final, Protocol

from hub.store.opener import open_reader
from hub.store.reader import LedgerReader
from hub.store.sqlite import SqliteStore
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


class Sqlite:
    """One file in the folder."""

    name = "sqlite"

    async def open(self, folder: Path, quota_bytes: int = QUARANTINE_QUOTA_BYTES) -> Store:
        return SqliteStore.open(folder / "hub.sqlite3", quota_bytes)

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
