"""Publications of lanes that only have a name and a size."""

from __future__ import annotations

from hub.ledger.publication import Publication
from hub.ledger.step import KnownEntity


def lane(center: str) -> str:
    return f"hub/{center}/0"


def published(first: int, last: int, center: str = "uz", *entities: KnownEntity) -> Publication:
    return Publication(lane(center), center, first, last, [b"receipt"], [], entities)
