"""Value tables of a mapping: what is agreed to stand in a cell, and what each text means."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, Final

from connectors.mapping.convert import Convert, Unfit, as_said, as_text, shown
from connectors.mapping.fault import Faults
from connectors.mapping.model import Source
from connectors.mapping.problem import LocalCode
from connectors.source.folding import fold, skeleton

GIVEN_BYTES_MAX: Final = 36
_LISTED_BYTES_MAX: Final = 36
_MISSING: Final = object()


def read_table(source: Source, settle: Callable[[Any, str], Any], place: str, name: str) -> dict[str, Any] | None:
    """Return what each text of a value table means; None without one. Errors: WrongMapping."""
    if source.table is None:
        return None
    found: dict[str, Any] = {}
    faults = Faults(name)
    for said, meant in source.table.items():
        with faults.gather():
            value = settle(meant, f"table.{said}")
            if found.setdefault(fold(said), value) != value:
                faults.note(f"{place}.table.{said}: stands twice, as values are compared, with another meaning")
    faults.raise_all()
    return found


def first_of(texts: Collection[str]) -> str:
    """Return the first texts of many for a message, and how many there are, as far as there is room."""
    found: list[str] = []
    for text in texts:
        if len(", ".join((*found, text)).encode()) > _LISTED_BYTES_MAX:
            break
        found.append(text)
    rest = "" if len(found) == len(texts) else f" … ({len(texts)})"
    return (", ".join(found) or shown(next(iter(texts)), _LISTED_BYTES_MAX)) + rest


def look_up(table: dict[str, Any], said: Collection[str]) -> Convert:
    """Return what looks a cell up in a value table. Errors: it raises Unfit, with the first of what the table has."""
    allowed = first_of(said)
    alike: dict[str, list[Any]] = {}
    for text, value in table.items():
        alike.setdefault(skeleton(text), []).append(value)
    looks = {look: values[0] for look, values in alike.items() if all(value == values[0] for value in values)}

    def convert(cell: Any) -> Any:
        # A yes or no of a spreadsheet is looked up by its word, all else as the sheet shows it.
        text = as_said(cell) if isinstance(cell, bool) else as_text(cell)
        folded = fold(text)
        found = table.get(folded, _MISSING)
        if found is _MISSING:  # a letter of another alphabet may look the same
            found = looks.get(skeleton(folded), _MISSING)
        if found is _MISSING:
            raise Unfit(LocalCode.NOT_IN_TABLE, shown(cell, GIVEN_BYTES_MAX), allowed=allowed)
        return found

    return convert
