"""Whose records are fetched next, and how many: a lane with much to say holds up none that has little. Pure.

One worker handles one fetch at a time. While all lanes have much to say, or none has, a fetch takes about `FETCH_S` to
handle: that is cheapest. Where some say little and others much, those with much are fetched in slices that take about
`SLICE_S`, not again before the last one was handled, and each slice is handled only when those that say little have
their answers. So a row from a small office waits for one slice at most, however large the topic beside it is, and
whatever its records cost. Slices cost: 100,000 events in full batches went in at 5,700/s in slices, at 9,600/s without.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

LITTLE_RECORDS_MAX: Final = 64  # in one fetch
LITTLE_FOR_S: Final = 5.0  # so long after its last event a lane is thought to have little to say, and soon
MUCH_FOR_S: Final = 1.0  # so long after it filled a fetch: what comes next may be the end of what lay at hand
SLICE_S: Final = 0.010
SLICE_RECORDS_MIN: Final = 4
SLICE_RECORDS_MAX: Final = 512  # also of the first fetch of all, when nobody knows how long a record takes
FETCH_S: Final = 0.150
FETCH_RECORDS_MAX: Final = 2000
PACE_WEIGHT: Final = 0.3  # of the newest slice in what a record is thought to take


@dataclass(slots=True)
class _Turn:
    """One lane: when it last had much to say, when its last event was fetched, what waits, how long a record takes."""

    much_at_s: float = float("-inf")
    fetched_at_s: float = float("-inf")
    waiting: int = 0  # fetches that are not handled
    record_s: float = 0.0

    def says_much(self, now_s: float) -> bool:
        return now_s - self.much_at_s < MUCH_FOR_S

    def says_little(self, now_s: float) -> bool:
        return not self.says_much(now_s) and now_s - self.fetched_at_s < LITTLE_FOR_S


@dataclass(slots=True)
class Turns:
    """The turns of the lanes that a worker reads. Units: moments are seconds of one monotonic clock."""

    _turns: dict[str, _Turn] = field(default_factory=dict)
    _slice: int | None = None  # how many records the newest fetch may bring, where it is one of slices

    def clear(self) -> None:
        """Forget what waits: the lanes are dealt out anew."""
        self._turns.clear()
        self._slice = None

    def admitted(self, center: str, records: int, now_s: float, *, has_events: bool = True) -> None:
        """A fetch has brought so many records of this lane. Nobody waits for the answer to a control record.

        What fills half of a slice is much, however few records that are: more of them would take too long.
        """
        turn = self._turns.setdefault(center, _Turn())
        if records > LITTLE_RECORDS_MAX or (self._slice is not None and records * 2 >= self._slice):
            turn.much_at_s = now_s
        if has_events:
            turn.fetched_at_s = now_s
        turn.waiting += 1

    def handled(self, center: str, records: int, took_s: float) -> None:
        """A fetch of this lane was handled, or dropped, in this time."""
        turn = self._turns.get(center)
        if turn is None or not records:
            return
        turn.waiting = max(0, turn.waiting - 1)
        record_s = took_s / records
        turn.record_s = record_s if not turn.record_s else turn.record_s + PACE_WEIGHT * (record_s - turn.record_s)

    def next(self, centers: Iterable[str], now_s: float) -> tuple[set[str], int]:
        """Return which of these lanes are fetched now, and how many records at most."""
        wanted = set(centers)
        turns = {center: turn for center in wanted if (turn := self._turns.get(center))}
        with_much = {center: turn for center, turn in turns.items() if turn.says_much(now_s)}
        if not with_much or not any(turn.says_little(now_s) for turn in self._turns.values()):
            self._slice = None
            return wanted, _records_in(FETCH_S, turns.values(), FETCH_RECORDS_MAX)
        self._slice = _records_in(SLICE_S, with_much.values(), SLICE_RECORDS_MAX)
        return wanted - {center for center, turn in with_much.items() if turn.waiting}, self._slice

    def before(self, center: str, now_s: float) -> list[str]:
        """Return whose answers go out before a slice of this lane is handled: theirs who say little beside it."""
        turn = self._turns.get(center)
        if self._slice is None or turn is None or not turn.says_much(now_s):
            return []
        return [other for other, beside in self._turns.items() if beside.says_little(now_s)]


def _records_in(duration_s: float, turns: Iterable[_Turn], most: int) -> int:
    record_s = max((turn.record_s for turn in turns), default=0.0)
    if not record_s:
        return SLICE_RECORDS_MAX
    return min(max(round(duration_s / record_s), SLICE_RECORDS_MIN), most)
