"""A database whose log has as many leaves as a test wants, written by the notary's own code, quickly."""

from __future__ import annotations

import sqlite3
from datetime import datetime, timedelta

from hub.hq.identity import Identity
from hub.ledger.notary import LEAVES_MAX, Unlogged, append
from hub.store.log import LogReader
from hub.store.sqlite import SqliteStore
from tests.support.center import HUB, NOW

ORIGIN = f"{HUB}/log"


def add_receipts(db: sqlite3.Connection, center: str, count: int, text_bytes: int = 0) -> None:
    """Write `count` receipts of one event each behind those that a center's lane has: no lane, but rows and texts."""
    db.execute("BEGIN")
    row = db.execute("SELECT id, size FROM lane WHERE center = ?", (center,)).fetchone()
    if row is None:
        db.execute(
            "INSERT INTO lane(origin, center, epoch, size, edge, state_digest, recorded_at_us, missing, published)"
            " VALUES (?, ?, 'feed0000', 0, x'', x'', 0, 0, 0)",
            (f"{HUB}/{center}/feed0000", center),
        )
        row = db.execute("SELECT id, size FROM lane WHERE center = ?", (center,)).fetchone()
    lane, size = row
    text = "cohub-receipt/v1\n" + "x" * text_bytes
    db.executemany(
        "INSERT INTO receipt(lane_id, last, first, seal, edge, note, recorded_at_us, basis)"
        " VALUES (?, ?, ?, x'', x'', ?, 0, 1)",
        ((lane, n, n, f"{text}{center} {n}\n\n— x AAAA\n".encode()) for n in range(size + 1, size + count + 1)),
    )
    db.execute("UPDATE lane SET size = ? WHERE id = ?", (size + count, lane))
    db.execute("COMMIT")


async def notarize(
    store: SqliteStore, identity: Identity, step: int = LEAVES_MAX, at: datetime = NOW, limit: int | None = None
) -> int:
    """Log all receipts, or `limit` of them, `step` leaves a checkpoint; return the log's size."""
    log = await store.log.read(ORIGIN)
    todo = limit if limit is not None else LogReader(store._db).behind()
    while todo > 0:
        receipts: list[Unlogged] = await store.log.unlogged(min(step, todo))
        if not receipts:
            break
        addition = append(log, receipts, [identity.log, identity.log_long], at)
        await store.log.append(addition)
        log, at, todo = addition.log, at + timedelta(seconds=1), todo - len(receipts)
    return log.size
