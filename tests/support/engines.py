"""The engines that HQ's database runs on, each by one opener: the contract suite knows nothing else of them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, Final, Protocol

from hub.store.sqlite import SqliteStore
from hub.store.store import Store

QUOTA_BYTES: Final = 100_000


class Engine(Protocol):
    """How a test gets at HQ's database of a folder. A quota of quarantine is QUOTA_BYTES."""

    name: str

    async def open(self, folder: Path) -> Store:
        """Open the folder's database; make it where there is none."""

    def peek(self, folder: Path, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Return the rows of a query, which is not a store's: `?` stands for a value."""

    def edit(self, folder: Path, statement: str, *values: Any) -> None:
        """Do what no program of ours does to a database."""


class Sqlite:
    """One file in the folder."""

    name = "sqlite"

    async def open(self, folder: Path) -> Store:
        return SqliteStore.open(folder / "hub.sqlite3", quarantine_quota_bytes=QUOTA_BYTES)

    def peek(self, folder: Path, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(folder / "hub.sqlite3")) as db:
            return db.execute(query, values).fetchall()

    def edit(self, folder: Path, statement: str, *values: Any) -> None:
        with closing(sqlite3.connect(folder / "hub.sqlite3")) as db, db:
            db.execute(statement, values)


ENGINES: Final[list[Engine]] = [Sqlite()]
