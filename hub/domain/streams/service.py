"""Services: what a center does for a partner, from the opening of the case to its delivery."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, ClassVar, Self

from pydantic import model_validator

from hub.domain.codes import lists
from hub.domain.entity import Entity
from hub.domain.fields import Crossed, Day, EntityId, FieldRules, Hours, Reason, crossed, inconsistent, missing, one_of
from hub.domain.stream import EventKind, Stream
from hub.domain.streams.money import Money, money_measures


class ServiceHead(FieldRules):
    """What is done for whom."""

    kind: Annotated[str, one_of(lists.SERVICE_KINDS)]
    partner: EntityId
    project: EntityId | None = None
    deal: EntityId | None = None
    opened_on: Day
    delivered_on: Day | None = None
    hours: Hours | None = None


class Service(Money, ServiceHead):
    """A service; its `amount` is the fee, and `hours` are hours of work."""

    note: Reason | None = None
    cancelled_on: Day | None = None
    reason: Reason | None = None
    crossed: ClassVar[tuple[Crossed, ...]] = (
        *Money.crossed,
        crossed("not_before", "delivered_on", other="opened_on"),
        crossed("not_before", "cancelled_on", other="opened_on"),
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.delivered_on is not None and self.delivered_on < self.opened_on:
            raise inconsistent("delivered_on", f"opened_on={self.opened_on} delivered_on={self.delivered_on}")
        if self.cancelled_on is not None and self.cancelled_on < self.opened_on:
            raise inconsistent("cancelled_on", f"opened_on={self.opened_on} cancelled_on={self.cancelled_on}")
        return self


class ServiceDelivered(Service):
    """A delivered service says when it was."""

    crossed: ClassVar[tuple[Crossed, ...]] = (*Service.crossed, crossed("required", "delivered_on"))

    @model_validator(mode="after")
    def _check_delivered(self) -> Self:
        if self.delivered_on is None:
            raise missing("delivered_on", "service.delivered")
        return self


class ServiceCancelled(Service):
    """A cancelled service says why."""

    crossed: ClassVar[tuple[Crossed, ...]] = (*Service.crossed, crossed("required", "reason"))

    @model_validator(mode="after")
    def _check_cancelled(self) -> Self:
        if self.reason is None:
            raise missing("reason", "service.cancelled")
        return self


def contribution(entity: Entity) -> dict[str, Decimal]:
    """Count a service by its status; by its kind, with its fee and hours too, once it is delivered."""
    measures = {f"service.{entity.status}": Decimal(1)}
    if entity.status == "delivered":
        measures[f"service.kind.{entity.record['kind']}"] = Decimal(1)
        measures |= money_measures("service.delivered", entity.record["amount"], entity.record)
        if entity.record["hours"] is not None:
            measures["service.delivered.hours"] = Decimal(entity.record["hours"])
    return measures


SERVICE = Stream(
    name="service",
    record=Service,
    writer="center",
    events=(
        # There is no event that corrects: what led to a status is said again in it, with the whole record; and what
        # begins is said again in every status, which takes a wrong one back.
        EventKind("service", "opened", Service, True, frozenset({None, "opened", "delivered", "cancelled"}), "opened"),
        EventKind("service", "delivered", ServiceDelivered, True, frozenset({"opened", "delivered"}), "delivered"),
        EventKind("service", "cancelled", ServiceCancelled, True, frozenset({"opened", "cancelled"}), "cancelled"),
    ),
    contribution=contribution,
    references={"partner": "partner", "project": "project", "deal": "deal"},
)
