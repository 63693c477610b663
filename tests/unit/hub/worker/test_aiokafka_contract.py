"""What the reading side relies on inside aiokafka, tried on aiokafka itself, without a broker.

The integration tests of the transport rely on all of it at once; here an upgrade that breaks one of these is told by
name. Positions and fetched records are aiokafka's own objects; only the network below them is missing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.consumer.subscription_state import SubscriptionState

from tests.support.fetched import Reading as Fetched
from tests.support.raw import batch, record

CONTROL = 0x20  # the attribute of a batch that a transaction's coordinator writes
UZ, KZ = TopicPartition("in.uz", 0), TopicPartition("in.kz", 0)


class Reading(Fetched):
    """One that takes in one step of the loop, and returns offsets."""

    def take(self, places: Iterable[TopicPartition], records_max: int | None = None) -> dict[TopicPartition, list[int]]:
        """Return the offsets that are taken, in one step of the loop."""
        found = at_once(self.poll(records_max, list(places)))
        return {place: [taken.offset for taken in records] for place, records in found.items()}


def at_once(work: Coroutine[Any, Any, Any]) -> Any:
    """Return what a coroutine returns that never waits. Fails where it does."""
    try:
        work.send(None)
    except StopIteration as done:
        return done.value
    work.close()
    pytest.fail("it waited, and somebody else may have moved the position meanwhile")


def three() -> bytes:
    return batch([record(b"k", b"v", delta=delta) for delta in range(3)])


async def test_fetched_records_are_taken_in_one_step() -> None:
    """Between taking records and stamping them nothing can move their position."""
    reading = Reading(UZ)
    reading.fetch(UZ, three())
    assert reading.take([UZ]) == {UZ: [0, 1, 2]}
    assert reading.assignment.state_value(UZ).position == 3


async def test_fetched_records_of_lanes_that_are_not_asked_for_stay() -> None:
    """A paused lane keeps what was fetched; but no name at all means every lane, so that we never ask so."""
    reading = Reading(UZ, KZ)
    reading.fetch(UZ, three())
    reading.fetch(KZ, three())
    assert reading.take([KZ]) == {KZ: [0, 1, 2]}
    assert reading.take([]) == {UZ: [0, 1, 2]}


async def test_seek_moves_the_position_and_drops_what_was_fetched_in_one_step() -> None:
    """What was fetched before a seek is never taken after it."""
    reading = Reading(UZ)
    reading.fetch(UZ, three())
    consumer = AIOKafkaConsumer.__new__(AIOKafkaConsumer)
    consumer._fetcher, consumer._closed = reading.fetcher, True  # nothing of it was opened
    consumer.seek(UZ, 40)
    assert reading.assignment.state_value(UZ).position == 40
    assert reading.take([UZ]) == {}


async def test_answer_to_a_fetch_from_an_old_position_is_thrown_away() -> None:
    """Also one that arrives after the seek."""
    reading = Reading(UZ)
    reading.fetch(UZ, three())
    late = reading.fetcher._records[UZ]
    reading.fetcher.seek_to(UZ, 40)
    reading.fetcher._records[UZ] = late
    assert reading.take([UZ]) == {}
    assert reading.assignment.state_value(UZ).position == 40


async def test_position_passes_a_control_batch() -> None:
    """A lane at whose end a transaction's mark stands is not behind for ever."""
    reading = Reading(UZ)
    reading.fetch(UZ, batch([record(b"\0\0\0\1", b"")], codec=CONTROL))
    assert reading.take([UZ]) == {}
    assert reading.assignment.state_value(UZ).has_valid_position
    assert reading.assignment.state_value(UZ).position == 1


async def test_stop_closes_coordinator_fetcher_and_client_in_this_order() -> None:
    """The group is told first; the client, which we close where that breaks off, comes last."""
    closed: list[str] = []

    class Part:
        def __init__(self, name: str) -> None:
            self.name = name

        async def close(self) -> None:
            closed.append(self.name)

    consumer = AIOKafkaConsumer(bootstrap_servers="127.0.0.1:9", enable_auto_commit=False)
    consumer._coordinator, consumer._fetcher, consumer._client = (Part(n) for n in ("coordinator", "fetcher", "client"))
    await consumer.stop()
    await consumer.stop()
    assert closed == ["coordinator", "fetcher", "client"]


class Listener(ConsumerRebalanceListener):
    """Remembers what was revoked, and fails."""

    def __init__(self) -> None:
        self.revoked: set[TopicPartition] = set()
        self.ended = asyncio.Event()

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        await asyncio.sleep(0)
        self.revoked = set(revoked)
        self.ended.set()
        raise ValueError("the listener's own")

    def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """See aiokafka."""


async def test_rebalance_revokes_every_lane_and_waits_for_the_listener(caplog: pytest.LogCaptureFixture) -> None:
    """Rebalances are eager, and what a listener raises is only logged: so that ours must keep it as a failure."""
    listener = Listener()
    positions = SubscriptionState()
    positions.subscribe({"in.uz", "in.kz"}, listener=listener)
    positions.assign_from_subscribed([UZ, KZ])
    coordinator = GroupCoordinator.__new__(GroupCoordinator)
    coordinator._subscription, coordinator.group_id, coordinator._enable_auto_commit = positions, "workers", False
    await coordinator._on_join_prepare(positions.subscription.assignment)
    assert listener.revoked == {UZ, KZ}
    assert listener.ended.is_set()
    assert positions.reassignment_in_progress
    assert "failed on_partitions_revoked" in caplog.text
