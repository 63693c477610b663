"""Promises of reading numbers: exact digits, every convention that fits a text, and nothing for any other text."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.mapping.number import read_number


def shown(text: str) -> dict[str, str]:
    return {mark: str(value) for mark, value in read_number(text).values.items()}


@pytest.mark.parametrize(
    ("text", "point", "comma"),
    [
        ("1500", "1500", "1500"),
        ("007", "7", "7"),
        ("1234.56", "1234.56", None),
        ("1234,56", None, "1234.56"),
        ("1,234.56", "1234.56", None),
        ("1.234.567,8", None, "1234567.8"),
        ("1,234", "1234", "1.234"),
        ("1.234", "1.234", "1234"),
        ("-1,234", "-1234", "-1.234"),
        ("0,125", None, "0.125"),
        ("1234,567", None, "1234.567"),
        ("1 234,50", None, "1234.50"),
        ("1\u00a0234,50", None, "1234.50"),
        ("1\u202f234\u202f567", "1234567", "1234567"),
        ("1\u2009234.5", "1234.5", None),
        ("12'345.60", "12345.60", None),
        ("12\u2019345.60", "12345.60", None),
        ("1_234_567", "1234567", "1234567"),
        ("12,34,567.00", "1234567.00", None),
        ("12,34,567", "1234567", None),
        ("-5", "-5", "-5"),
        ("\u22125,25", None, "-5.25"),
        (" +7 ", "7", "7"),
        ("- 1 234", "-1234", "-1234"),
        ("1 234-", "-1234", "-1234"),
        ("(1 234)", "-1234", "-1234"),
        ("(1,234.50)", "-1234.50", None),
        ("\u200e-5\u200f", "-5", "-5"),
        ("\uff11\uff12\uff0e\uff15", "12.5", None),
        ("\u0661\u0662", "12", "12"),
        ("\u06f1\u06f2\u06f3\u06f4", "1234", "1234"),
        ("\u0967\u0968", "12", "12"),
        ("\u0661\u066c\u0662\u0663\u0664\u066b\u0665\u0660", "1234.50", "1234.50"),
        ("\u0661\u060c\u0662\u0663\u0664", "1234", "1.234"),
    ],
)
def test_read_number_gives_each_reading_digit_for_digit(text: str, point: str | None, comma: str | None) -> None:
    """Every way that an office writes a number is read exactly, under each mark that it can have."""
    assert shown(text) == {mark: value for mark, value in ((".", point), (",", comma)) if value is not None}


@pytest.mark.parametrize(
    "text",
    [
        "", "1.23457E+11", "1,23E+05", "12 34", "1 23", "1 2345", "1,234 567", "1,234,56", "1.2.3", "1.234,567.89",
        "1 234.567,8", "1'234,567.8", "01,234", "00.125", "1,2345,6789", "5-5", "1-2", "--5", "(-5)", "(5", "5)", "+-5",
        "5..", ".5", "$.50", "50.", "50.-", "NaN", "Infinity", "0x10", "five", "10\u00b2", "\u00bd", "1\u00bd",
        "\u2460", "\u4e00\u767e", "5 m", "5 km", "USD", "-", "1:30", "2024-05-31", "12/7", "5 EUR USD",
        "5 \u4e07 \u5343",
    ],
)  # fmt: skip
def test_read_number_anything_else_is_no_number(text: str) -> None:
    """What is no plain number in any convention has no reading: a square is no second digit."""
    assert not read_number(text).values


@pytest.mark.parametrize(
    ("text", "value", "currency", "factor"),
    [
        ("$1 234,00", "1234.00", "USD", None),
        ("-$5", "-5", "CAD", None),
        ("($5)", "-5", "USD", None),
        ("$-5", "-5", "USD", None),
        ("1 234,50 \u20bd", "1234.50", "RUB", None),
        ("12 000 руб.", "12000", "RUB", None),
        ("USD 12000", "12000", "USD", None),
        ("12000usd", "12000", "USD", None),
        ("Rs. 5 000/-", "5000", "PKR", None),
        ("Rs.500", "500", "INR", None),
        ("\u20b912,34,567", "1234567", "INR", None),
        ("\uffe51234", "1234", "CNY", None),
        ("\u00a51234", "1234", "JPY", None),
        ("5 000 so\u02bbm", "5000", "UZS", None),
        ("5 000 so'm", "5000", "UZS", None),
        ("5 000 сум", "5000", "UZS", None),
        ("5 000 \u20b8", "5000", "KZT", None),
        ("1234元", "1234", "CNY", None),
        ("1234 смн", "1234", "TJS", None),
        ("12.5万元", "12.5", "CNY", "10000"),
        ("12.5万", "12.5", None, "10000"),
        ("5 тыс. руб.", "5", "RUB", "1000"),
        ("1,5 млн", "1.5", None, "1000000"),
        ("5 lakh", "5", None, "100000"),
        ("2 crore INR", "2", "INR", "10000000"),
        ("3.5亿元", "3.5", "CNY", "100000000"),
        ("5%", "5", None, "0.01"),
        ("$1.5k", "1.5", "USD", "1000"),
        ("5 (руб.)", "5", "RUB", None),
    ],
)
def test_read_number_says_what_stands_beside_it(
    text: str, value: str, currency: str | None, factor: str | None
) -> None:
    """A sign is dropped and told, as is a word that counts in thousands."""
    values, beside = read_number(text)
    assert {str(one) for one in values.values()} == {value}
    assert beside is not None
    assert (currency in beside.currencies) if currency else not beside.currencies
    assert beside.factor == (Decimal(factor) if factor else None)


def test_read_number_a_sign_of_several_currencies_means_each() -> None:
    """A dollar is of many countries, a yen sign of two: the row's currency decides."""
    dollars = read_number("$5").beside
    yen = read_number("\u00a55").beside
    assert dollars is not None
    assert yen is not None
    assert {"USD", "CAD", "AUD"} <= dollars.currencies
    assert yen.currencies == {"CNY", "JPY"}


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**12), max_value=10**12))
def test_read_number_round_trips(number: Decimal) -> None:
    """Any amount survives being written with either mark and with thousands."""
    assert read_number(f"{number:f}").values["."] == number
    assert read_number(f"{number:,f}").values["."] == number
    assert read_number(f"{number:f}".replace(".", ",")).values[","] == number
    assert read_number(f"{number:,f}".replace(",", " ").replace(".", ",")).values[","] == number


@given(st.text(max_size=40))
def test_read_number_any_text_gives_finite_numbers_or_nothing(text: str) -> None:
    """No text makes it fail in another way."""
    assert all(value.is_finite() for value in read_number(text).values.values())
