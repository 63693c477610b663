"""HQ's log checked: every receipt a leaf, every tile and checkpoint made of the leaves, every cosignature good.

Leaves, tiles, checkpoints and cosignatures are walked side by side, so that no more than a page of each is in memory,
however long the log. All of it is read in one transaction of SQLite's: a notary that goes on meanwhile makes no
difference.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from hub.audit.cosignatures import CosignatureCheck, moment_of
from hub.audit.findings import Findings, What
from hub.audit.tiles import TileCheck
from hub.protocol.checkpoint import Checkpoint, open_checkpoint
from hub.protocol.cosignature import cosigned_at
from hub.protocol.errors import Malformed, UsageError
from hub.protocol.keys import COSIGNATURE_MLDSA44, COSIGNATURES, ED25519, Signature
from hub.protocol.tree import HASH_BYTES, Edge, leaf_hash
from hub.protocol.trust import Trust
from hub.replay.fold import BasisBook
from hub.replay.source import Ledger
from hub.store.audit_reader import CheckpointRow
from hub.store.reader import Unreadable


@dataclass(slots=True)
class _Trees:
    """The log's tree up to here: by the hashes as stored, and by the receipts that they stand for."""

    stored: Edge = field(default_factory=Edge)
    told: Edge = field(default_factory=Edge)

    def append(self, stored: bytes, told: bytes) -> None:
        same = stored == told and self.stored is self.told
        self.stored = self.stored.append([stored])
        self.told = self.stored if same else self.told.append([told])

    def root_is(self, root: bytes) -> bool:
        """Go on from the tree that has this root; False if neither has."""
        if self.stored.root == root:
            self.told = self.stored
            return True
        if self.told.root == root:
            self.stored = self.told
            return True
        return False


class LogCheck:
    """The check of HQ's log."""

    def __init__(self, ledger: Ledger, trust: Trust, bases: BasisBook, findings: Findings) -> None:
        self._reader = ledger.reader
        self._audit = ledger.reader.audit
        self.trust = trust
        self.bases = bases
        self.findings = findings
        self.origin = f"{trust.hub}/log"
        self.leaves = 0
        self.checkpoints = 0
        self.cosignatures = 0
        self.lost = 0  # leaves whose receipts HQ has no more, as a person has confirmed
        self._begun = 0
        self._is_begun_signed = False
        self._first_lost = 0

    def check(self, wanted: Iterable[Checkpoint] = ()) -> None:
        """Check all of it; `wanted` are checkpoints from elsewhere (a witness, a backup) that the log must contain."""
        with self._reader.snapshot():
            self._check(deque(sorted((w for w in wanted if w.size), key=lambda each: each.size)))

    def _read_begun(self) -> int:
        """Return where a person has let the log begin anew; what can't be read is told, and excuses no loss."""
        try:
            return self._reader.log.begun
        except Unreadable as exc:
            self.findings.unread("log_begun", "", exc.why)
            return 0

    def _check(self, wanted: deque[Checkpoint]) -> None:
        checkpoints = self._audit.walk_checkpoints(self.findings.unread)
        upcoming = next(checkpoints, None)
        self._begun = self._read_begun()
        trees: _Trees | None = _Trees()
        expected = newest = 0
        logged: dict[int, int] = {}
        tiles = TileCheck(self._audit, self.findings)
        self._cosigned = CosignatureCheck(self._audit, self.trust, self.bases, self.findings)
        for index, lane_id, last, hashed, note in self._audit.walk_leaves(self.findings.unread):
            if index != expected:
                self.findings.add(What.LOG_GAP, "log_leaf", first=expected, last=index - 1)
                # What lies behind a hole can't be compared with a root; it goes on from the next checkpoint's edge.
                trees = None
            expected = index + 1
            self.leaves += 1
            leaf = self._leaf(index, lane_id, last, hashed, note, logged)
            tiles.add(index, hashed if _is_hash(hashed) else leaf, leaf)
            if trees is not None:
                trees.append(hashed if _is_hash(hashed) else leaf, leaf)
            while wanted and wanted[0].size == expected:
                self._check_outside(wanted.popleft(), trees)
            while upcoming is not None and upcoming.size <= expected:
                trees, newest = self._compare(upcoming, trees, expected), max(newest, upcoming.size)
                upcoming = next(checkpoints, None)
        while upcoming is not None:
            detail = f"the log has {expected} leaves"
            self.findings.add(What.CHECKPOINT_ROOT, "checkpoint", first=upcoming.size, detail=detail)
            upcoming = next(checkpoints, None)
        if newest < expected:
            detail = f"there is no checkpoint over leaves {newest} to {expected - 1}"
            self.findings.add(What.CHECKPOINT_ROW, "checkpoint", first=expected, detail=detail)
        for said in wanted:
            detail = f"the log has {expected} leaves, a checkpoint of size {said.size} was signed: it was rolled back"
            self.findings.add(What.CHECKPOINT_ROOT, "log_leaf", first=said.size, detail=detail)
        if self.lost and not self._is_begun_signed:
            detail = f"log_begun excuses {self.lost} leaves up to {self._begun}, a size of which HQ has signed nothing"
            self._wrong(self._first_lost, detail)
        tiles.finish()
        self._strange()
        self._missing(logged)
        self._cosigned.finish()
        self.cosignatures = self._cosigned.count

    def _strange(self) -> None:
        """Tell what witnesses have cosigned that the log does not come to, as far as HQ received and kept it."""
        try:
            log = self._reader.log
            for center, said in log.strange():
                detail = f"{center} has cosigned size {said.size}"
                if said.size > log.size:
                    detail += f", and the log has {log.size} leaves"
                elif log.root(said.size) == said.root:
                    continue
                else:
                    detail += ", with another root than the log has there"
                self.findings.add(What.NOT_AS_COSIGNED, "log_leaf", first=said.size, key=center, detail=detail)
        except (Malformed, Unreadable):
            return  # what can't be read is told where it stands: here there is nothing to compare with

    # -- leaves ----------------------------------------------------------------------------------------------------

    def _leaf(
        self, index: int, lane_id: Any, last: Any, hashed: Any, note: bytes | None, logged: dict[int, int]
    ) -> bytes:
        """Check one leaf; return the hash that its receipt gives, or the stored one where there is none."""
        stored = hashed if _is_hash(hashed) else leaf_hash(b"")
        if lane_id is None and last is None and _is_hash(hashed) and index < self._begun:
            self._first_lost = index if not self.lost else self._first_lost
            self.lost += 1
            return stored
        if not isinstance(lane_id, int) or not isinstance(last, int) or note is None:
            self._wrong(index, f"there is no receipt of lane {lane_id} up to {last}")
            return stored
        if last <= logged.get(lane_id, 0):
            self._wrong(index, f"lane {lane_id} is logged up to {logged[lane_id]} already")
        logged[lane_id] = max(last, logged.get(lane_id, 0))
        head, separator, _ = note.rpartition(b"\n\n")
        told = leaf_hash(head + b"\n") if separator else stored
        if hashed != told or not separator:
            self._wrong(index, f"the hash does not belong to the receipt of lane {lane_id} up to {last}")
        return told

    def _wrong(self, index: int, detail: str) -> None:
        self.findings.add(What.LOG_LEAF, "log_leaf", first=index, detail=detail)

    def _missing(self, logged: dict[int, int]) -> None:
        """Check that what a lane's cursor says is logged is there: every receipt, and nothing beyond."""
        try:
            lanes = self._audit.cursors()
        except Unreadable:
            return  # told where lanes are checked
        for lane_id, origin, cursor in lanes:
            if cursor != logged.get(lane_id, 0):
                detail = f"the notary's cursor is {cursor}, its leaves go to {logged.get(lane_id, 0)}"
                self.findings.add(What.LANE_ROW, "logged", _name(origin, lane_id), detail=detail)
            try:
                upto = max(logged.get(lane_id, 0), cursor if isinstance(cursor, int) else 0)
                missing = self._audit.unlogged(lane_id, upto)
            except Unreadable:
                continue
            for first, last in missing:
                self.findings.add(What.LOG_MISSING, "receipt", _name(origin, lane_id), first, last)

    # -- checkpoints -----------------------------------------------------------------------------------------------

    def _compare(self, row: CheckpointRow, trees: _Trees | None, leaves: int) -> _Trees | None:
        """Check one checkpoint; return the trees to go on with."""
        size, note, edge, signed_at_us = row
        self.checkpoints += 1
        told = self._signed(size, note, signed_at_us)
        self._is_begun_signed |= told is not None and size == self._begun
        if size != leaves:
            return trees  # its leaf is missing, and told
        kept = _edge(size, edge)
        if trees is None:
            if told is not None and kept is not None and kept.root == told.root:
                return _Trees(kept, kept)
            if told is not None:
                self.findings.add(What.CHECKPOINT_ROW, "checkpoint", first=size, detail="edge")
            return None
        before = trees.stored, trees.told
        if told is not None and not trees.root_is(told.root):
            self.findings.add(What.CHECKPOINT_ROOT, "checkpoint", first=size)
            if kept is not None and kept.root == told.root:
                return _Trees(kept, kept)
        if kept is None or kept not in (trees.stored, trees.told, *before):
            self.findings.add(What.CHECKPOINT_ROW, "checkpoint", first=size, detail="edge")
        return trees

    def _signed(self, size: int, note: Any, signed_at_us: Any) -> Checkpoint | None:
        """Return what a checkpoint says, if HQ's keys of both kinds have signed it."""
        try:
            if not isinstance(note, bytes):
                raise Malformed("the note is no bytes")
            said, opened = open_checkpoint(note)
            moment = moment_of(signed_at_us)
            keys = self.trust.good_at(self.trust.logs, moment) if moment else self.trust.logs
            for algorithm in (ED25519, COSIGNATURE_MLDSA44):
                opened.verify([key for key in keys if key.algorithm == algorithm])
        except Malformed as exc:
            self.findings.add(What.CHECKPOINT_NOTE, "checkpoint", first=size, detail=exc)
            return None
        self._cosigned.under(size, opened.text)
        if (said.origin, said.size) != (self.origin, size):
            detail = f"the note is of {said.origin} at size {said.size}"
            self.findings.add(What.CHECKPOINT_ROW, "checkpoint", first=size, detail=detail)
            return None
        times = [cosigned_at(s) for s in opened.signatures if self._is_cosigner(s)]
        if moment is None or any(int(moment.timestamp()) != int(time.timestamp()) for time in times):
            self.findings.add(What.CHECKPOINT_ROW, "checkpoint", first=size, detail="signed_at_us")
        return said

    def _is_cosigner(self, line: Signature) -> bool:
        return any(
            (k.name, k.key_id) == (line.name, line.key_id) and k.algorithm in COSIGNATURES for k in self.trust.logs
        )

    def _check_outside(self, wanted: Checkpoint, trees: _Trees | None) -> None:
        if trees is None or not trees.root_is(wanted.root):
            detail = "a checkpoint was signed that has another root at this size"
            self.findings.add(What.CHECKPOINT_ROOT, "log_leaf", first=wanted.size, detail=detail)


def read_outside(data: bytes, trust: Trust) -> Checkpoint:
    """Return what a checkpoint from elsewhere says. Errors: UsageError, unless HQ's log has signed it."""
    try:
        said, note = open_checkpoint(data)
        note.verify(trust.logs)
    except Malformed as exc:
        raise UsageError(f"the checkpoint from elsewhere: {exc}") from exc
    if said.origin != f"{trust.hub}/log":
        raise UsageError(f"the checkpoint from elsewhere: expected the log {trust.hub}/log, came {said.origin}")
    return said


def _is_hash(value: object) -> bool:
    return isinstance(value, bytes) and len(value) == HASH_BYTES


def _edge(size: int, data: object) -> Edge | None:
    try:
        return Edge.from_bytes(size, data) if isinstance(data, bytes) else None
    except Malformed:
        return None


def _name(origin: object, lane_id: object) -> str:
    return origin if isinstance(origin, str) else f"#{lane_id}"
