"""The publisher: receipts to `out.<center>`, events to `events`, entities to `state.<stream>`.

What goes out next is the `Outgoing`'s to say; here bytes are moved, and it is told. What is true when the process dies
behind each step:

    departed      nothing happened: everything is read again from the cursor in SQL
    sent          the broker may have some of it; readers go by sequence and version, and may see it again
    acknowledged  it is out; the cursor in SQL is still before it, and it may go out again
    stored        it is behind us
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
from hub.domain.stream import HQ
from hub.kafka.cluster import Cluster, Unreachable
from hub.kafka.sending import send_all
from hub.kafka.topics import OtherPartitions
from hub.ledger.derived import Partition, Reach
from hub.ledger.outgoing import SEND_EVENTS_MAX, Answering, Loading, Looking, Outgoing, Publishing
from hub.ledger.publication import Answer, Publication, StateForm, answer_records, published_records, state_records
from hub.protocol.errors import CohubError
from hub.store.store import Damaged, Store
from hub.worker.clock import refuse_apart
from hub.worker.outward import REQUEST_TIMEOUT_S, make_missing, outward_producer

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
    ) -> None:
        self._store = store
        self._cluster = cluster
        self._forms = forms
        self._enabled = enabled
        self._pace = pace
        self._clock = clock
        self._outgoing = Outgoing()
        self._wake = asyncio.Event()
        self._moved = asyncio.Event()
        self._producer: Producer | None = None
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

    async def adopt(self, centers: Collection[str]) -> None:
        """See Outlet. Once more when the last owner's writes must be over."""
        for center in centers:
            self._unreadable.pop(center, None)  # they may have been mended while they were another worker's
        found = await self._store.unpublished(centers)
        self._outgoing = self._outgoing.adopted(centers, found, self._now_s() + self._pace.states_s)
        self._wake.set()

    def look(self, center: str) -> None:
        """See Outlet."""
        self._unreadable.pop(center, None)
        self._outgoing = self._outgoing.looked_at([center])
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
                await asyncio.wait_for(self._moved.wait(), left_s)

    async def run(self) -> None:
        """Publish until cancelled. Errors: Fatal for a clock that is off the broker's, and faults of the store."""
        if not self._enabled:
            await asyncio.Event().wait()
        try:
            while True:
                try:
                    await self._round()
                except (Unreachable, KafkaError, TimeoutError, OSError) as exc:
                    # The producer that was refused once fails for ever: a new one, and everything again from SQL.
                    log.warning("publishing_failed", error=reason_of(exc))
                    self._outgoing = self._outgoing.failed()
                    await self._drop_producer()
                    await self._mend_topics()
                    await asyncio.sleep(self._pace.retry_s)
        finally:
            await self._drop_producer()
            await self._store_cursors(self._outgoing.unstored)

    async def _round(self) -> None:
        """Move one flight to its end, or rest."""
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
            case Loading(backlog):
                try:
                    publication = await self._store.publication(backlog.origin, backlog.after, SEND_EVENTS_MAX)
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
        self._outgoing = self._outgoing.landed()
        if cursors := self._outgoing.to_store(self._now_s()):
            await self._store_cursors(cursors)

    async def _send(self) -> None:
        """Send what is in flight, and wait for every acknowledgement."""
        flight = self._outgoing.flight
        assert isinstance(flight, Answering | Publishing)
        if isinstance(flight, Answering):
            places = answer_records(flight.answers)
        elif flight.states_only:
            places = state_records(flight.publications, self._forms)
        else:
            places = published_records(flight.publications, self._forms)
        told = await send_all(await self._linked(), places, REQUEST_TIMEOUT_S * 3)
        if told.at is not None:
            ours = self._clock()
            refuse_apart(ours - told.at, ours, told.at)
        await self._reached(told.places)

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
            await asyncio.wait_for(self._wake.wait(), self._pace.cursors_s)
        except TimeoutError:
            await self._store_cursors(self._outgoing.unstored)

    async def _store_cursors(self, cursors: Mapping[str, int]) -> None:
        reach = dict(self._unstored_reach)
        if cursors or reach:
            # What is refused, or cancelled, is stored with the next; to store a cursor twice does no harm.
            await self._store.set_published(dict(cursors), reach)
            for at, reached in reach.items():
                if self._unstored_reach.get(at) == reached:
                    del self._unstored_reach[at]
            self._outgoing = self._outgoing.stored(cursors, self._now_s())

    def _now_s(self) -> float:
        return asyncio.get_running_loop().time()
