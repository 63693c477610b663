"""The driver: plan, read, judge, allow, commit, in this order, and nothing written by a step that does not end."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Collection
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from hub.domain.entity import Outline, OutlineOnly
from hub.hq.headquarters import HqEvent
from hub.ledger.basis import Basis
from hub.ledger.reading import Reading
from hub.ledger.step import EntityKey, KnownEntity, KnownOutline, Step
from hub.protocol.errors import Rejected
from hub.protocol.keys import Signer
from hub.protocol.note import Note
from hub.protocol.verdict import Code
from hub.store.consolidate import Driver, EngineFault, Instant
from hub.store.store import FencedError, Store
from tests.support.center import HUB, NOW, Center, Sent, offer
from tests.support.hq import IDENTITY, Hq, accepted, center_record
from tests.support.peek import ask, peek

AT = Instant(NOW, 0.0)


class Told:
    """A store that notes what it is asked and told, and raises where it is said to: before a commit, or after it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.asked: list[str] = []
        self.found: Any = None  # what it gives for entities, where not what is stored
        self.fails: str | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def entities(self, keys: Collection[EntityKey]) -> dict[EntityKey, KnownEntity]:
        self.asked.append("entities")
        if self.fails == "read":
            raise sqlite3.OperationalError("disk I/O error")
        return self.found or await self._store.entities(keys)

    async def commit(self, step: Step, term: int) -> None:
        self.asked.append("commit")
        if self.fails == "before":
            raise sqlite3.OperationalError("disk I/O error")
        await self._store.commit(step, term)
        if self.fails == "after":
            raise sqlite3.OperationalError("disk I/O error")


@pytest.fixture
async def hq(tmp_path: Path) -> AsyncIterator[Hq]:
    opened = await Hq.open(tmp_path, Center())
    yield opened
    await opened.store.close()


async def started(hq: Hq) -> tuple[Told, Driver, Reading, int, Basis]:
    told = Told(hq.store)
    claimed = (await hq.store.claim(["uz"], "test"))["uz"]
    driver = Driver(told, told, IDENTITY)
    return told, driver, Reading.of(claimed.intake), claimed.term, await hq.headquarters.basis()


def written(hq: Hq) -> dict[str, list[Any]]:
    """Return every row that a step writes."""
    tables = ("lane", "ledger", "receipt", "entity", "measure", "quarantine", "cosignature", "intake")
    return {table: peek(hq.database, f"SELECT * FROM {table}") for table in tables}


async def test_receipt_is_signed_by_the_key_that_is_in_use_at_its_step(hq: Hq) -> None:
    """A key is rotated beside a running worker, whose driver lives on: the old key signs nothing any more."""
    told, _, reading, term, basis = await started(hq)
    center, identity = Center(), replace(IDENTITY)
    driver = Driver(told, told, identity)
    before = await driver.consolidate(reading, term, center.opened(1), basis, AT)
    identity.renew(replace(IDENTITY, receipts=Signer(f"{HUB}/receipts", b"n" * 32)))
    after = await driver.consolidate(before.reading, term, center.offers(1, first=5), basis, AT)
    by = [Note.from_bytes(commit.note).signatures[0].key_id for step in (before, after) for commit in step.commits]
    assert by == [IDENTITY.receipts.verifier.key_id, identity.receipts.verifier.key_id]


async def test_step_is_shown_between_the_reads_and_the_commit(hq: Hq) -> None:
    """Whoever may forbid a step sees all of it, before anything is written."""
    told, driver, reading, term, basis = await started(hq)
    seen: list[Step] = []

    def allow(step: Step) -> None:
        told.asked.append("allow")
        seen.append(step)

    step = await driver.consolidate(reading, term, Center().opened(1), basis, AT, allow)
    assert told.asked == ["entities", "allow", "commit"]
    assert seen == [step]
    assert (accepted(step), step.committed_at) == ([1, 2], NOW)


async def test_step_that_is_forbidden_writes_nothing(hq: Hq) -> None:
    """What `allow` raises is the caller's to hear, and the records can be taken again behind the same reading."""
    _, driver, reading, term, basis = await started(hq)
    records, before = Center().opened(1), written(hq)

    def forbid(_step: Step) -> None:
        raise Rejected(Code.NO_VALUE)

    with pytest.raises(Rejected):
        await driver.consolidate(reading, term, records, basis, AT, forbid)
    assert written(hq) == before
    assert accepted(await driver.consolidate(reading, term, records, basis, AT)) == [1, 2]


@pytest.mark.parametrize("part", ["plan", "judge"])
async def test_fault_of_the_engine_is_told_apart_from_the_stores(hq: Hq, part: str) -> None:
    """What pure code raises comes as an EngineFault with its cause; what the store raises comes as it is."""
    told, driver, reading, term, basis = await started(hq)
    records: list[Any] = list(Center().opened(1))
    if part == "plan":
        records[0] = object()
    else:
        told.found = {("offer", "uz:K-1"): object()}
    before = written(hq)
    with pytest.raises(EngineFault) as raised:
        await driver.consolidate(reading, term, records, basis, AT)
    assert isinstance(raised.value.cause, AttributeError)
    assert written(hq) == before
    told.fails = "read"
    with pytest.raises(sqlite3.OperationalError):
        await driver.consolidate(reading, term, Center().opened(1), basis, AT)
    assert written(hq) == before


class Outlines:
    """A memory that has every entity it is asked for in outline, as an offer that was published and revised."""

    def known(self, keys: Collection[EntityKey], whole: Collection[EntityKey]) -> dict[EntityKey, KnownEntity]:
        outlined = [Outline(stream, name, "uz", "published", 3) for stream, name in set(keys) - set(whole)]
        return {(entity.stream, entity.id): KnownOutline(entity, "a lane", 7) for entity in outlined}


async def test_entity_that_is_remembered_in_outline_is_not_read(hq: Hq) -> None:
    """An event that carries the record goes by the outline's status, version and place."""
    told, driver, reading, term, basis = await started(hq)
    center = Center()
    step = await driver.consolidate(reading, term, center.opened(1), basis, AT)
    revised = center.sealed(center.append(center.event("net.cohub.offer.revised.v1", "K-1", offer())))
    told.asked.clear()
    driver = replace(driver, memory=Outlines())

    def allow(step: Step) -> None:
        (row,) = step.commits[0].rows
        assert (row.code, row.version, row.previous) == (Code.ACCEPTED, 4, ("a lane", 7))
        raise Rejected(Code.NO_VALUE)

    with pytest.raises(Rejected):
        await driver.consolidate(step.reading, term, [revised], basis, AT, allow)
    assert told.asked == []


@pytest.mark.parametrize("kind", ["withdrawn", "published"])
async def test_entity_whose_record_counts_is_read_whole(hq: Hq, kind: str) -> None:
    """The need says so of what changes a status alone; what may be said again shows it only when it is judged."""
    told, driver, reading, term, basis = await started(hq)
    center = Center()
    records = center.opened(2)
    step = await driver.consolidate(reading, term, records, basis, AT)
    value = {"reason": "sold"} if kind == "withdrawn" else offer("Offer 1")
    again = center.append(center.event(f"net.cohub.offer.{kind}.v1", "K-1", value))
    told.asked.clear()
    driver = replace(driver, memory=Outlines())
    step = await driver.consolidate(step.reading, term, [center.sealed(again)], basis, AT)
    expected = Code.ACCEPTED if kind == "withdrawn" else Code.ALREADY_SAID
    assert [row.code for row in step.commits[0].rows] == [expected]
    assert told.asked == ["entities", "commit"]


async def test_store_that_gives_outlines_is_a_fault(hq: Hq) -> None:
    """What is read is whole: the record is not asked for a third time."""
    told, driver, reading, term, basis = await started(hq)
    center = Center()
    step = await driver.consolidate(reading, term, center.opened(1), basis, AT)
    again = center.sealed(center.append(center.event("net.cohub.offer.published.v1", "K-1", offer("Offer 1"))))
    told.found = Outlines().known({("offer", "uz:K-1")}, ())
    told.asked.clear()
    with pytest.raises(EngineFault) as raised:
        await driver.consolidate(step.reading, term, [again], basis, AT)
    assert isinstance(raised.value.cause, OutlineOnly)
    assert told.asked == ["entities", "entities"]


@pytest.mark.parametrize("fails", ["before", "after"])
async def test_commit_that_raises_is_all_there_or_not_at_all(hq: Hq, fails: str) -> None:
    """The caller can't know which: from a new claim on, the same records come to the same ledger in either case."""
    told, driver, reading, term, basis = await started(hq)
    records, told.fails = Center().opened(2), fails
    with pytest.raises(sqlite3.OperationalError):
        await driver.consolidate(reading, term, records, basis, AT)
    told.fails = None
    claimed = (await hq.store.claim(["uz"], "again"))["uz"]
    assert claimed.intake.offset == (None if fails == "before" else 3)
    step = await driver.consolidate(Reading.of(claimed.intake), claimed.term, records, basis, AT)
    assert (accepted(step), step.heard.duplicates) == (([1, 2, 3], 0) if fails == "before" else ([], 3))
    assert ask(hq.database, "SELECT count(*) FROM ledger JOIN lane ON id = lane_id WHERE center = 'uz'") == 3


async def test_overtaken_owner_is_fenced(hq: Hq) -> None:
    """An older term commits nothing, and the caller is told by the store's own error."""
    _, driver, reading, term, basis = await started(hq)
    await hq.store.claim(["uz"], "another")
    before = written(hq)
    with pytest.raises(FencedError):
        await driver.consolidate(reading, term, Center().opened(1), basis, AT)
    assert written(hq) == before


async def test_step_that_changes_nothing_is_not_written(hq: Hq) -> None:
    """A fetch of nothing new costs no transaction."""
    told, driver, reading, term, basis = await started(hq)
    step = await driver.consolidate(reading, term, Center().opened(1), basis, AT)
    told.asked.clear()
    again = await driver.consolidate(step.reading, term, [], basis, AT)
    assert (told.asked, again.reading) == ([], step.reading)


async def test_receipt_and_quarantine_of_one_step_have_each_its_own_clock(hq: Hq) -> None:
    """HQ's clock was set back: the lane's time stands still, and what is no event is stamped by the clock."""
    _, driver, reading, term, basis = await started(hq)
    center, late = Center(), NOW + timedelta(hours=1)
    first = await driver.consolidate(reading, term, center.opened(1), basis, Instant(late, 0.0))
    records = [*center.offers(1, first=7), Sent(b"x", b"nonsense", (("no", b"header of ours"),), offset=9)]
    await driver.consolidate(first.reading, term, records, basis, AT)
    moments = "SELECT max(r.recorded_at_us) - min(r.recorded_at_us) FROM receipt r JOIN lane ON id = lane_id"
    recorded = ask(hq.database, f"{moments} WHERE center = 'uz'")
    query = "SELECT l.recorded_at_us - q.recorded_at_us FROM lane l, quarantine q WHERE l.center = 'uz'"
    kept = ask(hq.database, query)
    assert (recorded, kept) == (0, 3600 * 1_000_000)


async def test_hq_says_all_of_it_or_none(hq: Hq) -> None:
    """One event of several that a rule forbids: no center, no event, and the hq lane stands where it stood."""
    before = written(hq)
    kz = center_record(Center("kz"))
    said = [
        HqEvent("net.cohub.center.registered.v1", "kz", kz),
        HqEvent("net.cohub.center.registered.v1", "uz", center_record(Center())),
    ]
    with pytest.raises(Rejected, match="ALREADY_SAID"):
        await hq.headquarters.say(said, NOW)
    after = written(hq)
    assert {name for name in before if before[name] != after[name]} == {"intake"}  # the owner's term
    assert len(accepted(await hq.headquarters.say(said[:1], NOW))) == 1
