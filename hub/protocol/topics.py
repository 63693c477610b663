"""The names of topics that both ends know, and how many partitions the topics of all centers have."""

from __future__ import annotations

from typing import Final

CHECKPOINTS: Final = "hub.checkpoints"  # what HQ signs of its log; key = the size in decimal, compacted

TRUST: Final = "hub.trust"  # the newest trust note; key = the hub's name, compacted

LANE: Final = "hub.lane"  # HQ's own lane as it was sealed, in its order; key = the entity id, kept for ever

SCHEMAS: Final = (
    "hub.schemas"  # the schemas of `state.*`; key = the schema's id in decimal, value = its bytes, compacted
)
CLOCK: Final = "hub.clock"  # HQ writes to it to be told the broker's time; nobody reads it, and it is kept a day

# Of `events` and `state.*`, where partition = f(center): never changed later, or a center's order would break.
FAN_OUT_PARTITIONS: Final = 8


def topic_in(center: str) -> str:
    """Return the topic that a center writes to."""
    return f"in.{center}"


def topic_out(center: str) -> str:
    """Return the topic on which HQ answers a center."""
    return f"out.{center}"


def topic_join(center: str) -> str:
    """Return the topic on which an invited office asks to be a center, and HQ answers it."""
    return f"join.{center}"


def center_of(topic: str) -> str:
    """Return the center that writes to this topic."""
    return topic.removeprefix("in.")
