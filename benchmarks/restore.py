"""How long a backup and a restore of a grown hub take: `python -m benchmarks.restore [EVENTS] [FOLDER]`.

The database has rows as a hub's have them, an event of 600 bytes and a document of 700 bytes each in its tables, and
receipts of 320 events; nobody has judged them, for copying and checking ask for no verdict.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Final

from hub.base.output import line
from hub.hq.backup import back_up
from hub.hq.folder import HubFolder
from hub.hq.restore import restore

EVENTS: Final = 1_000_000
CENTERS: Final = 30
RECEIPT_EVENTS: Final = 320
PASSPHRASE: Final = b"a passphrase of the benchmark"


def fill(database: Path, events: int) -> None:
    """Write so many events of 30 centers."""
    each = events // CENTERS
    with closing(sqlite3.connect(database, isolation_level=None)) as db:
        db.execute("PRAGMA synchronous=OFF")
        db.execute("BEGIN")
        for number in range(1, CENTERS + 1):
            center, lane = f"c{number}", 1_000 + number
            db.execute(
                "INSERT INTO lane(id, origin, center, epoch, size, edge, state_digest, recorded_at_us, missing)"
                " VALUES (?, ?, ?, 'feed0000', ?, x'', x'', 0, 0)",
                (lane, f"hub.example/{center}/feed0000", center, each),
            )
            db.executemany(
                "INSERT INTO ledger VALUES (?, ?, ?, ?, 'ACCEPTED', '', '', NULL, 'net.cohub.offer.published.v1', ?,"
                " 0, 1, NULL, NULL)",
                ((lane, at, os.urandom(600), os.urandom(32), f"{center}:K-{at}") for at in range(1, each + 1)),
            )
            db.executemany(
                "INSERT INTO entity VALUES ('offer', ?, ?, 'published', 1, ?, ?, ?, ?, ?, ?, '', 0)",
                (
                    (f"{center}:K-{at}", center, "d" * 700, os.urandom(32), lane, at, lane, at)
                    for at in range(1, each + 1)
                ),
            )
            db.executemany(
                "INSERT INTO receipt VALUES (?, ?, ?, ?, ?, ?, 0, 1, NULL)",
                (
                    (lane, min(at + RECEIPT_EVENTS - 1, each), at, os.urandom(300), os.urandom(320), os.urandom(400))
                    for at in range(1, each + 1, RECEIPT_EVENTS)
                ),
            )
        db.execute("COMMIT")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


async def _begin(where: HubFolder) -> None:
    async with where.headquarters():
        pass


def main(events: int, folder: Path) -> None:
    """Print how long each step takes."""
    where = HubFolder(folder / "hub")
    where.ensure_identity("hub.example")
    asyncio.run(_begin(where))
    fill(where.database, events)
    begun_s = time.monotonic()
    manifest = back_up(where, folder / "backup", PASSPHRASE)
    backed_s = time.monotonic()
    restore(HubFolder(folder / "again"), folder / "backup", PASSPHRASE)
    done_s = time.monotonic()
    size = sum(stored.size for stored in manifest.files.values())
    line(
        f"{manifest.facts.events} events, {size / 1e9:.2f} GB: backed up and read back in {backed_s - begun_s:.1f} s, "
        f"checked and restored in {done_s - backed_s:.1f} s"
    )


if __name__ == "__main__":
    words = sys.argv[1:]
    made = Path(tempfile.mkdtemp(prefix="cohub-bench-", dir=words[1] if len(words) > 1 else None))
    try:
        main(int(words[0]) if words else EVENTS, made)
    finally:
        shutil.rmtree(made, ignore_errors=True)
