"""Deals: technology contracts, told by the center that opened them."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, ClassVar, Self

from pydantic import model_validator

from hub.domain.codes import lists
from hub.domain.entity import Entity
from hub.domain.fields import (
    Amount,
    CenterId,
    Crossed,
    Currency,
    Day,
    EntityId,
    FieldRules,
    LanguageTag,
    Number,
    Rate,
    Reason,
    Title,
    crossed,
    inconsistent,
    missing,
    one_of,
)
from hub.domain.stream import EventKind, Stream
from hub.domain.streams.money import MONEY_RULES, check_money, money_measures


class Deal(FieldRules):
    """A contract. `rate` converts `amount` into `rate_currency`, as of `rate_on`; it is kept with the figure.

    Every event of a deal changes fields (a date, the final amount), so every one carries the whole record.
    """

    title: Title
    title_en: Title | None = None
    language: LanguageTag
    kind: Annotated[str, one_of(lists.DEAL_KINDS)]
    payment: Annotated[str, one_of(lists.PAYMENTS)] | None = None
    amount: Amount | None = None
    currency: Currency | None = None
    rate: Rate | None = None
    rate_currency: Currency | None = None
    rate_on: Day | None = None
    registration_number: Number | None = None
    offer: EntityId | None = None
    request: EntityId | None = None
    partner: EntityId | None = None
    counterpart_center: CenterId | None = None
    signed_on: Day | None = None
    closed_on: Day | None = None
    reason: Reason | None = None
    crossed: ClassVar[tuple[Crossed, ...]] = (
        *MONEY_RULES,
        crossed("not_before", "closed_on", other="signed_on"),
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_money(self)
        if self.closed_on is not None and (self.signed_on is None or self.closed_on < self.signed_on):
            raise inconsistent("closed_on", f"signed_on={self.signed_on} closed_on={self.closed_on}")
        return self


class DealSigned(Deal):
    """A signed deal says when it was signed."""

    crossed: ClassVar[tuple[Crossed, ...]] = (*Deal.crossed, crossed("required", "signed_on"))

    @model_validator(mode="after")
    def _check_signed(self) -> Self:
        if self.signed_on is None:
            raise missing("signed_on", "deal.signed")
        return self


class DealClosed(DealSigned):
    """A closed deal was concluded and paid as agreed, on a day."""

    crossed: ClassVar[tuple[Crossed, ...]] = (*DealSigned.crossed, crossed("required", "closed_on"))

    @model_validator(mode="after")
    def _check_closed(self) -> Self:
        if self.closed_on is None:
            raise missing("closed_on", "deal.closed")
        return self


def contribution(entity: Entity) -> dict[str, Decimal]:
    """Count a deal by its status; its money too, once it is signed, as it was made and as it was converted."""
    measures = {f"deal.{entity.status}": Decimal(1)}
    if entity.status in ("signed", "closed"):
        measures |= money_measures(f"deal.{entity.status}", entity.record["amount"], entity.record)
    return measures


DEAL = Stream(
    name="deal",
    record=Deal,
    writer="center",
    events=(
        EventKind("deal", "opened", Deal, True, frozenset({None}), "opened"),
        EventKind("deal", "amended", Deal, True, frozenset({"opened", "signed"}), None),
        EventKind("deal", "signed", DealSigned, True, frozenset({"opened"}), "signed"),
        EventKind("deal", "closed", DealClosed, True, frozenset({"signed"}), "closed"),
        EventKind("deal", "terminated", Deal, True, frozenset({"opened", "signed"}), "terminated"),
    ),
    contribution=contribution,
    network_fields=("counterpart_center",),
    references={"offer": "offer", "request": "request", "partner": "partner"},
    foreign_fields=frozenset({"counterpart_center"}),
)
