"""Receipts and seals checked: note, columns and verdict lines; the seal and its key; the basis that they name."""

from __future__ import annotations

from collections.abc import Sequence

from hub.audit.findings import Findings, What
from hub.audit.walk import ReceiptFacts, Walk, bytes_of, differences
from hub.domain.clock import goes_back
from hub.domain.stream import HQ
from hub.ledger.basis import BASIS_AGE_MAX, Basis
from hub.ledger.keyring import Standing
from hub.protocol.checkpoint import open_seal
from hub.protocol.errors import Malformed
from hub.protocol.moment import EPOCH_START, from_us, to_us, write_time
from hub.protocol.note import Note
from hub.protocol.receipt import Decision
from hub.protocol.trust import HqKeys, Trust
from hub.replay.fold import BasisBook
from hub.store.rows import StoredEvent, StoredLane, StoredReceipt


class ReceiptCheck:
    """What of a receipt can be checked without the ledger's bytes: who signed what, and under which basis."""

    def __init__(self, trust: Trust, bases: BasisBook, findings: Findings) -> None:
        self._keys = HqKeys.of(trust)
        self._bases = bases
        self._findings = findings

    def read(self, stored: StoredLane, row: StoredReceipt) -> ReceiptFacts | None:
        """Return what a receipt says, told what is wrong with it. None where nothing of it can be used."""
        _, first, last, seal, edge, note, recorded_at_us, basis, state_digest = row
        told = self._findings.add
        lines: dict[int, str] | None = None
        try:
            if type(note) is not bytes:
                raise Malformed(f"the note is {type(note).__name__}")
            receipt = self._keys.signed_receipt(Note.from_bytes(note))
        except Malformed as exc:
            told(What.RECEIPT_NOTE, "receipt", stored.origin, *_span(first, last), detail=exc)
        else:
            kept = (stored.origin, first, last, recorded_at_us, basis)
            said = (receipt.origin, receipt.first, receipt.last, to_us(receipt.recorded_at), receipt.basis)
            if kept != said:
                what = differences(("lane", "first", "last", "recorded_at_us", "basis"), kept, said)
                told(What.RECEIPT_ROW, "receipt", stored.origin, *_span(first, last), detail=what)
            if receipt.origin == stored.origin and receipt.last <= stored.size:
                lines = {d.sequence: d.to_text() for d in receipt.decisions}
                return ReceiptFacts(
                    receipt.first, receipt.last, receipt.recorded_at, receipt.basis, receipt.root,
                    bytes_of(seal), edge, state_digest, lines,
                )  # fmt: skip
        if not all(type(v) is int for v in (first, last, recorded_at_us, basis)) or not 1 <= first <= last:
            told(What.RECEIPT_ROW, "receipt", stored.origin, *_span(first, last), detail="its columns are no numbers")
            return None
        try:
            moment = from_us(recorded_at_us)
        except OverflowError:
            moment = EPOCH_START
        return ReceiptFacts(first, last, moment, basis, None, bytes_of(seal), edge, state_digest, None)

    def basis(self, walk: Walk, said: ReceiptFacts, first: int) -> Basis | None:
        """Return the basis that a receipt was judged under; None, and a finding, where HQ's lane has no such basis."""
        origin = walk.stored.origin
        judged_under = self._bases.at(said.basis)
        if walk.stored.center == HQ and said.basis != walk.hq_before + said.first - 1:
            judged_under = None  # the hq lane is judged under what it said before
        if judged_under is None and self._bases.knows(said.basis):
            self._findings.add(
                What.BASIS, "receipt", origin, first, said.last, detail=f"there is no basis {said.basis} for it"
            )
        elif judged_under is not None and walk.stored.center != HQ and self._is_left(walk, said):
            detail = f"basis {said.basis} was left more than {BASIS_AGE_MAX.seconds // 60} minutes before"
            self._findings.add(What.BASIS, "receipt", origin, first, said.last, detail=detail)
        self._clock(walk, said, judged_under)
        walk.basis = max(walk.basis, said.basis)
        return judged_under

    def _is_left(self, walk: Walk, said: ReceiptFacts) -> bool:
        """Return whether HQ's lane had left a receipt's basis long before.

        How old a basis was tells a receipt's time; where HQ took that back, nobody can say: only that the receipt must
        come before what its lane has under the correction.
        """
        if said.basis >= self._bases.size_at(said.recorded_at - BASIS_AGE_MAX):
            return False
        corrected_at = self._bases.taken_back(said.recorded_at, said.basis)
        return corrected_at is None or walk.basis >= corrected_at

    def _clock(self, walk: Walk, said: ReceiptFacts, judged_under: Basis | None) -> None:
        """Check that the lane's times do not go back, but where HQ took the time before back."""
        before, after = walk.lane.recorded_at, said.recorded_at
        if said.root is None or judged_under is None:
            return  # what its columns say is nobody's word
        if goes_back(before, walk.basis, after, judged_under.registry.clock):
            detail = f"{write_time(after)} behind {write_time(before)}"
            self._findings.add(What.CLOCK, "receipt", walk.stored.origin, said.first, said.last, detail=detail)

    def seal(self, walk: Walk, said: ReceiptFacts, *, tree_is_good: bool) -> None:
        """Check that the seal is over these events."""
        origin = walk.stored.origin
        try:
            checkpoint, _ = open_seal(said.seal)
        except Malformed as exc:
            self._findings.add(What.SEAL, "receipt", origin, said.first, said.last, detail=exc)
            return
        root = walk.lane.edge.root if tree_is_good else said.root
        expected = (origin, said.last, root if root is not None else checkpoint.root)
        if (checkpoint.origin, checkpoint.size, checkpoint.root) != expected:
            detail = f"it is over {checkpoint.origin} at size {checkpoint.size}"
            self._findings.add(What.SEAL, "receipt", origin, said.first, said.last, detail=detail)

    def key(self, walk: Walk, said: ReceiptFacts, judged_under: Basis | None) -> None:
        """Check that the seal's key was good for the center when HQ received it."""
        origin, center = walk.stored.origin, walk.stored.center
        try:
            checkpoint, note = open_seal(said.seal)
            if center == HQ:
                self._keys.sealer(note, origin, said.recorded_at)
                return
        except Malformed as exc:
            if center == HQ or not self._told(What.SEAL, origin, said):
                self._findings.add(What.SEAL_KEY, "receipt", origin, said.first, said.last, detail=exc)
            return
        if judged_under is None:
            return
        if no_seal := judged_under.keyring.no_seal(checkpoint):
            self._findings.add(What.SEAL, "receipt", origin, said.first, said.last, detail=no_seal)
        standing, why = judged_under.keyring.check_seal(center, origin, note)
        if standing is not Standing.GOOD:
            self._findings.add(What.SEAL_KEY, "receipt", origin, said.first, said.last, detail=why)

    def _told(self, what: What, origin: str, said: ReceiptFacts) -> bool:
        return self._findings.has(what, origin, said.first)

    def lines(self, walk: Walk, said: ReceiptFacts, rows: Sequence[StoredEvent], first: int) -> None:
        """Compare the receipt's lines with the ledger's verdicts."""
        if said.lines is None:
            return
        stored = {row.sequence: _line(row) for row in rows if row.code != "ACCEPTED"}
        if stored == said.lines:
            return
        there = {row.sequence for row in rows}
        for number in sorted(stored.keys() | said.lines.keys()):
            if number >= first and number in there and stored.get(number) != said.lines.get(number):
                detail = f"the receipt has {said.lines.get(number)}, the ledger {stored.get(number)}"
                self._findings.add(What.RECEIPT_LINE, "ledger", walk.stored.origin, number, detail=detail)


def _span(first: object, last: object) -> tuple[int | None, int | None]:
    """Return the range of a receipt row, of whatever its columns hold."""
    end = last if isinstance(last, int) else None
    return (first if isinstance(first, int) and end is not None and 1 <= first <= end else end), end


def _line(row: StoredEvent) -> str:
    """Return the receipt's line for a row, of whatever its columns hold."""
    return Decision(row.sequence, _any(row.code), _any(row.field), _any(row.params)).to_text()


def _any(value: object) -> str:
    return value if isinstance(value, str) else repr(value)
