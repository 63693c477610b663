"""The notary on a real database: each receipt once, one root a size, the same bytes always; killed at every step."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from hub.ledger.notary import Addition, Stored, read_record, receipt_text, record_of
from hub.protocol.checkpoint import open_checkpoint
from hub.protocol.errors import Retriable
from hub.protocol.tree import Edge, leaf_hash
from hub.store.log import LogReader
from hub.store.sqlite import SqliteStore
from hub.worker.checkpoint_topic import LOOK_BACK, Said
from hub.worker.notary import LEASE_S, SAY_AGAIN_S, Notary
from tests.support.center import HUB, NOW, Center
from tests.support.hq import IDENTITY, Hq

ORIGIN = f"{HUB}/log"


class Killed(BaseException):
    """The process dies here."""


@dataclass
class MemoryTopic:
    """`hub.checkpoints` in memory; `fault` may raise before or after a write."""

    records: list[Said] = field(default_factory=list)
    fault: Callable[[str], None] = lambda _: None
    is_there: bool = True

    async def ensure(self) -> None:
        self.is_there = True

    async def first(self) -> Said | None:
        return self.records[0] if self.records else None

    async def newest(self, back: int = LOOK_BACK) -> list[Said]:
        if not self.is_there:
            raise Retriable("no such topic")
        return self.records[-back:]

    async def publish(self, checkpoints: Sequence[Stored]) -> None:
        self.fault("before the topic")
        for checkpoint in checkpoints:
            _, value, headers = record_of(checkpoint)
            self.records.append((value, list(headers)))
        self.fault("after the topic")

    async def close(self) -> None:
        """Nothing is open."""

    @property
    def sizes(self) -> list[int]:
        return [open_checkpoint(value)[0].size for value, _ in self.records]


@dataclass
class Clock:
    """Time that stands still until it is moved."""

    now: datetime = NOW
    s: float = 1000.0

    def move(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        self.s += seconds


@pytest.fixture
async def hq(tmp_path: Path) -> AsyncIterator[Hq]:
    opened = await Hq.open(tmp_path, Center("uz"), Center("kz"))
    yield opened
    opened.store.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


def notary(store: SqliteStore, topic: MemoryTopic, clock: Clock, owner: str = "first") -> Notary:
    return Notary(store, IDENTITY, topic, owner, 1.0, lambda: clock.now, lambda: clock.s)


def reader(hq: Hq) -> LogReader:
    return LogReader(hq.store._db)


def witness(topic: MemoryTopic) -> int:
    """Do what a witness does with all that the topic has; return the size that it comes to."""
    edge = Edge()
    for value, headers in topic.records:
        checkpoint, stored = read_record(value, headers)
        open_checkpoint(value)[1].verify([IDENTITY.log.verifier])
        open_checkpoint(value)[1].verify([IDENTITY.log_long.verifier])
        if checkpoint.size > edge.size:
            assert stored.after == edge.size
            edge = edge.append(stored.leaves)
        if checkpoint.size == edge.size:
            assert checkpoint.root == edge.root
    return edge.size


def every_receipt_is_a_leaf(hq: Hq) -> int:
    """Check that the log is exactly the receipts, each once, those of a lane in order; return how many."""
    log = reader(hq)
    leaves = list(log.leaves(0, log.size))
    receipts = hq.store._db.execute("SELECT lane_id, last, note FROM receipt").fetchall()
    assert {(leaf.lane_id, leaf.last): leaf.hash for leaf in leaves} == {
        (lane_id, last): leaf_hash(receipt_text(note)) for lane_id, last, note in receipts
    }
    assert [leaf.index for leaf in leaves] == list(range(len(receipts)))
    for lane in {leaf.lane_id for leaf in leaves}:
        mine = [leaf.last for leaf in leaves if leaf.lane_id == lane]
        assert mine == sorted(mine)
    for stored in log.checkpoints():
        assert stored.checkpoint.root == Edge().append(leaf.hash for leaf in leaves[: stored.size]).root
    assert log.behind() == 0
    return len(leaves)


async def test_receipts_become_leaves_and_a_checkpoint_says_so(hq: Hq, clock: Clock) -> None:
    """What a witness reads on the topic leads from nothing to the newest checkpoint, and every receipt is in it."""
    topic, uz, kz = MemoryTopic(), Center("uz"), Center("kz")
    working = notary(hq.store, topic, clock)
    await working.round()
    assert witness(topic) == every_receipt_is_a_leaf(hq) > 0
    for n in range(3):
        await hq.feed("uz", uz.offers(2, first=10 * n) if n else uz.opened(2))
        await hq.feed("kz", kz.offers(1, first=10 * n) if n else kz.opened(1))
        clock.move(1)
        await working.round()
    assert witness(topic) == every_receipt_is_a_leaf(hq)
    assert len(topic.records) == 4
