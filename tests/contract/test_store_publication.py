"""What a store has to publish, and how far it is published: the same for every engine, and the same as from memory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hub.ledger.publication import Publication, publications, state_value
from hub.ledger.step import KnownEntity
from hub.protocol.tree import leaf_hash
from hub.store.store import Damaged
from tests.support.center import Center, offer
from tests.support.engines import Engine
from tests.support.hq import Hq

REVISED, WITHDRAWN = "net.cohub.offer.revised.v1", "net.cohub.offer.withdrawn.v1"


async def test_publication_goes_by_whole_receipts_up_to_the_cursor(hq: Hq) -> None:
    """What is behind the cursor comes receipt by receipt; the cursor only moves forward, lane by lane."""
    center = Center()
    for records in (center.opened(2), center.offers(2, first=10), center.offers(2, first=20)):
        await hq.feed("uz", records)
    new = center.next_epoch("00000002")
    opening = new.opening(
        previous_origin=center.origin,
        previous_size=center.edge.size,
        previous_root=center.edge.root.hex(),
        reason="a new outbox",
    )
    await hq.feed("uz", [new.sealed(opening)])
    assert await hq.store.unpublished(["uz"]) == [(center.origin, 0, 7), (new.origin, 0, 1)]
    one = await hq.store.publication(center.origin, 0, 1)
    two = await hq.store.publication(center.origin, 3, 3)
    assert one is not None
    assert two is not None
    assert [(p.first, p.last, len(p.receipts)) for p in (one, two)] == [(1, 3, 1), (4, 7, 2)]
    assert [e.sequence for e in two.events] == [4, 5, 6, 7]
    assert await hq.store.publication(center.origin, 7, 1) is None
    await hq.store.set_published({center.origin: 5, new.origin: 1})
    await hq.store.set_published({center.origin: 3})
    assert await hq.store.unpublished(["uz"]) == [(center.origin, 5, 7)]
    assert sorted(await hq.store.cursors(["uz"])) == sorted([(center.origin, 5), (new.origin, 1)])
    assert await hq.store.cursors(["by"]) == await hq.store.cursors([]) == []


def as_sent(found: Publication) -> dict[str, Any]:
    """Return what the publisher would send of it; headers are a set to their readers, but for their order of names."""
    return {
        "receipts": list(found.receipts),
        "events": [(e.sequence, e.key, sorted(e.headers), e.value) for e in found.events],
        "states": {(k.entity.stream, k.entity.id): state(k) for k in found.entities},
    }


def state(known: KnownEntity) -> bytes | None:
    return None if known.value is None else state_value(known, 7)


async def test_publications_from_memory_equal_those_of_the_store(hq: Hq) -> None:
    """The publisher's fast path sends, byte for byte, what it would send if it had read SQL."""
    center = Center()
    first = center.opened(3)
    refused = replace(center.event("net.cohub.offer.published.v1", "BAD", offer()), value=b"\0")
    first += [center.append(refused), *center.offers(1, first=5)]
    revised = [center.append(center.event(REVISED, "K-1", offer(f"Title {n}"))) for n in range(3)]
    withdrawn = center.append(center.event(WITHDRAWN, "K-1", {"reason": "sold"}))
    unusual = center.append(center.event(REVISED, "K-2", offer("New")).plus("ce_extra", b"1").plus("trace", b"x"))
    fetches = [first, [*revised, withdrawn, center.sealed(unusual)], center.offers(2, first=30)]
    compared = 0
    for records in fetches:
        step = await hq.feed("uz", records)
        (fast,) = publications(step)
        slow = await hq.store.publication(fast.origin, fast.first - 1, 1)
        assert slow is not None
        assert (fast.center, fast.first, fast.last) == (slow.center, slow.first, slow.last)
        assert as_sent(fast) == as_sent(slow)
        compared += len(fast.events)
    assert compared == center.edge.size - 1  # all but the one that was refused


async def test_entity_that_is_changed_again_in_what_waits_goes_out_once(hq: Hq) -> None:
    """Its state goes with its newest event, whether SQL is asked for all at once or receipt by receipt."""
    center = Center()
    for records in (
        center.opened(3),
        [center.sealed(center.append(center.event(REVISED, "K-1", offer("New"))))],
        [center.sealed(center.append(center.event(WITHDRAWN, "K-1", {"reason": "sold"})))],
        center.offers(1, first=9),
    ):
        await hq.feed("uz", records)
    for limit in (1, 100):
        found, after = [], 0
        while (publication := await hq.store.publication(center.origin, after, limit)) is not None:
            found += [(k.entity.id, k.entity.version, publication.last >= k.sequence) for k in publication.entities]
            after = publication.last
        assert sorted(found) == [
            ("uz:0000abcd", 1, True),
            ("uz:K-1", 3, True),
            ("uz:K-2", 1, True),
            ("uz:K-3", 1, True),
            ("uz:K-9", 1, True),
        ]


async def test_publication_has_the_record_that_memory_lacks(hq: Hq) -> None:
    """A withdrawal of what was read from SQL has no record in memory: the publisher must ask, and SQL has it."""
    center = Center()
    await hq.feed("uz", center.opened(1))
    records = [center.sealed(center.append(center.event(WITHDRAWN, "K-1", {"reason": "sold"})))]
    step = await hq.feed("uz", records)
    (fast,) = publications(step)
    assert [k.value for k in fast.entities] == [None]
    slow = await hq.store.publication(fast.origin, fast.first - 1, 1)
    assert slow is not None
    (known,) = slow.entities
    assert known.value == center.value("net.cohub.offer.published.v1", offer("Offer 1"))
    assert (known.entity.status, known.sequence) == ("withdrawn", 3)
    assert await hq.store.valued(fast.entities) == [known]


async def test_cursors_of_many_centers_come_in_one_answer(hq: Hq) -> None:
    """The lanes of just the centers that were asked for, in the order in which they were made."""
    uz, kz = Center("uz"), Center("kz")
    await hq.feed("uz", uz.opened(2))
    await hq.feed("kz", kz.opened(1))
    assert await hq.store.unpublished(["kz", "uz", "by"]) == [(uz.origin, 0, 3), (kz.origin, 0, 2)]
    assert await hq.store.unpublished([]) == []
    await hq.store.set_published({uz.origin: 3, kz.origin: 1})
    assert await hq.store.unpublished({"kz", "uz"}) == [(kz.origin, 1, 2)]
    assert sorted(await hq.store.cursors(["kz", "uz"])) == sorted([(uz.origin, 3), (kz.origin, 1)])


async def test_lane_that_another_one_has_followed_is_told_as_closed(hq: Hq) -> None:
    """With the opening of the one that followed, whenever it is asked for; the newest lane is open."""
    first = Center()
    await hq.feed("uz", first.opened(2))
    second = first.next_epoch("0000beef")
    step = await hq.feed("uz", second.opened(1))
    (fast,) = publications(step)
    assert any(known.value is None for known in fast.entities)  # so that the publisher asks SQL
    slow = await hq.store.publication(second.origin, 0, 1)
    assert slow is not None
    key = "lane", f"uz:{first.epoch}"
    (kept,) = (await hq.store.entities([key])).values()
    (from_memory,) = publications(step, {key: replace(kept, value=first.opening().value)})
    assert as_sent(from_memory) == as_sent(slow)
    told = {known.entity.id: known for known in slow.entities if known.entity.stream == "lane"}
    closed, opened = told[f"uz:{first.epoch}"], told["uz:0000beef"]
    assert (opened.entity.status, opened.entity.version) == ("open", 1)
    assert (closed.entity.status, closed.entity.version) == ("closed", 2)
    assert (closed.origin, closed.sequence, closed.recorded_at) == (second.origin, 1, step.committed_at)
    assert closed.value == first.opening().value
    again = await hq.store.publication(first.origin, 0, 1)
    assert again is not None
    assert [k.entity.status for k in again.entities if k.entity.stream == "lane"] == ["closed"]
    states = (await hq.store.topics.states("lane", "", 100)).found
    assert {k.entity.id: k.entity.status for k in states if k.entity.center == "uz"} == {
        f"uz:{first.epoch}": "closed",
        "uz:0000beef": "open",
    }


@pytest.mark.parametrize("digest_too", [False, True])
async def test_event_that_its_center_has_not_sealed_is_not_published(
    hq: Hq, engine: Engine, tmp_path: Path, digest_too: bool
) -> None:
    """A row that somebody edited, and its leaf with it, is not what the receipt's root is of."""
    center = Center()
    await hq.feed("uz", center.opened(3))
    await hq.feed("uz", center.offers(2, first=10))
    where = "sequence = 3 AND lane_id = (SELECT id FROM lane WHERE origin = ?)"
    ((data,),) = engine.peek(tmp_path, f"SELECT data FROM ledger WHERE {where}", center.origin)
    altered = data.replace(b"Offer 2", b"Offer X")
    assert altered != data
    digest = leaf_hash(altered if digest_too else data)
    engine.edit(tmp_path, f"UPDATE ledger SET data = ?, digest = ? WHERE {where}", altered, digest, center.origin)
    with pytest.raises(Damaged, match="not those that their center has sealed"):
        await hq.store.publication(center.origin, 0, 500)
    after = await hq.store.publication(center.origin, 4, 500)
    assert after is not None
    assert [event.sequence for event in after.events] == [5, 6]


async def test_record_that_its_center_has_not_sealed_is_not_published(hq: Hq, engine: Engine, tmp_path: Path) -> None:
    """The record of an entity may have come long before what is published now."""
    center = Center()
    await hq.feed("uz", center.opened(1))
    await hq.feed("uz", [center.sealed(center.append(center.event(WITHDRAWN, "K-1", {"reason": "sold"})))])
    where = "sequence = 2 AND lane_id = (SELECT id FROM lane WHERE origin = ?)"
    ((data,),) = engine.peek(tmp_path, f"SELECT data FROM ledger WHERE {where}", center.origin)
    engine.edit(
        tmp_path, f"UPDATE ledger SET data = ? WHERE {where}", data.replace(b"Offer 1", b"Offer X"), center.origin
    )
    with pytest.raises(Damaged, match="not what its center has sealed"):
        await hq.store.publication(center.origin, 2, 500)


async def test_part_of_a_receipt_is_published_behind_the_cursor(hq: Hq) -> None:
    """A cursor may stand within a receipt: what it is of is checked whole, and the rest is published."""
    center = Center()
    await hq.feed("uz", center.opened(3))
    found = await hq.store.publication(center.origin, 2, 500)
    assert found is not None
    assert ([event.sequence for event in found.events], found.first, found.last) == ([3, 4], 3, 4)
