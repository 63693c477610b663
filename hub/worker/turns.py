"""Whose records are fetched next, and how many: a lane with much to say holds up none that has little. Pure.

One worker handles one fetch at a time. While all lanes have much to say, a fetch takes about `FETCH_S` to handle: that
is cheapest. Where some say little and others much, those with much are fetched in slices that take about `SLICE_S`, one
at a time, with a short rest behind each, and each slice is handled only when those that say little have their
answers. So a row from a small office waits for one slice at most, however large the topics beside it are, and whatever
their records cost; its first one, after a while in which nobody said little, for what was fetched by then, `AHEAD_S` at
most, of all lanes together. A row ends the rest: where rows come without end, an import goes on by one slice for each.
What lies fetched is handed out by who has used least of the worker's time: a row is behind no import.

Any fetch, however few its records, costs a *step*: its commit. What that takes is learned from those that say little.
Where it takes long, on a slow disk, slices do so too: otherwise they would be nothing but commits.

Slices cost: each has a step of its own, and a rest behind it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

LITTLE_RECORDS_MAX: Final = 64  # in one fetch
LITTLE_FOR_S: Final = 5.0  # so long after its last event a lane is thought to have little to say, and soon
MUCH_FOR_S: Final = 1.0  # so long after a fetch of much: what comes next may be the end of what lay at hand
SLICE_S: Final = 0.008
SLICE_STEPS: Final = 2.5  # so many steps a slice takes at least: more than half of it goes to its records
SLICE_RECORDS_MIN: Final = 4
SLICE_RECORDS_MAX: Final = 512  # also of a fetch where nobody has much to say, as far as is known
FETCH_S: Final = 0.150  # beside its step
FETCH_RECORDS_MAX: Final = 2000
AHEAD_S: Final = 2 * FETCH_S  # how long what was fetched of a lane and not handled may take
AHEAD_POLL_S: Final = AHEAD_S / 3
SLICE_REST_S: Final = 0.016  # behind a slice: a row that comes meanwhile finds nothing before it
FILLED: Final = 0.75  # records that take so much of a slice beside its step fill it, however few they are
STEP_S: Final = 0.004  # what a step is thought to take before one was seen
STEP_MIN_S: Final = STEP_S / 2
# How a step that took longer, or less, moves what one is thought to take, however much that was: so a disk that is busy
# now and then counts for little, and even less what took less than half of it, which had nothing to commit.
STEP_RISES, STEP_RISES_FAST, STEP_FALLS, STEP_FALLS_SLOWLY = 1.1, 1.2, 1 / 1.1, 1 / 1.03
STEP_ALIKE: Final = 1.1  # so much more or less is no difference
# What a record is thought to take moves in the same way: what it took beside its step may be the step's, too.
PACE_RISES, PACE_FALLS = 1.2, 1 / 1.3
PACE_S, PACE_MIN_S = 0.0001, 0.000001  # about what one takes; the least
PACE_RECORDS: Final = 16  # so many tell it


Rank = tuple[float, float]


@dataclass(slots=True)
class _Turn:
    """One lane: when it last had much to say, when its last event was fetched, what waits, how long a record takes.

    `is_little`: the newest fetch that says so brought little, and all that there was, as the one before it had. The end
    of much is no sign of little, nor is silence: a lane with much to say is silent while others have their turns.

    Units: `step_s` is what its fetches take while they bring little, and all that there was; 0 while they do not.
    `used_s` is how much of the worker's time its records have used, without their steps, of which a lane that says
    little has more than its share; counted from where the others were when it began.
    """

    much_at_s: float = float("-inf")
    fetched_at_s: float = float("-inf")
    is_little: bool = False
    is_at_end: bool = True  # whether the newest fetch brought all that there was
    at_once: int = 0  # records that it brought, with those of the fetches before it that were cut off
    waiting: int = 0  # records that are not handled
    record_s: float = 0.0
    step_s: float = 0.0
    used_s: float = 0.0

    def says_much(self, now_s: float) -> bool:
        return now_s - self.much_at_s < MUCH_FOR_S or self.waiting > LITTLE_RECORDS_MAX

    def says_little(self, now_s: float) -> bool:
        return self.is_little and not self.says_much(now_s) and now_s - self.fetched_at_s < LITTLE_FOR_S


@dataclass(slots=True)
class Turns:
    """The turns of the lanes that a worker reads. Units: moments are seconds of one monotonic clock."""

    _turns: dict[str, _Turn] = field(default_factory=dict)
    _in_slices: bool = False  # whether the newest fetch is one
    patience_s: float = float("inf")  # how long it may wait for records: it leaves lanes out that are wanted soon
    _step_s: float = STEP_S
    _used_s: float = 0.0  # what the lane whose fetch was handled last had used until then

    def clear(self) -> None:
        """Forget what waits: the lanes are dealt out anew."""
        self._turns.clear()
        self._in_slices = False

    def admitted(
        self, center: str, records: int, now_s: float, *, has_events: bool = True, has_more: bool = False
    ) -> None:
        """A fetch has brought so many records of this lane. Nobody waits for the answer to a control record.

        Few records that take long are much. Few of more (`has_more`) are neither, for something has cut them off: they
        count with those that come behind them.
        """
        turn = self._turns.setdefault(center, _Turn())
        turn.at_once = records if turn.is_at_end else turn.at_once + records
        if turn.at_once > LITTLE_RECORDS_MAX or turn.at_once * turn.record_s >= FILLED * self._slice_s:
            turn.much_at_s = now_s
            turn.is_little = False
        elif not has_more:
            turn.is_little = turn.is_at_end
        turn.is_at_end = not has_more
        if has_events:
            turn.fetched_at_s = now_s
        turn.waiting += records

    def handled(self, center: str, records: int, took_s: float) -> None:
        """A fetch of this lane was handled, or dropped, in this time.

        What its step took more than one is thought to take is put down to its records: of a few of them it would make
        slow ones. So of a fetch that has little it counts only where it is more than a slice.
        """
        turn = self._turns.get(center)
        if turn is None or not records:
            return
        turn.waiting = max(0, turn.waiting - records)
        beside_s = took_s - self._step_s
        if turn.is_at_end and records <= LITTLE_RECORDS_MAX:
            turn.step_s = _moved(turn.step_s or self._step_s, took_s)
            beside_s = beside_s if beside_s > self._slice_s else 0.0
        else:
            turn.step_s = 0.0
        turn.record_s = _paced(turn.record_s, beside_s / records, records)
        self._used_s = max(self._used_s, turn.used_s)
        turn.used_s = self._used_s + records * turn.record_s

    def next(self, centers: Iterable[str], now_s: float) -> tuple[set[str], int]:
        """Return which of these lanes are fetched now, and how many records at most."""
        self._learn_step(now_s)
        read = set(centers)
        with_much = {center for center, turn in self._turns.items() if turn.says_much(now_s)}
        wanted = {center for center in read if not self._has_enough(center)}
        with_little = {center for center, turn in self._turns.items() if turn.is_little and center not in with_much}
        if sum(turn.waiting * turn.record_s for turn in self._turns.values()) > AHEAD_S:
            wanted -= self._turns.keys() - with_little
        self.patience_s = AHEAD_POLL_S if wanted < read else float("inf")
        self._in_slices = bool(with_much) and any(turn.says_little(now_s) for turn in self._turns.values())
        # Whose records are slow makes the fetches of others no smaller, as long as none of its own are fetched.
        read_on = with_much | {center for center, turn in self._turns.items() if not turn.is_at_end}
        record_s = max((self._turns[center].record_s for center in wanted & read_on or with_much), default=0.0)
        if not self._in_slices:
            return wanted, _records_in(FETCH_S, record_s, FETCH_RECORDS_MAX if with_much else SLICE_RECORDS_MAX)
        records_max = _records_in(self._slice_s, record_s, SLICE_RECORDS_MAX)
        if any(turn.waiting for center, turn in self._turns.items() if center not in with_little):
            wanted &= with_little
            self.patience_s = self._slice_s + self._step_s + SLICE_REST_S
            records_max = max(records_max, LITTLE_RECORDS_MAX)
        return wanted, records_max

    def rank(self, center: str) -> Rank:
        """Return what lanes that have something are sorted by: whoever has used least of the worker's time comes first.

        That is start-time fair queueing (Goyal, Vin, Cheng, 1996): who has little to say is always first, without
        anybody having to know that it is so, and who was silent for long has saved nothing up but the first place.
        """
        turn = self._turns.get(center)
        used_s = 0.0 if turn is None else turn.used_s
        return max(used_s, self._used_s), used_s

    def before(self, center: str, now_s: float) -> list[str]:
        """Return whose answers go out before a slice of this lane is handled: theirs who say little beside it."""
        turn = self._turns.get(center)
        if not self._in_slices or turn is None or not turn.says_much(now_s):
            return []
        return [other for other, beside in self._turns.items() if beside.says_little(now_s)]

    @property
    def _slice_s(self) -> float:
        """Return how long the records of a slice may take, beside its step."""
        return min(max(SLICE_S, SLICE_STEPS * self._step_s) - self._step_s, FETCH_S)

    def _learn_step(self, now_s: float) -> None:
        """Take for a step what fetches take of the lane whose take least, of those that are heard and bring little.

        Fetches of another may take longer for what is in them, so that they tell less of it.
        """
        heard = (turn.step_s for turn in self._turns.values() if now_s - turn.fetched_at_s < LITTLE_FOR_S)
        self._step_s = min((step_s for step_s in heard if step_s), default=self._step_s)

    def _has_enough(self, center: str) -> bool:
        turn = self._turns.get(center)
        if turn is None:
            return False
        if not turn.record_s:  # nobody knows how long they take
            return turn.waiting >= SLICE_RECORDS_MAX
        return turn.waiting * turn.record_s > AHEAD_S


def _moved(thought_s: float, took_s: float) -> float:
    """Return what a step is thought to take after one took so long."""
    if took_s > STEP_ALIKE * thought_s:
        return thought_s * (STEP_RISES_FAST if took_s > 2 * thought_s else STEP_RISES)
    if STEP_ALIKE * took_s >= thought_s:
        return thought_s
    return max(thought_s * (STEP_FALLS if 2 * took_s >= thought_s else STEP_FALLS_SLOWLY), STEP_MIN_S)


def _paced(thought_s: float, took_s: float, records: int) -> float:
    """Return what a record is thought to take after so many took so long, each."""
    weight = min(1.0, records / PACE_RECORDS)
    if not thought_s:
        return max(took_s * weight, PACE_MIN_S)
    most_s, least_s = max(thought_s, PACE_S) * math.pow(PACE_RISES, weight), thought_s * math.pow(PACE_FALLS, weight)
    return max(min(took_s, most_s), least_s, PACE_MIN_S)


def _records_in(duration_s: float, record_s: float, most: int) -> int:
    return most if not record_s else min(max(round(duration_s / record_s), SLICE_RECORDS_MIN), most)
