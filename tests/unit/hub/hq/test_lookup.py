"""What is asked for by a name: found as it is typed, or said not to be there, with what there is instead."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.hq.folder import HubFolder
from hub.hq.lanes import resume
from hub.hq.lookup import find_entity, find_lanes, find_quarantined, list_entities
from hub.ledger.lane import Status
from hub.protocol.errors import Conflict, NotFound
from hub.store.read.reads import Snapshot
from tests.support.center import Center, Sent, offer
from tests.support.hq import Hq

KEY = "%D0%97-1|%D0%B9"


@pytest.fixture
async def fed(tmp_path: Path) -> HubFolder:
    """Return a hub that has an offer of kz with a key of two parts, and one record that is none."""
    kz = Center("kz")
    hq = await Hq.open(tmp_path, kz, Center("uz"))
    opening = kz.opened(1)
    event = kz.event("net.cohub.offer.published.v1", KEY, offer(title="Printer"))
    await hq.feed(
        "kz", [*opening, kz.sealed(kz.append(event)), Sent(b"kz:1", b"\x00junk", (("ce_id", b"1"),), offset=9)]
    )
    await hq.store.close()
    return HubFolder(tmp_path)


@pytest.fixture
def now(fed: HubFolder) -> Iterator[Snapshot]:
    with fed.snapshot() as now:
        yield now


def test_entity_is_found_as_it_is_written_and_as_it_is_shown(now: Snapshot) -> None:
    for typed in (f"kz:{KEY}", "kz:З-1|й", "kz: З-1 | и\u0306 "):
        assert find_entity(now, "offer", typed).record["title"] == "Printer"


def test_entity_that_is_not_there_is_not_found(now: Snapshot) -> None:
    with pytest.raises(NotFound, match="HQ has no offer kz:З-2"):
        find_entity(now, "offer", "kz:З-2")
    with pytest.raises(NotFound, match="there is no stream dragon; expected one of"):
        find_entity(now, "dragon", "kz:1")
    with pytest.raises(NotFound, match="there is no stream dragon; expected one of"):
        list_entities(now, "dragon", 1)


def test_list_says_how_many_there_are_beyond_it(now: Snapshot) -> None:
    found = list_entities(now, "offer", 1)
    assert (len(found.entities), found.total) == (1, 2)
    assert list_entities(now, "offer", 9, "uz").entities == ()


def test_lanes_that_are_not_there_are_not_found(now: Snapshot) -> None:
    assert find_lanes(now, "kz").events == 3
    with pytest.raises(NotFound, match="HQ has read nothing of it yet"):
        find_lanes(now, "uz")
    with pytest.raises(NotFound, match="known are kz, uz"):
        find_lanes(now, "xx")


def test_quarantined_record_is_shown_whole_or_is_not_found(now: Snapshot) -> None:
    (listed,) = now.quarantined(9)
    found = find_quarantined(now, listed.id)
    assert (found.is_whole, found.headers, found.value_hex) == (True, {"ce_id": "1"}, b"\x00junk".hex())
    assert listed.model_dump().items() <= found.model_dump().items()
    with pytest.raises(NotFound, match="no quarantined record 99"):
        find_quarantined(now, 99)


async def test_lane_is_read_again_unless_it_waits_for_something_else(fed: HubFolder) -> None:
    async with fed.store() as store:
        term = (await store.claim(["kz"], "test"))["kz"].term
        await store.set_status("kz", term, Status.PARKED, "for a test")
        done = await resume(fed, "kz")
        assert (done.before, done.was_stopped) == (Status.PARKED, True)
        assert not (await resume(fed, "kz")).was_stopped
        await store.set_status("kz", term, Status.WAITING, "for a key")
        with pytest.raises(Conflict, match="waits for HQ"):
            await resume(fed, "kz")
    with pytest.raises(NotFound, match="HQ has read nothing of a center uz"):
        await resume(fed, "uz")
