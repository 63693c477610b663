"""Money as every stream says it: an amount in its currency, and the dated rate that it was converted at, beside it."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, ClassVar, Final, Protocol, Self

from pydantic import model_validator

from hub.domain.exact import EXACT
from hub.domain.fields import Amount, Crossed, Currency, Day, FieldRules, Rate, crossed, inconsistent

_PLACES: Final = Decimal("0.0001")  # the board counts in the places that amounts have

RATE_RULE: Final = crossed("go_together", "rate", fields=["rate", "rate_currency", "rate_on"])
MONEY_RULES: Final[tuple[Crossed, ...]] = (
    crossed("go_together", "currency", fields=["amount", "currency"]),
    RATE_RULE,
    crossed("stands_on", "rate", other="amount"),
)


class Rated(Protocol):
    """A record that says at what rate its sums were converted."""

    @property
    def rate(self) -> Decimal | None: ...  # noqa: D102
    @property
    def rate_currency(self) -> str | None: ...  # noqa: D102
    @property
    def rate_on(self) -> Any: ...  # noqa: D102


class Sum(Rated, Protocol):
    """A record that has one sum of money."""

    @property
    def amount(self) -> Decimal | None: ...  # noqa: D102
    @property
    def currency(self) -> str | None: ...  # noqa: D102


def check_rate(record: Rated) -> None:
    """Errors: pydantic's, if only a part of the dated rate is given (`RATE_RULE`)."""
    given = (record.rate is not None) + (record.rate_currency is not None) + (record.rate_on is not None)
    if given not in (0, 3):
        raise inconsistent("rate", "rate, rate_currency and rate_on go together")


def check_money(record: Sum) -> None:
    """Errors: pydantic's, if one of `MONEY_RULES` is broken."""
    if (record.amount is None) != (record.currency is None):
        raise inconsistent("currency", "amount and currency go together")
    check_rate(record)
    if record.rate is not None and record.amount is None:
        raise inconsistent("rate", "a rate without an amount")


class Money(FieldRules):
    """A sum. `rate` converts `amount` into `rate_currency`, as of `rate_on`; it is kept with the figure.

    A record has its fields in the order in which it names its classes from the last one on: what it is about, its
    money, what became of it (`class Project(Money, ProjectHead)`).
    """

    amount: Amount | None = None
    currency: Currency | None = None
    rate: Rate | None = None
    rate_currency: Currency | None = None
    rate_on: Day | None = None
    crossed: ClassVar[tuple[Crossed, ...]] = MONEY_RULES

    @model_validator(mode="after")
    def _check_money(self) -> Self:
        check_money(self)
        return self


class Paid(Money):
    """A sum without which the record says nothing."""

    amount: Amount
    currency: Currency


def money_measures(name: str, amount: Decimal | str | None, record: Mapping[str, Any]) -> dict[str, Decimal]:
    """Return a sum as it was made, `<name>.amount.<currency>`, and as it was converted, `<name>.converted.<currency>`.

    Shapes: nothing for an amount that is not given; the record has the currency and the rate of it.
    """
    if amount is None:
        return {}
    # As text it has lost the zeros at its end; a measure is written with all places, whatever form is at hand.
    exact = Decimal(amount).quantize(_PLACES, context=EXACT)
    measures = {f"{name}.amount.{record['currency']}": exact}
    if record["rate"] is not None:
        converted = EXACT.multiply(exact, Decimal(record["rate"])).quantize(_PLACES, context=EXACT)
        measures[f"{name}.converted.{record['rate_currency']}"] = converted
    return measures
