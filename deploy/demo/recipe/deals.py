"""Deals between the five centers: each opens some, the other side confirms or disputes them. All invented."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

CENTERS: Final = ("uz", "kz", "tj", "pk", "by")
PER_CENTER: Final = 32
_KINDS: Final = ("licence", "service", "development", "transfer", "consulting", "joint_venture", "equity")
_PAYMENTS: Final = ("lump_sum_once", "lump_sum_instalments", "royalty", "royalty_entry_fee")
_CURRENCIES: Final = {"uz": "UZS", "kz": "KZT", "tj": "TJS", "pk": "PKR", "by": "BYN"}
_STATUSES: Final = ("signed", "closed", "opened", "closed", "signed", "terminated", "closed", "opened")


@dataclass(frozen=True)
class Deal:
    """One contract as its opener's sheet has it."""

    center: str
    number: str
    counterpart: str
    kind: str
    payment: str
    amount: Decimal
    currency: str
    status: str
    reported_on: dt.date
    signed_on: dt.date | None
    closed_on: dt.date | None


@dataclass(frozen=True)
class Confirmation:
    """What the counterpart's sheet says of it."""

    center: str
    number: str
    deal_center: str
    deal_number: str
    verdict: str
    amount: Decimal
    currency: str


def make_deals() -> list[Deal]:
    """Return all deals, by opener."""
    found = []
    for place, center in enumerate(CENTERS):
        for number in range(PER_CENTER):
            step = place * 37 + number * 11
            counterpart = CENTERS[(place + 1 + number % (len(CENTERS) - 1)) % len(CENTERS)]
            status = _STATUSES[(number + place) % len(_STATUSES)]
            signed = dt.date(2024, 3, 1) + dt.timedelta(days=step * 5 % 700)
            closed = signed + dt.timedelta(days=60 + step % 200)
            found.append(
                Deal(
                    center=center,
                    number=f"{2024 + number % 3}/{number + 1:03}",
                    counterpart=counterpart,
                    kind=_KINDS[(number + place) % len(_KINDS)],
                    payment=_PAYMENTS[number % len(_PAYMENTS)],
                    amount=Decimal(1_250_000 + step * 48_730) / (1 if number % 2 else 4),
                    currency="USD" if number % 4 == 0 else _CURRENCIES[center],
                    status=status,
                    reported_on=(closed if status == "closed" else signed) + dt.timedelta(days=2),
                    signed_on=signed if status in ("signed", "closed") else None,
                    closed_on=closed if status == "closed" else None,
                )
            )
    return found


def make_confirmations(deals: list[Deal]) -> list[Confirmation]:
    """Return the counterparts' word on two of three deals; every eighth disputes the amount."""
    found = []
    for number, deal in enumerate(d for i, d in enumerate(deals) if i % 3 != 2):
        disputed = number % 8 == 5
        found.append(
            Confirmation(
                center=deal.counterpart,
                number=f"C-{number + 1:03}",
                deal_center=deal.center,
                deal_number=deal.number,
                verdict="disputed" if disputed else "given",
                amount=deal.amount * 9 / 10 if disputed else deal.amount,
                currency=deal.currency,
            )
        )
    return found
