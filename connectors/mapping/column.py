"""The cells of one column of numbers, days or moments as values: read as the column writes them, or refused."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal
from functools import cache
from typing import Any, Final

from connectors.mapping.convention import Conventions, Readings, date_readings, number_readings, whole_ones
from connectors.mapping.convert import Unfit, as_value, as_yes_no, places_max, reads_text, unwrap
from connectors.mapping.moment import YEAR_MAX, YEAR_MIN, day_part, read_moment_text
from connectors.mapping.number import DIGITS_MAX, mark_part, read_number
from connectors.mapping.problem import LocalCode
from connectors.mapping.unit import NOTHING_BESIDE, Beside, read_format, read_header
from connectors.mapping.written import unguarded
from connectors.source.shown import ShownNumber
from connectors.source.table import NO_NOTATION, DecimalMark, Notation

_EXACT: Final = Context(prec=400, rounding=ROUND_HALF_UP)
_ONE: Final = Decimal(1)
# A year or a count in a cell that is formatted as a date: 2024 shows as 1905-07-16.
_NUMBER_AS_DATE_YEAR_MAX: Final = 1905
_ALMOST_MIDNIGHT: Final = dt.time(23, 59, 59, 500_000)


@dataclass(frozen=True, slots=True)
class Writing:
    """What is known beforehand of how a column is written.

    Shapes: factor is what each number is multiplied by, round_to the decimals it is then rounded to, label the column's
            name, zone that of moments without an offset, which the mapping may have left open (`is_zone_named`).
    """

    notation: Notation = NO_NOTATION
    factor: Decimal | None = None
    round_to: int | None = None
    label: str = ""
    zone: dt.tzinfo = dt.UTC
    is_zone_named: bool = False


# Constants and tables of a mapping stand by themselves: 1500.5, 2024-05-31, and nothing that can be read two ways.
CONSTANT: Final = Writing(Notation(time="drop"))


class Priced(Decimal):
    """A number with a currency beside it, or one in the header; whether it is the row's own is seen by the record."""

    currencies: frozenset[str]

    @classmethod
    def of(cls, number: Decimal, currencies: frozenset[str]) -> Priced:
        """Return a number with its currencies."""
        priced = cls(number)
        priced.currencies = currencies
        return priced


@dataclass(frozen=True, slots=True)
class Column:
    """Converts the cells of one column. Show `conventions` all of the column's texts first, then convert them."""

    conventions: Conventions
    convert: Callable[[Any], Any]  # a cell as a value; raises Unfit

    def __call__(self, cell: Any) -> Any:
        """Return a cell as a value. Errors: Unfit."""
        return self.convert(cell)


def converter(annotation: Any, writing: Writing) -> Callable[[Any], Any] | None:
    """Return what turns a filled cell into a value of a type; None for a type that no cell can hold (a record, a list).

    Shapes: what is read by conventions is a `Column`.
    Errors: the converter raises Unfit.
    """
    kind = unwrap(annotation)
    if kind is Decimal or kind is int:
        return number_column(annotation, writing)
    if kind is bool:
        return as_yes_no
    if kind is dt.datetime:
        return moment_column(writing)
    if kind is dt.date:
        return day_column(writing)
    return as_value if reads_text(annotation) else None


def number_column(annotation: Any, writing: Writing) -> Column:
    """Return the converter of a column of numbers."""
    whole = unwrap(annotation) is int
    places = 0 if whole else places_max(annotation)
    factor = writing.factor or _ONE
    excludes_fractions = whole and writing.round_to is None
    said, header = read_header(writing.label) if writing.label else ("", NOTHING_BESIDE)
    has_unit = header.factor is not None

    def read(text: str) -> Readings:
        return number_readings(unguarded(text), whole=excludes_fractions, factor=factor)

    conventions = Conventions(read, writing.notation.decimal, str if excludes_fractions else mark_part)

    def convert(cell: Any) -> Any:
        beside = None
        if cell.__class__ is str:
            values, beside = read_number(unguarded(cell))
            fit = whole_ones(values, factor) if excludes_fractions else values
            number = _settled_number(cell, values, fit, conventions)
        elif cell.__class__ is Decimal or (isinstance(cell, int | Decimal) and not isinstance(cell, bool)):
            number = Decimal(cell)
            beside = read_format(cell.code) if isinstance(cell, ShownNumber) else None
            if not number.is_finite() or abs(number.adjusted()) > DIGITS_MAX:
                raise Unfit(LocalCode.BAD_NUMBER, cell)  # JSON can write 1e999999999; its digits would fill the memory
        else:
            raise Unfit(LocalCode.BAD_NUMBER, cell)
        if beside is not None or has_unit:
            _check_unit(cell, beside or NOTHING_BESIDE, said, header, writing.factor)
        number = _finish(cell, number, factor, writing.round_to, places)
        currencies = header.currencies if beside is None else beside.currencies or header.currencies
        if whole:
            if beside is not None and beside.currencies:
                raise Unfit(LocalCode.BAD_NUMBER, cell)
            return int(number)
        return Priced.of(number, currencies) if currencies else number

    return Column(conventions, convert)


def _settled_number(
    text: str, written: dict[DecimalMark, Decimal], fit: dict[DecimalMark, Decimal], conventions: Conventions
) -> Decimal:
    """Return the one number that a text can mean. Errors: Unfit."""
    left: dict[DecimalMark, Decimal] = conventions.settle(fit, "")
    if len(left) == 1:
        (number,) = left.values()
        return number
    if not left:
        is_fraction = bool(conventions.settle(written, ""))
        raise Unfit(LocalCode.TOO_MANY_DECIMALS if is_fraction else LocalCode.BAD_NUMBER, text)
    numbers: set[Decimal] = set(left.values())
    if len(numbers) > 1:
        raise Unfit(LocalCode.AMBIGUOUS_NUMBER, text, readings=" / ".join(f"{n:f}" for n in sorted(numbers))[:60])
    return numbers.pop()


def _check_unit(cell: Any, beside: Beside, said: str, header: Beside, factor: Decimal | None) -> None:
    """Errors: Unfit for a number that counts in something which no factor, or another one, answers for."""
    if factor is None:
        if beside.factor is not None:
            raise Unfit(LocalCode.UNIT_IN_NUMBER, cell)
        if header.factor is not None:
            raise Unfit(LocalCode.UNIT_IN_NUMBER, cell, unit=said)
    elif beside.factor is not None and beside.factor != factor:
        raise Unfit(LocalCode.UNIT_IN_NUMBER, cell)
    if beside.currencies and header.currencies and not beside.currencies & header.currencies:
        raise Unfit(LocalCode.OTHER_CURRENCY, cell)


def _finish(cell: Any, number: Decimal, factor: Decimal, round_to: int | None, places: int | None) -> Decimal:
    """Return a number times its factor, rounded if the mapping says so. Errors: Unfit for decimals beyond `places`."""
    if factor is not _ONE:
        number = _EXACT.multiply(number, factor)
        exponent = number.as_tuple().exponent
        if isinstance(exponent, int) and exponent < 0:  # 12.5 times 10000 is 125000, and not 125000.0
            number = _EXACT.normalize(number)
            number = number.quantize(_ONE, context=_EXACT) if number == number.to_integral_value() else number
    if round_to is not None:
        number = number.quantize(_unit(round_to), context=_EXACT)
    # A number has some two hundred digits at most, so that this one is exact.
    if places is not None and number != number.quantize(_unit(places), context=_EXACT):
        raise Unfit(LocalCode.TOO_MANY_DECIMALS, cell, max=places)
    return number


@cache
def _unit(places: int) -> Decimal:
    return _ONE.scaleb(-places)


def moment_column(writing: Writing) -> Column:
    """Return the converter of a column of moments; they come out in UTC."""

    def finish(cell: Any, moment: dt.datetime) -> dt.datetime:
        try:
            return (moment.replace(tzinfo=writing.zone) if moment.tzinfo is None else moment).astimezone(dt.UTC)
        except OverflowError as exc:
            raise Unfit(LocalCode.BAD_DATE, cell) from exc

    return _dated(writing, finish)


def day_column(writing: Writing) -> Column:
    """Return the converter of a column of days.

    A time of day changes no day. An offset may: the moment is another day elsewhere, and then the mapping decides.
    """
    takes = writing.notation.time

    def finish(cell: Any, moment: dt.datetime) -> dt.date:
        written = moment.date()
        if moment.tzinfo is None or takes == "drop":
            if moment.time() >= _ALMOST_MIDNIGHT:
                raise Unfit(
                    LocalCode.BAD_DATE, cell
                )  # a day that a program's sums have made a little less than the next
            return written
        local = moment.astimezone(writing.zone).date()
        if takes == "local" or (local == written and writing.is_zone_named):
            return local
        if not writing.is_zone_named and moment.timetz().replace(tzinfo=None) == dt.time():
            return written  # a day that a program has dressed up as a moment
        raise Unfit(LocalCode.DAY_BY_ZONE, cell, readings=" / ".join(sorted({str(written), str(local)})))

    return _dated(writing, finish)


def _dated(writing: Writing, finish: Callable[[Any, dt.datetime], Any]) -> Column:
    pivot, answer = writing.notation.year_pivot, writing.notation.date_order

    def read(text: str) -> Readings:
        return date_readings(unguarded(text), year_pivot=pivot)

    conventions = Conventions(read, answer, day_part)

    def convert(cell: Any) -> Any:
        if cell.__class__ is not str:
            return finish(cell, _typed_moment(cell))
        days, clock, fault = read_moment_text(unguarded(cell), pivot)
        left = conventions.settle(days.by_order, days.family) if days.family else days.by_order  # no order is needed
        found = set(left.values())
        if not found:
            raise Unfit(fault, cell)
        if len(found) > 1:
            raise Unfit(LocalCode.AMBIGUOUS_DATE, cell, readings=" / ".join(map(str, sorted(found))))
        return finish(cell, dt.datetime.combine(found.pop(), clock))

    return Column(conventions, convert)


def _typed_moment(cell: Any) -> dt.datetime:
    """Return a cell that the sheet keeps as a day or a moment. Errors: Unfit."""
    if isinstance(cell, dt.datetime):
        moment = cell
    elif isinstance(cell, dt.date):
        moment = dt.datetime(cell.year, cell.month, cell.day)  # noqa: DTZ001  the sheet names no zone; its center's is applied later
    elif isinstance(cell, int | Decimal) and not isinstance(cell, bool):
        found = read_moment_text(str(cell)).values  # 20240531: no serial number of a day is that large
        if not found:
            raise Unfit(LocalCode.DATE_AS_NUMBER, cell)
        moment = found["ymd"]
    else:
        raise Unfit(LocalCode.BAD_DATE, cell)
    if YEAR_MIN <= moment.year <= _NUMBER_AS_DATE_YEAR_MAX:
        raise Unfit(LocalCode.DATE_AS_NUMBER, cell)
    if not YEAR_MIN <= moment.year <= YEAR_MAX:
        raise Unfit(LocalCode.OTHER_CALENDAR, cell)
    return moment
