"""Where replayed events may never go."""

from __future__ import annotations

import pytest

from hub.domain.catalogue import STREAMS
from hub.kafka.topics import standard_topics
from hub.protocol.errors import UsageError
from hub.replay.target import TopicFacts, check_name, check_topic

LIVE = ("presence", "network.offer", "hub.checkpoints", "hub.trust", "__consumer_offsets",
        "hub-workers-__assignor-__leader", "in.uz", "OUT.uz", "in_uz", "Events", "state_offer")  # fmt: skip


@pytest.mark.parametrize("topic", LIVE)
def test_live_topic_is_refused_however_it_is_written(topic: str) -> None:
    with pytest.raises(UsageError, match="live topic"):
        check_name(topic)


def test_every_topic_of_a_hub_is_refused() -> None:
    """Whatever topics a release makes: none of them is ever written to by a replay."""
    for spec in standard_topics(["uz", "kz-2"], list(STREAMS)):
        with pytest.raises(UsageError):
            check_name(spec.name)


@pytest.mark.parametrize("topic", ["", ".", "..", "a/b", "a b", "events\n", "é", "x" * 250])
def test_what_is_no_topics_name_is_refused(topic: str) -> None:
    with pytest.raises(UsageError, match="no topic's name"):
        check_name(topic)


@pytest.mark.parametrize("topic", ["sandbox.events", "inbox", "eventsourced", "my-events", "outlook", "uz.in"])
def test_name_of_its_own_is_taken(topic: str) -> None:
    check_name(topic)


@pytest.mark.parametrize(
    ("facts", "append", "refused"),
    [
        (TopicFacts(0), False, None),
        (TopicFacts(1), False, None),
        (TopicFacts(0), True, None),
        (TopicFacts(3, 10), False, "--append"),
        (TopicFacts(3, 10), True, None),
        (TopicFacts(3, 10, "partition 1, offset 4"), False, "no replay wrote"),
        (TopicFacts(3, 10, "partition 1, offset 4"), True, "no replay wrote"),
    ],
)
def test_topic_is_new_or_empty_or_has_replayed_events_alone(facts: TopicFacts, append: bool, refused: str) -> None:
    if refused is None:
        check_topic("t", facts, append=append)
        return
    with pytest.raises(UsageError, match=refused):
        check_topic("t", facts, append=append)
