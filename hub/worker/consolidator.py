"""The consolidator: read lane → one step of the engine → publish. It moves bytes and decides nothing.

The step, from the records to the commit, is taken by hub/store/consolidate.py. What is true when the process dies
behind each part:
  read, planned, judged   nothing happened: the fetch is read again from the position in SQL
  committed               ledger, entities, receipt and position moved together; the publisher's cursor did not
  published               the same receipts, events and states may be published again; readers go by sequence, version
"""

from __future__ import annotations

import contextlib
import time
import traceback
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

import structlog

from hub.hq.headquarters import Headquarters
from hub.hq.identity import Identity
from hub.ledger.basis import Basis
from hub.ledger.lane import Intake, Status
from hub.ledger.owed import NotAsSigned, honoured
from hub.ledger.publication import publications
from hub.ledger.reading import Reading
from hub.ledger.step import Step
from hub.ledger.telling import damaged_rows
from hub.protocol.batch import first_offset
from hub.protocol.cause import Cause, CauseCode
from hub.protocol.control import is_center_id
from hub.protocol.errors import Retriable
from hub.protocol.receipt import one_line
from hub.protocol.record import KafkaRecord
from hub.store.consolidate import Driver, EngineFault, Instant
from hub.store.store import Changes, Damaged, FencedError, Store
from hub.worker.clock import APART, WHOSE_CLOCK, until_recorded
from hub.worker.filled import filled
from hub.worker.held import HeldIntake
from hub.worker.logged import log_quarantined, log_standing, told
from hub.worker.owing import NO_PART, Owing, Part
from hub.worker.ports import LaneHandle, Outlet
from hub.worker.remembered import Remembered
from hub.worker.teller import Teller

log = structlog.get_logger(__name__)

WHY_BYTES_MAX: Final = 2_000
LOOK_BEFORE: Final = timedelta(minutes=1)  # well within BASIS_AGE_MAX


async def _is_sure() -> None:
    """Believe the clock, as whoever sets it himself may."""


class Consolidator:
    """Owns the intakes of one worker. Implements the transport's Intakes.

    It has no lock: `assign`, `revoke` and `handle` come in the reading side's turn, and a look takes that turn itself.
    So a look doesn't take for resumed, or wake, what a fetch is just stopping, and moves no lane past whose gate a
    fetch has just come.
    """

    def __init__(
        self,
        store: Store,
        headquarters: Headquarters,
        identity: Identity,
        publisher: Outlet,
        owner: str,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        tick: Callable[[], float] = time.monotonic,
        sure: Callable[[], Awaitable[None]] = _is_sure,
        memory: Remembered | None = None,
        tell: Callable[[Step, float], None] = lambda _step, _seconds: None,
        owing: Owing | None = None,
    ) -> None:
        self._store = store
        self._headquarters = headquarters
        self._publisher = publisher
        self._owner = owner
        self._clock = clock
        self._tick = tick
        self._sure = sure
        self._tell = tell  # of each step that is committed, and how long it took
        self._held: dict[str, HeldIntake] = {}
        self.overtaken: set[str] = set()  # lanes that another worker has claimed, and the group has not revoked here
        self._memory = Remembered() if memory is None else memory
        self._owing = owing or Owing()  # what HQ had signed before its database was put back from a copy
        self._driver = Driver(store, store, identity, self._memory)
        self._teller = Teller(store, identity, publisher)
        self._basis: Basis | None = None
        self._looked_at = clock()  # at the hq lane
        self._answered: int | None = None  # its size, when it was last said whether it has grown
        self._newest: datetime | None = None
        self._lanes: LaneHandle | None = None

    def attach(self, reader: LaneHandle) -> None:
        """See Intakes."""
        self._lanes = reader

    @property
    def lanes(self) -> LaneHandle:
        """The handle that moves positions."""
        assert self._lanes is not None
        return self._lanes

    async def assign(self, centers: Sequence[str]) -> dict[str, int | None]:
        """See Intakes. From here on every older owner of these lanes is fenced out."""
        basis = await self.refresh()
        if self._newest is None:
            self._newest = await self._newest_recorded(basis)
        claimed = await self._store.claim(centers, self._owner)
        await self._owing.assigned(claimed)  # behind the fence: whoever had them comes to nothing of it any more
        self._memory.forget(claimed)
        for center, claim in claimed.items():
            intake = claim.intake
            if intake.status is Status.WAITING and self._may_go_on(center):
                # HQ has spoken while nobody held this lane: reading it asks the keyring again.
                intake = replace(intake, status=Status.READING, why="", reads_on=False)
                with contextlib.suppress(FencedError):  # overtaken already: our first commit will be told
                    await self._store.set_status(center, claim.term, intake.status, intake.why)
            self._held[center] = HeldIntake(Reading.of(intake), claim.term, intake.offset, basis, claim.is_damaged)
            self.overtaken.discard(center)
            if intake.lane is not None and (ahead := intake.lane.recorded_at - self._clock()) > APART:
                log.warning("lane_ahead", center=center, ahead_s=ahead.total_seconds(), meaning=WHOSE_CLOCK)
            if claim.is_damaged:
                log.error("lane_damaged", center=center, **told(intake.why))
            if not intake.is_read:
                self.lanes.pause(center)
        await self._teller.assigned(claimed)
        await self._publisher.adopt({center: claim.term for center, claim in claimed.items() if not claim.is_damaged})
        return {center: claim.intake.offset for center, claim in claimed.items()}

    async def revoke(self, centers: Sequence[str]) -> None:
        """See Intakes."""
        self._teller.revoked(centers)
        self._owing.revoked(centers)
        for center in centers:
            self._held.pop(center, None)
            self.overtaken.discard(center)
        self._memory.forget(centers)

    async def refresh(self) -> Basis:
        """Read the hq lane again, if it has grown, and return it."""
        looked_at = self._clock()
        basis = await self._headquarters.basis()
        # Only now: while we waited for the answer nobody had looked. And of two answers that overtook each other the
        # newer one stays.
        self._looked_at = max(looked_at, self._looked_at)
        if self._basis is None or basis.size > self._basis.size:
            if self._newest is not None and basis.registry.clock is not None:
                self._newest = await self._newest_recorded(basis)
            self._basis = basis
            log.info("basis_read", basis=basis.size, centers=len(basis.registry.centers))
        return self._basis

    async def _newest_recorded(self, basis: Basis) -> datetime | None:
        """Return the time before which nothing is recorded: the newest that is, but for times that HQ took back."""
        clock = basis.registry.clock
        newest = await self._store.newest_recorded_at(clock)
        return newest if clock is None else max(newest or clock.since, clock.since)

    @property
    def intakes(self) -> list[Intake]:
        """The intakes that this worker holds."""
        return [held.reading.intake for held in self._held.values()]

    @property
    def basis(self) -> Basis | None:
        """What HQ has said, as this worker has read it last."""
        return self._basis

    @property
    def statuses(self) -> dict[str, str]:
        """The centers as the hq lane has them, each with its status, but for those of a name that no topic can have."""
        assert self._basis is not None
        return {c.id: c.status for c in self._basis.registry.centers.values() if is_center_id(c.id)}

    @property
    def centers(self) -> list[str]:
        """The centers whose topics are to be read."""
        return sorted(self.statuses)

    def positions(self) -> dict[str, int | None]:
        """Return the offset to be read next of each lane that reads: not of those that were stopped, or wait."""
        reading = ((c, held) for c, held in self._held.items() if held.reading.intake.is_read)
        return {c: held.next_read for c, held in reading if not self._owing.is_lost(c)}

    async def look_again(self) -> bool:
        """Look at the lanes that wait for HQ, at those that a person resumed, and at what is due by time alone.

        Called every second. Returns whether the hq lane has grown since a look has said so. Errors: Retriable from the
        store; the next look says and does what this one did not.
        """
        async with self.lanes.turn():
            return await self._look_again()

    async def _look_again(self) -> bool:
        looked_at, changes = self._clock(), await self._store.changes()
        basis = self._basis
        if basis is None or changes.basis != basis.size:
            basis = await self.refresh()
        self._looked_at = max(looked_at, self._looked_at)
        given_up = await self._owing.given_up()
        for center, held in list(self._held.items()):
            try:
                await self._look_at(center, held, basis, changes, given_up)
            except Retriable as exc:  # a database that is busy for one lane must hold up no other
                log.warning("lane_not_looked_at", center=center, error=str(exc))
        self._publisher.repeat(changes.said_late)
        now = [(held.reading.intake, held.term) for held in self._held.values()]
        await self._teller.look(now, basis, changes, Instant(looked_at, self._tick()))
        answered, self._answered = self._answered, changes.basis
        return changes.basis != answered

    async def _look_at(self, center: str, held: HeldIntake, basis: Basis, changes: Changes, given_up: set[str]) -> None:
        """Do what is to be done with one lane, by what SQL has. Where that fails, the next look does it."""
        intake = held.reading.intake
        term, status = changes.intakes.get(center, (held.term, intake.status))
        is_other = status != intake.status or held.is_restarting  # a person resumed it, or a write of ours half failed
        if term != held.term:
            self._let_go(center)
        elif is_other and held.is_damaged:
            await self._stop(center, held, intake.status, intake.why)  # it still is: the rows are read at a start
        elif is_other or self._is_woken(center, held, basis) or (intake.is_read and center in given_up):
            await self._restart(center, held)
        elif intake.is_read and center in self._publisher.unreadable():
            await self._stop(center, held, Status.PARKED, damaged_rows(self._publisher.unreadable()[center]))
        elif intake.is_read and self._is_due(center, held, basis):
            await self._step(center, held, ())

    def _is_due(self, center: str, held: HeldIntake, basis: Basis) -> bool:
        """Return whether a step is due without records. What may heal is judged as HQ signed it, where HQ owes it."""
        if held.reading.may_heal(basis.keyring):
            return not self._owing.owes(center)
        return held.reading.is_due(self._tick()) and not self._owing.is_lost(center)

    def _is_woken(self, center: str, held: HeldIntake, basis: Basis) -> bool:
        """Return whether HQ has said what a lane waits for, or may have: then it is read again from its position."""
        intake = held.reading.intake
        if intake.status is not Status.WAITING or basis.size <= held.basis.size or not self._may_go_on(center):
            return False
        return not intake.reads_on or not basis.keyring.says_the_same(held.basis.keyring)

    def _may_go_on(self, center: str) -> bool:
        """Return whether HQ lets this center's lane be read."""
        assert self._basis is not None
        return not self._basis.keyring.waits(center)

    async def _restart(self, center: str, held: HeldIntake) -> None:
        """Read a lane again from its position in SQL. Errors: Retriable where that can't be said there."""
        intake = replace(held.reading.intake, status=Status.READING, why="", reads_on=False)
        held.is_restarting = True  # until it is: where the store fails, the next look does all of it again
        # Said in SQL too: what it waited for may be gone from the topic, and then no commit would say it.
        await self._store.set_status(center, held.term, intake.status, intake.why)
        await self._owing.assigned([center])
        held.reading = held.reading.again(intake)
        held.next_read, held.sought, held.is_restarting = intake.offset, None, False
        self._publisher.look(center)
        await self.lanes.seek(center, intake.offset)
        self.lanes.resume(center)
        log.info("lane_read_again", center=center, offset=intake.offset)

    async def ready(self, records: Sequence[KafkaRecord], before: Collection[str] = ()) -> None:
        """See Intakes. Wait for room at the publisher, and for HQ's clock. Errors: Fatal for a clock that is off."""
        await self._publisher.room(before)
        await until_recorded(self._clock, self._newest, records[-1])

    async def handle(self, center: str, records: Sequence[KafkaRecord]) -> None:
        """See Intakes. What the pure engine raises parks the lane; what the shell raises ends the process.

        Nothing is recorded before it is sure that HQ's clock is not off.
        """
        held = self._held.get(center)
        if held is None or not held.reading.intake.is_read or self._owing.is_lost(center):
            return  # taken over by another worker, or stopped: batches that were fetched before still come
        first, last = first_offset(records[0]), records[-1].offset
        if held.next_read is not None and first > held.next_read and held.sought != held.next_read:
            # A hole in the offsets: retention, compaction, or a batch that was dropped at a rebalance. One look back
            # at the position in SQL; what is missing then is for the lane's rules.
            log.info("offsets_missing", center=center, expected=held.next_read, got=first)
            held.sought = held.next_read
            self._owing.take(center)
            await self.lanes.seek(center, held.reading.intake.offset)
            held.reading = Reading.of(held.reading.intake)
            return
        held.next_read = last + 1
        await self._steps(center, held, records)

    async def _steps(self, center: str, held: HeldIntake, records: Sequence[KafkaRecord]) -> None:
        """Take a fetch: at once; or, while HQ owes the center receipts, receipt by receipt as it gave them."""
        await self._owing.hear(center, records)
        waiting: Sequence[KafkaRecord] = [*self._owing.take(center), *records]
        while waiting and self._held.get(center) is held and held.reading.intake.is_read:
            part = self._owing.part(held.reading, waiting, self._tick())
            try:
                if part is not None:
                    await self._step(center, held, part.records, part)
            except NotAsSigned:
                self._owing.lose(center, "its events get other verdicts now")
                part = None
            if part is None:
                await self._owing.hold(center, waiting)
                if self._owing.is_lost(center):
                    self.lanes.pause(center)  # nothing is kept of it: its position in SQL stands before all of this
                return
            waiting = waiting[len(part.records) :]

    async def _step(self, center: str, held: HeldIntake, records: Sequence[KafkaRecord], part: Part = NO_PART) -> None:
        """Take one step: with the records of a fetch, or with none, where something is due. Errors: NotAsSigned."""
        await self._sure()
        now = self._clock()
        now = max(now, self._newest or now)  # the clock may have been set back since we were ready
        basis = self._basis
        if basis is None or now - self._looked_at > LOOK_BEFORE:
            basis = await self.refresh()  # we were stopped for a while: nothing is recorded under what HQ said long ago
        was, one, basis = held.reading, part.owed, part.basis or basis
        at = Instant(now if one is None else one.receipt.recorded_at, self._tick())
        honour = None if one is None else partial(honoured, one=one)
        try:
            step = await self._driver.consolidate(
                held.reading, held.term, records, basis, at, answer=self._answer_claims, honour=honour
            )
        except EngineFault as fault:
            await self._park(center, held, fault.cause)
        except Damaged as damage:
            self._memory.forget([center])
            await self._stop(center, held, Status.PARKED, damaged_rows(damage.reason))
        except FencedError:
            self._let_go(center)
        else:
            self._tell(step, self._tick() - at.tick)
            if one is not None:
                self._owing.honoured(center)
            if step.reading.wait is None or step.reading.wait is not was.wait:
                held.basis = basis
            await self._go_on(center, held, step, was.intake)

    async def _go_on(self, center: str, held: HeldIntake, step: Step, was: Intake) -> None:
        """Go on from a step that is committed: tell everybody whom it concerns, and stop where it says so."""
        held.reading = step.reading
        self._teller.heard(center, step.heard.presences, Instant(step.committed_at, self._tick()))
        if step.commits:
            self._newest = max(step.committed_at, self._newest or step.committed_at)
            self._memory.remember(step.entities)
            self._publisher.offer(await filled(self._store, publications(step, self._memory.whole)))
        for note in step.resends:
            self._publisher.answer(center, "resend", note)
        log_quarantined(center, step.quarantine)
        intake = step.reading.intake
        log_standing(intake, was)
        if not intake.is_read:
            self.lanes.pause(center)

    async def _answer_claims(self, step: Step) -> str | None:
        """Send stored receipts again for what came twice. Return what forked, by a root that is not ours, if one did.

        If we crash behind the evidence, the claim is read again, and the evidence of one fork is kept once.
        """
        sent: set[bytes] = set()
        for claim in step.heard.claims:
            origin, size = claim.origin, claim.checkpoint.size
            edge = await self._store.edge_at(origin, size)
            receipt = await self._store.receipt_at(origin, size)
            if edge is None or receipt is None:
                continue
            if edge.root != claim.checkpoint.root:
                await self._store.keep_evidence(origin, size, receipt, claim.note, step.committed_at)
                return Cause.of(CauseCode.FORK, origin.rpartition("/")[2], size).to_text()
            if receipt not in sent:
                sent.add(receipt)
                self._publisher.answer(step.reading.intake.center, "receipt", receipt)
        return None

    def _let_go(self, center: str) -> None:
        """Another worker has claimed this lane. It is revoked here, too, where that is the group's will."""
        log.warning("lane_taken_over", center=center)
        self._held.pop(center, None)
        self.overtaken.add(center)
        self.lanes.pause(center)

    async def _park(self, center: str, held: HeldIntake, exc: Exception) -> None:
        log.error("engine_fault", center=center, exc_info=exc)
        text = "".join(traceback.format_exception(exc))[-WHY_BYTES_MAX:]
        cause = Cause.of(CauseCode.ENGINE_FAULT, text=f"{one_line(repr(exc))}\n{text}")
        await self._stop(center, held, Status.PARKED, cause.to_text())

    async def _stop(self, center: str, held: HeldIntake, status: Status, why: str) -> None:
        try:
            await self._store.set_status(center, held.term, status, why)
        except FencedError:
            self._let_go(center)
            return
        held.reading = Reading.of(replace(held.reading.intake, status=status, why=why, reads_on=False))
        log.warning("lane_stopped", center=center, status=str(status), **told(why))
        self.lanes.pause(center)
