"""What commands look up in an outbox beside a running connector: a few rows each."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from connectors.runtime.outbox.database import Database
from connectors.runtime.outbox.queue import entity_id

RECEIPTS_MAX: Final = 100
_NEWEST: Final = "SELECT max(id), type, subject FROM event WHERE digest IS NOT NULL GROUP BY type, subject"


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


def newest_records(database: Database, entities: Collection[str]) -> dict[str, tuple[str, bytes]]:
    """Return, by entity, type and value of the newest event that is still kept and says its record."""
    newest: dict[str, int] = {}
    with database.transaction():  # one moment for all of it
        for number, event_type, subject in database.read(_NEWEST) if entities else ():
            entity = entity_id(event_type, subject)
            if entity in entities:
                newest[entity] = max(number, newest.get(entity, 0))
        return {
            entity: database.read("SELECT type, value FROM event WHERE id=?", (number,))[0]
            for entity, number in newest.items()
        }


def rows_of(database: Database, entity: str) -> list[tuple[str, int]]:
    """Return file and number of the rows that an entity stands in, in their order."""
    shown = "JOIN file ON file.name = row.file AND row.generation = file.shown" if database.is_current else ""
    found = database.read(f"SELECT file, number FROM row {shown} WHERE entity=? ORDER BY file, number", (entity,))  # noqa: S608  constants
    return [(file, number) for file, number in found]
