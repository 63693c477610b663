"""What a center has read of HQ's log, and whether the next checkpoint follows from it. Pure.

A record of `hub.checkpoints` is a checkpoint that HQ signed and the leaves appended since an earlier one. Appending
them to our own edge gives its root, or HQ's log is not append-only: that is the consistency proof (docs/adr/0008).

    the next one            → its leaves are appended, if they lead to its root
    one that we know        → nothing new, or another root: a break
    one that we don't know  → smaller than ours: it is looked for when everything is read again
    beyond a gap            → waits for what is before it
    not signed by HQ        → passed over, since nobody vouches for it; so is what goes on by a key that was
                              retired before

HQ signs the note and nothing beside it. Whoever can write to the topic can put a note there again without its leaves,
or with others, and compaction then drops the record that was whole. So leaves that lead nowhere are nobody's: the
checkpoint is waited for. What is still missing at the topic's end is looked for from its beginning, and told; it
accuses nobody. A *break* is two notes by HQ that can't both stand in one log, where need be with leaves that lead to
the root of one of them and not through that of the other. It is final until a person says otherwise: the two notes are
kept, and the witness signs nothing any more.
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

WAITING_MAX: Final = 256  # checkpoints beyond a gap, and the leaves of all of them
WAITING_LEAVES_MAX: Final = 1 << 17
PROMISES_MAX: Final = 1024  # notes of about 3 kB
DOUBTS_MAX: Final = 512
BRANCHES_MAX: Final = 16
LEAVES_MAX: Final = 1 << 15  # of one record: what Kafka takes at all
_NONE_RETIRED: Final[Mapping[Verifier, datetime]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class SignedCheckpoint:
    """A checkpoint that HQ has signed, and the leaves beside it, which nobody has; `fault` says why they don't read."""

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
    # From here on it is HQ's word, but for the headers, which nobody signs.
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

    Shapes: `promised` has by size what HQ has signed and the log has to lead through: what is ahead of `edge` is not
            met yet. `stood` is the size that we have stood by, where it is read again from the beginning. `waiting` has
            checkpoints beyond a gap. `doubted` are smaller ones that are not remembered: the next reading from the
            beginning must lead through them. `branches` are edges at sizes from which leaves led nowhere, None before
            they are passed. `dropped`: more was read than is kept, so that to read it again may lead on; `forward`: it
            is read again only for that.
    """

    edge: Edge = field(default_factory=Edge)
    note: bytes = b""
    stood: int = 0
    promised: Mapping[int, Promise] = field(default_factory=dict)
    doubted: Mapping[int, Promise] = field(default_factory=dict)
    waiting: tuple[SignedCheckpoint, ...] = ()
    branches: Mapping[int, Edge | None] = field(default_factory=dict)
    dropped: bool = False
    forward: bool = False

    @property
    def size(self) -> int:
        """The size of the newest checkpoint that was found to follow."""
        return self.edge.size

    @property
    def again(self) -> bool:
        """Whether it is read again, and has not come to where we stood."""
        return self.size < self.stood

    @property
    def ahead(self) -> int:
        """The largest size that HQ has signed and the log does not lead to yet, 0 if there is none."""
        return max((size for size in self.promised if size > self.size), default=0)

    @property
    def is_whole(self) -> bool:
        """Whether the log leads to all that HQ has signed, as far as was read."""
        return not self.ahead

    def from_beginning(self) -> Log:
        """Return the log to be read from the topic's first record on; it must lead through all that it has now."""
        promised = {**self.promised, **self.doubted}
        if self.size:
            promised[self.size] = Promise(self.edge.root, self.note)
        return Log(
            stood=max(self.stood, self.size),
            promised=promised,
            branches={size: None if size else Edge() for size in self.branches},
        )

    def once_more(self) -> Log:
        """Return the log to be read on from the topic's first record, for what was not kept on the way."""
        return replace(self, dropped=False, forward=True)

    def settled(self) -> Log:
        """Return the log to go on with where everything was met."""
        return Log(self.edge, self.note, doubted=self.doubted)

    def signed(self, size: int) -> Promise | None:
        """Return what is held of a size that HQ has signed."""
        return self.promised.get(size) or self.doubted.get(size)

    def doubting(self, said: SignedCheckpoint) -> Log:
        """Return the log with a smaller checkpoint that is to be looked for on the way."""
        if self.forward or len(self.doubted) >= DOUBTS_MAX:
            return self
        return replace(self, doubted={**self.doubted, said.size: Promise(said.root, said.note)})

    def promising(self, said: SignedCheckpoint) -> Log:
        """Return the log that has to lead to a checkpoint."""
        if said.size in self.promised:
            return self
        held = self.promised
        if len(held) >= PROMISES_MAX:
            held = {size: promise for size, promise in held.items() if size > self.size}
        if len(held) >= PROMISES_MAX:  # those that are there keep us waiting; this one is read again
            return replace(self, dropped=True)
        return replace(self, promised={**held, said.size: Promise(said.root, said.note)})

    def holding(self, said: SignedCheckpoint) -> Log:
        """Return the log with a checkpoint beyond a gap; of one size the newest, of all of them the smallest."""
        held = {other.size: other for other in self.waiting}
        dropped = self.dropped or held.get(said.size, said) != said
        held[said.size] = said
        kept, left = [], WAITING_LEAVES_MAX
        for size in sorted(held)[:WAITING_MAX]:
            left -= len(held[size].leaves)
            if left < 0:
                break
            kept.append(held[size])
        return replace(self, waiting=tuple(kept), dropped=dropped or len(kept) < len(held))

    def branching(self, size: int) -> Log:
        """Return the log that keeps its edge at a size, now or when it is read from the beginning."""
        if self.branches.get(size) is not None:
            return self
        edge = self.edge if size == self.size else None
        others = [branch for branch in self.branches.items() if branch[0] != size]
        return replace(self, branches=dict([*others, (size, edge)][-BRANCHES_MAX:]))


@dataclass(frozen=True, slots=True)
class Follows:
    """The log after a checkpoint, and the leaves that are new in it; without any, it said nothing new.

    Shapes: `unusable` says why leaves that nobody has signed did not lead to what HQ has, '' if they did.
    """

    log: Log
    leaves: tuple[bytes, ...] = ()
    unusable: str = ""


class Why(StrEnum):
    """What is wrong with HQ's log: the name of its words under `breaks` in schemas/words/alarms.toml."""

    OTHER_ROOT = "other_root"
    TWO_ROOTS = "two_roots"
    OTHER_STORY = "other_story"
    DOES_NOT_FOLLOW = "does_not_follow"
    NOWHERE = "nowhere"
    CUT_OFF = "cut_off"


# How HQ is told of it, signed, and how it is kept: the same bytes in every release, whatever people are told.
_REASONS: Final[Mapping[Why, str]] = MappingProxyType(
    {
        Why.OTHER_ROOT: "HQ has signed another root at size {size} than before",
        Why.TWO_ROOTS: "HQ has signed two roots at size {size}",
        Why.OTHER_STORY: "what HQ shows now does not lead to the root that it signed at {size}",
        Why.DOES_NOT_FOLLOW: "checkpoint {size} does not follow from {ours}: its leaves lead to another root",
        Why.NOWHERE: "the leaves from {ours} on are nowhere, and HQ has signed {size}",
        Why.CUT_OFF: "HQ's log ends at {ours}, and it has signed one of {size}",
    }
)


@dataclass(frozen=True, slots=True)
class Missing:
    """What HQ has signed and the topic does not lead to. Nobody signs what a topic lacks: it accuses nobody.

    Shapes: `values` has `size`, of the checkpoint that it is about, and what else the reason names; `ours` in it is the
            size that we had read.
    """

    why: Why
    values: Mapping[str, str]

    @property
    def reason(self) -> str:
        """What HQ is told, in English."""
        return _REASONS[self.why].format(**self.values)


@dataclass(frozen=True, slots=True)
class Break(Missing):
    """HQ's log is not append-only: why, and the two notes by HQ that contradict each other."""

    ours: bytes
    theirs: bytes


Step = Follows | Break


def step(log: Log, said: SignedCheckpoint, known: Callable[[int], bytes | None]) -> Step:
    """Return what one checkpoint does. Total: defined for whatever HQ has signed, and whatever stands beside it.

    Shapes: `known` gives the note that was seen at a size, None where that is not remembered (any more).
    """
    if said.size <= log.size:
        return _look_back(log, said, known)
    promise = log.signed(said.size)
    if promise is not None and promise.root != said.root:
        return _break(Why.TWO_ROOTS, promise.note, said.note, size=said.size)
    log = log.promising(said)
    if said.fault:
        return Follows(log, unusable=f"checkpoint {said.size}: {said.fault}")
    if said.after > log.size:
        return Follows(log.holding(said))
    return _append_waiting(_append(log, said), known)


def _look_back(log: Log, said: SignedCheckpoint, known: Callable[[int], bytes | None]) -> Step:
    if said.size == log.size:
        ours: Promise | None = Promise(log.edge.root, log.note)
    else:
        ours = log.signed(said.size) or _promise(known(said.size))
    if ours is None:
        return Follows(log.doubting(said))
    if ours.root == said.root:
        return Follows(log)
    return _break(Why.OTHER_ROOT, ours.note, said.note, size=said.size)


def _promise(note: bytes | None) -> Promise | None:
    return None if note is None else Promise(open_checkpoint(note)[0].root, note)


def _append(log: Log, said: SignedCheckpoint) -> Step:
    """Append the leaves of a checkpoint that begin at or before our size; the others we have.

    Only leaves that lead to the signed root are HQ's. If they do, and not through what HQ signed before, then HQ has
    signed two logs. If they don't, they may be anybody's: those that HQ says again will lead there.
    """
    new = said.leaves[log.size - said.after :]
    edge, branches, broken = log.edge, dict(log.branches), 0
    for size in sorted(size for size in {*log.promised, *branches, said.size} if log.size < size <= said.size):
        edge = edge.append(new[edge.size - log.size : size - log.size])
        if not broken and size in log.promised and edge.root != log.promised[size].root:
            broken = size
        if size in branches:
            branches[size] = edge
    if edge.root == said.root:
        if broken:
            return _break(Why.OTHER_STORY, log.promised[broken].note, said.note, size=broken)
        kept = {size: promise for size, promise in log.promised.items() if size > edge.size or size <= log.stood}
        return Follows(replace(log, edge=edge, note=said.note, promised=kept, branches=branches), new)
    starts = (start for start in log.branches.values() if start and said.after <= start.size < log.size)
    if any(start.append(said.leaves[start.size - said.after :]).root == said.root for start in starts):
        return _break(Why.DOES_NOT_FOLLOW, log.note, said.note, size=said.size, ours=log.size)
    return Follows(log.branching(said.after), unusable=f"checkpoint {said.size}: its leaves lead to another root")


def _append_waiting(done: Step, known: Callable[[int], bytes | None]) -> Step:
    """Append what had waited for this."""
    while isinstance(done, Follows):
        log, leaves, unusable = done.log, done.leaves, done.unusable
        said = next((s for s in log.waiting if s.after <= log.size), None)
        if said is None:
            break
        log = replace(log, waiting=tuple(s for s in log.waiting if s is not said))
        done = _look_back(log, said, known) if said.size <= log.size else _append(log, said)
        if isinstance(done, Follows):
            done = Follows(done.log, leaves + done.leaves, done.unusable or unusable)
    return done


def missing(log: Log) -> Missing | None:
    """Return what the whole topic was read for and does not have; None where nothing is missing."""
    if log.is_whole:
        return None
    why = Why.CUT_OFF if log.again else Why.NOWHERE
    size = log.stood if log.again else log.ahead
    return Missing(why, _texts(size=size, ours=log.size))


def _texts(**values: object) -> dict[str, str]:
    return {name: str(value) for name, value in values.items()}


def _break(why: Why, before: bytes, theirs: bytes, **values: object) -> Break:
    return Break(why, _texts(**values), before, theirs)


def receipt_leaf(note: bytes) -> bytes:
    """Return the leaf that HQ's log must have for a receipt, which is the hash of its note's text."""
    return leaf_hash(note.rpartition(b"\n\n")[0] + b"\n")
