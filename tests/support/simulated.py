"""Lanes that are read by turns, in virtual time: what is fetched is handled one after another, beside the fetching."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from hub.worker.lanes import RECORDS_AHEAD_MAX
from hub.worker.turns import Turns

OFFICE: Final = "office"
OFFICE_RECORD_S: Final = 0.0001
POLL_S, POLL_MAX_S = 0.001, 1.0
FOREVER: Final = float("inf")


@dataclass
class Simulated:
    """Imports that never end, by what a record of each takes, and an office that says a few rows now and then.

    Units: `step_s` is called for each fetch: what it takes beside its records.
    """

    imports: Mapping[str, float]
    step_s: Callable[[], float]
    rows_every_s: float = FOREVER
    rows: int = 1
    turns: Turns = field(default_factory=Turns)
    now_s: float = 0.0
    handled: dict[str, int] = field(default_factory=dict)  # records of each lane
    waits: list[float] = field(default_factory=list)  # of the office's rows, from when they were said
    _said: deque[float] = field(default_factory=deque)  # when each row was that is not fetched
    _next_row_s: float = 0.0
    _fetched: deque[tuple[str, int, list[float]]] = field(default_factory=deque)
    _ends_s: float = FOREVER  # when the first of these is handled
    _began_s: float = 0.0
    _poll_s: float = 0.0  # when the next poll begins, unless a row comes that this one waits for
    _wanted: set[str] = field(default_factory=set)  # what it waits for

    def __post_init__(self) -> None:
        self._lanes = [*self.imports, *([OFFICE] if self.rows_every_s < FOREVER else [])]
        self._next_row_s = self.rows_every_s

    def run(self, duration_s: float) -> Simulated:
        """Go on for so long, and forget what was measured before."""
        self.handled = dict.fromkeys([*self.imports, OFFICE], 0)
        self.waits = []
        until_s = self.now_s + duration_s
        while self.now_s < until_s:
            self.now_s = min(self._poll_s, self._ends_s, self._next_row_s)
            if self.now_s == self._next_row_s:
                self._said.extend([self.now_s] * self.rows)
                self._next_row_s += self.rows_every_s
            if self.now_s == self._ends_s:
                self._end()
            if self.now_s >= self._poll_s or (OFFICE in self._wanted and self._said):
                self._poll()
            if self._ends_s == FOREVER and self._fetched:
                self._begin()
        return self

    def of_each(self, duration_s: float) -> float:
        """Return how many records of all imports were handled in a second."""
        return sum(self.handled[center] for center in self.imports) / duration_s

    def _poll(self) -> None:
        """Fetch what there is. Where there is nothing, the poll goes on until there is, or its time is up."""
        self._wanted, self._poll_s = set(), self.now_s + POLL_S
        if sum(records for _, records, _ in self._fetched) >= RECORDS_AHEAD_MAX:
            return
        self._wanted, left = self.turns.next(self._lanes, self.now_s)
        has_found = False
        for center in sorted([center for center in self._lanes if center in self._wanted], key=self.turns.rank):
            records = min(left, len(self._said)) if center == OFFICE else left
            if not records:
                continue
            said = [self._said.popleft() for _ in range(records)] if center == OFFICE else []
            has_more = bool(self._said) if center == OFFICE else True
            self.turns.admitted(center, records, self.now_s, has_more=has_more)
            self._fetched.append((center, records, said))
            self._lanes.remove(center)
            self._lanes.append(center)  # it waits behind all others now
            left -= records
            has_found = True
        if has_found:
            self._wanted = set()
        else:
            self._poll_s = self.now_s + min(POLL_MAX_S, self.turns.patience_s)

    def _begin(self) -> None:
        center, records, _ = self._fetched[0]
        self._began_s = self.now_s
        self._ends_s = self.now_s + self.step_s() + records * self.imports.get(center, OFFICE_RECORD_S)

    def _end(self) -> None:
        center, records, said = self._fetched.popleft()
        self.turns.handled(center, records, self.now_s - self._began_s)
        self.handled[center] += records
        self.waits += [self.now_s - at_s for at_s in said]
        self._ends_s = FOREVER
