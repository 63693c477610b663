"""Figures are exact, dated by what their centers say, and list what they are of; what counts once counts once."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from itertools import permutations
from typing import Any

import pytest

from hub.domain.catalogue import STREAMS
from hub.domain.entity import Entity
from hub.domain.rules import complete
from hub.views.measures import MEASURES, ONCE, SAID, TOTALS, UNDATED, Once, Total, facts_of
from hub.views.table import Held
from hub.views.view import derived, key_of

MARCH, MAY = dt.date(2026, 3, 31), dt.date(2026, 5, 1)


def entity(stream: str, entity_id: str, status: str, **record: Any) -> Entity:
    """Return an entity whose record has these fields, and the others as they are by default."""
    whole = complete(STREAMS[stream].events[0], record)
    return Entity(stream, entity_id, entity_id.partition(":")[0], status, 1, "", whole)


def counted(*entities: Entity) -> tuple[list[Total], list[Once]]:
    """Return what these entities add up to."""
    facts = {
        table.name: [
            Held(key_of(each.stream, each.id), fact) for each in entities for fact in facts_of(each).get(table, ())
        ]
        for table in MEASURES.facts
    }
    found = derived(MEASURES, facts)
    return [Total._make(row) for row in found[TOTALS.name]], [Once._make(row) for row in found[ONCE.name]]


def revenue(entity_id: str, amount: str, rate: str | None = None, **record: Any) -> Entity:
    """Return a revenue in som."""
    dated = {} if rate is None else {"rate": Decimal(rate), "rate_currency": "CNY", "rate_on": MARCH}
    told = {"kind": "sales_commission", "amount": Decimal(amount), "currency": "UZS", **dated}
    return entity("revenue", entity_id, "recorded", **told, **(record or {"earned_on": MARCH}))


def test_money_is_added_exactly_and_converted_only_at_its_own_rate() -> None:
    totals, _ = counted(
        revenue("uz:1", "0.1000", "0.00054321"),
        revenue("uz:2", "0.2000", "0.00054321"),
        revenue("uz:3", "999999999999999.9999"),
    )
    assert [(t.currency, t.converted_currency, t.entities, t.amount, t.converted) for t in totals] == [
        ("UZS", "", 1, "999999999999999.9999", None),
        ("UZS", "CNY", 2, "0.3", "0.000162963"),
    ]
    assert {(t.measure, t.center, t.month) for t in totals} == {("revenue", "uz", "2026-03")}


def test_month_is_what_the_center_says_and_never_a_guess() -> None:
    told = [
        revenue("uz:1", "1", earned_on=MARCH),
        revenue("uz:2", "2", earned_from=MARCH, earned_to=MAY),
        entity("offer", "uz:3", "published", title="A", language="en"),
        entity("output", "uz:4", "reported", year=2025, people=12, partner="uz:P"),
    ]
    totals, _ = counted(*told)
    assert {(total.measure, total.month) for total in totals} == {
        ("revenue", "2026-03"),
        ("revenue", "2026-05"),
        ("offers_published", UNDATED),
        ("output_people", "2025"),
    }


def served(partner: str) -> list[Entity]:
    """Return three entities that name a partner whom the network serves in depth."""
    return [
        entity("service", "uz:S", "delivered", kind="ip", partner=partner, opened_on=MARCH, delivered_on=MAY),
        entity(
            "project", "uz:J", "started", title="A", language="en", kind="incubation", partner=partner, started_on=MARCH
        ),
        entity("deal", "uz:D", "signed", title="A", language="en", kind="licence", partner=partner, signed_on=MAY),
    ]


def test_an_enterprise_that_is_served_in_many_ways_counts_once_from_its_first_month() -> None:
    for order in permutations(served("uz:P-1")):
        _, things = counted(*order)
        assert things == [Once("enterprises_served|uz:P-1", "enterprises_served", "uz:P-1", "2026-03", 3)]


@pytest.mark.parametrize(
    "told",
    [
        entity("service", "uz:S", "opened", kind="ip", partner="uz:P", opened_on=MARCH),
        entity("service", "uz:S", "cancelled", kind="ip", partner="uz:P", opened_on=MARCH, delivered_on=MAY),
        entity(
            "project",
            "uz:J",
            "cancelled",
            title="A",
            language="en",
            kind="incubation",
            partner="uz:P",
            started_on=MARCH,
        ),
        entity("deal", "uz:D", "opened", title="A", language="en", kind="licence", partner="uz:P"),
        entity("deal", "uz:D", "terminated", title="A", language="en", kind="licence", partner="uz:P", signed_on=MAY),
        entity("activity", "uz:A", "scheduled", title="A", language="en", kind="talks", format="online", attendees=5),
        entity("offer", "uz:K", "withdrawn", title="A", language="en", published_on=MARCH),
    ],
)
def test_what_has_not_happened_or_was_taken_back_adds_nothing(told: Entity) -> None:
    assert counted(told) == ([], [])


def test_measures_of_two_centers_and_months_stand_apart() -> None:
    totals, _ = counted(*[revenue(f"{name}:{n}", "1") for name in ("uz", "kz") for n in range(3)])
    assert {(total.center, total.entities) for total in totals} == {("uz", 3), ("kz", 3)}
    assert set(SAID) < set(STREAMS)
