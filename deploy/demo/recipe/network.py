"""Everything that several centers' recipes need: the sources, the deals, how amounts and dates are written."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from recipe.deals import Confirmation, Deal
from recipe.sources import Row, Sources

ROR_KINDS = {"Education": "university", "Company": "enterprise", "Nonprofit": "service_firm"}


class Network:
    """The sources and what lies between the centers."""

    def __init__(self, sources: Sources, deals: list[Deal], confirmations: list[Confirmation]) -> None:
        self.sources = sources
        self._deals = deals
        self._confirmations = confirmations

    def deals(self, center: str) -> list[Deal]:
        """Return the deals that a center opened."""
        return [deal for deal in self._deals if deal.center == center]

    def confirmations(self, center: str) -> list[Confirmation]:
        """Return what a center says of the others' deals."""
        return [word for word in self._confirmations if word.center == center]

    def organisations(self, *countries: str) -> list[tuple[str, str, str]]:
        """Return the ROR organisations of some countries: name, country, type."""
        return [entry for entry in self.sources.ror if entry[1] in countries]

    def companies(self, *countries: str) -> list[Row]:
        """Return the LEI companies of some countries."""
        return [row for row in self.sources.lei if row["country"] in countries]

    def nasa(self) -> tuple[list[Row], list[Row]]:
        """Return the patents in two halves."""
        half = len(self.sources.nasa) // 2
        return self.sources.nasa[:half], self.sources.nasa[half:]


def russian_amount(amount: Decimal) -> str:
    """Return an amount as `1 250 000,50`, with no-break spaces as spreadsheets put them."""
    return f"{amount:,.2f}".replace(",", "\u00a0").replace(".", ",")


def russian_date(day: dt.date | None) -> str:
    """Return a day as `31.05.2024`."""
    return "" if day is None else day.strftime("%d.%m.%Y")


def iso(day: dt.date | None) -> str:
    """Return a day as `2024-05-31`."""
    return "" if day is None else day.isoformat()
