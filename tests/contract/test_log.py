"""One suite for every store: what `hub.store.store.LogStore` promises of HQ's log, on a real database."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from hub.ledger.notary import Addition, Log, append
from hub.ledger.witness import Witnesses
from hub.protocol.checkpoint import Checkpoint, sign_checkpoint
from hub.protocol.errors import Malformed, Retriable
from hub.protocol.tree import Edge
from hub.store.store import OvertakenError
from tests.support.center import HUB, NOW, Center
from tests.support.engines import Engine
from tests.support.halts import told
from tests.support.hq import IDENTITY, Hq

ORIGIN = f"{HUB}/log"
KEYS = [IDENTITY.log, IDENTITY.log_long]
SECOND = timedelta(seconds=1)


async def logged(hq: Hq, limit: int = 100) -> Addition:
    """Log up to `limit` receipts; return what was written."""
    log = hq.store.log
    addition = append(await log.read(ORIGIN), await log.unlogged(limit), KEYS, NOW)
    await log.append(addition)
    return addition


async def test_unlogged_receipts_come_in_their_lanes_order_and_once(hq: Hq) -> None:
    """Whatever the limit, each receipt is offered until it is a leaf, and never after."""
    uz, kz = Center("uz"), Center("kz")
    for n in range(4):
        await hq.feed("uz", uz.offers(1, first=n) if n else uz.opened())
        await hq.feed("kz", kz.offers(1, first=n) if n else kz.opened())
    everything = await hq.store.log.unlogged(100)
    assert len(everything) == 11
    seen: list[tuple[int, int]] = []
    for limit in (1, 2, 3, 4, 5):
        found = await hq.store.log.unlogged(limit)
        assert found == await hq.store.log.unlogged(limit)
        assert len(found) == min(limit, 11 - len(seen))
        seen += [(receipt.lane_id, receipt.last) for receipt in found]
        await logged(hq, limit)
    assert await hq.store.log.unlogged(5) == []
    assert sorted(seen) == sorted((receipt.lane_id, receipt.last) for receipt in everything)
    for lane in {lane for lane, _ in seen}:
        mine = [last for of, last in seen if of == lane]
        assert mine == sorted(mine)


async def test_unlogged_leaves_out_what_is_known(hq: Hq) -> None:
    """Up to a receipt of each lane that is named; all of the others."""
    await hq.feed("uz", Center("uz").opened(2))
    everything = await hq.store.log.unlogged(100)
    known = {receipt.lane_id: receipt.last for receipt in everything[: len(everything) // 2]}
    left = [receipt for receipt in everything if receipt.last > known.get(receipt.lane_id, 0)]
    assert 0 < len(left) < len(everything)
    assert await hq.store.log.unlogged(100, known) == left
    assert await hq.store.log.unlogged(100, {receipt.lane_id: receipt.last for receipt in everything}) == []


async def test_unlogged_shares_fairly_between_lanes(hq: Hq) -> None:
    """A lane with a backlog leaves room for the others, and takes what they do not need."""
    uz, kz = Center("uz"), Center("kz")
    await hq.feed("kz", kz.opened())
    for n in range(9):
        await hq.feed("uz", uz.offers(1, first=n) if n else uz.opened())
    lanes = [receipt.lane_id for receipt in await hq.store.log.unlogged(8)]
    assert sorted(lanes.count(lane) for lane in set(lanes)) == [1, 3, 4]
    assert len(await hq.store.log.unlogged(13)) == 13


async def test_appended_log_is_read_back_as_it_was_written(hq: Hq, engine: Engine, tmp_path: Path) -> None:
    """Edge, partial tiles and checkpoint are there for the next notary, in this process and in another."""
    assert await hq.store.log.read(ORIGIN) == Log(ORIGIN)
    first = await logged(hq, 2)
    assert await hq.store.log.read(ORIGIN) == first.log
    second = await logged(hq)
    again = await engine.open(tmp_path)
    assert await again.log.read(ORIGIN) == second.log
    assert await again.log.root(2) == first.log.edge.root
    assert await again.log.root(second.log.size) == second.log.edge.root
    assert await again.log.root(second.log.size + 1) is None
    await again.close()


async def test_stored_checkpoints_have_the_leaves_since_the_one_before(hq: Hq) -> None:
    """What is published is what is stored, byte for byte, from any size on; together it is the whole tree."""
    additions = [await logged(hq, 1), await logged(hq, 2)]
    found = await hq.store.log.stored(0, 10)
    assert [(s.size, s.after, s.note) for s in found] == [(1, 0, additions[0].log.note), (3, 1, additions[1].log.note)]
    assert await hq.store.log.stored(0, 1) == found[:1]
    assert await hq.store.log.stored(1, 10) == await hq.store.log.stored(2, 10) == found[1:]
    assert await hq.store.log.stored(3, 10) == []
    assert [await hq.store.log.note(size) for size in (1, 2, 3)] == [found[0].note, None, found[1].note]
    edge = Edge()
    for stored in found:
        edge = edge.append(stored.leaves)
    assert edge == additions[-1].log.edge


async def test_addition_to_a_log_that_has_moved_writes_nothing(hq: Hq) -> None:
    """Two notaries on one size: the second is told so, and what it had signed is nowhere."""
    log = hq.store.log
    view, receipts = await log.read(ORIGIN), await log.unlogged(3)
    await log.append(append(view, receipts[:2], KEYS, NOW))
    for late in (receipts, receipts[2:], receipts[:2]):
        with pytest.raises(OvertakenError, match="at size 2, expected 0"):
            await log.append(append(view, late, KEYS, NOW))
    assert issubclass(OvertakenError, Retriable)
    assert [stored.size for stored in await log.stored(0, 10)] == [2]
    assert [(r.lane_id, r.last) for r in await log.unlogged(9)] == [(r.lane_id, r.last) for r in receipts[2:]]


async def test_addition_that_contradicts_what_is_stored_leaves_nothing(hq: Hq) -> None:
    """A leaf for a receipt that has one already, behind the right size, is a fault of the database: all is undone."""
    log = hq.store.log
    receipts = await log.unlogged(3)
    done = await logged(hq, 2)
    before: Any = await log.read(ORIGIN), await log.unlogged(9), await log.stored(0, 9)
    with pytest.raises(Malformed, match="contradicts"):
        await log.append(append(done.log, [receipts[2], receipts[0]], KEYS, NOW))
    assert (await log.read(ORIGIN), await log.unlogged(9), await log.stored(0, 9)) == before


async def test_addition_whose_last_row_fails_leaves_nothing(hq: Hq) -> None:
    """Leaves, tiles and cursors were written when the checkpoint can't be: all of them are undone."""
    log = hq.store.log
    addition = append(await log.read(ORIGIN), await log.unlogged(3), KEYS, NOW)
    before: Any = await log.unlogged(9), await log.stored(0, 9)
    broken = replace(addition, log=replace(addition.log, note=cast("bytes", None)))
    with pytest.raises(Malformed, match="contradicts"):
        await log.append(broken)
    assert (await log.unlogged(9), await log.stored(0, 9)) == before
    await log.append(addition)
    assert await log.read(ORIGIN) == addition.log


async def test_lease_is_one_owners_until_its_end(hq: Hq) -> None:
    """The owner may prolong it and give it up; anybody else waits for its end."""
    log = hq.store.log
    assert await log.lead("one", NOW, NOW + 5 * SECOND)
    assert not await log.lead("two", NOW + 4 * SECOND, NOW + 9 * SECOND)
    assert await log.lead("one", NOW + 4 * SECOND, NOW + 9 * SECOND)
    await log.follow("two")
    assert not await log.lead("two", NOW + 8 * SECOND, NOW + 20 * SECOND)
    assert await log.lead("two", NOW + 9 * SECOND, NOW + 20 * SECOND)
    assert not await log.lead("one", NOW + 10 * SECOND, NOW + 20 * SECOND)
    await log.follow("two")
    assert await log.lead("one", NOW + 10 * SECOND, NOW + 20 * SECOND)


async def test_lease_by_a_clock_that_was_ahead_is_nobodys(hq: Hq) -> None:
    """A notary that was killed while its clock was a year ahead: the next one does not wait for that year."""
    log, year = hq.store.log, timedelta(days=365)
    assert await log.lead("one", NOW + year, NOW + year + 6 * SECOND)
    assert await log.lead("two", NOW, NOW + 6 * SECOND)
    assert not await log.lead("three", NOW, NOW + 6 * SECOND)
    assert not await log.lead("three", NOW - timedelta(minutes=9), NOW - timedelta(minutes=9) + 6 * SECOND)


async def test_evidence_against_the_log_counts_while_it_does_not_fit(hq: Hq) -> None:
    """A checkpoint of HQ's own that this log has never had is remembered; one that it has, or comes to, is none."""
    store, done = hq.store, await logged(hq, 2)
    said = Checkpoint(ORIGIN, 2, done.log.edge.root)
    await store.keep_evidence(ORIGIN, 2, b"", sign_checkpoint(said, KEYS, NOW), NOW)
    await store.keep_evidence(f"{HUB}/uz/0000abcd", 9, b"a lane's fork", b"no checkpoint of the log", NOW)
    assert await store.log.rolled_back(Witnesses()) is None
    rest = append(done.log, await store.log.unlogged(9), KEYS, NOW).log
    await store.keep_evidence(ORIGIN, 3, done.log.note, rest.note, NOW)
    assert "a log of 2" in told(await store.log.rolled_back(Witnesses()))
    await logged(hq)
    assert await store.log.rolled_back(Witnesses()) is None
    other = replace(said, size=1, root=bytes(32))
    await store.keep_evidence(ORIGIN, 1, b"", sign_checkpoint(other, KEYS, NOW), NOW)
    assert "another root" in told(await store.log.rolled_back(Witnesses()))
