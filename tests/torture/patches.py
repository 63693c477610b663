"""The seeded defects, each at the one place of the product where it would be made. Nobody imports this but `started`.

Where a defect shows only if a process ends between two writes, the time between them is made longer, as by a slow
database: what is wrong is the order, and the longer time only spares us some hundred kills.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

BETWEEN_S: Final = 0.7


def _put(owner: Any, name: str, value: Any) -> None:
    """Put something in the place of what the product has there."""
    setattr(owner, name, value)


def position_early(_module: str) -> None:
    """Commit the position, and then what it stands behind."""
    from hub.protocol.moment import to_us  # noqa: PLC0415
    from hub.store.postgres import PostgresStore  # noqa: PLC0415
    from hub.store.postgres_commit import is_usual  # noqa: PLC0415

    commit = PostgresStore.commit

    async def early(store: Any, step: Any, term: int) -> None:
        if is_usual(step):
            intake, lane = step.reading.intake, step.commits[-1].lane
            connection = await store._server.connect()
            try:
                async with connection.transaction():
                    await connection.execute(
                        "UPDATE lane SET size = $2, edge = $3, state_digest = $4, recorded_at_us = $5"
                        " WHERE origin = $1",
                        lane.origin, lane.size, lane.edge.to_bytes(), lane.state_digest, to_us(lane.recorded_at),
                    )  # fmt: skip
                    await connection.execute(
                        "UPDATE intake SET next_offset = $3, read_upto = $4 WHERE center = $1 AND term = $2",
                        intake.center, term, intake.offset, intake.read_upto,
                    )  # fmt: skip
            finally:
                await connection.close()
            await asyncio.sleep(BETWEEN_S)
        await commit(store, step, term)

    _put(PostgresStore, "commit", early)


def no_dedupe(_module: str) -> None:
    """Take a number that HQ has already for one that comes next."""
    from hub.ledger import take  # noqa: PLC0415

    def place(fetch: Any, tail: Any, pending: Any) -> None:
        if pending.sequence < tail.next:
            tail.join(replace(pending, sequence=tail.next))
            return
        kept(fetch, tail, pending)

    fetch_type = take._Fetch
    kept = fetch_type._place
    _put(fetch_type, "_place", place)


def acks_1(_module: str) -> None:
    """Believe the leader alone."""
    from aiokafka import AIOKafkaProducer  # noqa: PLC0415

    made = AIOKafkaProducer.__init__

    def weak(producer: Any, **options: Any) -> None:
        made(producer, **options | {"acks": 1, "enable_idempotence": False})

    _put(AIOKafkaProducer, "__init__", weak)


def receipt_early(_module: str) -> None:
    """Tell a center of a commit that is still to be made."""
    from hub.store.consolidate import Driver  # noqa: PLC0415
    from hub.worker.consolidator import Consolidator  # noqa: PLC0415

    class Early:
        """The store, but that it tells first."""

        def __init__(self, store: Any, publisher: Any) -> None:
            self._store, self._publisher = store, publisher

        def __getattr__(self, name: str) -> Any:
            return getattr(self._store, name)

        async def commit(self, step: Any, term: int) -> None:
            for commit in step.commits:
                self._publisher.answer(step.reading.intake.center, "receipt", commit.note)
            await asyncio.sleep(BETWEEN_S if step.commits else 0)
            await self._store.commit(step, term)

    made = Consolidator.__init__

    def early(consolidator: Any, *given: Any, **named: Any) -> None:
        made(consolidator, *given, **named)
        was = consolidator._driver
        consolidator._driver = Driver(
            Early(was.store, consolidator._publisher),
            was.entities, was.signatory, was.memory,
        )  # fmt: skip

    _put(Consolidator, "__init__", early)


def no_fencing(_module: str) -> None:
    """Ask nobody whose lane it is before it is written."""
    from hub.store import postgres_commit  # noqa: PLC0415
    from hub.store.postgres import PostgresStore  # noqa: PLC0415
    from hub.store.sql_commit import SqlCommit  # noqa: PLC0415

    _put(postgres_commit, "_UPDATES", postgres_commit._UPDATES.replace("AND term = $2", "AND $2::bigint IS NOT NULL"))
    commit, write = PostgresStore.commit, SqlCommit.write

    async def slow(store: Any, step: Any, term: int) -> None:
        await asyncio.sleep(BETWEEN_S)
        await commit(store, step, term)

    def unasked(self: Any, db: Any, step: Any, term: int) -> None:
        rows = db.execute("SELECT term FROM intake WHERE center = ?", (step.reading.intake.center,)).fetchone()
        write(self, db, step, rows[0] if rows else term)

    _put(PostgresStore, "commit", slow)
    _put(SqlCommit, "write", unasked)


def no_seal(_module: str) -> None:
    """Take every seal for the center's."""
    from hub.ledger.keyring import Keyring, Standing  # noqa: PLC0415

    _put(Keyring, "check_seal", lambda *_: (Standing.GOOD, ""))


def stale_cache(_module: str) -> None:
    """Forget nothing when lanes move."""
    from hub.worker.remembered import Remembered  # noqa: PLC0415

    _put(Remembered, "forget", lambda *_: None)


def outbox_not_synced(_module: str) -> None:
    """Have SQLite wait for no disk."""
    from connectors.runtime.outbox.database import Database  # noqa: PLC0415

    prepare = Database._prepare

    def unsynced(database: Any, version: int) -> None:
        prepare(database, version)
        database._connection.execute("PRAGMA synchronous=OFF")

    _put(Database, "_prepare", unsynced)


def cursor_early(_module: str) -> None:
    """Store how far we are before we are."""
    from hub.ledger.flight import Publishing  # noqa: PLC0415
    from hub.worker.publisher import Publisher  # noqa: PLC0415

    send = Publisher._send

    async def early(publisher: Any) -> None:
        match publisher._outgoing.flight:
            case Publishing(found, states_only=False):
                await publisher._store.set_published({each.origin: each.last for each in found})
                await asyncio.sleep(BETWEEN_S)
        await send(publisher)

    _put(Publisher, "_send", early)


def gap_ignored(_module: str) -> None:
    """Take what lies behind a hole for what comes next."""
    from hub.ledger import settle as settling  # noqa: PLC0415
    from hub.ledger import take  # noqa: PLC0415
    from hub.ledger.reading import Refusal  # noqa: PLC0415

    fetch_type, look = take._Fetch, settling.look
    kept = fetch_type._place

    def place(fetch: Any, tail: Any, pending: Any) -> None:
        kept(fetch, tail, replace(pending, sequence=tail.next) if pending.sequence > tail.next else pending)

    def unrooted(lane: Any, events: Any, keyring: Any) -> Any:
        found = look(lane, events, keyring)
        return lane.edge.append(p.leaf for p in events) if isinstance(found, Refusal) else found

    _put(fetch_type, "_place", place)
    _put(settling, "look", unrooted)


Patch = Callable[[str], None]
PATCHES: Final[Mapping[str, Patch]] = {
    "position-early": position_early,
    "no-dedupe": no_dedupe,
    "acks-1": acks_1,
    "receipt-early": receipt_early,
    "no-fencing": no_fencing,
    "no-seal": no_seal,
    "stale-cache": stale_cache,
    "outbox-not-synced": outbox_not_synced,
    "cursor-early": cursor_early,
    "gap-ignored": gap_ignored,
}
