"""Whom a claim ends that has waited for a second: a worker that has the row, and nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from hub.protocol.errors import Retriable
from hub.store.copying import at_server
from hub.store.postgres import PostgresStore
from hub.store.postgres_server import STATEMENT_S, WORKER_SETTINGS
from hub.store.tables import METADATA
from tests.support.center import Center
from tests.support.engines import POSTGRES
from tests.support.hq import Hq

ENDED_S = 2.5  # in which a claim has ended whom it ends


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[PostgresStore]:
    opened = await PostgresStore.open(POSTGRES.server(tmp_path))
    await opened.claim(["uz", "kz"], "first")
    yield opened
    await opened.close()


@asynccontextmanager
async def holding(folder: Path, sql: str, **settings: str) -> AsyncIterator[asyncpg.Connection[Any]]:
    async with at_server(POSTGRES.server(folder), **settings) as connection, connection.transaction():
        await connection.execute(sql)
        yield connection


ROW = "SELECT term FROM intake WHERE center = 'uz' FOR UPDATE"
TABLES = f"LOCK TABLE {', '.join(sorted(METADATA.tables))} IN EXCLUSIVE MODE"


@pytest.mark.parametrize(
    ("sql", "settings"),
    [
        (TABLES, {}),  # as `hub move` holds it
        (ROW, {}),  # a row, but no worker's
        ("LOCK TABLE intake IN EXCLUSIVE MODE", {"application_name": "cohub migrate"}),
        ("LOCK TABLE intake IN EXCLUSIVE MODE", {"application_name": "cohub worker"}),  # no row of anybody's
    ],
)
async def test_claim_waits_for_whoever_is_no_worker_with_its_row(
    store: PostgresStore, tmp_path: Path, sql: str, settings: dict[str, str]
) -> None:
    """It is done when they are, and they are not ended."""
    async with holding(tmp_path, sql, **settings) as other:
        claiming = asyncio.create_task(store.claim(["uz"], "next"))
        await asyncio.wait({claiming}, timeout=ENDED_S)
        assert not claiming.done()
        assert await other.fetchval("SELECT 1") == 1
    assert (await claiming)["uz"].term == 2


async def test_claim_beside_a_move_that_lasts_is_tried_again(store: PostgresStore, tmp_path: Path) -> None:
    async with holding(tmp_path, TABLES) as mover:
        with pytest.raises(Retriable, match="lock timeout"):
            await store.claim(["uz"], "next")
        assert await mover.fetchval("SELECT 1") == 1
    assert (await store.claim(["uz"], "next"))["uz"].term == 2


async def test_worker_that_waits_for_the_same_row_is_not_ended(store: PostgresStore, tmp_path: Path) -> None:
    """Of two that claim at once behind one that is frozen, both have their turn."""
    other = await PostgresStore.open(POSTGRES.server(tmp_path))
    frozen = await POSTGRES.server(tmp_path).connect(
        STATEMENT_S, **WORKER_SETTINGS, idle_in_transaction_session_timeout="0"
    )
    await frozen.execute("BEGIN")
    await frozen.execute(ROW)
    claimed = await asyncio.gather(store.claim(["uz"], "one"), other.claim(["uz"], "other"))
    assert sorted(each["uz"].term for each in claimed) == [2, 3]
    frozen.terminate()
    await other.close()


async def test_claim_that_waits_for_its_turn_ends_nobody(tmp_path: Path) -> None:
    """A commit before it, of the same store, is blocked by a worker's row: that is no claim's business."""
    hq = await Hq.open(tmp_path, Center("uz"), engine=POSTGRES)
    await hq.store.claim(["uz"], "first")
    async with holding(tmp_path, ROW, application_name="cohub worker") as other:
        before = asyncio.create_task(hq.store.set_status("uz", 1, "parked", "why"))
        await asyncio.sleep(0.1)
        claiming = asyncio.create_task(hq.store.claim(["kz"], "next"))
        await asyncio.wait({before, claiming}, timeout=ENDED_S)
        assert await other.fetchval("SELECT 1") == 1
    await asyncio.gather(before, claiming)
    await hq.store.close()


async def test_newer_servers_end_any_transaction_of_a_worker(store: PostgresStore, tmp_path: Path) -> None:
    """Also one that is not idle, which was frozen with half a statement sent; older ones do not know the setting."""
    worker = await POSTGRES.server(tmp_path).connect(STATEMENT_S, **WORKER_SETTINGS)
    async with at_server(POSTGRES.server(tmp_path)) as mover:
        for connection, wanted in ((worker, "40s"), (mover, "0")):
            if connection.get_server_version().major >= 17:
                assert await connection.fetchval("SHOW transaction_timeout") == wanted
        assert await mover.fetchval("SHOW idle_in_transaction_session_timeout") == "0"
    await worker.close()


async def test_worker_that_is_at_work_keeps_its_row(store: PostgresStore, tmp_path: Path) -> None:
    """It was given the row a moment ago, as another claim, or goes on with its commit: it will be done soon."""
    async with holding(tmp_path, ROW, **WORKER_SETTINGS) as other:
        claiming = asyncio.create_task(store.claim(["uz"], "next"))
        async with asyncio.timeout(ENDED_S * 4):
            ends_s = asyncio.get_running_loop().time() + ENDED_S
            while asyncio.get_running_loop().time() < ends_s:
                assert await other.fetchval("SELECT 1") == 1
                await asyncio.sleep(0.02)
        assert not claiming.done()
    assert (await claiming)["uz"].term == 2
