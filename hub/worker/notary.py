"""The notary's task: receipts become leaves, checkpoints are stored, then said on `hub.checkpoints`.

It moves bytes and decides nothing: `hub.ledger.notary` does. What is true when the process dies behind each step:

    receipts read      nothing happened
    appended           leaves, tiles, cursors and the checkpoint are in SQL, all of them; nobody was told
    said               the same bytes may be said again: what is said is read from SQL, never from memory

What was said is asked of the topic itself, at the start, after every failure and every minute: from its newest
checkpoint on, all that SQL has is said, in order; so a broker that lost the topic has it again. A topic that has more
than SQL, or another root, proves that the database was rolled back; so do witnesses who have cosigned what SQL does not
have, and before the first checkpoint of a run they are listened to. Then nothing is signed and nothing is said any
more, until what is kept of that fits the log again. What HQ had signed is taken in meanwhile, with the very receipts
that its leaves stand for (`hub.worker.log_taking_in`); the evidence is looked at every second.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Final, Protocol

import structlog

from hub.hq.identity import Identity
from hub.hq.lane import OwnLane
from hub.hq.settings import CHECKPOINT_EVERY_S
from hub.ledger.halt import Halt, Why, halt_of, signed_elsewhere
from hub.ledger.notary import (
    Log,
    Stored,
    append,
    check,
    read_record,
    record_of,
    signed_by_hq,
    size_of,
    spacing_s,
)
from hub.protocol.errors import Malformed, Retriable
from hub.protocol.topics import CHECKPOINTS
from hub.protocol.witness import log_origin
from hub.store.rows import UNREADABLE
from hub.store.store import Damaged, OvertakenError, Store
from hub.worker.checkpoint_topic import LOOK_BACK, Mark, Said, Window
from hub.worker.lease import Lease
from hub.worker.log_taking_in import LogTakingIn

log = structlog.get_logger(__name__)

LOOK_EVERY_S: Final = 0.25
SAY_AGAIN_S: Final = 60.0
COMPARE_EVERY_S: Final = 60.0  # a topic made anew, and a copy of this hub that signs elsewhere, are found by then
LOOK_FURTHER: Final = 2048  # offsets at a time, where the newest records are none of ours
STEP_LEAVES_MAX: Final = 1024  # of one step, 20 ms: nothing else of the worker goes on meanwhile
BACKLOG_S: Final = 0.02  # between steps, for the rest of the worker
RETRY_S: Final = 1.0
LEND_S: Final = 5.0  # until it is looked again whether a witness has lent what leads on
TAKE_IN_EVERY_S: Final = 1.0  # what is missing comes as fast as lanes are read
SAID_MAX: Final = 64  # at a time; they may have 128 KiB of leaves each


class Topic(Protocol):
    """What the notary needs of `hub.checkpoints`; see CheckpointTopic."""

    async def ensure(self) -> None:
        """Make it where it is missing."""

    async def first(self) -> Said | None:
        """Return its earliest record."""

    async def before(self, end: int | None = None, count: int = LOOK_BACK) -> Window:
        """Return what stands at the `count` offsets before `end`, or before the topic's end."""

    async def beyond(self, size: int, behind: Mark | None = None) -> tuple[Sequence[Said], Mark | None]:
        """Return what speaks behind a mark of a larger checkpoint than this, and the mark at its end."""

    async def lent(self, centers: Sequence[str]) -> Sequence[bytes]:
        """Return what these centers have lent lately of HQ's log."""

    async def publish(self, checkpoints: Sequence[Stored]) -> None:
        """Write checkpoints in this order; all of them are there when it returns."""

    async def close(self) -> None:
        """Let go of the broker."""


class Notary:
    """HQ's notary in one worker. Of several workers one does the work; the others wait until its lease is over."""

    def __init__(
        self,
        store: Store,
        lane: OwnLane,
        identity: Identity,
        topic: Topic,
        owner: str,
        every_s: float = CHECKPOINT_EVERY_S,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic_s: Callable[[], float] = time.monotonic,
        has_heard: Callable[[], Awaitable[bool]] | None = None,
    ) -> None:
        self._store = store
        self._lane = lane
        self._identity = identity
        self._topic = topic
        self._every_s = every_s
        self._clock = clock
        self._monotonic_s = monotonic_s
        self._has_heard = has_heard  # whether the witnesses were listened to; see Hearing
        self._lease = Lease(store.log, owner, clock)
        self._log: Log | None = None  # None: read it from SQL first
        self._said: int | None = None  # size up to which the topic has everything; None: ask it
        self._signed_s = float("-inf")
        self._spacing_s = every_s
        self._said_s = float("-inf")
        self._compared_s = float("-inf")
        self._taking_in = LogTakingIn(store, identity, self.origin, topic)
        self._look_again_s = float("-inf")
        self.stopped: Halt | None = None  # why nothing is signed any more
        self.signed = 0  # checkpoints, by this notary

    @property
    def origin(self) -> str:
        """The origin of HQ's log."""
        return log_origin(self._identity.hub)

    @property
    def size(self) -> int | None:
        """How many receipts the log has as this notary has read it; None where another worker's does the work."""
        return None if self._log is None else self._log.size

    async def run(self) -> None:
        """Look for ever. Errors: faults of the store, which end the process."""
        try:
            while True:
                pause_s = await self.round()
                await asyncio.sleep(pause_s)
        finally:
            await self._topic.close()
            await self._lease.end()

    async def round(self) -> float:
        """Do what there is to do now; return after how many seconds to look again."""
        if self.stopped is not None and not self.stopped.is_of_evidence:
            return COMPARE_EVERY_S  # a fault of ours is none that passes: the rest of the worker goes on
        try:
            if self.stopped is not None:
                return await self._look_whether_it_fits()
            if not await self._lease.is_ours():
                self._log = self._said = None  # what somebody else does meanwhile is read again
                return LOOK_EVERY_S * 4
            if self._said is None or self._monotonic_s() - self._compared_s >= COMPARE_EVERY_S:
                await self._compare()
            is_full = self.stopped is None and await self._sign()
            if self.stopped is None:
                await self._say()
            if is_full:
                return BACKLOG_S
        except OvertakenError as exc:
            log.info("notary_overtaken", error=str(exc))
            self._log = None
        except Malformed as exc:
            self._stop(halt_of(exc))
        except Damaged as exc:
            self._stop(Halt.of(Why.ROW, fault=exc.__cause__ or exc))
        except UNREADABLE as exc:
            # A fault of ours, or rows that nobody of us wrote. The lanes must not stop for it, nor start in circles.
            log.exception("notary_fault")
            self._stop(Halt.of(Why.FAULT, fault=repr(exc)))
        except Retriable as exc:
            log.warning("notary_waits", error=str(exc))
            self._said = None
            await self._topic.close()
            await self._mend()
            return RETRY_S
        return LOOK_EVERY_S

    async def _look_whether_it_fits(self) -> float:
        """Go on where what is held against the log has no weight any more.

        So it is once the log was taken in that HQ had signed, or a strange witness's key was revoked.
        """
        if await self._take_in():
            return BACKLOG_S
        why = await self._store.log.rolled_back(await self._lane.witnesses())
        if why is not None:
            if why != self.stopped:
                self.stopped = None
                self._stop(why)
            return TAKE_IN_EVERY_S
        self.stopped = self._log = self._said = None
        self._taking_in.forget()
        log.info("log_goes_on")
        return LOOK_EVERY_S

    async def _take_in(self) -> bool:
        """Take in one more checkpoint that HQ had signed; return whether there was one whose receipts are there."""
        if not await self._lease.is_ours():
            self._log = None
            return False
        if self._monotonic_s() >= self._look_again_s:
            self._log = None
            witnesses = sorted((await self._lane.witnesses()).keys)
            leads_on = await self._taking_in.look(await self._read(), witnesses)
            self._look_again_s = self._monotonic_s() + (COMPARE_EVERY_S if leads_on else LEND_S)
        taken = await self._taking_in.next(await self._read())
        if taken:
            self._log = None
        return taken

    async def _compare(self) -> None:
        """Look at what the topic has; stop for good where this database is not the one that said it."""
        why = await self._store.log.rolled_back(await self._lane.witnesses())
        if why is not None:
            self._stop(why)
            return
        newest, foreign, window = 0, 0, await self._topic.before()
        while True:
            for said in window.records:
                size = await self._fits(said[0])
                foreign += size is None
                if size is not None and size > newest and await self._is_whole(size, said):
                    newest = size
            if newest or window.is_first or self.stopped is not None:
                break
            window = await self._topic.before(window.start, LOOK_FURTHER)
        if foreign:
            log.warning("checkpoints_not_ours", count=foreign, remedy="only HQ may write hub.checkpoints")
        self._said = newest if newest and await self._begins_whole() else 0
        self._compared_s = self._monotonic_s()

    async def _fits(self, value: bytes) -> int | None:
        """Return the size of a checkpoint of ours, None for anything else; stop where SQL proves it wrong, or older."""
        size = size_of(value)
        if size is not None and await self._store.log.note(size) == value:
            return size  # nearly always: it is what we said
        trust = self._identity.trust
        said = signed_by_hq(value, self.origin, self._identity.logs(), trust.retired if trust is not None else ())
        if said is None:
            return None
        # The topic first, then SQL, and not what we remember: whoever said it had stored it before.
        self._log, root = None, await self._store.log.root(said.size)
        ours = await self._read()
        why = signed_elsewhere(said, ours.size, root)
        if why is not None:
            await self._store.keep_evidence(self.origin, said.size, ours.note, value, self._clock())
            self._stop(why)
        return said.size

    async def _is_whole(self, size: int, said: Said) -> bool:
        """Return whether a record is what we say of this size, leaves and all: its note alone may be anybody's copy."""
        found = await self._store.log.stored(size - 1, 1)
        return bool(found) and record_of(found[0])[1:] == (bytes(said[0]), list(said[1]))

    async def _begins_whole(self) -> bool:
        """Return whether the topic still has the log's first checkpoint: a topic made again might not.

        Once the keeper looks after the topic, it sees to both: a stranger's copy moves the first checkpoint from its
        place at the next compaction, and all of the log would be said for it again and again.
        """
        reach = (await self._store.topics.reaches()).get((CHECKPOINTS, 0))
        if reach is not None and reach.upto:
            return True
        first = await self._topic.first()
        try:
            return first is not None and read_record(*first)[1].after == 0
        except Malformed:
            return False

    async def _read(self) -> Log:
        if self._log is None:
            found = await self._store.log.read(self.origin)
            check(found, self._identity.logs())
            self._log = found
        return self._log

    async def _sign(self) -> bool:
        """Log what there is, if the last checkpoint is old enough; return whether more steps wait behind it."""
        since_s = self._monotonic_s() - self._signed_s
        if since_s < self._spacing_s:
            return False
        why = await self._store.log.rolled_back(await self._lane.witnesses())
        if why is not None:
            self._stop(why)
            return False
        if self._has_heard is not None and not await self._has_heard():
            return False
        # The log first: what somebody else logs between the two questions is then missed by the second, and the
        # addition is refused for its size.
        ours = await self._read()
        receipts = await self._store.log.unlogged(STEP_LEAVES_MAX)
        if not receipts:
            return False
        addition = append(ours, receipts, [self._identity.log, self._identity.log_long], self._clock())
        await self._store.log.append(addition)
        self._log = addition.log
        self.signed += 1
        is_full = len(receipts) >= STEP_LEAVES_MAX / 2
        if not is_full:
            self._spacing_s = spacing_s(self._every_s, self._spacing_s, since_s)
            self._signed_s = self._monotonic_s()
        log.info("checkpoint_signed", size=addition.log.size, leaves=len(receipts))
        return is_full

    async def _say(self) -> None:
        """Say what the topic does not have; the newest again where it was not said for a while."""
        assert self._said is not None
        now_s = self._monotonic_s()
        while found := await self._store.log.stored(self._said, SAID_MAX):
            await self._topic.publish(found)
            self._said, self._said_s = found[-1].size, now_s
        if self._said and now_s - self._said_s >= SAY_AGAIN_S:
            await self._topic.publish(await self._store.log.stored(self._said - 1, 1))
            self._said_s = now_s

    async def _mend(self) -> None:
        try:
            await self._topic.ensure()
        except Retriable as exc:
            log.warning("topics_not_checked", error=str(exc))

    def _stop(self, why: Halt) -> None:
        if self.stopped is None:
            self.stopped = why
            log.error(
                "log_stopped",
                why=str(why.why),
                **why.values,
                remedy="`hub log status` says what to do; nothing is signed until then",
            )
