"""Tables for people, at whatever width there is: no line is longer, and no word is broken that fits into a line.

What fits stands in columns; where it does not, the widest columns are wrapped between words; where even that does not
help, every row becomes a block of lines `column  value`. Only a word that is longer than a whole line is cut.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Final

from rich.cells import cell_len, chop_cells

from hub.base.text import in_one_line, words

GAP: Final = "  "
WIDTH_MIN: Final = 20


def lines_of(
    columns: Sequence[str], rows: Sequence[Sequence[str]], width: int, right: Collection[str] = ()
) -> Iterator[str]:
    """Yield the lines of a table, the header first.

    Shapes: each row has a text for each of `columns`, of one line or several; `right` names the columns of numbers.
    Units:  `width` in cells of a terminal.
    """
    width = max(width, WIDTH_MIN)
    rows = [[_cell(cell) for cell in row] for row in rows]
    widths = _fitted(columns, rows, width - len(GAP) * (len(columns) - 1))
    if widths is None:
        yield from _blocks(columns, rows, width)
        return
    numbers = [name in right for name in columns]
    yield from _row(columns, widths, numbers)
    yield "─" * (sum(widths) + len(GAP) * (len(widths) - 1))
    for row in rows:
        yield from _row(row, widths, numbers)


def fact_lines(facts: Sequence[tuple[str, str]], width: int) -> Iterator[str]:
    """Yield `name  value` for each fact, the values under each other, wrapped between words."""
    yield from _block(facts, max((_length(name) for name, _ in facts), default=0), max(width, WIDTH_MIN))


def wrapped(text: str, width: int) -> list[str]:
    """Return a text in lines of at most this width, broken between words; one that is longer alone is cut."""
    return [part for line in text.split("\n") for part in _wrapped(line, width)]


def _cell(text: str) -> str:
    return "\n".join(map(in_one_line, text.split("\n")))


def _wrapped(text: str, width: int) -> list[str]:
    lines: list[str] = []
    current, at = "", 0
    for word in words(text):
        found = text.find(word, at)
        blank = " " if current and text[at:found].isspace() else ""
        at = found + len(word)
        if current and _length(current + blank + word) > width:
            lines.append(current)
            current, blank = "", ""
        *full, rest = chop_cells(word, width) if _length(word) > width else [word]
        lines += full
        current += blank + rest
    return [*lines, current] if current or not lines else lines


def _fitted(columns: Sequence[str], rows: Sequence[Sequence[str]], room: int) -> list[int] | None:
    """Return the width of each column, so that all of them have room; None where their longest words have not."""
    cells = [[name, *(row[at] for row in rows)] for at, name in enumerate(columns)]
    least = [max((_length(word) for cell in column for word in words(cell)), default=1) for column in cells]
    widths = [max(1, *(_length(line) for cell in column for line in cell.split("\n"))) for column in cells]
    if sum(least) > room:
        return None
    while sum(widths) > room:
        # The widest gives way, down to the next widest: so short columns stay in one line.
        at = max((at for at in range(len(widths)) if widths[at] > least[at]), key=lambda at: widths[at])
        others = max((widths[o] for o in range(len(widths)) if o != at and widths[o] < widths[at]), default=0)
        widths[at] = max(least[at], widths[at] - (sum(widths) - room), min(others, widths[at] - 1))
    return widths


def _row(cells: Sequence[str], widths: Sequence[int], numbers: Sequence[bool]) -> Iterator[str]:
    parts = [wrapped(cell, width) for cell, width in zip(cells, widths, strict=True)]
    for number in range(max(map(len, parts))):
        line = []
        for part, width, is_number in zip(parts, widths, numbers, strict=True):
            text = part[number] if number < len(part) else ""
            blanks = " " * (width - _length(text))
            line.append(blanks + text if is_number else text + blanks)
        yield GAP.join(line).rstrip()


def _blocks(columns: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> Iterator[str]:
    names = min(max(map(_length, columns)), width // 2)
    for number, row in enumerate(rows):
        if number:
            yield ""
        yield from _block(list(zip(columns, row, strict=True)), names, width)


def _block(facts: Sequence[tuple[str, str]], names: int, width: int) -> Iterator[str]:
    for name, cell in facts:
        for at, text in enumerate(wrapped(_cell(cell), width - names - len(GAP))):
            head = wrapped(name, names)[0] if not at else ""
            yield f"{head}{' ' * (names - _length(head))}{GAP}{text}".rstrip()


def _length(text: str) -> int:
    return len(text) if text.isascii() else cell_len(text)
