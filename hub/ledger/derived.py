"""What HQ's topics have, and what is said again of them. All that they hold is derived: the ledger has it. Pure.

the broker acknowledges    the partition reaches at least so far
it reaches less far        it was lost: made anew, or cut; what was there is said again from the ledger
it begins later            so it was where it is kept for ever; elsewhere the broker lets old records go
a person asks              the same
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from hub.protocol.topics import CHECKPOINTS, LANE, topic_out

Partition = tuple[str, int]  # topic and number
_SEQUENCE: Final = re.compile(r"[0-9]{1,18}")
_IN_A_LANE: Final = re.compile(r"[0-9]{1,18}:[0-9]{1,18}")
FOR_EVER: Final = frozenset({"events", LANE})


@dataclass(frozen=True, slots=True)
class Reach:
    """How far a partition reaches: its first offset, the one behind what was acknowledged, and what is done with it.

    Shapes: `upto` is of `hub.lane` the sequences said, of compacted topics the offset up to which HQ has looked whether
            somebody displaced what it says.
    """

    first: int
    next: int
    upto: int = 0


@dataclass(frozen=True, slots=True)
class Again:
    """A topic that is said again: of which partitions (none: of all), why, how far it is, and what came of it.

    Shapes: `place` is '' at the beginning; `missing` counts records whose bytes nobody has any more.
    """

    topic: str
    partitions: frozenset[int]
    why: str
    asked_at: datetime
    place: str = ""
    done: int = 0
    missing: int = 0
    finished_at: datetime | None = None

    def covers(self, partition: int) -> bool:
        """Return whether what stands in this partition is said again."""
        return not self.partitions or partition in self.partitions


def is_place(topic: str, place: str) -> bool:
    """Return whether a topic that is said again can be so far: by a lane's number and a sequence, by a size, by an id.

    What somebody has edited is none, and such a topic is begun anew.
    """
    if not place:
        return True
    if topic == "events" or topic.startswith(topic_out("")):
        return _IN_A_LANE.fullmatch(place) is not None
    if topic in (LANE, CHECKPOINTS):
        return _SEQUENCE.fullmatch(place) is not None
    return True


@dataclass(frozen=True, slots=True)
class Lost:
    """Partitions of one topic that have less than was acknowledged, and why HQ thinks so."""

    topic: str
    partitions: frozenset[int]
    why: str


def lost(known: Mapping[Partition, Reach], found: Mapping[Partition, tuple[int, int]]) -> list[Lost]:
    """Return what was lost of the topics that are there, in their order.

    Shapes: `found` has the first and the next offset of each partition as the broker has it now.
    """
    topics: dict[str, dict[int, str]] = {}
    for (topic, partition), reach in sorted(known.items()):
        now = found.get((topic, partition))
        if now is None:
            continue
        if now[1] < reach.next:
            why = f"partition {partition} ends at {now[1]}, and {reach.next} was acknowledged"
        elif topic in FOR_EVER and now[0] > reach.first:
            why = f"partition {partition} begins at {now[0]}, and began at {reach.first}"
        else:
            continue
        topics.setdefault(topic, {})[partition] = why
    return [Lost(topic, frozenset(reasons), next(iter(reasons.values()))) for topic, reasons in topics.items()]
