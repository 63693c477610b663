"""The engines that HQ's database runs on, each opened to write and to read: the contract suite knows no more of any."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from functools import cache
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, Final, Protocol, cast

from hub.base.files import PRIVATE, creating
from hub.store import copying
from hub.store.opener import open_reader
from hub.store.postgres import PostgresStore
from hub.store.postgres_server import Server
from hub.store.postgres_words import numbered
from hub.store.reader import LedgerReader
from hub.store.sqlite import SqliteStore
from hub.store.sqlite_open import open_database
from hub.store.store import QUARANTINE_QUOTA_BYTES, Store
from tests.support.mirror import mirror
from tests.support.postgres import in_thread, postgres
from tests.support.suspending import Suspending


class Engine(Protocol):
    """How a test gets at HQ's database of a folder."""

    name: str
    is_typed: bool  # a column holds what it is made for, whoever edits it

    async def open(self, folder: Path, quota_bytes: int = QUARANTINE_QUOTA_BYTES) -> Store:
        """Open the folder's database; make it where there is none."""

    def read(self, folder: Path) -> LedgerReader:
        """Open the folder's database to be read."""

    def mirrored(self, folder: Path) -> LedgerReader:
        """Open a mirror of it, as of now, to be read."""

    def take(self, folder: Path) -> None:
        """Have in the folder's database what its SQLite file holds."""

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
    is_typed = False

    async def open(self, folder: Path, quota_bytes: int = QUARANTINE_QUOTA_BYTES) -> Store:
        return open_store(folder / "hub.sqlite3", quota_bytes)

    def read(self, folder: Path) -> LedgerReader:
        return open_reader(folder / "hub.sqlite3")

    def mirrored(self, folder: Path) -> LedgerReader:
        return open_reader(mirror(folder / "hub.sqlite3", folder / "mirror.sqlite3"))

    def take(self, folder: Path) -> None:
        pass  # it is the same file

    def peek(self, folder: Path, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(folder / "hub.sqlite3")) as db:
            return db.execute(query, values).fetchall()

    def edit(self, folder: Path, statement: str, *values: Any) -> None:
        with closing(sqlite3.connect(folder / "hub.sqlite3")) as db, db:
            db.execute(statement, values)


class Suspended(Sqlite):
    """The same file behind a store that lets others run before and behind each answer, as a network does."""

    name = "suspended"

    async def open(self, folder: Path, quota_bytes: int = QUARANTINE_QUOTA_BYTES) -> Store:
        store: Any = Suspending(await super().open(folder, quota_bytes), Random(str(folder.name)))
        return cast("Store", store)


class Postgres:
    """A database at the run's own server, named in the folder."""

    name = "postgres"
    is_typed = True

    def server(self, folder: Path) -> Server:
        """Return how the folder's database is reached; it is made where there is none."""
        named = folder / "database"
        if not named.exists():
            folder.mkdir(parents=True, exist_ok=True)
            named.write_text(in_thread(postgres().create()))
        return postgres().server(named.read_text())

    async def open(self, folder: Path, quota_bytes: int = QUARANTINE_QUOTA_BYTES) -> Store:
        return await PostgresStore.open(self.server(folder), quota_bytes)

    def read(self, folder: Path) -> LedgerReader:
        return open_reader(self.server(folder))

    def mirrored(self, folder: Path) -> LedgerReader:
        in_thread(copying.mirror(self.server(folder), folder / "mirror.sqlite3"))
        return open_reader(folder / "mirror.sqlite3")

    def take(self, folder: Path) -> None:
        in_thread(copying.fill(folder / "hub.sqlite3", self.server(folder)))

    def peek(self, folder: Path, query: str, *values: Any) -> list[tuple[Any, ...]]:
        server = self.server(folder)
        return [tuple(row) for row in in_thread(postgres().ask(server.database, numbered(query), *values))]

    def edit(self, folder: Path, statement: str, *values: Any) -> None:
        self.peek(folder, statement, *values)


SQLITE: Final = Sqlite()
POSTGRES: Final = Postgres()
SUSPENDED: Final = Suspended()
ENGINES: Final[list[Engine]] = [SQLITE, POSTGRES]
