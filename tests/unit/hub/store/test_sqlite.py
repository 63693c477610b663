"""What of the store is SQLite's own: which errors come of its driver's, and what a claim of many lanes costs."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest

from hub.protocol.errors import CohubError, Fatal, Retriable
from hub.store.sqlite import SqliteStore
from hub.store.sqlite_database import AGAIN_S
from hub.store.sqlite_open import open_database
from hub.store.store import QUARANTINE_QUOTA_BYTES, TakenError
from tests.support.center import HUB


class Failing:
    """A connection on which statements that begin so fail once; `applied` ones after they were done."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.beginning = ""
        self.code = 0
        self.applied = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, sql: str, values: Any = ()) -> sqlite3.Cursor:
        if not self.beginning or not sql.startswith(self.beginning):
            return self._connection.execute(sql, values)
        self.beginning = ""
        if self.applied:
            self._connection.execute(sql, values)
        error = sqlite3.OperationalError("the disk says no")
        error.sqlite_errorcode = self.code
        raise error


def failing(path: Path) -> tuple[SqliteStore, Failing]:
    connection: Any = Failing(open_database(path))
    return SqliteStore(path, connection, QUARANTINE_QUOTA_BYTES), connection


ERRORS = [
    (sqlite3.SQLITE_BUSY, Retriable),
    (sqlite3.SQLITE_FULL, Retriable),
    (sqlite3.SQLITE_IOERR_FSYNC, Retriable),
    (sqlite3.SQLITE_CORRUPT, Fatal),
    (sqlite3.SQLITE_READONLY, Fatal),
    (sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, TakenError),
]


@pytest.mark.parametrize("beginning", ["BEGIN", "INSERT", "COMMIT", "SELECT"])
@pytest.mark.parametrize(("code", "error"), ERRORS)
async def test_driver_that_fails_is_heard_as_an_error_of_ours(
    tmp_path: Path, beginning: str, code: int, error: type[CohubError], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever in a call it fails; nothing of it is written, and the next call goes well."""
    monkeypatch.setattr("hub.store.sqlite_database.BUSY_MS", 0)
    path = tmp_path / "hub.sqlite3"
    store, connection = failing(path)
    connection.beginning, connection.code = beginning, code
    with pytest.raises(error, match=r"hub\.sqlite3: .*the disk says no"):
        await store.claim(["uz"], "first")
    assert (await store.claim(["uz"], "second"))["uz"].term == 1
    await store.close()


async def test_commit_that_was_done_though_it_failed_may_be_tried_again(tmp_path: Path) -> None:
    """Nobody knows what became of it: it is Retriable, and who claims again has the next term."""
    store, connection = failing(tmp_path / "hub.sqlite3")
    connection.beginning, connection.code, connection.applied = "COMMIT", sqlite3.SQLITE_IOERR, True
    with pytest.raises(Retriable):
        await store.claim(["uz"], "first")
    assert (await store.claim(["uz"], "second"))["uz"].term == 2
    await store.close()


@pytest.mark.parametrize(("code", "error"), ERRORS[:4])
async def test_read_that_fails_is_heard_as_an_error_of_ours(
    tmp_path: Path, code: int, error: type[CohubError], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store's reads and the log's."""
    monkeypatch.setattr("hub.store.sqlite_database.BUSY_MS", 0)
    store, connection = failing(tmp_path / "hub.sqlite3")
    for read in (
        store.changes,
        lambda: store.hq_lane(0),
        store.newest_recorded_at,
        lambda: store.log.read(f"{HUB}/log"),
    ):
        connection.beginning, connection.code = "SELECT", code
        with pytest.raises(error, match="the disk says no"):
            await read()
    await store.close()


@asynccontextmanager
async def held(path: Path) -> AsyncIterator[sqlite3.Connection]:
    """Another program's connection that holds the database until it commits, or goes away."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield other


async def test_program_that_holds_the_database_holds_up_nobody_else(tmp_path: Path) -> None:
    """Writes wait for it, each for itself, and are done when it is done; what reads goes on, and so does all else."""
    path = tmp_path / "hub.sqlite3"
    store = SqliteStore.open(path)
    async with held(path) as other:
        writes = [asyncio.create_task(store.claim([center], "first")) for center in ("uz", "kz")]
        for _ in range(3):
            await asyncio.sleep(2 * AGAIN_S)
            assert (await store.hq_lane(0)).size == 0
        assert not any(write.done() for write in writes)
        other.execute("COMMIT")
        assert [claimed[center].term for write, center in zip(writes, ("uz", "kz"), strict=True)
                for claimed in [await write]] == [1, 1]  # fmt: skip
    await store.close()


async def test_program_that_holds_the_database_for_too_long_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of the write is done, and it may be tried again. Who gives up before leaves nothing behind either."""
    path = tmp_path / "hub.sqlite3"
    store = SqliteStore.open(path)
    async with held(path):
        given_up = asyncio.create_task(store.claim(["uz"], "first"))
        await asyncio.sleep(2 * AGAIN_S)
        given_up.cancel()
        with pytest.raises(asyncio.CancelledError):
            await given_up
        monkeypatch.setattr("hub.store.sqlite_database.BUSY_MS", 100)
        with pytest.raises(Retriable, match=r"hub\.sqlite3: database is locked"):
            await store.claim(["uz"], "second")
    assert (await store.claim(["uz"], "third"))["uz"].term == 1
    await store.close()


async def test_disk_that_is_full_is_heard_as_retriable(tmp_path: Path) -> None:
    """The real driver's error, of a real statement."""
    path = tmp_path / "hub.sqlite3"
    connection = open_database(path)
    store = SqliteStore(path, connection, QUARANTINE_QUOTA_BYTES)
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count={pages}")
    with pytest.raises(Retriable, match="full"):
        await store.claim([f"c{number}" for number in range(10_000)], "first")
    connection.execute("PRAGMA max_page_count=100000")
    assert (await store.claim(["c1"], "second"))["c1"].term == 1
    await store.close()


async def test_claim_of_many_lanes_is_as_many_statements_as_of_one(tmp_path: Path) -> None:
    """A rebalance hands all lanes to a worker at once: they are asked for at once, whatever a round trip costs."""
    path = tmp_path / "hub.sqlite3"
    connection = open_database(path)
    store = SqliteStore(path, connection, QUARANTINE_QUOTA_BYTES)
    statements: list[str] = []
    connection.set_trace_callback(statements.append)
    await store.claim([f"c{number}" for number in range(24)], "worker")
    assert [statement.split()[0] for statement in statements] == ["BEGIN", "INSERT", "SELECT", "SELECT", "COMMIT"]
    assert connection.execute("SELECT center FROM intake ORDER BY rowid LIMIT 3").fetchall() == [
        ("c0",), ("c1",), ("c10",),
    ]  # fmt: skip
    await store.close()
