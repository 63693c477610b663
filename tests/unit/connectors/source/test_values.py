"""Promises of value conversion: strict, exact, and what can be read two ways follows the format."""

from __future__ import annotations

import contextlib
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.source.problem import UnreadableValue
from connectors.source.table import Cell, DateOrder, DecimalMark
from connectors.source.values import as_date, as_datetime, as_decimal, parse_date, parse_datetime, parse_decimal


@pytest.mark.parametrize(
    ("text", "decimal", "number"),
    [
        ("1234.56", ".", "1234.56"),
        ("1,234.56", ".", "1234.56"),
        ("1,234", ".", "1234"),
        ("1,234", ",", "1.234"),
        ("1.234", ",", "1234"),
        ("1.234.567,8", ",", "1234567.8"),
        ("1 234,50", ",", "1234.50"),
        ("1\u00a0234,50", ",", "1234.50"),
        ("1\u202f234\u202f567", ".", "1234567"),
        ("1\u2009234.5", ".", "1234.5"),
        ("12'345.60", ".", "12345.60"),
        ("12\u2019345.60", ".", "12345.60"),
        ("12,34,567.00", ".", "1234567.00"),
        ("-5", ".", "-5"),
        ("\u22125,25", ",", "-5.25"),
        (" +7 ", ".", "7"),
        ("\uff11\uff12\uff0e\uff15", ".", "12.5"),
        ("\u0661\u0662", ".", "12"),
        ("007", ".", "7"),
    ],
)
def test_parse_decimal_office_form_is_read_exactly(text: str, decimal: DecimalMark, number: str) -> None:
    """Every way that an office writes a number is read, digit for digit."""
    assert str(parse_decimal(text, decimal)) == number


@pytest.mark.parametrize(
    ("text", "decimal"),
    [
        ("", "."),
        ("1,5", "."),
        ("1.5", ","),
        ("1.23457E+11", "."),
        ("1,23E+05", ","),
        ("12,34", "."),
        ("1 23", "."),
        ("1,234 567", "."),
        ("1,234,56", "."),
        ("1.2.3", "."),
        ("$5", "."),
        ("5%", "."),
        ("(5)", "."),
        ("5-", "."),
        ("NaN", "."),
        ("Infinity", "."),
        ("0x10", "."),
        ("1_000", "."),
        ("9" * 300, "."),
        ("five", "."),
    ],
)
def test_parse_decimal_anything_else_is_refused(text: str, decimal: DecimalMark) -> None:
    """What is no plain number under the format is refused, never guessed at."""
    with pytest.raises(UnreadableValue):
        parse_decimal(text, decimal)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**12), max_value=10**12))
def test_parse_decimal_round_trips(number: Decimal) -> None:
    """Any amount survives being written with either mark and with thousands."""
    assert parse_decimal(f"{number:f}", ".") == number
    assert parse_decimal(f"{number:,f}", ".") == number
    assert parse_decimal(f"{number:f}".replace(".", ","), ",") == number
    assert parse_decimal(f"{number:,f}".replace(",", " ").replace(".", ","), ",") == number


@pytest.mark.parametrize(
    ("text", "order", "day"),
    [
        ("31.05.2024", "dmy", date(2024, 5, 31)),
        ("3/4/2024", "dmy", date(2024, 4, 3)),
        ("3/4/2024", "mdy", date(2024, 3, 4)),
        ("2024-05-31", "dmy", date(2024, 5, 31)),
        ("2024/5/1", "mdy", date(2024, 5, 1)),
        ("20240531", "dmy", date(2024, 5, 31)),
        ("2024年5月1日", "ymd", date(2024, 5, 1)),
        ("01.05.2024 0:00:00", "dmy", date(2024, 5, 1)),
        (" 29.02.2024 ", "dmy", date(2024, 2, 29)),
    ],
)
def test_parse_date_office_form_is_read(text: str, order: DateOrder, day: date) -> None:
    """Every way that an office writes a date is read under its order."""
    assert parse_date(text, order) == day


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("0000-00-00", "ymd"),
        ("31/02/2024", "dmy"),
        ("29.02.2023", "dmy"),
        ("13/13/2024", "dmy"),
        ("02/13/2024", "dmy"),
        ("13/02/2024", "mdy"),
        ("01.02.24", "dmy"),
        ("24-05-31", "ymd"),
        ("31.05.2024", "ymd"),
        ("2024-05/31", "ymd"),
        ("2024-5", "ymd"),
        ("2024", "ymd"),
        ("45000", "dmy"),
        ("May 1, 2024", "mdy"),
        ("01.05.2024 10:30", "dmy"),
        ("2024-05-01T00:00Z", "ymd"),
        ("", "dmy"),
    ],
)
def test_parse_date_anything_else_is_refused(text: str, order: DateOrder) -> None:
    """A day that no calendar has, a short year or a time of day is refused."""
    with pytest.raises(UnreadableValue):
        parse_date(text, order)


@given(st.dates())
def test_parse_date_round_trips(day: date) -> None:
    """Any date survives being written in each order."""
    year = f"{day.year:04}"
    assert parse_date(day.isoformat(), "dmy") == day
    assert parse_date(f"{day.day}.{day.month:02}.{year}", "dmy") == day
    assert parse_date(f"{day.month}/{day.day}/{year}", "mdy") == day


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2024-05-01T10:30:15Z", datetime(2024, 5, 1, 10, 30, 15, tzinfo=UTC)),
        ("2024-05-01 10:30+05:00", datetime(2024, 5, 1, 10, 30, tzinfo=timezone(timedelta(hours=5)))),
        ("01.05.2024 9:05", datetime(2024, 5, 1, 9, 5)),  # noqa: DTZ001
        ("2024-05-01T10:30:15.25", datetime(2024, 5, 1, 10, 30, 15, 250_000)),  # noqa: DTZ001
        ("2024年5月1日 10:30", datetime(2024, 5, 1, 10, 30)),  # noqa: DTZ001
        ("01.05.2024", datetime(2024, 5, 1)),  # noqa: DTZ001
    ],
)
def test_parse_datetime_is_read_with_the_offset_it_has(text: str, moment: datetime) -> None:
    """An offset is kept, and none is made up."""
    found = parse_datetime(text, "dmy")
    assert (found, found.utcoffset()) == (moment, moment.utcoffset())


@pytest.mark.parametrize("text", ["2024-05-01T25:00", "2024-05-01T10:61", "2024-05-01 noon", "2024-05-01T10:00+99:00"])
def test_parse_datetime_impossible_clock_is_refused(text: str) -> None:
    """No clock shows it, so no event has it."""
    with pytest.raises(UnreadableValue):
        parse_datetime(text, "ymd")


@given(st.text(max_size=40), st.sampled_from(["dmy", "mdy", "ymd"]), st.sampled_from([".", ","]))
def test_parse_any_text_gives_a_value_or_our_error(text: str, order: DateOrder, decimal: DecimalMark) -> None:
    """No text makes a conversion fail in any other way."""
    with contextlib.suppress(UnreadableValue):
        parse_datetime(text, order)
    with contextlib.suppress(UnreadableValue):
        parse_date(text, order)
    with contextlib.suppress(UnreadableValue):
        assert parse_decimal(text, decimal).is_finite()


def test_as_value_typed_cell_passes_and_wrong_type_is_refused() -> None:
    """A cell that the sheet typed needs no reading; a wrong type is no value."""
    day = datetime(2024, 5, 1)  # noqa: DTZ001
    assert as_decimal(5, ".") == Decimal(5)
    assert as_decimal(Decimal("1.5"), ",") == Decimal("1.5")
    assert as_decimal("1,5", ",") == Decimal("1.5")
    assert as_date(day, "dmy") == as_date(day.date(), "dmy") == as_date("1.5.2024", "dmy") == day.date()
    assert as_datetime(day.date(), "dmy") == as_datetime(day, "dmy") == as_datetime("1.5.2024", "dmy") == day
    refused: list[Cell] = [True, None]
    for cell in refused:
        with pytest.raises(UnreadableValue):
            as_decimal(cell, ".")
        with pytest.raises(UnreadableValue):
            as_date(cell, "dmy")
        with pytest.raises(UnreadableValue):
            as_datetime(cell, "dmy")
    with pytest.raises(UnreadableValue):
        as_date(datetime(2024, 5, 1, 10), "dmy")  # noqa: DTZ001
    with pytest.raises(UnreadableValue):
        as_date(45_000, "dmy")
