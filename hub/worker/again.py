"""What HQ's topics held, read again from where it is kept: the ledger, the entities, the log, the keys.

Each page is small, so that a worker goes on with its lanes between two of them. The ledger is read in a thread and with
a connection of its own: events whose bytes are in the archive are fetched from there, and that may take its time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from hub.domain.hq_lane import HqStretch
from hub.domain.state import partition_of
from hub.hq.identity import Identity
from hub.hq.lane import OwnLane
from hub.kafka.topics import OUT_RETENTION_MS
from hub.ledger.derived import Again
from hub.ledger.publication import (
    Outbound,
    Places,
    StateForm,
    event_record,
    lane_records,
    receipt_records,
    state_record,
)
from hub.protocol.errors import CohubError, Fatal, Malformed
from hub.protocol.moment import to_us
from hub.protocol.schema import Schema
from hub.protocol.topics import CHECKPOINTS, LANE, SCHEMAS, TRUST, topic_out
from hub.protocol.tree import leaf_hash
from hub.replay.source import Ledger
from hub.store.reader import Unreadable
from hub.store.rows import UNREADABLE, StoredEvent, StoredLane, is_count, is_text, stored_receipt
from hub.store.store import Store
from hub.worker.checkpoint_topic import OwnCheckpoints
from hub.worker.displaced import Displaced
from hub.worker.outward import BATCH_BYTES_MAX

EVENTS_PAGE: Final = 500
STATES_PAGE: Final = 250
RECEIPTS_PAGE: Final = 500
LANE_BATCH_BYTES: Final = BATCH_BYTES_MAX - 100_000
RECORD_BYTES: Final = 500  # of a record beside its canonical bytes, estimated from above
CHECKPOINTS_PAGE: Final = 16  # they may have 128 KiB of leaves each


@dataclass(frozen=True, slots=True)
class Page:
    """What is said next of a topic, the place behind it (None: it is done), how many records nobody can read."""

    places: Places
    place: str | None
    missing: int = 0


class Kept:
    """Reads pages of every topic that HQ fills. Errors: Retriable, Fatal as of stores and depots.

    Shapes: `open_ledger` opens the ledger for one page; it is called in a thread of its own.
    """

    def __init__(
        self,
        store: Store,
        open_ledger: Callable[[], Ledger],
        lane: OwnLane,
        identity: Identity,
        forms: Mapping[str, StateForm],
        schemas: Mapping[str, Schema],
    ) -> None:
        self._store = store
        self._open_ledger = open_ledger
        self._identity = identity
        self._forms = forms
        self._schemas = schemas
        self._checkpoints = OwnCheckpoints(store, lane, identity)
        self.displaced = Displaced(self._checkpoints, identity, self.schemas).among

    async def page(self, again: Again, now: datetime) -> Page:
        """Return the next page of a topic that is said again."""
        topic, place = again.topic, again.place
        if topic == "events":
            return await asyncio.to_thread(self._events, again)
        if topic.startswith("state."):
            return await self._states(again)
        if topic == LANE:
            return await self.lane(int(place or 0))
        if topic == CHECKPOINTS:
            found = await self._checkpoints.records([(int(place or 0), CHECKPOINTS_PAGE)])
            records = [said for _, said in found if said is not None]
            return Page({(CHECKPOINTS, 0): records}, str(found[-1][0]) if found else None, len(found) - len(records))
        if topic == TRUST:
            note = self._identity.note
            return Page({(TRUST, 0): [(self._identity.hub.encode(), note, [])]} if note else {}, None)
        if topic == SCHEMAS:
            return Page({(SCHEMAS, 0): self.schemas()}, None)
        if topic.startswith(topic_out("")):
            since = now - timedelta(milliseconds=OUT_RETENTION_MS)
            return await asyncio.to_thread(self._receipts, again, to_us(since))
        return Page({}, None)

    def schemas(self) -> list[Outbound]:
        """Return the records of `hub.schemas`, which go by what is in them: to say them twice says nothing new."""
        by_id = {schema.id: schema for schema in self._schemas.values()}
        return [(str(number).encode(), schema.text.encode(), []) for number, schema in sorted(by_id.items())]

    async def lane(self, after: int) -> Page:
        """Return the records of `hub.lane` behind a sequence; the place is a sequence too."""
        rows = await self._store.hq_lane(after)
        if not 0 <= after <= rows.size:  # it can't have been said so far: the row that says so was edited
            after, rows = 0, await self._store.hq_lane(0)
        stretches = _in_one_batch(rows.stretches)
        try:
            records = lane_records(stretches)
        except (Malformed, StopIteration) as exc:
            raise Fatal(f"the hq lane's rows are damaged: {exc}; `hub audit verify` says which") from exc
        read = after + sum(len(stretch.events) for stretch in stretches)
        return Page({(LANE, 0): records} if records else {}, str(read) if stretches else None)

    async def _states(self, again: Again) -> Page:
        found = await self._store.topics.states(again.topic.removeprefix("state."), again.place, STATES_PAGE)
        places: Places = {}
        for known in found.found:
            partition = partition_of(known.entity.center)
            if again.covers(partition):
                places.setdefault((again.topic, partition), []).append(state_record(known, self._forms))
        return Page(places, found.last, found.missing)

    def _events(self, again: Again) -> Page:
        """Return the next accepted events; the place is `<lane's number>:<sequence>`."""
        with self._open_ledger() as ledger:
            at = _next([lane for lane in _lanes(ledger) if again.covers(partition_of(lane.center))], again.place)
            if at is None:
                return Page({}, None)
            lane, after = at
            last = min(after + EVENTS_PAGE, lane.size)
            records, missing = [], 0
            rows = _rows(ledger, lane, after + 1, last)
            if rows is None:
                missing = last - after
            for row in rows or ():
                if row.accepted:
                    try:
                        records.append(_record(row))
                    except (*UNREADABLE, Malformed, StopIteration):
                        missing += 1
            return Page({("events", partition_of(lane.center)): records}, f"{lane.id}:{last}", missing)

    def _receipts(self, again: Again, since_us: int) -> Page:
        with self._open_ledger() as ledger:
            at = _next([lane for lane in _lanes(ledger) if topic_out(lane.center) == again.topic], again.place)
            if at is None:
                return Page({}, None)
            lane, after = at
            notes, last, missing = [], lane.size, 0
            try:
                for receipt in ledger.receipts(lane, after):
                    try:
                        stored_receipt(receipt.note, lane.origin, receipt.first, receipt.last)
                        if receipt.recorded_at_us >= since_us:
                            notes.append(receipt.note)
                    except (*UNREADABLE, Malformed):
                        missing += 1
                    if len(notes) >= RECEIPTS_PAGE:
                        last = receipt.last
                        break
            except Unreadable:  # a text that is no UTF-8 ends the reading of this lane
                missing += 1
            return Page({(again.topic, 0): receipt_records(lane.origin, notes)}, f"{lane.id}:{last}", missing)


def _lanes(ledger: Ledger) -> list[StoredLane]:
    """Return the lanes whose rows can be read; a worker that claims another one parks it, and says why."""
    return [lane for lane in ledger.lanes if is_text(lane.center) and is_text(lane.origin) and is_count(lane.size)]


def _next(lanes: list[StoredLane], place: str) -> tuple[StoredLane, int] | None:
    """Return the lane to go on with, and the sequence behind which; None where all of them are done."""
    number, _, sequence = place.partition(":")
    reached = (int(number), int(sequence)) if place else (0, 0)
    for lane in lanes:
        after = reached[1] if lane.id == reached[0] else 0
        if lane.id >= reached[0] and after < lane.size:
            return lane, after
    return None


def _rows(ledger: Ledger, lane: StoredLane, first: int, last: int) -> list[StoredEvent] | None:
    """Return these rows, without the bytes of those that the archive does not give back; None: they can't be read."""
    with suppress(*UNREADABLE, CohubError):
        return ledger.events(lane.id, first, last)
    with suppress(Unreadable):
        return ledger.reader.events(lane.id, first, last)
    return None


def _record(row: StoredEvent) -> Outbound:
    """Return the record of an accepted event. Errors: Malformed, too, where its bytes are not those of its leaf."""
    if leaf_hash(row.data) != row.digest:
        raise Malformed(f"event {row.sequence} is not what its leaf was made from")
    return event_record(row.data)


def _in_one_batch(stretches: Sequence[HqStretch]) -> Sequence[HqStretch]:
    """Return as many of the first stretches as one Kafka batch holds, one at least.

    A reader knows the events of a stretch by its seal alone, which comes last: what somebody else wrote between two of
    them would stand in their place for ever. Within a batch there is nobody else.
    """
    left = LANE_BATCH_BYTES
    for number, stretch in enumerate(stretches):
        left -= len(stretch.seal) + len(stretch.receipt) + sum(len(data) + RECORD_BYTES for data in stretch.events)
        if left < 0:
            return stretches[: max(number, 1)]
    return stretches
