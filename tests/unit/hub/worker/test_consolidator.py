"""The consolidator on a real store: what stops a lane, what stops the process, and what goes on."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from hub.base.faulty import Fault
from hub.base.kafka import LOG_APPEND_TIME
from hub.hq.headquarters import Headquarters
from hub.ledger.lane import Status
from hub.ledger.publication import Publication
from hub.ledger.step import EntityKey
from hub.protocol.errors import Fatal, Retriable
from hub.protocol.record import KafkaRecord
from hub.store.faulty import FaultyStore
from hub.store.store import Store
from hub.worker.consolidator import CLOCK_BEHIND_MAX_S, Consolidator
from tests.support.center import RELEASED, Center, Sent
from tests.support.hq import IDENTITY, Hq
from tests.support.peek import peek

LATER = datetime(2040, 1, 1, tzinfo=UTC)  # HQ's own lane is written by the real clock


class Seen:
    """Stands where the publisher and the reading side do, and remembers what it was told."""

    def __init__(self) -> None:
        self.published: list[Publication] = []
        self.answers: list[tuple[str, str]] = []
        self.paused: set[str] = set()
        self.sought: list[tuple[str, int | None]] = []

    def offer(self, found: Iterable[Publication]) -> None:
        self.published.extend(found)

    def answer(self, center: str, kind: str, _note: bytes) -> None:
        self.answers.append((center, kind))

    async def adopt(self, centers: Collection[str]) -> None:
        del centers

    async def room(self) -> None:
        """There is always room."""

    def pause(self, center: str) -> None:
        self.paused.add(center)

    def resume(self, center: str) -> None:
        self.paused.discard(center)

    async def seek(self, center: str, offset: int | None) -> None:
        self.sought.append((center, offset))


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = LATER

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
async def hq(tmp_path: Path) -> AsyncIterator[Hq]:
    opened = await Hq.open(tmp_path)
    yield opened
    await opened.store.close()


def consolidator(hq: Hq, seen: Seen, clock: Callable[[], datetime], store: Any = None) -> Consolidator:
    made = Consolidator(store or hq.store, hq.headquarters, IDENTITY, seen, "test", clock)
    made.attach(seen)
    return made


def size(hq: Hq, center: Center) -> int:
    found = peek(hq.database, "SELECT size FROM lane WHERE origin = ?", center.origin)
    return int(found[0][0]) if found else 0


def intake(hq: Hq, center: Center) -> tuple[str, str]:
    ((status, why),) = peek(hq.database, "SELECT status, why FROM intake WHERE center = ?", center.id)
    return str(status), str(why)


def stamped(records: Sequence[Sent], moment: datetime, kind: int | None) -> list[KafkaRecord]:
    return [replace(r, timestamp=int(moment.timestamp() * 1000), timestamp_type=kind) for r in records]


class Spoilt:
    """A store that hands the engine what it cannot have made, or fails itself, when one center's entities are read."""

    def __init__(self, store: Store, center: str, failure: Exception | None = None) -> None:
        self._store = store
        self._center = center
        self.failure = failure
        self.is_spoilt = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def entities(self, keys: Collection[EntityKey]) -> dict[EntityKey, Any]:
        ours = [key for key in keys if key[1].startswith(f"{self._center}:")]
        if self.is_spoilt and ours:
            if self.failure is not None:
                raise self.failure
            return dict.fromkeys(ours, object())
        return dict(await self._store.entities(keys))


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
    assert "AttributeError" in why
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


async def test_clock_that_runs_a_little_behind_is_waited_for(hq: Hq) -> None:
    """Nothing is committed before the clock has passed the newest record."""
    center, clock = Center(), Clock()
    await hq.register(center)
    made = consolidator(hq, Seen(), clock)
    await made.assign(["uz"])
    await made.handle("uz", center.opened(1))
    clock.now = LATER - timedelta(milliseconds=20)
    await made.handle("uz", center.offers(1, first=5))
    moments = "SELECT DISTINCT r.recorded_at_us FROM receipt r JOIN lane l ON l.id = r.lane_id WHERE l.center = 'uz'"
    assert (size(hq, center), len(peek(hq.database, moments))) == (3, 1)


async def test_clock_that_runs_far_behind_ends_the_process(hq: Hq) -> None:
    """A clock that was set back is for a person to set, not for us to wait for."""
    center, clock = Center(), Clock()
    await hq.register(center)
    made = consolidator(hq, Seen(), clock)
    await made.assign(["uz"])
    await made.handle("uz", center.opened(1))
    clock.now = LATER - timedelta(seconds=CLOCK_BEHIND_MAX_S + 1)
    with pytest.raises(Fatal, match="behind its newest record"):
        await made.handle("uz", center.offers(1, first=5))
    assert size(hq, center) == 2


async def test_brokers_clock_far_ahead_ends_the_process(hq: Hq) -> None:
    """HQ's clock or the broker's is wrong by over five minutes: nothing is committed under it."""
    center = Center()
    await hq.register(center)
    made = consolidator(hq, Seen(), Clock())
    await made.assign(["uz"])
    with pytest.raises(Fatal, match="set it"):
        await made.handle("uz", stamped(center.opened(1), LATER + timedelta(minutes=6), LOG_APPEND_TIME))
    assert size(hq, center) == 0


@pytest.mark.parametrize("kind", [None, 0])
async def test_centers_clock_far_ahead_stops_nobody(hq: Hq, kind: int | None) -> None:
    """A timestamp that a center's producer wrote decides nothing."""
    center = Center()
    await hq.register(center)
    made = consolidator(hq, Seen(), Clock())
    await made.assign(["uz"])
    await made.handle("uz", stamped(center.opened(1), LATER + timedelta(days=400), kind))
    assert size(hq, center) == 2


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


class Late:
    """A store that one call takes as long to reach as a test wants, or whose answer is so long on its way."""

    def __init__(self, store: Store, question: str, *, answers: bool = True) -> None:
        self._store = store
        self._question = question
        self._answers = answers
        self.is_asked, self.arrives = asyncio.Event(), asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)
        if name != self._question:
            return found

        async def late(*arguments: Any) -> Any:
            answer, arrives = await found(*arguments) if self._answers else None, self.arrives
            self.is_asked.set()
            await arrives.wait()
            return answer if self._answers else await found(*arguments)

        return late


async def let_others_run() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


async def test_lane_that_is_about_to_wait_is_not_woken_before_it_waits(hq: Hq) -> None:
    """HQ speaks while the fetch that stops the lane is being committed: the lane goes on, and is not left paused."""
    center, seen = Center(), Seen()
    store = Late(hq.store, "commit", answers=False)
    made = consolidator(hq, seen, Clock(), store)
    await made.refresh()
    await made.assign(["uz"])
    records = center.opened(1)
    handling = asyncio.create_task(made.handle("uz", records))
    await store.is_asked.wait()
    await hq.register(center)
    looking = asyncio.create_task(made.look_again())
    await let_others_run()
    store.arrives.set()
    await handling
    assert await looking
    assert (intake(hq, center)[0], seen.paused) == (Status.READING, set())
    await made.handle("uz", records)
    assert size(hq, center) == 2


async def test_lane_that_is_just_being_parked_is_not_taken_for_resumed(hq: Hq) -> None:
    """What a look was told before the lane was parked says nothing of what a person did since."""
    center, seen = Center(), Seen()
    await hq.register(center)
    store = Late(Spoilt(hq.store, "uz"), "changes")
    made = consolidator(hq, seen, Clock(), store)
    await made.assign(["uz"])
    looking = asyncio.create_task(made.look_again())
    await store.is_asked.wait()
    handling = asyncio.create_task(made.handle("uz", center.opened(1)))
    await let_others_run()
    store.arrives.set()
    await asyncio.gather(looking, handling)
    assert (intake(hq, center)[0], seen.paused) == (Status.PARKED, {"uz"})


async def test_older_basis_that_arrives_late_does_not_take_the_place_of_a_newer_one(hq: Hq) -> None:
    """Two questions for the hq lane overtake each other: what HQ said last stays."""
    store = Late(hq.store, "basis")
    headquarters = Headquarters(store, IDENTITY, RELEASED)
    made = Consolidator(hq.store, headquarters, IDENTITY, Seen(), "test", Clock())
    older = asyncio.create_task(made.refresh())
    await store.is_asked.wait()
    await hq.register(Center())
    answer, store.arrives = store.arrives, asyncio.Event()
    store.arrives.set()
    await made.refresh()
    assert made.centers == ["uz"]
    answer.set()
    await older
    assert made.centers == ["uz"]
