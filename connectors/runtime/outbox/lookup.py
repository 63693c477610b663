"""What commands look up in an outbox beside a running connector: a few rows each."""

from __future__ import annotations

from typing import Final

from connectors.runtime.outbox.database import Database

RECEIPTS_MAX: Final = 100


def receipt_times(database: Database) -> list[tuple[str, str]]:
    """Return when HQ recorded the newest receipts, and when they were stored here; the newest first."""
    found = database.read(
        "SELECT recorded_at, stored_at FROM receipt ORDER BY stored_at DESC, epoch DESC, last DESC LIMIT ?",
        (RECEIPTS_MAX,),
    )
    return [(recorded, stored) for recorded, stored in found]


def held_status(database: Database, entity: str) -> str | None:
    """Return the status in which HQ holds an entity, None where it holds none."""
    found = database.read("SELECT status FROM entity WHERE id=? AND status IS NOT NULL", (entity,))
    return str(found[0][0]) if found else None


def rows_of(database: Database, entity: str) -> list[tuple[str, int]]:
    """Return file and number of the rows that an entity stands in, in their order."""
    found = database.read("SELECT file, number FROM row WHERE entity=? ORDER BY file, number", (entity,))
    return [(file, number) for file, number in found]
