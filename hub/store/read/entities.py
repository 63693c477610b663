"""Entities as HQ has them now."""

from __future__ import annotations

from typing import Any, Final

import orjson
from pydantic import Field
from sqlalchemy import Connection, Select, func, select

from hub.domain.entity import Entity
from hub.domain.hq_lane import HqLane
from hub.domain.stream import HQ
from hub.ledger.publication import CLOSED
from hub.protocol.errors import Fatal
from hub.store.read.model import ReadModel
from hub.store.tables import ENTITY, LANE

OWN: Final = f"{HQ}:"
LANES: Final = "lane"


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

    digest: str = Field(description="SHA-256 of its canonical form; of a lane that is closed, of the form it opened in")
    origin: str = Field(description="The lane of its newest event")
    at: int = Field(description="That event's sequence in the lane")


def entity(db: Connection, lane: HqLane, stream: str, entity_id: str) -> TracedEntity | None:
    """Return one entity, None where HQ has no such one.

    Errors: Fatal where one of HQ's own is another than the sealed lane makes it.
    """
    row = db.execute(
        select(ENTITY.c.document, ENTITY.c.digest, LANE.c.origin, ENTITY.c.sequence)
        .join(LANE, LANE.c.id == ENTITY.c.lane_id)
        .where(ENTITY.c.stream == stream, ENTITY.c.id == entity_id)
    ).first()
    if entity_id.startswith(OWN):
        sealed = lane.entities.get((stream, entity_id))
        document = None if sealed is None else sealed.to_json().decode()
        if (None if row is None else row.document) != document:
            raise Fatal(
                f"the database has another {stream} {entity_id} than the sealed hq lane makes: somebody has edited it; "
                "`hub audit verify` names the rows; put the database back as it was last copied"
            )
    if row is None:
        return None
    found = TracedEntity(
        **orjson.loads(row.document), digest=bytes(row.digest).hex(), origin=row.origin, at=row.sequence
    )
    closer = _closed_by(db).get(entity_id) if stream == LANES else None
    return found if closer is None else found.model_copy(update=_as_closed(found) | {"origin": closer, "at": 1})


def entities(
    db: Connection, lane: HqLane, stream: str, limit: int | None, center: str | None = None
) -> list[HeldEntity]:
    """Return the first `limit` entities of a stream by id, or all of them; HQ's own are those of the sealed lane."""
    query = _others(select(ENTITY.c.document), stream, center).order_by(ENTITY.c.id).limit(limit)
    found = [HeldEntity(**orjson.loads(document)) for (document,) in db.execute(query)]
    if stream == LANES:
        closed = _closed_by(db)
        found = [one.model_copy(update=_as_closed(one)) if one.id in closed else one for one in found]
    found += (HeldEntity(**orjson.loads(entity.to_json())) for entity in _own(lane, stream, center))
    return sorted(found, key=lambda entity: entity.id)[:limit]


def count_entities(db: Connection, lane: HqLane, stream: str, center: str | None = None) -> int:
    """Return how many entities a stream has, or one center's."""
    others = db.execute(_others(select(func.count()).select_from(ENTITY), stream, center)).scalar_one()
    return int(others) + len(_own(lane, stream, center))


def _closed_by(db: Connection) -> dict[str, str]:
    """Return by the id of its entity which lanes another one has followed, and the origin of that one."""
    query = select(LANE.c.center, LANE.c.epoch, LANE.c.closed_by).where(LANE.c.closed_by.is_not(None))
    return {f"{center}:{epoch}": closed_by for center, epoch, closed_by in db.execute(query)}


def _as_closed(lane: HeldEntity) -> dict[str, Any]:
    """Return what is told of a lane that another one has followed, as `state.lane` tells it; no event of its own does.

    See `hub.ledger.publication.closed_by`.
    """
    return {"status": CLOSED, "version": lane.version + 1}


def _own(lane: HqLane, stream: str, center: str | None) -> list[Entity]:
    return [entity for entity in lane.entities.values() if entity.stream == stream and center in (None, HQ)]


def _others(query: Select[Any], stream: str, center: str | None) -> Select[Any]:
    """Return the query of what centers have said: no row is HQ's word, whatever stands in it."""
    query = query.where(ENTITY.c.stream == stream, ENTITY.c.center != HQ, ENTITY.c.id.not_like(f"{OWN}%"))
    return query if center is None else query.where(ENTITY.c.center == center)
