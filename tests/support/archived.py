"""HQ databases with old and new commits, and what the archive makes of them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Final

from hub.replay.source import Ledger
from hub.store.archive import Archived
from hub.store.depot import Depot
from hub.store.opener import open_archiver
from hub.store.rows import StoredEvent
from tests.support.center import NOW, Center, offer
from tests.support.hq import Hq

REVISED: Final = "net.cohub.offer.revised.v1"
LATER: Final = NOW + timedelta(days=400)


async def make_hub(folder: Path, events: int = 30) -> Path:
    """Make a database with two centers, several commits each, all of them logged and published; return its path."""
    centers = [Center("uz"), Center("kz", epoch="0000beef")]
    hq = await Hq.open(folder, *centers)
    for center in centers:
        await hq.feed(center.id, center.opened(3))
        for first in range(4, events, 5):
            await hq.feed(center.id, center.offers(5, first))
        refused = center.append(center.event(REVISED, "K-unknown", offer("Never published")))
        await hq.feed(center.id, [center.sealed(refused)], LATER)
    await hq.store.close()
    path = folder / "hub.sqlite3"
    settle(path)
    return path


def settle(path: Path) -> None:
    """Note that everything is in HQ's log and published, as notary and publisher do."""
    with closing(sqlite3.connect(path)) as db:
        for cursor in ("logged", "published"):
            db.execute(f"INSERT OR REPLACE INTO {cursor} SELECT id, size FROM lane")
        db.commit()


def rows(path: Path) -> dict[str, list[StoredEvent]]:
    """Return every row of every lane, as all tools read them."""
    with Ledger.open(path) as ledger:
        return {lane.origin: ledger.events(lane.id, 1, lane.size) for lane in ledger.lanes}


def held(path: Path) -> dict[str, int]:
    """Return how many bytes of events the database itself still has, by center."""
    query = "SELECT center, sum(length(data)) FROM ledger JOIN lane ON id = lane_id GROUP BY center"
    with closing(sqlite3.connect(path)) as db:
        return dict(db.execute(query).fetchall())


def archive(path: Path, depot: Depot, days: int = 30) -> list[Archived]:
    """Archive what is old, and return the segments."""
    with open_archiver(path) as archiver:
        return list(archiver.archive(depot, LATER - timedelta(days=days), LATER))
