"""What today's rules would decide of past events: a report, nothing is changed by it.

Today's rules are this release's code under the newest basis. Each event is judged alone: at the time at which HQ
recorded it, and against its own entity *as recorded* before it. So one verdict that is another now does not make a
hundred others so; what an entity would have become had the other verdict been given is not asked.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, Final

from hub.domain.catalogue import KINDS
from hub.domain.hq_lane import HqLane
from hub.ledger.basis import Basis, basis
from hub.ledger.step import EntityKey, KnownEntity
from hub.protocol.moment import from_us
from hub.protocol.value import value_class
from hub.protocol.verdict import Code
from hub.replay.asof import AsOf
from hub.replay.chain import back, newest
from hub.replay.decoding import Decoder
from hub.replay.fold import LedgerRowReader, begin, refold
from hub.replay.source import Ledger
from hub.store.released import released_schemas
from hub.store.rows import StoredEvent, StoredLane

ENTITIES_KEPT: Final = 10_000
PAGE: Final = 256


@value_class
class Judgement:
    """One event with the verdict that it has and the one that it would get."""

    lane: StoredLane
    sequence: int
    recorded_at: datetime
    type: str
    subject: str
    then: tuple[str, str, str]  # code, field, params
    now: tuple[str, str, str]

    @property
    def is_other(self) -> bool:
        """Whether the code is another; another wording of a field or a parameter makes no other verdict."""
        return self.then[0] != self.now[0]

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        names = ("code", "field", "params")
        return {
            "origin": self.lane.origin,
            "sequence": self.sequence,
            "recorded_at": self.recorded_at,
            "type": self.type,
            "subject": self.subject,
            "then": dict(zip(names, self.then, strict=True)),
            "now": dict(zip(names, self.now, strict=True)),
        }


def newest_basis(lane: HqLane) -> Basis:
    """Return the basis that the hq lane makes today. It has no keys of HQ: a verdict asks for none."""
    return basis(lane.size, lane.entities.values(), (), released_schemas(), (), lane.corrected_at)


def rejudge(
    ledger: Ledger,
    judged_under: Basis,
    spans: Sequence[tuple[StoredLane, int, int]],
    looked_at: Callable[[int], None] = lambda _count: None,
    entities_kept: int = ENTITIES_KEPT,
) -> Iterator[Judgement]:
    """Yield every event of these spans (lane, first and last sequence) with both verdicts.

    Memory: `entities_kept` entities of one lane; others are read from the ledger again.

    Errors: Fatal where the ledger contradicts itself.
    """
    as_of = AsOf(ledger, Decoder(ledger), from_us(0))  # asked only what an event left, whenever that was
    for lane, first, last in spans:
        yield from _Lane(ledger, as_of, judged_under, lane, entities_kept).judge(first, last, looked_at)


class _Lane:
    """One lane on its way; `_kept` are entities as recorded so far, which saves most look-ups."""

    def __init__(self, ledger: Ledger, as_of: AsOf, judged_under: Basis, lane: StoredLane, entities_kept: int) -> None:
        self._ledger = ledger
        self._basis = judged_under
        self._stored = lane
        self._lane = begin(lane)
        self._reader = LedgerRowReader()
        self._as_of = as_of
        self._origins = {other.id: other.origin for other in ledger.lanes}
        self._kept_max = entities_kept
        self._kept: OrderedDict[EntityKey, KnownEntity] = OrderedDict()

    def judge(self, first: int, last: int, looked_at: Callable[[int], None]) -> Iterator[Judgement]:
        receipts = self._ledger.receipts(self._stored, first - 1)
        for receipt in receipts:
            if receipt.first > last:
                return
            recorded_at = from_us(receipt.recorded_at_us)
            at, end = max(receipt.first, first), min(receipt.last, last)
            for begins in range(at, end + 1, PAGE):
                rows = self._ledger.events(self._stored.id, begins, min(begins + PAGE - 1, end))
                for row in rows:
                    yield self._judgement(row, recorded_at)
                looked_at(len(rows))

    def _judgement(self, row: StoredEvent, recorded_at: datetime) -> Judgement:
        kind = KINDS.get(row.type)
        key = (kind.stream if kind else "", row.subject)
        before = self._before(row, key) if kind else None
        entities = {key: before} if before else {}
        judged = refold(self._lane, [self._reader.pending(row)], entities, self._basis, recorded_at)
        now = judged.rows[0]
        if row.accepted:
            if now.code == Code.ACCEPTED:
                self._keep(key, judged.entities[key])
            else:
                self._kept.pop(key, None)
        return Judgement(
            self._stored,
            row.sequence,
            recorded_at,
            row.type,
            row.subject,
            (row.code, row.field, row.params),
            (now.code, now.field, now.params),
        )

    def _before(self, row: StoredEvent, key: EntityKey) -> KnownEntity | None:
        """Return the entity as recorded before an event; what its last event left."""
        kept = self._kept.get(key)
        if row.accepted:
            if row.previous is None or row.previous_lane_id is None:
                return None
            if kept is not None and (kept.origin, kept.sequence) == (self._origins[row.previous_lane_id], row.previous):
                return kept
            return self._read(key, row.previous_lane_id, row.previous)
        if kept is not None:
            return kept
        found = newest(self._ledger, *key)
        if found is None or found.id.partition(":")[0] != self._stored.center:
            return None
        for link in back(self._ledger, found.lane_id, found.sequence):
            if (link.lane_id, link.sequence) < (self._stored.id, row.sequence):
                return self._read(key, link.lane_id, link.sequence)
        return None

    def _read(self, key: EntityKey, lane_id: int, sequence: int) -> KnownEntity:
        state = self._as_of.after(*key, lane_id, sequence)
        # Which event its record came from is published, and in no verdict.
        known = KnownEntity(
            state.entity,
            state.document,
            state.digest,
            state.origin,
            state.sequence,
            state.entity.kind,
            state.recorded_at,
            state.origin,
            state.sequence,
        )
        self._keep(key, known)
        return known

    def _keep(self, key: EntityKey, known: KnownEntity) -> None:
        self._kept[key] = known
        self._kept.move_to_end(key)
        if len(self._kept) > self._kept_max:
            self._kept.popitem(last=False)
