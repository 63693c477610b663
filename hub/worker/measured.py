"""What a worker measures: each step when it is committed, all else of its parts when somebody asks.

The parts know nothing of metrics: they have their standing as plain attributes, which are read here.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from hub.base.metrics import declared
from hub.base.metrics.book import Book
from hub.hq.pulse import SILENT_S
from hub.ledger.lane import Status
from hub.ledger.step import Step
from hub.protocol.cause import Cause
from hub.protocol.rules import RULES_KNOWN
from hub.protocol.verdict import Code
from hub.worker.clock import ComparedClock
from hub.worker.consolidator import Consolidator
from hub.worker.lanes import Lanes
from hub.worker.notary import Notary
from hub.worker.publisher import Publisher
from hub.worker.watchdog import Watchdog

READ = ""  # the cause of a lane that is plainly read


@dataclass(slots=True)
class Looked:
    """When HQ's database answered the last look at it, and whether it works: to be read is not enough.

    It works if it answered the last look, has taken a write since something failed, and one lately.
    """

    at: datetime | None = None
    answers: bool = True
    takes: bool = True
    took_s: float | None = None  # by the steady clock; None: not asked to take anything yet
    clock_s: Callable[[], float] = time.monotonic

    def answered(self) -> None:
        """Note that it has answered a look."""
        self.at, self.answers = datetime.now(UTC), True

    def did_not_answer(self) -> None:
        """Note that a look has failed."""
        self.answers = self.takes = False

    def took(self) -> None:
        """Note that it has taken a write."""
        self.takes, self.took_s = True, self.clock_s()

    def took_nothing(self) -> None:
        """Note that a write has failed."""
        self.takes = False

    @property
    def is_failing(self) -> bool:
        """Whether it does not work. A write that hangs fails too, once nothing was taken for as long as a lease."""
        hangs = self.took_s is not None and self.clock_s() - self.took_s > SILENT_S
        return hangs or not (self.answers and self.takes)


def step_teller(book: Book) -> Callable[[Step, float], None]:
    """Return what counts a step and the seconds that it took: once a step, by what differs from the plain event.

    What is counted begins at zero, which tells more than that it is not there.
    """
    book.begin(*(metric for metric in declared.METRICS if metric.who is declared.Who.WORKER))

    def tell(step: Step, seconds: float) -> None:
        book.add(declared.STEPS)
        book.observe(declared.STEP_SECONDS, seconds)
        for commit in step.commits:
            decisions = commit.receipt.decisions
            book.add(declared.EVENTS, len(commit.rows) - len(decisions), Code.ACCEPTED.value)
            for decision in decisions:
                book.add(declared.EVENTS, 1, decision.code)
            book.add(declared.RECEIPTS)
        if step.resends:
            book.add(declared.RESENDS, len(step.resends))
        for item in step.quarantine:
            if not item.is_again:
                book.add(declared.QUARANTINED, 1, item.reason)

    return tell


def lanes(book: Book, consolidator: Consolidator) -> None:
    """Put what the lanes here are doing; of those that are not plainly read, each by its center."""
    found = consolidator.intakes
    counts = Counter(intake.status for intake in found)
    book.put_all(declared.LANES, {(status.value,): counts[status] for status in Status})
    book.put_all(
        declared.LANE_STOPPED,
        {
            (intake.center, intake.status.value, Cause.stored(intake.why).code.value if intake.why else READ): 1
            for intake in found
            if intake.status is not Status.READING
        },
    )
    if consolidator.basis is not None:
        book.put(declared.BASIS, consolidator.basis.size)
        book.put(declared.RULES, consolidator.basis.rules.number)
    book.put(declared.RULES_KNOWN, max(RULES_KNOWN))


def reading(book: Book, watchdog: Watchdog, there: Lanes) -> None:
    """Put how far reading is behind, as the watchdog saw it last."""
    if watchdog.is_told is not None:
        book.put(declared.BROKER_UP, watchdog.is_told)
        book.put(declared.LANES_BEHIND, len(watchdog.behind))
        book.put(declared.LAG, there.unread)
    since = watchdog.behind_since
    book.put_all(declared.BEHIND_SINCE, {} if since is None else {(): since.timestamp()})


def publishing(book: Book, publisher: Publisher) -> None:
    """Put what went out, and how much waits."""
    done, outgoing = publisher.done, publisher.outgoing
    book.put(declared.PUBLISHED, done.events)
    book.put(declared.PUBLISHING_FAILURES, done.failures)
    book.put(declared.TOPICS_LOST, done.lost)
    book.put(declared.PUBLISHING_UP, not done.is_failing)
    book.put(declared.QUEUED, outgoing.queued)
    book.put(declared.BEHIND_CENTERS, len(outgoing.behind) + len(outgoing.backlogs))


def signing(book: Book, notary: Notary) -> None:
    """Put how far HQ's log is, where this worker signs it, and why it signs no more."""
    book.put(declared.CHECKPOINTS, notary.signed)
    book.put_all(declared.LOG_SIZE, {} if notary.size is None else {(): notary.size})
    book.put_all(declared.LOG_STOPPED, {} if notary.stopped is None else {(notary.stopped.why.value,): 1})


def beside(book: Book, clock: ComparedClock, looked: Looked) -> None:
    """Put by how much the clock is off, and whether HQ's database answers."""
    if clock.ahead is not None:
        book.put(declared.CLOCK_AHEAD, clock.ahead.total_seconds())
    book.put(declared.DATABASE_UP, not looked.is_failing)
    if looked.at is not None:
        book.put(declared.LOOKED, looked.at.timestamp())


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of one worker that are looked at when somebody asks."""

    consolidator: Consolidator
    watchdog: Watchdog
    lanes: Lanes
    publisher: Publisher
    notary: Notary

    def fill(self, book: Book) -> None:
        """Put how they stand."""
        lanes(book, self.consolidator)
        reading(book, self.watchdog, self.lanes)
        publishing(book, self.publisher)
        signing(book, self.notary)
