"""The notary at work: its topic on a broker in memory, its clock, and what its log and a witness come to."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from aiokafka import TopicPartition

from hub.hq.lane import OwnLane
from hub.kafka.memory import MemoryBroker
from hub.kafka.memory_log import Unwritten
from hub.ledger.notary import Stored, read_record, receipt_text
from hub.protocol.checkpoint import open_checkpoint
from hub.protocol.topics import CHECKPOINTS
from hub.protocol.tree import Edge, leaf_hash
from hub.store.log import LogReader
from hub.store.sqlite import SqliteStore
from hub.store.store import Store
from hub.worker.checkpoint_topic import CheckpointTopic, Said
from hub.worker.notary import Notary
from tests.support.center import HUB, NOW, RELEASED
from tests.support.engines import open_store
from tests.support.fanned import at
from tests.support.hq import IDENTITY, Hq
from tests.support.peek import log_of, peek

ORIGIN: Final = f"{HUB}/log"
REST_S: Final = 4.0  # after so long the next checkpoint comes at once, whatever was before


class KilledError(BaseException):
    """The process dies here."""


class Board(CheckpointTopic):
    """The product's topic on a broker in memory; `fault` may raise before or after a write."""

    def __init__(self, records: Iterable[Said] = ()) -> None:
        self.broker = MemoryBroker({CHECKPOINTS: 1})
        self.fault: Callable[[str], None] = lambda _: None
        super().__init__(at(self.broker))
        if records:
            self.records = list(records)

    @property
    def records(self) -> list[Said]:
        """What it has."""
        return [(bytes(r.value or b""), list(r.headers)) for r in self.broker.records(CHECKPOINTS)]

    @records.setter
    def records(self, records: list[Said]) -> None:
        """Have it made anew, with these records."""
        self.broker.delete_topic(CHECKPOINTS)
        self.broker.create_topic(CHECKPOINTS)
        for value, headers in records:
            self.broker.write(TopicPartition(CHECKPOINTS, 0), [Unwritten(0, b"key", value, tuple(headers))])

    async def publish(self, checkpoints: Sequence[Stored]) -> None:
        self.fault("before the topic")
        await super().publish(checkpoints)
        self.fault("after the topic")


@dataclass
class Clock:
    """Time that stands still until it is moved."""

    now: datetime = NOW
    s: float = 1000.0

    def move(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        self.s += seconds


def notary(store: Store, topic: Board, clock: Clock, owner: str = "first") -> Notary:
    lane = OwnLane(store, IDENTITY, RELEASED)
    return Notary(store, lane, IDENTITY, topic, owner, 1.0, lambda: clock.now, lambda: clock.s)


def reader(hq: Hq) -> LogReader:
    return log_of(hq.database)


def witness(topic: Board) -> int:
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
    receipts = peek(hq.database, "SELECT lane_id, last, note FROM receipt")
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


def older_copy(hq: Hq, path: Path) -> SqliteStore:
    """Return the database as it is now, in another file."""
    with closing(sqlite3.connect(hq.database)) as db, closing(sqlite3.connect(path)) as copy:
        db.backup(copy)
    return open_store(path)
