"""The Faust transport `hub://`: reading positions come from SQL, and Faust carries whole fetches instead of events.

Three things differ from the aiokafka driver that it subclasses:

* after every rebalance the consumer seeks to where the Intakes say (`seek_to_committed` is Faust's hook for it), never
  to an offset committed in Kafka; nothing is committed there at all;
* one Faust message is what one fetch brought of one partition, so that Faust's cost per message (78 µs) is paid once a
  fetch;
* what is fetched is stamped at once, so that `Lanes` can tell what of it still counts.

Faust's own duplicate and gap filters compare offsets and would drop a whole topic that was deleted and made again. The
number that Faust sees is therefore a counter of ours, not the Kafka offset: sequences judge, offsets do not.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from aiokafka.errors import IllegalStateError, KafkaError
from faust.transport.drivers import aiokafka as driver
from faust.transport.utils import DefaultSchedulingStrategy
from faust.types import TP
from mode.threads import WorkerThread

from hub.base.clients import close
from hub.base.connection import make_only_for
from hub.base.reason import reason_of
from hub.base.total import FETCH_BYTES_MAX
from hub.protocol.errors import Fatal, Retriable
from hub.protocol.topics import center_of, topic_in
from hub.worker.faust_log import faust_log
from hub.worker.lanes import Fetched, Lanes, Stamp
from hub.worker.sharing import Sharing
from hub.worker.turns import Rank

FETCH_WAIT_MAX_MS = 250  # the driver's 1500 is how long a lane that was read slowly may wait behind the idle ones
BESIDE_AFTER_S, BESIDE_WAIT_MS = 0.005, 20  # for a row beside a lane of which much was fetched
ENDS_DEADLINE_S = 10.0  # for the broker to tell where its topics end
THREAD_DEADLINE_S = 30.0  # for the consumer's thread to answer at all


class OneRecord:
    """What one fetch brought of one partition, dressed as the one record that Faust passes on.

    The class attributes are what the driver's `_to_message` reads from a record and nobody needs here.
    """

    __slots__ = ("offset", "topic", "value")
    partition = 0
    key = headers = timestamp = timestamp_type = checksum = None
    serialized_key_size = serialized_value_size = 0

    def __init__(self, fetched: Fetched, number: int) -> None:
        self.topic = topic_in(fetched.center)
        self.value = fetched
        self.offset = number


class FetchScheduler(DefaultSchedulingStrategy):
    """Yields what was fetched of each partition as one message."""

    def iterate(self, records: Mapping[TP, OneRecord]) -> Iterator[tuple[TP, OneRecord]]:
        """Yield them as they were fetched: by their ranks, so that nobody starves."""
        return iter(records.items())


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
    """The driver's consumer thread; it stamps what it fetches with the move of the position it was fetched from."""

    logger = faust_log
    Worker = _Thread

    def __post_init__(self) -> None:
        super().__post_init__()
        self._stamps: dict[str, Stamp] = {}  # of each topic's last fetch
        self._numbers = itertools.count(1)

    def _create_worker_consumer(self, transport: Transport) -> Any:
        consumer = super()._create_worker_consumer(transport)
        make_only_for(consumer)
        consumer._fetch_max_wait_ms = FETCH_WAIT_MAX_MS  # noqa: SLF001 - the driver offers no setting for these three
        consumer._fetch_max_bytes = FETCH_BYTES_MAX  # noqa: SLF001
        consumer._partition_assignment_strategy = (Sharing(),)  # noqa: SLF001
        return consumer

    async def on_start(self) -> None:
        """Start the consumer; a lane of which much was fetched keeps no other waiting."""
        await super().on_start()
        self._ensure_consumer()._fetcher.ask_beside(BESIDE_AFTER_S, BESIDE_WAIT_MS)  # noqa: SLF001

    def on_crash(self, msg: str, *fmt: Any, **kwargs: Any) -> None:
        """Print nothing here: the app raises it."""

    def close(self) -> None:
        """Do nothing: called when a rebalance meets a stop, the driver would close the client from another loop.

        Its sockets would stay open and the group would not be told; `on_thread_stop` closes it where it lives.
        """

    async def on_thread_stop(self) -> None:
        """Stop what calls it, and close the consumer with all of its sockets: its event loop ends behind this.

        The driver awaits the consumer's `stop` here. That says nothing to a connection that aiokafka has let go of, and
        may be broken off by a cancellation of aiokafka's own before it has closed anything: see `close`.
        """
        await super(driver.AIOKafkaConsumerThread, self).on_thread_stop()
        if self._consumer is not None:
            await close(self._consumer)
            await asyncio.sleep(0)  # a socket is closed a turn later

    async def fetch(self, wanted: Mapping[TP, Rank], timeout_s: float, records_max: int) -> dict[TP, OneRecord]:
        """Fetch what is there, one message a partition, by their ranks, in the consumer's thread."""
        fetched: dict[TP, OneRecord] = await self.call_thread(self._fetch, wanted, timeout_s, records_max)
        return fetched

    async def move(self, positions: Mapping[str, int | None], number: int) -> None:
        """Seek, in the consumer's thread; see `Mover`."""
        await self.call_thread(self._move, {TP(topic, 0): offset for topic, offset in positions.items()}, number)

    async def progress(self, topics: Collection[str]) -> dict[str, tuple[Stamp, int]]:
        """See `Mover`. It passes by the queue of the calls above: it is asked because they may be stuck."""
        work = self._progress([TP(topic, 0) for topic in topics])
        try:
            asked = asyncio.run_coroutine_threadsafe(work, self.thread_loop)
        except RuntimeError as exc:  # its loop is closed: the reading side has ended before who asks
            work.close()
            raise Retriable("the thread that reads Kafka has ended") from exc
        try:
            async with asyncio.timeout(THREAD_DEADLINE_S):
                return await asyncio.wrap_future(asked)
        except TimeoutError as exc:
            raise Fatal(f"the thread that reads Kafka has not answered for {THREAD_DEADLINE_S} s") from exc

    async def _progress(self, tps: Collection[TP]) -> dict[str, tuple[Stamp, int]]:
        consumer = self._ensure_consumer()
        there = [tp for tp in tps if tp in consumer.assignment() and consumer.partitions_for_topic(tp.topic)]
        try:
            async with asyncio.timeout(ENDS_DEADLINE_S):
                ends = await consumer.end_offsets([driver.ensure_aiokafka_TP(tp) for tp in there]) if there else {}
        except (KafkaError, TimeoutError) as exc:
            raise Retriable(f"the broker did not tell where its topics end: {reason_of(exc)}") from exc
        found = {}
        for tp, end in ends.items():
            if tp not in consumer.assignment():
                continue  # a rebalance has come meanwhile
            state = self._state(consumer, tp)
            more = max(0, end - state.position) if state.has_valid_position else 1  # how many, it is not known yet
            found[tp.topic] = self._stamps.get(tp.topic, Stamp(0, 0)), more
        return found

    async def _fetch(self, wanted: Any, timeout_s: float, records_max: int) -> dict[TP, OneRecord]:
        fetched = await self._fetch_records(self._ensure_consumer(), wanted, timeout=timeout_s, max_records=records_max)
        # No await stands between taking the records and stamping them, nor in `_move` between seek and stamp.
        return {
            tp: OneRecord(
                Fetched(
                    center_of(tp.topic),
                    records,
                    self._stamp(tp.topic),
                    weight=getattr(records, "weight", 0),
                    has_more=self._has_more(tp),
                ),
                next(self._numbers),
            )
            for tp, records in fetched.items()
        }

    def _has_more(self, tp: TP) -> bool:
        """Return whether a partition had more when the broker was asked last.

        Markers of transactions, which stand behind their last record, are passed, and are nothing more.
        """
        consumer = self._ensure_consumer()
        if tp not in consumer.assignment():
            return False
        state = self._state(consumer, tp)
        return not state.has_valid_position or state.position < (state.highwater or 0)

    @staticmethod
    def _state(consumer: Any, tp: TP) -> Any:
        return consumer._subscription.subscription.assignment.state_value(driver.ensure_aiokafka_TP(tp))  # noqa: SLF001

    def _stamp(self, topic: str) -> Stamp:
        last = self._stamps.get(topic, Stamp(0, 0))
        stamp = self._stamps[topic] = Stamp(last.move, last.serial + 1)
        return stamp

    async def _move(self, positions: Mapping[TP, int | None], number: int) -> None:
        consumer = self._ensure_consumer()
        if not positions.keys() <= consumer.assignment():
            raise IllegalStateError("a rebalance has overtaken the seek")  # what aiokafka raises, or asserts, differs
        for tp, offset in positions.items():
            # Where the log begins later, 0 is out of range, and the fetcher goes to the earliest by itself. Asking the
            # broker for it would wait for a topic that was just deleted, and all lanes with it.
            consumer.seek(driver.ensure_aiokafka_TP(tp), offset or 0)
            self._stamps[tp.topic] = Stamp(number, 0)


class Consumer(driver.Consumer):
    """The driver's consumer, with positions from the Intakes and one message for what one fetch brings of a lane."""

    logger = faust_log

    def _new_consumer_thread(self) -> LaneThread:
        thread = LaneThread(self, loop=self.loop, beacon=self.beacon)
        self.app.lanes.mover = thread
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

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> dict[TP, OneRecord]:  # noqa: ASYNC109
        lanes: Lanes = self.app.lanes
        await lanes.room()
        topics, records_max = lanes.wanted(tp.topic for tp in active_partitions or ())
        wanted = {tp: topics[tp.topic] for tp in active_partitions or () if tp.topic in topics}
        timeout_s = lanes.patience(timeout)
        if not wanted:  # to aiokafka an empty set means all partitions
            await lanes.resumed(timeout_s)
            return {}
        found: dict[TP, OneRecord] = await self._thread.fetch(wanted, timeout_s, records_max)
        while not self.flow_active:
            # A rebalance. Were records returned now, Faust would seek in the middle of it. They are kept all the same:
            # they may have been fetched after the seek that ends it. If not, their stamp says so.
            if (await self.wait(self.can_resume_flow)).stopped:
                return {}
        lanes.admit(record.value for record in found.values())
        return found


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
