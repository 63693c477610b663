"""The shortest legal way through a stream's lifecycle."""

from __future__ import annotations

import pytest

from hub.domain.catalogue import STREAMS
from hub.domain.lifecycle import way
from hub.domain.stream import Stream


@pytest.mark.parametrize("stream", STREAMS.values(), ids=lambda stream: stream.name)
def test_every_status_is_reached_from_nothing_by_legal_events(stream: Stream) -> None:
    """Each event is legal where the one before it leads, and the first one brings the record."""
    for status in {kind.status_after for kind in stream.events if kind.status_after is not None}:
        found = way(stream.events, (None, False), (status, True))
        assert found
        here: str | None = None
        for kind in found:
            assert here in kind.legal_in
            here = kind.status_after or here
        assert here == status
        assert found[0].carries_record


def test_no_way_leads_out_of_a_final_status() -> None:
    center = STREAMS["center"]
    assert way(center.events, ("closed", True), ("active", True)) is None


def test_way_to_where_it_stands_is_no_event() -> None:
    offer = STREAMS["offer"]
    assert way(offer.events, ("published", True), ("published", True)) == ()
