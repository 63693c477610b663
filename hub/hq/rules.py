"""The rules in force, which of them each worker knows, and how HQ adopts newer ones.

A worker that judges by other rules than its hq lane names would sign verdicts that nobody can judge again. So newer
rules are adopted by a person, when every worker that lives has said that it knows them.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import Field

from hub.hq.folder import HubFolder
from hub.hq.headquarters import adoption
from hub.hq.pulse import WorkerStanding, owner_is_gone, worker_standing
from hub.hq.saying import again, say_once
from hub.protocol.errors import Conflict, UsageError
from hub.protocol.rules import NEWEST, RULES_KNOWN
from hub.store.read.intakes import IntakeStanding
from hub.store.read.model import ReadModel
from hub.store.workers import LivingWorker


class WorkerRules(ReadModel):
    """A worker that lives, or may live, and which rules it knows."""

    owner: str = Field(description="Its host and process")
    release: str = Field(
        description="Its release, as it says; empty for one of a release before 0.3, which says nothing"
    )
    rules: tuple[int, ...] = Field(description="The numbers of the rules that it knows")
    schemas: int | None = Field(
        default=None, description="How many schemas of events it can read; None for one that does not say"
    )


class RulesStanding(ReadModel):
    """Which rules are in force here, and which could be."""

    in_force: int = Field(description="The number of the rules that HQ judges by")
    known: tuple[int, ...] = Field(description="The numbers that this release knows")
    workers: tuple[WorkerRules, ...] = Field(description="Every worker that lives, and which rules it knows")

    @property
    def adoptable(self) -> int | None:
        """The newest number that this release could adopt, None where that is in force."""
        return NEWEST.number if NEWEST.number > self.in_force else None

    def lacking(self, number: int) -> tuple[WorkerRules, ...]:
        """Return the workers that do not know the rules of that number."""
        return tuple(worker for worker in self.workers if number not in worker.rules)


@dataclass(frozen=True, slots=True)
class Adopted:
    """Rules that are in force from now on, and those that were."""

    number: int
    before: int


def read_rules(where: HubFolder) -> RulesStanding:
    """Return which rules are in force and what each worker knows. Errors: those of `HubFolder.snapshot`."""
    now = datetime.now(UTC)
    with where.snapshot() as read:
        in_force, said, intakes = read.rules(), read.workers(), read.intakes()
    workers = living(said, intakes, worker_standing(where.worker_file, now), now)
    return RulesStanding(in_force=in_force, known=RULES_KNOWN, workers=workers)


def living(
    said: tuple[LivingWorker, ...], intakes: tuple[IntakeStanding, ...], last: WorkerStanding, now: datetime
) -> tuple[WorkerRules, ...]:
    """Return every worker that lives or may live: those that say so, and those of releases that say nothing.

    Shapes: `last` is the worker that last got ready in this data directory. One that is known to have ended counts for
            nothing; of one on another machine that never said anything nobody here can tell.
    """
    found = [
        WorkerRules(
            owner=worker.owner,
            release=worker.release,
            rules=worker.rules,
            schemas=len(worker.schemas) or None,
        )
        for worker in said
        if worker.until > now and not owner_is_gone(worker.owner)
    ]
    ours = f"{socket.gethostname()}:{last.pid}"
    lives_here = [ours] if last.pid is not None and last.state in ("running", "silent") else []
    elsewhere = [
        intake.owner
        for intake in intakes
        if ":" in intake.owner and intake.owner.rpartition(":")[0] != socket.gethostname()
    ]
    told = {worker.owner for worker in said}
    silent = sorted({owner for owner in (*lives_here, *elsewhere) if owner not in told})
    return (*found, *(WorkerRules(owner=owner, release="", rules=(1,)) for owner in silent))


async def adopt(where: HubFolder, number: int, reason: str | None = None) -> Adopted:
    """Adopt the rules of that number: every event that is decided from now on is judged by them, and never by others.

    Errors: UsageError for a number that this release lacks; Conflict where it is in force, or older than what is, or
        where a worker lives that does not know it; AgainstRules; Retriable.
    """
    check_adoptable(read_rules(where), number)
    async with where.headquarters() as (_, headquarters):

        async def attempt() -> int:
            basis = await headquarters.basis()
            if basis.rules.number >= number:
                raise Conflict(_in_force(basis.rules.number))
            await say_once(headquarters, [adoption(number, reason)], basis.size)
            return basis.rules.number

        before = await again(attempt)
    return Adopted(number, before)


def check_adoptable(standing: RulesStanding, number: int) -> None:
    """Return if rules of that number may be adopted. Errors: UsageError, Conflict, which say what stands against it."""
    if number not in RULES_KNOWN:
        known = ", ".join(map(str, RULES_KNOWN))
        raise UsageError(f"rules {number}: this release knows the rules {known}; a later release may have others")
    if number <= standing.in_force:
        raise Conflict(_in_force(standing.in_force))
    lacking = standing.lacking(number)
    if lacking:
        named = ", ".join(f"{worker.owner} ({worker.release or 'a release before 0.3'})" for worker in lacking)
        raise Conflict(
            f"rules {number} are not adopted: a worker lives that does not know them: {named}. Stop it, start this "
            f"release in its place (`hub up` or `hub worker`), and adopt them then"
        )


def _in_force(number: int) -> str:
    return f"rules {number} are in force; HQ never goes back to older ones, and nothing was changed"
