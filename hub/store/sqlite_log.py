"""The hot writes of HQ's log in SQLite: what the notary asks and writes. Reading for everybody else is `log`."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from datetime import datetime

from hub.domain.state import micros
from hub.ledger.notary import Addition, Log, Stored, Unlogged
from hub.protocol.errors import Malformed
from hub.store.log import LogReader
from hub.store.store import OvertakenError

NOTARY = "notary"


class SqliteLog:
    """A LogStore on the worker's own connection; `writing` begins a transaction on it."""

    def __init__(
        self, db: sqlite3.Connection, writing: Callable[[], AbstractContextManager[sqlite3.Connection]]
    ) -> None:
        self._db = db
        self._writing = writing
        self._reader = LogReader(db)

    async def lead(self, owner: str, now: datetime, until: datetime) -> bool:
        """See LogStore."""
        with self._writing() as db:
            done = db.execute(
                "INSERT INTO lease(name, owner, until_us) VALUES (?, ?, ?)"
                " ON CONFLICT(name) DO UPDATE SET owner = excluded.owner, until_us = excluded.until_us"
                " WHERE lease.owner = excluded.owner OR lease.until_us <= ?",
                (NOTARY, owner, micros(until), micros(now)),
            )
            return done.rowcount == 1

    async def follow(self, owner: str) -> None:
        """See LogStore."""
        with self._writing() as db:
            db.execute("DELETE FROM lease WHERE name = ? AND owner = ?", (NOTARY, owner))

    async def read(self, origin: str) -> Log:
        """See LogStore."""
        return self._reader.log(origin)

    async def unlogged(self, limit: int) -> list[Unlogged]:
        """See LogStore."""
        return self._reader.unlogged(limit)

    async def append(self, addition: Addition) -> None:
        """See LogStore.

        If we crash before COMMIT returns, nothing of it is there, or all: who comes next reads which, and publishes
        what it finds. Nobody was told before.
        """
        with self._writing() as db:
            # Asked inside the transaction. Were it not, the keys would still refuse a second leaf of one index.
            (size,) = db.execute("SELECT coalesce(max(size), 0) FROM checkpoint").fetchone()
            if size != addition.before:
                raise OvertakenError(f"HQ's log is at size {size}, expected {addition.before}: somebody else went on")
            try:
                self._write(db, addition)
            except sqlite3.IntegrityError as exc:
                raise Malformed(f"HQ's log behind size {addition.before} contradicts its checkpoint: {exc}") from exc

    @staticmethod
    def _write(db: sqlite3.Connection, addition: Addition) -> None:
        log = addition.log
        db.executemany(
            "INSERT INTO log_leaf(leaf_index, lane_id, last, hash) VALUES (?, ?, ?, ?)",
            [(leaf.index, leaf.lane_id, leaf.last, leaf.hash) for leaf in addition.leaves],
        )
        db.executemany(
            "INSERT INTO log_tile(level, tile_index, hashes) VALUES (?, ?, ?)",
            [(tile.level, tile.index, tile.hashes) for tile in addition.tiles],
        )
        db.executemany(
            "UPDATE lane SET logged = ? WHERE id = ?", [(last, lane_id) for lane_id, last in addition.logged.items()]
        )
        db.execute(
            "INSERT INTO checkpoint(size, note, edge, signed_at_us) VALUES (?, ?, ?, ?)",
            (log.size, log.note, log.edge.to_bytes(), micros(addition.signed_at)),
        )

    async def stored(self, after: int, limit: int) -> list[Stored]:
        """See LogStore."""
        return self._reader.stored(after, limit)

    async def notes(self, sizes: Collection[int]) -> dict[int, bytes]:
        """See LogStore."""
        rows = self._db.execute(
            "SELECT size, CAST(note AS BLOB) FROM checkpoint WHERE size IN (SELECT value FROM json_each(?))",
            (json.dumps(list(sizes)),),
        )
        return dict(rows.fetchall())

    async def note(self, size: int) -> bytes | None:
        """See LogStore."""
        found = self._reader.checkpoint(size)
        return None if found is None else found.note

    async def root(self, size: int) -> bytes | None:
        """See LogStore."""
        return self._reader.root(size) if size <= self._reader.size else None

    async def rolled_back(self) -> str | None:
        """See LogStore."""
        return self._reader.rolled_back()
