"""The one generic fold: the state of an entity after one more event."""

from __future__ import annotations

from typing import Any

from hub.domain.entity import Entity
from hub.domain.stream import EventKind
from hub.protocol.errors import Rejected
from hub.protocol.verdict import Code


def fold(entity: Entity | None, kind: EventKind, subject: str, center: str, value: dict[str, Any]) -> Entity:
    """Return the entity after one event.

    Shapes: entity is None before its first event.
    Errors: Rejected(UNKNOWN_ENTITY | ALREADY_EXISTS | ILLEGAL_TRANSITION).
    Source: ARCHITECTURE.md, "Four laws"; an event that changes fields carries the whole record, never a patch.
    """
    before = None if entity is None else entity.status
    if before not in kind.legal_in:
        if before is None:
            raise Rejected(Code.UNKNOWN_ENTITY)
        if None in kind.legal_in:
            raise Rejected(Code.ALREADY_EXISTS, "", f"status={before}")
        raise Rejected(Code.ILLEGAL_TRANSITION, "", f"event={kind.name} status={before}")
    if entity is None:
        assert kind.status_after is not None
        return Entity(kind.stream, subject, center, kind.status_after, 1, kind.type, value)
    after = kind.status_after or entity.status
    if kind.carries_record:
        return Entity(entity.stream, entity.id, entity.center, after, entity.version + 1, kind.type, value)
    return Entity(entity.stream, entity.id, entity.center, after, entity.version + 1, entity.kind, entity.record, value)
