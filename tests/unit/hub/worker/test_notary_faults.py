"""The notary killed, refused and doubled at every step: there is one log."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from hub.base.faulty import Fault
from hub.ledger.notary import append
from hub.protocol.checkpoint import open_checkpoint
from hub.protocol.errors import Retriable
from hub.store.faulty import FaultyStore
from hub.store.sql_log import write_addition
from hub.store.store import OvertakenError
from hub.worker.lease import LEASE_S
from hub.worker.notary import COMPARE_EVERY_S, SAY_AGAIN_S, Notary
from tests.support.center import Center
from tests.support.engines import open_store
from tests.support.hq import IDENTITY, Hq
from tests.support.notaries import (
    ORIGIN,
    REST_S,
    Board,
    Clock,
    KilledError,
    every_receipt_is_a_leaf,
    notary,
    witness,
)
from tests.support.peek import dump


@pytest.mark.parametrize(
    "step",
    [
        "before the transaction",
        "after the transaction",
        "before the topic",
        "after the topic",
        "refused by the topic",
        "said, but refused",
    ],
)
async def test_notary_killed_at_a_step_leaves_one_log_for_its_successor(staffed: Hq, clock: Clock, step: str) -> None:
    """Wherever it dies, or the broker fails it, each receipt is one leaf, and what was said stands."""
    topic, uz = Board(), Center("uz")
    await notary(staffed.store, topic, clock).round()
    await staffed.feed("uz", uz.opened(2))
    clock.move(SAY_AGAIN_S)
    said = list(topic.records)

    def fault(at: str) -> None:
        if at == step:
            raise KilledError
        if (at, step) in {("before the topic", "refused by the topic"), ("after the topic", "said, but refused")}:
            raise Retriable(step)

    topic.fault = fault
    store = FaultyStore(staffed.store)
    if step.endswith("the transaction"):
        done = Fault.REFUSED if step.startswith("before") else Fault.APPLIED
        store.fail(done, "log.append", error=KilledError)
    with contextlib.suppress(KilledError):
        await notary(store, topic, clock).round()
    topic.fault = lambda _: None
    assert topic.records[: len(said)] == said
    await staffed.feed("uz", uz.offers(1, first=3))
    clock.move(LEASE_S)
    successor = notary(staffed.store, topic, clock, "second")
    await successor.round()
    assert successor.stopped is None
    assert witness(topic) == every_receipt_is_a_leaf(staffed)


@pytest.mark.parametrize("fault", list(Fault))
@pytest.mark.parametrize("method", ["log.lead", "log.append", "log.follow"])
async def test_notary_whose_write_failed_leaves_one_log(staffed: Hq, clock: Clock, method: str, fault: Fault) -> None:
    """Each of its writes refused once, and done once though it heard that it failed: it goes on, so does the next."""
    topic, uz = Board(), Center("uz")
    store = FaultyStore(staffed.store)
    working = notary(store, topic, clock)
    await working.round()
    tried = store.writes
    store.fail(fault, method)
    for n in range(3):
        await staffed.feed("uz", uz.offers(1, first=n) if n else uz.opened())
        clock.move(SAY_AGAIN_S)
        await working.round()
    running = asyncio.create_task(working.run())
    await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert store.writes > tried + 3
    clock.move(LEASE_S)
    successor = notary(staffed.store, topic, clock, "second")
    await successor.round()
    assert (working.stopped, successor.stopped) == (None, None)
    assert witness(topic) == every_receipt_is_a_leaf(staffed)


async def test_two_notaries_that_both_think_they_lead_make_one_log(staffed: Hq, clock: Clock, tmp_path: Path) -> None:
    """Interleaved on two connections, one always on a stale view: every place has one leaf, every size one root."""
    topic, uz, kz = Board(), Center("uz"), Center("kz")
    other = open_store(tmp_path / "hub.sqlite3")
    # The same owner, so the lease tells neither of them from the other.
    one, two = notary(staffed.store, topic, clock), notary(other, topic, clock)
    try:
        await one.round()
        await two.round()
        for n in range(12):
            lane, center = ("uz", uz) if n % 2 else ("kz", kz)
            await staffed.feed(lane, center.offers(1, first=n) if n > 1 else center.opened(n))
            clock.move(REST_S)
            for working in (one, two) if n % 3 else (two, one):
                await working.round()
                await staffed.feed("uz", uz.offers(1, first=100 + 2 * n)) if n > 1 and working is one else None
        clock.move(REST_S)
        await one.round()
        await two.round()
    finally:
        await other.close()
    assert (one.stopped, two.stopped) == (None, None)
    assert witness(topic) == every_receipt_is_a_leaf(staffed)
    by_size = {open_checkpoint(value)[0].size: value for value, _ in topic.records}
    assert all(by_size[open_checkpoint(value)[0].size] == value for value, _ in topic.records)


@pytest.mark.parametrize("seed", range(12))
async def test_any_history_of_faults_leaves_one_log(staffed: Hq, clock: Clock, tmp_path: Path, seed: int) -> None:
    """At random: commits, three notaries at once, kills, refused and half-done writes, a topic that loses its end."""
    rng = Random(seed)
    topic, centers = Board(), [Center("uz"), Center("kz")]
    stores = [open_store(tmp_path / "hub.sqlite3") for _ in range(2)]

    def started(number: int) -> Notary:
        # One owner for two of them: the lease does not tell them apart.
        return notary([staffed.store, *stores][number], topic, clock, "ab"[number // 2])

    def fault(_: str) -> None:
        if rng.random() < 0.1:
            raise rng.choice([Retriable("broker away"), KilledError()])

    topic.fault = fault
    working = [started(n) for n in range(3)]
    for step in range(40):
        center = rng.choice(centers)
        await staffed.feed(center.id, center.offers(1, first=step) if center.edge.size else center.opened())
        clock.move(rng.choice([0, 0.5, 1, LEASE_S, COMPARE_EVERY_S]))
        if rng.random() < 0.05:
            topic.records = topic.records[: rng.randrange(len(topic.records) + 1)]
            working = [started(n) for n in range(3)]  # a broker that loses what it had is one that went down
        at_work = rng.sample(range(3), rng.randint(1, 3))
        done = await asyncio.gather(*(working[n].round() for n in at_work), return_exceptions=True)
        for n, result in zip(at_work, done, strict=True):
            if isinstance(result, KilledError):
                working[n] = started(n)
            else:
                assert not isinstance(result, BaseException), result
    topic.fault = lambda _: None
    clock.move(LEASE_S + COMPARE_EVERY_S)
    for _ in range(2):
        await working[0].round()
    for store in stores:
        await store.close()
    assert [each.stopped for each in working] == [None] * 3
    assert witness(topic) == every_receipt_is_a_leaf(staffed)


async def test_addition_on_a_stale_view_is_refused_whole(staffed: Hq, clock: Clock) -> None:
    """Of two additions that build on one size the second writes nothing, whatever receipts it has."""
    log = staffed.store.log
    empty = await log.read(ORIGIN)
    receipts = await log.unlogged(10)
    keys = [IDENTITY.log, IDENTITY.log_long]
    await log.append(append(empty, receipts, keys, clock.now))
    before = dump(staffed.database)
    with pytest.raises(OvertakenError, match="somebody else went on"):
        await log.append(append(empty, receipts[:1], keys, clock.now))
    assert dump(staffed.database) == before


async def test_keys_alone_refuse_a_second_leaf_and_a_second_root(staffed: Hq, clock: Clock) -> None:
    """Were the size not asked for at all, SQL would still not take the second of two notaries' additions."""
    log = staffed.store.log
    empty = await log.read(ORIGIN)
    receipts = await log.unlogged(10)
    keys = [IDENTITY.log, IDENTITY.log_long]
    addition = append(empty, receipts, keys, clock.now)
    await log.append(addition)
    for second in (addition, append(empty, receipts[::-1], keys, clock.now)):
        with pytest.raises(sqlite3.IntegrityError), closing(sqlite3.connect(staffed.database)) as db:
            write_addition(db, second)
    assert len(receipts) == every_receipt_is_a_leaf(staffed)
