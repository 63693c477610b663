"""Publications of lanes that only have a name and a size."""

from __future__ import annotations

from datetime import UTC, datetime

from hub.ledger.publication import Publication
from hub.ledger.step import KnownEntity


def lane(center: str, epoch: int = 0) -> str:
    return f"hub/{center}/{epoch}"


def published(first: int, last: int, center: str = "uz", *entities: KnownEntity, epoch: int = 0) -> Publication:
    return Publication(lane(center, epoch), center, first, last, [b"receipt"], [], entities)


def without_bytes() -> KnownEntity:
    """Return an entity whose record is not in memory; nothing else of it is looked at."""
    return KnownEntity(None, b"", b"", lane("uz"), 1, "", datetime(2026, 1, 1, tzinfo=UTC), lane("uz"), 1)  # type: ignore[arg-type]
