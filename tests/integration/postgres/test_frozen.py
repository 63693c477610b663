"""A server that answers nothing in the middle of a transaction: whoever waits for it goes on all the same."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from hub.protocol.errors import Retriable
from hub.store.postgres import PostgresStore
from hub.store.postgres_database import PostgresDatabase
from tests.support.engines import POSTGRES


def within(database: PostgresDatabase, pids: list[int]) -> asyncio.Task[None]:
    """Begin a transaction whose server is stopped before its second statement, and does not answer that."""

    async def both() -> None:
        with database.writing() as db:
            db.execute("UPDATE intake SET why = '' WHERE center = ?", ("uz",))
            pid = db.raw.get_server_pid()
            os.kill(pid, signal.SIGSTOP)
            pids.append(pid)
            db.execute("UPDATE intake SET why = 'half' WHERE center = ?", ("uz",))

    return asyncio.create_task(database.run(both))


@asynccontextmanager
async def opened(folder: Path, call_s: float = 30.0) -> AsyncIterator[PostgresStore]:
    store = PostgresStore(POSTGRES.server(folder), call_s=call_s)
    await store.claim(["uz"], "me")
    yield store
    await store.close()


async def begun(pids: list[int]) -> int:
    while not pids:
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    return pids[0]


async def test_call_is_cancelled_at_once_though_the_server_does_not_answer(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        pids: list[int] = []
        call = within(store._postgres, pids)
        pid = await begun(pids)
        try:
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asyncio.wait_for(call, 10)
        finally:
            os.kill(pid, signal.SIGCONT)
        assert (await store.changes()).intakes == {"uz": (1, "reading")}
        assert (await store.claim(["uz"], "me"))["uz"].term == 2


async def test_deadline_ends_a_call_whose_server_does_not_answer(tmp_path: Path) -> None:
    """It is Retriable, and the next call is answered on a connection of its own."""
    async with opened(tmp_path, call_s=1.0) as store:
        pids: list[int] = []
        call = within(store._postgres, pids)
        pid = await begun(pids)
        try:
            with pytest.raises(Retriable):
                await asyncio.wait_for(call, 10)
        finally:
            os.kill(pid, signal.SIGCONT)
        assert (await store.claim(["uz"], "me"))["uz"].term == 2
        assert POSTGRES.peek(tmp_path, "SELECT why FROM intake") == [("",)]
