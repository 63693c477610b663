"""The publisher: receipts to `out.<center>`, events to `events`, entities to `state.<stream>`.

What goes out next is the `Outgoing`'s to say; here bytes are moved, and it is told. What is true when the process dies
behind each step:

    departed      nothing happened: everything is read again from the cursor in SQL
    sent          the broker may have some of it; readers go by sequence and version, and may see it again
    acknowledged  it is out; the cursor in SQL is still before it, and it may go out again
    stored        it is behind us

A compacted topic keeps what stands last. So an older state may not come behind a newer one, even where this process was
stopped for long in the middle of sending, and another worker has the lane since. Storing a cursor asks whether the term
is ours still under which the lane's states went out; where it is not, SQL notes it in the same transaction, and whoever
has the lane sends them again as they are by then. Should this process be ended between the two, they have gone out
again all the same, twice, after every takeover.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
from aiokafka.errors import KafkaError

from hub.base.clients import close
from hub.base.kafka import Producer
from hub.base.reason import reason_of
from hub.base.traces.spans import now_ns
from hub.domain.stream import HQ
from hub.kafka.cluster import Cluster, Unreachable
from hub.kafka.sending import send_all
from hub.kafka.topics import OtherPartitions
from hub.ledger.derived import Partition, Reach
from hub.ledger.flight import Answering, Loading, Looking, Publishing, center_in
from hub.ledger.outgoing import SEND_EVENTS_MAX, Outgoing
from hub.ledger.publication import Answer, Publication, StateForm, answer_records, published_records, state_records
from hub.protocol.errors import CohubError
from hub.store.repeat_store import Sent
from hub.store.store import Damaged, Store
from hub.worker.clock import refuse_apart
from hub.worker.outward import REQUEST_TIMEOUT_S, make_missing, outward_producer
from hub.worker.traced import Told, tell_nobody

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Pace:
    """How long a publisher waits: after a failure, with cursors when idle, with the states of a lane taken over.

    `before_s`: how long others wait for the answers that go out before theirs are made.
    """

    retry_s: float = 0.5
    cursors_s: float = 0.25
    states_s: float = REQUEST_TIMEOUT_S + 1  # what the last owner sent has arrived by then, or never does
    before_s: float = 0.25  # at most: a broker that answers late holds up no intake
    late_s: float = 300.0  # and once more then: a network may keep for long what was sent through it


@dataclass(slots=True)
class Published:
    """What a publisher has done since its start: events, attempts that failed, partitions that were lost."""

    events: int = 0
    failures: int = 0
    lost: int = 0
    is_failing: bool = False


class Publisher:
    """Publishes what one worker commits: an Outlet. Its methods but `run` only queue."""

    def __init__(
        self,
        store: Store,
        cluster: Cluster,
        forms: Mapping[str, StateForm],
        *,
        enabled: bool = True,
        pace: Pace = Pace(),
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        told: Told = tell_nobody,
    ) -> None:
        self._told = told
        self._store = store
        self._cluster = cluster
        self._forms = forms
        self._enabled = enabled
        self._pace = pace
        self._clock = clock
        self._outgoing = Outgoing()
        self.done = Published()
        self._wake = asyncio.Event()
        self._moved = asyncio.Event()
        self._producer: Producer | None = None
        self._held: set[str] = set()  # whose lanes are ours
        self._terms: dict[str, int] = {}  # under which they are, or were
        self._leaving: set[str] = set()  # they are not ours any more, and nobody has told `_outgoing`
        self._to_repeat: set[str] = set()  # SQL has something to be sent again of them
        self._sent: dict[str, Sent] = {}  # by lane: what went out since SQL said under which term it is
        self._reach: dict[Partition, int] = {}  # where each partition ends by what this process has written
        self._unstored_reach: dict[Partition, Reach] = {}
        self._unreadable: dict[str, str] = {}

    def offer(self, found: Iterable[Publication]) -> None:
        """See Outlet."""
        if self._enabled:
            self._outgoing = self._outgoing.offered(found)
            self._wake.set()

    def answer(self, center: str, kind: str, note: bytes) -> None:
        """See Outlet."""
        self._outgoing = self._outgoing.asked(Answer(center, kind, note))
        self._wake.set()

    async def adopt(self, terms: Mapping[str, int]) -> None:
        """See Outlet. Once more when the last owner's writes must be over, and once much later."""
        found = await self._store.unpublished(terms)
        # From here on nobody comes between. Only now: what came while we waited for the answer was of before.
        for origin, sent in self._sent.items():
            if sent.term + 1 == terms.get(center_in(origin)):  # nobody else has had it since
                self._sent[origin] = Sent(sent.after, sent.term + 1)
        for center in terms:
            self._unreadable.pop(center, None)  # they may have been mended while they were another worker's
        self._terms.update(terms)
        self._held.update(terms)
        self._leaving.difference_update(terms)
        now_s, pace = self._now_s(), self._pace
        self._outgoing = self._outgoing.adopted(terms.keys(), found, now_s + pace.states_s, now_s + pace.late_s)
        self._wake.set()

    def leave(self, centers: Collection[str]) -> None:
        """Publish no more of these centers: somebody else does."""
        self._leaving |= self._held.intersection(centers)
        self._held.difference_update(centers)
        self._wake.set()

    def has(self, center: str) -> bool:
        """Return whether we publish what is of this center."""
        return center in self._held

    @property
    def outgoing(self) -> Outgoing:
        """Where publishing stands."""
        return self._outgoing

    def look(self, center: str) -> None:
        """See Outlet."""
        self._unreadable.pop(center, None)
        if center in self._held:
            self._outgoing = self._outgoing.looked_at([center])
            self._wake.set()

    def repeat(self, centers: Collection[str]) -> None:
        """See Outlet."""
        if ours := self._held.intersection(centers):
            self._to_repeat |= ours
            self._wake.set()

    def unreadable(self) -> Mapping[str, str]:
        """See Outlet."""
        return self._unreadable

    async def room(self, before: Collection[str] = ()) -> None:
        """See Outlet."""
        ends_s = self._now_s() + self._pace.before_s
        while self._outgoing.is_crowded or (self._now_s() < ends_s and self._outgoing.owes(before)):
            self._moved.clear()
            left_s = None if self._outgoing.is_crowded else ends_s - self._now_s()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left_s):
                    await self._moved.wait()

    async def run(self) -> None:
        """Publish until cancelled. Errors: Fatal for a clock that is off the broker's, and faults of the store."""
        if not self._enabled:
            await asyncio.Event().wait()
        try:
            while True:
                try:
                    await self._round()
                    self.done.is_failing = False
                except (Unreachable, KafkaError, TimeoutError, OSError) as exc:
                    # The producer that was refused once fails for ever: a new one, and everything again from SQL.
                    log.warning("publishing_failed", error=reason_of(exc))
                    self.done.failures, self.done.is_failing = self.done.failures + 1, True
                    self._outgoing = self._outgoing.failed()
                    await self._drop_producer()
                    await self._mend_topics()
                    await asyncio.sleep(self._pace.retry_s)
        finally:
            await self._drop_producer()
            await self._keep(self._outgoing.unstored)

    async def _round(self) -> None:
        """Move one flight to its end, or rest."""
        leaving, self._leaving = self._leaving, set()
        if leaving:
            self._outgoing = self._outgoing.dropped(leaving)
        if self._to_repeat:
            asked, self._to_repeat = self._to_repeat, set()
            noted = await self._store.repeats.noted(asked)
            ours = [one for one in noted if center_in(one.origin) in self._held]
            self._outgoing = self._outgoing.noted_again(ours, self._now_s())
        # Whoever commits moves `_outgoing` too, while we wait: it is read behind the answer, never before it.
        self._outgoing = self._outgoing.departed(self._now_s())
        self._moved.set()
        match self._outgoing.flight:
            case None:
                await self._rest()
            case Looking(centers):
                found = await self._store.unpublished(centers)
                cursors = await self._store.cursors(centers)
                self._outgoing = self._outgoing.looked(cursors, found)
            case Loading(backlog, states_only):
                read = self._store.repeats.states if states_only else self._store.publication
                try:
                    publication = await read(backlog.origin, backlog.after, SEND_EVENTS_MAX)
                except Damaged as exc:
                    self._stop(backlog.center, exc)
                    return
                self._outgoing = self._outgoing.loaded(publication)
                if publication is not None:
                    await self._fly()
            case _:
                await self._fly()

    def _stop(self, center: str, damage: Damaged) -> None:
        """Publish nothing of a center whose rows can't be read. Errors: Damaged where it is HQ itself."""
        if center == HQ:
            raise damage
        log.error("lane_not_published", center=center, why=str(damage))
        self._unreadable[center] = damage.reason
        self._outgoing = self._outgoing.unreadable()

    async def _fly(self) -> None:
        await self._send()
        match self._outgoing.flight:
            case Publishing(found, states_only=False):
                self.done.events += sum(len(publication.events) for publication in found)
        self._outgoing = self._outgoing.landed()
        cursors = self._outgoing.to_store(self._now_s())
        if cursors or self._outgoing.settled:
            await self._keep(cursors)

    async def _send(self) -> None:
        """Send what is in flight, and wait for every acknowledgement."""
        flight, began_ns = self._outgoing.flight, now_ns()
        assert isinstance(flight, Answering | Publishing)
        if isinstance(flight, Answering):
            places = answer_records(flight.answers)
        else:
            self._sends(flight.publications)
            records = state_records if flight.states_only else published_records
            places = records(flight.publications, self._forms)
        told = await send_all(await self._linked(), places, REQUEST_TIMEOUT_S * 3)
        if told.at is not None:
            ours = self._clock()
            refuse_apart(ours - told.at, ours, told.at)
        await self._reached(told.places)
        if isinstance(flight, Publishing) and not flight.states_only:
            self._told(flight.publications, began_ns)

    def _sends(self, publications: Iterable[Publication]) -> None:
        """Remember from now on what goes out, and under which term: a broker may take it whatever it says."""
        for found in publications:
            term, before = self._terms.get(found.center), self._sent.get(found.origin)
            if term is not None:
                own = Sent(found.first - 1, term)
                self._sent[found.origin] = own if before is None else Sent(*map(min, own, before))

    async def _reached(self, places: Mapping[Partition, tuple[int, int]]) -> None:
        """Remember how far partitions reach; one that reaches less far than it did was lost, and is said again."""
        fallen = {at: upto for at, (first, upto) in places.items() if first < self._reach.get(at, 0)}
        self._reach.update((at, upto) for at, (_, upto) in places.items())
        self._unstored_reach.update((at, Reach(0, upto)) for at, (_, upto) in places.items())
        if fallen:
            topics: dict[str, list[int]] = {}
            for topic, partition in fallen:
                topics.setdefault(topic, []).append(partition)
            log.warning("topics_lost", topics=sorted(topics))
            self.done.lost += len(fallen)
            await self._store.topics.forget({at: Reach(0, upto) for at, upto in fallen.items()})
            await self._store.topics.ask(topics, "a record was acknowledged before where others stood", self._clock())

    async def _linked(self) -> Producer:
        if self._producer is None:
            self._producer = await outward_producer(self._cluster, "cohub-publisher")
            self._outgoing = self._outgoing.linked()
        return self._producer

    async def _drop_producer(self) -> None:
        producer, self._producer = self._producer, None
        self._moved.set()
        if producer is not None:
            await close(producer)

    async def _mend_topics(self) -> None:
        """Make again what topics of ours are missing: one that was deleted would hold up every center's answers."""
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT_S):
                await make_missing(self._cluster, self._outgoing.centers)
        except OtherPartitions:
            raise  # nothing of it can be published, however often it is tried
        except (CohubError, TimeoutError) as exc:
            log.warning("topics_not_checked", error=reason_of(exc))

    async def _rest(self) -> None:
        """Wait for something to do; store the cursors when there is nothing for a moment."""
        self._wake.clear()
        try:
            async with asyncio.timeout(self._pace.cursors_s):
                await self._wake.wait()
        except TimeoutError:
            await self._keep(self._outgoing.unstored)

    async def _keep(self, cursors: Mapping[str, int]) -> None:
        """Store how far we are, and ask whether all of it was ours to send."""
        reach, sent = dict(self._unstored_reach), dict(self._sent)
        if cursors or reach or sent:
            # What is refused, or cancelled, is stored with the next; to store a cursor twice does no harm.
            late = await self._store.set_published(dict(cursors), reach, sent)
            for at, reached in reach.items():
                if self._unstored_reach.get(at) == reached:
                    del self._unstored_reach[at]
            for origin, said in sent.items():
                if self._sent.get(origin) == said:
                    del self._sent[origin]
            self._outgoing = self._outgoing.stored(cursors, self._now_s())
            self._overtaken(late, sent)
        # What went out again did so under a term that was ours, by now: what is not ours any more was dropped.
        settled = [one for one in self._outgoing.settled if center_in(one[0]) in self._held]
        for origin, times in settled:
            await self._store.repeats.done(origin, times)
        self._outgoing = self._outgoing.noted_done(settled)

    def _overtaken(self, late: Collection[str], sent: Mapping[str, Sent]) -> None:
        """Leave what was taken from us, unless we have it again since."""
        under = {center_in(origin): each.term for origin, each in sent.items()}
        lost = {center for center in late if self._terms.get(center) == under[center]}
        if late:
            log.warning("states_sent_late", centers=sorted(late), meaning="whoever has these lanes sends them again")
        self.leave(lost)

    def _now_s(self) -> float:
        return asyncio.get_running_loop().time()
