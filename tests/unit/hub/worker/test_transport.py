"""The gate between Faust and the Intakes, without Faust and without Kafka."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from aiokafka import ConsumerRecord
from aiokafka.errors import IllegalStateError
from faust.types import TP

from hub.protocol.topics import center_of, topic_in
from hub.worker.lanes import RECORDS_AHEAD_MAX, WEIGHT_AHEAD_MAX, Fetched, Lanes, Stamp
from hub.worker.ports import LaneHandle
from hub.worker.transport import FetchScheduler, OneRecord
from tests.support.thread import MemoryThread


class MemoryIntakes:
    """Intakes that keep positions in memory and a journal of what they were asked."""

    def __init__(self, positions: Mapping[str, int | None] | None = None) -> None:
        self.positions = dict(positions or {})
        self.journal: list[tuple[Any, ...]] = []
        self.entered = asyncio.Event()
        self.release = asyncio.Event()
        self.release.set()
        self.error: Exception | None = None

    def attach(self, reader: LaneHandle) -> None:
        self.reader = reader

    async def assign(self, centers: Sequence[str]) -> dict[str, int | None]:
        if self.error:
            raise self.error
        self.journal.append(("assign", *centers))
        return {center: self.positions.get(center) for center in centers}

    async def revoke(self, centers: Sequence[str]) -> None:
        if self.error:
            raise self.error
        self.journal.append(("revoke", *centers))

    async def ready(self, records: Sequence[ConsumerRecord], before: Collection[str] = ()) -> None:
        """Be ready at once."""

    async def handle(self, center: str, records: Sequence[ConsumerRecord]) -> None:
        self.entered.set()
        await self.release.wait()
        self.journal.append(("handle", center, len(records)))


def reading(intakes: MemoryIntakes) -> tuple[Lanes, MemoryThread]:
    lanes, thread = Lanes(intakes), MemoryThread()
    lanes.mover = thread
    return lanes, thread


async def test_assign_moves_each_lane_where_the_intakes_say() -> None:
    """A worker reads from the position in SQL, and from the earliest record where there is none."""
    lanes, thread = reading(MemoryIntakes({"uz": 7}))
    await lanes.assign(["kz", "uz"])
    assert thread.moves == [{"in.kz": None, "in.uz": 7}]
    assert lanes.centers == ["kz", "uz"]


async def test_seek_what_was_fetched_before_never_reaches_handle() -> None:
    """After a seek only what was fetched from the new position is handled, on that lane and no other."""
    intakes = MemoryIntakes()
    lanes, thread = reading(intakes)
    await lanes.assign(["kz", "uz"])
    before, other = thread.fetched("uz", records=3), thread.fetched("kz", records=2)
    await lanes.seek("uz", 40)
    await lanes.take(before)
    await lanes.take(other)
    await lanes.take(thread.fetched("uz", 40, records=5))
    assert intakes.journal[1:] == [("handle", "kz", 2), ("handle", "uz", 5)]


async def test_seek_on_a_lane_that_is_not_ours_does_nothing() -> None:
    """A lane's next owner asks SQL: the old one has nothing to move."""
    lanes, thread = reading(MemoryIntakes())
    await lanes.seek("uz", 3)
    assert thread.moves == []
    await lanes.assign(["uz"])
    thread.error = IllegalStateError("revoked meanwhile")
    await lanes.seek("uz", 3)
    assert not lanes.failure.done()


async def test_revoke_waits_for_what_is_in_hand_and_lets_nothing_else_begin() -> None:
    """A lane is let go of between two fetches, never inside one."""
    intakes = MemoryIntakes()
    lanes, thread = reading(intakes)
    await lanes.assign(["uz"])
    intakes.release.clear()
    in_hand = asyncio.create_task(lanes.take(thread.fetched("uz")))
    queued = asyncio.create_task(lanes.take(thread.fetched("uz", 1)))
    await intakes.entered.wait()
    revoking = asyncio.create_task(lanes.revoke())
    await asyncio.sleep(0)
    assert intakes.journal == [("assign", "uz")]
    intakes.release.set()
    await asyncio.gather(in_hand, queued, revoking)
    assert intakes.journal == [("assign", "uz"), ("handle", "uz", 1), ("revoke", "uz")]
    assert lanes.centers == []


async def test_close_forgets_a_later_assignment() -> None:
    """A worker that is stopping claims nothing more, whatever Kafka still hands it."""
    intakes = MemoryIntakes()
    lanes, _ = reading(intakes)
    await lanes.assign(["uz"])
    await lanes.close()
    await lanes.assign(["uz"])
    assert intakes.journal == [("assign", "uz"), ("revoke", "uz")]


async def test_intakes_that_fail_to_assign_or_revoke_end_the_process() -> None:
    """What the Intakes raise at a rebalance is kept as the reason to stop: Faust and aiokafka would only log it."""
    intakes = MemoryIntakes()
    lanes, _ = reading(intakes)
    intakes.error = OSError("no database")
    with pytest.raises(OSError, match="no database"):
        await lanes.assign(["uz"])
    assert lanes.failure.exception() is intakes.error

    intakes = MemoryIntakes()
    lanes, _ = reading(intakes)
    await lanes.assign(["uz"])
    intakes.error = OSError("no database")
    await lanes.revoke()
    assert lanes.failure.exception() is intakes.error


async def test_assign_overtaken_by_the_next_rebalance_gives_back_what_it_claimed() -> None:
    """Faust starts over when Kafka has taken the partitions away again: no failure, and no lane claimed twice."""
    intakes = MemoryIntakes()
    lanes, thread = reading(intakes)
    thread.error = IllegalStateError("not assigned")
    with pytest.raises(IllegalStateError):
        await lanes.assign(["uz"])
    assert not lanes.failure.done()
    assert intakes.journal == [("assign", "uz"), ("revoke", "uz")]
    assert lanes.centers == []


async def test_assign_begun_before_a_revocation_claims_nothing_after_it() -> None:
    """An assignment that was waiting while the lanes were revoked is out of date."""
    intakes = MemoryIntakes()
    lanes, _ = reading(intakes)
    late = lanes.assign(["uz"])
    await lanes.revoke()
    await late
    assert intakes.journal == []


async def test_assign_without_a_revocation_before_it_revokes_first() -> None:
    """The Intakes see assign and revoke in turn, however Faust comes to its assignments."""
    intakes = MemoryIntakes()
    lanes, _ = reading(intakes)
    await lanes.assign(["uz"])
    await lanes.assign(["kz", "uz"])
    assert intakes.journal == [("assign", "uz"), ("revoke", "uz"), ("assign", "kz", "uz")]


@pytest.mark.parametrize("lost", [1, 2, 3])
async def test_fetch_lost_on_the_way_is_read_again(lost: int) -> None:
    """Whatever Faust drops, no record is skipped: the lane goes back to where it was."""
    intakes = MemoryIntakes({"uz": 100})
    lanes, thread = reading(intakes)
    await lanes.assign(["uz"])
    fetched = [thread.fetched("uz", 90 + 10 * number, records=10) for number in range(1, 5)]
    del fetched[lost - 1]
    for one in fetched:
        await lanes.take(one)
    assert thread.moves[1:] == [{"in.uz": 90 + 10 * lost}]
    assert intakes.journal[1:] == [("handle", "uz", 10)] * (lost - 1)
    await lanes.take(thread.fetched("uz", 90 + 10 * lost, records=7))
    assert intakes.journal[-1] == ("handle", "uz", 7)


async def test_room_closes_at_the_limit_and_opens_when_records_are_taken() -> None:
    """What is fetched and not handled is bounded, whatever the engine's speed."""
    intakes = MemoryIntakes()
    lanes, thread = reading(intakes)
    await lanes.assign(["uz"])
    fetched = thread.fetched("uz", records=RECORDS_AHEAD_MAX)
    lanes.admit([fetched])
    waiting = asyncio.create_task(lanes.room())
    await asyncio.sleep(0)
    assert not waiting.done()
    await lanes.take(fetched)
    await asyncio.wait_for(waiting, 1)


async def test_room_closes_by_weight_too() -> None:
    """A few large records are as much as many small ones."""
    lanes, thread = reading(MemoryIntakes())
    await lanes.assign(["uz"])
    heavy, light = (replace(thread.fetched("uz"), weight=weight) for weight in (WEIGHT_AHEAD_MAX, 1000))
    lanes.admit([heavy, light])
    waiting = asyncio.create_task(lanes.room())
    await asyncio.sleep(0)
    assert not waiting.done()
    await lanes.take(heavy)
    await asyncio.wait_for(waiting, 1)
    lanes.admit([replace(light, weight=WEIGHT_AHEAD_MAX - 1000)])
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(lanes.room(), 0.05)


async def test_room_opens_when_a_rebalance_swallows_what_was_fetched() -> None:
    """Records that Faust throws away at a rebalance do not count as waiting for ever."""
    lanes, thread = reading(MemoryIntakes())
    await lanes.assign(["uz"])
    swallowed = thread.fetched("uz", records=RECORDS_AHEAD_MAX)
    lanes.admit([swallowed])
    await lanes.revoke()
    await lanes.assign(["uz"])
    await asyncio.wait_for(lanes.room(), 1)
    await lanes.take(swallowed)  # one that comes late all the same changes no count
    lanes.admit([thread.fetched("uz", records=RECORDS_AHEAD_MAX - 1)])
    await asyncio.wait_for(lanes.room(), 1)


async def test_paused_lane_is_not_fetched_until_resumed_or_assigned_again() -> None:
    """A pause ends with `resume`, or with the assignment that it belongs to."""
    lanes, _ = reading(MemoryIntakes())
    await lanes.assign(["kz", "uz"])
    lanes.pause("uz")
    assert (lanes.paused("in.kz"), lanes.paused("in.uz")) == (False, True)
    assert lanes.patience(1.0) < 1.0
    lanes.resume("uz")
    assert not lanes.paused("in.uz")
    assert lanes.patience(1.0) == 1.0
    lanes.pause("uz")
    await lanes.revoke()
    await lanes.assign(["kz", "uz"])
    assert not lanes.paused("in.uz")


async def test_fail_keeps_the_first_reason() -> None:
    """The process ends with what went wrong first."""
    lanes, _ = reading(MemoryIntakes())
    first = ValueError("first")
    lanes.fail(first)
    lanes.fail(ValueError("second"))
    assert lanes.failure.exception() is first


def test_scheduler_yields_one_message_a_partition() -> None:
    """Faust's cost per message is paid once a fetch."""
    fetched = {
        TP(f"in.{center}", 0): OneRecord(Fetched(center, [], Stamp(1, 1)), number)
        for number, center in enumerate(["kz", "uz"])
    }
    assert list(FetchScheduler().iterate(fetched)) == list(fetched.items())


def test_topic_names_go_round() -> None:
    """A center's topic names the center."""
    assert topic_in("uz") == "in.uz"
    assert center_of(topic_in("uz")) == "uz"


async def test_lane_is_behind_while_a_record_waits_anywhere() -> None:
    """At the broker, on the way or in hand: only when nothing waits there is no lag."""
    intakes = MemoryIntakes()
    lanes, thread = reading(intakes)
    assert await lanes.behind(["uz"]) == set()
    await lanes.assign(["uz", "kz"])
    assert await lanes.behind(["uz", "kz", "unknown"]) == set()
    thread.more.add("in.kz")
    assert await lanes.behind(["uz", "kz"]) == {"kz"}
    fetched = thread.fetched("uz")
    assert await lanes.behind(["uz", "kz"]) == {"uz", "kz"}
    intakes.release.clear()
    taking = asyncio.create_task(lanes.take(fetched))
    await intakes.entered.wait()
    assert await lanes.behind(["uz"]) == {"uz"}
    intakes.release.set()
    await taking
    assert await lanes.behind(["uz"]) == set()


@pytest.mark.parametrize(("headers", "is_slow"), [((), True), ((("cohub-control", b"presence"),), False)])
async def test_large_topic_is_fetched_in_slices_beside_rows_and_not_beside_presence(
    headers: tuple[tuple[str, bytes], ...], *, is_slow: bool
) -> None:
    """What another center says of itself is waited for by nobody."""
    lanes, thread = reading(MemoryIntakes())
    await lanes.assign(["kz", "uz"])
    little = thread.fetched("kz")
    little = replace(little, records=[replace(record, headers=headers) for record in little.records])
    lanes.admit([thread.fetched("uz", records=500), little])
    assert lanes.wanted(["in.kz", "in.uz"])[0].keys() == ({"in.kz"} if is_slow else {"in.kz", "in.uz"})
