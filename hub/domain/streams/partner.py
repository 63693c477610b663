"""Partners: enterprises, institutes, universities, investors and service firms that a center works with."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import Field

from hub.domain.codes import lists
from hub.domain.entity import Entity
from hub.domain.fields import (
    Country,
    Day,
    FieldRules,
    Keywords,
    LanguageTag,
    Latin,
    Lei,
    Number,
    Sealed,
    Title,
    Web,
    Zone,
    one_of,
)
from hub.domain.stream import EventKind, StatusChange, Stream


class PartnerV1(FieldRules):
    """An organisation, never a person. `name` is the legal name in its original script."""

    kind: Annotated[str, one_of(lists.PARTNER_KINDS)]
    name: Title
    name_latin: Latin | None = None
    name_language: LanguageTag | None = None
    country: Country
    city: Title | None = None
    registration_number: Number | None = None
    lei: Lei | None = None
    size: Annotated[str, one_of(lists.PARTNER_SIZES)] | None = None
    founded_year: Annotated[int, Field(ge=1000, le=2200)] | None = None
    website: Web | None = None
    zone: Zone | None = None
    industries: Keywords = Field(default_factory=list)
    partner_since: Day | None = None


class Partner(PartnerV1):
    """An organisation, and whom its center talks to there: that is a person, and only the center can read it."""

    contact: Sealed | None = None


def contribution(entity: Entity) -> dict[str, Decimal]:
    """Count a partner by its status, and by its kind while it is with us."""
    measures = {f"partner.{entity.status}": Decimal(1)}
    if entity.status != "ended":
        measures[f"partner.kind.{entity.record['kind']}"] = Decimal(1)
    return measures


PARTNER = Stream(
    name="partner",
    record=Partner,
    writer="center",
    events=(
        # An ended partner may come back: the same firm keeps its id.
        EventKind("partner", "registered", Partner, True, frozenset({None, "ended"}), "registered", version=2),
        EventKind("partner", "registered", PartnerV1, True, frozenset({None, "ended"}), "registered"),
        EventKind("partner", "revised", Partner, True, frozenset({"registered", "signed"}), None, version=2),
        EventKind("partner", "revised", PartnerV1, True, frozenset({"registered", "signed"}), None),
        EventKind("partner", "signed", StatusChange, False, frozenset({"registered"}), "signed"),
        EventKind("partner", "ended", StatusChange, False, frozenset({"registered", "signed"}), "ended"),
    ),
    contribution=contribution,
    code_list_fields={"industries": "industry"},
)
