"""One center's lanes checked: bytes, tree, receipts, seals, keys, verdicts, links, state digests.

    rows, their places, the lane's tree      hub/audit/tree.py
    receipts, seals, keys, the basis         hub/audit/receipts.py
    verdicts, links, state digests           hub/audit/verdicts.py

Everything is worked out again from the bytes of the ledger and compared with what stands beside them. Each receipt
gives the lane's tree and state again, under HQ's signature: so damage before it spoils nothing behind it, and every
finding stands where the damage is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from hub.audit.book import EntityBook
from hub.audit.findings import Findings, What
from hub.audit.ids import RepeatedIds
from hub.audit.receipts import ReceiptCheck
from hub.audit.rows import LedgerRows
from hub.audit.tree import TreeCheck
from hub.audit.verdicts import FoldCheck
from hub.audit.walk import ReceiptFacts, Walk
from hub.domain.stream import HQ
from hub.protocol.moment import to_us
from hub.protocol.remark import RepeatedIds as Repeated
from hub.protocol.trust import Trust
from hub.replay.fold import BasisBook, begin
from hub.replay.source import Ledger
from hub.store.rows import StoredLane


@dataclass(frozen=True, slots=True)
class LaneRange:
    """What of a lane is checked, by sequences or by `recorded_at`; all of it without."""

    first: int | None = None
    last: int | None = None
    since_us: int | None = None
    until_us: int | None = None

    @property
    def is_whole(self) -> bool:
        """Whether it leaves nothing out."""
        return self == WHOLE

    def has(self, receipt: ReceiptFacts) -> bool:
        """Return whether a receipt is to be checked: it lies in the window, or part of it does."""
        at = to_us(receipt.recorded_at)
        return (
            (self.first is None or receipt.last >= self.first)
            and (self.last is None or receipt.first <= self.last)
            and (self.since_us is None or at >= self.since_us)
            and (self.until_us is None or at <= self.until_us)
        )


WHOLE: Final = LaneRange()


class CenterCheck:
    """Checks the lanes of one center in their order. `book` has what they fold to, when it is done."""

    def __init__(
        self,
        ledger: Ledger,
        trust: Trust,
        bases: BasisBook,
        book: EntityBook,
        findings: Findings,
        progress: Callable[[int], None] = lambda _: None,
    ) -> None:
        self.ledger = ledger
        self.bases = bases
        self.book = book
        self.findings = findings
        self.progress = progress
        self._receipts = ReceiptCheck(trust, bases, findings)
        self._tree = TreeCheck(findings)
        self._ids = RepeatedIds()
        self._fold = FoldCheck(ledger.lanes, bases, book, findings)
        self._walks: dict[int, Walk] = {}
        self._hq_size = 0  # events of HQ's own lanes so far
        self.lanes = 0
        self.receipts = 0
        self.events = 0

    @property
    def measures(self) -> Mapping[tuple[str, str], Decimal]:
        """What the lanes add up to, by lane and measure."""
        return self._fold.measures

    @property
    def newer(self) -> str:
        """What of these lanes only a later release can judge, '' for nothing."""
        return self.bases.newer or self._fold.newer

    def check(self, stored: StoredLane, window: LaneRange = WHOLE) -> None:
        """Check one lane from where its check stands; the center's earlier lanes were checked before."""
        walk = self._walks.get(stored.id)
        if walk is None:
            rows = LedgerRows(self.ledger, stored.id, stored.origin, self.findings)
            walk = self._walks[stored.id] = Walk(stored, begin(stored), rows, self._hq_size)
            self.lanes += 1
        before, walk.stored = walk.at, stored
        receipts = self.ledger.reader.audit.walk_receipts(stored.id, walk.at, stored.size, self.findings.unread)
        for row in receipts:
            said = self._receipts.read(stored, row)
            if said is None:
                continue
            at = walk.at
            if window.is_whole:
                self._receipt(walk, said)
            elif window.has(said):
                self._receipt(walk, said, fold=False)
            else:
                self._skip(walk, said)
                continue
            self.receipts += 1
            self.events += max(0, walk.at - at)
            self.progress(max(0, walk.at - at))
        if window.is_whole and walk.at < stored.size:
            self.findings.add(What.RECEIPT_GAP, "receipt", stored.origin, walk.at + 1, stored.size)
            self._uncovered(walk, stored.size, self.bases.size, walk.lane.recorded_at)
        if stored.center == HQ:
            self._hq_size += walk.at - before

    def check_ids(self, lanes: Sequence[StoredLane]) -> Repeated | None:
        """Tell of ids that two accepted events of these lanes have, all of which were checked before."""
        return self._ids.tell(self.ledger, lanes, self.findings)

    def check_closing(self, lanes: Sequence[StoredLane]) -> None:
        """Check the rows of a center's lanes themselves, each at its end, and how each one closed the one before."""
        for stored, later in zip(lanes, [*lanes[1:], None], strict=True):
            walk = self._walks[stored.id]
            lane, wrong = walk.lane, []
            if walk.edge_known and stored.edge != lane.edge.to_bytes():
                wrong.append("edge")
            if walk.states and stored.state_digest not in walk.states:
                wrong.append("state_digest")
            if stored.recorded_at_us != to_us(lane.recorded_at):
                wrong.append("recorded_at_us")
            if stored.closed_by != (later.origin if later else None):
                wrong.append("closed_by")
            if stored.missing != self._missing(stored, later):
                wrong.append("missing")
            if wrong:
                self.findings.add(What.LANE_ROW, "lane", stored.origin, detail=", ".join(wrong))

    def _missing(self, stored: StoredLane, later: StoredLane | None) -> int:
        """Return how many events of a lane its center says it wrote, when it opened the next one, and HQ never had."""
        opened = later and self.book.get(("lane", f"{later.center}:{later.epoch}"))
        if not opened or opened.entity.record.get("previous_origin") != stored.origin:
            return 0
        return max(0, int(opened.entity.record.get("previous_size", 0)) - stored.size)

    # -- one receipt after another ----------------------------------------------------------------------------------

    def _skip(self, walk: Walk, said: ReceiptFacts) -> None:
        """Go past a receipt that is not to be checked; its edge is what the next one builds on."""
        walk.at = said.last
        walk.edge_known = self._tree.adopt(walk, said)

    def _receipt(self, walk: Walk, said: ReceiptFacts, *, fold: bool = True) -> None:
        origin = walk.stored.origin
        if said.first > walk.at + 1:
            self.findings.add(What.RECEIPT_GAP, "receipt", origin, walk.at + 1, said.first - 1)
            self._uncovered(walk, said.first - 1, said.basis, said.recorded_at, fold=fold)
        elif said.first <= walk.at:
            self.findings.add(
                What.RECEIPT_GAP, "receipt", origin, said.first, said.last, detail=f"covered already up to {walk.at}"
            )
            if said.last <= walk.at:
                return
        first = walk.at + 1
        rows, events, lost = self._tree.events(walk, first, said.last)
        tree_is_good = self._tree.check(walk, said, rows, events, lost)
        self._receipts.seal(walk, said, tree_is_good=tree_is_good)
        self._receipts.lines(walk, said, rows, first)
        judged_under = self._receipts.basis(walk, said, first)
        self._receipts.key(walk, said, judged_under)
        walk.at = said.last
        if fold:
            self._ids.add(rows, events)
            is_vouched_for = tree_is_good and said.lines is not None
            self._fold.fold(walk, said, rows, events, judged_under, lost=lost, is_vouched_for=is_vouched_for)
        self._fold.lose(walk, lost)

    def _uncovered(self, walk: Walk, last: int, basis: int, recorded_at: datetime, *, fold: bool = True) -> None:
        """Take events that no receipt covers into tree and fold, so that what lies behind them can be checked."""
        rows, events, lost = self._tree.events(walk, walk.at + 1, last)
        self._tree.uncovered(walk, rows, events, lost)
        walk.at = last
        if fold:
            said = ReceiptFacts(walk.at, last, recorded_at, basis, None, b"", None, None, None)
            self._fold.fold(walk, said, rows, events, self.bases.at(basis), lost=lost)
            walk.states = []
        self._fold.lose(walk, lost)
