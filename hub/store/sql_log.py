"""The hot writes of HQ's log: what the notary asks and writes. Reading for everybody else is `log`."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from datetime import datetime

from hub.ledger.halt import Halt
from hub.ledger.notary import NOTHING_KNOWN, Addition, Log, Stored, Unlogged
from hub.ledger.witness import Witnesses
from hub.protocol.errors import Malformed
from hub.protocol.moment import to_us
from hub.store.database import Connection, Database, OnDatabase, suspends
from hub.store.log import LogReader
from hub.store.log_rows import Heard
from hub.store.moved import MOVED_AWAY
from hub.store.sql_lease import follow, lead
from hub.store.sql_log_rows import SqlLogRows
from hub.store.store import OvertakenError

NOTARY = "notary"


class SqlLog(OnDatabase):
    """A LogStore on the worker's own connection."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._rows = SqlLogRows(database.questions)
        self._witnesses = Witnesses()
        self._reader = LogReader(self._rows, lambda: self._witnesses)

    @suspends
    async def lead(self, owner: str, now: datetime, until: datetime) -> bool:
        """See LogStore."""
        with self._database.writing() as db:
            return lead(db, NOTARY, owner, now, until)

    @suspends
    async def follow(self, owner: str) -> None:
        """See LogStore."""
        with self._database.writing() as db:
            follow(db, NOTARY, owner)

    @suspends
    async def read(self, origin: str) -> Log:
        """See LogStore."""
        return self._reader.log(origin)

    @suspends
    async def unlogged(self, limit: int, known: Mapping[int, int] = NOTHING_KNOWN) -> list[Unlogged]:
        """See LogStore."""
        return self._reader.unlogged(limit, known)

    @suspends
    async def append(self, addition: Addition) -> None:
        """See LogStore.

        If we crash before COMMIT returns, nothing of it is there, or all: who comes next reads which, and publishes
        what it finds. Nobody was told before.
        """
        with self._database.writing() as db:
            # Asked inside the transaction. Were it not, the keys would still refuse a second leaf of one index.
            self._database.alone(db, "checkpoint")
            (size,) = db.execute("SELECT coalesce(max(size), 0) FROM checkpoint").fetchone()
            if size != addition.before:
                raise OvertakenError(f"HQ's log is at size {size}, expected {addition.before}: somebody else went on")
            try:
                write_addition(db, addition)
            except self._database.contradictions as exc:
                if MOVED_AWAY in str(exc):
                    raise
                raise Malformed(f"HQ's log behind size {addition.before} contradicts its checkpoint: {exc}") from exc

    @suspends
    async def stored(self, after: int, limit: int) -> list[Stored]:
        """See LogStore."""
        return self._reader.stored(after, limit)

    @suspends
    async def notes(self, sizes: Collection[int]) -> dict[int, bytes]:
        """See LogStore."""
        rows = self._database.connection.execute(
            "SELECT size, CAST(note AS BLOB) FROM checkpoint WHERE size IN (SELECT value FROM json_each(?))",
            (json.dumps(list(sizes)),),
        )
        return dict(rows.fetchall())

    @suspends
    async def note(self, size: int) -> bytes | None:
        """See LogStore."""
        found = self._reader.checkpoint(size)
        return None if found is None else found.note

    @suspends
    async def root(self, size: int) -> bytes | None:
        """See LogStore."""
        return self._reader.root(size) if size <= self._reader.size else None

    @suspends
    async def rolled_back(self, witnesses: Witnesses) -> Halt | None:
        """See LogStore."""
        self._witnesses = witnesses
        return self._reader.rolled_back()

    @suspends
    async def hearing(self, witnesses: Witnesses) -> Mapping[str, Heard]:
        """See LogStore."""
        return self._rows.hearing(witnesses)


def write_addition(db: Connection, addition: Addition) -> None:
    """Write leaves, tiles, cursors and checkpoint inside the caller's transaction. Errors: `contradictions`."""
    log = addition.log
    db.executemany(
        "INSERT INTO log_leaf(leaf_index, lane_id, last, hash) VALUES (?, ?, ?, ?)",
        [(leaf.index, leaf.lane_id, leaf.last, leaf.hash) for leaf in addition.leaves],
    )
    db.executemany("INSERT INTO log_lost(leaf_index, hash) VALUES (?, ?)", addition.lost)
    db.executemany(
        "INSERT INTO log_tile(level, tile_index, hashes) VALUES (?, ?, ?)",
        [(tile.level, tile.index, tile.hashes) for tile in addition.tiles],
    )
    db.executemany(
        "INSERT INTO logged(lane_id, upto) VALUES (?, ?) ON CONFLICT(lane_id) DO UPDATE SET upto = excluded.upto",
        sorted(addition.logged.items()),
    )
    db.execute(
        "INSERT INTO checkpoint(size, note, edge, signed_at_us) VALUES (?, ?, ?, ?)",
        (log.size, log.note, log.edge.to_bytes(), to_us(addition.signed_at)),
    )
