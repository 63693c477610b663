"""Rows of a sheet that seem to be no data, before it is known what its columns mean: totals, signatures. Pure.

What is found here is told or asked, and kept out of what the columns are judged by: one word below a column of numbers
makes it another column.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import Final, Literal

from connectors.mapping.no_data import are_column_numbers, find_total
from connectors.propose.profile import ROWS_LOOKED_AT, shorten
from connectors.source.table import Table

Kind = Literal["total", "maybe_total", "lone", "numbers"]
_LONE_OF: Final = 4  # cells that the other rows have, where one with a single cell is no row of the table
_BELOW_HEADER: Final = 3


@dataclass(frozen=True, slots=True)
class OddRow:
    """A row that seems to be no data. Shapes: what stands in `column` tells it from the others."""

    number: int
    kind: Kind
    column: str
    text: str
    shown: str
    is_sparse: bool  # less than half as full as the others

    @property
    def is_aside(self) -> bool:
        """Whether the columns are judged without it."""
        return self.kind in ("total", "numbers") or self.is_sparse


def odd_rows(table: Table) -> tuple[OddRow, ...]:
    """Return the rows that seem to be no data, in the sheet's order; none of JSON lines, which have no such rows."""
    if table.format.kind == "jsonl":
        return ()
    filled = [
        (number, {name: text for name, cell in cells.items() if cell is not None and (text := str(cell).strip())})
        for number, cells in table.rows[:ROWS_LOOKED_AT]
    ]
    usual = median(counts) if (counts := [len(cells) for _, cells in filled if cells]) else 0
    odd = (
        _odd(number, cells, usual, is_first=place < _BELOW_HEADER)
        for place, (number, cells) in enumerate(filled)
        if cells
    )
    return tuple(row for row in odd if row is not None)


def _odd(number: int, cells: dict[str, str], usual: float, *, is_first: bool) -> OddRow | None:
    first = next(iter(cells))
    is_sparse = len(cells) * 2 < usual
    shown = shorten(", ".join(cells.values()))
    if is_first and are_column_numbers(cells.values()) and len(cells) * 2 >= usual:
        return OddRow(number, "numbers", first, cells[first], shown, is_sparse=False)
    if (found := find_total(cells)) is not None:
        kind: Kind = "total" if found.is_certain else "maybe_total"
        return OddRow(number, kind, found.column, cells[found.column], shown, is_sparse)
    if len(cells) == 1 and usual >= _LONE_OF:
        return OddRow(number, "lone", first, cells[first], shown, is_sparse=True)
    return None
