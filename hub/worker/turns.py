"""Whose records are fetched next, and how many: a lane with much to say holds up none that has little. Pure.

One worker handles one fetch at a time. While all lanes have much to say, or none has, each fetch brings what there is:
that is cheapest. Where some say little and others much, those with much are fetched in slices that take about
`SLICE_S` each to handle, and not again before the last one was handled: so a row from a small office waits for one
slice at most, however large the topic beside it is, and whatever its records cost.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

LITTLE_RECORDS_MAX: Final = 64  # in one fetch
LITTLE_FOR_S: Final = 5.0  # so long after its last event a lane is thought to have little to say, and soon
SLICE_S: Final = 0.010
SLICE_RECORDS_MIN: Final = 16
SLICE_RECORDS_MAX: Final = 512
PACE_WEIGHT: Final = 0.3  # of the newest slice in what a record is thought to take


@dataclass(slots=True)
class _Turn:
    """One lane: whether it has much to say, when its last event was fetched, what waits, how long a record takes."""

    has_much: bool = False
    fetched_at_s: float = float("-inf")
    waiting: int = 0  # fetches that are not handled
    record_s: float = 0.0


@dataclass(slots=True)
class Turns:
    """The turns of the lanes that a worker reads. Units: moments are seconds of one monotonic clock."""

    _turns: dict[str, _Turn] = field(default_factory=dict)

    def clear(self) -> None:
        """Forget what waits: the lanes are dealt out anew."""
        self._turns.clear()

    def admitted(self, center: str, records: int, now_s: float, *, has_events: bool = True) -> None:
        """A fetch has brought so many records of this lane. Nobody waits for the answer to a control record."""
        turn = self._turns.setdefault(center, _Turn())
        turn.has_much = records > LITTLE_RECORDS_MAX
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

    def next(self, centers: Iterable[str], now_s: float) -> tuple[set[str], int | None]:
        """Return which of these lanes are fetched now, and how many records at most, None where there is no limit."""
        wanted = set(centers)
        with_much = {center for center in wanted if (turn := self._turns.get(center)) and turn.has_much}
        if not with_much or not self._anybody_says_little(now_s):
            return wanted, None
        record_s = max(self._turns[center].record_s for center in with_much)
        slice_records = int(SLICE_S / record_s) if record_s else SLICE_RECORDS_MAX
        waiting = {center for center in with_much if self._turns[center].waiting}
        return wanted - waiting, min(max(slice_records, SLICE_RECORDS_MIN), SLICE_RECORDS_MAX)

    def _anybody_says_little(self, now_s: float) -> bool:
        return any(not t.has_much and now_s - t.fetched_at_s < LITTLE_FOR_S for t in self._turns.values())
