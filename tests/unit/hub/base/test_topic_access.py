"""What the broker says of topics: each answer has one meaning, and one obstacle."""

from __future__ import annotations

import pytest

from hub.base.topic_access import READ, WRITE, AccessRequest, AccessRequest_v8, Door, TopicAccess

BOTH = 1 << READ | 1 << WRITE


@pytest.mark.parametrize(
    ("access", "reads", "writes"),
    [
        (TopicAccess("in.uz", 0, BOTH), None, None),
        (TopicAccess("in.uz", 0, 1 << READ), None, "no_right_to_write"),
        (TopicAccess("in.uz", 0, 1 << WRITE), "no_right_to_read", None),
        (TopicAccess("in.uz", 0, 1 << 8), "no_right_to_read", "no_right_to_write"),  # it may be described
        (TopicAccess("in.uz"), None, None),  # an older broker does not tell: it is tried
        (TopicAccess("in.uz", 3), "no_topic", "no_topic"),
        (TopicAccess("in.uz", 29), "no_right", "no_right"),
        (TopicAccess("in.uz", 5), None, None),  # no leader at this moment: that passes
    ],
)
def test_each_answer_has_its_obstacle(access: TopicAccess, reads: str | None, writes: str | None) -> None:
    """A right that is missing, a topic that is, and what a broker does not tell apart."""
    for operation, expected in ((READ, reads), (WRITE, writes)):
        found = access.obstacle(operation)
        assert (None if found is None else found.name) == (expected and f"obstacles.{expected}")
        assert access.may(operation) == (expected is None and not access.error_code)


def test_door_says_what_is_in_the_way_of_all_topics() -> None:
    """A topic that nothing was asked of is not known to be forbidden."""
    door = Door({"in.uz": TopicAccess("in.uz", 0, 1 << READ), "out.uz": TopicAccess("out.uz", 29)})
    found = [one.name for one in door.obstacles(reads=["out.uz", "hub.lane"], writes=["in.uz"])]
    assert found == ["obstacles.no_right", "obstacles.no_right_to_write"]


def test_older_broker_is_asked_as_ever() -> None:
    """The request that has the question is sent to whoever knows it; neither makes a topic."""
    newer = AccessRequest(["in.uz"]).prepare({3: (0, 13)})
    assert isinstance(newer, AccessRequest_v8)
    assert newer.to_object() == {
        "topics": ["in.uz"],
        "allow_auto_topic_creation": False,
        "include_cluster_operations": False,
        "include_topic_operations": True,
    }
    older = AccessRequest(["in.uz"]).prepare({3: (0, 7)})
    assert older.API_VERSION == 5
    assert older.to_object() == {"topics": ["in.uz"], "allow_auto_topic_creation": False}
