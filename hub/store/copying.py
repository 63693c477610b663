"""A whole database copied, table by table, as of one moment: a mirror of PostgreSQL in SQLite, and a move either way.

A copy is proved by digests: of each table's rows in their keys' order, computed from what stands on either side.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, closing, contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import asyncpg
from sqlalchemy import Table

from hub.base import files
from hub.base.durable import disk_errors, sync_file, sync_folder
from hub.base.lock import alone
from hub.protocol.errors import Conflict, Fatal
from hub.store.postgres_database import FAILURES, typed
from hub.store.postgres_server import Server
from hub.store.sqlite_open import open_database
from hub.store.tables import METADATA
from hub.store.version import READ, Version

MIRROR: Final = 0x636F6D69  # "comi": by its application_id a file is known as a mirror, which the next may replace
_HEAD_BYTES, _MARK = 100, slice(68, 72)  # where it stands: https://www.sqlite.org/fileformat.html
PAGE_ROWS: Final = 2_000
Told = Callable[[str, int], None]  # a table's name, and how many of its rows are done

# A page is written to a disk before the next is asked for, and a disk may be slow.
_SETTINGS: Final = {"application_name": "cohub move", "idle_in_transaction_session_timeout": "0"}
_KIND: Final = {type(None): b"-", int: b"i", str: b"s", bytes: b"b"}


@dataclass(frozen=True, slots=True)
class Proof:
    """What a table holds. Shapes: SHA-256 of its rows, each value with its kind and length, in the key's order."""

    rows: int
    digest: str


class HasRows(Conflict):
    """A database that was to be filled has rows already."""

    def __init__(self, location: str, table: str) -> None:
        self.table = table
        super().__init__(f"{location} has rows in {table} already: name a database without any")


def _untold(_table: str, _rows: int) -> None:
    """Tell nobody."""


def _columns(table: Table) -> str:
    return ", ".join(f'"{column.name}"' for column in table.columns)


def _order(table: Table) -> str:
    return ", ".join(f'"{column.name}"' for column in table.primary_key.columns)


class _Digest:
    """Takes rows one by one."""

    def __init__(self) -> None:
        self._hash = sha256()
        self._rows = 0

    def take(self, row: Iterable[Any]) -> None:
        """Take a row's values. Errors: KeyError for a value of a kind that no column of ours has."""
        for value in row:
            data = b"" if value is None else value if type(value) is bytes else str(value).encode()
            self._hash.update(_KIND[type(value)] + len(data).to_bytes(8, "big") + data)
        self._rows += 1

    def proof(self) -> Proof:
        """Return what was taken."""
        return Proof(self._rows, self._hash.hexdigest())


# -- SQLite's side -------------------------------------------------------------------------------------------------


def sqlite_proofs(path: Path, told: Told = _untold) -> dict[str, Proof]:
    """Return what a SQLite file holds. Errors: Fatal for what can't be read."""
    found = {}
    with _reading(path) as db:
        for table in METADATA.sorted_tables:
            digest = _Digest()
            for row in db.execute(f"SELECT {_columns(table)} FROM {table.name} ORDER BY {_order(table)}"):  # noqa: S608
                digest.take(row)
            proof = found[str(table.name)] = digest.proof()
            told(str(table.name), proof.rows)
    return found


@contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)) as db:
            db.execute("BEGIN")
            yield db
    except (sqlite3.Error, KeyError) as exc:
        raise Fatal(f"{path}: can't be read as HQ's database: {exc}; `hub audit verify` says more") from exc


# -- PostgreSQL's side ---------------------------------------------------------------------------------------------


@asynccontextmanager
async def at_server(server: Server, **settings: str) -> AsyncIterator[asyncpg.Connection[Any]]:
    """Yield a connection whose questions may take their time, and what is done between. Errors: Retriable, Fatal."""
    try:
        connection = await server.connect(timeout_s=None, **{**_SETTINGS, **settings})
        try:
            yield connection
        finally:
            with suppress(*FAILURES):
                await connection.close(timeout=2)
    except FAILURES as exc:
        raise typed(server.location, exc) from exc


async def _pages(db: asyncpg.Connection[Any], table: Table) -> AsyncIterator[Sequence[Any]]:
    query = f"SELECT {_columns(table)} FROM {table.name} ORDER BY {_order(table)}"  # noqa: S608
    cursor = await db.cursor(query)
    while page := await cursor.fetch(PAGE_ROWS):
        yield page


async def postgres_proofs(server: Server, told: Told = _untold) -> dict[str, Proof]:
    """Return what a database at a server holds. Errors: Retriable, Fatal."""
    found = {}
    async with at_server(server) as db, db.transaction(isolation="repeatable_read", readonly=True):
        for table in METADATA.sorted_tables:
            digest = _Digest()
            async for page in _pages(db, table):
                for row in page:
                    digest.take(row)
            proof = found[str(table.name)] = digest.proof()
            told(str(table.name), proof.rows)
    return found


# -- copies --------------------------------------------------------------------------------------------------------


async def mirror(server: Server, path: Path, told: Told = _untold, mark: int = MIRROR) -> None:
    """Make a SQLite file of what a database holds at this moment; a mirror at `path` is replaced at the end.

    Shapes: `mark` is the new file's `application_id`, 0 for one that is to be no mirror.
    If we crash, what stood there stands there still.
    Errors: Conflict where anything but a mirror stands there, or one that is in use or being made; Retriable, Fatal.
    """
    with ExitStack() as held:
        with disk_errors(path):
            held.enter_context(alone(path))
        await _mirror(server, path, told, mark)


async def _mirror(server: Server, path: Path, told: Told, mark: int) -> None:
    _refuse_others(path)
    part = path.with_name(f"{path.name}.part")  # of whoever holds the lock
    remove_file(part)
    open_database(part).close()
    try:
        await _copy(server, part, told, mark)
        with disk_errors(path, "what stood there is as it was"):
            sync_file(part)
            _refuse_others(path)  # a copy takes hours: a hub may have been made there meanwhile
            files.rename(part, path.name)
            sync_folder(path.parent)
    finally:
        remove_file(part)


def _refuse_others(path: Path) -> None:
    for suffix in ("-wal", "-shm", "-journal"):
        if files.kind_at(path.with_name(path.name + suffix)) is not None:
            raise Conflict(f"{path} is in use, or was when its program died: {path.name}{suffix} stands beside it")
    kind = files.kind_at(path)
    if kind is None:
        return
    head = b""
    if kind == "file":
        with disk_errors(path), files.opened(path) as file:
            head = file.read(_HEAD_BYTES)
    if not head.startswith(b"SQLite format 3\0") or head[_MARK] != MIRROR.to_bytes(4, "big"):
        raise Conflict(f"{path} is no mirror: nothing was changed; name another file, or put this one elsewhere first")


async def _copy(server: Server, part: Path, told: Told, mark: int) -> None:
    """Fill an empty file. Errors: Fatal where it can't be written; Retriable."""
    try:
        with closing(sqlite3.connect(part, isolation_level=None)) as copy:
            copy.execute("PRAGMA synchronous=OFF")
            copy.execute("PRAGMA journal_mode=OFF")
            copy.execute(f"PRAGMA application_id={mark}")
            copy.execute("BEGIN EXCLUSIVE")
            async with at_server(server) as db, db.transaction(isolation="repeatable_read", readonly=True):
                Version.of(await db.fetchrow(READ)).refuse_others(server.location)
                await _refuse_small_disk(db, part.parent)
                for table in METADATA.sorted_tables:
                    marks = ", ".join("?" * len(table.columns))
                    insert = f"INSERT INTO {table.name}({_columns(table)}) VALUES ({marks})"  # noqa: S608
                    done = 0
                    async for page in _ordered(db, table):
                        copy.executemany(insert, page)
                        done += len(page)
                        told(table.name, done)
            copy.execute("COMMIT")
            copy.execute("PRAGMA journal_mode=DELETE")  # nothing beside it while it is read
    except sqlite3.Error as exc:
        raise Fatal(f"{part}: can't be written: {exc}; what stood at its place is as it was") from exc


async def _refuse_small_disk(db: asyncpg.Connection[Any], folder: Path) -> None:
    """Return if a copy of the tables will fit beside what is in the folder. Errors: Fatal with the remedy."""
    names = [table.name for table in METADATA.sorted_tables]
    needed = await db.fetchval(
        "SELECT sum(pg_table_size(name::regclass))::bigint FROM unnest($1::text[]) AS name", names
    )
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise Fatal(
            f"{folder}: a copy of the database takes about {needed / 1e6:,.0f} MB, and there is room for"
            f" {free / 1e6:,.0f} MB: make room, or run this where there is a disk that has it"
        )


async def _ordered(db: asyncpg.Connection[Any], table: Table) -> AsyncIterator[Sequence[Any]]:
    """Yield a table's rows by the key; segments as they follow one another, for SQLite has them in that order."""
    if table.name != "segment":
        async for page in _pages(db, table):
            yield page
        return
    rows = await db.fetch(f"SELECT {_columns(table)} FROM segment")  # noqa: S608
    behind = {row["previous"]: row for row in rows}
    ordered, at = [], behind.pop(None, None)
    while at is not None:
        ordered.append(at)
        at = behind.pop(at["digest"], None)
    yield [*ordered, *behind.values()]  # what follows nothing is damage, which an audit finds


async def fill(path: Path, server: Server, told: Told = _untold) -> None:
    """Fill the tables of a database that has no row yet with what a SQLite file holds: all of it, or nothing.

    Errors: Conflict where there are rows; Fatal for a value that its column can't hold; Retriable.
    """
    async with at_server(server) as db, db.transaction():
        for table in METADATA.sorted_tables:
            if await db.fetchval(f"SELECT EXISTS (SELECT 1 FROM {table.name})"):  # noqa: S608
                raise HasRows(server.location, table.name)
        with _reading(path) as read:
            for table in METADATA.sorted_tables:
                await _fill(db, read, table, told)
        for numbered in ("lane", "quarantine"):
            await db.execute(
                f"SELECT setval(pg_get_serial_sequence('{numbered}', 'id'), (SELECT max(id) FROM {numbered}))"  # noqa: S608
            )


async def _fill(db: asyncpg.Connection[Any], read: sqlite3.Connection, table: Table, told: Told) -> None:
    order = "rowid" if table.name == "segment" else _order(table)
    rows = read.execute(f"SELECT {_columns(table)} FROM {table.name} ORDER BY {order}")  # noqa: S608
    names, done = [column.name for column in table.columns], 0
    while page := rows.fetchmany(PAGE_ROWS):
        try:
            await db.copy_records_to_table(table.name, records=page, columns=names)
        except (asyncpg.DataError, TypeError, ValueError) as exc:
            raise Fatal(
                f"{table.name}: rows {done + 1} to {done + len(page)} hold what no release has written there"
                f" ({exc}): `hub audit verify` says more; nothing was moved"
            ) from exc
        done += len(page)
        told(table.name, done)


def remove_file(part: Path) -> None:
    """Remove a SQLite file, and what SQLite leaves beside one."""
    for suffix in ("", "-wal", "-shm", "-journal"):
        with suppress(FileNotFoundError):
            files.remove(part.with_name(part.name + suffix))
