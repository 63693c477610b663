"""Promises of `possible_readings`: what a column's texts tell, for whoever proposes a mapping."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest

from connectors.mapping.convention import possible_readings


@pytest.mark.parametrize(
    ("cells", "kind", "conventions", "example"),
    [
        (["1,5", "2"], Decimal, (",",), None),
        (["1,234"], Decimal, (".", ","), ("1,234", {".": Decimal(1234), ",": Decimal("1.234")})),
        (["1,234", "7.5"], Decimal, (".",), None),
        (["1,5", "1.5"], Decimal, (), None),
        (["1,5", "1.5", "1,234"], Decimal, (), ("1,234", {".": Decimal(1234), ",": Decimal("1.234")})),
        (["1.998"], int, (",",), None),
        ([5, None, Decimal("1.5")], Decimal, (".", ","), None),
        ([], Decimal, (".", ","), None),
        (["31.05.2024"], date, ("dmy",), None),
        (["03.04.2024"], date, ("dmy",), None),
        (["03/04/2024"], date, ("dmy", "mdy"), ("03/04/2024", {"dmy": date(2024, 4, 3), "mdy": date(2024, 3, 4)})),
        (["03/03/2024"], date, ("dmy", "mdy"), None),
        (["2024-05-31"], date, ("dmy", "mdy", "ymd"), None),
        (["05/31/2024 14:00", "01/02/2024 9:00"], datetime, ("mdy",), None),
    ],
)
def test_possible_readings(cells: list[Any], kind: type, conventions: tuple[str, ...], example: Any) -> None:
    """The conventions that are left, and the first cell for which a person must be asked."""
    found = possible_readings(cells, kind)
    assert (found.conventions, found.example, found.is_certain) == (conventions, example, example is None)


def test_possible_readings_names_what_is_none() -> None:
    """A column of other things is seen by its texts that can't be read."""
    assert possible_readings(["n/a", "5", "много"], Decimal).unread == ("n/a", "много")
    assert possible_readings(["31.12.24"], date).unread == ("31.12.24",)
    assert possible_readings(["31.12.24"], date, year_pivot=50).unread == ()
