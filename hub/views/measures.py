"""Figures: what each entity adds to what the network counts, by month and center; and what is counted once only.

A *figure* is what one entity says for one measure: one, a number of people, or a sum of money. It stands in the month
in which its center says that it was so; where the record has no such day it stands in none, and is told apart. Money is
told as it was made; as converted only where the record has a dated rate of its own: nothing is converted in silence.

A *thing* is what a measure counts once, however many entities name it and in whatever months: an enterprise is served
in depth once a delivered service, a started project or a signed deal names it. It counts from its first month.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple

from hub.domain.entity import Entity, decimal_text
from hub.domain.exact import EXACT
from hub.views.table import Fact, FactTable, GroupTable, Held
from hub.views.view import Facts, View

UNDATED: Final = ""  # the month of a figure whose record has no day for it


class Figure(NamedTuple):
    """What an entity says for a measure. Amounts are decimals as texts, exact; `converted` by the record's own rate.

    Shapes: `at` is the key of its total; `month` is 2026-03, or 2026 for what is reported by the year, or UNDATED;
            `currency` is NULL for what is no money.
    """

    measure: str
    at: str
    center: str
    month: str
    amount: str
    currency: str | None
    converted: str | None
    converted_currency: str | None


class Counted(NamedTuple):
    """That an entity names a thing for a measure. Shapes: `at` is the key of the thing's row; `thing` is any text."""

    measure: str
    thing: str
    at: str
    center: str
    month: str


class Total(NamedTuple):
    """A measure in one month and center, and in one pair of currencies.

    Shapes: `entities` is how many entities it is of; `currency` and `converted_currency` are '' where there are none.
    """

    at: str
    currency: str
    converted_currency: str
    measure: str
    center: str
    month: str
    entities: int
    amount: str
    converted: str | None


class Once(NamedTuple):
    """A thing, counted once: from when on, and how many entities name it. `since` is UNDATED where none has a month."""

    at: str
    measure: str
    thing: str
    since: str
    entities: int


FIGURE = FactTable("figure", Figure, key=("measure",), indexes=("at",))
COUNTED = FactTable("counted", Counted, key=("measure", "thing"), indexes=("at",))

_Said = Iterator[Figure | Counted]


class _Says:
    """What one entity says, put into rows."""

    def __init__(self, entity: Entity) -> None:
        self._center = entity.center
        self.record: Mapping[str, Any] = entity.record

    def month(self, field: str) -> str:
        """Return the month of a day of the record, UNDATED where it has none."""
        value = self.record.get(field)
        day = dt.date.fromisoformat(value) if isinstance(value, str) else value
        return UNDATED if day is None else f"{day:%Y-%m}"

    def number(self, measure: str, month: str, amount: Any = 1) -> Iterator[Figure]:
        """Yield a figure that is no money; nothing where there is no number."""
        if amount is not None:
            yield self._figure(measure, month, decimal_text(Decimal(amount)), None, None, None)

    def money(self, measure: str, month: str, field: str = "amount") -> Iterator[Figure]:
        """Yield a sum in its currency and as converted at the record's own rate; nothing where there is none."""
        amount, rate = self.record.get(field), self.record.get("rate")
        if amount is None:
            return
        exact = Decimal(amount)
        converted = None if rate is None else decimal_text(EXACT.multiply(exact, Decimal(rate)))
        into = None if rate is None else self.record["rate_currency"]
        yield self._figure(measure, month, decimal_text(exact), self.record["currency"], converted, into)

    def thing(self, measure: str, thing: str | None, month: str) -> Iterator[Counted]:
        """Yield a thing that is counted once, where one is named."""
        if thing is not None:
            yield Counted(measure, thing, f"{measure}|{thing}", self._center, month)

    def _figure(self, measure: str, month: str, amount: str, *money: str | None) -> Figure:
        return Figure(measure, f"{measure}|{month}|{self._center}", self._center, month, amount, *money)


def _partner(entity: Entity, says: _Says) -> _Said:
    if entity.status == "signed":
        yield from says.number("partners_signed", says.month("partner_since"))


def _offer(entity: Entity, says: _Says) -> _Said:
    if entity.status == "published":
        yield from says.number("offers_published", says.month("published_on"))


def _request(entity: Entity, says: _Says) -> _Said:
    if entity.status == "published":
        yield from says.number("requests_published", says.month("published_on"))


def _deal(entity: Entity, says: _Says) -> _Said:
    if entity.status in ("signed", "closed"):
        signed = says.month("signed_on")
        yield from says.number("deals_signed", signed)
        yield from says.money("deals_signed_money", signed)
        yield from says.thing("enterprises_served", says.record["partner"], signed)
    if entity.status == "closed":
        yield from says.number("deals_closed", says.month("closed_on"))
        yield from says.money("deals_closed_money", says.month("closed_on"))


def _project(entity: Entity, says: _Says) -> _Said:
    if entity.status != "cancelled":
        started = says.month("started_on")
        yield from says.number("projects_started", started)
        yield from says.money("project_budgets", started)
        yield from says.number("project_people", started, says.record["people"])
        yield from says.thing("enterprises_served", says.record["partner"], started)
    if entity.status == "completed":
        yield from says.number("projects_completed", says.month("completed_on"))


def _activity(entity: Entity, says: _Says) -> _Said:
    if entity.status == "held":
        held = says.month("starts_on")
        yield from says.number("activities_held", held)
        yield from says.number("activity_attendees", held, says.record["attendees"])


def _service(entity: Entity, says: _Says) -> _Said:
    if entity.status == "delivered":
        delivered = says.month("delivered_on")
        yield from says.number("services_delivered", delivered)
        yield from says.money("service_fees", delivered)
        yield from says.thing("enterprises_served", says.record["partner"], delivered)


def _revenue(_entity: Entity, says: _Says) -> _Said:
    # A period's revenue stands in the month of its last day: until then it was being earned.
    yield from says.money("revenue", says.month("earned_on") or says.month("earned_to"))


def _investment(_entity: Entity, says: _Says) -> _Said:
    yield from says.money("investments_committed", says.month("committed_on"))
    yield from says.money("investments_disbursed", says.month("disbursed_on"), "disbursed_amount")
    yield from says.money("investments_returned", says.month("exited_on"), "proceeds")


def _output(_entity: Entity, says: _Says) -> _Said:
    year = str(says.record["year"])
    yield from says.money("output_revenue", year, "revenue")
    yield from says.money("industry_output", year, "industry_output")
    yield from says.number("output_people", year, says.record["people"])


SAID: Final[Mapping[str, Callable[[Entity, _Says], _Said]]] = {
    "partner": _partner,
    "offer": _offer,
    "request": _request,
    "deal": _deal,
    "project": _project,
    "activity": _activity,
    "service": _service,
    "revenue": _revenue,
    "investment": _investment,
    "output": _output,
}


def facts_of(entity: Entity) -> Facts:
    """Return the figures of an entity, and the things that it names."""
    said = list(SAID[entity.stream](entity, _Says(entity)))
    return {
        FIGURE: [each for each in said if isinstance(each, Figure)],
        COUNTED: [each for each in said if isinstance(each, Counted)],
    }


def totals(at: str, told: Mapping[str, Sequence[Held]]) -> Sequence[Fact]:
    """Return the totals of a measure in a month and center: one for each pair of currencies, added exactly."""
    found: dict[tuple[str, str], list[Figure]] = {}
    for held in told[FIGURE.name]:
        figure = Figure._make(held.row)
        found.setdefault((figure.currency or "", figure.converted_currency or ""), []).append(figure)
    return [_total(at, currency, into, figures) for (currency, into), figures in sorted(found.items())]


def _total(at: str, currency: str, into: str, figures: Sequence[Figure]) -> Total:
    first = figures[0]
    amount = _sum(figure.amount for figure in figures)
    converted = _sum(figure.converted or "0" for figure in figures) if into else None
    return Total(at, currency, into, first.measure, first.center, first.month, len(figures), amount, converted)


def _sum(amounts: Iterable[str]) -> str:
    total = Decimal(0)
    for amount in amounts:
        total = EXACT.add(total, Decimal(amount))
    return decimal_text(total)


def once(at: str, told: Mapping[str, Sequence[Held]]) -> Sequence[Fact]:
    """Return a thing as it is counted: from the first month in which any entity names it."""
    named = [Counted._make(held.row) for held in told[COUNTED.name]]
    if not named:
        return []
    months = sorted(each.month for each in named if each.month != UNDATED)
    return [Once(at, named[0].measure, named[0].thing, months[0] if months else UNDATED, len(named))]


TOTALS = GroupTable(
    "total",
    Total,
    key=("at", "currency", "converted_currency"),
    of=((FIGURE, "at"),),
    derive=totals,
    indexes=("measure",),
)
ONCE = GroupTable("once", Once, key=("at",), of=((COUNTED, "at"),), derive=once, indexes=("measure",))

MEASURES = View(
    name="measures",
    version=1,
    streams=frozenset(SAID),
    facts=(FIGURE, COUNTED),
    facts_of=facts_of,
    groups=(TOTALS, ONCE),
)


class Sum(NamedTuple):
    """What a measure adds up to for one center, or counts once in all of the network (`center` is '' then)."""

    measure: str
    center: str
    amount: str
    currency: str | None
    entities: int
    converted: str | None
    converted_currency: str | None


def sums(figures: Iterable[Figure], counted: Iterable[Counted]) -> list[Sum]:
    """Return what figures and things add up to over all their months, by measure, center and currencies."""
    found: dict[tuple[str, str, str, str], list[Figure]] = {}
    for figure in figures:
        key = (figure.measure, figure.center, figure.currency or "", figure.converted_currency or "")
        found.setdefault(key, []).append(figure)
    added = [
        Sum(
            measure,
            center,
            _sum(each.amount for each in told),
            currency or None,
            len(told),
            _sum(each.converted or "0" for each in told) if into else None,
            into or None,
        )
        for (measure, center, currency, into), told in found.items()
    ]
    things: dict[str, list[Counted]] = {}
    for thing in counted:
        things.setdefault(thing.measure, []).append(thing)
    added += [
        Sum(measure, "", str(len({each.thing for each in told})), None, len(told), None, None)
        for measure, told in things.items()
    ]
    return sorted(
        added, key=lambda each: (each.measure, each.center, each.currency or "", each.converted_currency or "")
    )
