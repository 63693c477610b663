"""Taking in what HQ has signed of its log and its database does not have: see `hub.ledger.taken_in`.

`hub.checkpoints` has each checkpoint with its leaves; the ledger comes to the receipts by itself (`hub.worker.owing`).
What is true when the process dies behind each step: nothing happened, or a checkpoint with its leaves is in SQL, as it
was before; the next look goes on behind it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Final, Protocol

import structlog

from hub.hq.identity import Identity
from hub.ledger.notary import Addition, Log, Stored, read_record, receipt_text, signed_by_hq
from hub.ledger.taken_in import Beyond, NotYet, Place, beyond, follows, joined, take_in
from hub.protocol.errors import Malformed
from hub.protocol.tree import leaf_hash
from hub.store.store import Store
from hub.worker.checkpoint_topic import Mark, Said

RECEIPTS_FIRST: Final = 4_096  # that are asked for at once, and twice as many where some are missing among them

Record = tuple[bytes, int, tuple[bytes, ...]]  # the note, and from which size on which leaves stand beside it

log = structlog.get_logger(__name__)


class Board(Protocol):
    """What is needed of `hub.checkpoints`; see CheckpointTopic."""

    async def beyond(self, size: int, behind: Mark | None = None) -> tuple[Sequence[Said], Mark | None]:
        """Return what the topic has behind a mark that claims to be a larger checkpoint, and the mark at its end."""

    async def lent(self, centers: Sequence[str]) -> Sequence[bytes]:
        """Return what these centers have lent lately of HQ's log."""


class UnloggedPlaces:
    """Where the receipts stand that are no leaf yet, by leaf: each is read and hashed once. Errors: of the store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._size = -1  # of the log for which it is so
        self._by_leaf: dict[bytes, Place] = {}
        self._known: dict[int, int] = {}  # by lane the last receipt that was hashed

    async def find(self, size: int, wanted: Collection[bytes]) -> Mapping[bytes, Place]:
        """Return them for the log of this size: all, where one that is wanted is not found sooner."""
        if size != self._size:  # somebody else has gone on
            self._by_leaf, self._known, self._size = {}, {}, size
        limit = RECEIPTS_FIRST
        while not self._by_leaf.keys() >= set(wanted):
            found = await self._store.log.unlogged(limit, self._known)
            for receipt in found:
                self._by_leaf[leaf_hash(receipt_text(receipt.note))] = Place(receipt.lane_id, receipt.last)
                self._known[receipt.lane_id] = receipt.last
            if len(found) < limit:
                break
            limit *= 2
        return self._by_leaf

    def logged(self, addition: Addition) -> None:
        """Leave out what was logged by now, and what its lane's newest leaf has left behind."""
        self._size = addition.log.size
        upto = addition.logged
        self._by_leaf = {
            leaf: place for leaf, place in self._by_leaf.items() if place.last > upto.get(place.lane_id, 0)
        }


class LogTakingIn:
    """Takes checkpoints in, one after the other. Errors: Retriable of store and topic; Malformed, Damaged of rows."""

    def __init__(self, store: Store, identity: Identity, origin: str, topic: Board) -> None:
        self._store = store
        self._identity = identity
        self._origin = origin
        self._topic = topic
        self._read_to: Mark | None = None
        self._size = 0  # of our log, when the topic was read last
        self._on_topic: dict[Record, Beyond] = {}  # what HQ has signed beyond our log, each record once
        self._known: list[Beyond] = []
        self._places = UnloggedPlaces(store)
        self._waits: NotYet | None = None

    @property
    def waits(self) -> NotYet | None:
        """What could not be taken in yet, for its receipts are not there."""
        return self._waits

    def forget(self) -> None:
        """Let go of what was read: the log goes on, and fills no memory with what nobody asks for."""
        self._read_to, self._on_topic, self._known = None, {}, []
        self._places, self._waits = UnloggedPlaces(self._store), None

    async def look(self, ours: Log, witnesses: Sequence[str]) -> bool:
        """Read what has come to the topic beyond our log, and where that leads nowhere what the witnesses lend.

        What HQ has not signed is passed over. Returns whether anything follows.
        """
        if ours.size < self._size:  # what was passed over may be beyond it now
            self.forget()
        said, read_to = await self._topic.beyond(ours.size, self._read_to)
        stored: list[Stored] = []
        for value, headers in said:
            with suppress(Malformed):  # its leaves are not whole: HQ's own record of that size may come behind it
                stored.append(read_record(value, headers)[1])
        held = [each for each in self._on_topic.values() if each.stored.size > ours.size]
        self._on_topic = {_record_of(each): each for each in (*held, *self._signed(ours.size, stored))}
        self._read_to, self._size = read_to, ours.size
        self._known = sorted(self._on_topic.values(), key=lambda each: each.stored.size)
        if not any(follows(ours, each) for each in self._known):
            self._known += self._signed(ours.size, joined(await self._topic.lent(witnesses)))
        return any(follows(ours, each) for each in self._known)

    def _signed(self, size: int, stored: Iterable[Stored]) -> list[Beyond]:
        """Return those beyond a size that HQ has signed, the smallest first."""
        trust, keys = self._identity.trust, self._identity.logs()
        retired = trust.retired if trust is not None else ()
        found = [
            beyond(each, keys)
            for each in stored
            if each.size > size and signed_by_hq(each.note, self._origin, keys, retired) is not None
        ]
        return sorted(found, key=lambda each: each.stored.size)

    async def next(self, ours: Log) -> bool:
        """Take the next checkpoint in, if there is one and all is there that it takes; return whether it was.

        Errors: OvertakenError, where somebody else has gone on.
        """
        said = next((each for each in self._known if follows(ours, each)), None)
        if said is None:
            self._waits = None
            return False
        loses = await self._store.owed.log_begun() >= said.stored.size
        wanted = frozenset(said.stored.leaves[ours.size - said.stored.after :])
        addition = take_in(ours, said, await self._places.find(ours.size, wanted), loses=loses)
        if isinstance(addition, NotYet):
            self._waits = addition
            return False
        await self._store.log.append(addition)
        self._places.logged(addition)
        self._waits = None
        log.warning("checkpoint_taken_in", size=said.stored.size, lost=len(addition.lost))
        return True


def _record_of(said: Beyond) -> Record:
    stored = said.stored
    return stored.note, stored.after, tuple(stored.leaves)
