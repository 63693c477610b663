"""What a view is: a name, a version, its tables, and one pure function from an entity to its facts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from hub.domain.entity import Entity
from hub.protocol.value import value_class
from hub.views.table import FOREVER, Fact, FactTable, GroupTable, Held, Table, sorting

Facts = Mapping[FactTable, Sequence[Fact]]


def key_of(stream: str, entity_id: str) -> str:
    """Return by what an entity is known in every table: no stream has a slash in its name."""
    return f"{stream}/{entity_id}"


def entity_of(key: str) -> tuple[str, str]:
    """Return the stream and the id of a `key_of`."""
    stream, _, entity_id = key.partition("/")
    return stream, entity_id


@dataclass(frozen=True, eq=False)
class View:
    """Something that people ask for, derived from what centers and HQ have said.

    `facts_of` looks at nothing but the entity that it is given: what joins several entities is a group. Whoever changes
    a table or a function of a view gives it the next version: then it is built anew, beside the old one.

    Shapes: `streams` are those whose entities say facts here; a group stands behind the groups that it is derived of.
    """

    name: str
    version: int
    streams: frozenset[str]
    facts: tuple[FactTable, ...]
    facts_of: Callable[[Entity], Facts]
    groups: tuple[GroupTable, ...] = ()

    @cached_property
    def tables(self) -> tuple[Table, ...]:
        """All of its tables."""
        return (*self.facts, *self.groups)


@value_class
class Change:
    """What an accepted event made of its entity.

    Units: `at_us` is by when HQ counts as having recorded it, microseconds since 1970; in a lane it never decreases.
    """

    lane_id: int
    sequence: int
    at_us: int
    after: Entity


@value_class
class Span:
    """A fact, and from when until before when it holds (microseconds since 1970; FOREVER: it holds now)."""

    fact: Fact
    since_us: int
    until_us: int


@value_class
class Course:
    """What changes of one entity do to one table.

    Shapes: `ended` are facts that held before, each with its end; one that ends when it began is never seen, and its
            end is its beginning. `begun` are new ones, some of which have ended already.
    """

    ended: tuple[Span, ...]
    begun: tuple[Span, ...]


def course(table: FactTable, held: Iterable[Span], said: Iterable[tuple[int, Sequence[Fact]]]) -> Course:
    """Return what has to be written so that the table holds what an entity says, from when it says it.

    Shapes: `held` are the entity's facts that hold; `said` are moments with all that the entity says from then on.
    Errors: ValueError, where an entity says two facts of one key, or a moment comes before an earlier one.
    """
    width = len(table.key)
    before = {span.fact[:width]: span for span in held}
    now, ended, begun = dict(before), [], []
    for at_us, facts in said:
        wanted = {fact[:width]: fact for fact in facts}
        if len(wanted) < len(facts):
            raise ValueError(f"{table.name}: an entity says two facts of one key")
        for key, span in list(now.items()):
            if wanted.get(key) == span.fact:
                continue
            if at_us < span.since_us:
                raise ValueError(f"{table.name}: what holds since {span.since_us} ends at {at_us}")
            del now[key]
            over = Span(span.fact, span.since_us, at_us)
            if before.get(key) is span:
                ended.append(over)
            elif at_us > span.since_us:
                begun.append(over)
        for key, fact in wanted.items():
            if key not in now:
                now[key] = Span(fact, at_us, FOREVER)
    begun += [span for key, span in now.items() if before.get(key) is not span]
    return Course(tuple(ended), tuple(begun))


def groups_of(table: GroupTable, source: Table, rows: Iterable[Fact]) -> set[str]:
    """Return the keys of the groups of a table that rows of another table are in."""
    keys: set[str] = set()
    for of, column in table.of:
        if of is source:
            place = of.place(column)
            keys.update(str(row[place]) for row in rows if row[place] is not None)
    return keys


def told_in(table: GroupTable, rows: Mapping[str, Iterable[Held]]) -> dict[str, dict[str, list[Held]]]:
    """Return what each group of a table is derived of: by its key, then by the table that has it, always in one order.

    Shapes: `rows` are those that hold, by the name of their table; those that are in no group are left out.
    """
    told: dict[str, dict[str, list[Held]]] = {}
    for of, column in table.of:
        place = of.place(column)
        for held in rows[of.name]:
            if held.row[place] is not None:
                group = told.setdefault(str(held.row[place]), {source.name: [] for source, _ in table.of})
                group[of.name].append(held)
    for group in told.values():
        for found in group.values():
            found.sort(key=lambda held: (held.entity, sorting(held.row)))
    return told


def derived(view: View, facts: Mapping[str, Iterable[Held]]) -> dict[str, list[Fact]]:
    """Return the rows of every group of a view that follow from all facts of one moment, by the tables' names."""
    rows = dict(facts)
    found: dict[str, list[Fact]] = {}
    for table in view.groups:
        told = told_in(table, rows)
        found[table.name] = [row for key in sorted(told) for row in table.derive(key, told[key])]
        rows[table.name] = [Held("", row) for row in found[table.name]]
    return found
