"""Events on their way in: made, queued with what they will change, not yet sealed."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from connectors.reconcile.story import UNLINKED, Link
from hub.protocol.errors import Rejected
from hub.protocol.record import VALUE_BYTES_MAX, write_time
from hub.protocol.verdict import Code

_INSERT: Final = "INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_PRESUME: Final = """
INSERT INTO entity VALUES (
    :id, NULL, NULL, 0, :status, :digest, :count, :first, 0, NULL, NULL, 'pending', '', '', '', NULL, NULL
)
ON CONFLICT (id) DO UPDATE SET
    presumed_status = :status, presumed_digest = coalesce(:digest, presumed_digest),
    shaken = CASE WHEN inflight THEN shaken ELSE 0 END, inflight = inflight + :count,
    plan = :first, state = 'pending', code = '', field = '', params = '', refused = NULL, story = NULL
"""

_COUNT: Final = "INSERT INTO meta VALUES ('events', ?1) ON CONFLICT (name) DO UPDATE SET value = value + ?1"


@dataclass(frozen=True, slots=True)
class NewEvent:
    """One event to queue.

    Shapes: value is the framed Avro value, dataschema `urn:sha256:<hex>`; status is the entity's status after it;
            digest is the record's digest, None for an event that leaves the record; creates: it begins the entity;
            link is what it says of the events before it.
    Units:  time is when it happened.
    """

    id: str
    type: str
    subject: str
    time: datetime
    dataschema: str
    value: bytes
    status: str
    digest: bytes | None
    creates: bool = False
    link: Link = UNLINKED


def append(connection: sqlite3.Connection, events: Sequence[NewEvent]) -> int:
    """Append `events` inside the caller's transaction, and presume them accepted; return how many there were."""
    if not events:
        return 0
    first = next_id(connection)
    presumed: dict[str, dict[str, Any]] = {}
    rows = []
    for number, event in enumerate(events, first):
        if len(event.value) > VALUE_BYTES_MAX:
            raise Rejected(Code.TOO_LARGE, "", f"bytes={len(event.value)} max={VALUE_BYTES_MAX}")
        rows.append(
            (
                number, event.id, event.type, event.subject, write_time(event.time), event.dataschema, event.value,
                event.status, event.digest, event.creates, event.link.correlation, event.link.causation,
            )
        )  # fmt: skip
        entity = entity_id(event.type, event.subject)
        entry = presumed.get(entity)
        if entry is None:
            entry = presumed[entity] = {"id": entity, "count": 0, "first": number, "digest": None}
        entry["count"] += 1
        entry["status"] = event.status
        entry["digest"] = entry["digest"] if event.digest is None else event.digest
    connection.executemany(_INSERT, rows)
    connection.executemany(_PRESUME, presumed.values())
    connection.execute(_COUNT, (len(rows),))
    return len(rows)


def entity_id(event_type: str, subject: str) -> str:
    """Return `<stream>/<subject>`: streams have their ids apart, so the subject alone names no entity."""
    return f"{event_type.split('.', 3)[2]}/{subject}"


def next_id(connection: sqlite3.Connection) -> int:
    """Return the id of the next event.

    Ids have no holes above a lane's base and never go back, for the newest event is never purged. Id 1 is left for the
    event that opens the first lane, which is written when HQ's answers have been read.
    """
    newest = connection.execute("SELECT max(id) FROM event").fetchone()[0]
    return int(newest or 1) + 1
