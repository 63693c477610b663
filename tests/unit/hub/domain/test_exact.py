"""Decimals are added, and written, with all of their digits."""

from __future__ import annotations

from decimal import Decimal

from hub.domain.entity import decimal_text
from hub.domain.exact import add_up

MOST = Decimal(f"{'9' * 60}.{'9' * 60}")


def test_sum_of_the_longest_measures_is_exact() -> None:
    """It has one digit more than each of them."""
    sums = {"money": MOST}
    add_up(sums, {"money": MOST, "other": MOST})
    assert {key: format(value, "f") for key, value in sums.items()} == {
        "money": f"1{'9' * 60}.{'9' * 59}8",
        "other": f"{'9' * 60}.{'9' * 60}",
    }


def test_figure_of_a_record_is_written_with_all_its_digits() -> None:
    """A schema may give a figure 38 of them; the zeros at its end are no part of it."""
    assert decimal_text(Decimal(f"{'1' * 30}.{'2' * 7}0")) == f"{'1' * 30}.{'2' * 7}"
