"""Output: what a partner or a project brought about in one year."""

from __future__ import annotations

from decimal import Decimal
from typing import ClassVar, Self

from pydantic import model_validator

from hub.domain.entity import Entity
from hub.domain.fields import (
    Amount,
    Crossed,
    Currency,
    Day,
    EntityId,
    FieldRules,
    Heads,
    Rate,
    Reason,
    Year,
    crossed,
    inconsistent,
    missing,
)
from hub.domain.stream import EventKind, Stream
from hub.domain.streams.money import RATE_RULE, check_rate, money_measures


class Output(FieldRules):
    """One year of one partner or one project: its revenue, its industry output, how many people it engaged.

    Both sums are in `currency`; `rate` converts them into `rate_currency`, as of `rate_on`.
    """

    partner: EntityId | None = None
    project: EntityId | None = None
    year: Year
    revenue: Amount | None = None
    industry_output: Amount | None = None
    currency: Currency | None = None
    rate: Rate | None = None
    rate_currency: Currency | None = None
    rate_on: Day | None = None
    people: Heads | None = None
    note: Reason | None = None
    crossed: ClassVar[tuple[Crossed, ...]] = (
        crossed("any_of", "partner", fields=["partner", "project"]),
        crossed("at_most_one", "project", fields=["partner", "project"]),
        crossed("any_of", "revenue", fields=["revenue", "industry_output", "people"]),
        crossed("required_with", "currency", other="revenue"),
        crossed("required_with", "currency", other="industry_output"),
        crossed("stands_on_any", "currency", fields=["revenue", "industry_output"]),
        RATE_RULE,
        crossed("stands_on", "rate", other="currency"),
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.partner is None and self.project is None:
            raise missing("partner", "partner or project")
        if self.partner is not None and self.project is not None:
            raise inconsistent("project", "a partner's or a project's")
        has_money = self.revenue is not None or self.industry_output is not None
        if not has_money and self.people is None:
            raise missing("revenue", "revenue, industry_output or people")
        if has_money and self.currency is None:
            raise missing("currency", "revenue or industry_output")
        if self.currency is not None and not has_money:
            raise inconsistent("currency", "a currency without an amount")
        check_rate(self)
        if self.rate is not None and self.currency is None:
            raise inconsistent("rate", "a rate without an amount")
        return self


def contribution(entity: Entity) -> dict[str, Decimal]:
    """Count an output by its status, with its two sums and its people."""
    record = entity.record
    measures = {f"output.{entity.status}": Decimal(1)}
    measures |= money_measures("output.revenue", record["revenue"], record)
    measures |= money_measures("output.industry_output", record["industry_output"], record)
    if record["people"] is not None:
        measures["output.people"] = Decimal(record["people"])
    return measures


OUTPUT = Stream(
    name="output",
    record=Output,
    writer="center",
    events=(
        EventKind("output", "reported", Output, True, frozenset({None}), "reported"),
        EventKind("output", "corrected", Output, True, frozenset({"reported"}), None),
    ),
    contribution=contribution,
    references={"partner": "partner", "project": "project"},
)
