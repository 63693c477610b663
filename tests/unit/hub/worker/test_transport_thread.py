"""What the transport relies on inside Faust's thread of the consumer, tried without a broker."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP
from mode.threads import QueueServiceThread

from hub.base.access import Security
from hub.kafka.cluster import Cluster
from hub.worker.lanes import Stamp
from hub.worker.sharing import Sharing
from hub.worker.transport import FETCH_WAIT_MAX_MS, LaneThread
from tests.support.cancelled import Cancelled
from tests.support.certificates import Authority
from tests.support.fed import UZ, Fed, app_of
from tests.support.kafka_listener import broker_listening, opened_to


async def test_thread_is_ours_and_so_is_what_it_makes(fed: Callable[..., Fed]) -> None:
    """Read by group, shared as all members can share, nothing committed; lanes are not held up by idle ones."""
    app = app_of("uz")
    consumer = fed(app)
    thread = consumer._thread
    assert type(thread) is LaneThread
    made = thread._create_worker_consumer(app.transport)
    assert made._enable_auto_commit is False
    assert made._fetch_max_wait_ms == FETCH_WAIT_MAX_MS
    # One, for aiokafka joins the group once for each: two members that list two never come to rest.
    assert [type(one) for one in made._partition_assignment_strategy] == [Sharing]
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
        self.assigned = {UZ}
        self.position: int | None = 5
        self.end: int | None = 5

    def fetch_context(self) -> FakeKafka:
        return self

    def __enter__(self) -> None:
        """Nothing is held."""

    def __exit__(self, *raised: object) -> None:
        """Nothing is held."""

    async def fetched_records(self, tps: set[TP], timeout: float, max_records: int) -> dict[TP, list[Any]]:  # noqa: ASYNC109
        return {tp: [SimpleNamespace(offset=4)] for tp in tps}

    def assignment(self) -> set[TP]:
        return self.assigned

    @property
    def _subscription(self) -> Any:
        """Where the topic is read, and where the broker said that it ends."""
        state = SimpleNamespace(
            position=self.position, highwater=self.end, has_valid_position=self.position is not None
        )
        assignment = SimpleNamespace(state_value=lambda tp: state)
        return SimpleNamespace(subscription=SimpleNamespace(assignment=assignment))

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
    work = thread._fetch({UZ}, 1.0, 10)
    with pytest.raises(StopIteration) as done:
        work.send(None)
    assert done.value.value[UZ].value.stamp == Stamp(0, 1)


@pytest.mark.parametrize(
    ("end", "position", "is_assigned", "has_more"),
    [
        (5, 5, True, False),
        (6, 5, True, True),
        (6, 6, True, False),  # a mark of a transaction stands behind the last record
        (None, 5, True, False),
        (6, None, True, True),
        (6, 5, False, False),
    ],
)
async def test_fetch_tells_whether_the_broker_has_more(
    fed: Callable[..., Fed], end: int | None, position: int | None, is_assigned: bool, has_more: bool
) -> None:
    """By where the broker said that the topic ends; of one that a rebalance has just taken away nobody can say."""
    thread = fed(app_of("uz"))._thread
    kafka = thread._consumer = FakeKafka()
    kafka.end, kafka.position, kafka.assigned = end, position, {UZ} if is_assigned else set()
    fetched = await thread._fetch({UZ}, 1.0, 10)
    assert fetched[UZ].value.has_more is has_more


async def test_rebalance_that_meets_a_stop_closes_nothing_from_the_wrong_loop(fed: Callable[..., Fed]) -> None:
    """Faust then calls `close`, which in the driver closes the client from the app's loop; ours leaves it alone."""
    app = app_of("uz")
    consumer = fed(app)
    kafka = consumer._thread._consumer = FakeKafka()
    app._on_rebalance_when_stopped()
    await asyncio.sleep(0.01)
    assert kafka.closed == []


@pytest.mark.parametrize("nth", [0, 1, 2])
async def test_thread_ends_with_no_socket_open(fed: Callable[..., Fed], tmp_path: Path, nth: int) -> None:
    """Its loop ends with it: also where the broker says no good-bye, and where aiokafka cancels its own `stop`."""
    authority = Authority(tmp_path)
    with broker_listening(authority.leaf("broker"), says_goodbye=False) as port:
        security = Security(protocol="SSL", ca_file=authority.file)
        app = app_of("uz", cluster=Cluster.at(f"127.0.0.1:{port}", security))
        thread = fed(app)._thread
        await asyncio.create_task(thread.on_start())
        assert opened_to(port)
        if nth:
            stop = thread._consumer.stop

            async def stopped() -> None:
                await Cancelled(stop(), nth)

            thread._consumer.stop = stopped
        await thread.on_thread_stop()
        assert opened_to(port) == []


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
