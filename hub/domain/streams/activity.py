"""Activities: exhibitions, promotions, roadshows, talks, delegations and trainings, with how many came."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from hub.domain.codes import lists
from hub.domain.entity import Entity
from hub.domain.fields import (
    CenterId,
    Country,
    Crossed,
    Day,
    EntityId,
    FieldRules,
    Heads,
    Keywords,
    LanguageTag,
    Reason,
    Title,
    crossed,
    inconsistent,
    missing,
    one_of,
)
from hub.domain.stream import EventKind, Stream


class Activity(FieldRules):
    """An activity. `attendees` are people, `organisations` those that they came from, `meetings` the talks of two."""

    title: Title
    title_en: Title | None = None
    language: LanguageTag
    kind: Annotated[str, one_of(lists.ACTIVITY_KINDS)]
    format: Annotated[str, one_of(lists.ACTIVITY_FORMATS)]
    country: Country | None = None
    city: Title | None = None
    starts_on: Day | None = None
    ends_on: Day | None = None
    partner: EntityId | None = None
    counterpart_center: CenterId | None = None
    offer: EntityId | None = None
    request: EntityId | None = None
    project: EntityId | None = None
    industries: Keywords = Field(default_factory=list)
    attendees: Heads | None = None
    organisations: Heads | None = None
    meetings: Heads | None = None
    cancelled_on: Day | None = None
    reason: Reason | None = None
    crossed: ClassVar[tuple[Crossed, ...]] = (
        crossed("required_unless", "country", other="format", value="online"),
        crossed("not_before", "ends_on", other="starts_on"),
        crossed("at_most", "organisations", other="attendees"),
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.country is None and self.format != "online":
            raise missing("country", f"format={self.format}")
        if self.ends_on is not None and (self.starts_on is None or self.ends_on < self.starts_on):
            raise inconsistent("ends_on", f"starts_on={self.starts_on} ends_on={self.ends_on}")
        if self.organisations is not None and (self.attendees is None or self.organisations > self.attendees):
            raise inconsistent("organisations", f"attendees={self.attendees} organisations={self.organisations}")
        return self


class ActivityHeld(Activity):
    """An activity that was held says when, and how many came."""

    crossed: ClassVar[tuple[Crossed, ...]] = (
        *Activity.crossed,
        crossed("required", "starts_on"),
        crossed("required", "attendees"),
        crossed("required", "organisations"),
    )

    @model_validator(mode="after")
    def _check_held(self) -> Self:
        if self.starts_on is None:
            raise missing("starts_on", "activity.held")
        if self.attendees is None:
            raise missing("attendees", "activity.held")
        if self.organisations is None:
            raise missing("organisations", "activity.held")
        return self


class ActivityCancelled(Activity):
    """A cancelled activity says why."""

    crossed: ClassVar[tuple[Crossed, ...]] = (*Activity.crossed, crossed("required", "reason"))

    @model_validator(mode="after")
    def _check_cancelled(self) -> Self:
        if self.reason is None:
            raise missing("reason", "activity.cancelled")
        return self


def contribution(entity: Entity) -> dict[str, Decimal]:
    """Count an activity by its status; by its kind and with those who came too, once it was held."""
    measures = {f"activity.{entity.status}": Decimal(1)}
    if entity.status == "held":
        measures[f"activity.kind.{entity.record['kind']}"] = Decimal(1)
        for name in ("attendees", "organisations", "meetings"):
            if entity.record[name] is not None:
                measures[f"activity.held.{name}"] = Decimal(entity.record[name])
    return measures


ACTIVITY = Stream(
    name="activity",
    record=Activity,
    writer="center",
    events=(
        # There is no event that corrects: what led to a status is said again in it, with the whole record; and what
        # begins is said again in every status, which takes a wrong one back.
        EventKind(
            "activity", "scheduled", Activity, True, frozenset({None, "scheduled", "held", "cancelled"}), "scheduled"
        ),
        EventKind("activity", "held", ActivityHeld, True, frozenset({"scheduled", "held"}), "held"),
        EventKind("activity", "cancelled", ActivityCancelled, True, frozenset({"scheduled", "cancelled"}), "cancelled"),
    ),
    contribution=contribution,
    network_fields=("counterpart_center",),
    references={"partner": "partner", "offer": "offer", "request": "request", "project": "project"},
    foreign_fields=frozenset({"counterpart_center"}),
    code_list_fields={"industries": "industry"},
)
