"""What the transport relies on inside Faust and mode, tried on them, without a broker.

An upgrade that changes one of these is told here by name, not at a site. What needs a broker to be seen is tried in
tests/integration/worker/test_transport_kafka.py; what is relied on inside aiokafka, in test_aiokafka_contract.py.
"""

from __future__ import annotations

import asyncio
import tomllib
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from aiokafka import ConsumerRecord
from aiokafka.errors import IllegalStateError
from faust.tables.manager import TableManager
from faust.transport import by_url
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from mode import Service
from mode.threads import QueueServiceThread
from packaging.requirements import Requirement

from hub.kafka.cluster import Cluster
from hub.worker.app import App, ReaderSettings, create_app
from hub.worker.lanes import Fetched, Stamp
from hub.worker.ports import LaneHandle
from hub.worker.transport import FETCH_WAIT_MAX_MS, Consumer, LaneThread, OneRecord, Transport

UZ, KZ = TP("in.uz", 0), TP("in.kz", 0)
PYPROJECT = Path(__file__).parents[4] / "pyproject.toml"


class Journal:
    """Intakes that write down what they are asked, and how things stood then."""

    def __init__(self) -> None:
        self.assigned: list[list[str]] = []
        self.on_revoke: Callable[[], None] = lambda: None

    def attach(self, reader: LaneHandle) -> None:
        """No position is moved."""

    async def assign(self, centers: Sequence[str]) -> dict[str, int | None]:
        self.assigned.append(list(centers))
        return dict.fromkeys(centers)

    async def revoke(self, centers: Sequence[str]) -> None:
        self.on_revoke()

    async def handle(self, center: str, records: Sequence[ConsumerRecord]) -> None:
        raise NotImplementedError


class Fed(Consumer):
    """Our consumer with answers of the test's in place of a broker's."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.answers: list[dict[TP, OneRecord]] = []
        self.asked: list[set[TP] | None] = []
        self.sought = 0
        self.seek_error: Exception | None = None
        self.journal: list[str] = []
        self.meanwhile: Callable[[], None] = lambda: None

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> dict[TP, OneRecord]:  # noqa: ASYNC109
        self.asked.append(active_partitions)
        self.meanwhile()
        return self.answers.pop(0) if self.answers else {}

    async def seek_to_committed(self) -> dict[TP, int]:
        self.sought += 1
        self.journal.append("seek")
        error, self.seek_error = self.seek_error, None
        if error is not None:
            raise error
        return {}

    def assignment(self) -> set[TP]:
        return {UZ}

    def resume_partitions(self, tps: set[TP]) -> None:
        self.journal.append("resume partitions")
        super().resume_partitions(tps)

    def resume_flow(self) -> None:
        self.journal.append("resume flow")
        super().resume_flow()


def app_of(*centers: str, intakes: Journal | None = None) -> App:
    return create_app(ReaderSettings(cluster=Cluster.at("localhost:9092")), intakes or Journal(), centers)


async def drop(message: Any) -> None:
    """Take a message to nowhere."""


@pytest.fixture
def fed() -> Iterator[Callable[..., Fed]]:
    """Yield what makes the consumer of an app, which lets records flow."""
    loops: list[asyncio.AbstractEventLoop] = []

    def make(app: App, callback: Callable[[Any], Any] = drop) -> Fed:
        told = app._on_partitions_revoked, app._on_partitions_assigned
        made = Fed(app.transport, callback, *told, loop=asyncio.get_running_loop(), beacon=app.beacon)
        loops.append(made._thread.thread_loop)  # of a thread that is never started
        made._active_partitions = {UZ, KZ}
        made.resume_flow()
        made.journal.clear()
        app.consumer = made
        return made

    yield make
    for loop in loops:
        loop.close()


def fetched(number: int, center: str = "uz") -> OneRecord:
    return OneRecord(Fetched(center, [], Stamp(1, number)), number)


async def numbers(consumer: Fed) -> list[int]:
    """Return what one turn of Faust's reading yields."""
    return [message.offset async for _, message in consumer.getmany(timeout=0.0)]


# -- the versions ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "extra"), [("aiokafka", None), ("faust-streaming", "hq")])
def test_version_is_one_that_this_was_written_for(name: str, extra: str | None) -> None:
    """Both are held below their next minor version, whose inner workings nobody has read yet."""
    project = tomllib.loads(PYPROJECT.read_text("utf-8"))["project"]
    listed = project["optional-dependencies"][extra] if extra else project["dependencies"]
    (wanted,) = (found for found in map(Requirement, listed) if found.name == name)
    assert any(part.operator == "<" for part in wanted.specifier)
    assert wanted.specifier.contains(version(name))


# -- the way of what was fetched ---------------------------------------------------------------------------------------


def test_entry_point_names_the_transport() -> None:
    """`hub://` is found by Faust in any installation of cohub."""
    assert by_url("hub://localhost:9092") is Transport


async def test_fetch_passes_through_the_driver_and_the_raw_codec_unchanged(fed: Callable[..., Fed]) -> None:
    """The driver reads nothing of a record that ours does not have; the agent sees the value itself."""
    app = app_of("uz")
    consumer = fed(app)
    record = fetched(17)
    message = consumer._to_message(UZ, record)
    topic = app.topic("in.uz", key_serializer="raw", value_serializer="raw", acks=False)
    event = await topic.decode(message)
    assert event.value is record.value
    assert (message.offset, message.generation_id) == (17, app.consumer_generation_id)


async def test_getmany_asks_once_and_yields_one_message_for_each_fetch(fed: Callable[..., Fed]) -> None:
    """Faust's cost per message is paid once a fetch, in the order in which the scheduler gives them."""
    consumer = fed(app_of("uz", "kz"))
    consumer.answers = [{KZ: fetched(4, "kz"), UZ: fetched(5)}]
    assert await numbers(consumer) == [4, 5]
    assert consumer.asked == [{UZ, KZ}]


async def test_getmany_whose_flow_stopped_meanwhile_yields_nothing_and_seeks(fed: Callable[..., Fed]) -> None:
    """A rebalance that comes while records are fetched: nothing of them is handled, and positions are asked for."""
    consumer = fed(app_of("uz"))
    consumer.answers = [{UZ: fetched(1)}]
    consumer.meanwhile = consumer.stop_flow
    assert (await numbers(consumer), consumer.sought) == ([], 1)


async def test_getmany_waits_for_the_flow(fed: Callable[..., Fed]) -> None:
    """While a rebalance lasts nothing is fetched."""
    consumer = fed(app_of("uz"))
    consumer.stop_flow()
    consumer.answers = [{UZ: fetched(1)}]
    waiting = asyncio.create_task(numbers(consumer))
    for _ in range(10):
        await asyncio.sleep(0)
    assert (waiting.done(), consumer.asked) == (False, [])
    consumer.resume_flow()
    assert await asyncio.wait_for(waiting, 5) == [1]


async def test_getmany_fetches_nothing_while_no_lane_is_active(fed: Callable[..., Fed]) -> None:
    """And only then: a fetch of no lanes would be one of all lanes."""
    consumer = fed(app_of("uz"))
    consumer._active_partitions = set()
    asking = asyncio.create_task(numbers(consumer))
    for _ in range(10):
        await asyncio.sleep(0)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    assert consumer.asked == []


async def test_messages_are_passed_on_in_order_while_their_numbers_rise(fed: Callable[..., Fed]) -> None:
    """Our numbers always rise, so that Faust's filter of duplicates drops none of ours, and gaps don't matter."""
    app, seen = app_of("uz"), list[int]()

    async def pass_on(message: Any) -> None:
        seen.append(message.offset)
        if message.offset == 9:
            consumer._stopped.set()

    consumer = fed(app, pass_on)
    consumer.answers = [{UZ: fetched(1)}, {UZ: fetched(5)}, {UZ: fetched(4)}, {UZ: fetched(9)}]
    await asyncio.wait_for(consumer._drain_messages(app._fetcher), 10)
    assert seen == [1, 5, 9]


async def test_seek_remembers_no_offset_that_it_is_not_told(fed: Callable[..., Fed]) -> None:
    """Our `seek_to_committed` returns none: nothing of Kafka's offsets can come back into play."""
    consumer = fed(app_of("uz"))
    await consumer.perform_seek()
    assert (dict(consumer._read_offset), dict(consumer._committed_offset)) == ({}, {})


# -- the consumer's thread ---------------------------------------------------------------------------------------------


async def test_thread_is_ours_and_so_is_what_it_makes(fed: Callable[..., Fed]) -> None:
    """Read by group, round robin over all workers, nothing committed, and lanes are not held up by idle ones."""
    app = app_of("uz")
    consumer = fed(app)
    thread = consumer._thread
    assert type(thread) is LaneThread
    made = thread._create_worker_consumer(app.transport)
    assert made._enable_auto_commit is False
    assert made._fetch_max_wait_ms == FETCH_WAIT_MAX_MS
    (assignor,) = made._partition_assignment_strategy
    assert assignor.name == "roundrobin"
    await made.stop()


class FakeKafka:
    """Stands where the thread's aiokafka consumer does."""

    def __init__(self) -> None:
        self.closed: list[str] = []
        self._closed = False
        self._fetcher = self
        self._subscriptions = self
        self._client = self._coordinator = self
        self.stop_error: BaseException | None = None

    def fetch_context(self) -> FakeKafka:
        return self

    def __enter__(self) -> None:
        """Nothing is held."""

    def __exit__(self, *raised: object) -> None:
        """Nothing is held."""

    async def fetched_records(self, tps: set[TP], timeout: float, max_records: int) -> dict[TP, list[Any]]:  # noqa: ASYNC109
        return {tp: ["record"] for tp in tps}

    async def stop(self) -> None:
        self.closed.append("stop")
        if self.stop_error is not None:
            raise self.stop_error

    async def close(self) -> None:
        self.closed.append("close")


async def test_fetched_records_are_stamped_in_the_step_that_took_them(fed: Callable[..., Fed]) -> None:
    """Neither the driver nor ours waits in between, so that no seek can come between them."""
    consumer = fed(app_of("uz"))
    thread = consumer._thread
    thread._consumer = FakeKafka()
    work = thread._fetch({UZ}, 1.0)
    with pytest.raises(StopIteration) as done:
        work.send(None)
    assert done.value.value[UZ].value.stamp == Stamp(0, 1)


async def test_rebalance_that_meets_a_stop_closes_nothing_from_the_wrong_loop(fed: Callable[..., Fed]) -> None:
    """Faust then calls `close`, which in the driver closes the client from the app's loop; ours leaves it alone."""
    app = app_of("uz")
    consumer = fed(app)
    kafka = consumer._thread._consumer = FakeKafka()
    app._on_rebalance_when_stopped()
    await asyncio.sleep(0.01)
    assert kafka.closed == []
    kafka.stop_error = asyncio.CancelledError()
    await consumer._thread.on_thread_stop()
    assert kafka.closed == ["stop", "close"]


async def test_call_runs_in_the_threads_loop_and_two_of_them_at_once() -> None:
    """A fetch that waits for records does not hold up the seek behind it."""
    thread = QueueServiceThread(loop=asyncio.get_running_loop())
    await thread.start()
    try:
        sought = asyncio.Event()

        async def fetch() -> Any:
            await sought.wait()
            return asyncio.get_running_loop()

        async def seek() -> Any:
            sought.set()
            return asyncio.get_running_loop()

        calls = asyncio.gather(thread.call_thread(fetch), thread.call_thread(seek))
        assert list(await asyncio.wait_for(calls, 10)) == [thread.thread_loop] * 2
        assert thread.thread_loop is not asyncio.get_running_loop()
    finally:
        await thread.stop()


# -- rebalances --------------------------------------------------------------------------------------------------------


async def test_lanes_are_let_go_of_when_nothing_flows_and_nothing_is_buffered(fed: Callable[..., Fed]) -> None:
    """Faust stops the flow and empties its queues before our part of a revocation begins."""
    intakes = Journal()
    app = app_of("uz", intakes=intakes)
    consumer = fed(app)
    (agent,) = app.agents.values()
    queue = agent.channel.queue
    queue.put_nowait("what the agent would have seen")
    found: list[tuple[bool, bool]] = []
    intakes.on_revoke = lambda: found.append((consumer.flow_active, queue.empty()))
    app.lanes._claimed = ["uz"]
    await consumer.on_partitions_revoked({UZ})
    assert found == [(False, True)]


async def test_kafkas_listener_waits_until_the_lanes_are_let_go_of() -> None:
    """Nobody else is given a lane before."""
    begun, release = asyncio.Event(), asyncio.Event()

    class Thread:
        app = app_of("uz")

        async def on_partitions_revoked(self, revoked: Iterable[TP]) -> None:
            begun.set()
            await release.wait()

    listener = driver.ConsumerRebalanceListener(Thread())
    telling = asyncio.ensure_future(listener.on_partitions_revoked([UZ]))
    await asyncio.wait_for(begun.wait(), 5)
    assert not telling.done()
    release.set()
    await telling


async def test_assignment_ends_in_a_seek_before_anything_flows(fed: Callable[..., Fed]) -> None:
    """Without tables the recovery resumes the lanes, asks where to read them, and only then lets records flow."""
    app = app_of("uz")
    consumer = fed(app)
    consumer.stop_flow()
    await app.tables.recovery._resume_streams(generation_id=app.consumer_generation_id)
    assert consumer.journal == ["resume partitions", "seek", "resume flow"]
    await app._fetcher.stop()


async def test_assignment_wakes_the_recovery_which_starts_over_when_it_is_overtaken(fed: Callable[..., Fed]) -> None:
    """A seek that meets the next rebalance is no failure: Faust waits for that one."""
    app = app_of("uz")
    consumer = fed(app)
    consumer.stop_flow()
    consumer.seek_error = IllegalStateError("overtaken")
    recovery = app.tables.recovery
    await recovery.start()
    try:
        async with asyncio.timeout(10):
            await app.tables.on_rebalance({UZ}, set(), {UZ}, app.consumer_generation_id)
            while consumer.sought < 1:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.05)
            assert not consumer.flow_active
            await app.tables.on_rebalance({UZ}, set(), {UZ}, app.consumer_generation_id)
            while not consumer.flow_active:
                await asyncio.sleep(0.01)
        assert consumer.sought == 2
    finally:
        await recovery.stop()
        await app._fetcher.stop()


async def test_conductor_gives_each_topic_to_the_channel_that_names_it() -> None:
    """A center that is added to the one channel is subscribed to, and its records reach the one agent."""
    app = app_of("uz")
    (agent,) = app.agents.values()
    app.topics.add(agent.channel)
    agent.channel.topics = [*agent.channel.topics, "in.kz"]
    assert set(await app.topics._update_indices()) == {"in.uz", "in.kz"}
    app.topics._update_tp_index({UZ, KZ})
    assert {tp: set(channels) for tp, channels in app.topics._tp_index.items()} == {
        UZ: {agent.channel},
        KZ: {agent.channel},
    }


# -- starting and failing ----------------------------------------------------------------------------------------------


async def test_tables_are_started_as_faust_does_without_its_second_of_waiting(fed: Callable[..., Fed]) -> None:
    """What Faust's own start does besides sleeping is all that ours does."""
    app, other = app_of("uz"), app_of("uz")
    fed(app), fed(other)
    ours = app.tables
    async with asyncio.timeout(0.5):
        await ours.on_start()

    class Theirs(TableManager):
        async def sleep(self, n: Any, *, loop: Any = None) -> None:
            """Waited for nobody."""

    theirs = Theirs(other)
    await theirs.on_start()
    assert (
        (ours.recovery.started, dict(ours._channels)) == (theirs.recovery.started, dict(theirs._channels)) == (True, {})
    )
    for tables in (ours, theirs):
        await tables.recovery.stop()


async def test_crash_of_a_part_is_seen_at_the_app(fed: Callable[..., Fed]) -> None:
    """A part that fails ends the wait for the app's end, and its reason is there."""
    app = app_of("uz")
    reason = ValueError("a part failed")
    part = Service(beacon=fed(app).beacon, loop=asyncio.get_running_loop())
    waiting = asyncio.create_task(app.wait_until_stopped())
    await asyncio.sleep(0)
    await part.crash(reason)
    assert app.crash_reason is reason
    await asyncio.wait_for(waiting, 5)


async def test_app_settings_keep_faust_out_of_kafka() -> None:
    """No leader topic, no tables, no standbys, no acknowledgements, no web server."""
    app = create_app(ReaderSettings(cluster=Cluster.at("a:1,b:2")), Journal(), ["uz", "kz"])
    conf = app.conf
    assert [str(url) for url in conf.broker] == ["hub://a:1", "hub://b:2"]
    assert conf.topic_disable_leader
    assert not conf.topic_allow_declare
    assert not conf.web_enabled
    assert conf.table_standby_replicas == 0
    assert conf.broker_max_poll_records == 2000
    (agent,) = app.agents.values()
    assert agent.concurrency == 1
    assert sorted(agent.channel.topics) == ["in.kz", "in.uz"]
    assert agent.channel.acks is False
