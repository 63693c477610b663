"""Taking in what HQ has signed of its log and its database does not have: see `hub.ledger.taken_in`.

`hub.checkpoints` has each checkpoint with its leaves; the ledger comes to the receipts by itself (`hub.worker.owing`).
What is true when the process dies behind each step: nothing happened, or a checkpoint with its leaves is in SQL, as it
was before; the next look goes on behind it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Final, Protocol

import structlog

from hub.hq.identity import Identity
from hub.ledger.notary import Log, Stored, Unlogged, read_record, receipt_text, signed_by_hq
from hub.ledger.taken_in import Beyond, NotYet, beyond, follows, joined, take_in
from hub.protocol.errors import Malformed
from hub.protocol.tree import leaf_hash
from hub.store.store import Store
from hub.worker.checkpoint_topic import Said

RECEIPTS_FIRST: Final = 4_096  # that are asked for at once, and twice as many where some are missing among them

log = structlog.get_logger(__name__)


class Board(Protocol):
    """What is needed of `hub.checkpoints`; see CheckpointTopic."""

    async def beyond(self, size: int) -> Sequence[Said]:
        """Return what the topic has that claims to be a larger checkpoint than this."""

    async def lent(self, centers: Sequence[str]) -> Sequence[bytes]:
        """Return what these centers have lent lately of HQ's log."""


class LogTakingIn:
    """Takes checkpoints in, one after the other. Errors: Retriable of store and topic; Malformed, Damaged of rows."""

    def __init__(self, store: Store, identity: Identity, origin: str, topic: Board) -> None:
        self._store = store
        self._identity = identity
        self._origin = origin
        self._topic = topic
        self._known: list[Beyond] = []
        self._waits: NotYet | None = None

    @property
    def waits(self) -> NotYet | None:
        """What could not be taken in yet, for its receipts are not there."""
        return self._waits

    async def look(self, ours: Log, witnesses: Sequence[str]) -> bool:
        """Read what the topic has beyond our log, and where that leads nowhere what the witnesses lend.

        What HQ has not signed is passed over. Returns whether anything follows.
        """
        stored: list[Stored] = []
        for value, headers in await self._topic.beyond(ours.size):
            with suppress(Malformed):  # its leaves are not whole: HQ's own record of that size may come behind it
                stored.append(read_record(value, headers)[1])
        self._known = self._signed(ours.size, stored)
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
        receipts = await self._receipts(ours, said.stored)
        addition = take_in(ours, said, receipts, loses=loses)
        if isinstance(addition, NotYet):
            self._waits = addition
            return False
        await self._store.log.append(addition)
        self._waits = None
        log.warning("checkpoint_taken_in", size=said.stored.size, lost=len(addition.lost))
        return True

    async def _receipts(self, ours: Log, stored: Stored) -> dict[bytes, Unlogged]:
        """Return by its leaf what is no leaf yet: all of it, where some leaf of the checkpoint is not found sooner."""
        wanted, limit = set(stored.leaves[ours.size - stored.after :]), RECEIPTS_FIRST
        while True:
            found = await self._store.log.unlogged(limit)
            by_leaf = {leaf_hash(receipt_text(receipt.note)): receipt for receipt in found}
            if len(found) < limit or wanted <= by_leaf.keys():
                return by_leaf
            limit *= 2
