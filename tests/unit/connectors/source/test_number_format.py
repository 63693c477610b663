"""Promises of display formats: what is certain is shown digit for digit, and nothing else is shown at all."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.source.number_format import BUILT_IN, read_format, show_general

PHONE = r"[<=9999999]###\-####;\(###\)\ ###\-####"
ACCOUNTING = '_(* #,##0_);_(* (#,##0);_(* "-"??_);_(@_)'


@pytest.mark.parametrize(
    ("code", "value", "shown"),
    [
        ("00000", "7", "00007"),
        ("00000", "1234567", "1234567"),
        ('"P-"000', "7", "P-007"),
        ("\u2116000", "7", "\u2116007"),
        ("[Red]000", "7", "007"),
        ("0.00", "12.1", "12.10"),
        ("0.00", "12", "12.00"),
        ("0.0##", "1.25", "1.25"),
        ("# ##0", "1234567", "1234 567"),
        ("# ##0", "5", "5"),
        ("#,##0", "999", "999"),
        ("#,##0.00", "999.5", "999.50"),
        ("0%", "0.5", "50%"),
        ("0.00%", "0.125", "12.50%"),
        (PHONE, "5551234", "555-1234"),
        (PHONE, "9165551234", "(916) 555-1234"),
        ("+7 (000) 000-00-00", "9161234567", "+7 (916) 123-45-67"),
        (r"00000\-0000", "123456789", "12345-6789"),
        (r"000\-00\-0000", "12345678", "012-34-5678"),
        (r"00\.00", "1210", "12.10"),
        ("0000 0000 0000", "123412341234", "1234 1234 1234"),
        ('0" kg"', "7", "7 kg"),
        ('General" kg"', "7.5", "7.5 kg"),
        ("General", "123456789012", "123456789012"),
        ("General", "12.1", "12.1"),
        ("@", "5", "5"),
        ("0;-0;;@", "5", "5"),
        ("0_);(0)", "5", "5"),
        (ACCOUNTING, "5", "5"),
        ("[$\u20bd-419] 0", "5", "\u20bd 5"),
        ("000", "-7", "-007"),
    ],
)
def test_certain_format_shows_what_a_person_sees(code: str, value: str, shown: str) -> None:
    """Zeros, decimals, texts around and between digits, sections by condition."""
    assert read_format(code).show(Decimal(value)) == shown


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("#,##0", "1234"),  # 1,234 here and 1 234 there
        ("000,", "5000"),  # divided by a thousand
        ("0.00", "1.234"),  # rounded
        ("0", "12.5"),
        ("0%", "0.125"),
        ("# ?/?", "0.5"),
        ("0.00E+00", "5"),
        ("##0.0E+0", "5"),
        ("[DBNum1]0", "5"),
        ("[$-2000401]0", "5"),  # Arabic digits
        ("0*0", "5"),  # filled up to the column's width
        ('"$"* #,##0', "5"),
        ("0_-0", "12"),
        ("0;-0;;@", "0"),  # nothing is seen
        (";;;", "5"),
        ('"closed"', "5"),
        ("0;0", "-5"),  # the sign is lost
        (PHONE, "12"),
        (r"000\-???", "5"),
        ("\u0414\u0414.\u041c\u041c.\u0413\u0413\u0413\u0413", "45000"),
        ("dd.mm.yyyy", "45000"),
        ("h:mm", "0.5"),
        ("General", "12.123456789012"),
        ("General", "0.0000012"),
        ('"unclosed', "5"),
        ("0" * 300, "5"),
        ("0;0;0;0;0", "5"),
        ("[unknown]", "5"),
    ],
)
def test_uncertain_format_shows_nothing(code: str, value: str) -> None:
    """What depends on the country, on the column's width or on rounding, or is no format, is for a person to say."""
    assert read_format(code).show(Decimal(value)) is None


def test_text_section_shows_what_stands_around_a_text() -> None:
    """A format can write before a text, or hide it."""
    assert read_format('"P-"@').show_text("7") == "P-7"
    assert read_format("0;-0;;@").show_text("a") == "a"
    assert read_format("00000").show_text("a") == "a"
    assert read_format(";;;").show_text("a") is None


def test_formats_of_days_and_times_are_told_from_those_of_numbers() -> None:
    """What the parser reads as a day or a time needs no look at its format."""
    days = [
        "dd.mm.yyyy",
        "[$-419]d mmmm yyyy",
        'yyyy"\u5e74"m"\u6708"d"\u65e5";@',
        "mmm-yy",
        "[h]:mm",
        "yyyy-mm-dd hh:mm:ss",
    ]
    built_in = [BUILT_IN[number] for number in (14, 15, 16, 17, 18, 19, 20, 21, 22, 45, 46, 47)]
    assert all(read_format(code).is_moment for code in ["[h]:mm", "yyyy-mm-dd hh:mm:ss", *days, *built_in])
    assert not any(read_format(code).is_moment for code in ("0", "General", "00000", '0" d"', r"0\d"))


@given(st.text(max_size=40), st.decimals(allow_nan=True, allow_infinity=True))
def test_any_format_shows_something_or_nothing(code: str, value: Decimal) -> None:
    """No code and no number is a crash, and what is shown has no outer spaces."""
    shown = read_format(code).show(value)
    assert shown is None or (shown and shown == shown.strip())


@given(st.integers(-(10**15) + 1, 10**15 - 1))
def test_general_shows_every_digit_of_an_integer(value: int) -> None:
    """Integers of 15 digits are shown as they are."""
    assert show_general(Decimal(value)) == str(value)
    assert read_format("0").show(value) == str(value)
