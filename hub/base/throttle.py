"""Whether a broker makes us wait: each answer says for how long what is asked next is held back.

A quota of Kafka's is never an error: answers come late. Each has the field `throttle_time_ms`, which is looked at here.
"""

from __future__ import annotations

from typing import Any

from hub.base.kafka import Admin, Clients, Consumer, Producer


class Throttled(Clients):
    """Makes the clients of others, and notes the longest time that the broker told one of them to wait."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self.longest_ms = 0

    def producer(self, **settings: Any) -> Producer:
        """Return a producer."""
        producer = self._clients.producer(**settings)
        self._watch(producer)
        return producer

    def consumer(self, **settings: Any) -> Consumer:
        """Return a consumer."""
        consumer = self._clients.consumer(**settings)
        self._watch(consumer)
        return consumer

    def admin(self, **settings: Any) -> Admin:
        """Return an admin client, which has no quota of bytes."""
        return self._clients.admin(**settings)

    def heard(self, milliseconds: int) -> None:
        """Note that an answer said so."""
        self.longest_ms = max(self.longest_ms, milliseconds)

    def _watch(self, client: Any) -> None:
        """Look at each answer that a client gets; nothing of one that has no connections of Kafka's."""
        kafka = getattr(client, "client", None)
        send = getattr(kafka, "send", None)
        if kafka is None or send is None:
            return

        async def listening(*arguments: Any, **named: Any) -> Any:
            answer = await send(*arguments, **named)
            told = getattr(answer, "throttle_time_ms", 0)
            self.heard(told if isinstance(told, int) else 0)
            return answer

        kafka.send = listening
