"""Cells that are not what they look like: of these a value can be had, but a text only if the sheet shows it."""

from __future__ import annotations

from decimal import Decimal

from connectors.source.number_format import NumberFormat


class ShownNumber(Decimal):
    """A number that a sheet shows by a display format: `shown` is what is seen, None if that is not certain."""

    __slots__ = ("code", "shown")
    shown: str | None
    code: str

    @classmethod
    def of(cls, value: Decimal | int, shown: str | None, form: NumberFormat) -> ShownNumber:
        """Return a number with what a format shows of it."""
        found = cls(value)
        found.shown = shown
        found.code = form.code
        return found


class WrittenNumber(Decimal):
    """A number of JSON lines with a point or an exponent: as an id it may have been another text (`1.10`, `007`)."""

    __slots__ = ()


class HiddenText(str):
    """A text that the sheet shows otherwise, or not at all; `code` is the display format."""

    __slots__ = ("code",)
    code: str

    @classmethod
    def of(cls, text: str, form: NumberFormat) -> HiddenText:
        """Return the same text."""
        found = cls(text)
        found.code = form.code
        return found


class ClockText(str):
    """A time of day or a duration, as a spreadsheet makes of `1:100` or `12:05`."""

    __slots__ = ()
