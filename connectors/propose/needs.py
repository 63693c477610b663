"""Fields that a row may not say without another: a sheet that has one alone would have all its rows refused. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Final

from connectors.propose.facts import StreamFacts

# What the streams' records demand, whatever a row's other fields say.
NEEDS: Final[Mapping[str, tuple[str, ...]]] = {
    "expires_on": ("published_on",),
    "amount": ("currency",),
    "currency": ("amount",),
    "budget": ("budget_currency",),
    "budget_currency": ("budget",),
    "rate": ("amount", "rate_currency", "rate_on"),
    "rate_currency": ("rate",),
    "rate_on": ("rate",),
    "closed_on": ("signed_on",),
    "milestone_on": ("milestone",),
    "next_milestone_on": ("next_milestone",),
    "ends_on": ("starts_on",),
    "organisations": ("attendees",),
    "earned_from": ("earned_to",),
    "earned_to": ("earned_from",),
    "disbursed_amount": ("disbursed_on",),
    "disbursed_on": ("disbursed_amount",),
    "proceeds": ("exited_on",),
    "revenue": ("currency",),
    "industry_output": ("currency",),
}


def lacking(facts: StreamFacts, read: Collection[str], open_: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield each field that is read with one that it needs, and that is neither read nor asked about already."""
    known = {field.path for field in facts.fields}
    for path, needed in NEEDS.items():
        if path in read:
            yield from (
                (path, other) for other in needed if other in known and other not in read and other not in open_
            )
