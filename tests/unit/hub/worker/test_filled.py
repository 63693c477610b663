"""A publication whose records a worker does not remember goes out as if it did, or as SQL has it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from pathlib import Path
from typing import Any

import pytest

from hub.ledger.publication import Publication, publications
from hub.ledger.step import KnownEntity
from hub.protocol.errors import Retriable
from hub.worker.consolidator import Consolidator
from hub.worker.filled import filled
from hub.worker.remembered import Remembered
from tests.support.center import Center, Sent, offer
from tests.support.consolidator import LATER, Seen
from tests.support.hq import IDENTITY, Hq
from tests.support.peek import edit

REVISED, WITHDRAWN = "net.cohub.offer.revised.v1", "net.cohub.offer.withdrawn.v1"


@pytest.fixture
async def hq(tmp_path: Path) -> AsyncIterator[Hq]:
    opened = await Hq.open(tmp_path, Center())
    yield opened
    await opened.store.close()


def changes(center: Center) -> list[Sent]:
    """Return a batch that withdraws one offer and revises another."""
    withdrawn = center.append(center.event(WITHDRAWN, "K-1", {"reason": "sold"}))
    return [withdrawn, center.sealed(center.append(center.event(REVISED, "K-2", offer("New"))))]


class Refusing:
    """A store that is asked for nothing, or does not answer."""

    async def valued(self, entities: Collection[KnownEntity]) -> list[KnownEntity]:
        raise Retriable(f"busy: {len(entities)}")


async def test_worker_that_forgets_offers_what_one_that_remembers_does(hq: Hq) -> None:
    """Of a withdrawn offer the record comes from the ledger; what is remembered is left as it is."""
    center, offered = Center(), []
    opened, changed = center.opened(2), changes(center)
    for name, memory in (("a", Remembered()), ("b", Remembered(0, 0))):
        seen = Seen()
        other = await Hq.open(hq.database.parent / name, center)
        made = Consolidator(
            other.store, other.headquarters, IDENTITY, seen, "test", lambda: LATER, lambda: 0.0, memory=memory
        )
        made.attach(seen)
        await made.assign(["uz"])
        await made.handle("uz", opened)
        await made.handle("uz", changed)
        offered.append([(known.entity.to_json(), known.value) for known in seen.published[-1].entities])
        await other.store.close()
    assert offered[0] == offered[1]
    assert all(value is not None for _, value in offered[1])


async def lacking(hq: Hq) -> list[Publication]:
    """Return publications of a step that was judged without a memory."""
    center = Center()
    await hq.feed("uz", center.opened(2))
    return publications(await hq.feed("uz", changes(center)))


async def test_record_that_can_not_be_read_is_left_to_the_publisher(hq: Hq) -> None:
    """It reads all of the publication, and says what is wrong with it; nothing of it is said to be there."""
    found = await lacking(hq)
    refusing: Any = Refusing()
    assert await filled(refusing, found) == found
    edit(hq.database, "UPDATE ledger SET data = x'00' WHERE subject = 'uz:K-1' AND version = 1")
    assert await filled(hq.store, found) == found


async def test_store_is_not_asked_where_all_is_at_hand(hq: Hq) -> None:
    """Nor of a lane that another one has followed: its state is not what its entity is."""
    center = Center()
    step = await hq.feed("uz", center.opened(2))
    refusing: Any = Refusing()
    found = publications(step)
    assert await filled(refusing, found) is found
    second = center.next_epoch("0000beef")
    found = publications(await hq.feed("uz", second.opened(1)))
    assert [known.entity.stream for known in found[0].entities if known.value is None] == ["lane"]
    assert await filled(refusing, found) is found
