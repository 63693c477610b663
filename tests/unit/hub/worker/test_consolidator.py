"""The consolidator on a real store: what stops a lane, what stops the process, and what goes on."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from hub.base.faulty import Fault
from hub.ledger.lane import Status
from hub.protocol.batch import UnreadableBatch
from hub.protocol.errors import Retriable
from hub.store.faulty import FaultyStore
from tests.support.center import Center, Sent
from tests.support.consolidator import Clock, Seen, Spoilt, consolidator, intake, size
from tests.support.hq import Hq
from tests.support.peek import peek


@pytest.fixture
async def hq(tmp_path: Path) -> AsyncIterator[Hq]:
    opened = await Hq.open(tmp_path)
    yield opened
    await opened.store.close()


async def test_exception_in_the_engine_parks_its_lane_alone(hq: Hq) -> None:
    """A fault of pure code on one center's events leaves the other lanes alone, and is shown with its traceback."""
    bad, good, seen = Center("uz"), Center("kz"), Seen()
    await hq.register(bad)
    await hq.register(good)
    spoilt = Spoilt(hq.store, "uz")
    made = consolidator(hq, seen, Clock(), spoilt)
    await made.assign(["uz", "kz"])
    opened = bad.opened(2)
    await made.handle("uz", opened)
    await made.handle("kz", good.opened(2))
    assert (size(hq, bad), size(hq, good)) == (0, 3)
    status, why = intake(hq, bad)
    assert status == Status.PARKED
    assert why.startswith("ENGINE_FAULT AttributeError(")
    assert "Traceback" in why
    assert seen.paused == {"uz"}

    spoilt.is_spoilt = False
    await hq.store.resume("uz")
    await made.look_again()
    assert seen.sought[-1] == ("uz", None)
    await made.handle("uz", opened)
    assert (size(hq, bad), intake(hq, bad)[0], seen.paused) == (3, Status.READING, set())


async def test_fault_of_the_store_ends_the_process_and_parks_nobody(hq: Hq) -> None:
    """A database that fails is everybody's fault: it is raised, for the supervisor to start us again."""
    center = Center()
    await hq.register(center)
    made = consolidator(hq, Seen(), Clock(), Spoilt(hq.store, "uz", sqlite3.OperationalError("disk I/O error")))
    await made.assign(["uz"])
    with pytest.raises(sqlite3.OperationalError):
        await made.handle("uz", center.opened(1))
    assert (size(hq, center), intake(hq, center)[0]) == (0, Status.READING)


async def test_lane_that_waits_goes_on_when_hq_speaks(hq: Hq) -> None:
    """The hq lane moves while a worker holds the waiting lane."""
    center, seen = Center(), Seen()
    records = center.opened(1)
    made = consolidator(hq, seen, Clock())
    await made.assign(["uz"])
    await made.handle("uz", records)
    assert (size(hq, center), intake(hq, center)[0], seen.paused) == (0, Status.WAITING, {"uz"})
    await hq.register(center)
    assert await made.look_again()
    await made.handle("uz", records)
    assert (size(hq, center), intake(hq, center)[0]) == (2, Status.READING)


async def test_lane_that_waits_goes_on_though_another_was_taken_over_since(hq: Hq) -> None:
    """Taking a lane over reads the hq lane as well; those that wait are not forgotten for that."""
    center, seen = Center(), Seen()
    records = center.opened(1)
    made = consolidator(hq, seen, Clock())
    await made.assign(["uz"])
    await made.handle("uz", records)
    await hq.register(center)
    await made.assign(["kz"])
    assert await made.look_again()
    assert not await made.look_again()
    await made.handle("uz", records)
    assert (size(hq, center), intake(hq, center)[0]) == (2, Status.READING)


@pytest.mark.parametrize("fault", list(Fault))
async def test_lane_that_could_not_be_woken_is_woken_by_the_next_look(hq: Hq, fault: Fault) -> None:
    """A database that was busy for one lane holds up no other, and keeps nobody from hearing that HQ has spoken."""
    uz, kz, seen = Center("uz"), Center("kz"), Seen()
    store = FaultyStore(hq.store)
    made = consolidator(hq, seen, Clock(), store)
    await made.assign(["kz", "uz"])
    for center in (kz, uz):
        await made.handle(center.id, center.opened(1))
    await hq.register(uz)
    await hq.register(kz)
    store.fail(fault, "set_status")
    assert await made.look_again()
    assert (intake(hq, uz)[0], seen.paused) == (Status.READING, {"kz"})
    assert not await made.look_again()
    assert (intake(hq, kz)[0], seen.paused) == (Status.READING, set())
    assert [center for center, _ in seen.sought] == ["uz", "kz"]


@pytest.mark.parametrize("minutes", [0, 2])
async def test_worker_that_was_stopped_for_a_while_looks_at_the_hq_lane_first(hq: Hq, minutes: int) -> None:
    """What HQ said meanwhile counts, though nobody has looked again yet: a revoked key seals nothing after a pause."""
    center, seen, clock = Center(), Seen(), Clock()
    await hq.register(center)
    records = center.opened(1)
    made = consolidator(hq, seen, clock)
    await made.assign(["uz"])
    await hq.said("suspended", center)
    clock.now += timedelta(minutes=minutes)
    await made.handle("uz", records)
    assert size(hq, center) == (0 if minutes else 2)


async def test_lane_that_waited_goes_on_though_hq_spoke_while_nobody_held_it(hq: Hq) -> None:
    """A restarted worker has the new basis from its first moment; nothing will tell it that the lane may go on."""
    center = Center()
    records = center.opened(1)
    first = consolidator(hq, Seen(), Clock())
    await first.assign(["uz"])
    await first.handle("uz", records)
    assert intake(hq, center)[0] == Status.WAITING
    await hq.register(center)
    second, seen = consolidator(hq, Seen(), Clock()), Seen()
    second.attach(seen)
    await second.assign(["uz"])
    await second.handle("uz", records)
    assert (size(hq, center), intake(hq, center)[0], seen.paused) == (2, Status.READING, set())


async def test_lane_reads_again_though_what_it_waited_for_is_gone(hq: Hq) -> None:
    """Nothing comes that would commit: the status says all the same that the lane waits no more, and only then."""
    center = Center()
    first = consolidator(hq, Seen(), Clock())
    await first.assign(["uz"])
    await first.handle("uz", center.opened(1))
    await consolidator(hq, Seen(), Clock()).assign(["uz"])
    assert intake(hq, center)[0] == Status.WAITING
    await hq.register(center)
    await consolidator(hq, Seen(), Clock()).assign(["uz"])
    assert intake(hq, center) == (Status.READING, "")


async def test_worker_that_was_fenced_drops_what_it_had_fetched(hq: Hq) -> None:
    """Another owner took the lane over: the old one writes nothing, and the batches it still has end nothing."""
    center = Center()
    await hq.register(center)
    old, new = consolidator(hq, Seen(), Clock()), consolidator(hq, Seen(), Clock())
    await old.assign(["uz"])
    first, second = center.opened(1), center.offers(1, first=5)
    await new.assign(["uz"])
    await old.handle("uz", first)
    await old.handle("uz", second)
    assert size(hq, center) == 0
    await new.handle("uz", [*first, *second])
    assert size(hq, center) == 3


async def test_hole_in_the_offsets_is_looked_back_for_once(hq: Hq) -> None:
    """What is missing after one look back is for the lane's rules."""
    center, seen = Center(), Seen()
    await hq.register(center)
    made = consolidator(hq, seen, Clock())
    await made.assign(["uz"])
    await made.handle("uz", center.opened(1))
    hole = [replace(r, offset=r.offset + 5) for r in center.offers(1, first=5)]
    await made.handle("uz", hole)
    assert (seen.sought, size(hq, center)) == ([("uz", 2)], 2)
    await made.handle("uz", hole)
    assert size(hq, center) == 3


async def test_batch_that_was_passed_over_is_no_hole_in_the_offsets(hq: Hq) -> None:
    """The one record that stands for it says where it began: nobody looks back for what was refused."""
    center, seen = Center(), Seen()
    await hq.register(center)
    made = consolidator(hq, seen, Clock())
    await made.assign(["uz"])
    await made.handle("uz", center.opened(1))
    refused = UnreadableBatch.of(b"bytes", 2, 6, "it is compressed by zstd; expected gzip or none")
    await made.handle("uz", [Sent(None, refused, (), 6)])
    await made.handle("uz", [replace(r, offset=r.offset + 5) for r in center.offers(1, first=5)])
    assert (seen.sought, size(hq, center)) == ([], 3)
    ((reason, detail, data),) = peek(hq.database, "SELECT reason, detail, data FROM quarantine")
    assert (reason, detail, bytes(data)) == ("UNREADABLE_BATCH", refused.detail, b"bytes")


async def test_fork_in_a_closed_lane_is_found_too(hq: Hq) -> None:
    """Two disks wrote one epoch; that one of them has opened a new lane since makes it no less a fork."""
    center, seen = Center(), Seen()
    await hq.register(center)
    made = consolidator(hq, seen, Clock())
    await made.assign(["uz"])
    again = center.next_epoch("0000beef")
    await made.handle("uz", [*center.opened(2), *again.opened(1)])
    copy = Center(offsets=center.offsets)
    await made.handle("uz", [*copy.opened(1), *copy.offers(1, first=88)])
    assert intake(hq, center)[0] == Status.FORKED
    assert peek(hq.database, "SELECT origin, size FROM evidence") == [(center.origin, 3)]


@pytest.mark.parametrize("fault", list(Fault))
async def test_lane_whose_parking_failed_is_parked_by_the_next_worker(hq: Hq, fault: Fault) -> None:
    """The process ends; started again it meets the same bytes, or a lane that is parked already."""
    center = Center()
    await hq.register(center)
    store = FaultyStore(Spoilt(hq.store, "uz"))
    first = consolidator(hq, Seen(), Clock(), store)
    await first.assign(["uz"])
    records = center.opened(1)
    store.fail(fault, "set_status")
    with pytest.raises(Retriable):
        await first.handle("uz", records)
    second, seen = consolidator(hq, Seen(), Clock(), store), Seen()
    second.attach(seen)
    await second.assign(["uz"])
    await second.handle("uz", records)
    assert (size(hq, center), intake(hq, center)[0], seen.paused) == (0, Status.PARKED, {"uz"})
