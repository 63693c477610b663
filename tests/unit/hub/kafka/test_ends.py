"""How far topics reach is told soon, or not at all, to who asks for a status; and late to a worker that can wait."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiokafka import TopicPartition

from hub.base.kafka import Clients
from hub.kafka.cluster import Cluster
from hub.kafka.ends import topic_ends
from hub.kafka.memory import MemoryBroker
from hub.kafka.memory_clients import MemoryConsumer
from hub.protocol.errors import Retriable
from hub.worker.owing import lent_logs
from hub.worker.service import WorkerSettings, _notary
from tests.support.hq import IDENTITY
from tests.support.virtual_time import run_virtually

ANSWER_S = 1.8  # what three round trips of 600 ms take


class LateConsumer(MemoryConsumer):
    """Hears a broker's answers over a long line."""

    async def end_offsets(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        await asyncio.sleep(ANSWER_S)
        return await super().end_offsets(partitions)

    async def beginning_offsets(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        await asyncio.sleep(ANSWER_S)
        return await super().beginning_offsets(partitions)


class LateBroker(MemoryBroker):
    def consumer(self, **settings: Any) -> MemoryConsumer:
        return LateConsumer(self, **settings)


def cluster() -> Cluster:
    broker = LateBroker()
    broker.create_topic("in.uz", 1)
    return Cluster(("b:1",), clients=cast("Clients", broker))


def test_who_asks_for_a_status_is_told_soon_that_no_answer_comes() -> None:
    """In words that say of whom nothing was heard."""
    with pytest.raises(Retriable, match="b:1: the brokers do not tell how far topics reach: TimeoutError"):
        run_virtually(topic_ends(cluster(), ["in.uz"]))


def test_notary_waits_for_a_long_line(tmp_path: Path) -> None:
    """It signs nothing without the answer: if it gave up after three seconds each time it would never sign."""
    nothing: Any = SimpleNamespace(log=None)
    notary = _notary(WorkerSettings(data_dir=tmp_path, cluster=cluster()), nothing, nothing, IDENTITY, "w")
    hearing: Any = notary._has_heard
    assert run_virtually(hearing.__self__._ends(["in.uz"])) == {"in.uz": (0, 0)}


def test_worker_that_starts_waits_for_a_long_line() -> None:
    """It can't begin without the answer: who gave up after three seconds each time would never begin."""
    assert run_virtually(lent_logs(cluster(), ["uz"])) == []
