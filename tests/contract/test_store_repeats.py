"""One suite for every store: states that were sent too late, and under whose term HQ's own lane is published."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.domain.stream import HQ
from hub.store.repeat_store import Noted, Sent
from tests.support.center import Center, offer
from tests.support.engines import Engine
from tests.support.hq import Hq

REVISED = "net.cohub.offer.revised.v1"


async def fed(hq: Hq) -> tuple[Center, int]:
    """Return a center with four events, and the term of whoever has it."""
    center = Center("uz")
    await hq.feed("uz", center.opened(3))
    return center, hq.readings["uz"][1]


async def test_states_that_were_sent_under_a_term_that_is_over_are_noted_until_they_went_out_again(hq: Hq) -> None:
    """The cursor moves all the same: what it has passed is out. Whoever has the lane is told by `changes`."""
    center, term = await fed(hq)
    store, origin = hq.store, center.origin
    assert await store.set_published({origin: 2}, {}, {origin: Sent(0, term)}) == frozenset()
    assert (await store.changes()).said_late == frozenset()
    await hq.claim("uz")
    assert await store.set_published({origin: 4}, {}, {origin: Sent(2, term)}) == {"uz"}
    assert (await store.changes()).said_late == {"uz"}
    assert await store.unpublished(["uz"]) == []
    assert await store.repeats.noted(["kz", HQ]) == []
    assert await store.repeats.noted(["uz"]) == [Noted(origin, 2, 4, 1)]
    await store.repeats.done(origin, 1)
    assert await store.repeats.noted(["uz"]) == []
    assert (await store.changes()).said_late == frozenset()


async def test_what_is_noted_once_more_reaches_as_far_back_as_each_and_outlasts_the_first(hq: Hq) -> None:
    """Who sends the first again and is told of no second takes no note away that came meanwhile."""
    center, term = await fed(hq)
    store, origin = hq.store, center.origin
    await hq.claim("uz")
    for after in (2, 1, 3):
        await store.set_published({}, {}, {origin: Sent(after, term)})
    assert await store.repeats.noted(["uz"]) == [Noted(origin, 1, 4, 3)]
    await store.repeats.done(origin, 1)
    assert await store.repeats.noted(["uz"]) == [Noted(origin, 1, 4, 3)]


async def test_each_leader_publishes_the_hq_lane_under_a_term_of_its_own(hq: Hq) -> None:
    """HQ's intake is claimed by whoever says anything, so its term says nothing of who publishes."""
    ((origin, _),) = await hq.store.cursors([HQ])
    first = await hq.store.repeats.begin_hq("one")
    await hq.register(Center("by"))
    assert await hq.store.set_published({}, {}, {origin: Sent(0, first)}) == frozenset()
    assert await hq.store.repeats.begin_hq("two") == first + 1
    assert await hq.store.set_published({}, {}, {origin: Sent(0, first)}) == {HQ}
    assert (await hq.store.changes()).said_late == {HQ}
    assert [noted.origin for noted in await hq.store.repeats.noted([HQ])] == [origin]


async def test_nothing_is_noted_of_hq_before_anybody_has_begun_but_what_is_sent(hq: Hq) -> None:
    """A publisher that never had a term sends what is nobody's."""
    ((origin, _),) = await hq.store.cursors([HQ])
    assert await hq.store.set_published({}, {}, {origin: Sent(0, 1)}) == {HQ}


async def test_states_come_as_they_are_now_whatever_has_changed_them_since(hq: Hq) -> None:
    """What is to go out again leaves nothing to a later event of the lane: an older state of it may stand last."""
    center, _ = await fed(hq)
    await hq.feed("uz", [center.sealed(center.append(center.event(REVISED, "K-1", offer("New"))))])
    found = await hq.store.repeats.states(center.origin, 0, 2)
    assert found is not None
    assert (found.first, found.last, found.receipts, found.events) == (1, 2, [], [])
    versions = {known.entity.id: known.entity.version for known in found.entities}
    assert versions == {"uz:0000abcd": 1, "uz:K-1": 2}
    usual = await hq.store.publication(center.origin, 0, 1)
    assert usual is not None
    assert "uz:K-1" not in {known.entity.id for known in usual.entities}
    assert all(known.value is not None for known in found.entities)
    rest = await hq.store.repeats.states(center.origin, 2, 100)
    assert rest is not None
    assert (rest.first, rest.last) == (3, 5)
    assert await hq.store.repeats.states(center.origin, 5, 100) is None


async def test_states_of_a_lane_that_was_followed_come_with_the_lane_that_followed(hq: Hq) -> None:
    """Its own state is another since: closed."""
    center, _ = await fed(hq)
    new = center.next_epoch("00000002")
    closing = {"previous_origin": center.origin, "previous_size": 4, "previous_root": center.edge.root.hex()}
    await hq.feed("uz", [new.sealed(new.opening(**closing, reason="a new outbox"))])
    found = await hq.store.repeats.states(new.origin, 0, 10)
    assert found is not None
    statuses = {known.entity.id: known.entity.status for known in found.entities if known.entity.stream == "lane"}
    assert statuses == {"uz:0000abcd": "closed", "uz:00000002": "open"}


@pytest.mark.parametrize("edited", ["after = 99", "times = -1"])
async def test_note_that_somebody_has_edited_is_of_the_whole_lane_or_goes_with_the_next(
    hq: Hq, engine: Engine, tmp_path: Path, edited: str
) -> None:
    """It is said again rather than too little."""
    center, term = await fed(hq)
    await hq.claim("uz")
    await hq.store.set_published({}, {}, {center.origin: Sent(2, term)})
    engine.edit(tmp_path, f"UPDATE said_late SET {edited}")
    (noted,) = await hq.store.repeats.noted(["uz"])
    assert noted.after <= noted.size
    assert noted.times >= 0
