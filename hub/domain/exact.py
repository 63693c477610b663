"""Sums of decimals, exact: Python's usual context keeps 28 digits of a result, and tells nobody what it rounds away."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, MutableMapping
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Final, TypeVar

ZERO: Final = Decimal(0)

# A measure has at most 60 digits on each side of its point (MEASURE_FORM of hub/store/sql_commit.py), and a sum of two
# of them one more; a product of two figures of a record has 40.
EXACT: Final = Context(prec=121, rounding=ROUND_HALF_EVEN)

_Key = TypeVar("_Key", bound=Hashable)


def add_up(sums: MutableMapping[_Key, Decimal], changes: Mapping[_Key, Decimal]) -> None:
    """Add each change to the sum of its key, which begins at zero."""
    for key, change in changes.items():
        sums[key] = EXACT.add(sums.get(key, ZERO), change)
