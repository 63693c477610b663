"""The schemas that ship with this release."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import schemas
from hub.domain.catalogue import KINDS
from hub.domain.entity import Entity
from hub.domain.state import state_path
from hub.ledger.publication import StateForm
from hub.protocol.avro import Codec, frame
from hub.protocol.schema import Schema, load_released, parse_schema


def released_schemas() -> dict[str, Schema]:
    """Return the schemas that ship with this release, by path."""
    return load_released(schemas.read("released.json"), schemas.every())


def state_schemas(released: Mapping[str, Schema]) -> dict[str, Schema]:
    """Return the schema of `state.*` for each type of event that carries a record."""
    found = {}
    for kind in KINDS.values():
        if kind.carries_record:
            path = state_path(kind)
            found[kind.type] = released.get(path) or parse_schema(schemas.read(path))
    return found


def state_forms(released: Mapping[str, Schema]) -> dict[str, StateForm]:
    """Return how the state is written of an entity whose record came with each of these types of event."""
    return {kind: StateForm.of(schema) for kind, schema in state_schemas(released).items()}


def record_value(entity: Entity) -> bytes:
    """Return the framed value of the event that an entity's record came with, encoded again from the record."""
    codec = _codec(entity.kind)
    return frame(codec.schema.id, codec.encode_json(entity.record))


@cache
def _codec(event_type: str) -> Codec:
    return Codec(parse_schema(schemas.read(KINDS[event_type].schema_path)))
