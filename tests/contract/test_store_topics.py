"""One suite for every store: the rows of the hq lane, and what is kept of HQ's topics."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from hub.domain.hq_lane import HqLane, hq_readers
from hub.ledger.derived import Reach
from hub.ledger.step import KnownEntity
from tests.support.center import NOW, RELEASED, Center
from tests.support.engines import Engine
from tests.support.hq import IDENTITY, Hq


async def test_rows_of_the_hq_lane_are_hqs_alone(hq: Hq) -> None:
    """Centers' events do not move it; each of HQ's own does, and `changes` tells the same size."""
    rows = await hq.store.hq_lane(0)
    assert len(rows.origins) == 1
    assert sum(len(stretch.events) for stretch in rows.stretches) == rows.size
    await hq.feed("uz", Center().opened(3))
    assert (await hq.store.hq_lane(0)).size == (await hq.store.changes()).basis == rows.size
    await hq.register(Center("by"))
    now = await hq.store.hq_lane(rows.size)
    assert (await hq.store.changes()).basis == now.size == rows.size + 1
    assert [len(stretch.events) for stretch in now.stretches] == [1]


async def test_rows_of_the_hq_lane_come_in_pages_and_name_the_largest_basis(hq: Hq) -> None:
    """Page by page the whole lane comes, in order; the first page says under which size HQ judged last."""
    for number in range(300):
        await hq.said("suspended" if number % 2 == 0 else "resumed", Center("kz"), {"reason": "x"})
    await hq.feed("uz", Center().opened(1))
    first = await hq.store.hq_lane(0)
    assert first.named == first.size
    read, stretches = 0, list(first.stretches)
    while (read := sum(len(stretch.events) for stretch in stretches)) < first.size:
        page = await hq.store.hq_lane(read)
        assert page.stretches
        assert page.named == 0
        stretches += page.stretches
    whole = HqLane().taken(stretches, IDENTITY.hq_keys(), hq_readers(RELEASED))
    assert whole == await hq.headquarters.lane.read()


async def test_what_a_broker_has_acknowledged_goes_back_only_where_it_is_forgotten(hq: Hq) -> None:
    """An older acknowledgement that comes later changes nothing; the first offset that was noted stays."""
    topics, at = hq.store.topics, ("events", 3)
    assert await topics.reaches() == {}
    await hq.store.set_published({}, {at: Reach(0, 10)})
    await topics.acknowledged({at: Reach(5, 7, 4)})
    assert await topics.reaches() == {at: Reach(0, 10, 4)}
    await topics.forget({at: Reach(6, 8)})
    assert await topics.reaches() == {at: Reach(6, 8)}


async def test_asking_stands_with_its_place_until_it_is_done(hq: Hq) -> None:
    """Whoever advances an older asking is told that it is none any more."""
    topics = hq.store.topics
    await topics.ask({"events": (3,), "out.uz": ()}, "lost", NOW)
    first, second = await topics.agains()
    assert (first.topic, first.partitions, first.why, first.asked_at) == ("events", frozenset({3}), "lost", NOW)
    assert (second.covers(0), first.covers(0), first.covers(3)) == (True, False, True)
    assert await topics.advance(replace(first, place="1:2", done=2, missing=1))
    assert (await topics.agains())[0] == replace(first, place="1:2", done=2, missing=1)
    await topics.ask({"events": (4,)}, "lost again", NOW + timedelta(seconds=1))
    assert not await topics.advance(replace(first, place="1:3"))
    again = next(found for found in await topics.agains() if found.topic == "events")
    assert (again.partitions, again.place, again.done) == (frozenset({3, 4}), "", 0)


async def test_one_at_a_time_keeps_the_topics_and_its_lease_ends(hq: Hq) -> None:
    """It has nothing to do with the notary's."""
    topics, later = hq.store.topics, NOW + timedelta(seconds=6)
    assert await hq.store.log.lead("notary", NOW, later)
    assert await topics.lead("one", NOW, later)
    assert not await topics.lead("two", NOW, later)
    assert await topics.lead("two", later, later + timedelta(seconds=6))
    await topics.follow("two")
    assert await topics.lead("one", NOW, later)


async def test_keepers_lease_by_a_clock_that_was_ahead_is_nobodys(hq: Hq) -> None:
    """Topics that are lost are said again by the next keeper, not when a wrong time has come."""
    topics, year = hq.store.topics, timedelta(days=365)
    assert await topics.lead("one", NOW + year, NOW + year + timedelta(seconds=6))
    assert await topics.lead("two", NOW, NOW + timedelta(seconds=6))


async def test_states_come_in_pages_with_the_value_of_their_record(hq: Hq) -> None:
    """In the order of their ids, of every center."""
    await hq.feed("uz", Center("uz").opened(3))
    await hq.feed("kz", Center("kz").opened(2))
    found: list[KnownEntity] = []
    after: str | None = ""
    while after is not None:
        page, after, missing = await hq.store.topics.states("offer", after, 2)
        found += page
        assert missing == 0
    assert [known.entity.id for known in found] == sorted(known.entity.id for known in found)
    assert len(found) == 5
    assert all(known.value for known in found)


@pytest.mark.parametrize("edited", ["status = 'withdrawn'", "version = 9", "center = 'kz'", "document = '{}'"])
async def test_state_that_somebody_edited_is_missing(hq: Hq, engine: Engine, tmp_path: Path, edited: str) -> None:
    """It would be said in HQ's name; the others are said."""
    await hq.feed("uz", Center("uz").opened(3))
    engine.edit(tmp_path, f"UPDATE entity SET {edited} WHERE stream = 'offer' AND id = 'uz:K-2'")
    found, _, missing = await hq.store.topics.states("offer", "", 9)
    assert ([known.entity.id for known in found], missing) == (["uz:K-1", "uz:K-3"], 1)
