"""What a view keeps: facts, and what is derived of several of them. Pure.

A *fact* is a row that one entity's state says, and nobody else's. It holds from the moment at which HQ recorded the
event that made it so until that of the event that unmade it. A *group* has the rows that follow from all facts that
hold now and have its key. Both depend on which events there are, and not on the order in which lanes came by.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import NoneType, UnionType
from typing import Any, Final, Literal, get_args, get_type_hints

Kind = Literal["TEXT", "INTEGER"]
Value = str | int | None
Fact = tuple[Value, ...]  # a NamedTuple of its table's `row`

FOREVER: Final = (1 << 63) - 1  # until when a fact holds that holds now
_KINDS: Final[Mapping[type, Kind]] = {str: "TEXT", int: "INTEGER"}


@dataclass(frozen=True, slots=True)
class Column:
    """A column. Shapes: `may_lack` is whether it may be NULL."""

    name: str
    kind: Kind
    may_lack: bool


def columns_of(row: type[tuple[Any, ...]]) -> tuple[Column, ...]:
    """Return the columns that rows of a NamedTuple take. Errors: TypeError for a field that no column holds."""
    found = []
    for name, hint in get_type_hints(row).items():
        kinds = get_args(hint) if isinstance(hint, UnionType) else (hint,)
        kept = [kind for kind in kinds if kind is not NoneType]
        if len(kept) != 1 or kept[0] not in _KINDS:
            raise TypeError(f"{row.__name__}.{name}: no column holds {hint}")
        found.append(Column(name, _KINDS[kept[0]], len(kinds) > 1))
    return tuple(found)


@dataclass(frozen=True, eq=False)
class _Table:
    """What tables of facts and of groups have in common. Each index is one column, by which rows are looked for."""

    name: str
    row: type[tuple[Any, ...]]

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """The columns of a row."""
        return columns_of(self.row)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of the columns of a row."""
        return tuple(column.name for column in self.columns)

    def place(self, column: str) -> int:
        """Return where a column stands in a row. Errors: ValueError."""
        return self.names.index(column)


@dataclass(frozen=True, eq=False)
class FactTable(_Table):
    """Facts of one kind.

    Shapes: `key` are the columns, the first ones of a row, that tell apart what one entity says at one moment; they
            are never NULL. `indexes` are columns by which facts are looked for; their entity is one anyway.
    """

    key: tuple[str, ...]
    indexes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Held:
    """A row that a group is derived of, and the entity that says it: `<stream>/<id>`, '' for a row of another group."""

    entity: str
    row: Fact


@dataclass(frozen=True, eq=False)
class GroupTable(_Table):
    """Rows that follow from the facts that hold now and have one key, which is a text.

    Shapes: the first column of a row is the group's key; `key` are the columns, the first ones, that tell all rows
            apart. `of` says of which tables it is derived, and in which of their columns the key stands: rows with NULL
            there are in no group. `derive` is told the key and, by the tables' names, what has it, in an order that is
            always the same.
    """

    key: tuple[str, ...]
    of: tuple[tuple[FactTable | GroupTable, str], ...]
    derive: Callable[[str, Mapping[str, Sequence[Held]]], Sequence[Fact]]
    indexes: tuple[str, ...] = ()


Table = FactTable | GroupTable


def sorting(row: Fact) -> tuple[tuple[bool, str], ...]:
    """Return by what rows of one table are sorted: NULL first, and numbers as their digits."""
    return tuple((value is not None, str(value)) for value in row)
