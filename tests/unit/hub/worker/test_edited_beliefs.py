"""A worker judges by no entity that somebody edited, and says no such event again."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from hub.hq.headquarters import Headquarters
from hub.kafka.memory import MemoryBroker
from hub.ledger.derived import Again
from hub.ledger.lane import Status
from hub.ledger.publication import Outbound
from hub.worker.consolidator import Consolidator
from hub.worker.publisher import Pace, Publisher
from tests.support.center import NOW, RELEASED, Center, offer
from tests.support.consolidator import Seen
from tests.support.engines import open_store
from tests.support.fanned import STATE_FORMS, at
from tests.support.hq import IDENTITY, Hq
from tests.support.kept import kept_of
from tests.support.peek import ask, edit, peek

ENTITY_EDITS = (
    "status = 'withdrawn'",
    "version = 7",
    "center = 'kz'",
    "digest = zeroblob(32)",
    "document = replace(document, 'published\",\"stream', 'withdrawn\",\"stream')",
)


@pytest.mark.parametrize("edited", ENTITY_EDITS)
async def test_event_of_an_entity_whose_row_was_edited_is_not_judged_by_it(tmp_path: Path, edited: str) -> None:
    """A refusal would be signed, and final: the center is parked; put back and resumed, its event is accepted."""
    uz = Center("uz")
    hq = await Hq.open(tmp_path)
    await hq.register(uz)
    await hq.feed("uz", uz.opened(2))
    await hq.store.close()
    path, kept = hq.database, tmp_path / "kept.sqlite3"
    shutil.copy(path, kept)
    revised = uz.sealed(uz.append(uz.event("net.cohub.offer.revised.v1", "K-1", offer("New title"))))
    size = ask(path, "SELECT size FROM lane WHERE center = 'uz'")
    edit(path, f"UPDATE entity SET {edited} WHERE stream = 'offer' AND id = 'uz:K-1'")
    for status, grown in ((Status.PARKED, 0), (Status.READING, 1)):
        store = open_store(path)
        headquarters = Headquarters(store, IDENTITY, RELEASED)
        publisher = Publisher(store, at(MemoryBroker()), STATE_FORMS, pace=Pace(0.0, 0.01, 0.0))
        consolidator = Consolidator(store, headquarters, IDENTITY, publisher, "test", lambda: NOW + timedelta(days=1))
        consolidator.attach(Seen())
        await consolidator.assign(["uz"])
        await consolidator.handle("uz", [revised])
        assert ask(path, "SELECT status FROM intake WHERE center = 'uz'") == status
        assert ask(path, "SELECT size FROM lane WHERE center = 'uz'") == size + grown
        if status == Status.PARKED:
            assert ask(path, "SELECT why FROM intake WHERE center = 'uz'").startswith("ROWS_DAMAGED ")
            columns = "status, version, center, digest, document"
            (whole,) = peek(kept, f"SELECT {columns} FROM entity WHERE id = 'uz:K-1'")
            edit(path, f"UPDATE entity SET ({columns}) = (?, ?, ?, ?, ?) WHERE id = 'uz:K-1'", *whole)
            await store.resume("uz")
        await store.close()
    assert ask(
        path, f"SELECT code FROM ledger JOIN lane ON id = lane_id WHERE center = 'uz' AND sequence > {size}"
    ) == ("ACCEPTED")


EVENT_EDITS = (
    "data = CAST(replace(data, 'Offer', 'Fraud') AS BLOB)",
    "data = CAST(data || 'x' AS BLOB)",
    "data = substr(data, 1, length(data) - 1)",
    "data = (SELECT data FROM ledger WHERE lane_id = {uz} AND sequence = 3)",
    "data = 'zz'",
    "data = 7",
    "digest = zeroblob(32)",
    "digest = 'zz'",
)


@pytest.mark.parametrize("edited", EVENT_EDITS)
async def test_event_whose_bytes_are_not_its_leafs_is_missing_where_it_is_said_again(
    tmp_path: Path, edited: str
) -> None:
    """Who reads the topic would take it for what the center has sealed; all others are said."""
    uz = Center("uz")
    hq = await Hq.open(tmp_path)
    await hq.register(uz)
    await hq.feed("uz", uz.opened(3))
    before, none = await said_again(hq)
    assert none == 0
    lane = ask(hq.database, "SELECT id FROM lane WHERE center = 'uz'")
    edit(hq.database, f"UPDATE ledger SET {edited.format(uz=lane)} WHERE lane_id = {lane} AND sequence = 2")
    after, missing = await said_again(hq)
    await hq.store.close()
    assert (missing, len(after)) == (1, len(before) - 1)
    assert [record for record in before if record in after] == after


async def said_again(hq: Hq) -> tuple[list[Outbound], int]:
    """Return the records of `events` as they are said again, and how many are missing."""
    kept, again = kept_of(hq.store, hq.database, IDENTITY), Again("events", frozenset(), "", NOW)
    records: list[Outbound] = []
    missing = 0
    while True:
        page = await kept.page(again, NOW)
        records += [record for of in page.places.values() for record in of]
        missing += page.missing
        if page.place is None:
            return records, missing
        again = replace(again, place=page.place)
