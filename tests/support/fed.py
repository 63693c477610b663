"""The transport's consumer with answers of a test's in place of a broker's, and its intakes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

from aiokafka import ConsumerRecord
from faust.types import TP

from hub.kafka.cluster import Cluster
from hub.worker.app import App, ReaderSettings, create_app
from hub.worker.lanes import Fetched, Stamp
from hub.worker.ports import LaneHandle
from hub.worker.transport import Consumer, OneRecord

UZ, KZ = TP("in.uz", 0), TP("in.kz", 0)


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

    async def ready(self, records: Sequence[ConsumerRecord], before: Collection[str] = ()) -> None:
        raise NotImplementedError

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


NOWHERE = Cluster.at("localhost:9092")


def app_of(*centers: str, intakes: Journal | None = None, cluster: Cluster = NOWHERE) -> App:
    return create_app(ReaderSettings(cluster=cluster), intakes or Journal(), centers)


async def drop(message: Any) -> None:
    """Take a message to nowhere."""


def fetched(number: int, center: str = "uz") -> OneRecord:
    return OneRecord(Fetched(center, [], Stamp(1, number)), number)


async def numbers(consumer: Fed) -> list[int]:
    """Return what one turn of Faust's reading yields."""
    return [message.offset async for _, message in consumer.getmany(timeout=0.0)]
