"""A store on real PostgreSQL when its server, another worker or its own caller fails at the worst moment."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from pg8000.dbapi import DatabaseError

from hub.ledger.notary import append
from hub.protocol.errors import Fatal, Retriable, UsageError
from hub.store.postgres import PostgresStore
from hub.store.postgres_database import FAILURES, typed
from hub.store.postgres_open import bring_up_to_date, heard
from hub.store.postgres_server import STATEMENT_S, WORKER_SETTINGS, Server
from hub.store.read.reads import Reads
from hub.store.store import FencedError, OvertakenError
from tests.contract.conftest import prepared
from tests.support.center import HUB, NOW, Center
from tests.support.engines import POSTGRES
from tests.support.hq import IDENTITY, Hq
from tests.support.postgres import PostgresServer, postgres

FREED_S = 8.0  # a claim waits one second, and the machine may be busy


@pytest.fixture
async def hq(tmp_path: Path) -> AsyncIterator[Hq]:
    opened = await Hq.open(tmp_path, Center("uz"), Center("kz"), engine=POSTGRES)
    await opened.store.claim(["uz", "kz"], "first")
    yield opened
    await opened.store.close()


half_copies: list[asyncio.Task[Any]] = []


async def connected(server: Server) -> asyncpg.Connection[Any]:
    """Return a connection of a worker that is about to be frozen: nothing is read from it any more."""
    connection = await server.connect(STATEMENT_S, **WORKER_SETTINGS)
    await connection.execute("BEGIN")
    await connection.execute("SELECT term FROM intake WHERE center = 'uz' FOR UPDATE")
    return connection


async def idle(_: asyncpg.Connection[Any]) -> None:
    """Freeze between two statements."""


async def half_a_copy(connection: asyncpg.Connection[Any]) -> None:
    """Freeze within a COPY: the server waits for more of it."""

    async def endless() -> AsyncIterator[bytes]:
        yield b"1\t2\n"
        await asyncio.sleep(3600)

    task = asyncio.create_task(connection.copy_to_table("published", source=endless()))
    await asyncio.sleep(0.2)
    task.add_done_callback(lambda done: done.cancelled() or done.exception())
    half_copies.append(task)


@pytest.mark.parametrize("freeze", [idle, half_a_copy])
async def test_worker_that_is_frozen_within_a_commit_holds_nobody_up(
    hq: Hq, tmp_path: Path, freeze: Callable[[asyncpg.Connection[Any]], Awaitable[None]]
) -> None:
    """Whoever claims its lane ends it after a second, and it can't write when it comes back."""
    frozen = await connected(POSTGRES.server(tmp_path))
    await freeze(frozen)
    began_s = time.monotonic()
    claimed = await hq.store.claim(["uz", "kz"], "next")
    assert time.monotonic() - began_s < FREED_S
    assert claimed["uz"].term > 1
    for task in half_copies:
        task.cancel()
    half_copies.clear()
    with pytest.raises(FAILURES):
        await frozen.execute("COMMIT")
    frozen.terminate()


async def test_commit_of_a_worker_that_was_overtaken_writes_nothing(hq: Hq, tmp_path: Path) -> None:
    """Its step is refused as a whole, and the next owner's is taken."""
    step, term = await prepared(hq, Center("uz"), Center("uz").opened(3))
    other = await PostgresStore.open(POSTGRES.server(tmp_path))
    claimed = (await other.claim(["uz"], "other"))["uz"]
    with pytest.raises(FencedError):
        await hq.store.commit(step, term)
    await other.commit(step, claimed.term)
    assert (await other.claim(["uz"], "looks"))["uz"].intake.lane is not None
    await other.close()


async def test_commit_and_claim_at_once_are_one_after_the_other(hq: Hq, tmp_path: Path) -> None:
    """Either the claim sees what was committed, or the commit is fenced: never both, never neither."""
    other = await PostgresStore.open(POSTGRES.server(tmp_path))
    step, term = await prepared(hq, Center("uz"), Center("uz").opened(2))
    committed, claimed = await asyncio.gather(
        hq.store.commit(step, term), other.claim(["uz"], "other"), return_exceptions=True
    )
    assert not isinstance(claimed, BaseException)
    assert isinstance(committed, FencedError) == (claimed["uz"].intake.lane is None)
    await other.close()


async def test_two_notaries_at_once_make_one_log(hq: Hq, tmp_path: Path) -> None:
    """The second is told that somebody went on, and not that the log contradicts itself."""
    other = await PostgresStore.open(POSTGRES.server(tmp_path))
    log = hq.store.log
    addition = append(await log.read(f"{HUB}/log"), await log.unlogged(100), [IDENTITY.log, IDENTITY.log_long], NOW)
    done = await asyncio.gather(hq.store.log.append(addition), other.log.append(addition), return_exceptions=True)
    assert sorted(type(each).__name__ for each in done) == sorted(["NoneType", OvertakenError.__name__])
    await other.close()


async def test_call_that_is_cancelled_leaves_a_store_that_works(hq: Hq) -> None:
    """At any of its awaits: what it was doing is undone or done, and the next call is answered."""
    for pause_s in (0.0, 0.0005, 0.001, 0.002, 0.004):
        step, term = await prepared(hq, Center("uz"), Center("uz").opened(4))
        task = asyncio.create_task(hq.store.commit(step, term))
        await asyncio.sleep(pause_s)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert set((await hq.store.changes()).intakes) == {"hq", "uz", "kz"}
        if (await hq.store.claim(["uz"], "test"))["uz"].intake.lane is not None:
            break  # it was done


async def test_server_that_is_away_is_waited_for() -> None:
    """Each call is Retriable while it is away, and answered when it is back; nothing that was committed is lost."""
    server = PostgresServer({"fsync": "on"})
    try:
        server.start()
        await server.ask("postgres", "CREATE DATABASE hub")
        with pytest.raises(UsageError, match="hub migrate"):
            await PostgresStore.open(server.server("hub"))
        await asyncio.to_thread(bring_up_to_date, server.server("hub"))
        store = await PostgresStore.open(server.server("hub"))
        term = (await store.claim(["uz"], "me"))["uz"].term
        server.stop(signal.SIGQUIT)  # as if it were killed: it recovers when it starts
        for _ in range(2):
            with pytest.raises(Retriable):
                await store.changes()
        await asyncio.to_thread(server.start)
        assert (await store.changes()).intakes == {"uz": (term, "reading")}
        await store.access.give("uz", b"1", NOW)
        await store.close()
        await store.close()
    finally:
        server.remove()


async def test_deadlock_is_tried_again(hq: Hq, tmp_path: Path) -> None:
    """Two that wait for each other: the server ends one of them, and that is Retriable."""
    other = await POSTGRES.server(tmp_path).connect(deadlock_timeout="100ms")
    await other.execute("BEGIN")
    await other.execute("LOCK TABLE remark IN SHARE ROW EXCLUSIVE MODE")
    # Ours takes `invitation` (by hand), then wants `remark`; the other one has `remark`, and wants `invitation`.
    assert isinstance(hq.store, PostgresStore)
    database = hq.store._database

    async def both() -> None:
        with database.writing() as db:
            database.alone(db, "invitation")
            database.alone(db, "remark")

    ours = asyncio.create_task(database.run(both))
    await asyncio.sleep(0.3)
    theirs = asyncio.create_task(other.execute("LOCK TABLE invitation IN SHARE ROW EXCLUSIVE MODE"))
    done = await asyncio.gather(ours, theirs, return_exceptions=True)
    failed = [each for each in done if isinstance(each, BaseException)]
    assert len(failed) == 1
    assert isinstance(failed[0], Retriable | asyncpg.DeadlockDetectedError)
    await other.close()


async def test_database_that_no_tables_are_in_asks_for_migrate() -> None:
    """Neither a worker nor whoever reads makes tables by itself; who does it twice at once makes them once."""
    await postgres().ask("postgres", "CREATE DATABASE empty")
    server = postgres().server("empty")
    with pytest.raises(UsageError, match="hub migrate"):
        await PostgresStore.open(server)
    with pytest.raises(UsageError, match="hub migrate"):
        await asyncio.to_thread(Reads.open, server)
    await asyncio.gather(*(asyncio.to_thread(bring_up_to_date, server) for _ in range(3)))
    await (await PostgresStore.open(server)).close()
    await postgres().ask("empty", "UPDATE alembic_version SET version_num = '9999', compatible_since = '9999'")
    with pytest.raises(Fatal, match="version 9999"):
        await asyncio.to_thread(bring_up_to_date, server)
    with pytest.raises(Fatal, match="does not exist"):
        await PostgresStore.open(postgres().server("no_such_database"))


async def test_tables_without_a_version_are_left_as_they_are() -> None:
    """At a server no release has left any half made: an empty one that is called like ours is somebody's."""
    await postgres().ask("postgres", "CREATE DATABASE others")
    await postgres().ask("others", "CREATE TABLE lane(number int)")
    with pytest.raises(Fatal, match=r"the database has tables \(lane\) and no version"):
        await asyncio.to_thread(bring_up_to_date, postgres().server("others"))
    assert await postgres().ask("others", "SELECT count(number) FROM lane")


async def test_value_that_no_column_takes_is_told_without_it(hq: Hq) -> None:
    """Whether the driver refuses it or the server; it is a fault of ours, and no edit of the database's."""
    assert isinstance(hq.store, PostgresStore)
    database = hq.store._postgres

    def asked(sql: str, value: object) -> Callable[[], Coroutine[Any, Any, Any]]:
        async def ask() -> Any:
            return database.connection.execute(sql, (value,)).fetchall()

        return ask

    for sql, value in (
        ("SELECT 1 FROM lane WHERE size = ?", "secret"),
        ("SELECT 1 FROM lane WHERE size = ?", 2**70),
        ("SELECT 1 FROM lane WHERE size = CAST(CAST(? AS text) AS bigint)", "secret"),
    ):
        with pytest.raises(Fatal, match="none that its column takes") as caught:
            await database.run(asked(sql, value))
        assert "secret" not in str(caught.value)
        assert str(2**70) not in str(caught.value)
        assert (await hq.store.changes()).intakes  # on a connection of its own


def test_driver_that_lost_its_place_is_tried_again() -> None:
    for kind in (asyncpg.InternalClientError, asyncpg.ProtocolError):
        assert isinstance(typed("here", kind("cannot switch to state 15")), Retriable)
        assert issubclass(kind, FAILURES)


@pytest.mark.parametrize("code", ["XX001", "XX002"])
def test_damaged_page_is_no_passing_fault(code: str) -> None:
    """For a worker, and for whoever reads."""
    said = DatabaseError({"C": code, "M": "invalid page in block 1"})
    assert isinstance(heard("here", said), Fatal)
    damaged = {"XX001": asyncpg.DataCorruptedError, "XX002": asyncpg.IndexCorruptedError}[code]
    assert isinstance(typed("here", damaged("invalid page in block 1")), Fatal)


async def test_password_that_is_being_replaced_is_waited_for(hq: Hq, tmp_path: Path) -> None:
    """A store that is open asks for it again when it connects anew."""
    password = tmp_path / "password"
    password.write_text("one\n")
    password.chmod(0o600)
    store = await PostgresStore.open(replace(POSTGRES.server(tmp_path), password_file=password))
    assert (await store.changes()).intakes
    store._postgres._drop()
    password.unlink()
    with pytest.raises(Retriable, match="password_file"):
        await store.changes()
    password.write_text("two\n")
    password.chmod(0o600)
    assert (await store.changes()).intakes
    await store.close()
