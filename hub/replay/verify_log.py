"""HQ's log checked: every receipt a leaf, every tile and checkpoint made of the leaves, every cosignature good.

It is read in one transaction of SQLite's, so a notary that goes on meanwhile makes no difference.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from hub.domain.state import micros
from hub.ledger.basis import BASIS_AGE_MAX
from hub.protocol.checkpoint import Checkpoint, open_checkpoint
from hub.protocol.cosignature import cosigned_at
from hub.protocol.errors import Malformed, UsageError
from hub.protocol.keys import COSIGNATURE_MLDSA44, COSIGNATURES, ED25519, Signature, Verifier
from hub.protocol.note import Note
from hub.protocol.tiles import TILE_WIDTH, tile_root, tiles_of
from hub.protocol.tree import HASH_BYTES, Edge, leaf_hash
from hub.protocol.trust import Trust
from hub.replay.findings import Findings, What
from hub.replay.fold import BasisBook
from hub.replay.rows import keyed, query, snapshot
from hub.replay.source import Ledger
from hub.store.sqlite import from_us

_LEAF: Final = (
    "leaf_index, log_leaf.lane_id, log_leaf.last, hash, CAST(note AS BLOB)"
    " FROM log_leaf LEFT JOIN receipt ON receipt.lane_id = log_leaf.lane_id AND receipt.last = log_leaf.last"
)


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
        self.db = ledger.db
        self.trust = trust
        self.bases = bases
        self.findings = findings
        self.origin = f"{trust.hub}/log"
        self.leaves = 0
        self.checkpoints = 0
        self.cosignatures = 0
        self._notes: dict[int, str] = {}  # texts of checkpoints that cosignatures are under

    def check(self, wanted: Checkpoint | None = None) -> None:
        """Check all of it; `wanted` is a checkpoint from elsewhere (a witness, a backup) that the log must contain."""
        with snapshot(self.db):
            self._check(wanted)

    def _check(self, wanted: Checkpoint | None) -> None:
        checkpoints = self._checkpoints()
        upcoming = next(checkpoints, None)
        trees: _Trees | None = _Trees()
        expected = newest = 0
        logged: dict[int, int] = {}
        tiles = _Tiles(self.db, self.findings)
        for index, lane_id, last, hashed, note in self._leaf_rows():
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
            if wanted is not None and wanted.size == expected:
                self._check_outside(wanted, trees)
                wanted = None
            while upcoming is not None and upcoming[0] <= expected:
                trees, newest = self._compare(upcoming, trees, expected), max(newest, upcoming[0])
                upcoming = next(checkpoints, None)
        while upcoming is not None:
            detail = f"the log has {expected} leaves"
            self.findings.add(What.CHECKPOINT_ROOT, "checkpoint", first=upcoming[0], detail=detail)
            upcoming = next(checkpoints, None)
        if newest < expected:
            detail = f"there is no checkpoint over leaves {newest} to {expected - 1}"
            self.findings.add(What.CHECKPOINT_ROW, "checkpoint", first=expected, detail=detail)
        if wanted is not None:
            detail = f"the log has {expected} leaves, a checkpoint of size {wanted.size} was signed: it was rolled back"
            self.findings.add(What.CHECKPOINT_ROOT, "log_leaf", first=wanted.size, detail=detail)
        tiles.finish()
        self._missing(logged)
        self._cosignatures()

    # -- leaves ----------------------------------------------------------------------------------------------------

    def _leaf_rows(self) -> Iterator[tuple[Any, ...]]:
        """Yield leaves with the notes of their receipts, by index."""
        try:
            done = -1
            while True:
                rows = query(
                    self.db,
                    f"SELECT {_LEAF} WHERE leaf_index > ? ORDER BY leaf_index LIMIT 1024",
                    (done,),
                )
                yield from rows
                if len(rows) < 1024:
                    return
                done = rows[-1][0]
        except sqlite3.Error:
            for row in keyed(
                self.db, self.findings, "log_leaf", "lane_id, last, hash", ("leaf_index",), "leaf_index > ?", (done,)
            ):
                note = None
                try:
                    found = query(
                        self.db, "SELECT CAST(note AS BLOB) FROM receipt WHERE lane_id = ? AND last = ?", row[1:3]
                    )
                    note = found[0][0] if found else None
                except sqlite3.Error:
                    note = b""
                yield (*row, note)

    def _leaf(
        self, index: int, lane_id: Any, last: Any, hashed: Any, note: bytes | None, logged: dict[int, int]
    ) -> bytes:
        """Check one leaf; return the hash that its receipt gives, or the stored one where there is none."""
        stored = hashed if _is_hash(hashed) else leaf_hash(b"")
        if not isinstance(lane_id, int) or not isinstance(last, int) or note is None:
            self._wrong(index, f"there is no receipt of lane {lane_id} up to {last}")
            return stored
        if last <= logged.get(lane_id, 0):
            self._wrong(index, f"lane {lane_id} is logged up to {logged[lane_id]} already")
        logged[lane_id] = max(last, logged.get(lane_id, 0))
        head, separator, _ = note.rpartition(b"\n\n")
        told = leaf_hash(head + b"\n") if separator else stored
        if hashed != told or not separator:
            self._wrong(index, f"the hash is not that of the receipt of lane {lane_id} up to {last}")
        return told

    def _wrong(self, index: int, detail: str) -> None:
        self.findings.add(What.LOG_LEAF, "log_leaf", first=index, detail=detail)

    def _missing(self, logged: dict[int, int]) -> None:
        """Check that what a lane's cursor says is logged is there: every receipt, and nothing beyond."""
        try:
            lanes = query(self.db, "SELECT id, origin, logged FROM lane ORDER BY id")
        except sqlite3.Error:
            return  # told where lanes are checked
        for lane_id, origin, cursor in lanes:
            if cursor != logged.get(lane_id, 0):
                detail = f"logged is {cursor}, its leaves go to {logged.get(lane_id, 0)}"
                self.findings.add(What.LANE_ROW, "lane", _name(origin, lane_id), detail=detail)
            try:
                missing = query(
                    self.db,
                    "SELECT first, last FROM receipt r WHERE lane_id = ? AND last <= ? AND NOT EXISTS"
                    " (SELECT 1 FROM log_leaf f WHERE f.lane_id = r.lane_id AND f.last = r.last) ORDER BY last",
                    (lane_id, max(logged.get(lane_id, 0), cursor if isinstance(cursor, int) else 0)),
                )
            except sqlite3.Error:
                continue
            for first, last in missing:
                self.findings.add(What.LOG_MISSING, "receipt", _name(origin, lane_id), first, last)

    # -- checkpoints -----------------------------------------------------------------------------------------------

    def _checkpoints(self) -> Iterator[tuple[int, Any, Any, Any]]:
        yield from keyed(self.db, self.findings, "checkpoint", "note, edge, signed_at_us", ("size",))

    def _compare(self, row: tuple[int, Any, Any, Any], trees: _Trees | None, leaves: int) -> _Trees | None:
        """Check one checkpoint; return the trees to go on with."""
        size, note, edge, signed_at_us = row
        self.checkpoints += 1
        told = self._signed(size, note, signed_at_us)
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
            moment = _moment(signed_at_us)
            keys = self.trust.good_at(self.trust.logs, moment) if moment else self.trust.logs
            for algorithm in (ED25519, COSIGNATURE_MLDSA44):
                opened.verify([key for key in keys if key.algorithm == algorithm])
        except Malformed as exc:
            self.findings.add(What.CHECKPOINT_NOTE, "checkpoint", first=size, detail=exc)
            return None
        self._notes[size] = opened.text
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

    # -- cosignatures ----------------------------------------------------------------------------------------------

    def _cosignatures(self) -> None:
        columns = "center, value, cosigned_at_us, received_at_us"
        for size, name, key_id, center, value, cosigned_at_us, received_at_us in keyed(
            self.db, self.findings, "cosignature", columns, ("size", "name", "key_id")
        ):
            self.cosignatures += 1
            why = self._cosignature(size, name, key_id, center, value, cosigned_at_us, received_at_us)
            if why:
                self.findings.add(What.COSIGNATURE, "cosignature", first=size, key=str(name), detail=why)

    def _cosignature(
        self, size: Any, name: Any, key_id: Any, center: Any, value: Any, cosigned_at_us: Any, received_at_us: Any
    ) -> str:
        """Return why a cosignature is not good, '' if it is."""
        text = self._notes.get(size)
        if text is None:
            return "there is no good checkpoint of this size"
        received = _moment(received_at_us)
        if not (isinstance(name, str) and isinstance(key_id, bytes) and isinstance(value, bytes)) or received is None:
            return "its columns are of other types than they must be"
        key = next((k for k in self._witnesses(center, received) if (k.name, k.key_id) == (name, key_id)), None)
        if key is None:
            return f"no witness key of {center} that was active when it came"
        line = Signature(name, key_id, value)
        try:
            Note(text, (line,)).verify([key])
            said = cosigned_at(line)
        except Malformed as exc:
            return str(exc)
        if micros(said) != cosigned_at_us:
            return f"cosigned_at_us is {cosigned_at_us}, the line says {micros(said)}"
        return ""

    def _witnesses(self, center: Any, moment: datetime) -> list[Verifier]:
        """Return the witness keys that a center had at a moment, and those of witnesses outside.

        A worker looks at the hq lane every second, so what HQ has just revoked may have been good to it.
        """
        found: dict[str, Verifier] = {}
        for at in (moment - BASIS_AGE_MAX, moment):
            basis = self.bases.at_time(at)
            known = basis.registry.centers.get(center) if basis is not None else None
            for key in known.keys if known is not None else ():
                if key.purpose == "witness" and key.status == "active":
                    found[key.vkey] = Verifier.from_text(key.vkey)
        return [*found.values(), *self.trust.good_at(self.trust.witnesses, moment)]


def read_outside(data: bytes, trust: Trust) -> Checkpoint:
    """Return what a checkpoint from elsewhere says. Errors: UsageError, where it is none that HQ's log has signed."""
    try:
        said, note = open_checkpoint(data)
        note.verify(trust.logs)
    except Malformed as exc:
        raise UsageError(f"the checkpoint from elsewhere: {exc}") from exc
    if said.origin != f"{trust.hub}/log":
        raise UsageError(f"the checkpoint from elsewhere is of {said.origin}, expected {trust.hub}/log")
    return said


class _Tiles:
    """The stored tiles beside those that the leaves make."""

    def __init__(self, db: sqlite3.Connection, findings: Findings) -> None:
        self._findings = findings
        self._stored = {
            (level, index): hashes
            for level, index, hashes in keyed(db, findings, "log_tile", "hashes", ("level", "tile_index"))
        }
        self._there = set(self._stored)
        self._leaves = 0
        self._partial: list[list[bytes]] = []
        self._full: list[int] = []
        self._is_broken = False

    def add(self, index: int, stored: bytes, told: bytes) -> None:
        """Take the next leaf. Either hash may be in the tile: that they differ is told elsewhere."""
        self._leaves += 1  # counted, not read off the index, which may be damaged
        if self._is_broken or index != (self._full[0] * TILE_WIDTH + len(self._partial[0]) if self._full else 0):
            self._is_broken = True  # behind a hole in the leaves no tile can be made
            return
        self._rise(0, told if self._is_in_tile(index, told) else stored)

    def _is_in_tile(self, index: int, leaf: bytes) -> bool:
        tile = self._stored.get((0, index // TILE_WIDTH))
        at = index % TILE_WIDTH * HASH_BYTES
        return isinstance(tile, bytes) and tile[at : at + HASH_BYTES] == leaf

    def _rise(self, level: int, node: bytes) -> None:
        if level == len(self._partial):
            self._partial.append([])
            self._full.append(0)
        row = self._partial[level]
        row.append(node)
        if len(row) == TILE_WIDTH:
            hashes = b"".join(row)
            row.clear()
            number = self._full[level]
            self._full[level] += 1
            stored = self._stored.pop((level, number), None)
            if stored != hashes:
                detail = "it is missing" if stored is None else ""
                self._tell(level, number, detail)
                self._there.add((level, number))
            self._rise(level + 1, tile_root(hashes))

    def finish(self) -> None:
        """Tell of tiles that no leaves fill; behind a hole in the leaves, of those that are not even there."""
        if self._is_broken:
            full = {(level, n) for level, n, width in tiles_of(self._leaves) if width == TILE_WIDTH}
            for level, number in sorted(full - self._there):
                self._tell(level, number, "it is missing")
        for level, number in sorted(self._stored, key=str):
            if not self._is_broken or not isinstance(level, int):
                self._tell(level, number, "no leaves fill it")

    def _tell(self, level: object, number: int, detail: str) -> None:
        self._findings.add(What.LOG_TILE, "log_tile", first=number, key=f"level {level}", detail=detail)


def _is_hash(value: object) -> bool:
    return isinstance(value, bytes) and len(value) == HASH_BYTES


def _edge(size: int, data: object) -> Edge | None:
    try:
        return Edge.from_bytes(size, data) if isinstance(data, bytes) else None
    except Malformed:
        return None


def _moment(value: object) -> datetime | None:
    try:
        return from_us(value) if isinstance(value, int) else None
    except OverflowError:
        return None


def _name(origin: object, lane_id: object) -> str:
    return origin if isinstance(origin, str) else f"#{lane_id}"
