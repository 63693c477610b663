"""What became of each row of a table: a wanted state, or problems that say where to look."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from dataclasses import replace
from heapq import merge
from typing import NamedTuple

from connectors.mapping.changed_key import changed_keys
from connectors.mapping.compiled import compile_mapping
from connectors.mapping.convert import shown
from connectors.mapping.look_alike import look_alikes
from connectors.mapping.model import Mapping
from connectors.mapping.no_data import NoData, NoDataFinder, Reason
from connectors.mapping.person import SealPerson
from connectors.mapping.problem import LocalCode, Problem, Wanted
from connectors.mapping.selection import any_picks
from connectors.source.table import Table
from hub.protocol.value import value_class

__all__ = ["Outcomes", "Problem", "RowOutcome", "Wanted", "outcomes"]


@value_class
class RowOutcome:
    """One row as the mapping sees it.

    Shapes: exactly one holds: `blank`; `problems` is not empty (the row is refused); `wanted` says what should be.
            `duplicate_of` is the number of an earlier row with the same key and the same wanted state: such a row is
            `unchanged`, whatever becomes of the first. fingerprint is the SHA-256 of the wanted state, b"" without one.
    """

    row: int
    key: str
    wanted: Wanted | None
    problems: tuple[Problem, ...]
    blank: bool
    fingerprint: bytes
    duplicate_of: int | None = None


class Outcomes:
    """The outcome of every row that the table numbers, in the sheet's order; made anew each time one goes through them.

    The outcomes of a large sheet take eight times the memory of its table, so they are never all there at once.
    Shapes: rows that could not be read come back as refused ones; the blank ones that the source only counted
            (`table.blank_count`) are not here.
    Errors: UsageError on construction, if the mapping names a column that the sheet does not have, or a field that the
            stream has not.
    """

    def __init__(self, mapping: Mapping, table: Table, center: str, seal: SealPerson | None = None) -> None:
        self._table = table
        self._reader = compile_mapping(mapping, center, table.format, table.header, seal)
        sources = (source for person in mapping.persons.values() for _, source in person.sources())
        self._of_persons = frozenset(name for source in sources for name in source.used_columns)
        skip = any_picks([one for one in mapping.skip if one.rows is not None])
        self._unreadable = [one for one in _unreadable(table) if skip is None or not skip(one.row, {})]
        self.skipped: list[Skipped] = []
        finder = NoDataFinder(mapping, table.header, table.rows)
        self._keys: list[str] = []  # by their place in the table; "" where there is none, or where none is needed
        self._settled = self._settle_repeated_keys(finder, len(mapping.key_prefix))

    def __len__(self) -> int:
        return len(self._table.rows) + len(self._unreadable)

    def __iter__(self) -> Iterator[RowOutcome]:
        read, settled = self._reader.read, self._settled
        found = (
            settled.get(index) or RowOutcome(*read(row, key))
            for index, (row, key) in enumerate(zip(self._table.rows, self._keys, strict=True))
        )
        return merge(found, self._unreadable, key=lambda outcome: outcome.row) if self._unreadable else found

    def _read(self, index: int) -> RowOutcome:
        return RowOutcome(*self._reader.read(self._table.rows[index], self._keys[index]))

    def _settle_repeated_keys(self, finder: NoDataFinder, key_start: int) -> dict[int, RowOutcome]:
        """Return, by their place in the table, the outcomes that don't depend on their row alone.

        Those are rows that are no data, rows whose key is there more than once, or there in another alphabet, and rows
        of whose key the column tells that a program changed it.
        """
        settled: dict[int, RowOutcome] = {}
        keys = self._keys
        for index, row in enumerate(self._table.rows):
            no_data = finder.find(index, row)
            if no_data is None:
                keys.append(self._reader.scan(row))
                continue
            keys.append("")
            settled[index] = _outcome_of(row[0], no_data, self._of_persons)
            if no_data.reason is not None:
                self.skipped.append(Skipped(row[0], no_data.reason))
        repeated = {key for key, count in Counter(keys).items() if key and count > 1}
        places = [index for index, key in enumerate(keys) if key in repeated] if repeated else []
        found = [self._read(index) for index in places]
        _settle_duplicates(found)
        settled |= zip(places, found, strict=True)
        bare = [key[key_start:] for key in keys] if key_start else keys
        for index, words in look_alikes(bare).items():
            self._refuse(settled, index, LocalCode.LOOK_ALIKE, words)
        if self._table.format.kind == "csv":
            for index, told in changed_keys(bare).items():
                if not finder.is_kept(self._table.rows[index]):
                    self._refuse(settled, index, LocalCode.CHANGED_KEY, told)
        return settled

    def _refuse(self, settled: dict[int, RowOutcome], index: int, code: LocalCode, params: str) -> None:
        outcome = settled.get(index) or self._read(index)
        problem = Problem(self._reader.key_label, "", code, params)
        settled[index] = replace(outcome, wanted=None, fingerprint=b"", problems=(*outcome.problems, problem))


class Skipped(NamedTuple):
    """A row that is no data, by its number, and why it is skipped."""

    row: int
    reason: Reason


def _outcome_of(number: int, found: NoData, of_persons: Collection[str]) -> RowOutcome:
    if found.code is None:
        return RowOutcome(number, "", None, (), True, b"")
    params = "" if found.column in of_persons else f"{found.param}={shown(found.text)}"
    problem = Problem(found.column, "", found.code, params)
    return RowOutcome(number, "", None, (problem,), False, b"")


def outcomes(mapping: Mapping, table: Table, center: str, seal: SealPerson | None = None) -> list[RowOutcome]:
    """Return all of `Outcomes` at once: for small tables, and for those who look at rows more than once."""
    return list(Outcomes(mapping, table, center, seal))


def _unreadable(table: Table) -> list[RowOutcome]:
    by_row: dict[int, list[Problem]] = defaultdict(list)
    for problem in table.problems:
        by_row[problem.row_number].append(Problem(problem.column or "", "", str(problem.code), ""))
    return [RowOutcome(row, "", None, tuple(problems), False, b"") for row, problems in sorted(by_row.items())]


def _settle_duplicates(found: list[RowOutcome]) -> None:
    """Mark rows that say the same of one key as repeats, and refuse all rows of a key that say different things.

    A refused row with the key counts as different: which of the two is meant is for a person to say.
    """
    first: dict[str, int] = {}
    repeated: dict[str, list[int]] = {}
    for index, outcome in enumerate(found):
        if not outcome.key:
            continue
        if outcome.key in first:
            repeated.setdefault(outcome.key, [first[outcome.key]]).append(index)
        else:
            first[outcome.key] = index
    for indexes in repeated.values():
        marks = {found[index].fingerprint for index in indexes}
        if len(marks) == 1 and b"" not in marks:
            for index in indexes[1:]:
                found[index] = replace(found[index], duplicate_of=found[indexes[0]].row)
            continue
        rows = [found[index].row for index in indexes]
        for index in indexes:
            others = ", ".join(str(row) for row in rows if row != found[index].row)[:60]
            problem = Problem("", "", LocalCode.DUPLICATE_KEY, f"rows={others}")
            found[index] = replace(
                found[index], wanted=None, fingerprint=b"", problems=(*found[index].problems, problem)
            )
