"""Promises of convention detection: the telling values decide, and what is left open is said."""

from __future__ import annotations

import pytest

from connectors.source.convention import detect_date_order, detect_decimal
from connectors.source.problem import WarningCode
from connectors.source.reader import read_table
from connectors.source.table import DateOrder, DecimalMark, FormatOptions


@pytest.mark.parametrize(
    ("cells", "delimiter", "mark", "is_certain"),
    [
        (["1,5"], ",", ",", True),
        (["1.5"], ";", ".", True),
        (["1.234,56"], None, ",", True),
        (["1,234.56"], None, ".", True),
        (["1.234.567"], None, ",", True),
        (["1,234,567"], None, ".", True),
        (["0,125"], None, ",", True),
        (["12345.678"], None, ".", True),
        (["1,234"], ",", ".", False),
        (["1,234"], ";", ",", False),
        (["1,234", "7,5"], None, ",", True),
        (["5", "60"], ";", ",", True),
        (["5", "60"], ",", ".", True),
        (["1,5", "1.5", "2.5"], None, ".", False),
    ],
)
def test_detect_decimal_telling_numbers_decide(
    cells: list[str], delimiter: str | None, mark: DecimalMark, is_certain: bool
) -> None:
    """The mark is what the numbers show; where they show nothing, the delimiter hints and a warning says so."""
    found, warning = detect_decimal([("price", cells)], delimiter)
    assert (found, warning is None) == (mark, is_certain)


@pytest.mark.parametrize(
    ("cells", "order", "is_certain"),
    [
        (["31/05/2024", "01/02/2024"], "dmy", True),
        (["05/31/2024", "01/02/2024"], "mdy", True),
        (["01/02/2024"], "dmy", False),
        (["01.02.2024"], "dmy", True),
        (["2024-01-02"], "ymd", True),
        (["2024-01-02", "31.01.2024"], "dmy", True),
        (["31/05/2024", "05/31/2024", "06/30/2024"], "mdy", False),
        (["99/99/2024"], "dmy", False),
    ],
)
def test_detect_date_order_telling_dates_decide(cells: list[str], order: DateOrder, is_certain: bool) -> None:
    """The order is what the dates show; where they show nothing, a warning says so."""
    found, warning = detect_date_order([("signed", cells)])
    assert (found, warning is None) == (order, is_certain)


def test_read_table_named_conventions_are_obeyed_without_a_warning() -> None:
    """What the mapping names is neither guessed nor doubted."""
    data = b'day,price\n01/02/2024,"1,234"\n'
    named = read_table("a.csv", data, FormatOptions(date_order="mdy", decimal=","))
    assert (named.format.date_order, named.format.decimal, named.warnings) == ("mdy", ",", ())
    assert not {"date_order", "decimal"} & named.format.detected
    guessed = read_table("a.csv", data)
    assert {warning.code for warning in guessed.warnings} == {
        WarningCode.DATE_ORDER_UNCERTAIN,
        WarningCode.DECIMAL_UNCERTAIN,
    }
    assert {"date_order", "decimal"} <= guessed.format.detected


def test_read_table_versions_and_codes_are_no_numbers() -> None:
    """A column of codes with a few digits in it does not vote."""
    data = b"code;price\nA-1,5;1.25\nB-2,7;3.50\nC-3,9;\n"
    assert read_table("a.csv", data).format.decimal == "."
