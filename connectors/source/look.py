"""How a sheet looks to people: what its cells show, and what colours, lines and hidden rows may mean to them."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from decimal import Decimal

from connectors.source.grid import Grid
from connectors.source.number_format import show_general
from connectors.source.package import Package, SheetFacts
from connectors.source.problem import TableWarning, WarningCode
from connectors.source.shown import HiddenText, ShownNumber
from connectors.source.table import Cell, FormatOptions

_COLOURS_BYTES = 4 * 1024 * 1024  # how far down a sheet is searched for colours
_NAMES_SHOWN = 5
_QUOTED = re.compile(r'"([^"]*)"')
_COIN = re.compile(r"\[\$[^\]\-]|[$€£¥₽₸₨₹₴₺₩\u5143]")
_NO_WORD = frozenset(" \t\n\r\x0b\x0c\xa0.,-()")


def show_cells(
    package: Package, grid: Grid, below: Mapping[int, list[Cell]], places: Mapping[int, str], wanted: FormatOptions
) -> None:
    """Put into the rows, where a text is wanted, what the sheet shows, and beside other numbers what stands there.

    The sheet's text is looked through for that only if a number, or a text under an unusual format, could differ.
    """
    shown = _chosen(places, wanted.columns_shown)
    formats = package.styles.formats
    odd = frozenset(i for i, form in enumerate(formats) if not form.is_plain and not form.is_moment)
    whole = frozenset(i for i, form in enumerate(formats) if form.is_plain and not form.is_general)
    texts = frozenset(i for i, form in enumerate(formats) if not form.is_text_plain)
    first = grid.first_column
    if odd or whole:
        ints = _having(below, shown, first, int)
        decimals = _having(below, shown, first, Decimal)
        _show_numbers(package, grid, below, odd, ints - decimals)
        _show_numbers(package, grid, below, odd | whole, decimals)
    worded = frozenset(i for i, form in enumerate(formats) if not form.is_moment and _has_word(form.code))
    if worded:  # a number that is shown with a unit or a currency beside it
        others = _chosen(places, wanted.columns) - shown
        numbers = _having(below, others, first, int) | _having(below, others, first, Decimal)
        _show_numbers(package, grid, below, worded, numbers)
    if texts:
        for cell in package.styled_cells(grid.facts, texts, _having(below, shown, first, str)):
            _show_text(package, below, cell.row, cell.column - first, cell.style)


def _has_word(code: str) -> bool:
    """Return whether a format shows a text or a currency beside a number."""
    return _COIN.search(code) is not None or any(set(text) - _NO_WORD for text in _QUOTED.findall(code))


def _chosen(places: Mapping[int, str], names: frozenset[str] | None) -> frozenset[int]:
    return frozenset(column for column, name in places.items() if names is None or name in names)


def _having(below: Mapping[int, list[Cell]], columns: frozenset[int], first: int, kind: type) -> frozenset[int]:
    """Return those of the columns that have a cell of a kind."""
    return frozenset(
        column for column in columns if any(values[column - first].__class__ is kind for values in below.values())
    )


def _show_numbers(
    package: Package, grid: Grid, below: Mapping[int, list[Cell]], styles: frozenset[int], columns: frozenset[int]
) -> None:
    formats = package.styles
    first = grid.first_column
    for cell in package.styled_cells(grid.facts, styles, columns):
        values = below.get(cell.row)
        if values is None:
            continue
        value = values[cell.column - first]
        if value.__class__ is int or value.__class__ is Decimal:
            form = formats.format_of(cell.style)
            shown = form.show(value)
            if shown != show_general(Decimal(value)):
                values[cell.column - first] = ShownNumber.of(value, shown, form)


def _show_text(package: Package, below: Mapping[int, list[Cell]], row: int, index: int, style: int) -> None:
    values = below.get(row)
    text = values[index] if values else None
    if values and text.__class__ is str:
        form = package.styles.format_of(style)
        shown = form.show_text(str(text))
        values[index] = HiddenText.of(str(text), form) if shown is None else shown


def looks(package: Package, facts: SheetFacts, places: Mapping[int, str], rows: Collection[int]) -> list[TableWarning]:
    """Return a note on each thing that a person may mean by the look of a sheet, and that no row says."""
    return [
        note for note in (_hidden(facts, places, rows), _struck(package, facts, places, rows)) if note is not None
    ] + _coloured(package, facts, places, rows)


def _hidden(facts: SheetFacts, places: Mapping[int, str], rows: Collection[int]) -> TableWarning | None:
    hidden = [row for row in rows if row in facts.hidden_rows] if facts.hidden_rows else []
    names = [name for column, name in places.items() if any(column in columns for columns in facts.hidden_columns)]
    said = []
    if hidden:
        said.append(f"{len(hidden)} rows are hidden, by hand or by a filter (the first: row {min(hidden) + 1})")
    if names:
        said.append(f"hidden columns: {_list(names)}")
    return TableWarning(WarningCode.HIDDEN, f"{'; '.join(said)}; they are read as all others") if said else None


def _struck(
    package: Package, facts: SheetFacts, places: Mapping[int, str], rows: Collection[int]
) -> TableWarning | None:
    struck = {cell.row for cell in package.styled_cells(facts, package.styles.struck, frozenset(places))}
    struck.intersection_update(rows)
    if not struck:
        return None
    message = (
        f"{len(struck)} rows have text that is struck through (the first: row {min(struck) + 1}); they are read as all "
        "others: if it means that a row no longer counts, say so in its status column"
    )
    return TableWarning(WarningCode.STRUCK_THROUGH, message)


def _coloured(
    package: Package, facts: SheetFacts, places: Mapping[int, str], rows: Collection[int]
) -> list[TableWarning]:
    """Return a note if the cells of a column are not all coloured alike: then it may mean something."""
    colours = dict(package.styles.colours)
    if not colours:
        return []
    found: dict[int, Counter[str]] = defaultdict(Counter)
    last = -1
    for cell in package.styled_cells(facts, colours, frozenset(places), _COLOURS_BYTES):
        if cell.row in rows:
            found[cell.column][colours[cell.style]] += 1
            last = cell.row
    seen = sum(row <= last for row in rows)
    telling = [
        f"{places[column]!r} ({len(counts)})"
        for column, counts in sorted(found.items())
        if len(counts) > 1 or counts.total() < seen
    ]
    if not telling:
        return []
    message = (
        f"cells are coloured: {_list(telling, quote=False)}; colours are not read: if they mean something, write it "
        "into a column"
    )
    return [TableWarning(WarningCode.COLOURED, message)]


def _list(names: list[str], *, quote: bool = True) -> str:
    shown = ", ".join(repr(name) if quote else name for name in names[:_NAMES_SHOWN])
    return shown if len(names) <= _NAMES_SHOWN else f"{shown} and {len(names) - _NAMES_SHOWN} more"
