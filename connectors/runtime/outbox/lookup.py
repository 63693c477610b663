"""What commands look up in an outbox beside a running connector: a few rows each."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Collection, Iterator
from typing import Final

from connectors.runtime.outbox.database import Database
from connectors.runtime.outbox.queue import entity_id

RECEIPTS_MAX: Final = 100
_NEWEST: Final = "SELECT max(id), type, subject FROM event WHERE digest IS NOT NULL GROUP BY type, subject"
_PAGE_ROWS: Final = 500
_STANDINGS: Final = (
    "SELECT number, entity.fingerprint IS row.fingerprint, entity.decided FROM file "
    "JOIN row ON row.file = file.name AND row.generation = file.shown "
    "LEFT JOIN entity ON entity.id = row.entity WHERE file.name=? AND number>? ORDER BY number LIMIT ?"
)


def recorded_at(database: Database) -> Callable[[int], str | None]:
    """Return what tells when HQ recorded an event, by its number; None of one whose receipt was purged, or is to come.

    Receipts are few where events are many: one covers up to 256 of them.
    """
    found = database.read(
        "SELECT base + first, base + last, recorded_at FROM receipt JOIN epoch ON epoch.number = receipt.epoch "
        "ORDER BY base + first, base + last"
    )
    firsts = [first for first, _, _ in found]

    def find(number: int) -> str | None:
        place = bisect_right(firsts, number) - 1
        return found[place][2] if place >= 0 and number <= found[place][1] else None

    return find


def standings(database: Database, file: str) -> Iterator[tuple[int, bool, int]]:
    """Yield how each row of a file stands, in the sheet's order: those of the reading that is shown.

    Shapes: its number; whether what it wants is on its way to HQ, or decided; the newest event by which HQ's status of
            its entity is known, 0 if there is none.
    """
    at = -1
    while found := database.read(_STANDINGS, (file, at, _PAGE_ROWS)):
        yield from ((number, bool(is_planned), decided or 0) for number, is_planned, decided in found)
        at = found[-1][0]


def receipt_times(database: Database) -> list[tuple[str, str]]:
    """Return when HQ recorded the newest receipts, and when they were stored here; the newest first."""
    found = database.read(
        "SELECT recorded_at, stored_at FROM receipt ORDER BY stored_at DESC, epoch DESC, last DESC LIMIT ?",
        (RECEIPTS_MAX,),
    )
    return [(recorded, stored) for recorded, stored in found]


def held_status(database: Database, entity: str) -> str | None:
    """Return the status in which HQ holds an entity, None where it holds none, '' where that is not known."""
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
