"""HQ's log, to be read: leaves, proofs, checkpoints, cosignatures.

A LogReader asks an engine for rows (`hub.store.log_rows`), and has all that follows from them, for every engine alike.
Who may cosign, it is told by who has verified the hq lane; an audit, which compares all rows, goes by them.
It remembers the roots of full tiles, which never change, and the strange cosignatures that it has seen. Indexes count
from 0, sizes from 1.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from hub.ledger.halt import DamagedLog, Halt, Why, cosigned_elsewhere, halt_of, signed_elsewhere
from hub.ledger.notary import LEAVES_MAX, NOTHING_KNOWN, Leaf, Log, Right, Stored, Unlogged, check_tree, receipt_text
from hub.ledger.witness import Witnesses
from hub.protocol import tiles
from hub.protocol.checkpoint import Checkpoint, open_checkpoint
from hub.protocol.errors import Malformed
from hub.protocol.keys import Verifier
from hub.protocol.note import SIGNATURES_MAX, Note, Signature
from hub.protocol.record import split_canonical
from hub.protocol.tiles import TILE_WIDTH, tile_root, tile_width
from hub.protocol.tree import HASH_BYTES, Edge
from hub.protocol.witness import Cosigned, open_cosigned
from hub.store.log_rows import LogRows, StoredCheckpoint, StoredCosignature
from hub.store.rows import UNREADABLE

ROOTS_KEPT_MAX: Final = 100_000  # 32 bytes and a key each; one for every 256 leaves


@dataclass(frozen=True, slots=True)
class LogStanding:
    """How HQ's log stands, for people and for `--json`.

    `cosigned` and `believed` are of the newest checkpoint: by how many of `witnesses` active centers, and whether that
    is more than half. `believed_size` is the newest size that is believed. `behind` counts receipts that are no leaf
    yet. `rolled_back` is why nothing is signed any more, by damage too, None where all is well. `owed` counts receipts
    that HQ has signed and its ledger has to come to again since it was put back from a copy, `lost` the leaves whose
    receipts a person has given up.
    """

    size: int
    signed_at: datetime | None
    cosigned: int
    witnesses: int
    believed: bool
    believed_size: int
    behind: int
    rolled_back: Halt | None
    owed: int = 0
    lost: int = 0


class LogReader:
    """Reads HQ's log from the rows of an engine. Errors: Unreadable, of every method, where its rows do not come."""

    def __init__(self, rows: LogRows, witnesses: Callable[[], Witnesses] | None = None) -> None:
        self._rows = rows
        self._witnesses = rows.witnesses if witnesses is None else witnesses
        self._roots: OrderedDict[tuple[int, int], bytes] = OrderedDict()
        self._strange: dict[tuple[str, bytes, str], Cosigned] = {}  # two for each key of a witness at most
        self._strange_upto = 0  # the last quarantined record that was looked at

    @property
    def size(self) -> int:
        """How many leaves the newest checkpoint covers; 0 where there is none yet."""
        return self._rows.ends()[1]

    @property
    def begun(self) -> int:
        """The size up to which a person has let leaves be lost, 0 where nobody has."""
        return self._rows.begun()

    def leaf_of(self, lane_id: int, sequence: int) -> int | None:
        """Return the index of the receipt that covers an event, None where it is not in the log yet."""
        return self._rows.leaf_of(lane_id, sequence)

    def leaf(self, index: int) -> Leaf | None:
        """Return one leaf."""
        return next(self.leaves(index, index + 1), None)

    def leaves(self, first: int, end: int) -> Iterator[Leaf]:
        """Yield the leaves `first` to `end` − 1, in order."""
        yield from self._rows.leaves(first, end)

    def entries(self, first: int, end: int) -> Iterator[tuple[int, bytes]]:
        """Yield index and entry of the leaves `first` to `end` − 1: the receipts' texts. Errors: Malformed."""
        yield from ((index, receipt_text(note)) for index, note in self._rows.receipts(first, end))

    def tile(self, level: int, index: int, width: int = TILE_WIDTH) -> bytes:
        """Return the first `width` hashes of a tile, as `hub.protocol.tiles` wants them. Errors: Malformed."""
        stored = self._rows.tile(level, index)
        if stored is not None:
            return stored
        first, end = index * TILE_WIDTH, index * TILE_WIDTH + width
        if level == 0:
            return b"".join(leaf.hash for leaf in self.leaves(first, end))
        return b"".join(self._root_of(level - 1, below) for below in range(first, end))

    def _root_of(self, level: int, index: int) -> bytes:
        """Return the root of a full tile."""
        known = self._roots.get((level, index))
        if known is None:
            data = self.tile(level, index)
            if len(data) != tiles.TILE_BYTES:
                raise Malformed(
                    f"tile {level}/{index} of HQ's log: expected {TILE_WIDTH} hashes, came {len(data)} bytes"
                )
            known = self._roots[level, index] = tile_root(data)
            if len(self._roots) > ROOTS_KEPT_MAX:
                self._roots.popitem(last=False)
        return known

    def root(self, size: int) -> bytes:
        """Return the root of the log's first `size` leaves. Errors: Malformed where the log is not that long."""
        return tiles.root(size, self.tile)

    def edge(self, size: int) -> Edge:
        """Return the edge after the log's first `size` leaves. Errors: Malformed."""
        return tiles.edge(size, self.tile)

    def inclusion(self, index: int, size: int) -> list[bytes]:
        """Return the inclusion path of leaf `index` in the log of `size`. Errors: IndexError, Malformed."""
        return tiles.inclusion(index, size, self.tile)

    def consistency(self, old_size: int, size: int) -> list[bytes]:
        """Return the consistency path from the log of `old_size` to that of `size`. Errors: IndexError, Malformed."""
        return tiles.consistency(old_size, size, self.tile)

    def right(self, size: int) -> Right:
        """Return the partial tiles of the log of `size`, the leaves first. Errors: Malformed."""
        found = []
        level = 0
        while size >> (tiles.TILE_HEIGHT * level):
            index = (size >> (tiles.TILE_HEIGHT * level)) // TILE_WIDTH
            width = tile_width(level, index, size)
            data = self.tile(level, index, width)[: width * HASH_BYTES] if width else b""
            found.append(tuple(tiles.split_hashes(data)) if data else ())
            level += 1
        return tuple(found)

    def log(self, origin: str) -> Log:
        """Return the log as it stands, to be checked and built on. Errors: Malformed."""
        leaves, size = self._rows.ends()
        if leaves != size:
            text = f"HQ's log has {leaves} leaves, and its newest checkpoint is of size {size}"
            raise DamagedLog(text, Why.LEAVES, leaves=leaves, size=size)
        newest = self.newest()
        if newest is None:
            return Log(origin)
        return Log(origin, Edge.from_bytes(newest.size, newest.edge), self.right(newest.size), newest.note)

    def checkpoint(self, size: int) -> StoredCheckpoint | None:
        """Return the checkpoint of exactly this size."""
        return self._rows.checkpoint(size)

    def newest(self) -> StoredCheckpoint | None:
        """Return the newest checkpoint."""
        return self._rows.newest()

    def believed_covering(self, index: int) -> StoredCheckpoint | None:
        """Return the first believed checkpoint that covers leaf `index`: cosigned by more than half of the centers."""
        return self._believed(index, newest=False)

    def newest_believed(self) -> StoredCheckpoint | None:
        """Return the newest believed checkpoint."""
        return self._believed(0, newest=True)

    def checkpoints(self, after: int = 0) -> Iterator[StoredCheckpoint]:
        """Yield the checkpoints of more than `after` leaves, in order."""
        yield from self._rows.checkpoints(after)

    def stored(self, after: int, limit: int) -> list[Stored]:
        """Return up to `limit` checkpoints of more than `after` leaves as they are published, in order."""
        before = self._rows.size_upto(after)
        found = []
        for size, note in self._rows.notes(after, limit):
            found.append(Stored(size, note, before, tuple(leaf.hash for leaf in self.leaves(before, size))))
            before = size
        return found

    def unlogged(self, limit: int, known: Mapping[int, int] = NOTHING_KNOWN) -> list[Unlogged]:
        """Return up to `limit` receipts that are no leaf yet, of every lane the next ones in order, shared fairly.

        Shapes: `known` has by lane the last sequence up to which its receipts are left out.
        """
        lanes = [(lane_id, max(logged, known.get(lane_id, 0))) for lane_id, logged in self._rows.lanes_behind()]
        found: list[Unlogged] = []
        while lanes and len(found) < limit:
            share = -(-(limit - len(found)) // len(lanes))  # no lane with a backlog holds up the others
            more = []
            for lane_id, logged in lanes:
                rows = self._rows.receipts_behind(lane_id, logged, min(share, limit - len(found)))
                found += (Unlogged(lane_id, last, note) for last, note in rows)
                if len(rows) == share:
                    more.append((lane_id, rows[-1][0]))
            lanes = more
        return found

    def behind(self) -> int:
        """Return how many receipts are no leaf yet."""
        return self._rows.behind()

    def active(self) -> set[str]:
        """Return the centers that are active, HQ excluded: more than half of them make a checkpoint believed."""
        return set(self._witnesses().active)

    def cosignatures(self, size: int) -> list[StoredCosignature]:
        """Return the cosignatures under the checkpoint of this size, in the order in which they came."""
        return self._rows.cosignatures(size)

    def cosigned_notes(self, size: int) -> list[bytes]:
        """Return the checkpoint of this size with HQ's own lines and the cosignatures: as many notes as they fill.

        A note has at most 16 signatures; one cosignature of every center comes before the second of any.
        """
        found = self.checkpoint(size)
        if found is None:
            return []
        note = Note.from_bytes(found.note)
        seen: dict[str, int] = {}
        ranked: list[tuple[int, Signature]] = []
        for cosignature in self.cosignatures(size):
            seen[cosignature.center] = seen.get(cosignature.center, 0) + 1
            ranked.append((seen[cosignature.center], cosignature.line))
        lines = [line for _, line in sorted(ranked, key=lambda item: item[0])]
        room = SIGNATURES_MAX - len(note.signatures)
        return [
            Note(note.text, (*note.signatures, *lines[at : at + room])).to_bytes()
            for at in range(0, max(1, len(lines)), room)
        ]

    def cosigned_note(self, size: int) -> bytes | None:
        """Return the checkpoint of this size with up to 16 signatures, HQ's own first; None where there is none."""
        return next(iter(self.cosigned_notes(size)), None)

    def standing(self) -> LogStanding:
        """Return how the log stands."""
        newest = self.newest()
        believed = self.newest_believed()
        size = newest.size if newest else 0
        active = self.active()
        witnesses = len(active)
        cosigned = len(active & {cosignature.center for cosignature in self.cosignatures(size)})
        return LogStanding(
            size,
            newest.signed_at if newest else None,
            cosigned,
            witnesses,
            bool(newest) and 2 * cosigned > witnesses,
            believed.size if believed else 0,
            self.behind(),
            self.damaged() or self.rolled_back(),
            *self._rows.owed(),
        )

    def rolled_back(self) -> Halt | None:
        """Return why nothing may be signed: HQ, or its witnesses, have signed what this log does not come to.

        The worker that met these notes had verified them. They stay; they count as long as they do not fit, so the
        newest copy of the database, put back, is free of them.
        """
        size = self.size
        for note in self._rows.evidence():
            said, _ = open_checkpoint(note)
            why = signed_elsewhere(said, size, self._root_upto(said.size, size))
            if why is not None:
                return why
        strange = self.strange()
        return cosigned_elsewhere(((c, said, self._root_upto(said.size, size)) for c, said in strange), size)

    def strange(self) -> list[tuple[str, Checkpoint]]:
        """Return what witnesses have cosigned and HQ's database did not have, by the center: the newest of each key.

        Only what a key that is active now has signed: whoever cosigns at random is heard until its key is revoked.
        """
        # Asked before each checkpoint: whatever else lies in quarantine is gone through once.
        newest = self._rows.newest_quarantined()
        met = self._rows.strange_cosignatures(self._strange_upto, newest) if newest > self._strange_upto else ()
        for center, reason, data in met:
            said = _cosigned(data)
            if said is not None:
                place = (center, said.line.key_id, reason)
                if place not in self._strange or said.checkpoint.size > self._strange[place].checkpoint.size:
                    self._strange[place] = said
        self._strange_upto = newest
        if not self._strange:
            return []
        keys = self._witnesses().keys
        return [
            (center, said.checkpoint)
            for (center, key_id, _), said in sorted(self._strange.items())
            if is_signed(said.note, [key for key in keys.get(center, ()) if key.key_id == key_id])
        ]

    def _root_upto(self, at: int, size: int) -> bytes | None:
        return self.root(at) if at <= size else None

    def damaged(self) -> Halt | None:
        """Return why the notary can't build on what is stored; None where the log's right end is whole.

        It looks no further than a notary that starts: `hub audit verify` reads all of it.
        """
        try:
            newest = self.newest()
            check_tree(self.log(newest.checkpoint.origin if newest is not None else ""))
            for receipt in self.unlogged(LEAVES_MAX):
                receipt_text(receipt.note)
        except Malformed as exc:
            return halt_of(exc)
        except UNREADABLE as exc:
            return Halt.of(Why.ROW, fault=exc)
        return None

    def _believed(self, after: int, *, newest: bool) -> StoredCheckpoint | None:
        # Who is not active any more counts on neither side: else those who left would make a majority.
        size = self._rows.cosigned(after, self._witnesses().active, newest=newest)
        return None if size is None else self.checkpoint(size)


def _cosigned(data: bytes) -> Cosigned | None:
    """Return what a quarantined cosignature said; None where its row was edited, or was cut for its size."""
    try:
        return open_cosigned(split_canonical(data)[1])
    except Malformed:
        return None


def is_signed(note: Note, keys: Sequence[Verifier]) -> bool:
    """Return whether one of these keys has signed a note."""
    try:
        note.verify(keys)
    except Malformed:
        return False
    return True
