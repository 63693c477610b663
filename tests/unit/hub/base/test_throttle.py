"""What a broker says of waiting is heard, of each client that has connections."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

from hub.base.kafka import Clients
from hub.base.throttle import Throttled
from hub.kafka.memory import MemoryBroker


@dataclass
class Answer:
    throttle_time_ms: int


@dataclass
class Connections:
    """A client's connections to a cluster, which answer so."""

    answers: list[Any]

    async def send(self, node: int, request: object, *, group: str = "") -> Any:
        assert (node, request, group) == (1, "fetch", "data")
        return self.answers.pop(0)


@dataclass
class Client:
    client: Connections = field(default_factory=lambda: Connections([Answer(0), Answer(1500), Answer(20), "none"]))


class Made:
    """Makes such clients."""

    def producer(self, **settings: Any) -> Any:
        return Client(**settings)

    consumer = admin = producer


async def test_longest_wait_is_kept_and_answers_go_through() -> None:
    """Whoever asked gets the answer as it came; one without the field says nothing."""
    throttled = Throttled(cast("Clients", Made()))
    client: Any = throttled.consumer()
    answers = [await client.client.send(1, "fetch", group="data") for _ in range(4)]
    assert answers == [Answer(0), Answer(1500), Answer(20), "none"]
    assert throttled.longest_ms == 1500


async def test_client_without_connections_is_left_as_it_is() -> None:
    """A broker in memory, or another way in, has no quota of Kafka's."""
    throttled = Throttled(MemoryBroker({"in.uz": 1}))
    producer = throttled.producer(bootstrap_servers="memory:1")
    await producer.start()
    await producer.send_and_wait("in.uz", b"x", partition=0)
    await producer.stop()
    assert throttled.longest_ms == 0
