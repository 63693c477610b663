"""The schemas that ship with this release."""

from __future__ import annotations

import schemas
from hub.domain.catalogue import KINDS
from hub.domain.state import state_path
from hub.protocol.schema import Schema, load_released, parse_schema


def released_schemas() -> dict[str, Schema]:
    """Return the schemas that ship with this release, by path."""
    return load_released(schemas.read("released.json"), schemas.every())


def state_schema_ids(released: dict[str, Schema]) -> dict[str, int]:
    """Return the id of the state schema for each type of event that carries a record."""
    found = {}
    for kind in KINDS.values():
        if kind.carries_record:
            path = state_path(kind)
            found[kind.type] = (released.get(path) or parse_schema(schemas.read(path))).id
    return found
