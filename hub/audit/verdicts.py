"""A lane's verdicts checked: each event judged and folded again, its row and the state's digest compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any, Final

from hub.audit.book import EntityBook
from hub.audit.findings import Findings, What
from hub.audit.walk import ReceiptFacts, Walk, differences
from hub.domain.catalogue import KINDS
from hub.domain.entity import Entity
from hub.domain.exact import add_up
from hub.domain.stream import HQ
from hub.ledger.basis import Basis
from hub.ledger.decide import Judged
from hub.ledger.reading import Pending
from hub.ledger.step import EntityKey, KnownEntity
from hub.protocol.errors import Newer
from hub.protocol.rules import rules
from hub.protocol.tree import HASH_BYTES
from hub.protocol.verdict import Code
from hub.replay.fold import BasisBook, refold, unknown_here
from hub.store.rows import DECIDED, StoredEvent, StoredLane, decided

_STATES_MAX: Final = 3
_DECIDED_AT: Final = len(StoredEvent._fields) - len(DECIDED)
_HISTORY: Final = frozenset({"previous_lane_id", "previous"})


class FoldCheck:
    """Folds the events of one receipt after another. `measures` and the book have what they make, when it is done."""

    def __init__(self, lanes: Sequence[StoredLane], bases: BasisBook, book: EntityBook, findings: Findings) -> None:
        self.measures: dict[tuple[str, str], Decimal] = {}
        self._bases = bases
        self._book = book
        self._findings = findings
        self._lanes = lanes
        self._ids = {lane.origin: lane.id for lane in lanes}
        self._lost: set[tuple[int, int]] = set()  # events whose content nobody has any more
        self.newer = ""  # what of a center's lane only a later release can judge
        self._under: Basis | None = None  # the last good one: for receipts that name none

    def lose(self, walk: Walk, lost: set[int]) -> None:
        """Say that nobody has these events of a lane any more."""
        self._lost.update((walk.stored.id, number) for number in lost)

    def fold(
        self,
        walk: Walk,
        said: ReceiptFacts,
        rows: Sequence[StoredEvent],
        events: Sequence[Pending],
        judged_under: Basis | None,
        *,
        lost: set[int],
        is_vouched_for: bool = False,
    ) -> None:
        """Judge and fold the events of one receipt, compare their rows and the state after them.

        Shapes: `is_vouched_for` says that these are the bytes that the receipt was signed for.
        """
        size = walk.hq_before + walk.at
        if self.newer or self._bases.newer:
            if walk.stored.center == HQ:
                self._bases.add(size, (), said.recorded_at)
            return  # what the events make, a later release can say
        under = judged_under or self._under or self._bases.at(0)
        assert under is not None  # of no entities there is always one
        self._under = under
        if walk.stored.center == HQ and is_vouched_for:
            for row, event in zip(rows, events, strict=True):
                if row.accepted and (why := unknown_here(event, under)):
                    self._bases.be_newer(walk.hq_before + row.sequence, why)
                    self._bases.add(size, (), said.recorded_at)
                    return
        digests: list[bytes] = []
        is_mended = bool(lost)
        changed: dict[EntityKey, KnownEntity] = {}
        for part_rows, part in self._parts(walk, rows, events, lost):
            if part_rows and self._needs_mending(part_rows[0]):
                is_mended = self._mend(part_rows[0], walk) or is_mended
            judged = self._judged(walk, part_rows, part, under, said.recorded_at)
            if judged is None:
                is_mended = True
                continue
            self._compare(walk, part_rows, judged)
            walk.lane = judged.lane
            digests += judged.digests
            changed |= judged.entities
            self._book.update(judged.entities)
            add_up(self.measures, judged.measures)
        if is_mended:
            walk.lane = replace(walk.lane, recorded_at=said.recorded_at)  # whether or not anything of it was folded
        self._state(walk, said, digests, is_mended=is_mended)
        if walk.stored.center == HQ:
            self._bases.add(size, changed.values(), walk.lane.recorded_at)
            try:
                rules(self._bases.number_of_rules)
            except Newer as exc:
                if is_vouched_for:
                    self._bases.be_newer(size, str(exc))

    def _parts(
        self, walk: Walk, rows: Sequence[StoredEvent], events: Sequence[Pending], lost: set[int]
    ) -> list[tuple[Sequence[StoredEvent], Sequence[Pending]]]:
        """Return the events in runs that can be folded at once: one run, where nothing was lost before them."""
        if not lost and not self._lost:
            return [(rows, events)]
        self._lost.update((walk.stored.id, number) for number in lost)
        kept = [(row, event) for row, event in zip(rows, events, strict=True) if row.sequence not in lost]
        parts: list[tuple[list[StoredEvent], list[Pending]]] = [([], [])]
        for row, event in kept:
            if self._needs_mending(row):
                parts.append(([], []))
            parts[-1][0].append(row)
            parts[-1][1].append(event)
        return [(r, e) for r, e in parts if r]

    def _needs_mending(self, row: StoredEvent) -> bool:
        """Return whether the entity's event before this one was lost."""
        return (row.previous_lane_id, row.previous) in self._lost

    def _mend(self, row: StoredEvent, walk: Walk) -> bool:
        """Put the entity as it must have been before this event; return whether its record can't be known."""
        kind, version, previous = KINDS.get(row.type), row.version, row.previous
        if kind is None or type(version) is not int or version < 2 or row.previous_lane_id is None or previous is None:
            return False
        key = (kind.stream, row.subject)
        before = self._book.get(key)
        origin = next((lane.origin for lane in self._lanes if lane.id == row.previous_lane_id), walk.stored.origin)
        status = before.entity.status if before else ""
        if status not in kind.legal_in:
            status = next((s for s in sorted(s for s in kind.legal_in if s is not None)), "")
        record, made = (before.entity.record, before.entity.kind) if before else ({}, kind.type)
        entity = Entity(kind.stream, row.subject, walk.stored.center, status, version - 1, made, record)
        document = entity.to_json()
        known = KnownEntity(
            entity, document, sha256(document).digest(), origin, previous, made, walk.lane.recorded_at,
            before.record_origin if before else origin, before.record_sequence if before else previous,
        )  # fmt: skip
        self._book.update({key: known})
        return not kind.carries_record or kind.status_after is None

    def _judged(
        self, walk: Walk, rows: Sequence[StoredEvent], events: Sequence[Pending], under: Basis, recorded_at: datetime
    ) -> Judged | None:
        """Return what judging gives. Bytes that were changed may be such as no rule was written for: then none."""
        try:
            return refold(walk.lane, events, self._book, under, recorded_at)
        except Exception as exc:  # noqa: BLE001 - whatever it is, it is told, and the audit goes on
            if len(rows) == 1:
                self._findings.add(
                    What.VERDICT, "ledger", walk.stored.origin, rows[0].sequence,
                    detail=f"it can't be judged: {type(exc).__name__}: {exc}",
                )  # fmt: skip
                return None
        half = len(rows) // 2
        first = self._judged(walk, rows[:half], events[:half], under, recorded_at)
        if first is not None:
            self._book.update(first.entities)
        lane = walk.lane
        walk.lane = first.lane if first else lane
        second = self._judged(walk, rows[half:], events[half:], under, recorded_at)
        walk.lane = lane
        if first is None or second is None:
            return first or second
        measures = dict(first.measures)
        add_up(measures, second.measures)
        return Judged(
            [*first.rows, *second.rows], second.lane, first.entities | second.entities, measures,
            [*first.digests, *second.digests],
        )  # fmt: skip

    def _compare(self, walk: Walk, rows: Sequence[StoredEvent], judged: Judged) -> None:
        if len(rows) != len(judged.rows):
            by_number = {row.sequence: row for row in judged.rows}
            pairs = [(row, by_number[row.sequence]) for row in rows if row.sequence in by_number]
        else:
            pairs = list(zip(rows, judged.rows, strict=True))
        lane_id = self._ids.__getitem__
        for kept, row in pairs:
            given = decided(row, lane_id)
            if kept[_DECIDED_AT:] == given:
                continue
            if kept.accepted and row.code == Code.UNKNOWN_TYPE and kept.type not in KINDS:
                self.newer = f"{walk.stored.origin} {kept.sequence}: this release does not know the type {kept.type}"
                return
            if not self.newer:
                self._differs(walk, kept, given)

    def _differs(self, walk: Walk, kept: StoredEvent, given: tuple[Any, ...]) -> None:
        was = kept[_DECIDED_AT:]
        names = [n for n, a, b in zip(DECIDED, was, given, strict=True) if a != b]
        what = What.HISTORY if set(names) <= _HISTORY else What.VERDICT
        self._findings.add(what, "ledger", walk.stored.origin, kept.sequence, detail=differences(DECIDED, was, given))

    def _state(self, walk: Walk, said: ReceiptFacts, digests: Sequence[bytes], *, is_mended: bool) -> None:
        """Compare the state digest; behind a difference both the stored and the computed one may be the truth."""
        if len(walk.states) == 1 and not is_mended:
            computed = [walk.lane.state_digest]  # folding has chained it from there
        else:
            computed = [_chain(state, digests) for state in walk.states]
        stored = said.state_digest
        if stored is None:
            if walk.digest_due and said.root is not None:
                detail = "the receipt has no state digest"
                self._findings.add(
                    What.STATE_DIGEST, "receipt", walk.stored.origin, said.first, said.last, detail=detail
                )
            walk.states = computed
        elif stored in computed:
            assert isinstance(stored, bytes)
            walk.states, walk.digest_due = [stored], True
        else:
            if not is_mended and walk.states:
                self._findings.add(What.STATE_DIGEST, "receipt", walk.stored.origin, said.first, said.last)
            whole = [stored] if isinstance(stored, bytes) and len(stored) == HASH_BYTES else []
            walk.states, walk.digest_due = [*whole, *computed][:_STATES_MAX], True
        if walk.states:
            walk.lane = replace(walk.lane, state_digest=walk.states[0])


def _chain(state: bytes, digests: Sequence[bytes]) -> bytes:
    for digest in digests:
        state = sha256(state + digest).digest()
    return state
