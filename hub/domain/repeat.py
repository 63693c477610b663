"""Whether an event says what its entity already is: what an office says again that has lost its outbox."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from hub.domain.catalogue import STREAMS
from hub.domain.entity import Entity, canonical_json
from hub.domain.stream import EventKind


def says_again(entity: Entity, kind: EventKind, center: str, value: Mapping[str, Any]) -> bool:
    """Return whether the entity is already as an event that is no legal next step would have made it.

    Shapes: `value` has passed `rules.check`. The status is the one that the event leads to, so an event that leads to
            none never says the same. Of an event with the record it is the same record, an optional field that one of
            them lacks being as if left open; of one without, the reason and day that the entity has, if it has any.
    """
    if entity.center != center or kind.status_after is None or kind.status_after != entity.status:
        return False
    if kind.carries_record:
        return _whole(kind.stream, value) == _whole(kind.stream, entity.record)
    return entity.changed is None or canonical_json(value) == canonical_json(entity.changed)


def _whole(stream: str, record: Mapping[str, Any]) -> bytes:
    """Return a record of any version as the newest one has it, in the one form that an entity's digest is made of."""
    return canonical_json(_left_open(stream) | dict(record))


@cache
def _left_open(stream: str) -> dict[str, Any]:
    fields = STREAMS[stream].record.model_fields.items()
    return {name: field.get_default(call_default_factory=True) for name, field in fields if not field.is_required()}
