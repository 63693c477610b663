"""A store that fails when it is told to: what tests drive the real worker with, and what shows what a write is worth.

    store = FaultyStore(SqliteStore.open(path))
    store.fail(Fault.REFUSED, "commit")           # the next commit writes nothing, and says that it failed
    store.fail(Fault.APPLIED, "log.append", 2)    # the second append from now is done, and says that it failed

It stands in front of any Store, and passes on what it isn't to fail. Only writes fail here: a read that fails ends the
same as one that is never asked.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import datetime
from typing import Final, TypeVar

from hub.base.faulty import Fault, Faults
from hub.domain.clock import Correction
from hub.ledger.derived import Partition, Reach
from hub.ledger.halt import Halt
from hub.ledger.notary import NOTHING_KNOWN, Addition, Log, Stored, Unlogged
from hub.ledger.publication import Publication
from hub.ledger.step import EntityKey, KnownEntity, Step
from hub.ledger.witness import Witnesses
from hub.protocol.errors import Retriable
from hub.protocol.remark import RepeatedIds
from hub.protocol.tree import Edge
from hub.store.access_store import AccessStore
from hub.store.invitation_store import InvitationStore
from hub.store.log_rows import Heard
from hub.store.owed_store import OwedStore
from hub.store.repeat_store import NOTHING_SENT, Noted, RepeatStore, Sent
from hub.store.store import NOWHERE, Changes, Claimed, HqRows, LogStore, Spoken, Store
from hub.store.topic_store import TopicStore
from hub.store.workers import LivingWorker

# Everything that a Store writes, by the name that `fail` is given.
WRITES: Final = (
    "claim",
    "commit",
    "set_status",
    "keep_told",
    "remark",
    "resume",
    "keep_evidence",
    "set_published",
    "say_alive",
    "log.lead",
    "log.follow",
    "log.append",
    "repeats.begin_hq",
    "repeats.done",
)
_R = TypeVar("_R")


class _Writes:
    """Which of the writes to come fail, and what their caller hears."""

    def __init__(self) -> None:
        self.faults = Faults()
        self.error: Callable[[str], BaseException] = Retriable

    async def write(self, name: str, call: Callable[[], Awaitable[_R]]) -> _R:
        fault = self.faults.next(name)
        if fault is Fault.REFUSED:
            raise self.error(f"{name} was refused")
        found = await call()
        if fault is Fault.APPLIED:
            raise self.error(f"{name} was done, and its answer was lost")
        return found


class FaultyLog:
    """The log of a FaultyStore: a LogStore."""

    def __init__(self, log: LogStore, writes: _Writes) -> None:
        self._log = log
        self._write = writes.write

    async def lead(self, owner: str, now: datetime, until: datetime) -> bool:
        """See LogStore."""
        return await self._write("log.lead", lambda: self._log.lead(owner, now, until))

    async def follow(self, owner: str) -> None:
        """See LogStore."""
        await self._write("log.follow", lambda: self._log.follow(owner))

    async def read(self, origin: str) -> Log:
        """See LogStore."""
        return await self._log.read(origin)

    async def unlogged(self, limit: int, known: Mapping[int, int] = NOTHING_KNOWN) -> list[Unlogged]:
        """See LogStore."""
        return await self._log.unlogged(limit, known)

    async def append(self, addition: Addition) -> None:
        """See LogStore."""
        await self._write("log.append", lambda: self._log.append(addition))

    async def stored(self, after: int, limit: int) -> list[Stored]:
        """See LogStore."""
        return await self._log.stored(after, limit)

    async def notes(self, sizes: Collection[int]) -> dict[int, bytes]:
        """See LogStore."""
        return await self._log.notes(sizes)

    async def note(self, size: int) -> bytes | None:
        """See LogStore."""
        return await self._log.note(size)

    async def root(self, size: int) -> bytes | None:
        """See LogStore."""
        return await self._log.root(size)

    async def rolled_back(self, witnesses: Witnesses) -> Halt | None:
        """See LogStore."""
        return await self._log.rolled_back(witnesses)

    async def hearing(self, witnesses: Witnesses) -> Mapping[str, Heard]:
        """See LogStore."""
        return await self._log.hearing(witnesses)


class FaultyRepeats:
    """What is to go out again, of a FaultyStore: a RepeatStore."""

    def __init__(self, repeats: RepeatStore, writes: _Writes) -> None:
        self._repeats = repeats
        self._write = writes.write

    async def begin_hq(self, owner: str) -> int:
        """See RepeatStore."""
        return await self._write("repeats.begin_hq", lambda: self._repeats.begin_hq(owner))

    async def noted(self, centers: Collection[str]) -> list[Noted]:
        """See RepeatStore."""
        return await self._repeats.noted(centers)

    async def done(self, origin: str, times: int) -> None:
        """See RepeatStore."""
        await self._write("repeats.done", lambda: self._repeats.done(origin, times))

    async def states(self, origin: str, after: int, limit: int) -> Publication | None:
        """See RepeatStore."""
        return await self._repeats.states(origin, after, limit)


class FaultyStore:
    """A Store in front of another one."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._writes = _Writes()
        self._write = self._writes.write
        self._log = FaultyLog(store.log, self._writes)
        self._repeats = FaultyRepeats(store.repeats, self._writes)

    def fail(
        self, fault: Fault, method: str | None = None, nth: int = 1, error: Callable[[str], BaseException] = Retriable
    ) -> None:
        """Have the `nth` write from now fail, counting only those of `method` if one is named (see WRITES).

        `error` makes what its caller hears, of this and of every other fault that is still to come.
        """
        assert method is None or method in WRITES, f"expected one of {WRITES}, came {method}"
        self._writes.error = error
        self._writes.faults.plan(fault, nth, method)

    @property
    def writes(self) -> int:
        """How many writes were tried."""
        return self._writes.faults.writes

    @property
    def log(self) -> LogStore:
        """See Store."""
        return self._log

    @property
    def topics(self) -> TopicStore:
        """See Store. What is kept of topics fails with no store: the keeper's own tests let its broker fail."""
        return self._store.topics

    @property
    def repeats(self) -> RepeatStore:
        """See Store."""
        return self._repeats

    @property
    def access(self) -> AccessStore:
        """See Store. What is kept of access fails with no store: the keeper's own tests let its broker fail."""
        return self._store.access

    @property
    def invitations(self) -> InvitationStore:
        """See Store. What is kept of invitations fails with no store: each of its moves is a transaction of its own."""
        return self._store.invitations

    @property
    def owed(self) -> OwedStore:
        """See Store. What is kept of it is found again on the topics, and fails with no store."""
        return self._store.owed

    async def claim(self, centers: Collection[str], owner: str) -> dict[str, Claimed]:
        """See Store."""
        return await self._write("claim", lambda: self._store.claim(centers, owner))

    async def commit(self, step: Step, term: int) -> None:
        """See Store."""
        await self._write("commit", lambda: self._store.commit(step, term))

    async def entities(self, keys: Collection[EntityKey]) -> dict[EntityKey, KnownEntity]:
        """See Store."""
        return await self._store.entities(keys)

    async def hq_lane(self, after: int) -> HqRows:
        """See Store."""
        return await self._store.hq_lane(after)

    async def say_alive(self, worker: LivingWorker) -> None:
        """See Store."""
        await self._write("say_alive", lambda: self._store.say_alive(worker))

    async def workers(self) -> list[LivingWorker]:
        """See Store."""
        return await self._store.workers()

    async def changes(self) -> Changes:
        """See Store."""
        return await self._store.changes()

    async def newest_recorded_at(self, but: Correction | None = None) -> datetime | None:
        """See Store."""
        return await self._store.newest_recorded_at(but)

    async def edge_at(self, origin: str, size: int) -> Edge | None:
        """See Store."""
        return await self._store.edge_at(origin, size)

    async def receipt_at(self, origin: str, sequence: int) -> bytes | None:
        """See Store."""
        return await self._store.receipt_at(origin, sequence)

    async def set_status(self, center: str, term: int, status: str, why: str) -> None:
        """See Store."""
        await self._write("set_status", lambda: self._store.set_status(center, term, status, why))

    async def told(self, centers: Collection[str]) -> dict[str, Spoken]:
        """See Store."""
        return await self._store.told(centers)

    async def keep_told(self, center: str, term: int, text: str) -> None:
        """See Store."""
        await self._write("keep_told", lambda: self._store.keep_told(center, term, text))

    async def remark(self, found: Mapping[str, RepeatedIds], now: datetime) -> list[str]:
        """See Store."""
        return await self._write("remark", lambda: self._store.remark(found, now))

    async def resume(self, center: str) -> str | None:
        """See Store."""
        return await self._write("resume", lambda: self._store.resume(center))

    async def keep_evidence(self, origin: str, size: int, ours: bytes, theirs: bytes, recorded_at: datetime) -> None:
        """See Store."""
        await self._write("keep_evidence", lambda: self._store.keep_evidence(origin, size, ours, theirs, recorded_at))

    async def unpublished(self, centers: Collection[str]) -> list[tuple[str, int, int]]:
        """See Store."""
        return await self._store.unpublished(centers)

    async def cursors(self, centers: Collection[str]) -> list[tuple[str, int]]:
        """See Store."""
        return await self._store.cursors(centers)

    async def publication(self, origin: str, after: int, limit: int) -> Publication | None:
        """See Store."""
        return await self._store.publication(origin, after, limit)

    async def valued(self, entities: Collection[KnownEntity]) -> list[KnownEntity]:
        """See Store."""
        return await self._store.valued(entities)

    async def set_published(
        self,
        cursors: Mapping[str, int],
        reach: Mapping[Partition, Reach] = NOWHERE,
        sent: Mapping[str, Sent] = NOTHING_SENT,
    ) -> frozenset[str]:
        """See Store."""
        return await self._write("set_published", lambda: self._store.set_published(cursors, reach, sent))

    async def close(self) -> None:
        """See Store."""
        await self._store.close()
