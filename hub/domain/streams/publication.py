"""What offers and requests share: texts, keywords and a life of at most two years."""

from __future__ import annotations

import datetime as dt
from typing import ClassVar, Final

from pydantic import Field

from hub.domain.fields import (
    Countries,
    Crossed,
    Day,
    Description,
    EntityId,
    FieldRules,
    Keywords,
    LanguageTag,
    Summary,
    Title,
    Zone,
    crossed,
    inconsistent,
    missing,
)
from hub.domain.stream import EventKind, StatusChange

LIFE_MAX: Final = dt.timedelta(days=731)  # a year and its one extension, a leap day among them


class Publication(FieldRules):
    """Enterprise Europe Network practice. `language` is that of the texts; `title_en` serves the other centers."""

    title: Title
    title_en: Title | None = None
    language: LanguageTag
    summary: Summary | None = None
    description: Description | None = None
    partner: EntityId | None = None
    technology_keywords: Keywords = Field(default_factory=list)
    market_keywords: Keywords = Field(default_factory=list)
    countries: Countries = Field(default_factory=list)
    zone: Zone | None = None
    published_on: Day | None = None
    expires_on: Day | None = None
    crossed: ClassVar[tuple[Crossed, ...]] = (
        crossed("required_with", "published_on", other="expires_on"),
        crossed("within_days_after", "expires_on", other="published_on", days=731),
    )

    def check_life(self) -> None:
        """Errors: pydantic's, if it expires before it is published, or more than two years after."""
        if self.expires_on is None:
            return
        if self.published_on is None:
            raise missing("published_on", "expires_on")
        if not self.published_on < self.expires_on <= self.published_on + LIFE_MAX:
            raise inconsistent("expires_on", f"published_on={self.published_on} expires_on={self.expires_on}")


def lifecycle(stream: str, record: type[Publication]) -> tuple[EventKind, ...]:
    """Return the events of a stream of publications. What was withdrawn may be published again."""
    return (
        EventKind(stream, "published", record, True, frozenset({None, "withdrawn"}), "published"),
        EventKind(stream, "revised", record, True, frozenset({"published"}), None),
        EventKind(stream, "withdrawn", StatusChange, False, frozenset({"published"}), "withdrawn"),
    )
