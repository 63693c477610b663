"""The tail of one lane while a fetch is read: the records behind what HQ has that no good seal covers yet, in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hub.ledger.keyring import Keyring
from hub.ledger.lane import Lane
from hub.ledger.reading import Pending, Reason
from hub.ledger.settle import Settled, settle
from hub.protocol.limits import TAIL_BYTES_MAX, TAIL_EVENTS_MAX
from hub.protocol.tree import Edge


class Tail:
    """What one seal may cover at most, and no more. It changes while a fetch is read, and never outlives that.

    Shapes: `next` is the number that joins, if it is at most `last` and its bytes are at most `room`.
    `refused` has the newest seal in it that is not good, `awaited` the first by a key that HQ does not know.
    """

    __slots__ = ("awaited", "epoch", "lane", "last", "looked", "next", "records", "refused", "room")

    def __init__(self, lane: Lane, records: Sequence[Pending] = ()) -> None:
        self.lane = lane
        self.epoch = lane.epoch
        self.records = list(records)
        self.looked = len(self.records)  # a seal was looked at when its record came, and is not good
        self._measure()

    def _measure(self) -> None:
        size, records = self.lane.size, self.records
        self.next = size + len(records) + 1
        self.last = size + TAIL_EVENTS_MAX
        self.room = TAIL_BYTES_MAX
        self.awaited: Pending | None = None
        self.refused: Pending | None = None
        for pending in records:
            self.room -= len(pending.data)
            if pending.refusal is not None:
                self.refused = pending
                if self.awaited is None and pending.refusal.reason is Reason.UNKNOWN_KEY:
                    self.awaited = pending

    def has_room(self, data: bytes) -> bool:
        """Return whether one record more may lie under the next seal."""
        return self.next <= self.last and len(data) <= self.room

    def join(self, pending: Pending) -> None:
        """Append the next record, for which there is room."""
        self.records.append(pending)
        self.next += 1
        self.room -= len(pending.data)

    def cut(self, count: int) -> list[Pending]:
        """Keep the first `count` records; return the others."""
        cut, self.records = self.records[count:], self.records[:count]
        self.looked = min(self.looked, count)
        self._measure()
        return cut

    def settle(self, keyring: Keyring) -> Settled:
        """Look at the seals that nobody has looked at."""
        return self._look(keyring, range(len(self.records) - 1, self.looked - 1, -1))

    def forget(self) -> None:
        """Look at every seal anew: HQ has said something of keys since it was not good."""
        self.records = [
            pending if pending.refusal is None else replace(pending, refusal=None) for pending in self.records
        ]
        self.looked = 0
        self._measure()

    def settle_at(self, place: int, seal: bytes, keyring: Keyring) -> Settled:
        """Look at a newer seal on the record at `place`."""
        self.records[place] = replace(self.records[place], seal=seal, refusal=None)
        return self._look(keyring, (place,))

    def _look(self, keyring: Keyring, places: Sequence[int]) -> Settled:
        settled = settle(self.lane, self.records, keyring, places)
        for place, refusal in settled.refused.items():
            self.records[place] = replace(self.records[place], refusal=refusal)
        self.looked = len(self.records)
        if settled.refused:
            self._measure()
        return settled

    def take(self, count: int, edge: Edge) -> tuple[Pending, ...]:
        """Give out the first `count` records, which are the lane's next events: `edge` is the lane's behind them."""
        taken = tuple(self.records[:count])
        del self.records[:count]
        self.lane = replace(self.lane, edge=edge)
        self.looked = len(self.records)
        self._measure()
        return taken
