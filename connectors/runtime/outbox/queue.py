"""Events on their way in: made, queued with what they will change, not yet sealed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from connectors.reconcile.belief import NOTHING, UNSURE, Aim, Belief, Queued
from connectors.reconcile.story import UNLINKED, StoryLink
from connectors.runtime.outbox.meta import Meta
from hub.protocol.errors import Rejected
from hub.protocol.limits import VALUE_BYTES_MAX
from hub.protocol.moment import write_time
from hub.protocol.value import value_class
from hub.protocol.verdict import Code

_INSERT: Final = "INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_COUNT: Final = "INSERT INTO meta VALUES (?2, ?1) ON CONFLICT (name) DO UPDATE SET value = value + ?1"
_NO_AIMS: Final[Mapping[str, Aim]] = MappingProxyType({})


@value_class
class NewEvent:
    """One event to queue.

    Shapes: value is the framed Avro value, dataschema `urn:sha256:<hex>`; status is the entity's status after it;
            digest is the record's digest, None for an event that leaves the record; creates: it begins the entity;
            link is what it says of the events before it; traceparent where its trace begins, None where nobody listens.
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
    link: StoryLink = UNLINKED
    traceparent: str | None = None


def append(
    connection: sqlite3.Connection,
    events: Sequence[NewEvent],
    beliefs: Mapping[str, Belief],
    aims: Mapping[str, Aim] = _NO_AIMS,
) -> dict[str, Belief]:
    """Append `events` inside the caller's transaction; return the beliefs that presume them accepted, to be saved.

    Shapes: beliefs has, by id, what is believed of the events' entities; aims says of an entity what is aimed at.
    Errors: Rejected(TOO_LARGE).
    """
    if not events:
        return {}
    plans: dict[str, list[Queued]] = {}
    connection.executemany(_INSERT, _number(events, next_id(connection), plans))
    connection.execute(_COUNT, (len(events), Meta.EVENTS))
    is_told = connection.execute("SELECT 1 FROM meta WHERE name=?", (Meta.TOLD_ELSEWHERE,)).fetchone() is not None
    new = UNSURE if is_told else NOTHING
    return {entity: beliefs.get(entity, new).presume(queued, aims.get(entity)) for entity, queued in plans.items()}


def _number(events: Iterable[NewEvent], first: int, plans: dict[str, list[Queued]]) -> Iterator[tuple[Any, ...]]:
    """Yield events as they are stored, numbered from `first`; note in `plans` which of them each entity has."""
    for number, event in enumerate(events, first):
        if len(event.value) > VALUE_BYTES_MAX:
            raise Rejected(Code.TOO_LARGE, "", f"length={len(event.value)} max={VALUE_BYTES_MAX}")
        plans.setdefault(entity_id(event.type, event.subject), []).append(Queued(number, event.status, event.digest))
        yield (
            number, event.id, event.type, event.subject, write_time(event.time), event.dataschema, event.value,
            event.status, event.digest, event.creates, event.link.correlation, event.link.causation,
            event.traceparent,
        )  # fmt: skip


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
