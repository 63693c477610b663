"""A hub's life without Kafka: consolidators as they are, honest senders, and everything that may happen to them.

Each step of a life is one of STEPS. Positions and publications are in memory; the store is a real one, which may die
before a commit, or after it, as far as the process can tell.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from hypothesis import strategies as st

from hub.hq.headquarters import Headquarters
from hub.ledger.publication import Publication, publications
from hub.ledger.step import Step
from hub.protocol.note import Note
from hub.protocol.receipt import Receipt, read_answer
from hub.store.sqlite import SqliteStore
from hub.worker.consolidator import Consolidator
from hub.worker.remembered import Remembered
from tests.support.center import RELEASED, Center
from tests.support.hq import IDENTITY, Hq
from tests.support.intakes import Ledgered, Positions
from tests.support.peek import open_without_disk, peek
from tests.support.sender import CENTERS, Batches, Sender, senders

WORKERS: Final = 2
LATER: Final = datetime(2900, 1, 1, tzinfo=UTC)  # HQ's own lane is written by the real clock
ROUNDS_MAX: Final = 30  # of sending everything that is missing again, at the end
FETCHES_MAX: Final = 200  # of one lane until it is read to its end

STEPS: Final = (
    *["send"] * 4,
    *["fetch"] * 8,
    *["part", "silence", "lose", "lose", "zombie", "again"],  # what a sender and the broker do
    *["skip", "skip", "assign", "revoke", "restart", "crash", "dies after"],  # what befalls a worker
    *["suspend", "look", "look"],  # what HQ says
)
# One step: what happens, to which center, at which worker, and how much of it.
one_step = st.tuples(st.sampled_from(STEPS), st.sampled_from(CENTERS), st.integers(0, WORKERS - 1), st.integers(1, 12))
LifeStep = tuple[str, str, int, int]
Limits = tuple[int, int]  # how many entities a worker remembers whole, and how many in outline


class DiedError(Exception):
    """The process is gone; whoever raised it says nothing of whether the commit is there."""


class Mortal:
    """A worker's view of the store. Told to, its next commit never happens, or happens and is never heard of."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store
        self.dies: str | None = None  # "before" or "after" the next commit
        self.unheard: list[Publication] = []  # what was committed and could be offered by nobody

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def commit(self, step: Step, term: int) -> None:
        dies, self.dies = self.dies, None
        if dies != "before":
            await self._store.commit(step, term)
        if dies == "after":
            self.unheard += publications(step)
        if dies is not None:
            raise DiedError(dies)


class Worker:
    """One worker's consolidator and where it reads."""

    def __init__(
        self, store: SqliteStore, headquarters: Headquarters, publisher: Ledgered, owner: str, memory: Limits | None
    ) -> None:
        self._made = (headquarters, publisher)
        self.owner = owner
        self._limits = memory
        self.store = Mortal(store)
        self.tick_s = 0.0
        self.positions = Positions()
        self.restart()

    def restart(self) -> None:
        """Begin as a new process does: nothing in memory, no lane."""
        headquarters, publisher = self._made
        self.store.dies = None
        self.positions = Positions(seeks=self.positions.seeks)
        self.consolidator = Consolidator(
            self.store,
            headquarters,
            IDENTITY,
            publisher,
            self.owner,
            lambda: LATER,
            lambda: self.tick_s,
            memory=None if self._limits is None else Remembered(*self._limits),
        )
        self.consolidator.attach(self.positions)

    async def assign(self, center: str) -> None:
        await self.revoke(center)
        self.positions.give(center, (await self.consolidator.assign([center]))[center])

    async def revoke(self, center: str) -> None:
        if center in self.positions.next:
            await self.consolidator.revoke([center])
            self.positions.release(center)

    async def fetch(self, sender: Sender, count: int, *, again: bool = False) -> bool:
        """Have the next records of the lane handled, or the last ones again, and say whether there were any."""
        center = sender.center
        at = self.positions.next[center]
        if again:
            records = [record for record in sender.log if record.offset < at][-count:]
        else:
            records = [record for record in sender.log if record.offset >= at][:count]
        if not records:
            return False
        if not again:
            self.positions.next[center] = records[-1].offset + 1
        try:
            await self.consolidator.ready(records)
            await self.consolidator.handle(center, records)
        except DiedError:
            self.restart()
        return True


@dataclass
class World:
    """Two workers on one store, HQ that speaks, an honest sender for each center."""

    store: SqliteStore
    hq: Hq
    senders: dict[str, Sender]
    published: Ledgered
    workers: list[Worker]
    suspended: set[str] = field(default_factory=set)
    seen: Counter[str] = field(default_factory=Counter)  # what the steps led to, for the statistics

    @classmethod
    def open(cls, database: Path, script: dict[str, list[Batches]], memory: Limits | None = None) -> World:
        store = open_without_disk(database)
        headquarters, published = Headquarters(store, IDENTITY, RELEASED), Ledgered()
        workers = [Worker(store, headquarters, published, f"worker {n}", memory) for n in range(WORKERS)]
        return cls(store, Hq(store, headquarters, {}, now=LATER), senders(script), published, workers)

    async def live(self, steps: Sequence[LifeStep]) -> None:
        """Live through `steps`, and on until HQ has everything; what was published and answered is checked."""
        for step in steps:
            await self.happen(*step)
        await self.finish()
        await self.check_published()
        await self.check_answers()

    def sizes(self, center: str) -> dict[str, int]:
        """Return the size of each lane of a center, by epoch."""
        return dict(peek(self.store.path, "SELECT epoch, size FROM lane WHERE center = ?", center))

    def is_held(self, center: str) -> bool:
        """Return whether whoever claimed this lane last reads it still: whoever did before is fenced out."""
        owners = peek(self.store.path, "SELECT owner FROM intake WHERE center = ?", center)
        return any(center in worker.positions.next for worker in self.workers if [(worker.owner,)] == owners)

    async def speak(self, center: str) -> None:
        """Suspend the center, or let a suspended one go on."""
        await self.hq.said("resumed" if center in self.suspended else "suspended", Center(center))
        self.suspended ^= {center}

    async def fetch(
        self, center: str, worker: Worker, count: int, *, again: bool = False, dies: str | None = None
    ) -> bool:
        """Let `worker` read the lane, which it takes over, or lets go on, if it has to."""
        if center not in worker.positions.next:
            await worker.assign(center)
        if center in worker.positions.paused:
            status = (await self.store.changes()).intakes[center][1]
            self.seen[f"paused while {status}"] += 1
            await self.store.resume(center)  # what a person does
            await worker.consolidator.look_again()
            if center in worker.positions.paused and center not in self.suspended:
                await worker.assign(center)  # it was fenced out, or another worker has the lane since
        answered = len(self.published.answers)
        worker.store.dies = dies
        were_any = await worker.fetch(self.senders[center], count, again=again)
        self.seen[f"died {dies}"] += dies is not None and center not in worker.positions.next
        worker.store.dies = None
        for _, kind, note in self.published.answers[answered:]:
            self.seen[f"answered by a {kind}"] += 1
            if kind == "resend":
                self._send_again(self.senders[center], note)
        return were_any

    @staticmethod
    def _send_again(sender: Sender, note: bytes) -> None:
        resend = read_answer(Note.from_bytes(note).text)
        assert not isinstance(resend, Receipt)
        if resend.origin.endswith(sender.epoch):
            sender.rewind(resend.first)

    async def happen(self, what: str, center: str, number: int, count: int) -> None:
        sender, worker = self.senders[center], self.workers[number]
        worker.tick_s += count
        match what:
            case "send":
                self.next_lane(sender)
                sender.send()
            case "part":
                sender.send_part(count)
            case "silence":
                sender.rewind(self.sizes(center).get(sender.epoch, 0) + 1)
            case "lose":
                sender.lose(count, max(w.positions.next.get(center, 0) for w in self.workers))
            case "zombie":
                sender.zombie(count)
            case "skip":  # a batch that was lost on the way: the consolidator has to notice, and to look back
                if center in worker.positions.next:
                    last = max((r.offset for r in sender.log), default=-1)
                    worker.positions.next[center] = min(worker.positions.next[center] + count, last + 1)
            case "assign":
                await worker.assign(center)
            case "revoke":
                await worker.revoke(center)
            case "restart":
                worker.restart()
            case "crash":  # the step is judged and nothing of it is ever written
                await self.fetch(center, worker, count, dies="before")
            case "dies after":  # the commit: what it did is all there, and the process knows nothing of it
                await self.fetch(center, worker, count, dies="after")
            case "suspend":
                await self.speak(center)
            case "look":
                self.seen["hq moved"] += await worker.consolidator.look_again()
            case _:
                await self.fetch(center, worker, count, again=what == "again")

    def next_lane(self, sender: Sender) -> None:
        """Open the next lane, once HQ has all of this one."""
        whole = self.sizes(sender.center).get(sender.epoch) == sender.size(sender.lane)
        if whole and sender.lane + 1 < len(sender.lanes):
            sender.lane, sender.batch = sender.lane + 1, 0

    async def finish(self) -> None:
        """End every suspension, and send what is missing until HQ has everything, as connectors do at silence."""
        for center in sorted(self.suspended):
            await self.speak(center)
        for worker in self.workers:
            await worker.consolidator.look_again()
        for name, sender in self.senders.items():
            if not self.is_held(name):
                await self.workers[0].assign(name)  # Kafka deals out anew what nobody reads: a status is its owner's
            for _ in range(ROUNDS_MAX):
                self.next_lane(sender)
                size = self.sizes(name).get(sender.epoch, 0)
                if size == sender.size(sender.lane):
                    break
                sender.rewind(size + 1)
                for _ in sender.lanes[sender.lane]:
                    sender.send()
                self.workers[0].tick_s += 30
                for _ in range(FETCHES_MAX):
                    if not await self.fetch(name, self.workers[0], len(sender.log)):
                        break
                else:
                    raise AssertionError(f"{name}: read {FETCHES_MAX} times and never to its end")
            assert self.sizes(name) == {f"{n + 1:08x}": sender.size(n) for n in range(len(sender.lanes))}
        self.seen["sought"] += sum(worker.positions.seeks for worker in self.workers)

    async def check_published(self) -> None:
        """Every event of every lane was offered to the publisher once, in order, with the receipt that SQL has.

        What died with its process behind the commit is offered by nobody: the publisher's cursor in SQL is before it.
        """
        offered, unheard = self.published.publications, [p for worker in self.workers for p in worker.store.unheard]
        newest: Counter[str] = Counter()
        for found in offered:
            assert found.first > newest[found.origin]
            newest[found.origin] = found.last
        ends: Counter[str] = Counter()
        for found in sorted([*offered, *unheard], key=lambda found: (found.origin, found.first)):
            assert found.first == ends[found.origin] + 1
            ends[found.origin] = found.last
            assert list(found.receipts) == [await self.store.receipt_at(found.origin, found.last)]
        for name in self.senders:
            for origin, size in peek(self.store.path, "SELECT origin, size FROM lane WHERE center = ?", name):
                assert ends[origin] == size

    async def check_answers(self) -> None:
        """Honest senders lose nothing to quarantine, and a receipt that is sent again is the stored one."""
        assert peek(self.store.path, "SELECT reason, detail FROM quarantine") == []
        for _, kind, note in self.published.answers:
            if kind == "receipt":
                receipt = read_answer(Note.from_bytes(note).text)
                assert isinstance(receipt, Receipt)
                assert await self.store.receipt_at(receipt.origin, receipt.last) == note
