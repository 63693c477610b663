"""The keeper: HQ's topics are there, have what they should, and get it again where a broker lost it.

All that they hold is derived (ARCHITECTURE.md, "Four laws"), so it can be said again: HQ does so by itself where a
topic is missing or ends before what the broker acknowledged, and a person has it done by `hub republish`. What a
stranger has put under HQ's keys on a compacted topic is said again, too (`displaced`). Of several workers one keeps
the topics. What is true when the process dies behind each step:

    noticed     the asking is in SQL, before anything is said; the next keeper takes it up
    page said   it is said again from where SQL has it: readers go by sequence, version, size
    advanced    it is behind us
    looked at   what was displaced is there again, and the place behind it in SQL
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

import structlog
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from hub.base.clients import close_all
from hub.base.kafka import Consumer, Producer
from hub.base.reason import reason_of
from hub.base.seldom import Seldom
from hub.domain.catalogue import STREAMS
from hub.kafka.cluster import Cluster, Unreachable
from hub.kafka.ends import know_leaders
from hub.kafka.sending import send_all
from hub.kafka.topics import TopicSpec, standard_topics
from hub.ledger.derived import Again, Lost, Partition, Reach, lost
from hub.ledger.publication import Outbound, Places
from hub.protocol.errors import Retriable
from hub.protocol.topics import LANE, SCHEMAS, topic_in
from hub.store.store import Store
from hub.worker.again import Kept
from hub.worker.displaced import GUARDED, read_on
from hub.worker.lease import Lease
from hub.worker.outward import REQUEST_TIMEOUT_S, make_missing, outward_producer

LOOK_EVERY_S: Final = 2.0
RETRY_S: Final = 1.0
GUARD_S: Final = 0.05  # between two pages of what others may have written
DEADLINE_S: Final = 20.0

log = structlog.get_logger(__name__)


class Keeper:
    """Keeps the topics of one hub.

    Shapes: `centers` tells the centers as the hq lane has them.
    """

    def __init__(
        self,
        store: Store,
        cluster: Cluster,
        kept: Kept,
        owner: str,
        centers: Callable[[], Sequence[str]],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        look_every_s: float = LOOK_EVERY_S,
    ) -> None:
        self._store = store
        self._cluster = cluster
        self._kept = kept
        self._centers = centers
        self._clock = clock
        self._look_every_s = look_every_s
        self._looked_s = float("-inf")
        self._lease = Lease(store.topics, owner, clock)
        self._suspected: dict[str, Lost] = {}  # what a look found and the next one has to find, too
        self._lane_upto: int | None = None  # sequences that hub.lane has; None: ask SQL
        self._said_schemas = False
        self._producer: Producer | None = None
        self._consumer: Consumer | None = None
        self._guarding: Consumer | None = None  # of the compacted topics
        self._seldom = Seldom(log)

    async def run(self) -> None:
        """Keep them until cancelled. Errors: faults of the store, which end the process."""
        try:
            while True:
                pause_s = await self.round()
                await asyncio.sleep(pause_s)
        finally:
            await self._drop_clients()
            await self._lease.end()

    async def round(self) -> float:
        """Do what there is to do now; return after how many seconds to look again."""
        try:
            if not await self._lease.is_ours():
                self._lane_upto, self._suspected = None, {}
                return RETRY_S
            if self._now_s() - self._looked_s >= self._look_every_s:
                await self.look()
                self._looked_s = self._now_s()
            await self._say_schemas()
            await self._say_lane()
            is_more = await self._guard()
            if await self.go_on():
                return 0.0  # a stranger's flood keeps nothing from being said again
            return GUARD_S if is_more else min(self._look_every_s, RETRY_S) / 2
        except (Retriable, Unreachable, KafkaError, TimeoutError, OSError) as exc:
            log.warning("keeper_waits", error=reason_of(exc))
            await self._drop_clients()
            await self._mend()
            return RETRY_S

    async def _mend(self) -> None:
        """Look whether topics are as they should be: of a partition that is not there nobody can ask, but for that."""
        with contextlib.suppress(Retriable, TimeoutError):
            async with asyncio.timeout(DEADLINE_S):
                await make_missing(self._cluster, self._centers())

    # -- what is missing ---------------------------------------------------------------------------------------------

    async def look(self) -> None:
        """Make topics that are missing, and ask for what is lost to be said again."""
        specs = {spec.name: spec for spec in standard_topics(list(self._centers()), list(STREAMS))}
        # SQL first: what the publisher adds meanwhile is in the broker by then, and no loss.
        known = await self._store.topics.reaches()
        consumer = await self._reading()
        async with asyncio.timeout(DEADLINE_S):
            there = await consumer.topics()
        if not specs.keys() <= there:
            await self._make(known)
            return  # the next look sees them
        ours = [spec for name, spec in specs.items() if not name.startswith(topic_in(""))]
        found = await self._ends(consumer, ours)
        losses = {loss.topic: loss for loss in lost(known, found)}
        # A broker that has just become a partition's leader may tell an older end for a moment: two looks must agree.
        sure = [loss for topic, loss in losses.items() if topic in self._suspected]
        self._suspected = losses
        if losses:  # what was made anew may have been made otherwise
            await make_missing(self._cluster, self._centers())
        for loss in sure:
            await self._ask(loss, found)
        grown = {at: Reach(*ends) for at, ends in found.items() if at not in known or ends[1] > known[at].next}
        if grown:
            await self._store.topics.acknowledged(grown)

    async def _make(self, known: Mapping[Partition, Reach]) -> None:
        made = await make_missing(self._cluster, self._centers())
        gone = {at: Reach(0, 0) for at in known if at[0] in made}
        if gone:
            await self._store.topics.forget(gone)
            await self._asked({topic: () for topic, _ in gone}, "it was gone")

    async def _ask(self, loss: Lost, found: Mapping[Partition, tuple[int, int]]) -> None:
        log.warning("topic_lost", topic=loss.topic, why=loss.why)
        at = {(loss.topic, number): Reach(*found[loss.topic, number]) for number in loss.partitions}
        await self._store.topics.forget(at)
        await self._asked({loss.topic: loss.partitions}, loss.why)
        self._suspected.pop(loss.topic, None)

    async def _asked(self, topics: Mapping[str, Collection[int]], why: str) -> None:
        if LANE in topics:
            self._lane_upto = None  # it is forgotten how far it was said, and so all of it is said
        others = {topic: partitions for topic, partitions in topics.items() if topic != LANE}
        if others:
            await self._store.topics.ask(others, why, self._clock())

    async def _guard(self) -> bool:
        """Say again what was displaced on the compacted topics, a page of each; return whether there is more to read.

        What HQ itself has written is read as well: it is what it says.
        """
        reaches, more = await self._store.topics.reaches(), False
        for topic in GUARDED:
            reach = reaches.get((topic, 0))
            if reach is None or reach.upto >= reach.next:
                continue
            begin = max(reach.upto, reach.first)
            records, behind = await read_on(await self._guard_reading(reaches), topic, begin, reach.next)
            displaced = await self._kept.displaced(topic, records)
            if displaced:
                remedy = f"only HQ may write {topic}; it was said again"
                self._seldom.warning("records_displaced", topic=topic, times=len(displaced), remedy=remedy)
                await self._send({(topic, 0): displaced})
            if behind > reach.upto:
                await self._store.topics.acknowledged({(topic, 0): Reach(reach.first, behind, behind)})
            more = more or begin < behind < reach.next
        return more

    async def _ends(self, consumer: Consumer, specs: Sequence[TopicSpec]) -> dict[Partition, tuple[int, int]]:
        places = [TopicPartition(spec.name, number) for spec in specs for number in range(spec.partitions)]
        know_leaders(consumer, places)
        async with asyncio.timeout(DEADLINE_S):
            begins, ends = await consumer.beginning_offsets(places), await consumer.end_offsets(places)
        return {(place.topic, place.partition): (begins[place], ends[place]) for place in places}

    # -- what is said -------------------------------------------------------------------------------------------------

    async def _say_schemas(self) -> None:
        if not self._said_schemas:
            await self._send({(SCHEMAS, 0): self._kept.schemas()})
            self._said_schemas = True

    async def _say_lane(self) -> None:
        """Say what the hq lane has more than `hub.lane`."""
        if self._lane_upto is None:
            reach = (await self._store.topics.reaches()).get((LANE, 0))
            self._lane_upto = 0 if reach is None else reach.upto
        while True:
            page = await self._kept.lane(self._lane_upto)
            if page.place is None:
                return
            reached = await self._send(page.places)
            self._lane_upto = int(page.place)
            end = reached.get((LANE, 0), (0, 0))[1]
            await self._store.topics.acknowledged({(LANE, 0): Reach(0, end, self._lane_upto)})

    async def go_on(self) -> bool:
        """Say the next page of the topic that was asked for first; return whether there was any."""
        if begun := await self._store.topics.begin_anew(self._clock()):
            log.warning("topics_begun_anew", topics=begun)
        waiting = [again for again in await self._store.topics.agains() if again.finished_at is None]
        if not waiting:
            return False
        again, now = waiting[0], self._clock()
        page = await self._kept.page(again, now)
        said = sum(len(records) for records in page.places.values())
        await (self._send_states(again, page.places) if again.topic.startswith("state.") else self._send(page.places))
        step = replace(again, place=page.place or "", done=again.done + said, missing=again.missing + page.missing)
        if page.place is None:
            step = replace(step, finished_at=now)
            log.info("topic_said_again", topic=again.topic, records=step.done, missing=step.missing, why=again.why)
        await self._store.topics.advance(step)
        return True

    async def _send_states(self, again: Again, places: Places) -> None:
        """Say a page of states, until what was said last of each is what SQL has behind that.

        A lane's owner may say a newer one between our reading of a page and the broker's taking it: then ours comes
        last on a topic that keeps what is last. Dying here is no loss: the page is said again.
        """
        said: dict[tuple[Partition, bytes | None], Outbound] = {}
        while any(places.values()):
            await self._send(places)
            said |= {(at, record[0]): record for at, records in places.items() for record in records}
            fresh = (await self._kept.page(again, self._clock())).places
            places = {
                at: [record for record in records if said.get((at, record[0])) != record]
                for at, records in fresh.items()
            }

    async def _send(self, places: Places) -> Mapping[Partition, tuple[int, int]]:
        if not any(places.values()):
            return {}
        reached = (await send_all(await self._writing(), places, REQUEST_TIMEOUT_S * 3)).places
        await self._store.topics.acknowledged({at: Reach(0, end) for at, (_, end) in reached.items()})
        return reached

    # -- whom it talks to ---------------------------------------------------------------------------------------------

    async def _writing(self) -> Producer:
        if self._producer is None:
            self._producer = await outward_producer(self._cluster, "cohub-keeper")
        return self._producer

    async def _reading(self) -> Consumer:
        if self._consumer is None:
            self._consumer = await self._cluster.consumer("cohub-keeper", deadline_s=REQUEST_TIMEOUT_S)
        return self._consumer

    async def _guard_reading(self, reaches: Mapping[Partition, Reach]) -> Consumer:
        places = [TopicPartition(topic, 0) for topic in GUARDED if (topic, 0) in reaches]
        if self._guarding is None or set(self._guarding.assignment()) != set(places):
            if self._guarding is None:
                self._guarding = await self._cluster.consumer("cohub-guard", deadline_s=REQUEST_TIMEOUT_S)
            self._guarding.assign(places)
            self._guarding.pause(*places)
        return self._guarding

    async def _drop_clients(self) -> None:
        clients = (self._producer, self._consumer, self._guarding)
        self._producer = self._consumer = self._guarding = None
        await close_all(clients)

    @staticmethod
    def _now_s() -> float:
        return asyncio.get_running_loop().time()
