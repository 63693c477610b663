"""Revenue: money that a center has earned, and what it earned it by."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, ClassVar, Self

from pydantic import model_validator

from hub.domain.codes import lists
from hub.domain.entity import Entity
from hub.domain.fields import Crossed, Day, EntityId, FieldRules, Number, Reason, crossed, inconsistent, missing, one_of
from hub.domain.stream import EventKind, Stream
from hub.domain.streams.money import Paid, money_measures


class RevenueHead(FieldRules):
    """By which of the network's sources of income it was earned."""

    kind: Annotated[str, one_of(lists.REVENUE_KINDS)]


class Revenue(Paid, RevenueHead):
    """Money earned: on one day, or in a period from its first to its last day."""

    earned_on: Day | None = None
    earned_from: Day | None = None
    earned_to: Day | None = None
    partner: EntityId | None = None
    deal: EntityId | None = None
    service: EntityId | None = None
    project: EntityId | None = None
    document_number: Number | None = None
    note: Reason | None = None
    crossed: ClassVar[tuple[Crossed, ...]] = (
        *Paid.crossed,
        crossed("any_of", "earned_on", fields=["earned_on", "earned_from", "earned_to"]),
        crossed("go_together", "earned_to", fields=["earned_from", "earned_to"]),
        crossed("at_most_one", "earned_on", fields=["earned_on", "earned_from"]),
        crossed("not_before", "earned_to", other="earned_from"),
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.earned_on is None and self.earned_from is None and self.earned_to is None:
            raise missing("earned_on", "earned_on, or earned_from and earned_to")
        if (self.earned_from is None) != (self.earned_to is None):
            raise inconsistent("earned_to", "earned_from and earned_to go together")
        if self.earned_on is not None and self.earned_from is not None:
            raise inconsistent("earned_on", "a day, or a period")
        if self.earned_to is not None and self.earned_from is not None and self.earned_to < self.earned_from:
            raise inconsistent("earned_to", f"earned_from={self.earned_from} earned_to={self.earned_to}")
        return self


def contribution(entity: Entity) -> dict[str, Decimal]:
    """Count a revenue by its status and its kind, and its money by its status."""
    name = f"revenue.{entity.status}"
    measures = {name: Decimal(1), f"revenue.kind.{entity.record['kind']}": Decimal(1)}
    return measures | money_measures(name, entity.record["amount"], entity.record)


REVENUE = Stream(
    name="revenue",
    record=Revenue,
    writer="center",
    events=(
        EventKind("revenue", "recorded", Revenue, True, frozenset({None}), "recorded"),
        EventKind("revenue", "corrected", Revenue, True, frozenset({"recorded"}), None),
    ),
    contribution=contribution,
    references={"partner": "partner", "deal": "deal", "service": "service", "project": "project"},
)
