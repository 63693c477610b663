"""Where replayed events may go: a topic of their own, never one that the hub or a center works with. Pure."""

from __future__ import annotations

import re
from typing import Final

from hub.protocol.errors import UsageError
from hub.protocol.value import value_class

REPLAY_HEADER: Final = "cohub-replay"
_LIVE: Final = frozenset({"events", "presence"})
_LIVE_PREFIXES: Final = ("in.", "out.", "hub.", "state.", "network.")
_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,249}")
EXAMPLE: Final = "a name of its own such as sandbox.events"


@value_class
class TopicFacts:
    """What a broker says of a topic: its partitions (0 where there is none), how many records, whose they are.

    `foreign` is where the first record was seen that no replay wrote, None if none was.
    """

    partitions: int
    records: int = 0
    foreign: str | None = None


def check_name(topic: str) -> None:
    """Return nothing if replayed events may be written under that name. Errors: UsageError."""
    if not _NAME.fullmatch(topic) or topic in {".", ".."}:
        raise UsageError(f"{topic!r} is no topic's name (A-Z a-z 0-9 . _ -), and no file: expected *.avro or *.jsonl")
    # Kafka takes `.` and `_` for one character in the names of its metrics, and people take a capital for a small one.
    # Two of them mark what Kafka and Faust keep for themselves.
    name = topic.lower().replace("_", ".")
    if name in _LIVE or name.startswith(_LIVE_PREFIXES) or "__" in topic:
        raise UsageError(f"{topic} is a live topic, or could be taken for one: what is replayed goes to {EXAMPLE}")


def check_topic(topic: str, facts: TopicFacts, *, append: bool) -> None:
    """Return nothing if the topic is new or empty, or has replayed events alone and is to be appended to.

    Errors: UsageError.
    """
    if facts.foreign is not None:
        raise UsageError(f"{topic} has records that no replay wrote ({facts.foreign}): give it {EXAMPLE}")
    if facts.records and not append:
        raise UsageError(f"{topic} has {facts.records} replayed events already: --append adds to them")
