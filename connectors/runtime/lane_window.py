"""HQ's own lane found among the records of a topic that anybody may have written to. Pure.

Nothing is believed but what HQ sealed and gave a receipt for (`hub.domain.hq_lane`). What may yet become so waits here,
by its place in the lane: of two records for one place the newest counts, so that HQ only has to say it again. Records
that nobody sealed push each other out: what waits is bounded in bytes and number, whatever is on the topic.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from hub.domain.hq_lane import HqLane, HqReaders, HqStretch
from hub.protocol.errors import Malformed
from hub.protocol.limits import VALUE_BYTES_MAX
from hub.protocol.note import Note
from hub.protocol.receipt import Receipt
from hub.protocol.record import RECEIPT_HEADER, SEAL_HEADER, canonical, position
from hub.protocol.trust import HqKeys

RECORDS_MAX: Final = 1_024
BYTES_MAX: Final = 8 << 20
HEADERS_MAX: Final = 64
HEADER_BYTES_MAX: Final = 128 << 10  # of all of a record: a receipt has at most 64 KiB, a seal a few hundred bytes


class LaneRecord(Protocol):
    """What is read of a record."""

    @property
    def value(self) -> bytes | None: ...  # noqa: D102
    @property
    def headers(self) -> Sequence[tuple[str, bytes | None]]: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Seen:
    """How far an office has once read HQ's lane. A copy that says otherwise there is not the lane that it read."""

    origin: str
    size: int
    root: bytes

    @classmethod
    def of(cls, lane: HqLane) -> Seen:
        """Return how far a lane reaches."""
        return cls(lane.origin, lane.size, lane.root)


@dataclass(frozen=True, slots=True)
class _Held:
    data: bytes
    seal: bytes
    receipt: bytes

    @property
    def is_sealed(self) -> bool:
        return bool(self.seal and self.receipt)

    @property
    def size(self) -> int:
        return len(self.data) + len(self.seal) + len(self.receipt)


class LaneWindow:
    """Reads one hub's lane. `lane` is what was taken; `passed_over` counts what cannot be of it, or was pushed out.

    Shapes: `keys` are HQ's as they are believed now: None until there are any. `contradiction` names the lane
            and the one that was `seen` before, where it does not go on from that: HQ has signed both.
    """

    def __init__(self, readers: HqReaders, seen: Seen | None = None) -> None:
        self._readers = readers
        self._seen = seen
        self._held: OrderedDict[tuple[str, int], _Held] = OrderedDict()
        self._bytes = 0
        self._sealed = 0  # how many of those that wait carry a seal: without one nothing can be taken
        self.lane = HqLane()
        self.keys: HqKeys | None = None
        self.passed_over = 0
        self.contradiction: dict[str, str] = {}

    @property
    def held_bytes(self) -> int:
        """How many bytes wait for a seal."""
        return self._bytes

    def take(self, records: Iterable[LaneRecord]) -> bool:
        """Take records as they come; return whether the lane has grown by them."""
        before = self.lane
        for record in records:
            self._hold(record)
        self._advance()
        return self.lane is not before

    def _hold(self, record: LaneRecord) -> None:
        place = self._place(record)
        if place is None:
            self.passed_over += 1
            return
        if place[1] <= self.lane.size:
            return  # known, or another hub's word on what is known
        held = _Held(canonical(record.headers, record.value), *self._signed(place, dict(record.headers)))
        if self._is_lost_by(place, held) and self._sealed:
            self._advance()  # what is here may be HQ's: nobody else's record takes its place before that is known
            if place[1] <= self.lane.size:
                return
        self._drop(place)
        self._held[place] = held
        self._bytes += held.size
        self._sealed += held.is_sealed
        while len(self._held) > RECORDS_MAX or self._bytes > BYTES_MAX:
            self._drop(next(iter(self._held)))
            self.passed_over += 1

    def _signed(self, place: tuple[str, int], headers: Mapping[str, bytes | None]) -> tuple[bytes, bytes]:
        """Return the seal and the receipt in a record's headers, two empty texts where HQ signed no receipt for it.

        Looked at once, when the record comes: strangers' receipts, each a reason to try all that waits, would take a
        reader of a thousand records a second for each twenty more.
        """
        seal, receipt = headers.get(SEAL_HEADER) or b"", headers.get(RECEIPT_HEADER) or b""
        if not seal or not receipt or self.keys is None:
            return b"", b""
        try:
            note = Note.from_bytes(receipt)
            note.verify(self.keys.receipts)
            said = Receipt.from_text(note.text)
        except Malformed:
            return b"", b""
        is_here = (said.origin.rpartition("/")[2], said.last) == place
        return (seal, receipt) if is_here else (b"", b"")

    def _is_lost_by(self, place: tuple[str, int], held: _Held) -> bool:
        """Return whether holding this record pushes another one out."""
        is_full = len(self._held) >= RECORDS_MAX or self._bytes + held.size > BYTES_MAX
        return is_full or self._held.get(place, held) != held

    def _place(self, record: LaneRecord) -> tuple[str, int] | None:
        """Return a record's epoch and sequence, None where it can't be one of the lane."""
        headers, value = record.headers, record.value
        if value is None or len(value) > VALUE_BYTES_MAX or len(headers) > HEADERS_MAX:
            return None
        if sum(len(name) + len(content or b"") for name, content in headers) > HEADER_BYTES_MAX:
            return None
        found = position(dict(headers))
        if found is None or (self.lane.origin and found[0] != self.lane.origin.rpartition("/")[2]):
            return None
        return found

    def _drop(self, place: tuple[str, int]) -> None:
        gone = self._held.pop(place, None)
        if gone is not None:
            self._bytes -= gone.size
            self._sealed -= gone.is_sealed

    def _advance(self) -> None:
        """Take what has become whole: the first stretch, then all others at once if that can be, or else each alone.

        What does not begin with HQ's word costs a look at its beginning, however much waits behind it.
        """
        if self.keys is None or not self._sealed:
            return
        before = self.lane
        epochs = [self.lane.origin.rpartition("/")[2]] if self.lane.origin else [e for e, n in self._held if n == 1]
        for epoch in epochs:
            while found := self._whole(epoch):
                first, *others = found
                if not self._taken(epoch, [first]):
                    break
                if not self._taken(epoch, others) and not all(self._taken(epoch, [stretch]) for stretch in others):
                    break
            if self.lane is not before:
                self._forget_what_is_behind()
                return

    def _whole(self, epoch: str) -> list[HqStretch]:
        """Return the stretches that are here, from the end of the lane on; one ends where the lane was seen to end."""
        found, events, number = [], [], self.lane.size + 1
        while (held := self._held.get((epoch, number))) is not None:
            events.append(held.data)
            if held.is_sealed:
                found.append(HqStretch(tuple(events), held.seal, held.receipt))
                events = []
                if self._seen is not None and number == self._seen.size:
                    break
            number += 1
        return found

    def _taken(self, epoch: str, stretches: Sequence[HqStretch]) -> bool:
        assert self.keys is not None
        if not stretches:
            return True
        try:
            lane = self.lane.taken(stretches, self.keys, self._readers)
        except Malformed:
            if len(stretches) == 1:
                # Its last record goes: the next of its place may be HQ's. Those before it give way to newer ones.
                self._drop((epoch, self.lane.size + len(stretches[0].events)))
                self.passed_over += 1
            return False
        self.lane = lane
        self._compare()
        return True

    def _compare(self) -> None:
        """Compare the lane with what was seen of it before, where it comes to that; from there on it can only grow."""
        seen, lane = self._seen, self.lane
        if seen is None or (lane.origin == seen.origin and lane.size < seen.size):
            return
        if Seen.of(lane) != seen:  # also where it has no seal any more at that size
            self.contradiction = {"origin": lane.origin, "before": seen.origin, "size": str(seen.size)}
        self._seen = None

    def _forget_what_is_behind(self) -> None:
        epoch = self.lane.origin.rpartition("/")[2]
        for place in [p for p in self._held if p[0] != epoch or p[1] <= self.lane.size]:
            self._drop(place)
