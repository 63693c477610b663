"""A range of the ledger as it is to be published again: the original bytes and headers, in the order of recording.

Across lanes events are ordered by (recorded_at, lane, sequence): that is total, so a place in it is enough to go on
from. Memory: a page of each lane.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from heapq import merge
from itertools import islice
from typing import Any, Final

import jmespath
from jmespath.exceptions import JMESPathError

from hub.domain.catalogue import KINDS
from hub.protocol.errors import UsageError
from hub.protocol.moment import from_us, write_time
from hub.protocol.record import SEAL_HEADER
from hub.protocol.value import value_class
from hub.protocol.verdict import Code
from hub.replay.decoding import Decoded, Decoder
from hub.replay.known import KnownSizes, RecordedOrder, damaged, recorded_at_us
from hub.replay.moment import read_sequence
from hub.replay.source import Ledger
from hub.replay.target import REPLAY_HEADER
from hub.store.rows import StoredEvent, StoredLane

RECORDED_HEADER: Final = "cohub-recorded-at"
VERDICT_HEADER: Final = "cohub-verdict"
PAGE: Final = 256

Order = tuple[int, int, int]  # recorded_at in microseconds, lane, sequence


@value_class
class RepublishedEvent:
    """One event to be published again. `seal` is there on the last event of a commit, as it was on its record.

    `counted_us` is what it stands by among events of other lanes (`RecordedOrder`).
    """

    lane: StoredLane
    counted_us: int
    recorded_at_us: int
    event: StoredEvent
    seal: bytes | None

    @property
    def order(self) -> Order:
        """Its place among all events."""
        return self.counted_us, self.lane.id, self.event.sequence

    @property
    def place(self) -> str:
        """Its place as the command line takes it."""
        return f"{self.lane.origin}:{self.event.sequence}"

    def record(
        self, hub: str, replayed_at: datetime
    ) -> tuple[bytes | None, bytes | None, list[tuple[str, bytes | None]]]:
        """Return key, value and headers: those of the record that came in, then the replay's own three."""
        headers, value = self.event.split()
        own: list[tuple[str, bytes | None]] = [
            (REPLAY_HEADER, f"{hub} {write_time(replayed_at)}".encode()),
            (RECORDED_HEADER, write_time(from_us(self.recorded_at_us)).encode()),
            (VERDICT_HEADER, self.event.code.encode()),
        ]
        seal: list[tuple[str, bytes | None]] = [(SEAL_HEADER, self.seal)] if self.seal else []
        return key_of(self.event, headers), value or None, [*headers, *seal, *own]


def key_of(event: StoredEvent, headers: Iterable[tuple[str, bytes | None]]) -> bytes | None:
    """Return the key that a record had: it is kept only where it is not the subject."""
    if event.key is not None or event.code == Code.BAD_KEY:
        return event.key
    return dict(headers).get("ce_subject", event.subject.encode())


@value_class
class Selection:
    """Which events: of these lanes, recorded from `begins` to `ends`, behind `after`; rejected ones if `rejected`.

    Shapes: `first` and `last` are sequences, where there is one lane; None is no bound.
    """

    lanes: Sequence[StoredLane]
    begins: datetime | None = None
    ends: datetime | None = None
    first: int | None = None
    last: int | None = None
    after: Order | None = None
    streams: frozenset[str] = frozenset()
    rejected: bool = False
    filter: Filter | None = None


class Filter:
    """A JMESPath expression over an event's JSON view (`view`); what it finds true is taken."""

    def __init__(self, text: str) -> None:
        self.text: Final = text
        try:
            self._compiled = jmespath.compile(text)
        except JMESPathError as exc:
            raise UsageError(f"--filter {text!r}: {_one_line(exc)}; for example stream == 'offer'") from exc

    def takes(self, seen: Mapping[str, Any]) -> bool:
        """Return whether the expression is true of it, as JMESPath means true: 0 is, an empty text or list is not.

        Errors: UsageError where the expression can't be worked out.
        """
        try:
            found = self._compiled.search(seen)
        except JMESPathError as exc:
            raise UsageError(f"--filter {self.text!r}: {_one_line(exc)}") from exc
        return found is not None and found is not False and found not in ("", [], {})


def _one_line(exc: Exception) -> str:
    return " ".join(str(exc).split())


def view(again: RepublishedEvent, decoded: Decoded) -> dict[str, Any]:
    """Return an event as people and filters see it: plain JSON values, decimals and times as text."""
    event, headers = again.event, decoded.headers
    kind = KINDS.get(event.type)
    return {
        "origin": again.lane.origin,
        "center": again.lane.center,
        "epoch": again.lane.epoch,
        "sequence": event.sequence,
        "recorded_at": write_time(from_us(again.recorded_at_us)),
        "occurred_at": None if event.occurred_at_us is None else write_time(from_us(event.occurred_at_us)),
        "verdict": event.code,
        "field": event.field,
        "params": event.params,
        "stream": event.stream,
        "event": "" if kind is None else kind.name,
        "type": event.type,
        "subject": event.subject,
        "version": event.version,
        "id": headers.get("ce_id"),
        "correlation_id": headers.get("ce_correlationid"),
        "causation_id": headers.get("ce_causationid"),
        "digest": event.digest.hex(),
        "value": decoded.plain,
        "why_no_value": decoded.why,
    }


def again(
    ledger: Ledger,
    decoder: Decoder,
    selection: Selection,
    looked_at: Callable[[int], None] = lambda _count: None,
    page: int = PAGE,
) -> Iterator[tuple[RepublishedEvent, Decoded | None]]:
    """Yield what is selected, in order; decoded where the filter wanted it.

    `looked_at` is called with how many events more were looked at. Errors: UsageError of the filter; Fatal.
    """
    order = RecordedOrder(ledger)
    lanes = [_lane(ledger, order, lane, first, last, page) for lane, first, last in spans(ledger, selection)]
    for number, found in enumerate(merge(*lanes, key=lambda one: one.order), start=1):
        event = found.event
        if number % page == 0:
            looked_at(page)
        if selection.after is not None and found.order <= selection.after:
            continue
        if not event.accepted and not selection.rejected:
            continue
        if selection.streams and event.stream not in selection.streams:
            continue
        decoded = None
        if selection.filter is not None:
            decoded = decoder.decode(event)
            if not selection.filter.takes(view(found, decoded)):
                continue
        yield found, decoded


def spans(ledger: Ledger, selection: Selection) -> list[tuple[StoredLane, int, int]]:
    """Return of each lane the first and last sequence that may be selected, rejected events and all; none is empty."""
    behind = [to_before(moment) for moment in (selection.begins,) if moment is not None]
    if selection.after is not None:
        behind.append(from_us(selection.after[0] - 1))
    begins = KnownSizes(ledger, max(behind)) if behind else None
    ends = KnownSizes.all(ledger) if selection.ends is None else KnownSizes(ledger, selection.ends)
    found = []
    for lane in selection.lanes:
        first = max(selection.first or 1, begins.size(lane.id) + 1 if begins else 1)
        last = min(selection.last or lane.size, ends.size(lane.id), lane.size)
        if first <= last:
            found.append((lane, first, last))
    return found


def to_before(moment: datetime) -> datetime:
    """Return the last moment that is not `moment` any more."""
    return moment - (datetime.resolution)


def place_of(ledger: Ledger, text: str) -> Order:
    """Return the place that `<origin>:<sequence>` names; the origin's hub may be left out. Errors: UsageError."""
    origin, _, number = text.rpartition(":")
    lane = find_lane(ledger, origin)
    if not number.isdecimal() or not 1 <= read_sequence(number) <= lane.size:
        raise UsageError(f"{text}: expected an event of {lane.origin}, 1 to {lane.size}")
    at_us = recorded_at_us(ledger, lane.id, int(number))
    return RecordedOrder(ledger).at_us(lane.id, int(number), at_us), lane.id, int(number)


def find_lane(ledger: Ledger, name: str) -> StoredLane:
    """Return the lane of an origin, with or without the hub. Errors: UsageError."""
    for lane in ledger.lanes:
        if name in (lane.origin, lane.origin.partition("/")[2]):
            return lane
    raise UsageError(f"there is no lane {name!r}; `hub lane list` has them")


def _lane(
    ledger: Ledger, order: RecordedOrder, lane: StoredLane, first: int, last: int, page: int
) -> Iterator[RepublishedEvent]:
    at = first - 1
    while at < last:
        # A page, and no cursor left open: a slow replay must not hold the database's old pages for hours.
        receipts = list(islice(ledger.receipts(lane, at), page))
        if not receipts:
            raise damaged(f"{lane.origin}: no receipt covers event {at + 1}")
        for receipt in receipts:
            end, at_us = min(receipt.last, last), order.at_us(lane.id, receipt.last, receipt.recorded_at_us)
            while at < end:
                upto = min(at + page, end)
                events = ledger.events(lane.id, at + 1, upto)
                if len(events) != upto - at:
                    raise damaged(f"{lane.origin}: of the events {at + 1} to {upto} some are missing")
                for event in events:
                    is_last = event.sequence == receipt.last
                    seal = receipt.seal if is_last else None
                    yield RepublishedEvent(lane, at_us, receipt.recorded_at_us, event, seal)
                at = upto
            if at >= last:
                return
