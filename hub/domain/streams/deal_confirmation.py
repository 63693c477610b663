"""The other side's word on a deal. It is an entity of its own, because every fact has one writer."""

from __future__ import annotations

from typing import Self

from pydantic import model_validator

from hub.domain.fields import Amount, Currency, EntityId, FieldRules, Reason, crossed, inconsistent
from hub.domain.stream import EventKind, Stream


class DealConfirmation(FieldRules):
    """What the counterpart's center says of the deal `deal`, with the amount as the counterpart has it."""

    deal: EntityId
    note: Reason | None = None
    amount: Amount | None = None
    currency: Currency | None = None
    crossed = (crossed("go_together", "currency", fields=["amount", "currency"]),)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.amount is None) != (self.currency is None):
            raise inconsistent("currency", "amount and currency go together")
        return self


# A center may change its mind, and its word may come before the deal's own news: any order is legal.
_ALWAYS = frozenset({None, "given", "disputed"})

DEAL_CONFIRMATION = Stream(
    name="deal_confirmation",
    record=DealConfirmation,
    writer="center",
    events=(
        EventKind("deal_confirmation", "given", DealConfirmation, True, _ALWAYS, "given"),
        EventKind("deal_confirmation", "disputed", DealConfirmation, True, _ALWAYS, "disputed"),
    ),
    references={"deal": "deal"},
    foreign_fields=frozenset({"deal"}),
)
