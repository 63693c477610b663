"""How far HQ knew each lane at one moment, and when it recorded an event."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from hub.domain.stream import HQ
from hub.protocol.errors import Fatal
from hub.protocol.moment import to_us
from hub.replay.source import Ledger
from hub.store.rows import StoredLane, StoredStretch


class KnownSizes:
    """How far HQ knew each lane at one moment: the newest commit with recorded_at at or before it.

    `recorded_at` never decreases within a lane, so the place is found by halving, one look-up by key a step. Where HQ
    has taken times back it does, once for each correction: then the newest such commit is looked for among all, and
    what a wrong clock recorded before it was known with it.
    """

    def __init__(self, ledger: Ledger, moment: datetime) -> None:
        self.moment: Final = moment
        self._ledger = ledger
        self._us = to_us(moment)
        self._lanes = {lane.id: lane for lane in ledger.lanes}
        self._sizes: dict[int, int] = {}
        self._goes_back: bool | None = None  # asked for once it is needed

    @classmethod
    def all(cls, ledger: Ledger) -> KnownSizes:
        """Return how far the ledger was known when it was opened."""
        return cls(ledger, datetime.max.replace(tzinfo=UTC))

    def size(self, lane_id: int) -> int:
        """Return how many events of a lane HQ had taken, 0 for a lane that this ledger does not have."""
        found = self._sizes.get(lane_id)
        if found is None:
            lane = self._lanes.get(lane_id)
            found = self._sizes[lane_id] = 0 if lane is None else self._find(lane)
        return found

    def has(self, lane_id: int, sequence: int) -> bool:
        """Return whether HQ had taken that event."""
        return sequence <= self.size(lane_id)

    def _find(self, lane: StoredLane) -> int:
        if lane.recorded_at_us <= self._us:
            return lane.size
        if self._goes_back is None:
            self._goes_back = self._ledger.reader.entities.newest("clock", f"{HQ}:clock") is not None
        if self._goes_back:
            found = self._ledger.reader.ends_recorded(lane.id, 0, self._us + 1, lane.size)
            return found[1] if found else 0
        low, high = 0, lane.size  # known up to `low`, not beyond `high`
        while low < high:
            receipt = _covering(self._ledger, lane.id, (low + high) // 2 + 1)
            if receipt.recorded_at_us <= self._us:
                low = receipt.last
            else:
                high = receipt.first - 1
        return low


class RecordedOrder:
    """The order in which HQ recorded events of all lanes, though its clock once was ahead.

    A receipt names the time that HQ's clock had. Where HQ has taken that back it was recorded, at the latest, when the
    lane went on: so by that time it stands among those of other lanes, and the order of a lane is that of its numbers.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._goes_back = ledger.reader.entities.newest("clock", f"{HQ}:clock") is not None
        self._sizes = {lane.id: lane.size for lane in ledger.lanes}
        self._steps: dict[int, list[tuple[int, int]]] = {}

    def at_us(self, lane_id: int, sequence: int, recorded_at_us: int) -> int:
        """Return by when an event counts as recorded whose receipt names the time `recorded_at_us`."""
        if not self._goes_back:
            return recorded_at_us
        steps = self._steps.get(lane_id)
        if steps is None:
            steps = self._steps[lane_id] = self._ledger.reader.steps_back(lane_id, self._sizes[lane_id])
        return min([recorded_at_us, *(later_us for last, later_us in steps if last >= sequence)])


def recorded_at_us(ledger: Ledger, lane_id: int, sequence: int) -> int:
    """Return when HQ recorded an event. Errors: Fatal where no receipt covers it."""
    return _covering(ledger, lane_id, sequence).recorded_at_us


def _covering(ledger: Ledger, lane_id: int, sequence: int) -> StoredStretch:
    found = ledger.reader.covering(lane_id, sequence)
    if found is None or found.first > sequence:
        raise damaged(f"lane {lane_id}: no receipt covers event {sequence}")
    return found


def damaged(what: str) -> Fatal:
    """Return the error for a ledger that contradicts itself: looking further is another command's work."""
    return Fatal(f"{what}: the ledger is damaged, `hub audit verify` says where")
