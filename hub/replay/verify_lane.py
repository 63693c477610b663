"""One center's lanes checked: bytes, tree, receipts, seals, keys, verdicts, links, state digests.

Everything is worked out again from the bytes of the ledger and compared with what stands beside them. Each receipt
gives the lane's tree and state again, under HQ's signature: so damage before it spoils nothing behind it, and every
finding stands where the damage is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Any, Final

from hub.domain.catalogue import KINDS
from hub.domain.entity import Entity
from hub.domain.state import micros
from hub.domain.stream import HQ
from hub.ledger.basis import BASIS_AGE_MAX, Basis
from hub.ledger.batch import EntityKey, Known
from hub.ledger.decide import ZERO, Judged
from hub.ledger.keyring import Standing
from hub.ledger.lane import EPOCH_START, Lane
from hub.ledger.take import Pending
from hub.protocol.checkpoint import open_seal
from hub.protocol.errors import Malformed
from hub.protocol.note import Note
from hub.protocol.receipt import Decision, Receipt
from hub.protocol.tree import HASH_BYTES, Edge
from hub.protocol.trust import Trust
from hub.replay.book import EntityBook
from hub.replay.findings import Findings, What
from hub.replay.fold import COLUMNS, BasisBook, RowReader, StoredRow, begin, refold
from hub.replay.rows import LedgerRows, keyed
from hub.replay.source import Ledger, StoredLane
from hub.store.sqlite import from_us

_US: Final = timedelta(microseconds=1)
_STATES_MAX: Final = 3
LOST_MAX: Final = 100_000  # missing events of one gap that are remembered, to mend what follows on them
_HISTORY: Final = frozenset({"previous_lane_id", "previous"})
_RECEIPT: Final = "first, seal, edge, note, recorded_at_us, basis, state_digest"


@dataclass(frozen=True, slots=True)
class Window:
    """What of a lane is checked, by sequences or by `recorded_at`; all of it without."""

    first: int | None = None
    last: int | None = None
    since_us: int | None = None
    until_us: int | None = None

    @property
    def is_whole(self) -> bool:
        """Whether it leaves nothing out."""
        return self == WHOLE

    def has(self, receipt: _Said) -> bool:
        """Return whether a receipt is to be checked: it lies in the window, or part of it does."""
        at = micros(receipt.recorded_at)
        return (
            (self.first is None or receipt.last >= self.first)
            and (self.last is None or receipt.first <= self.last)
            and (self.since_us is None or at >= self.since_us)
            and (self.until_us is None or at <= self.until_us)
        )


@dataclass(frozen=True, slots=True)
class _Said:
    """What a receipt row says: its note where that is good, its columns where it is not."""

    first: int
    last: int
    recorded_at: datetime
    basis: int
    root: bytes | None
    seal: bytes
    edge: object
    state_digest: object
    lines: dict[int, str] | None


@dataclass(slots=True)
class _Walk:
    """Where the check of one lane stands."""

    stored: StoredLane
    lane: Lane
    rows: LedgerRows
    hq_before: int  # events of HQ's lanes before this one, where it is HQ's
    reader: RowReader = field(default_factory=RowReader)
    at: int = 0
    states: list[bytes] = field(default_factory=lambda: [bytes(HASH_BYTES)])
    edge_known: bool = True
    digest_due: bool = False  # a receipt with a state digest was seen: the later ones have it too


WHOLE: Final = Window()


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
        self.trust = trust
        self.bases = bases
        self.book = book
        self.findings = findings
        self.progress = progress
        self.measures: dict[tuple[str, str], Decimal] = {}
        self._ids = {lane.origin: lane.id for lane in ledger.lanes}
        self._lost: set[tuple[int, int]] = set()  # events whose content nobody has any more
        self._walks: dict[int, _Walk] = {}
        self._under: Basis | None = None  # the last good one: for receipts that name none
        self._hq_size = 0  # events of HQ's own lanes so far
        self.lanes = 0
        self.receipts = 0
        self.events = 0

    def check(self, stored: StoredLane, window: Window = WHOLE) -> None:
        """Check one lane from where its check stands; the center's earlier lanes were checked before."""
        walk = self._walks.get(stored.id)
        if walk is None:
            rows = LedgerRows(self.ledger, stored.id, stored.origin, self.findings)
            walk = self._walks[stored.id] = _Walk(stored, begin(stored), rows, self._hq_size)
            self.lanes += 1
        before, walk.stored = walk.at, stored
        for row in keyed(
            self.ledger.db, self.findings, "receipt", _RECEIPT, ("lane_id", "last"),
            "lane_id = ? AND last > ? AND last <= ?", (stored.id, walk.at, stored.size),
        ):  # fmt: skip
            said = self._said(stored, row)
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

    def check_closing(self, lanes: Sequence[StoredLane]) -> None:
        """Check the rows of a center's lanes themselves, each at its end, and how each one closed the one before."""
        for stored, later in zip(lanes, [*lanes[1:], None], strict=True):
            walk = self._walks[stored.id]
            lane, wrong = walk.lane, []
            if walk.edge_known and stored.edge != lane.edge.to_bytes():
                wrong.append("edge")
            if walk.states and stored.state_digest not in walk.states:
                wrong.append("state_digest")
            if stored.recorded_at_us != micros(lane.recorded_at):
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

    # -- receipts --------------------------------------------------------------------------------------------------

    def _said(self, stored: StoredLane, row: tuple[Any, ...]) -> _Said | None:
        """Return what a receipt says, told what is wrong with it. None where nothing of it can be used."""
        _, last, first, seal, edge, note, recorded_at_us, basis, state_digest = row
        told = self.findings.add
        lines: dict[int, str] | None = None
        try:
            if type(note) is not bytes:
                raise Malformed(f"the note is {type(note).__name__}")
            opened = Note.from_bytes(note)
            receipt = Receipt.from_text(opened.text)
            opened.verify(self.trust.good_at(self.trust.receipts, receipt.recorded_at))
        except Malformed as exc:
            told(What.RECEIPT_NOTE, "receipt", stored.origin, *_span(first, last), detail=exc)
        else:
            kept = (stored.origin, first, last, recorded_at_us, basis)
            said = (receipt.origin, receipt.first, receipt.last, micros(receipt.recorded_at), receipt.basis)
            if kept != said:
                what = _differs(("lane", "first", "last", "recorded_at_us", "basis"), kept, said)
                told(What.RECEIPT_ROW, "receipt", stored.origin, *_span(first, last), detail=what)
            if receipt.origin == stored.origin and receipt.last <= stored.size:
                lines = {d.sequence: d.to_text() for d in receipt.decisions}
                return _Said(
                    receipt.first, receipt.last, receipt.recorded_at, receipt.basis, receipt.root,
                    _bytes(seal), edge, state_digest, lines,
                )  # fmt: skip
        if not all(type(v) is int for v in (first, last, recorded_at_us, basis)) or not 1 <= first <= last:
            told(What.RECEIPT_ROW, "receipt", stored.origin, *_span(first, last), detail="its columns are no numbers")
            return None
        try:
            moment = from_us(recorded_at_us)
        except OverflowError:
            moment = EPOCH_START
        return _Said(first, last, moment, basis, None, _bytes(seal), edge, state_digest, None)

    def _skip(self, walk: _Walk, said: _Said) -> None:
        """Go past a receipt that is not to be checked; its edge is what the next one builds on."""
        walk.at = said.last
        walk.edge_known = self._adopt_edge(walk, said)

    def _adopt_edge(self, walk: _Walk, said: _Said) -> bool:
        """Build on the edge beside a receipt, if it is that of the signed root."""
        try:
            edge = Edge.from_bytes(said.last, _bytes(said.edge))
        except Malformed:
            return False
        if said.root is None or edge.root != said.root:
            return False
        walk.lane = replace(walk.lane, edge=edge)
        return True

    def _receipt(self, walk: _Walk, said: _Said, *, fold: bool = True) -> None:
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
        rows, events, lost = self._events(walk, first, said.last)
        tree_is_good = self._tree(walk, said, rows, events, lost)
        self._seal(walk, said, tree_is_good=tree_is_good)
        self._lines(walk, said, rows, first)
        judged_under = self.bases.at(said.basis)
        if walk.stored.center == HQ and said.basis != walk.hq_before + said.first - 1:
            judged_under = None  # the hq lane is judged under what it said before
        if judged_under is None:
            self.findings.add(
                What.BASIS, "receipt", origin, first, said.last, detail=f"there is no basis {said.basis} for it"
            )
        elif walk.stored.center != HQ and said.basis < self.bases.size_at(said.recorded_at - BASIS_AGE_MAX):
            detail = f"basis {said.basis} was left more than {BASIS_AGE_MAX.seconds // 60} minutes before"
            self.findings.add(What.BASIS, "receipt", origin, first, said.last, detail=detail)
        self._key(walk, said, judged_under)
        walk.at = said.last
        if fold:
            self._fold(walk, said, rows, events, judged_under, lost=lost)
        for key in lost:
            self._lost.add((walk.stored.id, key))

    def _uncovered(self, walk: _Walk, last: int, basis: int, recorded_at: datetime, *, fold: bool = True) -> None:
        """Take events that no receipt covers into tree and fold, so that what lies behind them can be checked."""
        rows, events, lost = self._events(walk, walk.at + 1, last)
        for row, event in zip(rows, events, strict=True):
            if row[2] != event.leaf:
                self.findings.add(What.LEDGER_DIGEST, "ledger", walk.stored.origin, row[0])
        walk.edge_known = walk.edge_known and not lost
        if walk.edge_known:
            walk.lane = replace(walk.lane, edge=walk.lane.edge.append(event.leaf for event in events))
        walk.at = last
        if fold:
            said = _Said(walk.at, last, recorded_at, basis, None, b"", None, None, None)
            self._fold(walk, said, rows, events, self.bases.at(basis), lost=lost)
            walk.states = []
        self._lost.update((walk.stored.id, number) for number in lost)

    # -- bytes, places, tree ---------------------------------------------------------------------------------------

    def _events(self, walk: _Walk, first: int, last: int) -> tuple[list[StoredRow], list[Pending], set[int]]:
        """Return the rows of a range, their events, and the sequences that there is nothing of."""
        rows = walk.rows.range(first, last)
        lost: set[int] = set()
        if len(rows) != last - first + 1:
            for begin, end in _gaps(first, last, rows):
                some = range(begin, min(end, begin + LOST_MAX) + 1)
                lost.update(some)
                for number in some:
                    if number not in walk.rows.unreadable:
                        self.findings.add(What.LEDGER_GAP, "ledger", walk.stored.origin, number)
                if end > some[-1]:
                    self.findings.add(What.LEDGER_GAP, "ledger", walk.stored.origin, some[-1] + 1, end)
        if not all(type(row[1]) is bytes and row[1] for row in rows):
            bare = [row[0] for row in rows if type(row[1]) is not bytes or not row[1]]
            for number in bare:
                if number not in walk.rows.gone:
                    detail = "there are none, and no segment of the archive has them"
                    self.findings.add(What.LEDGER_BYTES, "ledger", walk.stored.origin, number, detail=detail)
            walk.rows.gone.difference_update(bare)
            lost.update(bare)
            rows = [row for row in rows if row[0] not in lost]
        events = [walk.reader.pending(row) for row in rows]
        epoch = walk.stored.epoch.encode("utf-8", "surrogateescape")
        for event in events:
            headers = event.headers
            if headers.get("ce_sequence") != b"%d" % event.sequence or headers.get("ce_epoch") != epoch:
                self.findings.add(
                    What.WRONG_PLACE, "ledger", walk.stored.origin, event.sequence,
                    detail=f"the headers say {_text(headers.get('ce_epoch'))} {_text(headers.get('ce_sequence'))}",
                )  # fmt: skip
        return rows, events, lost

    def _tree(
        self, walk: _Walk, said: _Said, rows: Sequence[StoredRow], events: Sequence[Pending], lost: set[int]
    ) -> bool:
        """Check digests and root; the lane goes on from the tree that HQ signed. False where that is not known."""
        origin = walk.stored.origin
        leaves = [event.leaf for event in events]
        differ = [row[0] for row, leaf in zip(rows, leaves, strict=True) if row[2] != leaf]
        edge = walk.lane.edge.append(leaves) if walk.edge_known and not lost else None
        if edge is not None and said.root in (None, edge.root):
            for number in differ:
                self.findings.add(What.LEDGER_DIGEST, "ledger", origin, number)
        else:
            stored = self._edge_of_digests(walk, rows) if differ and walk.edge_known and not lost else None
            if stored is not None and stored.root == said.root:
                for number in differ:
                    self.findings.add(What.LEDGER_BYTES, "ledger", origin, number)
                lost.update(differ)
                edge = stored
            else:
                for number in differ:
                    self.findings.add(What.LEDGER_DIGEST, "ledger", origin, number)
                if walk.edge_known and not lost:
                    self.findings.add(What.RECEIPT_ROOT, "receipt", origin, said.first, said.last)
                lost.update(differ)  # nobody can tell any more whether the bytes or the digest were changed
                edge = None
        if edge is None:
            walk.edge_known = self._adopt_edge(walk, said)
            return walk.edge_known
        walk.lane, walk.edge_known = replace(walk.lane, edge=edge), True
        if said.edge is not None and said.edge != edge.to_bytes():
            self.findings.add(What.RECEIPT_ROW, "receipt", origin, said.first, said.last, detail="edge")
        return True

    def _edge_of_digests(self, walk: _Walk, rows: Sequence[StoredRow]) -> Edge | None:
        digests = [row[2] for row in rows]
        if not all(type(digest) is bytes and len(digest) == HASH_BYTES for digest in digests):
            return None
        return walk.lane.edge.append(digests)

    # -- seal and lines --------------------------------------------------------------------------------------------

    def _seal(self, walk: _Walk, said: _Said, *, tree_is_good: bool) -> None:
        origin = walk.stored.origin
        try:
            checkpoint, _ = open_seal(said.seal)
        except Malformed as exc:
            self.findings.add(What.SEAL, "receipt", origin, said.first, said.last, detail=exc)
            return
        root = walk.lane.edge.root if tree_is_good else said.root
        expected = (origin, said.last, root if root is not None else checkpoint.root)
        if (checkpoint.origin, checkpoint.size, checkpoint.root) != expected:
            detail = f"it is over {checkpoint.origin} at size {checkpoint.size}"
            self.findings.add(What.SEAL, "receipt", origin, said.first, said.last, detail=detail)

    def _key(self, walk: _Walk, said: _Said, judged_under: Basis | None) -> None:
        """Check that the seal's key was good for the center when HQ received it."""
        origin, center = walk.stored.origin, walk.stored.center
        try:
            _, note = open_seal(said.seal)
            if center == HQ:
                note.verify([key.named(origin) for key in self.trust.hqs_at(said.recorded_at)])
                return
        except Malformed as exc:
            if center == HQ or not self._told(What.SEAL, origin, said):
                self.findings.add(What.SEAL_KEY, "receipt", origin, said.first, said.last, detail=exc)
            return
        if judged_under is None:
            return
        standing, why = judged_under.keyring.check_seal(center, origin, note)
        if standing is not Standing.GOOD:
            self.findings.add(What.SEAL_KEY, "receipt", origin, said.first, said.last, detail=why)

    def _told(self, what: What, origin: str, said: _Said) -> bool:
        return self.findings.has(what, origin, said.first)

    def _lines(self, walk: _Walk, said: _Said, rows: Sequence[StoredRow], first: int) -> None:
        """Compare the receipt's lines with the ledger's verdicts."""
        if said.lines is None:
            return
        stored = {row[0]: _line(row) for row in rows if row[3] != "ACCEPTED"}
        if stored == said.lines:
            return
        there = {row[0] for row in rows}
        for number in sorted(stored.keys() | said.lines.keys()):
            if number >= first and number in there and stored.get(number) != said.lines.get(number):
                detail = f"the receipt has {said.lines.get(number)}, the ledger {stored.get(number)}"
                self.findings.add(What.RECEIPT_LINE, "ledger", walk.stored.origin, number, detail=detail)

    # -- the fold --------------------------------------------------------------------------------------------------

    def _fold(
        self,
        walk: _Walk,
        said: _Said,
        rows: Sequence[StoredRow],
        events: Sequence[Pending],
        judged_under: Basis | None,
        *,
        lost: set[int],
    ) -> None:
        """Judge and fold the events of one receipt, compare their rows and the state after them."""
        under = judged_under or self._under or self.bases.at(0)
        assert under is not None  # of no entities there is always one
        self._under = under
        digests: list[bytes] = []
        is_mended = bool(lost)
        changed: dict[EntityKey, Known] = {}
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
            self.book.update(judged.entities)
            for key, change in judged.measures.items():
                self.measures[key] = self.measures.get(key, ZERO) + change
        if is_mended:
            walk.lane = replace(walk.lane, recorded_at=said.recorded_at)  # whether or not anything of it was folded
        self._state(walk, said, digests, is_mended=is_mended)
        if walk.stored.center == HQ:
            self.bases.add(walk.hq_before + walk.at, changed.values(), walk.lane.recorded_at)

    def _parts(
        self, walk: _Walk, rows: Sequence[StoredRow], events: Sequence[Pending], lost: set[int]
    ) -> list[tuple[Sequence[StoredRow], Sequence[Pending]]]:
        """Return the events in runs that can be folded at once: one run, where nothing was lost before them."""
        if not lost and not self._lost:
            return [(rows, events)]
        self._lost.update((walk.stored.id, number) for number in lost)
        kept = [(row, event) for row, event in zip(rows, events, strict=True) if row[0] not in lost]
        parts: list[tuple[list[StoredRow], list[Pending]]] = [([], [])]
        for row, event in kept:
            if self._needs_mending(row):
                parts.append(([], []))
            parts[-1][0].append(row)
            parts[-1][1].append(event)
        return [(r, e) for r, e in parts if r]

    def _needs_mending(self, row: StoredRow) -> bool:
        """Return whether the entity's event before this one was lost."""
        return (row[11], row[12]) in self._lost

    def _mend(self, row: StoredRow, walk: _Walk) -> bool:
        """Put the entity as it must have been before this event; return whether its record can't be known."""
        kind, version = KINDS.get(row[7]), row[10]
        if kind is None or type(version) is not int or version < 2 or row[11] is None or row[12] is None:
            return False
        key = (kind.stream, row[8])
        before = self.book.get(key)
        origin = next((lane.origin for lane in self.ledger.lanes if lane.id == row[11]), walk.stored.origin)
        status = before.entity.status if before else ""
        if status not in kind.legal_in:
            status = next((s for s in sorted(s for s in kind.legal_in if s is not None)), "")
        record, made = (before.entity.record, before.entity.kind) if before else ({}, kind.type)
        entity = Entity(kind.stream, row[8], walk.stored.center, status, version - 1, made, record)
        document = entity.to_json()
        known = Known(
            entity, document, sha256(document).digest(), origin, row[12], made, walk.lane.recorded_at,
            before.record_origin if before else origin, before.record_sequence if before else row[12],
        )  # fmt: skip
        self.book.update({key: known})
        return not kind.carries_record or kind.status_after is None

    def _judged(
        self, walk: _Walk, rows: Sequence[StoredRow], events: Sequence[Pending], under: Basis, recorded_at: datetime
    ) -> Judged | None:
        """Return what judging gives. Bytes that were changed may be such as no rule was written for: then none."""
        try:
            return refold(walk.lane, events, self.book, under, recorded_at)
        except Exception as exc:  # noqa: BLE001 - whatever it is, it is told, and the audit goes on
            if len(rows) == 1:
                self.findings.add(
                    What.VERDICT, "ledger", walk.stored.origin, rows[0][0],
                    detail=f"it can't be judged: {type(exc).__name__}: {exc}",
                )  # fmt: skip
                return None
        half = len(rows) // 2
        first = self._judged(walk, rows[:half], events[:half], under, recorded_at)
        if first is not None:
            self.book.update(first.entities)
        lane = walk.lane
        walk.lane = first.lane if first else lane
        second = self._judged(walk, rows[half:], events[half:], under, recorded_at)
        walk.lane = lane
        if first is None or second is None:
            return first or second
        measures = dict(first.measures)
        for key, change in second.measures.items():
            measures[key] = measures.get(key, ZERO) + change
        return Judged(
            [*first.rows, *second.rows], second.lane, first.entities | second.entities, measures,
            [*first.digests, *second.digests],
        )  # fmt: skip

    def _compare(self, walk: _Walk, rows: Sequence[StoredRow], judged: Judged) -> None:
        if len(rows) != len(judged.rows):
            by_number = {row.sequence: row for row in judged.rows}
            pairs = [(row, by_number[row[0]]) for row in rows if row[0] in by_number]
        else:
            pairs = list(zip(rows, judged.rows, strict=True))
        ids = self._ids
        for kept, row in pairs:
            previous, occurred = row.previous, row.occurred_at
            given = (
                row.code,
                row.field,
                row.params,
                row.key,
                row.type,
                row.subject,
                None if occurred is None else (occurred - EPOCH_START) // _US,
                row.version,
                None if previous is None else ids[previous[0]],
                None if previous is None else previous[1],
            )
            if kept[3:] != given:
                self._differs(walk, kept, given)

    def _differs(self, walk: _Walk, kept: StoredRow, given: tuple[Any, ...]) -> None:
        names = [n for n, a, b in zip(COLUMNS[3:], kept[3:], given, strict=True) if a != b]
        what = What.HISTORY if set(names) <= _HISTORY else What.VERDICT
        self.findings.add(what, "ledger", walk.stored.origin, kept[0], detail=_differs(COLUMNS[3:], kept[3:], given))

    def _state(self, walk: _Walk, said: _Said, digests: Sequence[bytes], *, is_mended: bool) -> None:
        """Compare the state digest; behind a difference both the stored and the computed one may be the truth."""
        if len(walk.states) == 1 and not is_mended:
            computed = [walk.lane.state_digest]  # folding has chained it from there
        else:
            computed = [_chain(state, digests) for state in walk.states]
        stored = said.state_digest
        if stored is None:
            if walk.digest_due and said.root is not None:
                self.findings.add(
                    What.STATE_DIGEST, "receipt", walk.stored.origin, said.first, said.last, detail="there is none"
                )
            walk.states = computed
        elif stored in computed:
            assert isinstance(stored, bytes)
            walk.states, walk.digest_due = [stored], True
        else:
            if not is_mended and walk.states:
                self.findings.add(What.STATE_DIGEST, "receipt", walk.stored.origin, said.first, said.last)
            whole = [stored] if isinstance(stored, bytes) and len(stored) == HASH_BYTES else []
            walk.states, walk.digest_due = [*whole, *computed][:_STATES_MAX], True
        if walk.states:
            walk.lane = replace(walk.lane, state_digest=walk.states[0])


def _gaps(first: int, last: int, rows: Sequence[StoredRow]) -> Iterator[tuple[int, int]]:
    """Yield the ranges from first to last that have no row."""
    upcoming = first
    for row in rows:
        if row[0] > upcoming:
            yield upcoming, row[0] - 1
        upcoming = row[0] + 1
    if upcoming <= last:
        yield upcoming, last


def _chain(state: bytes, digests: Sequence[bytes]) -> bytes:
    for digest in digests:
        state = sha256(state + digest).digest()
    return state


def _line(row: StoredRow) -> str:
    """Return the receipt's line for a row, of whatever its columns hold."""
    return Decision(row[0], _any(row[3]), _any(row[4]), _any(row[5])).to_text()


def _any(value: object) -> str:
    return value if isinstance(value, str) else repr(value)


def _bytes(value: object) -> bytes:
    return value if isinstance(value, bytes) else b""


def _text(value: bytes | None) -> str:
    return "nothing" if value is None else value.decode("utf-8", "replace")


def _span(first: object, last: object) -> tuple[int | None, int | None]:
    """Return the range of a receipt row, of whatever its columns hold."""
    end = last if isinstance(last, int) else None
    return (first if isinstance(first, int) and end is not None and 1 <= first <= end else end), end


def _differs(names: Sequence[str], kept: Sequence[object], given: Sequence[object]) -> str:
    """Return in words which columns are not what they should be."""
    parts = [f"{n} is {_short(a)}, not {_short(b)}" for n, a, b in zip(names, kept, given, strict=True) if a != b]
    return "; ".join(parts)


def _short(value: object) -> str:
    text = value.hex() if isinstance(value, bytes) else str(value)
    return text if len(text) <= 60 else f"{text[:59]}…"
