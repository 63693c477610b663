"""The consumer's thread without Kafka: what it was moved to, and what it fetches there."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from aiokafka import ConsumerRecord

from hub.protocol.topics import topic_in
from hub.worker.lanes import Fetched, Stamp


class MemoryThread:
    """The consumer thread's side: remembers where it was moved, and stamps what is fetched there."""

    def __init__(self) -> None:
        self.moves: list[dict[str, int | None]] = []
        self.stamps: dict[str, Stamp] = {}
        self.more: set[str] = set()  # topics that the broker has more of than was fetched
        self.error: Exception | None = None

    async def move(self, positions: Mapping[str, int | None], number: int) -> None:
        if self.error:
            raise self.error
        self.moves.append(dict(positions))
        self.stamps.update({topic: Stamp(number, 0) for topic in positions})

    async def progress(self, topics: Collection[str]) -> dict[str, tuple[Stamp, int]]:
        return {topic: (self.stamps[topic], topic in self.more) for topic in topics if topic in self.stamps}

    def fetched(self, center: str, first: int = 0, records: int = 1) -> Fetched:
        """Return what the next fetch brings of a lane, made up."""
        return self.brings(center, [record(topic_in(center), first + number) for number in range(records)])

    def brings(self, center: str, records: Sequence[Any]) -> Fetched:
        """Return these records of a lane as its next fetch."""
        topic = topic_in(center)
        move, serial = self.stamps[topic]
        self.stamps[topic] = Stamp(move, serial + 1)
        return Fetched(center, records, self.stamps[topic])


def record(topic: str, offset: int) -> ConsumerRecord:
    return ConsumerRecord(topic, 0, offset, 0, 0, None, b"", None, 0, 0, ())
