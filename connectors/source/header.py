"""Column names from header cells: trimmed, composed, unique, never empty."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet

from connectors.source.folding import difference, fold_name, skeleton, visible
from connectors.source.problem import FileCode, FileRefused, TableWarning, WarningCode

_BELOW_BEST_MAX = 25  # rows below one with some of the names, in which none has more of them


def clean_name(text: str) -> str:
    """Return a column name as a person reads it: one line, single spaces, composed letters, nothing invisible."""
    return visible(text)


def column_letters(index: int) -> str:
    """Return the sheet's letters of a column; index is from 0 (0 = A, 26 = AA)."""
    letters = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


def is_blank(value: object) -> bool:
    """Return whether a person sees nothing in this cell."""
    return value is None or (isinstance(value, str) and not value.strip())


def find_header(records: Iterable[Sequence[object]], wanted: AbstractSet[str] | None = None) -> int | None:
    """Return the index of the header: of the records that have the most of the wanted names, the first.

    Where none has any, it is the first record with two cells filled, or else the first with one.
    """
    looks = {skeleton(name) for name in wanted or ()}
    first = only = None
    best, hits = None, 0
    for index, record in enumerate(records):
        filled = sum(not is_blank(value) for value in record)
        if filled >= 2 and first is None:  # a title above the table fills one cell
            first = index
            if not looks:
                break
        if filled and only is None:
            only = index
        if filled and looks:
            found = len(looks & {skeleton(str(value)) for value in record if not is_blank(value)})
            if found > hits:
                best, hits = index, found
                if hits == len(looks):
                    break
        if best is not None and index - best >= _BELOW_BEST_MAX:
            break
    if best is not None:
        return best
    return only if first is None else first


def join_levels(upper: Sequence[str], lower: Sequence[str], wanted: AbstractSet[str]) -> list[str] | None:
    """Return the names of a header in two rows, None if the lower row alone has as many of the wanted ones.

    A column is called as its lower cell says, as its upper one where that is empty, or by both as in `Budget / from`,
    whichever is wanted; an upper cell stands over the columns behind it, up to the next.
    """
    looks = {skeleton(name) for name in wanted}
    width = max(len(upper), len(lower))
    above = [*map(clean_name, upper), *[""] * (width - len(upper))]
    below = [*map(clean_name, lower), *[""] * (width - len(lower))]
    names, group = [], ""
    for high, low in zip(above, below, strict=True):
        group = high or group
        both = f"{group} / {low}" if group and low else low or high
        names.append(next((name for name in (both, low, high) if name and skeleton(name) in looks), low or high))
    found = len(looks.intersection(map(skeleton, names)))
    alone = max(len(looks.intersection(map(skeleton, row))) for row in (above, below))
    return names if found > alone and found == len(looks) else None


def take_wanted_names(cells: Sequence[str], wanted: AbstractSet[str], first_column: int = 0) -> list[str]:
    """Return the names with those that only look like a wanted one, or differ in width, spelled as it is.

    Errors: FileRefused(REPEATED_COLUMN) if a wanted name is there twice, as it looks: a person must say which is meant.
    """
    names = list(cells)
    there = set(names)
    looks = [skeleton(name) for name in names]
    count = Counter(looks)
    folded: dict[str, list[int]] | None = None
    for name in wanted:
        look = skeleton(name)
        if count[look] > 1 and f"{name} (2)" not in wanted:
            raise _repeated(name, [index for index, found in enumerate(looks) if found == look], names, first_column)
        if name in there:
            continue
        if count[look] == 1:
            names[looks.index(look)] = name
            continue
        if folded is None:
            folded = {}
            for index, cell in enumerate(names):
                folded.setdefault(fold_name(cell), []).append(index)
        if len(same := folded.get(fold_name(name), [])) == 1 and names[same[0]] not in wanted:
            names[same[0]] = name
    return names


def _repeated(name: str, places: list[int], names: Sequence[str], first_column: int) -> FileRefused:
    letters = " and ".join(column_letters(first_column + index) for index in places)
    unlike = next((names[index] for index in places if names[index] != names[places[0]]), None)
    detail = f" ({difference(names[places[0]], unlike)})" if unlike is not None else ""
    return FileRefused(
        FileCode.REPEATED_COLUMN,
        f"the columns {letters} are both called {name!r}{detail}: rename one of them in the sheet",
        column=name,
        columns=letters,
    )


def name_columns(
    cells: Sequence[str],
    is_used: Callable[[int], bool],
    columns_max: int,
    first_column: int = 0,
    wanted: AbstractSet[str] | None = None,
) -> tuple[tuple[str, ...], tuple[int, ...], list[TableWarning]]:
    """Return the names, the indexes of the columns they name, and warnings.

    Shapes: is_used(index) tells whether a column without a name has any cell filled; if not, it is left out.
            first_column is where the cells begin on the sheet, from 0, for the letters in messages. `wanted` are the
            names that a mapping uses: a column is called so if its name looks the same.
    Errors: FileRefused(TOO_MANY_COLUMNS, REPEATED_COLUMN).
    """
    names: list[str] = []
    indexes: list[int] = []
    warnings: list[TableWarning] = []
    cleaned = [clean_name(cell) for cell in cells]
    # Before the names are made different from one another, which takes time by the square of their number.
    _check_count(sum(map(bool, cleaned)), columns_max)
    if wanted:
        cleaned = take_wanted_names(cleaned, wanted, first_column)
    taken = {name for name in cleaned if name}
    seen: set[str] = set()
    for index, cell in enumerate(cleaned):
        name = cell
        if not name:
            if not is_used(index):
                continue
            name = _free_name(f"Column {column_letters(first_column + index)}", taken)
            warnings.append(
                TableWarning(
                    WarningCode.UNNAMED_COLUMN, f"column {column_letters(first_column + index)} has no name", name
                )
            )
        elif name in seen:
            name = _free_name(cell, taken)
            warnings.append(
                TableWarning(
                    WarningCode.REPEATED_HEADER,
                    f"column {column_letters(first_column + index)} repeats the name {cell!r}",
                    name,
                )
            )
        seen.add(name)
        taken.add(name)
        names.append(name)
        indexes.append(index)
    _check_count(len(names), columns_max)
    return tuple(names), tuple(indexes), warnings


def _check_count(count: int, columns_max: int) -> None:
    if count > columns_max:
        raise FileRefused(
            FileCode.TOO_MANY_COLUMNS,
            f"expected at most {columns_max} columns, the header has {count}",
            max=columns_max,
        )


def _free_name(name: str, taken: set[str]) -> str:
    if name not in taken:
        return name
    count = 2
    while f"{name} ({count})" in taken:
        count += 1
    return f"{name} ({count})"
