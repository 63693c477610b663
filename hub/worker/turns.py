"""Whose records are fetched next, and how many: a lane with much to say holds up none that has little. Pure.

One worker handles one fetch at a time. While all lanes have much to say, a fetch takes about `FETCH_S` to handle: that
is cheapest. Where some say little and others much, those with much are fetched in slices that take about `SLICE_S`, not
again before the last one was handled, and each slice is handled only when those that say little have their answers. So
a row from a small office waits for one slice at most, however large the topic beside it is, and whatever its records
cost; its first one, after a while in which nobody said little, for what was fetched by then, `AHEAD_S` at most.

Slices cost: 100,000 events in full batches went in at 6,700/s in slices, at 9,600/s without.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

LITTLE_RECORDS_MAX: Final = 64  # in one fetch
LITTLE_FOR_S: Final = 5.0  # so long after its last event a lane is thought to have little to say, and soon
MUCH_FOR_S: Final = 1.0  # so long after a fetch of much: what comes next may be the end of what lay at hand
SLICE_S: Final = 0.008
SLICE_RECORDS_MIN: Final = 4
SLICE_RECORDS_MAX: Final = 512  # also of a fetch where nobody has much to say, as far as is known
FETCH_S: Final = 0.150
FETCH_RECORDS_MAX: Final = 2000
AHEAD_S: Final = 2 * FETCH_S  # how long what was fetched of a lane and not handled may take
FIXED_S: Final = 0.004  # of any fetch, however few its records: its commit
FILLED_S: Final = 0.75 * (SLICE_S - FIXED_S)  # records that take so long fill a slice, however few they are
PACE_RECORDS: Final = 16  # so many tell how long a record takes
PACE_WEIGHT: Final = 0.3  # of the newest of such fetches in what a record is thought to take


@dataclass(slots=True)
class _Turn:
    """One lane: when it last had much to say, when its last event was fetched, what waits, how long a record takes.

    `is_little`: the newest fetch that says so brought little, and all that there was, as the one before it had. The end
    of much is no sign of little, nor is silence: a lane with much to say is silent while others have their turns.
    """

    much_at_s: float = float("-inf")
    fetched_at_s: float = float("-inf")
    is_little: bool = False
    is_at_end: bool = True  # whether the newest fetch brought all that there was
    waiting: int = 0  # records that are not handled
    record_s: float = 0.0

    def says_much(self, now_s: float) -> bool:
        return now_s - self.much_at_s < MUCH_FOR_S or self.waiting > LITTLE_RECORDS_MAX

    def says_little(self, now_s: float) -> bool:
        return self.is_little and not self.says_much(now_s) and now_s - self.fetched_at_s < LITTLE_FOR_S


@dataclass(slots=True)
class Turns:
    """The turns of the lanes that a worker reads. Units: moments are seconds of one monotonic clock."""

    _turns: dict[str, _Turn] = field(default_factory=dict)
    _in_slices: bool = False  # whether the newest fetch is one

    def clear(self) -> None:
        """Forget what waits: the lanes are dealt out anew."""
        self._turns.clear()
        self._in_slices = False

    def admitted(
        self, center: str, records: int, now_s: float, *, has_events: bool = True, has_more: bool = False
    ) -> None:
        """A fetch has brought so many records of this lane. Nobody waits for the answer to a control record.

        Few records that take long are much. Few of more (`has_more`) are neither: something has cut them off.
        """
        turn = self._turns.setdefault(center, _Turn())
        if records > LITTLE_RECORDS_MAX or records * turn.record_s >= FILLED_S:
            turn.much_at_s = now_s
            turn.is_little = False
        elif not has_more:
            turn.is_little = turn.is_at_end
        turn.is_at_end = not has_more
        if has_events:
            turn.fetched_at_s = now_s
        turn.waiting += records

    def handled(self, center: str, records: int, took_s: float) -> None:
        """A fetch of this lane was handled, or dropped, in this time."""
        turn = self._turns.get(center)
        if turn is None or not records:
            return
        turn.waiting = max(0, turn.waiting - records)
        weight = (PACE_WEIGHT if turn.record_s else 1.0) * min(1.0, records / PACE_RECORDS)
        turn.record_s += weight * (max(0.0, took_s - FIXED_S) / records - turn.record_s)

    def next(self, centers: Iterable[str], now_s: float) -> tuple[set[str], int]:
        """Return which of these lanes are fetched now, and how many records at most."""
        wanted = {center for center in centers if not self._has_enough(center)}
        with_much = {center: turn for center, turn in self._turns.items() if turn.says_much(now_s)}
        self._in_slices = bool(with_much) and any(turn.says_little(now_s) for turn in self._turns.values())
        if not with_much:
            return wanted, SLICE_RECORDS_MAX
        record_s = max(turn.record_s for turn in with_much.values())
        if not self._in_slices:
            return wanted, _records_in(FETCH_S, record_s, FETCH_RECORDS_MAX)
        behind = {center for center, turn in with_much.items() if turn.waiting}
        return wanted - behind, _records_in(SLICE_S, record_s, SLICE_RECORDS_MAX)

    def before(self, center: str, now_s: float) -> list[str]:
        """Return whose answers go out before a slice of this lane is handled: theirs who say little beside it."""
        turn = self._turns.get(center)
        if not self._in_slices or turn is None or not turn.says_much(now_s):
            return []
        return [other for other, beside in self._turns.items() if beside.says_little(now_s)]

    def _has_enough(self, center: str) -> bool:
        turn = self._turns.get(center)
        return turn is not None and turn.waiting * turn.record_s > AHEAD_S


def _records_in(duration_s: float, record_s: float, most: int) -> int:
    return most if not record_s else min(max(round((duration_s - FIXED_S) / record_s), SLICE_RECORDS_MIN), most)
