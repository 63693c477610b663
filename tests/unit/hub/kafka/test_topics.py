"""Which topics a hub has."""

from __future__ import annotations

from hub.kafka.topics import lane_topics, standard_topics


def test_center_of_a_name_that_no_topic_can_have_keeps_no_other_topic_from_being_made() -> None:
    """Releases before 0.3 registered centers without a key under any name, and a broker refuses all of a request."""
    names = [spec.name for spec in lane_topics(["uz", "x!", "in.uz", "UZ", "", "log", "kz"])]
    assert names == ["in.uz", "in.kz", "out.uz", "out.kz"]
    assert {"in.x!", "out.x!"}.isdisjoint(spec.name for spec in standard_topics(["x!"], ["offer"]))
