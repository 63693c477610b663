"""Entities as HQ has them now."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
from pydantic import Field
from sqlalchemy import Connection, func, select

from hub.store.read.model import ReadModel
from hub.store.tables import ENTITY, LANE


class HeldEntity(ReadModel):
    """One entity: what its accepted events say of one thing."""

    center: str = Field(description="The center whose it is")
    changed: dict[str, Any] | None = Field(description="What a later event said that changed the status alone")
    id: str = Field(description="`<center>:<key>`")
    kind: str = Field(description="The type of the event that last carried the record")
    record: dict[str, Any] = Field(description="The record, as that event carried it; decimals and dates as text")
    status: str = Field(description="Where in its stream's lifecycle it stands")
    stream: str = Field(description="What it is, such as offer")
    version: int = Field(description="How many events of it HQ has accepted")


class TracedEntity(HeldEntity):
    """One entity, and the event that made it what it is."""

    digest: str = Field(description="SHA-256 of its canonical form")
    origin: str = Field(description="The lane of its newest event")
    at: int = Field(description="That event's sequence in the lane")


def entity(db: Connection, stream: str, entity_id: str) -> TracedEntity | None:
    """Return one entity, None where HQ has no such one."""
    row = db.execute(
        select(ENTITY.c.document, ENTITY.c.digest, LANE.c.origin, ENTITY.c.sequence)
        .join(LANE, LANE.c.id == ENTITY.c.lane_id)
        .where(ENTITY.c.stream == stream, ENTITY.c.id == entity_id)
    ).first()
    if row is None:
        return None
    return TracedEntity(
        **orjson.loads(row.document), digest=bytes(row.digest).hex(), origin=row.origin, at=row.sequence
    )


def entities(db: Connection, stream: str, limit: int | None, center: str | None = None) -> Iterator[HeldEntity]:
    """Yield the first `limit` entities of a stream by id, or all of them."""
    query = select(ENTITY.c.document).where(ENTITY.c.stream == stream).order_by(ENTITY.c.id).limit(limit)
    if center is not None:
        query = query.where(ENTITY.c.center == center)
    for (document,) in db.execute(query):
        yield HeldEntity(**orjson.loads(document))


def count_entities(db: Connection, stream: str, center: str | None = None) -> int:
    """Return how many entities a stream has, or one center's."""
    query = select(func.count()).select_from(ENTITY).where(ENTITY.c.stream == stream)
    if center is not None:
        query = query.where(ENTITY.c.center == center)
    return int(db.execute(query).scalar_one())
