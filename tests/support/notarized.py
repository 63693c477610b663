"""A database whose log has as many leaves as a test wants, written by the notary's own code, quickly."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

from hub.hq.identity import Identity
from hub.ledger.notary import LEAVES_MAX, Unlogged, append
from hub.store.store import Store
from tests.support.center import HUB, NOW

ORIGIN = f"{HUB}/log"


def add_receipts(database: Path, center: str, count: int, text_bytes: int = 0) -> None:
    """Write `count` receipts of one event each behind those that a center's lane has: no lane, but rows and texts."""
    with closing(sqlite3.connect(database)) as db, db:
        _add_receipts(db, center, count, text_bytes)


def _add_receipts(db: sqlite3.Connection, center: str, count: int, text_bytes: int) -> None:
    row = db.execute("SELECT id, size FROM lane WHERE center = ?", (center,)).fetchone()
    if row is None:
        db.execute(
            "INSERT INTO lane(origin, center, epoch, size, edge, state_digest, recorded_at_us, missing)"
            " VALUES (?, ?, 'feed0000', 0, x'', x'', 0, 0)",
            (f"{HUB}/{center}/feed0000", center),
        )
        row = db.execute("SELECT id, size FROM lane WHERE center = ?", (center,)).fetchone()
    lane, size = row
    text = "cohub-receipt/v1\n" + "x" * text_bytes
    db.executemany(
        "INSERT INTO receipt(lane_id, last, first, seal, edge, note, recorded_at_us, basis)"
        " VALUES (?, ?, ?, x'', x'', ?, 0, 0)",
        ((lane, n, n, f"{text}{center} {n}\n\n— x AAAA\n".encode()) for n in range(size + 1, size + count + 1)),
    )
    db.execute("UPDATE lane SET size = ? WHERE id = ?", (size + count, lane))


async def notarize(
    store: Store, identity: Identity, step: int = LEAVES_MAX, at: datetime = NOW, limit: int | None = None
) -> int:
    """Log all receipts, or `limit` of them, `step` leaves a checkpoint; return the log's size."""
    log = await store.log.read(ORIGIN)
    todo = limit
    while todo is None or todo > 0:
        receipts: list[Unlogged] = await store.log.unlogged(step if todo is None else min(step, todo))
        if not receipts:
            break
        addition = append(log, receipts, [identity.log, identity.log_long], at)
        await store.log.append(addition)
        log, at = addition.log, at + timedelta(seconds=1)
        todo = None if todo is None else todo - len(receipts)
    return log.size
