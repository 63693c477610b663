"""Money as views keep it: decimals as texts, exact, each amount written in one way only."""

from __future__ import annotations

from decimal import Decimal

from hub.domain.entity import Entity, decimal_text


def amount_of(entity: Entity, field: str = "amount") -> str | None:
    """Return an amount of an entity's record as text without zeros at its end, None where it has none."""
    value = entity.record.get(field)
    return None if value is None else decimal_text(Decimal(value))
