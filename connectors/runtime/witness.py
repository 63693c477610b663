"""What a center has read of HQ's log, and whether the next checkpoint follows from it. Pure.

A record of `hub.checkpoints` is a checkpoint that HQ signed and the leaves appended since an earlier one. Appending
them to our own edge gives its root, or HQ's log is not append-only: that is the consistency proof (docs/adr/0008).

    the next one            → its leaves are appended; they lead to its root, or it is a break
    one that we know        → nothing new: HQ says its newest again every minute
    one that we don't know  → smaller than ours, or beyond a gap: everything is read again from the topic's beginning,
                              and must lead through all that was seen before, to the same roots
    not signed by HQ        → passed over, since nobody vouches for it; so is what goes on by a key that was
                              retired before

A *break* is final until a person says otherwise: the two notes are kept, and the witness signs nothing any more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from hub.protocol.checkpoint import Checkpoint, open_checkpoint
from hub.protocol.cosignature import cosigned_at
from hub.protocol.errors import Malformed
from hub.protocol.head import read_size
from hub.protocol.keys import COSIGNATURE_MLDSA44, ED25519, Verifier
from hub.protocol.note import Note
from hub.protocol.tree import HASH_BYTES, Edge, leaf_hash
from hub.protocol.witness import AFTER_HEADER, LEAVES_HEADER

WAITING_MAX: Final = 16  # checkpoints beyond a gap, each with up to 128 KiB of leaves
PROMISES_MAX: Final = 16
LEAVES_MAX: Final = 1 << 15  # of one record: what Kafka takes at all
_NONE_RETIRED: Final[Mapping[Verifier, datetime]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class SignedCheckpoint:
    """A checkpoint that HQ has signed, its note, and the leaves of its record; `fault` says why they don't read."""

    checkpoint: Checkpoint
    note: bytes
    after: int = 0
    leaves: tuple[bytes, ...] = ()
    fault: str = ""

    @property
    def size(self) -> int:
        """The size of the log that it speaks of."""
        return self.checkpoint.size

    @property
    def root(self) -> bytes:
        """Its root."""
        return self.checkpoint.root


def read(
    value: bytes | None,
    headers: Iterable[tuple[str, bytes | None]],
    origin: str,
    keys: Sequence[Verifier],
    retired: Mapping[Verifier, datetime] = _NONE_RETIRED,
    newest: tuple[int, datetime | None] = (0, None),
) -> SignedCheckpoint:
    """Return what HQ says in a record of `hub.checkpoints`.

    Shapes: `keys` are HQ's log keys as they are pinned. One of each kind, Ed25519 and ML-DSA-44, has to have signed.
            `newest` is the size of the checkpoint that we stand by, and when HQ signed it.
    Errors: Malformed where it is not HQ's word about its log, as it is not by a key that was `retired` before: neither
            what says itself that it is later, nor what goes on from a checkpoint that is.
    """
    checkpoint, note = open_checkpoint(value or b"")
    if checkpoint.origin != origin:
        raise Malformed(f"expected a checkpoint of {origin}, came one of {checkpoint.origin[:80]}")
    times = [signed_at(note, keys)]
    if checkpoint.size > newest[0]:
        times.append(newest[1])
    for algorithm in (ED25519, COSIGNATURE_MLDSA44):
        key = note.verify([key for key in keys if key.algorithm == algorithm and key.name == origin])
        gone = retired.get(key)
        if gone is not None and any(time is not None and time >= gone for time in times):
            raise Malformed(f"checkpoint {checkpoint.size} by {key.name}+{key.key_id.hex()}, which was retired before")
    # From here on it is HQ's word: what is wrong with the record is HQ's fault, and no reason to look away.
    found = dict(headers)
    data = found.get(LEAVES_HEADER) or b""
    try:
        after = read_size((found.get(AFTER_HEADER) or b"").decode("ascii", "replace"), AFTER_HEADER)
    except Malformed as exc:
        return SignedCheckpoint(checkpoint, value or b"", fault=str(exc))
    count = checkpoint.size - after
    if not 0 <= count <= LEAVES_MAX or len(data) != count * HASH_BYTES:
        return SignedCheckpoint(checkpoint, value or b"", fault=f"expected {count} leaves, came {len(data)} bytes")
    leaves = tuple(data[at : at + HASH_BYTES] for at in range(0, len(data), HASH_BYTES))
    return SignedCheckpoint(checkpoint, value or b"", after, leaves)


def signed_at(note: Note, keys: Iterable[Verifier]) -> datetime | None:
    """Return when HQ says that it signed a checkpoint, None where no cosigner's key among `keys` has a line there."""
    lines = (note.line_of(key) for key in keys if key.algorithm == COSIGNATURE_MLDSA44)
    return next((cosigned_at(line) for line in lines if line is not None), None)


def unknown_keys(value: bytes | None, origin: str, keys: Sequence[Verifier]) -> frozenset[bytes]:
    """Return the ids of keys that may be HQ's for its log, have signed these bytes, and are not among `keys`."""
    try:
        _, note = open_checkpoint(value or b"")
    except Malformed:
        return frozenset()
    known = {key.key_id for key in keys}
    return frozenset(line.key_id for line in note.signatures if line.name == origin and line.key_id not in known)


@dataclass(frozen=True, slots=True)
class Promise:
    """What HQ has signed at a size: the log has to lead through this root, whoever reads it."""

    root: bytes
    note: bytes


@dataclass(frozen=True, slots=True)
class Log:
    """HQ's log as far as it was read: its edge, and the newest checkpoint that was found to follow.

    While it is read again, from the beginning, `again` is set: `promised` has by size what it must lead through, and
    `waiting` has the checkpoints beyond a gap. What is ahead of `edge` is not yet met.
    """

    edge: Edge = field(default_factory=Edge)
    note: bytes = b""
    again: bool = False
    promised: Mapping[int, Promise] = field(default_factory=dict)
    waiting: tuple[SignedCheckpoint, ...] = ()

    @property
    def size(self) -> int:
        """The size of the newest checkpoint."""
        return self.edge.size

    @property
    def ahead(self) -> int:
        """The largest size that was promised and is not met, 0 if there is none."""
        return max((size for size in self.promised if size > self.size), default=0)

    @property
    def is_whole(self) -> bool:
        """Whether nothing is missing: all that was promised is met, and no checkpoint waits for one before it."""
        return not self.ahead and not self.waiting

    def from_beginning(self, said: SignedCheckpoint | None = None) -> Log:
        """Return the log to be read from the topic's first record on; it must lead through all that it has now."""
        promised = dict(self.promised)
        if self.size:
            promised[self.size] = Promise(self.edge.root, self.note)
        if said is not None:
            promised[said.size] = Promise(said.root, said.note)
        return Log(again=True, promised=promised)

    def settled(self) -> Log:
        """Return the log to go on with where everything was met."""
        return Log(self.edge, self.note)


@dataclass(frozen=True, slots=True)
class Follows:
    """The log after a checkpoint, and the leaves that are new in it; without any, it said nothing new."""

    log: Log
    leaves: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class ReadAgain:
    """The topic is to be read from its beginning, as this log."""

    log: Log
    reason: str


class Why(StrEnum):
    """In which way HQ's log is broken: the name of its words under `breaks` in schemas/words/alarms.toml."""

    NOT_SHOWN = "not_shown"
    OTHER_ROOT = "other_root"
    GOES_BACK = "goes_back"
    NOWHERE_FROM = "nowhere_from"
    NOWHERE = "nowhere"
    TWO_ROOTS = "two_roots"
    OTHER_STORY = "other_story"
    DOES_NOT_FOLLOW = "does_not_follow"
    CUT_OFF = "cut_off"


# How a break is told to HQ, signed, and kept: the same bytes in every release, whatever people are told.
_REASONS: Final[Mapping[Why, str]] = MappingProxyType(
    {
        Why.NOT_SHOWN: "checkpoint {size} does not show how it follows: {fault}",
        Why.OTHER_ROOT: "HQ has signed another root at size {size} than before",
        Why.GOES_BACK: "HQ goes back, to size {size} behind {ours}, again and again",
        Why.NOWHERE_FROM: "the leaves from {ours} on are nowhere, and HQ has signed {size}",
        Why.NOWHERE: "the leaves {ours} to {after} are nowhere, and HQ has signed {size}",
        Why.TWO_ROOTS: "HQ has signed two roots at size {size}",
        Why.OTHER_STORY: "what HQ shows now does not lead to the root that it signed at {size}",
        Why.DOES_NOT_FOLLOW: "checkpoint {size} does not follow from {ours}: its leaves lead to another root",
        Why.CUT_OFF: "HQ's log ends at {ours}, and it has signed one of {size}",
    }
)


@dataclass(frozen=True, slots=True)
class Break:
    """HQ's log is not append-only, or it does not show that it is: why, and the two notes that stand against it.

    Shapes: `values` has `size`, of the checkpoint that breaks it, and what else the reason names; `ours` in it is the
            size that we had read.
    """

    why: Why
    values: Mapping[str, str]
    ours: bytes
    theirs: bytes

    @property
    def reason(self) -> str:
        """What HQ is told, in English."""
        return _REASONS[self.why].format(**self.values)


Step = Follows | ReadAgain | Break


def step(log: Log, said: SignedCheckpoint, known: Callable[[int], bytes | None]) -> Step:
    """Return what one checkpoint does. Total: defined for whatever HQ has signed.

    Shapes: `known` gives the root that was seen at a size, None where that is not remembered (any more).
    """
    if said.size <= log.size:
        return _look_back(log, said, known)
    if said.fault:
        return _break(Why.NOT_SHOWN, log.note, said.note, size=said.size, fault=said.fault)
    if said.after > log.size:
        return _beyond_gap(log, said)
    return _append_waiting(_append(log, said), known)


def _look_back(log: Log, said: SignedCheckpoint, known: Callable[[int], bytes | None]) -> Step:
    promise = log.promised.get(said.size)
    if said.size == log.size:
        ours: bytes | None = log.edge.root
    else:
        ours = promise.root if promise else known(said.size)
    if ours == said.root:
        return Follows(log)
    if ours is not None:
        note = promise.note if promise else log.note
        return _break(Why.OTHER_ROOT, note, said.note, size=said.size)
    if len(log.promised) >= PROMISES_MAX:
        return _break(Why.GOES_BACK, log.note, said.note, size=said.size, ours=log.size)
    return ReadAgain(log.from_beginning(said), f"a checkpoint of size {said.size} came behind {log.size}")


def _beyond_gap(log: Log, said: SignedCheckpoint) -> Step:
    if not log.again:
        return ReadAgain(log.from_beginning(), f"the leaves {log.size} to {said.after} are missing before {said.size}")
    if len(log.waiting) >= WAITING_MAX:
        return _break(Why.NOWHERE_FROM, log.note, said.note, size=said.size, ours=log.size)
    waiting = {other.size: other for other in log.waiting}
    found = waiting.setdefault(said.size, said)
    if found.root != said.root:
        return _break(Why.TWO_ROOTS, found.note, said.note, size=said.size)
    return Follows(replace(log, waiting=tuple(waiting[size] for size in sorted(waiting))))


def _append(log: Log, said: SignedCheckpoint) -> Follows | Break:
    """Append the leaves of a checkpoint that begin at or before our size; the others we have."""
    new = said.leaves[log.size - said.after :]
    edge = log.edge
    for size in sorted(size for size in log.promised if log.size < size <= said.size):
        promise = log.promised[size]
        edge = edge.append(new[edge.size - log.size : size - log.size])
        if edge.root != promise.root:
            return _break(Why.OTHER_STORY, promise.note, said.note, size=size)
    edge = edge.append(new[edge.size - log.size :])
    if edge.root != said.root:
        return _break(Why.DOES_NOT_FOLLOW, log.note, said.note, size=said.size, ours=log.size)
    return Follows(replace(log, edge=edge, note=said.note), new)


def _append_waiting(after: Follows | Break, known: Callable[[int], bytes | None]) -> Step:
    """Append what had waited for this."""
    done: Step = after
    while isinstance(done, Follows):
        log, leaves = done.log, done.leaves
        said = next((s for s in log.waiting if s.after <= log.size), None)
        if said is None:
            break
        log = replace(log, waiting=tuple(s for s in log.waiting if s is not said))
        done = _look_back(log, said, known) if said.size <= log.size else _append(log, said)
        if isinstance(done, Follows):
            done = Follows(done.log, leaves + done.leaves)
    return done


def unmet(log: Log) -> Break | None:
    """Return why the whole topic was read and something is still missing; None where nothing is."""
    if log.is_whole:
        return None
    size = log.ahead
    if size:
        promise = log.promised[size]
        return _break(Why.CUT_OFF, promise.note, log.note, size=size, ours=log.size)
    said = log.waiting[0]
    return _break(Why.NOWHERE, log.note, said.note, size=said.size, ours=log.size, after=said.after)


def _break(why: Why, before: bytes, theirs: bytes, **values: object) -> Break:
    return Break(why, {name: str(value) for name, value in values.items()}, before, theirs)


def receipt_leaf(note: bytes) -> bytes:
    """Return the leaf that HQ's log must have for a receipt, which is the hash of its note's text."""
    return leaf_hash(note.rpartition(b"\n\n")[0] + b"\n")
