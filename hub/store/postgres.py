"""The store of a hub that outgrows one machine: PostgreSQL, through asyncpg (docs/adr/0037)."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from contextlib import suppress
from typing import Any, Final, Self

import asyncpg
import structlog

from hub.ledger.step import Step
from hub.protocol.errors import CohubError
from hub.store.database import suspends
from hub.store.postgres_commit import UsualCommit, is_usual
from hub.store.postgres_database import CALL_S, FAILURES, PostgresDatabase, typed
from hub.store.postgres_server import WORKER, Server
from hub.store.sql_store import SqlStore
from hub.store.store import QUARANTINE_QUOTA_BYTES, Claimed
from hub.store.version import READ, Version

BLOCKED_S: Final = 1.0  # for so long a claim waits for whoever holds what it takes over
STILL_S: Final = 0.2  # and one that did nothing for so long holds it still
# Of those for whom a connection waits, workers that hold a row that it wants, and wait for nobody themselves: who waits
# holds no more than the place behind the one before. Who has the whole table is moving the hub, and is waited for.
_BLOCKERS: Final = f"""
    SELECT a.pid, a.state_change
    FROM unnest(pg_blocking_pids($1)) AS b(pid) JOIN pg_stat_activity a ON a.pid = b.pid
    WHERE a.application_name = '{WORKER}' AND a.wait_event_type IS DISTINCT FROM 'Lock' AND EXISTS (
        SELECT 1 FROM pg_locks w WHERE w.pid = $1 AND NOT w.granted AND w.locktype IN ('transactionid', 'tuple')
    )"""  # noqa: S608 - a constant

log = structlog.get_logger(__name__)


class PostgresStore(SqlStore):
    """A Store at a PostgreSQL server. Make it with `open`."""

    def __init__(
        self, server: Server, quarantine_quota_bytes: int = QUARANTINE_QUOTA_BYTES, call_s: float = CALL_S
    ) -> None:
        self._server = server
        self._postgres = PostgresDatabase(server, call_s)
        super().__init__(self._postgres, quarantine_quota_bytes)
        self._usual = UsualCommit(self._postgres)

    @classmethod
    async def open(cls, server: Server, quarantine_quota_bytes: int = QUARANTINE_QUOTA_BYTES) -> Self:
        """Open a database that `hub migrate` has made.

        Errors: UsageError where this release may not use its tables; Retriable while the server is away; Fatal.
        """
        try:
            connection = await server.connect()
            try:
                version = Version.of(await connection.fetchrow(READ))
            except asyncpg.UndefinedTableError:
                version = Version()
            finally:
                await connection.close(timeout=BLOCKED_S)
        except FAILURES as exc:
            raise typed(server.location, exc) from exc
        version.refuse(server.location)
        return cls(server, quarantine_quota_bytes)

    @suspends
    async def commit(self, step: Step, term: int) -> None:
        """See Store. If we crash before the answer comes, the fetch is read again from the position in SQL."""
        if is_usual(step):
            self._usual.write(self._postgres.connection, step, term)
            return
        with self._postgres.writing() as db:
            self._commit.write(db, step, term)

    async def claim(self, centers: Collection[str], owner: str) -> dict[str, Claimed]:
        """See Store. A worker that holds one of these intakes for longer than a second is ended: it is fenced anyway.

        A worker that was frozen in the middle of a commit has the intake's row, and may hold it for as long as it is
        frozen: a timeout of the server's ends a transaction that is idle, and not one that has sent half a statement.
        """
        claiming = asyncio.create_task(super().claim(centers, owner))
        try:
            while not (await asyncio.wait({claiming}, timeout=BLOCKED_S))[0]:
                await self._end_blockers(claiming)
            return await claiming
        finally:
            if not claiming.done():
                claiming.cancel()
                with suppress(asyncio.CancelledError):
                    await claiming

    async def _blockers(self, connection: asyncpg.Connection[Any], claiming: asyncio.Task[Any]) -> set[tuple[Any, ...]]:
        """Return whom a claim waits for, each with when it did something last."""
        pid = self._postgres.pid(claiming)  # it may be done by now, and the connection another call's
        return set() if pid is None else set(map(tuple, await connection.fetch(_BLOCKERS, pid)))

    async def _end_blockers(self, claiming: asyncio.Task[Any]) -> None:
        if self._postgres.pid(claiming) is None:
            return
        try:
            connection = await self._server.connect()
            try:
                # Who was given the row a moment ago, as another claim that waited, is at work and no blocker.
                still = await self._blockers(connection, claiming)
                if still:
                    await asyncio.sleep(STILL_S)
                    still &= await self._blockers(connection, claiming)
                ended = [pid for pid, _ in still]
                await connection.execute("SELECT pg_terminate_backend(pid) FROM unnest($1::int[]) AS e(pid)", ended)
            finally:
                await connection.close(timeout=BLOCKED_S)
        except (*FAILURES, CohubError) as exc:
            log.warning("blockers_not_ended", reason=str(exc) or type(exc).__name__)
        else:
            if ended:
                log.warning("blockers_ended", connections=len(ended))
