"""Leases: whose task something is until when, and which workers live.

A lease ends by HQ's clock, and a clock can have been wrong when it was written: one that ends later than any that a
worker with a right clock could hold is nobody's (workers compare theirs with the broker's, hub/worker/clock.py).
Otherwise a worker that was killed while its clock was a year ahead would leave a task undone for that year.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from hub.protocol.limits import BROKER_CLOCK_OFF_MAX
from hub.protocol.moment import to_us
from hub.store.database import Connection
from hub.store.workers import KEPT, WORKER, LivingWorker

CLOCKS_APART_MAX: Final = 2 * BROKER_CLOCK_OFF_MAX  # one is ahead of the broker's, the other behind it
_APART_US: Final = CLOCKS_APART_MAX // timedelta(microseconds=1)


def lead(db: Connection, name: str, owner: str, now: datetime, until: datetime) -> bool:
    """Return whether the task is `owner`'s until then, inside the caller's transaction `db`."""
    done = db.execute(
        "INSERT INTO lease(name, owner, until_us) VALUES (?, ?, ?)"
        " ON CONFLICT(name) DO UPDATE SET owner = excluded.owner, until_us = excluded.until_us"
        " WHERE lease.owner = excluded.owner OR lease.until_us <= ? OR lease.until_us > ?",
        (name, owner, to_us(until), to_us(now), to_us(until) + _APART_US),
    )
    return done.rowcount == 1


def follow(db: Connection, name: str, owner: str) -> None:
    """Give the task up, if it was `owner`'s."""
    db.execute("DELETE FROM lease WHERE name = ? AND owner = ?", (name, owner))


def say_alive(db: Connection, worker: LivingWorker) -> None:
    """Write a worker's word of itself, and forget those of long ago, and of a time that no worker can speak of yet."""
    until_us = to_us(worker.until)
    db.execute(
        "INSERT INTO lease(name, owner, until_us) VALUES (?, ?, ?)"
        " ON CONFLICT(name) DO UPDATE SET owner = excluded.owner, until_us = excluded.until_us",
        (worker.name, worker.to_text(), until_us),
    )
    db.execute(
        "DELETE FROM lease WHERE name LIKE ? AND (until_us < ? OR until_us > ?)",
        (f"{WORKER}%", to_us(worker.until - KEPT), until_us + _APART_US),
    )
