"""A hub moved from one engine to another, and back: all of it, proved, and the old place closed to writing.

While it is copied nobody can write to the old place. What is true if we crash, after each step:

    filled           the old place is as it was, and HQ's; the new one has rows, and is refused the next time
    proved           the same
    closed           the new place is HQ's: whoever opens the old one is told so, and who has it open writes nothing
"""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from hub.base import files
from hub.base.durable import disk_errors, sync_folder
from hub.protocol.errors import CohubError, Conflict, Fatal, Retriable, UsageError
from hub.store.copying import Proof, at_server, fill, mirror, postgres_proofs, remove_file, sqlite_proofs
from hub.store.moved import MOVED, closing_file, closing_server
from hub.store.postgres_open import bring_up_to_date
from hub.store.postgres_server import Server
from hub.store.sqlite_open import open_database, version_of
from hub.store.sqlite_query import BUSY_MS
from hub.store.tables import METADATA
from hub.store.version import READ, Version

Told = Callable[[str, str, int], None]  # what is done, of which table, how many rows


async def to_server(path: Path, server: Server, told: Told) -> Mapping[str, Proof]:
    """Move HQ's database from a SQLite file to a server; return what was proved of each table.

    Errors: UsageError where there is none; Conflict where the new place has rows; Retriable, Fatal.
    """
    if files.kind_at(path) is None:
        raise UsageError(f"{path}: there is no database to move")
    with closing(open_database(path)) as db:  # whose tables are brought up to this release
        version_of(db).refuse_others(str(path))
    bring_up_to_date(server).refuse_others(server.location)
    with _held_file(path) as held:
        await fill(path, server, lambda table, rows: told("copied", table, rows))
        there = await postgres_proofs(server, lambda table, rows: told("read again", table, rows))
        proved = _same(sqlite_proofs(path), there)
        for statement in closing_file():
            held.execute(statement)
    return proved


async def to_file(server: Server, path: Path, told: Told) -> Mapping[str, Proof]:
    """Move HQ's database from a server to a SQLite file, which may be one that was moved away before.

    The file has its name before the server is closed, durably; if the server is not closed then, it loses it again.
    Errors: Conflict where HQ's database stands there; Retriable, Fatal.
    """
    if files.kind_at(path) is not None and _version(path) != MOVED:
        raise Conflict(f"{path} is a database that was not moved away: nothing was changed; put it elsewhere first")
    part, is_begun, is_placed = path.with_name(f"{path.name}.moving"), False, False
    try:
        async with _held_server(server) as close:
            is_begun = True
            remove_file(part)  # of a move that was stopped: it is the server that is HQ's
            await mirror(server, part, lambda table, rows: told("copied", table, rows), mark=0)
            proved = _same(await postgres_proofs(server), sqlite_proofs(part))
            with disk_errors(path, "nothing was moved"):
                _clear(path)
                files.rename(part, path.name)
                is_placed = True
                sync_folder(path.parent)
            await close()
    except BaseException as exc:
        if is_placed and not await _is_closed(server, path, part):
            raise
        if not is_placed:
            if is_begun:  # else it may be what a move has left of which nobody knew whether it was done
                remove_file(part)
            raise
        if not isinstance(exc, Exception):
            raise
    return proved


def _clear(path: Path) -> None:
    """Make way for a file: what stood there before is whole without the files beside it, which then go."""
    if files.kind_at(path) is not None:
        with suppress(sqlite3.Error), closing(sqlite3.connect(path, isolation_level=None)) as old:
            old.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for suffix in ("-wal", "-shm"):
        files.remove(path.with_name(path.name + suffix))
    sync_folder(path.parent)


async def _is_closed(server: Server, path: Path, part: Path) -> bool:
    """Return whether a server was closed, of which nobody knows; where it was not, take the new file away again.

    Errors: Fatal where that can't be found out: nothing is at `path` then, and what to do is said.
    """
    try:
        async with at_server(server) as db:
            version = await db.fetchval("SELECT version_num FROM alembic_version")
    except CohubError as exc:
        files.rename(path, part.name)
        raise Fatal(
            f"{server.location} broke off ({exc}), and may be closed or not: when it answers, `hub status` says whether"
            f" it was moved; if it was, name {part} {path.name}, else say `hub move` again"
        ) from exc
    if version == MOVED:
        return True
    remove_file(path)
    sync_folder(path.parent)
    return False


def _same(one: Mapping[str, Proof], other: Mapping[str, Proof]) -> Mapping[str, Proof]:
    for table in METADATA.tables:
        if one[table] != other[table]:
            raise Fatal(f"{table}: {one[table].rows} rows became {other[table].rows}, or others: nothing was moved")
    return one


def _version(path: Path) -> str | None:
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db:
            row = db.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.Error:
        return None
    return None if row is None else str(row[0])


@contextmanager
def _held_file(path: Path) -> Iterator[sqlite3.Connection]:
    """Hold a file's lock for writing until the block ends, and what was written then. Errors: Retriable, Fatal."""
    try:
        with closing(sqlite3.connect(path, isolation_level=None, timeout=BUSY_MS / 1000)) as db:
            db.execute("PRAGMA synchronous=FULL")
            db.execute("BEGIN IMMEDIATE")
            yield db
            db.execute("COMMIT")
    except sqlite3.Error as exc:
        if getattr(exc, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY:
            raise Retriable(f"{path}: another program writes to it ({exc}): stop it first") from exc
        raise Fatal(f"{path}: can't be closed as HQ's database: {exc}; it is as it was") from exc


@asynccontextmanager
async def _held_server(server: Server) -> AsyncIterator[Callable[[], Coroutine[Any, Any, None]]]:
    """Let nobody write to a server's tables until the block ends; yields what closes them for good."""
    # A file is copied meanwhile: this transaction waits for it, and does nothing else.
    async with at_server(server, lock_timeout="10s") as db, db.transaction():
        Version.of(await db.fetchrow(READ)).refuse_others(server.location)
        await db.execute(f"LOCK TABLE {', '.join(sorted(METADATA.tables))} IN EXCLUSIVE MODE")

        async def close() -> None:
            for statement in closing_server():
                await db.execute(statement)

        yield close
