"""One step of the engine on a store: plan → read → judge → commit. The only place where the sequence stands.

The worker's consolidator, headquarters and the tests all go through here. What is true if the process dies, or an
error is raised, behind each part:
  plan, read, judge   nothing happened: the records are taken again from the position in SQL
  commit              all of the step is written, or nothing of it; whoever does not know which claims the intake again
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from hub.domain.entity import OutlineOnly
from hub.ledger import engine
from hub.ledger.basis import Basis
from hub.ledger.lane import Status
from hub.ledger.reading import Reading
from hub.ledger.step import EntityKey, KnownEntity, Step
from hub.protocol.note import Signer
from hub.protocol.record import KafkaRecord
from hub.store.store import Store


class EngineFault(Exception):
    """The pure engine raised `cause` on some bytes: a fault of ours. Nothing is written; the caller parks the lane."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(f"engine fault: {cause!r}")
        self.cause = cause


class Entities(Protocol):
    """Where entities are read: the store, or a memory of what it has."""

    async def entities(self, keys: Collection[EntityKey]) -> Mapping[EntityKey, KnownEntity]:
        """Return those of `keys` that HQ knows."""


class Memory(Protocol):
    """What is remembered of entities, so that they need not be read."""

    def known(self, keys: Collection[EntityKey], whole: Collection[EntityKey]) -> dict[EntityKey, KnownEntity]:
        """Return those of `keys` that are remembered: whole those that are in `whole`, the others perhaps outlined."""


@dataclass(frozen=True, slots=True)
class Instant:
    """One moment by both clocks: `now` is HQ's in UTC, `tick` the process's monotonic one in seconds."""

    now: datetime
    tick: float


def _allow(step: Step) -> None:
    """Let every step be written, as a worker does: a rejected event is a verdict and no error."""


class Signatory(Protocol):
    """Who takes the steps: a hub's name, and the key that signs its receipts now."""

    @property
    def hub(self) -> str:
        """The hub's name."""

    @property
    def receipts(self) -> Signer:
        """The key in use, which is another one after a rotation: it is asked for at each step, and never kept."""


@dataclass(frozen=True, slots=True)
class Driver:
    """Takes steps on one store in the name of one hub, which signs the receipts."""

    store: Store
    entities: Entities
    signatory: Signatory
    memory: Memory | None = None

    async def consolidate(
        self,
        reading: Reading,
        term: int,
        records: Sequence[KafkaRecord],
        basis: Basis,
        at: Instant,
        allow: Callable[[Step], None] = _allow,
        answer: Callable[[Step], Awaitable[str | None]] | None = None,
        honour: Callable[[Step], Step] | None = None,
    ) -> Step:
        """Return the step that `records` come to behind `reading`, committed under the owner term of its intake.

        A step that changes nothing is not written. `allow` is shown the step before it is, and forbids it by raising.
        `answer` is asked to answer the step's claims, once what they may be of is stored; it returns why the lane is
        forked, if it is. `honour` gives the step the very receipt that HQ gave before its database was put back.
        Errors: EngineFault; FencedError from the commit; whatever the store, `allow` and `honour` raise. Nothing is
                written then, but for a store that fails after its commit.
        """
        try:
            need = engine.plan(reading, records, basis.keyring, self.signatory.hub, at.tick)
        except Exception as exc:
            raise EngineFault(exc) from exc
        checkpoints = await self.store.log.notes(need.checkpoints) if need.checkpoints else {}
        known = {} if self.memory is None else self.memory.known(need.entities, need.whole)
        if len(known) < len(need.entities):
            known.update(await self.entities.entities(need.entities - known.keys()))
        try:
            step = self._judged(need, engine.Answers(checkpoints, known), basis, at)
        except EngineFault as fault:
            if not isinstance(fault.cause, OutlineOnly):
                raise
            whole = await self.entities.entities(need.entities)  # a verdict depends on no memory
            step = self._judged(need, engine.Answers(checkpoints, whole), basis, at)
        allow(step)
        step = step if honour is None else honour(step)
        if answer is not None and step.heard.claims:
            return await self._answered(reading, term, step, answer)
        if step.changes(reading.intake):
            await self.store.commit(step, term)
        return step

    def _judged(self, need: engine.Need, answers: engine.Answers, basis: Basis, at: Instant) -> Step:
        try:
            return engine.judge(need, answers, basis, at.now, self.signatory.receipts)
        except Exception as exc:
            raise EngineFault(exc) from exc

    async def _answered(
        self, reading: Reading, term: int, step: Step, answer: Callable[[Step], Awaitable[str | None]]
    ) -> Step:
        # The position moves past claims only when they are answered: if we crash in between, they are read again, and
        # a fork among them is found again. All else that comes twice then is a duplicate.
        first = step.unanswered(reading.intake.offset)
        if first.changes(reading.intake):
            await self.store.commit(first, term)
        after, fork = step.reading, await answer(step)
        if fork is not None:
            after = Reading.of(replace(after.intake, status=Status.FORKED, why=fork, reads_on=False))
        await self.store.commit(step.answered(after), term)
        return replace(step, reading=after)
