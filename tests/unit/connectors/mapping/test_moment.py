"""Promises of reading days and moments: all orders that fit, names of many languages, no other calendar."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.mapping.moment import read_moment_text
from connectors.mapping.month import halves, months, weekdays
from connectors.mapping.problem import LocalCode


@pytest.mark.parametrize(
    ("text", "readings"),
    [
        ("03/04/2024", {"dmy": "2024-04-03", "mdy": "2024-03-04"}),
        ("3-4-2024", {"dmy": "2024-04-03", "mdy": "2024-03-04"}),
        ("31/05/2024", {"dmy": "2024-05-31"}),
        ("05/31/2024", {"mdy": "2024-05-31"}),
        ("31.05.2024", {"dmy": "2024-05-31"}),
        ("1. 3. 2024", {"dmy": "2024-03-01", "mdy": "2024-01-03"}),
        ("\u06f3\u06f1/\u06f0\u06f3/\u06f2\u06f0\u06f2\u06f4", {"dmy": "2024-03-31"}),
        ("29.02.2024", {"dmy": "2024-02-29"}),
    ],
)
def test_read_moment_text_with_the_year_last_gives_each_order(text: str, readings: dict[str, str]) -> None:
    """Both orders are said where both are days."""
    assert {order: str(value.date()) for order, value in read_moment_text(text).values.items()} == readings


@pytest.mark.parametrize(
    "text",
    [
        "2024-03-01", "2024/3/1", "2024.03.01", "2024. 3. 1.", "20240301", "2024年3月1日", "2024 年 3 月 1 日",
        "2024年3月1日星期五", "2024年3月1日 周五", "1 марта 2024 г.", "1 марта 2024г.", "«01» марта 2024 года",
        "01 мар 2024",
        "1 мар. 2024", "Mar 1, 2024", "March 1st, 2024", "1 March 2024", "1-Mar-2024", "Friday, March 1, 2024",
        "пятница, 1 марта 2024 г.", "2024-yil 1-mart", "1 mart 2024", "2024 жылғы 1 наурыз", "1 наурыз 2024 ж.",
        "1 март 2024",
        "1 مارچ 2024", "١ مارس ٢٠٢٤", "2024 March 1", "２０２４年３月１日", "1\u00a0марта\u00a02024",
        "\u200f2024-03-01",
    ],
)  # fmt: skip
def test_read_moment_text_certain_day_is_the_same_in_every_order(text: str) -> None:
    """A year that comes first and a month with a name leave nothing open."""
    found = read_moment_text(text).values
    assert set(found) == {"dmy", "mdy", "ymd"}
    assert set(found.values()) == {datetime(2024, 3, 1)}  # noqa: DTZ001


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("0000-00-00", LocalCode.BAD_DATE), ("1403/01/15", LocalCode.OTHER_CALENDAR),
        ("15/01/1403", LocalCode.OTHER_CALENDAR), ("01.03.2567", LocalCode.OTHER_CALENDAR),
        ("1445-09-01", LocalCode.OTHER_CALENDAR), ("۱۴۰۲/۱۲/۱۱", LocalCode.OTHER_CALENDAR),
        ("1899-12-30", LocalCode.OTHER_CALENDAR), ("9999-12-31", LocalCode.OTHER_CALENDAR),
        ("1 марта 1403 г.", LocalCode.OTHER_CALENDAR),
        ("01.02.24", LocalCode.SHORT_YEAR), ("24-05-31", LocalCode.SHORT_YEAR), ("01-Mar-24", LocalCode.SHORT_YEAR),
        ("45352", LocalCode.DATE_AS_NUMBER), ("45352.58", LocalCode.DATE_AS_NUMBER),
        ("45352,5", LocalCode.DATE_AS_NUMBER),
        ("31/02/2024", LocalCode.BAD_DATE), ("29.02.2023", LocalCode.BAD_DATE), ("13/13/2024", LocalCode.BAD_DATE),
        ("2024-31-05", LocalCode.BAD_DATE), ("2024-05/31", LocalCode.BAD_DATE), ("2024-5", LocalCode.BAD_DATE),
        ("2024", LocalCode.BAD_DATE), ("Mar-24", LocalCode.BAD_DATE), ("March 2024", LocalCode.BAD_DATE),
        ("Thursday, March 1, 2024", LocalCode.BAD_DATE), ("2024年3月1日星期四", LocalCode.BAD_DATE),
        ("113年3月1日", LocalCode.BAD_DATE), ("民国113年3月1日", LocalCode.BAD_DATE),
        ("农历2024年3月1日", LocalCode.BAD_DATE),
        ("令和6年3月1日", LocalCode.BAD_DATE), ("1 рамадан 1445", LocalCode.BAD_DATE), ("13:45", LocalCode.BAD_DATE),
        ("2024-03-01 10", LocalCode.BAD_DATE), ("1 2 2024", LocalCode.BAD_DATE), ("1709251200", LocalCode.BAD_DATE),
        ("01.02.2024-05.02.2024", LocalCode.BAD_DATE), ("ок. 01.02.2024", LocalCode.BAD_DATE), ("", LocalCode.BAD_DATE),
        ("10\u00b2.01.2024", LocalCode.BAD_DATE),
    ],
)  # fmt: skip
def test_read_moment_text_what_is_no_day_says_why(text: str, fault: LocalCode) -> None:
    """Years of other calendars, short years, serial numbers and half dates are told apart, and never read."""
    found = read_moment_text(text)
    assert (found.values, found.fault) == ({}, fault)


@pytest.mark.parametrize(
    ("text", "readings"),
    [
        ("01.02.24", {"dmy": "2024-02-01", "mdy": "2024-01-02", "ymd": "2001-02-24"}),
        ("31.12.99", {"dmy": "1999-12-31"}),
        ("12/31/49", {"mdy": "2049-12-31"}),
        ("24-05-31", {"ymd": "2024-05-31", "dmy": "2031-05-24"}),
        ("Mar 1, 24", {"dmy": "2024-03-01", "mdy": "2024-03-01", "ymd": "2024-03-01"}),
        ("31-Mar-24", {"dmy": "2024-03-31", "ymd": "2031-03-24"}),
    ],
)
def test_read_moment_text_short_year_is_read_with_a_pivot_in_every_order(text: str, readings: dict[str, str]) -> None:
    """Which two digits are the year is as open as the rest."""
    found = read_moment_text(text, 50).values
    assert {order: str(value.date()) for order, value in found.items()} == readings


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2024-05-01T10:30:15Z", datetime(2024, 5, 1, 10, 30, 15, tzinfo=UTC)),
        ("2024-05-01 10:30+05:00", datetime(2024, 5, 1, 10, 30, tzinfo=timezone(timedelta(hours=5)))),
        ("2024-05-01 10:30 GMT+5", datetime(2024, 5, 1, 10, 30, tzinfo=timezone(timedelta(hours=5)))),
        ("2024-05-01 10:30 UTC-03:30", datetime(2024, 5, 1, 10, 30, tzinfo=timezone(-timedelta(hours=3.5)))),
        ("2024-05-01 10:30 GMT", datetime(2024, 5, 1, 10, 30, tzinfo=UTC)),
        ("Wed, 01 May 2024 10:30:00 GMT", datetime(2024, 5, 1, 10, 30, tzinfo=UTC)),
        ("2024/5/1 9:05", datetime(2024, 5, 1, 9, 5)),  # noqa: DTZ001
        ("2024-05-01T10:30:15.25", datetime(2024, 5, 1, 10, 30, 15, 250_000)),  # noqa: DTZ001
        ("2024-05-01T10:30:15.1234567", datetime(2024, 5, 1, 10, 30, 15, 123_456)),  # noqa: DTZ001
        ("2024年5月1日 10:30", datetime(2024, 5, 1, 10, 30)),  # noqa: DTZ001
        ("2024年5月1日14时30分15秒", datetime(2024, 5, 1, 14, 30, 15)),  # noqa: DTZ001
        ("2024年5月1日下午2:30", datetime(2024, 5, 1, 14, 30)),  # noqa: DTZ001
        ("2024/5/1 上午 2:30:15", datetime(2024, 5, 1, 2, 30, 15)),  # noqa: DTZ001
        ("2024-05-01 2:30 PM", datetime(2024, 5, 1, 14, 30)),  # noqa: DTZ001
        ("2024-05-01 2:30 p.m.", datetime(2024, 5, 1, 14, 30)),  # noqa: DTZ001
        ("2024-05-01 2:30pm", datetime(2024, 5, 1, 14, 30)),  # noqa: DTZ001
        ("2024-05-01 2:30 ПП", datetime(2024, 5, 1, 14, 30)),  # noqa: DTZ001
        ("2024-05-01 2:30 TK", datetime(2024, 5, 1, 14, 30)),  # noqa: DTZ001
        ("2024-05-01 12:30 AM", datetime(2024, 5, 1, 0, 30)),  # noqa: DTZ001
        ("2024-05-01 12:30 PM", datetime(2024, 5, 1, 12, 30)),  # noqa: DTZ001
        ("1 мая 2024 г. в 10:30", datetime(2024, 5, 1, 10, 30)),  # noqa: DTZ001
        ("2024-05-01", datetime(2024, 5, 1)),  # noqa: DTZ001
    ],
)
def test_read_moment_text_is_read_with_the_clock_and_the_offset_it_has(text: str, moment: datetime) -> None:
    """Twelve hours are told from twenty-four; an offset is kept, and none is made up."""
    (found,) = set(read_moment_text(text).values.values())
    assert (found, found.utcoffset()) == (moment, moment.utcoffset())


@pytest.mark.parametrize(
    "text",
    [
        "2024-05-01T25:00", "2024-05-01T24:00", "2024-05-01T10:61", "2024-05-01 noon", "2024-05-01T10:00+99:00",
        "2024-05-01 14:30 PM", "2024-05-01 0:30 PM", "2024-05-01 10:30 MSK", "2024-05-01 10:30 EST",
        "2024-05-01 10:30 x",
        "2024-05-01 10:30 PM AM", "2024-05-0110:30", "2024-05-01 中午 2:30", "2024-05-01 10:30:15:20",
    ],
)  # fmt: skip
def test_read_moment_text_impossible_or_unknown_clock_is_refused(text: str) -> None:
    """No clock shows it, or nobody knows where that clock hangs."""
    assert read_moment_text(text).values == {}


def test_names_mean_one_thing() -> None:
    """A name is of one month, and none is a weekday's too."""
    assert {months()[name] for name in ("мая", "май", "may", "maý", "мамыр", "مئی")} == {5}
    assert set(months().values()) == set(range(1, 13))
    assert not months().keys() & weekdays().keys()
    assert set(weekdays().values()) == set(range(7))
    assert {halves()[name] for name in ("pm", "下午", "пп", "tk")} == {True}


@given(st.dates(date(1900, 1, 1), date(2100, 12, 31)))
def test_read_moment_text_round_trips(day: date) -> None:
    """Any day survives being written in each order."""
    for order, text in (
        ("ymd", day.isoformat()),
        ("dmy", f"{day.day}.{day.month:02}.{day.year}"),
        ("mdy", f"{day.month}/{day.day}/{day.year}"),
    ):
        assert read_moment_text(text).values[order].date() == day  # type: ignore[index]


@given(st.text(max_size=40), st.sampled_from([None, 50]))
def test_read_moment_text_any_text_gives_moments_or_a_fault(text: str, pivot: int | None) -> None:
    """No text makes it fail in another way."""
    found = read_moment_text(text, pivot)
    assert all(1900 <= value.year <= 2100 for value in found.values.values())
