"""What is read by itself, a *unit*: a file, or one worksheet of a workbook that several mappings share.

A unit is named `<file>`, where one mapping takes the file, and `<file>#<worksheet>` where several do, each another
worksheet. That is its name in the outbox, in `status` and for `connector approve`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from connectors.mapping.model import Mapping
from connectors.source.folding import fold
from hub.base.shell import command
from hub.protocol.errors import UsageError

_UNIT: Final = re.compile(r"(?P<file>.+?\.(?:xlsx|xlsm))#(?P<sheet>.+)", re.IGNORECASE | re.DOTALL)


class SeveralMappings(UsageError):
    """Several mappings are for one file, and it is not said which of them takes what. The file is not read."""

    def __init__(self, file: str, mappings: Sequence[Mapping]) -> None:
        self.mappings = ", ".join(mapping.name for mapping in mappings)
        super().__init__(
            f"several mappings are for {file}: {self.mappings}; name another worksheet in `format.sheet` of each, "
            "or other files under `files`"
        )


@dataclass(frozen=True, slots=True)
class Unit:
    """What is read by itself, and the mapping that takes it."""

    name: str
    mapping: Mapping


def units_of(mappings: Iterable[Mapping], file: str) -> list[Unit]:
    """Return the units of a file named relative to the sources, with `/`; none if no mapping is for it.

    Errors: SeveralMappings, if two mappings would take the same rows, or may.
    """
    base = file.rpartition("/")[2]
    found = [mapping for mapping in mappings if mapping.matches(base)]
    if len(found) <= 1:
        return [Unit(file, mapping) for mapping in found]
    sheets = [fold(mapping.format.sheet or "") for mapping in found]
    if "" in sheets or len(set(sheets)) < len(sheets) or not _UNIT.fullmatch(f"{file}#sheet"):
        raise SeveralMappings(file, found)
    return [Unit(f"{file}#{(mapping.format.sheet or '').strip()}", mapping) for mapping in found]


def file_of(unit: str) -> str:
    """Return the file that a unit is of."""
    found = _UNIT.fullmatch(unit)
    return unit if found is None else found["file"]


def sheet_of_unit(unit: str) -> str:
    """Return the worksheet that a unit is, "" if it is a whole file."""
    found = _UNIT.fullmatch(unit)
    return "" if found is None else found["sheet"]


def approve_command(unit: str) -> str:
    """Return the command by which a person lets a unit be taken as it is, to be pasted."""
    return command("connector", "approve", *(("--",) if unit.startswith("-") else ()), unit)


def mapping_of(mappings: Iterable[Mapping], unit: str) -> Mapping | None:
    """Return the mapping that takes a unit, None if there is none now."""
    try:
        return next((one.mapping for one in units_of(mappings, file_of(unit)) if one.name == unit), None)
    except SeveralMappings:
        return None


def is_mapped(mappings: Iterable[Mapping], file: str) -> bool:
    """Return whether any mapping is for a file."""
    base = file.rpartition("/")[2]
    return any(mapping.matches(base) for mapping in mappings)
