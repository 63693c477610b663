"""Requests: technologies that a center's partners want."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from hub.domain.codes import lists
from hub.domain.fields import Advantages, Amount, Currency, Trl, crossed, inconsistent, one_of
from hub.domain.stream import Stream
from hub.domain.streams.publication import Publication, lifecycle


class Request(Publication):
    """A technology wanted: what it should do, how ready it should be, what may be spent."""

    expected_solution: Advantages | None = None
    partnership_kinds: Annotated[list[Annotated[str, one_of(lists.PARTNERSHIP_KINDS)]], Field(max_length=10)] = Field(
        default_factory=list
    )
    stage: Annotated[str, one_of(lists.STAGES)] | None = None
    trl_min: Trl | None = None
    budget: Amount | None = None
    budget_currency: Currency | None = None
    crossed = (
        crossed("go_together", "budget_currency", fields=["budget", "budget_currency"]),
        *Publication.crossed,
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.budget is None) != (self.budget_currency is None):
            raise inconsistent("budget_currency", "budget and budget_currency go together")
        self.check_life()
        return self


REQUEST = Stream(
    name="request",
    record=Request,
    writer="center",
    events=lifecycle("request", Request),
    references={"partner": "partner"},
    code_list_fields={"technology_keywords": "technology", "market_keywords": "market"},
)
