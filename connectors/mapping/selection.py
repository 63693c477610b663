"""Rows of a sheet as a mapping names them: by number, or by what stands in a column."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from fnmatch import translate
from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from connectors.source.folding import fold
from connectors.source.header import clean_name

Picks = Callable[[int, dict[str, Any]], bool]  # a row's number and its cells
_RANGE: Final = re.compile(r"(\d{1,9})(?:\s*-\s*(\d{1,9}))?")


def _texts(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Texts = Annotated[tuple[str, ...], BeforeValidator(_texts)]


class Selection(BaseModel):
    """Some rows: those numbered so, or those that have, are like, or lack something in a column.

    `rows` are numbers and ranges, such as `3, 10-12`; `is` and `like` (with `*` and `?`) are compared as value tables
    are: capitals, widths and spaces make no difference.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    rows: Texts | None = None
    column: str | None = Field(default=None, min_length=1)
    equal: Texts | None = Field(default=None, alias="is")
    like: Texts | None = None
    empty: bool | None = None

    @field_validator("column")
    @classmethod
    def _clean_column(cls, value: str | None) -> str | None:
        return clean_name(value) if value else value

    @field_validator("rows")
    @classmethod
    def _are_ranges(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        for part in _parts(value or ()):
            if not _RANGE.fullmatch(part):
                raise ValueError(f"expected row numbers such as 3 or 10-12, came {part!r}")
        return value

    @model_validator(mode="after")
    def _one_way(self) -> Selection:
        tests = [name for name in ("equal", "like", "empty") if getattr(self, name) is not None]
        if (self.rows is None) == (self.column is None) or (self.column is not None) != (len(tests) == 1):
            raise ValueError("expected `rows`, or `column` with one of is, like, empty")
        return self

    def picks(self) -> Picks:
        """Return what tells whether a row is one of these."""
        if self.rows is not None:
            ranges = [
                (int(found[1]), int(found[2] or found[1]))
                for found in map(_RANGE.fullmatch, _parts(self.rows))
                if found
            ]
            return lambda number, _: any(first <= number <= last for first, last in ranges)
        column = self.column or ""
        if self.empty is not None:
            wanted = self.empty
            return lambda _, cells: (not _text(cells.get(column))) is wanted
        if self.equal is not None:
            texts = frozenset(map(fold, self.equal))
            return lambda _, cells: fold(_text(cells.get(column))) in texts
        patterns = [re.compile(translate(fold(pattern))) for pattern in self.like or ()]
        return lambda _, cells: any(pattern.match(fold(_text(cells.get(column)))) for pattern in patterns)


def _parts(rows: Iterable[str]) -> list[str]:
    return [part.strip() for row in rows for part in row.split(",")]


def _text(cell: Any) -> str:
    return "" if cell is None else str(cell).strip()


def any_picks(selections: Iterable[Selection]) -> Picks | None:
    """Return what tells whether a row is one of any of the selections; None if there are none."""
    found = [selection.picks() for selection in selections]
    if not found:
        return None
    return lambda number, cells: any(picks(number, cells) for picks in found)
