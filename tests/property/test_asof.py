"""The state as of any time is the state that HQ had at that time, whatever it lived through."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.domain.catalogue import STREAMS
from hub.hq.headquarters import Headquarters
from hub.replay.asof import AsOf
from hub.replay.decoding import Decoder
from hub.replay.diff import diff
from hub.replay.history import history
from hub.replay.source import Ledger
from tests.support.center import RELEASED, Center
from tests.support.hq import IDENTITY, Hq, registered
from tests.support.peek import open_without_disk
from tests.support.sender import CENTERS, Batches, script, write_lane

BEGINS = datetime(2030, 1, 1, tzinfo=UTC)  # after HQ's own lane was made
Entities = dict[tuple[str, str], tuple[str, bytes]]  # (stream, id) -> document, digest


@dataclass
class Life:
    """What was in the entity table after every commit, and the verdicts in the order of recording."""

    states: list[tuple[datetime, Entities]] = field(default_factory=list)

    def at(self, when: datetime) -> Entities:
        found: Entities = self.states[0][1]
        for recorded_at, entities in self.states:
            if recorded_at > when:
                break
            found = entities
        return found


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a database whose centers are registered: the basis of every case."""
    return registered(tmp_path_factory.mktemp("template"), *(Center(name) for name in CENTERS))


async def live(database: Path, script: dict[str, list[Batches]], order: list[int], pauses: list[int]) -> Life:
    """Feed all batches, the centers taking turns in any order, and copy the entities after every commit."""
    store = open_without_disk(database)
    hq = Hq(store, Headquarters(store, IDENTITY, RELEASED), {})
    waiting = {name: _batches(name, lanes) for name, lanes in script.items()}
    life, now, step = Life([(BEGINS, _entities(database))]), BEGINS, 0
    while any(waiting.values()):
        names = [name for name, batches in waiting.items() if batches]
        name = names[order[step % len(order)] % len(names)]
        now += timedelta(microseconds=pauses[step % len(pauses)])
        await hq.feed(name, waiting[name].pop(0), now)
        life.states.append((now, _entities(database)))
        step += 1
    await store.close()
    return life


def _batches(name: str, lanes: list[Batches]) -> list[Any]:
    center, previous, found = Center(name, "00000001"), None, []
    for number, batches in enumerate(lanes):
        if number:
            previous, center = center, center.next_epoch(f"{number + 1:08x}")
        found += write_lane(center, batches, previous)
    return found


def _entities(database: Path) -> Entities:
    with sqlite3.connect(database) as db:
        rows = db.execute("SELECT stream, id, document, digest FROM entity").fetchall()
    db.close()
    return {(stream, entity_id): (document, digest) for stream, entity_id, document, digest in rows}


def _as_of(ledger: Ledger, when: datetime) -> Entities:
    state = AsOf(ledger, Decoder(ledger), when)
    return {
        (found.entity.stream, found.entity.id): (found.document.decode(), found.digest)
        for stream in STREAMS
        for found in state.all(stream)
    }


@given(
    script=script,
    order=st.lists(st.integers(0, 2), min_size=1, max_size=20),
    pauses=st.lists(st.sampled_from([0, 1, 1_000_000]), min_size=1, max_size=20),
    moments=st.lists(st.integers(-1, 20_000_000), min_size=2, max_size=6),
)
@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_state_as_known_at_any_time_is_the_state_of_that_time(
    template: Path, script: dict[str, list[Batches]], order: list[int], pauses: list[int], moments: list[int]
) -> None:
    """Also the difference of two of them, and the last version in every entity's history."""
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "hub.sqlite3"
        shutil.copy(template, database)
        life = asyncio.run(live(database, script, order, pauses))
        with Ledger.open(database) as ledger:
            when = [BEGINS + timedelta(microseconds=us) for us in moments]
            when += [recorded_at for recorded_at, _ in life.states[-3:]]
            for moment in when:
                assert _as_of(ledger, moment) == life.at(moment), moment
            _check_diff(ledger, life, when[0], when[-1])
            _check_histories(ledger, life.states[-1][1])


def _check_diff(ledger: Ledger, life: Life, first: datetime, second: datetime) -> None:
    decoder = Decoder(ledger)
    before, after = life.at(first), life.at(second)
    differ = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
    found = list(diff(ledger, AsOf(ledger, decoder, first), AsOf(ledger, decoder, second), list(STREAMS)))
    assert {(d.stream, d.id) for d in found} == differ
    assert len(found) == len(differ)


def _check_histories(ledger: Ledger, entities: Entities) -> None:
    decoder = Decoder(ledger)
    rejected = sum(not e.accepted for lane in ledger.lanes for e in ledger.events(lane.id, 1, lane.size))
    told = 0
    for stream, entity_id in entities:
        events = list(history(ledger, decoder, stream, entity_id))
        versions = [event.event.version for event in events if event.event.accepted]
        assert versions == list(range(1, len(versions) + 1))
        assert f'"version":{versions[-1]}}}' in entities[stream, entity_id][0]
        assert [e.recorded_at for e in events] == sorted(e.recorded_at for e in events)
        told += sum(not event.event.accepted for event in events)
    assert told <= rejected
