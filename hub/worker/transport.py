"""The Faust transport `hub://`: reading positions come from SQL, and Faust carries batches instead of events.

Three things differ from the aiokafka driver that it subclasses:

* after every rebalance the consumer seeks to where the Intakes say (`seek_to_committed` is Faust's hook for it), never
  to an offset committed in Kafka; nothing is committed there at all;
* one Faust message is one fetched partition batch, so that Faust's cost per message (78 µs) is paid once per fetch;
* a batch reaches `Intakes.handle` only if it was fetched under the lane's present *epoch*. Every assignment, revocation
  and seek begins a new epoch, in the same step of the consumer thread's loop that moves the position, so that nothing
  fetched earlier can slip through, wherever it is buffered.

Faust's own duplicate and gap filters compare offsets and would drop a whole topic that was deleted and made again. The
number that Faust sees is therefore a counter of ours, not the Kafka offset: sequences judge, offsets do not.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Awaitable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import structlog
from aiokafka import ConsumerRecord
from aiokafka.errors import IllegalStateError
from faust.transport.drivers import aiokafka as driver
from faust.transport.utils import DefaultSchedulingStrategy
from faust.types import TP
from mode.threads import WorkerThread

from hub.protocol.errors import Fatal

TOPIC_PREFIX = "in."
RECORDS_AHEAD_MAX = (
    4000  # fetched and not yet handled; fetching goes on below it, so at most one poll more is in memory
)
FETCH_WAIT_MAX_MS = 250  # the driver's 1500 is how long a lane that was read slowly may wait behind the idle ones
PAUSED_POLL_S = 0.1  # while a lane is paused polls are this short, so that its resumption is noticed

log = structlog.get_logger(__name__)
faust_log = logging.getLogger("faust.hub")  # mode gives each service a logger named after its module: these are Faust's


def topic_of(center: str) -> str:
    """Return the topic that a center writes to."""
    return TOPIC_PREFIX + center


def center_of(topic: str) -> str:
    """Return the center that writes to this topic."""
    return topic.removeprefix(TOPIC_PREFIX)


class Intakes(Protocol):
    """What the transport serves: the owner of the lanes' positions and the taker of their records."""

    def attach(self, reader: Lanes) -> None:
        """Keep the object with which positions are moved. Called once, before anything else."""

    async def assign(self, centers: Sequence[str]) -> dict[str, int | None]:
        """Claim these lanes; return for each the offset to read next in `in.<center>`, None for the earliest."""

    async def revoke(self, centers: Sequence[str]) -> None:
        """Let go of these lanes. No batch of theirs is being handled now, or will be before the next `assign`."""

    async def handle(self, center: str, records: Sequence[ConsumerRecord]) -> None:
        """Take one fetched batch, in order. Never runs twice at once. What it raises ends the process."""


class Stamp(NamedTuple):
    """Which batch this is: the `serial`-th, from 1, that was fetched since the move of the position named `epoch`."""

    epoch: int
    serial: int


class Batch:
    """One fetched partition batch, dressed as the one record that Faust passes on.

    The class attributes are what the driver's `_to_message` reads from a record and nobody needs here.
    """

    __slots__ = ("center", "epoch", "offset", "records", "round", "serial", "topic")
    partition = 0
    key = headers = timestamp = timestamp_type = checksum = None
    serialized_key_size = serialized_value_size = 0

    def __init__(self, topic: str, records: Sequence[ConsumerRecord], stamp: Stamp, number: int) -> None:
        self.topic = topic
        self.center = center_of(topic)
        self.records = records
        self.epoch, self.serial = stamp
        self.offset = number
        self.round = 0

    @property
    def value(self) -> Batch:
        """Return the batch itself: it is the value of its message."""
        return self


class BatchScheduler(DefaultSchedulingStrategy):
    """Yields each fetched partition batch as one message."""

    def iterate(self, records: Mapping[TP, Batch]) -> Iterator[tuple[TP, Batch]]:
        """Yield the batches as they were fetched; aiokafka shuffles the lanes with each fetch, so nobody starves."""
        return iter(records.items())


@dataclass(slots=True)
class _Lane:
    """Where a lane is read: the stamp that its next batch must carry, and the offset to go back to if it does not."""

    epoch: int
    serial: int
    next_offset: int | None


class Lanes:
    """The reading side of the lanes that this worker owns: one gate to `handle`, and the handle for moving positions.

    `_turn` guards the Intakes: assign, revoke and handle never overlap. It lives in the loop of the app; positions live
    in the consumer thread and are reached through `thread`. Rebalances are eager: all lanes go, then some come.
    """

    def __init__(self, intakes: Intakes) -> None:
        self.thread: LaneThread | None = None
        self.failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.in_hand: tuple[str | None, float] = None, 0.0  # whose batch is being handled, and since when (loop time)
        self._intakes = intakes
        self._turn = asyncio.Lock()
        self._lanes: dict[str, _Lane] = {}  # those that are read now
        self._claimed: list[str] = []  # those that the Intakes hold
        self._epochs = itertools.count(1)
        self._rebalances = 0  # begun; an assignment that is not of the newest one comes too late
        self._paused: set[str] = set()
        self._wake = asyncio.Event()
        self._records_ahead = 0
        self._round = 0  # counts assignments: batches that a rebalance swallowed must not be counted as waiting
        self._closed = False
        intakes.attach(self)

    # -- for the Intakes -------------------------------------------------------------------------------------------

    async def seek(self, center: str, offset: int | None) -> None:
        """Read this lane from `offset` on (None: from the earliest record), from the next batch.

        May be called inside `handle`. Nothing fetched before the seek reaches `handle` after it. A seek on a lane
        that was just revoked does nothing: its next owner asks SQL.
        Errors: Fatal if the broker does not answer.
        """
        if center not in self._lanes:
            return
        try:
            await self._move({center: offset})
        except IllegalStateError:
            log.info("seek_on_revoked_lane", center=center)

    def pause(self, center: str) -> None:
        """Fetch nothing more of this lane until `resume` or the next assignment. Batches fetched already still come."""
        self._paused.add(center)

    def resume(self, center: str) -> None:
        """Fetch this lane again."""
        self._paused.discard(center)
        self._wake.set()

    @property
    def centers(self) -> list[str]:
        """Return the centers whose lanes this worker reads now."""
        return sorted(self._lanes)

    # -- for the transport -----------------------------------------------------------------------------------------

    async def take(self, batch: Batch) -> None:
        """Hand a batch to the Intakes, or drop it if its lane has moved on since it was fetched."""
        async with self._turn:
            try:
                await self._take(batch)
            finally:
                self.in_hand = None, 0.0
                if batch.round == self._round:
                    self._records_ahead -= len(batch.records)
                    self._wake.set()

    async def _take(self, batch: Batch) -> None:
        lane = self._lanes.get(batch.center)
        if lane is None or lane.epoch != batch.epoch:
            return
        if lane.serial != batch.serial:
            log.warning("batch_lost_on_the_way", center=batch.center, reread_from=lane.next_offset)
            await self.seek(batch.center, lane.next_offset)
            return
        lane.serial += 1
        lane.next_offset = batch.records[-1].offset + 1
        self.in_hand = batch.center, asyncio.get_running_loop().time()
        await self._intakes.handle(batch.center, batch.records)

    def assign(self, centers: Sequence[str]) -> Awaitable[None]:
        """Ask the Intakes where to read these lanes, and go there. One that is overtaken by the next is undone."""
        self._rebalances += 1
        return self._assign(centers, self._rebalances)

    async def _assign(self, centers: Sequence[str], rebalance: int) -> None:
        async with self._turn:
            if rebalance != self._rebalances or self._closed:
                return
            try:
                await self._release()
                self._round += 1
                self._records_ahead = 0
                self._wake.set()
                self._claimed = list(centers)
                positions = await self._intakes.assign(centers)
                await self._move({center: positions[center] for center in centers})
            except IllegalStateError:
                await self._release()
                raise  # another rebalance has begun; Faust starts over
            except Exception as exc:
                self.fail(exc)
                raise
            log.info("lanes_assigned", lanes=len(centers))

    async def revoke(self) -> None:
        """Stop handling, wait for the batch in hand, then tell the Intakes."""
        self._rebalances += 1
        self._lanes.clear()  # from here on no batch begins
        async with self._turn:
            try:
                await self._release()
            except Exception as exc:  # noqa: BLE001 - aiokafka logs what a rebalance listener raises and goes on
                self.fail(exc)

    async def _release(self) -> None:
        self._lanes.clear()
        self._paused.clear()
        released, self._claimed = self._claimed, []
        if released:
            await self._intakes.revoke(released)
            log.info("lanes_revoked", lanes=len(released))

    async def close(self) -> None:
        """Begin no further batch, let the one in hand finish, give the lanes back."""
        self._closed = True
        await self.revoke()

    def fail(self, exc: BaseException) -> None:
        """Make `exc` the reason why the process ends; the first one counts."""
        if not self.failure.done():
            self.failure.set_exception(exc)
            self.failure.exception()  # whoever runs the app raises it; it is not "never retrieved" without one

    async def room(self) -> None:
        """Wait until few enough fetched records wait for `handle`."""
        while self._records_ahead >= RECORDS_AHEAD_MAX:
            self._wake.clear()
            await self._wake.wait()

    def admit(self, batches: Iterable[Batch]) -> None:
        """Count what was fetched."""
        for batch in batches:
            batch.round = self._round
            self._records_ahead += len(batch.records)

    def fetchable(self, active: set[TP], timeout_s: float) -> tuple[set[TP], float]:
        """Return what to fetch from and for how long: without the paused lanes, and briefly while there are any."""
        if not self._paused:
            return active, timeout_s
        return {tp for tp in active if center_of(tp.topic) not in self._paused}, min(timeout_s, PAUSED_POLL_S)

    async def resumed(self, timeout_s: float) -> None:
        """Wait a moment for a lane to be resumed."""
        self._wake.clear()
        try:
            await asyncio.wait_for(self._wake.wait(), timeout_s)
        except TimeoutError:
            return

    async def _move(self, positions: Mapping[str, int | None]) -> None:
        if self.thread is None:
            raise Fatal("a lane was moved before the consumer had started")
        epoch = next(self._epochs)
        self._lanes.update({center: _Lane(epoch, 1, offset) for center, offset in positions.items()})
        await self.thread.move({TP(topic_of(center), 0): offset for center, offset in positions.items()}, epoch)


class _Thread(WorkerThread):
    """A thread that does not keep a process alive whose reading side missed its deadline."""

    def __init__(self, service: LaneThread, **kwargs: Any) -> None:
        super().__init__(service, **kwargs)
        self.daemon = True

    def run(self) -> None:
        """Run the service; what crashed it has been handed to the app, which raises it."""
        try:
            super().run()
        except Exception:
            if not self.service.crashed:
                raise


class LaneThread(driver.AIOKafkaConsumerThread):
    """The driver's consumer thread; it stamps what it fetches with the epoch of the position it was fetched from."""

    logger = faust_log
    Worker = _Thread

    def __post_init__(self) -> None:
        super().__post_init__()
        self._stamps: dict[str, Stamp] = {}  # of each topic's last batch
        self._numbers = itertools.count(1)

    def _create_worker_consumer(self, transport: Transport) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = FETCH_WAIT_MAX_MS  # noqa: SLF001 - the driver offers no setting
        return consumer

    def on_crash(self, msg: str, *fmt: Any, **kwargs: Any) -> None:
        """Print nothing here: the app raises it."""

    async def on_thread_stop(self) -> None:
        """Stop the consumer, also while its broker is away."""
        try:
            await super().on_thread_stop()
        except asyncio.CancelledError:
            # aiokafka's fetcher cancels a fetch that waits to be tried again, and is then cancelled by it itself, after
            # the coordinator and before the client were closed. Left alone the thread would die without saying so, and
            # the app would wait for it until its deadline.
            await self._ensure_consumer()._client.close()  # noqa: SLF001

    async def getmany(self, active_partitions: set[TP] | None, timeout: float) -> dict[TP, Batch]:  # noqa: ASYNC109
        """Fetch what is there, one batch a partition, in the consumer's thread."""
        fetched: dict[TP, Batch] = await self.call_thread(self._fetch, active_partitions, timeout)
        return fetched

    async def move(self, positions: Mapping[TP, int | None], epoch: int) -> None:
        """Seek, in the consumer's thread; None is the earliest record. IllegalStateError if no longer assigned."""
        await self.call_thread(self._move, positions, epoch)

    async def _fetch(self, active_partitions: set[TP] | None, timeout_s: float) -> dict[TP, Batch]:
        consumer = self._ensure_consumer()
        fetched = await self._fetch_records(
            consumer,
            active_partitions,
            timeout=timeout_s,
            max_records=self.app.conf.broker_max_poll_records,
        )
        # No await stands between taking the records and stamping them, nor in `_move` between seek and epoch.
        return {
            tp: Batch(tp.topic, records, self._stamp(tp.topic), next(self._numbers)) for tp, records in fetched.items()
        }

    def _stamp(self, topic: str) -> Stamp:
        last = self._stamps.get(topic, Stamp(0, 0))
        stamp = self._stamps[topic] = Stamp(last.epoch, last.serial + 1)
        return stamp

    async def _move(self, positions: Mapping[TP, int | None], epoch: int) -> None:
        consumer = self._ensure_consumer()
        from_earliest = [driver.ensure_aiokafka_TP(tp) for tp, offset in positions.items() if offset is None]
        earliest = await consumer.beginning_offsets(from_earliest) if from_earliest else {}
        if not positions.keys() <= consumer.assignment():
            raise IllegalStateError("a rebalance has overtaken the seek")  # what aiokafka raises, or asserts, differs
        for tp, offset in positions.items():
            consumer.seek(driver.ensure_aiokafka_TP(tp), earliest[tp] if offset is None else offset)
            self._stamps[tp.topic] = Stamp(epoch, 0)


class Consumer(driver.Consumer):
    """The driver's consumer, with positions from the Intakes and one message per fetched batch."""

    logger = faust_log

    def _new_consumer_thread(self) -> LaneThread:
        thread = LaneThread(self, loop=self.loop, beacon=self.beacon)
        self.app.lanes.thread = thread
        return thread

    async def subscribe(self, topics: Iterable[str]) -> None:
        """Subscribe; a hub that has no center yet subscribes to nothing, which aiokafka refuses."""
        names = set(topics)
        if names:
            await super().subscribe(names)

    def highwater(self, tp: TP) -> int:  # noqa: ARG002
        """Return nothing of use: only Faust's monitor asks, and aiokafka may have lost the partition a moment ago."""
        return 0

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Seek where the Intakes say. Returns nothing: Faust is to remember no offsets."""
        centers = sorted(center_of(tp.topic) for tp in self.assignment())
        # Faust cancels this when the next rebalance begins; a claim in SQL is never left half made.
        claim = asyncio.ensure_future(self.app.lanes.assign(centers))
        claim.add_done_callback(lambda done: done.cancelled() or done.exception())
        await asyncio.shield(claim)
        return {}

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Let Faust empty its buffers, then let go of the lanes, before anybody else may be given them."""
        await super().on_partitions_revoked(revoked)
        await self.app.lanes.revoke()

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> dict[TP, Batch]:  # noqa: ASYNC109
        lanes: Lanes = self.app.lanes
        await lanes.room()
        wanted, timeout_s = lanes.fetchable(active_partitions or set(), timeout)
        if not wanted:  # to aiokafka an empty set means all partitions
            await lanes.resumed(timeout_s)
            return {}
        batches: dict[TP, Batch] = await self._thread.getmany(wanted, timeout_s)
        while not self.flow_active:
            # A rebalance. Were records returned now, Faust would seek in the middle of it. They are kept all the same:
            # they may have been fetched after the seek that ends it. If not, their epoch says so.
            if (await self.wait(self.can_resume_flow)).stopped:
                return {}
        lanes.admit(batches.values())
        return batches


class Conductor(driver.base.Conductor):
    """Faust's conductor, which can take up topics while it runs.

    Its own way waits 45 s to gather changes, and forgets a change that is made during a rebalance.
    """

    logger = faust_log

    async def add_topics(self, names: Iterable[str]) -> None:
        """Subscribe to these topics too, beside those of the agent that reads the lanes."""
        await self.app.agents.wait_until_agents_started()  # the agent's channel is here from then on
        for channel in self:
            channel.topics = [*channel.topics, *(name for name in names if name not in channel.topics)]
        await self.app.consumer.subscribe(await self._update_indices())


class Transport(driver.Transport):
    """What `faust.App(broker="hub://host:port")` loads, by the entry point `faust.transports`."""

    Consumer = Consumer
    Conductor = Conductor


__all__ = ["Batch", "BatchScheduler", "Intakes", "Lanes", "Transport", "center_of", "topic_of"]
