"""Projects: what a center incubates or runs together with others, from its start to its end."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from hub.domain.codes import lists
from hub.domain.entity import Entity
from hub.domain.fields import (
    CenterId,
    Countries,
    Crossed,
    Day,
    EntityId,
    FieldRules,
    Heads,
    Keywords,
    LanguageTag,
    Reason,
    Title,
    Trl,
    Zone,
    crossed,
    inconsistent,
    missing,
    one_of,
)
from hub.domain.stream import EventKind, Stream
from hub.domain.streams.money import Money, money_measures


class ProjectHead(FieldRules):
    """What a project is, who is in it, how far it has come. `partner` leads it on the reporting center's side."""

    title: Title
    title_en: Title | None = None
    language: LanguageTag
    kind: Annotated[str, one_of(lists.PROJECT_KINDS)]
    stage: Annotated[str, one_of(lists.PROJECT_STAGES)] | None = None
    trl: Trl | None = None
    partner: EntityId | None = None
    counterpart_center: CenterId | None = None
    offer: EntityId | None = None
    request: EntityId | None = None
    deal: EntityId | None = None
    zone: Zone | None = None
    industries: Keywords = Field(default_factory=list)
    countries: Countries = Field(default_factory=list)
    started_on: Day
    expected_end_on: Day | None = None
    milestone: Reason | None = None
    milestone_on: Day | None = None
    next_milestone: Reason | None = None
    next_milestone_on: Day | None = None
    people: Heads | None = None


class Project(Money, ProjectHead):
    """A project; its `amount` is the budget, and `people` are those engaged in it."""

    completed_on: Day | None = None
    cancelled_on: Day | None = None
    reason: Reason | None = None
    crossed: ClassVar[tuple[Crossed, ...]] = (
        *Money.crossed,
        crossed("not_before", "expected_end_on", other="started_on"),
        crossed("stands_on", "milestone_on", other="milestone"),
        crossed("stands_on", "next_milestone_on", other="next_milestone"),
        crossed("not_before", "completed_on", other="started_on"),
        crossed("not_before", "cancelled_on", other="started_on"),
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        self._check_day("expected_end_on", self.expected_end_on)
        if self.milestone_on is not None and self.milestone is None:
            raise inconsistent("milestone_on", "a day without a milestone")
        if self.next_milestone_on is not None and self.next_milestone is None:
            raise inconsistent("next_milestone_on", "a day without a milestone")
        self._check_day("completed_on", self.completed_on)
        self._check_day("cancelled_on", self.cancelled_on)
        return self

    def _check_day(self, field: str, day: Day | None) -> None:
        if day is not None and day < self.started_on:
            raise inconsistent(field, f"started_on={self.started_on} {field}={day}")


class ProjectCompleted(Project):
    """A completed project says since when it is complete."""

    crossed: ClassVar[tuple[Crossed, ...]] = (*Project.crossed, crossed("required", "completed_on"))

    @model_validator(mode="after")
    def _check_completed(self) -> Self:
        if self.completed_on is None:
            raise missing("completed_on", "project.completed")
        return self


class ProjectCancelled(Project):
    """A cancelled project says why."""

    crossed: ClassVar[tuple[Crossed, ...]] = (*Project.crossed, crossed("required", "reason"))

    @model_validator(mode="after")
    def _check_cancelled(self) -> Self:
        if self.reason is None:
            raise missing("reason", "project.cancelled")
        return self


def contribution(entity: Entity) -> dict[str, Decimal]:
    """Count a project by its status; its budget and its people too, unless it was cancelled."""
    name = f"project.{entity.status}"
    measures = {name: Decimal(1)}
    if entity.status != "cancelled":
        measures |= money_measures(name, entity.record["amount"], entity.record)
        if entity.record["people"] is not None:
            measures[f"{name}.people"] = Decimal(entity.record["people"])
    return measures


PROJECT = Stream(
    name="project",
    record=Project,
    writer="center",
    events=(
        # What led to a status is said again in it to correct the record; what was completed or cancelled by mistake, or
        # is taken up again, is started again.
        EventKind("project", "started", Project, True, frozenset({None, "completed", "cancelled"}), "started"),
        EventKind("project", "progressed", Project, True, frozenset({"started"}), None),
        EventKind("project", "completed", ProjectCompleted, True, frozenset({"started", "completed"}), "completed"),
        EventKind("project", "cancelled", ProjectCancelled, True, frozenset({"started", "cancelled"}), "cancelled"),
    ),
    contribution=contribution,
    network_fields=("counterpart_center",),
    references={"partner": "partner", "offer": "offer", "request": "request", "deal": "deal"},
    foreign_fields=frozenset({"counterpart_center"}),
    code_list_fields={"industries": "industry"},
)
