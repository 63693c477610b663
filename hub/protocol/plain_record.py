"""A record that no consumer read, in the shape of one from Kafka: taken, decided and hashed like any other."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from hub.protocol.value import value_class

Headers = Collection[tuple[str, bytes | None]]


@value_class
class PlainRecord:
    """A KafkaRecord made of its parts: what canonical bytes give again, or what HQ says in its own lane.

    Shapes: `listed` are its headers in their order. Where no topic had it, offset and time are 0 and their type None.
    """

    key: bytes | None
    value: bytes | None
    listed: Headers
    offset: int = 0
    timestamp: int = 0
    timestamp_type: int | None = None

    @property
    def headers(self) -> Sequence[tuple[str, bytes | None]]:
        """The headers in their order; they are listed when somebody asks, for nearly nobody does."""
        return self.listed if isinstance(self.listed, list) else list(self.listed)
