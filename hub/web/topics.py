"""Which topics a center reads over HTTPS: its own answers, and what HQ says to everybody."""

from __future__ import annotations

from typing import Final

from aiokafka import TopicPartition

from hub.protocol.problem import Problem, ProblemCode
from hub.protocol.topics import CHECKPOINTS, FAN_OUT_PARTITIONS, LANE, SCHEMAS, TRUST, topic_out

CODE_LISTS: Final = "state.code_list"
LANES: Final = "state.lane"
COMMON: Final = frozenset({TRUST, CHECKPOINTS, LANE, SCHEMAS, CODE_LISTS, LANES})


def partitions_of(topic: str) -> int:
    """Return how many partitions a topic has."""
    return FAN_OUT_PARTITIONS if topic.startswith("state.") else 1


def readable(center: str, topic: str, partition: int) -> TopicPartition:
    """Return a partition that a center reads. Errors: Problem of TOPIC_UNKNOWN, whether there is such a one or not."""
    if topic not in COMMON and topic != topic_out(center):
        raise Problem(ProblemCode.TOPIC_UNKNOWN, f"{center} reads no topic of that name")
    if not 0 <= partition < partitions_of(topic):
        raise Problem(ProblemCode.TOPIC_UNKNOWN, f"{topic} has {partitions_of(topic)} partitions, from 0 on")
    return TopicPartition(topic, partition)
