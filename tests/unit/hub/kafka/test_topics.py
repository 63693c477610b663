"""Which topics a hub has."""

from __future__ import annotations

from hub.kafka.topics import invitation_topics, lane_topics, standard_topics
from hub.protocol.joining import JOIN_BYTES_MAX


def test_center_of_a_name_that_no_topic_can_have_keeps_no_other_topic_from_being_made() -> None:
    """Releases before 0.3 registered centers without a key under any name, and a broker refuses all of a request."""
    names = [spec.name for spec in lane_topics(["uz", "x!", "in.uz", "UZ", "", "log", "kz"])]
    assert names == ["in.uz", "in.kz", "out.uz", "out.kz"]
    assert {"in.x!", "out.x!"}.isdisjoint(spec.name for spec in standard_topics(["x!"], ["offer"]))


def test_whoever_has_a_bundle_fills_no_disk() -> None:
    """What is kept of their topic is bounded, and segments are small enough for it to be dropped; a request fits."""
    (spec,) = invitation_topics(["join.uz"])
    assert int(spec.configs["segment.bytes"]) <= int(spec.configs["retention.bytes"]) <= 16 << 20
    assert 2 * JOIN_BYTES_MAX < int(spec.configs["max.message.bytes"]) <= 64 << 10
