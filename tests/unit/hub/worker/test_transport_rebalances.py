"""What the transport relies on inside Faust when lanes come and go, tried without a broker."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from aiokafka.errors import IllegalStateError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from tests.support.fed import KZ, UZ, Fed, Journal, app_of


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
