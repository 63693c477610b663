"""What changed, read out of the ledger: each accepted event with the entity that it made, in the order of its lane."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from typing import Final

from hub.domain.catalogue import KINDS
from hub.domain.entity import Entity
from hub.domain.fold import fold
from hub.replay.asof import AsOf
from hub.replay.decoding import Decoder
from hub.replay.known import RecordedOrder, damaged
from hub.replay.source import Ledger
from hub.store.rows import StoredEvent, StoredLane
from hub.views.view import Change

ENTITIES_KEPT: Final = 50_000


class Changes:
    """Changes of some streams, as far as the ledger goes. For one thread. Errors: as Ledger's, of every method.

    Most events say all of their entity. What one leaves as it was is looked up among the entities that changed lately,
    or read from the ledger, as it was at that event.
    """

    def __init__(self, ledger: Ledger, streams: Collection[str]) -> None:
        self._streams = frozenset(streams)
        self._known: OrderedDict[tuple[str, str], Entity] = OrderedDict()
        self.renew(ledger)

    def renew(self, ledger: Ledger) -> None:
        """Go on with what the ledger has become."""
        self._ledger = ledger
        self._order = RecordedOrder(ledger)
        self._decoder = Decoder(ledger)
        self._as_of = AsOf(ledger, self._decoder, datetime.max.replace(tzinfo=UTC))

    def of(self, lane: StoredLane, first: int, last: int) -> Iterator[Change]:
        """Yield what the accepted events `first` to `last` of a lane changed."""
        at_us, known_to = 0, 0
        for event in self._ledger.events(lane.id, first, last):
            if not event.accepted or event.stream not in self._streams:
                continue
            if event.sequence > known_to:
                receipt = self._ledger.reader.covering(lane.id, event.sequence)
                if receipt is None or receipt.first > event.sequence:
                    raise damaged(f"lane {lane.id}: no receipt covers event {event.sequence}")
                known_to = receipt.last
                at_us = self._order.at_us(lane.id, receipt.last, receipt.recorded_at_us)
            yield Change(lane.id, event.sequence, at_us, self._after(lane, event))

    def _after(self, lane: StoredLane, event: StoredEvent) -> Entity:
        kind, key = KINDS[event.type], (event.stream, event.subject)
        before = self._known.pop(key, None)
        if kind.carries_record and kind.status_after is not None:
            value = self._decoder.value(event)
            found = Entity(
                event.stream, event.subject, lane.center, kind.status_after, event.version, event.type, value
            )
        elif before is not None and before.version == event.version - 1:
            found = fold(before, kind, event.subject, lane.center, self._decoder.value(event))
        else:
            found = self._as_of.after(event.stream, event.subject, lane.id, event.sequence).entity
        self._known[key] = found
        if len(self._known) > ENTITIES_KEPT:
            self._known.popitem(last=False)
        return found
