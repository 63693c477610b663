"""The state at another time, read out of the ledger: as HQ *knew* it, or of what had *happened*.

Known at T: what HQ had taken at T, by recorded_at. It is the very state that HQ had then, version and digest too.

Happened by T: of all that HQ knows today, the accepted events with ce_time ≤ T, in the order in which HQ accepted
them, folded without being judged again: one that carries the record sets it, one that says a status after it sets
that, and an event that was left out sets nothing. So what was reported late is in, at its own time; a center's later
word stands over its earlier one, as in the ledger; and a status that only came to be after T is not taken from an
event that was reported after it. Before the first event that carries a record there is nothing. The version counts
the events that were folded, so it, and the digest, are those of no state that HQ ever had, unless nothing was left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

import orjson

from hub.domain.entity import Entity
from hub.protocol.moment import from_us, to_us
from hub.protocol.value import value_class
from hub.replay.chain import back, every, kind_of
from hub.replay.decoding import Decoder
from hub.replay.known import KnownSizes, damaged, recorded_at_us
from hub.replay.source import Ledger
from hub.store.rows import HistoryLink, Newest, StoredEvent


@value_class
class State:
    """One entity at one time, and the last event that made it so.

    `left_out` counts accepted events, known today, that come before that one and had not happened.
    """

    entity: Entity
    document: bytes
    digest: bytes
    origin: str
    sequence: int
    recorded_at: datetime
    occurred_at: datetime
    left_out: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values: the entity as its document has it, and where it came from."""
        return {
            **orjson.loads(self.document),
            "digest": self.digest.hex(),
            "origin": self.origin,
            "at": self.sequence,
            "recorded_at": self.recorded_at,
            "occurred_at": self.occurred_at,
            "left_out": self.left_out,
        }


class AsOf:
    """The state at one moment; `happened` chooses which of the two questions is asked."""

    def __init__(self, ledger: Ledger, decoder: Decoder, moment: datetime, *, happened: bool = False) -> None:
        self.moment: Final = moment
        self.happened: Final = happened
        self._ledger = ledger
        self._decoder = decoder
        self._us = to_us(moment)
        # What was committed since the ledger was opened is not looked at: its lanes' sizes are the limit.
        self.known: Final = KnownSizes(ledger, moment) if not happened else KnownSizes.all(ledger)
        self._origins = {lane.id: lane.origin for lane in ledger.lanes}

    def entity(self, newest: Newest) -> State | None:
        """Return an entity at that moment, None if it was not there.

        Errors: Fatal where the ledger contradicts itself, or its newest state is another than the database has.
        """
        return self.folded(self.links(newest), newest)

    def links(self, newest: Newest) -> Iterator[HistoryLink]:
        """Yield the events that count, from the newest back."""
        for link in back(self._ledger, newest.lane_id, newest.sequence):
            if self.known.has(link.lane_id, link.sequence):
                yield link

    def has_happened(self, link: HistoryLink) -> bool:
        """Return whether an event had happened by this moment."""
        return link.occurred_at_us is not None and link.occurred_at_us <= self._us

    def folded(self, links: Iterator[HistoryLink], newest: Newest) -> State | None:
        """Return what these events, from the newest back, make of the entity. Errors: as `entity`."""
        chosen = _happened(list(links), self._us) if self.happened else _known(links)
        if chosen is None:
            return None
        state = self._state(chosen, newest.stream, newest.id)
        is_newest = (chosen.last.lane_id, chosen.last.sequence) == (newest.lane_id, newest.sequence)
        if is_newest and chosen.version == chosen.last.version and state.digest != newest.digest:
            raise damaged(f"{newest.stream} {newest.id}: the database has another state than its events make")
        return state

    def after(self, stream: str, entity_id: str, lane_id: int, sequence: int) -> State:
        """Return an entity as it was after one of its accepted events, whenever that was. Errors: Fatal."""
        chosen = _known(back(self._ledger, lane_id, sequence))
        assert chosen is not None  # `back` yields one event at least
        return self._state(chosen, stream, entity_id)

    def all(self, stream: str) -> Iterator[State]:
        """Yield every entity of a stream that was there, by id. Memory: one entity's."""
        for newest in every(self._ledger, stream):
            state = self.entity(newest)
            if state is not None:
                yield state

    def _state(self, chosen: _Chosen, stream: str, entity_id: str) -> State:
        last, source = chosen.last, chosen.source
        record = self._decoder.value(self._event(source))
        changed = None if last is source else self._decoder.value(self._event(last))
        entity = Entity(
            stream,
            entity_id,
            entity_id.partition(":")[0],
            chosen.status,
            chosen.version,
            source.type,
            record,
            changed,
        )
        document = entity.to_json()
        return State(
            entity,
            document,
            sha256(document).digest(),
            self._origins[last.lane_id],
            last.sequence,
            from_us(recorded_at_us(self._ledger, last.lane_id, last.sequence)),
            from_us(last.occurred_at_us or 0),
            chosen.left_out,
        )

    def _event(self, link: HistoryLink) -> StoredEvent:
        event = self._ledger.event(link.lane_id, link.sequence)
        if event is None:
            raise damaged(f"event {link.sequence} of lane {link.lane_id} is missing")
        return event


@value_class
class _Chosen:
    """What of a chain makes the state: its last event, the one with the record, the status, how many there are."""

    last: HistoryLink
    source: HistoryLink
    status: str
    version: int
    left_out: int = 0


def _known(links: Iterator[HistoryLink]) -> _Chosen | None:
    """Return what the newest of `links` left; no further back is looked than record and status are found."""
    last = source = None
    status: str | None = None
    for link in links:
        last = last or link
        kind = kind_of(link)
        status = status or kind.status_after
        if source is None and kind.carries_record:
            source = link
        if source is not None and status is not None:
            return _Chosen(last, source, status, last.version)
    if last is None:
        return None
    raise damaged(f"no event of the entity at event {last.sequence} of lane {last.lane_id} has its record and status")


def _happened(links: list[HistoryLink], us: int) -> _Chosen | None:
    """Return what the events that happened by `us` make, in the order of the ledger."""
    last = source = None
    status, recorded_status = "", ""
    version = left_out = pending = 0
    for link in reversed(links):
        kind = kind_of(link)
        recorded_status = kind.status_after or recorded_status
        if link.occurred_at_us is None or link.occurred_at_us > us or (source is None and not kind.carries_record):
            pending += 1
            continue
        last = link
        source = link if kind.carries_record else source
        # Only the first can lack a status of its own: what was left out before it gave one, which stands.
        status = kind.status_after or status or recorded_status
        version += 1
        left_out += pending
        pending = 0
    if last is None or source is None:
        return None
    return _Chosen(last, source, status, version, left_out)
