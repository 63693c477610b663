"""A lane that waits is read on once HQ has said what it waits for, whoever holds it and whatever came in between."""

from __future__ import annotations

import contextlib
from datetime import timedelta
from typing import Any

import pytest

from hub.base.faulty import Fault
from hub.ledger.lane import Status
from hub.ledger.step import Step
from hub.protocol.errors import Retriable
from hub.store.faulty import FaultyStore
from hub.store.store import Store
from hub.worker.consolidator import Consolidator
from tests.support.center import Center, Sent
from tests.support.consolidator import Clock, Seen, Spoilt, consolidator, intake, size
from tests.support.hq import Hq, center_record
from tests.support.intakes import Positions

NEW_KEY = b"n" * 32


class Reader:
    """A worker and where it reads the lane of uz."""

    def __init__(self, life: Life) -> None:
        self.life = life
        self.begin()

    def begin(self) -> None:
        """Begin as a new process does: nothing in memory, no lane."""
        self.store, self.positions = FaultyStore(self.life.hq.store), Positions()
        self.made: Consolidator = consolidator(
            self.life.hq, Seen(), self.life.clock, self.store, lambda: self.life.tick_s
        )
        self.made.attach(self.positions)

    async def assign(self) -> None:
        await self.made.revoke(["uz"])
        self.positions.release("uz")
        self.positions.give("uz", (await self.made.assign(["uz"]))["uz"])

    async def look(self) -> None:
        with contextlib.suppress(Retriable):  # as the service does: the same worker looks again
            await self.made.look_again()

    async def read(self) -> None:
        """Handle what there is, where the lane is read here."""
        while "uz" in self.positions.next and "uz" not in self.positions.paused:
            records = [record for record in self.life.log if record.offset >= self.positions.next["uz"]]
            if not records:
                return
            self.positions.next["uz"] = records[-1].offset + 1
            await self.made.ready(records)
            await self.made.handle("uz", records)


class Life:
    """HQ, one center and two workers. Each word is one step; 0 and 1 are the workers."""

    def __init__(self, hq: Hq) -> None:
        self.hq, self.clock, self.tick_s = hq, Clock(), 100.0
        self.center = Center()  # with the key that it seals by now
        self.log: list[Sent] = []
        self.readers = [Reader(self), Reader(self)]

    async def live(self, words: str) -> None:
        for word in words.split():
            what, _, number = word.partition(":")
            await self.happen(what, self.readers[int(number or 0)])

    async def happen(self, what: str, reader: Reader) -> None:
        match what:
            case "suspended" | "resumed":
                await self.hq.said(what, self.center)
            case "enrolled":
                await self.hq.said("key_added", self.center, center_record(Center(), Center(seed=NEW_KEY)))
            case "written":
                self.log += self.center.offers(1, first=10 * len(self.log))
            case "rotated":  # what it writes from here on is by a key that HQ does not know before it is enrolled
                self.center = Center(seed=NEW_KEY, edge=self.center.edge, offsets=self.center.offsets)
            case "lost":  # an event, and so there is a hole before the next one
                self.center.offers(1, first=5)
            case "assign" | "look" | "read":
                await getattr(reader, what)()
            case "dies":
                reader.begin()
            case "refused" | "applied":  # the next commit
                reader.store.fail(Fault(what), "commit")
            case "later":
                self.tick_s += 30
            case "much-later":  # than the last look at the hq lane
                self.clock.now += timedelta(minutes=2)
            case _:
                raise AssertionError(what)


# What happens once the first batch was read by worker 0, up to HQ's last word; nobody has looked again since then.
LIVES = {
    "it was suspended": "suspended written read resumed",
    "suspended, and nothing came": "suspended look resumed",
    "twice between two looks": "suspended written read resumed suspended resumed",
    "suspended again while it waits": "suspended written read resumed suspended look resumed",
    "another worker has it": "suspended written assign:1 read:1 look resumed",
    "another worker had it, and is gone": "suspended written assign:1 read:1 dies:1 assign resumed",
    "HQ spoke while nobody held it": "suspended written read dies resumed assign",
    "it was dealt out while it waited": "suspended written read assign resumed",
    "and came back": "suspended written read assign:1 resumed assign",
    "a fetch saw it first": "written suspended much-later read written resumed",
    "a key": "rotated written read enrolled",
    "a key, and it was suspended": "rotated written read suspended resumed enrolled",
    "a key that came while it was suspended": "rotated suspended written read resumed enrolled",
    "suspended while it waits for a key": "rotated written read suspended look written read resumed enrolled",
    "suspended and resumed while it waits for a key": "rotated written read suspended look resumed look enrolled",
    "a key, and a fetch saw first that HQ has it": "rotated written read enrolled much-later written read",
    "a key, at the next worker": "rotated written read suspended assign:1 resumed look:1 enrolled",
    "a key, at a worker that is gone": "rotated written read assign:1 read:1 dies:1 enrolled assign",
}


@pytest.mark.parametrize("life", LIVES.values(), ids=LIVES.keys())
async def test_lane_reads_on_by_one_look_once_hq_has_spoken(hq: Hq, life: str) -> None:
    """Whoever holds it looks once, and reads: every event is taken, and the lane waits no more."""
    await hq.register(Center())
    world = Life(hq)
    world.log += world.center.opened(1)
    await world.live("assign read")
    await world.live(life)
    await world.live("look:0 look:1 read:0 read:1")
    assert intake(hq, world.center) == (Status.READING, "")
    assert size(hq, world.center) == len(world.log)


@pytest.mark.parametrize("fault", list(Fault))
async def test_lane_whose_stop_failed_at_a_look_is_not_said_to_wait_when_it_reads(hq: Hq, fault: Fault) -> None:
    """Whether SQL has it that the lane waits, nobody knows who heard an error; the next look sees it, and mends it."""
    await hq.register(Center())
    world = Life(hq)
    world.log += world.center.opened(1)
    await world.live(f"assign read lost written read suspended later {fault.value} look")
    assert intake(hq, world.center)[0] == (Status.WAITING if fault is Fault.APPLIED else Status.READING)
    await world.live("resumed look")
    assert intake(hq, world.center) == (Status.READING, "")


async def test_stop_that_failed_at_a_look_holds_while_the_center_is_suspended(hq: Hq) -> None:
    """The lane is read again, and stopped again by what is due."""
    await hq.register(Center())
    world = Life(hq)
    world.log += world.center.opened(1)
    await world.live("assign read lost written read suspended later applied look look look")
    assert intake(hq, world.center) == (Status.WAITING, "SUSPENDED")
    assert world.readers[0].positions.paused == {"uz"}


@pytest.mark.parametrize("notices", ["look", "read"])
async def test_worker_that_was_overtaken_lets_go_until_the_group_speaks(hq: Hq, notices: str) -> None:
    """It reads no further, and says which lanes are not read here though the group has them here."""
    await hq.register(Center())
    world = Life(hq)
    world.log += world.center.opened(1)
    await world.live(f"assign assign:1 {notices}")
    old, new = (reader.made for reader in world.readers)
    assert (old.overtaken, old.positions(), world.readers[0].positions.paused) == ({"uz"}, {}, {"uz"})
    assert (new.overtaken, new.positions()) == (set(), {"uz": None})
    await old.revoke(["uz"])
    assert old.overtaken == set()
    await world.live(f"assign assign:1 {notices} assign")
    assert (old.overtaken, old.positions()) == (set(), {"uz": None})


async def test_worker_that_was_overtaken_parks_nothing(hq: Hq) -> None:
    """A fault of its engine at bytes that another worker reads now is that one's to meet."""
    await hq.register(Center())
    seen = Seen()
    old = consolidator(hq, seen, Clock(), Spoilt(hq.store, "uz"))
    await old.assign(["uz"])
    await consolidator(hq, Seen(), Clock()).assign(["uz"])
    await old.handle("uz", Center().opened(1))
    assert (intake(hq, Center())[0], old.overtaken, seen.paused) == (Status.READING, {"uz"}, {"uz"})


class Busy:
    """A store that takes no step of one center, once it has a name."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.center = ""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def commit(self, step: Step, term: int) -> None:
        if step.reading.intake.center == self.center:
            raise Retriable("busy")
        await self._store.commit(step, term)


async def test_lane_whose_step_fails_at_every_look_holds_up_no_other(hq: Hq) -> None:
    """HQ speaks of a lane behind it, which is woken all the same."""
    await hq.register(Center())
    tick_s, seen, kz = 100.0, Seen(), Center("kz")
    store = Busy(hq.store)
    made = consolidator(hq, seen, Clock(), store, lambda: tick_s)
    await made.assign(["uz", "kz"])
    await made.handle("uz", Center().opened(2)[1:2])
    await made.handle("kz", kz.opened(1))
    assert seen.paused == {"kz"}
    await hq.said("suspended", Center())
    await hq.register(kz)
    store.center = "uz"
    for _ in range(2):
        tick_s += 30
        assert await made.look_again() == (tick_s == 130.0)
        assert (seen.paused, intake(hq, kz)[0], intake(hq, Center())[0]) == (set(), Status.READING, Status.READING)
