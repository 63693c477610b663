"""The store's double: what it is told to fail fails so, and everything else passes through."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hub.base.faulty import Fault
from hub.protocol.errors import Fatal, Retriable
from hub.store.faulty import WRITES, FaultyStore
from hub.store.repeat_store import RepeatStore
from hub.store.store import LogStore, Store
from tests.support.center import NOW
from tests.support.engines import open_store

READS = {
    "basis",
    "changes",
    "cursors",
    "edge_at",
    "entities",
    "hq_lane",
    "newest_recorded_at",
    "publication",
    "receipt_at",
    "workers",
    "told",
    "valued",
}
LOG_READS = {"read", "unlogged", "stored", "notes", "note", "root", "rolled_back", "hearing"}


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[FaultyStore]:
    made = FaultyStore(open_store(tmp_path / "hub.sqlite3"))
    yield made
    await made.close()


async def term(store: Store, center: str = "uz") -> int:
    return (await store.changes()).intakes.get(center, (0, ""))[0]


def test_every_write_of_a_store_can_fail() -> None:
    """A method that is new in the contract is a write that can fail here, or is known as a read."""
    found = {name for name, _ in inspect.getmembers(Store, inspect.iscoroutinefunction)}
    found_of_log = {name for name, _ in inspect.getmembers(LogStore, inspect.iscoroutinefunction)}
    found_of_repeats = {name for name, _ in inspect.getmembers(RepeatStore, inspect.iscoroutinefunction)}
    of_others = {f"log.{name}" for name in found_of_log - LOG_READS}
    of_others |= {f"repeats.{name}" for name in found_of_repeats - {"noted", "states"}}
    assert found - READS - {"unpublished", "close"} == {name for name in WRITES if "." not in name}
    assert of_others == {name for name in WRITES if "." in name}


async def test_refused_write_is_not_done(store: FaultyStore) -> None:
    """Its caller hears that it failed, and it did; the next one is done."""
    store.fail(Fault.REFUSED, "claim")
    with pytest.raises(Retriable, match="claim was refused"):
        await store.claim(["uz"], "me")
    assert await term(store) == 0
    await store.claim(["uz"], "me")
    assert await term(store) == 1


async def test_applied_write_is_done_though_its_caller_hears_that_it_failed(store: FaultyStore) -> None:
    """That is what a lost answer looks like."""
    store.fail(Fault.APPLIED, "claim")
    with pytest.raises(Retriable, match="its answer was lost"):
        await store.claim(["uz"], "me")
    assert await term(store) == 1


async def test_write_that_is_named_and_counted_fails_alone(store: FaultyStore) -> None:
    """The second claim, whatever else is written before it; with the error that was asked for."""
    store.fail(Fault.REFUSED, "claim", nth=2, error=Fatal)
    await store.claim(["uz"], "me")
    await store.set_status("uz", 1, "parked", "")
    assert await store.log.lead("me", NOW, NOW)
    with pytest.raises(Fatal):
        await store.claim(["uz"], "me")
    await store.log.follow("me")
    assert (await term(store), store.writes) == (1, 5)


async def test_unnamed_write_fails_by_its_place_among_all(store: FaultyStore) -> None:
    """The log's writes are counted with the others."""
    store.fail(Fault.REFUSED, nth=2)
    await store.claim(["uz"], "me")
    with pytest.raises(Retriable, match=r"log\.lead"):
        await store.log.lead("me", NOW, NOW)


async def test_typed_errors_of_the_store_come_through(store: FaultyStore) -> None:
    """What the store itself refuses is told as the store tells it, also where the answer was to be lost."""
    store.fail(Fault.APPLIED, "set_status")
    with pytest.raises(Retriable, match="another worker"):
        await store.set_status("uz", 9, "parked", "")
