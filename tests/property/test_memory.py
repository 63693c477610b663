"""Law 1: no verdict depends on memory. Whatever a worker remembers of entities, and however, the same is written.

The same fetches are taken by a driver without a memory, and by drivers whose memories hold a few entities, whole and in
outline; every table and every record that is published is compared byte for byte.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from hub.domain.catalogue import STREAMS
from hub.hq.headquarters import Headquarters
from hub.ledger.publication import Places, publications, published_records
from hub.ledger.reading import Reading
from hub.ledger.step import EntityKey, KnownEntity, KnownOutline, Step
from hub.store.consolidate import Driver, Instant
from hub.store.released import state_forms
from hub.store.sqlite import SqliteStore
from hub.worker.filled import filled
from hub.worker.remembered import Remembered
from schemas.vectors.samples import sample_of
from tests.support.center import RELEASED, Center, Sent
from tests.support.hq import IDENTITY, registered
from tests.support.peek import open_without_disk, peek
from tests.support.world import LATER

LIMITS = ((0, 0), (0, 1), (1, 1), (0, 3), (3, 0), (1, 9), (0, 9))
FORMS = state_forms(RELEASED)
KINDS = {name: [kind.type for kind in STREAMS[name].events] for name in ("offer", "request", "partner", "deal")}

# One event: its type, the number of its entity, and which of two records it has.
Said = tuple[str, int, int]
said = st.sampled_from(list(KINDS)).flatmap(
    lambda stream: st.tuples(st.sampled_from(KINDS[stream]), st.integers(0, 2), st.integers(0, 1))
)
# One fetch: whether it opens a new lane, and the batches of it.
Fetch = tuple[bool, list[list[Said]]]
fetches = st.lists(
    st.tuples(st.booleans(), st.lists(st.lists(said, min_size=1, max_size=6), min_size=1, max_size=3)),
    min_size=2,
    max_size=7,
)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a database whose centers are registered: the basis of every case."""
    return registered(tmp_path_factory.mktemp("template"), Center("uz"), Center("qd"))


def written(script: list[Fetch]) -> list[list[Sent]]:
    """Return the records of each fetch."""
    center, found = Center("uz", "00000001"), []
    opening: list[Sent] = [center.sealed(center.opening())]
    for number, (is_new, batches) in enumerate(script, 2):
        if is_new and center.edge.size > 1:
            old, center = center, center.next_epoch(f"{number:08x}")
            previous = {"previous_origin": old.origin, "previous_size": old.edge.size, "reason": "a new outbox"}
            opening = [center.sealed(center.opening(**previous, previous_root=old.edge.root.hex()))]
        records, opening = opening, []
        for batch in batches:
            events = [
                center.append(center.event(kind, f"K-{entity}", value(kind, title))) for kind, entity, title in batch
            ]
            records += [*events[:-1], center.sealed(events[-1])]
        found.append(records)
    return found


def value(kind: str, title: int) -> dict[str, Any]:
    """Return a record or a reason, one of two."""
    sample = sample_of(kind)
    field = next(name for name in ("title", "name", "reason") if name in sample)
    return sample | {field: f"Number {title}"}


class Watched:
    """A memory that notes how it was asked."""

    def __init__(self, limits: tuple[int, int]) -> None:
        self.memory = Remembered(*limits)
        self.outlined = 0

    def known(self, keys: Collection[EntityKey], whole: Collection[EntityKey]) -> dict[EntityKey, KnownEntity]:
        found = self.memory.known(keys, whole)
        self.outlined += sum(isinstance(known, KnownOutline) for known in found.values())
        return found


class Counted:
    """A store's entities, and how often they were asked for."""

    def __init__(self, store: SqliteStore) -> None:
        self.store, self.keys = store, 0

    async def entities(self, keys: Collection[EntityKey]) -> dict[EntityKey, KnownEntity]:
        self.keys += len(keys)
        return dict(await self.store.entities(keys))


async def sent(store: SqliteStore, step: Step, memory: Remembered | None) -> dict[Any, Any]:
    """Return what the publisher sends of a step: of each entity the newest state, all else in its order."""
    found: dict[Any, Any] = {}
    fast = publications(step) if memory is None else await filled(store, publications(step, memory.whole))
    for publication in fast:
        if any(known.value is None for known in publication.entities):
            slow = await store.publication(publication.origin, publication.first - 1, len(publication.receipts))
            assert slow is not None
            assert (slow.first, slow.last) == (publication.first, publication.last)
            publication = slow  # noqa: PLW2901 - as the publisher reads it
        add(found, published_records([publication], FORMS))
    return found


def add(found: dict[Any, Any], places: Places) -> None:
    for (topic, partition), records in places.items():
        for key, content, headers in records:
            one = (key, content, sorted(headers))
            if topic.startswith("state."):
                found[topic, partition, key] = one
            else:
                found.setdefault((topic, partition), []).append(one)


async def lived(database: Path, fetched: list[list[Sent]], limits: tuple[int, int] | None) -> tuple[Any, Any, int, int]:
    """Return all tables and all that was sent, how many outlines were used, and how many entities were read."""
    store = open_without_disk(database)
    try:
        watched = None if limits is None else Watched(limits)
        counted, basis = Counted(store), await Headquarters(store, IDENTITY, RELEASED).basis()
        driver = Driver(store, counted, IDENTITY, watched)
        claimed = (await store.claim(["uz"], "worker"))["uz"]
        reading, told = Reading.of(claimed.intake), []
        for records in fetched:
            step = await driver.consolidate(reading, claimed.term, records, basis, Instant(LATER, 0.0))
            assert not step.quarantine
            reading = step.reading
            if watched is not None:
                watched.memory.remember(step.entities)
            told.append(await sent(store, step, None if watched is None else watched.memory))
        tables = [name for (name,) in peek(database, "SELECT name FROM sqlite_master WHERE type = 'table'")]
        rows = {table: sorted(peek(database, f"SELECT * FROM {table}"), key=repr) for table in tables}
        return rows, told, watched.outlined if watched else 0, counted.keys
    finally:
        await store.close()


def compared(
    template: Path, script: list[Fetch]
) -> tuple[dict[tuple[int, int] | None, tuple[int, int]], set[tuple[str, str]]]:
    """Hold each memory against none.

    Returns of each how many outlines it gave and how many entities were read, and which events had which verdicts.
    """
    fetched, used = written(script), {}
    with tempfile.TemporaryDirectory() as folder:
        expected = None
        for number, limits in enumerate((None, *LIMITS)):
            database = Path(folder) / f"{number}.sqlite3"
            shutil.copy(template, database)
            rows, told, *used[limits] = asyncio.run(lived(database, fetched, limits))
            expected = (rows, told) if expected is None else expected
            assert rows == expected[0]
            assert told == expected[1]
        assert expected is not None
        verdicts = {(str(row[8]), str(row[4])) for row in expected[0]["ledger"]}
    return {limits: (outlined, read) for limits, (outlined, read) in used.items()}, verdicts


@given(script=fetches)
@settings(max_examples=12, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_any_memory_writes_and_publishes_what_none_does(template: Path, script: list[Fetch]) -> None:
    """Ledger, entities, measures, receipts, and every record that goes out, under all limits."""
    for kind, code in compared(template, script)[1]:
        event(f"{kind} {code}")


@pytest.mark.long
@given(script=fetches)
@settings(max_examples=1_500, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@pytest.mark.timeout(3600)
def test_any_memory_writes_and_publishes_what_none_does_for_longer(template: Path, script: list[Fetch]) -> None:
    """The same, more often."""
    compared(template, script)


def test_changes_of_status_measures_repeats_and_new_lanes_happen_in_these_runs(template: Path) -> None:
    """The property is worth its name: outlines are used, and whole entities are read in place of some of them."""
    offer, partner, deal = (f"net.cohub.{kind}" for kind in ("offer", "partner", "deal"))
    script: list[Fetch] = [
        (False, [[(f"{offer}.published.v1", n, 0) for n in range(3)], [(f"{partner}.registered.v2", 0, 0)]]),
        (False, [[(f"{offer}.revised.v1", n, 1) for n in range(3)], [(f"{deal}.opened.v1", 0, 0)]]),
        (False, [[(f"{offer}.published.v1", 0, 1)]]),  # said again: the record counts
        (False, [[(f"{offer}.published.v1", 1, 0)]]),  # exists, with another record
        (False, [[(f"{offer}.withdrawn.v1", 2, 0), (f"{partner}.signed.v1", 0, 0), (f"{deal}.signed.v1", 0, 0)]]),
        (True, [[(f"{offer}.revised.v1", 0, 0), (f"{partner}.ended.v1", 0, 1), (f"{deal}.closed.v1", 0, 1)]]),
        (False, [[(f"{offer}.revised.v1", 0, 1)], [(f"{offer}.revised.v1", 1, 0)]]),
    ]
    used, verdicts = compared(template, script)
    assert {"ACCEPTED", "ALREADY_SAID", "ALREADY_EXISTS"} <= {code for _, code in verdicts}
    none, outlines = used[None], used[0, 9]
    assert (none[0], used[0, 0]) == (0, none)
    assert outlines[0] >= 6
    assert outlines[1] < none[1]
