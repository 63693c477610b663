"""Investments: money that goes into a project, from the commitment to the exit."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from hub.domain.codes import lists
from hub.domain.entity import Entity
from hub.domain.fields import Amount, Crossed, Day, EntityId, FieldRules, Reason, crossed, inconsistent, missing, one_of
from hub.domain.stream import EventKind, Stream
from hub.domain.streams.money import Paid, money_measures


class InvestmentHead(FieldRules):
    """Into what, and how. `partner` is the investor, where that is one of the center's partners."""

    project: EntityId
    partner: EntityId | None = None
    instrument: Annotated[str, one_of(lists.INSTRUMENTS)]
    tranche: Annotated[int, Field(ge=1, le=999)] | None = None


class Investment(Paid, InvestmentHead):
    """An investment; its `amount` is what was committed.

    `disbursed_amount` is all that was paid out until `disbursed_on`, and `proceeds` all that has come back, both in the
    currency of the amount and converted at its rate. Who keeps a rate for each tranche reports each as one investment.
    """

    committed_on: Day
    disbursed_amount: Amount | None = None
    disbursed_on: Day | None = None
    proceeds: Amount | None = None
    exited_on: Day | None = None
    note: Reason | None = None
    crossed: ClassVar[tuple[Crossed, ...]] = (
        *Paid.crossed,
        crossed("go_together", "disbursed_amount", fields=["disbursed_amount", "disbursed_on"]),
        crossed("at_most", "disbursed_amount", other="amount"),
        crossed("not_before", "disbursed_on", other="committed_on"),
        crossed("stands_on", "proceeds", other="exited_on"),
        crossed("not_before", "exited_on", other="committed_on"),
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.disbursed_amount is None) != (self.disbursed_on is None):
            raise inconsistent("disbursed_amount", "disbursed_amount and disbursed_on go together")
        if self.disbursed_amount is not None and self.disbursed_amount > self.amount:
            raise inconsistent("disbursed_amount", f"amount={self.amount} disbursed_amount={self.disbursed_amount}")
        self._check_day("disbursed_on", self.disbursed_on)
        if self.proceeds is not None and self.exited_on is None:
            raise inconsistent("proceeds", "proceeds without the day of the exit")
        self._check_day("exited_on", self.exited_on)
        return self

    def _check_day(self, field: str, day: Day | None) -> None:
        if day is not None and day < self.committed_on:
            raise inconsistent(field, f"committed_on={self.committed_on} {field}={day}")


class InvestmentDisbursed(Investment):
    """A disbursed investment says how much was paid out so far, and when the last of it was."""

    crossed: ClassVar[tuple[Crossed, ...]] = (*Investment.crossed, crossed("required", "disbursed_amount"))

    @model_validator(mode="after")
    def _check_disbursed(self) -> Self:
        if self.disbursed_amount is None:
            raise missing("disbursed_amount", "investment.disbursed")
        return self


class InvestmentExited(Investment):
    """An investment that was left says when."""

    crossed: ClassVar[tuple[Crossed, ...]] = (*Investment.crossed, crossed("required", "exited_on"))

    @model_validator(mode="after")
    def _check_exited(self) -> Self:
        if self.exited_on is None:
            raise missing("exited_on", "investment.exited")
        return self


def contribution(entity: Entity) -> dict[str, Decimal]:
    """Count an investment by its status, with what was committed; and what was paid out and came back, whatever it is.

    Each figure is told as it was made and as converted at the rate of the record.
    """
    name, record = f"investment.{entity.status}", entity.record
    measures = {name: Decimal(1)}
    measures |= money_measures(name, record["amount"], record)
    measures |= money_measures("investment.paid_out", record["disbursed_amount"], record)
    return measures | money_measures("investment.returned", record["proceeds"], record)


INVESTMENT = Stream(
    name="investment",
    record=Investment,
    writer="center",
    events=(
        # There is no event that corrects: what led to a status is said again in it, with the whole record; and what
        # begins is said again in every status, which takes a wrong one back.
        # Each further payment is `disbursed` again; the sum is no growing field, or one that was written too high could
        # not be put right.
        EventKind(
            "investment",
            "committed",
            Investment,
            True,
            frozenset({None, "committed", "disbursed", "exited"}),
            "committed",
        ),
        EventKind(
            "investment", "disbursed", InvestmentDisbursed, True, frozenset({"committed", "disbursed"}), "disbursed"
        ),
        EventKind(
            "investment", "exited", InvestmentExited, True, frozenset({"committed", "disbursed", "exited"}), "exited"
        ),
    ),
    contribution=contribution,
    references={"project": "project", "partner": "partner"},
)
