"""Law 4: a verdict is a function. However lanes, workers, fetches and resends interleave, HQ decides alike.

The consolidators that run in production live through random lives (tests/support/world.py). What they come to is held
against the straight run, in which every lane comes in one fetch, and is audited by the product's own checker.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from hub.hq.headquarters import Headquarters
from hub.ledger.lane import Status
from hub.store.store import FencedError
from tests.support.center import RELEASED, Center
from tests.support.checker import check, trust_of
from tests.support.engines import open_store
from tests.support.hq import IDENTITY, Hq, registered
from tests.support.sender import CENTERS, PUBLISHED, REVISED, WITHDRAWN, Batches, of_centers, outcome, script, senders
from tests.support.world import LATER, LifeStep, Limits, World, one_step


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a database whose centers are registered: the basis of every case."""
    return registered(tmp_path_factory.mktemp("template"), *(Center(name) for name in CENTERS))


async def straight(template: Path, folder: Path, script: dict[str, list[Batches]]) -> dict[str, list[Any]]:
    """Return what comes of the lanes in one fetch each, without the shell."""
    shutil.copy(template, folder / "hub.sqlite3")
    store = open_store(folder / "hub.sqlite3")
    try:
        hq = Hq(store, Headquarters(store, IDENTITY, RELEASED), {}, now=LATER)
        for name, sender in senders(script).items():
            for lane in sender.lanes:
                sender.write([record for batch in lane for record in batch])
            await hq.feed(name, sender.log, now=LATER)
        return outcome(store.path)
    finally:
        await store.close()


async def crooked(
    template: Path,
    folder: Path,
    script: dict[str, list[Batches]],
    steps: Sequence[LifeStep],
    memory: Limits | None = None,
) -> tuple[dict[str, list[Any]], Counter[str]]:
    """Return what consolidators come to that live through `steps` and remember so much, and what they lived through.

    Every lane reads at the end, and the checker must have nothing to say of it.
    """
    database = folder / "hub.sqlite3"
    shutil.copy(template, database)
    world = World.open(database, script, memory)
    try:
        await world.live(steps)
        found = outcome(database)
        intakes = (await world.store.changes()).intakes
    finally:
        await world.store.close()
    assert {status for _, status in intakes.values()} == {Status.READING}
    findings = check(database, trust_of(IDENTITY))
    assert not findings, findings
    return found, world.seen


def interleave(
    template: Path, script: dict[str, list[Batches]], steps: Sequence[LifeStep], memory: Limits | None = None
) -> Counter[str]:
    """Hold a life against the straight run; return what happened in it."""
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        expected = asyncio.run(straight(template, Path(one), script))
        found, seen = asyncio.run(crooked(template, Path(other), script, steps, memory))
    assert of_centers(found) == of_centers(expected)
    return seen


MEMORIES = st.sampled_from([None, (0, 0), (0, 2), (1, 1), (2, 9)])


@given(script=script, steps=st.lists(one_step, min_size=20, max_size=80), memory=MEMORIES)
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@pytest.mark.long
def test_any_interleaving_gives_the_verdicts_and_state_of_a_straight_run(
    template: Path, script: dict[str, list[Batches]], steps: list[LifeStep], memory: Limits | None
) -> None:
    """Same basis, same lanes: same verdicts, entities, measures and state digests, whatever befell the workers."""
    for name in +interleave(template, script, steps, memory):
        event(name)


@pytest.mark.long
@given(script=script, steps=st.lists(one_step, min_size=20, max_size=200), memory=MEMORIES)
@settings(max_examples=2_000, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@pytest.mark.timeout(3600)
def test_any_long_interleaving_gives_the_verdicts_and_state_of_a_straight_run(
    template: Path, script: dict[str, list[Batches]], steps: list[LifeStep], memory: Limits | None
) -> None:
    """The same, for much longer."""
    interleave(template, script, steps, memory)


def test_straight_run_decides_alike_in_another_order_of_lanes(template: Path, tmp_path: Path) -> None:
    """What the interleaving is compared with is itself independent of which lane came first."""
    script = {name: [[[(PUBLISHED, 0, n, "well")], [(WITHDRAWN, 0, 0, "well")]]] for n, name in enumerate(CENTERS)}
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    there = asyncio.run(straight(template, tmp_path / "a", script))
    back = asyncio.run(straight(template, tmp_path / "b", dict(reversed(script.items()))))
    assert there == back


def test_hole_suspension_death_and_takeover_happen_in_these_runs(template: Path) -> None:
    """The property is worth its name: a small run by hand lives through each of what it is about."""
    lanes: list[Batches] = [[[(PUBLISHED, n, n, "well")] for n in range(4)]]
    steps = [
        *[("send", "uz", 0, 1)] * 3,
        ("fetch", "uz", 0, 1),
        ("skip", "uz", 0, 1),
        ("fetch", "uz", 0, 1),  # a hole: it looks back
        ("fetch", "uz", 1, 2),  # the other worker takes over
        ("fetch", "uz", 0, 3),  # and the first is fenced
        ("suspend", "uz", 0, 1),
        ("send", "uz", 0, 1),
        ("look", "uz", 1, 1),
        ("fetch", "uz", 1, 9),
        ("fetch", "uz", 1, 9),
        ("suspend", "uz", 0, 1),
        ("look", "uz", 1, 1),
        ("crash", "uz", 1, 9),  # what it had judged is judged again
        ("dies after", "uz", 1, 9),  # the commit
        ("fetch", "uz", 1, 9),
        ("again", "uz", 1, 9),  # what is a duplicate is answered
    ]
    seen = interleave(template, dict.fromkeys(CENTERS, lanes), steps)
    assert seen["sought"] >= 2
    assert seen["hq moved"] == 2
    assert seen["paused while waiting"] >= 1
    assert seen["died before"] == seen["died after"] == 1
    assert seen["answered by a receipt"] >= 1


def test_lost_records_are_asked_for_again(template: Path) -> None:
    """A number that is too high is answered by a request, and its sender goes back to what is missing."""
    lanes: list[Batches] = [[[(PUBLISHED, n, n, "well")] for n in range(4)]]
    steps = [
        *[("send", "uz", 0, 1)] * 2,
        ("fetch", "uz", 0, 9),
        ("send", "uz", 0, 1),
        ("lose", "uz", 0, 1),
        ("send", "uz", 0, 1),
        ("fetch", "uz", 0, 9),  # it looks back for the offsets
        ("fetch", "uz", 0, 9),
    ]
    assert interleave(template, dict.fromkeys(CENTERS, lanes), steps)["answered by a resend"] == 1


def test_lane_that_comes_back_to_a_worker_is_not_judged_by_what_it_remembers(template: Path) -> None:
    """An entity that two workers change in turn has every version, whoever remembers an older one."""
    changes = [(PUBLISHED, 0, 0, "well"), *[(REVISED, 0, title, "well") for title in range(1, 6)]]
    lanes: list[Batches] = [[[change] for change in changes]]
    turns = [[("send", "uz", 0, 1), ("assign", "uz", n % 2, 1), ("fetch", "uz", n % 2, 9)] for n in range(7)]
    seen = interleave(template, dict.fromkeys(CENTERS, lanes), [step for turn in turns for step in turn])
    assert not seen["paused while reading"]  # nobody was fenced: the lane was handed over in good order


def test_lane_that_waited_with_a_worker_that_died_reads_though_another_still_thinks_it_has_it(template: Path) -> None:
    """Nothing is left of it to read, so nobody is fenced: its status is right because somebody is given it again."""
    lanes: list[Batches] = [[[(PUBLISHED, 0, 0, "well")]]]
    steps = [
        *[("send", "uz", 0, 1)] * 2,
        ("fetch", "uz", 0, 9),
        ("suspend", "uz", 0, 1),
        ("again", "uz", 1, 1),  # the other worker takes it over, and it waits
        ("restart", "uz", 1, 1),
    ]
    interleave(template, dict.fromkeys(CENTERS, lanes), steps)


async def test_overtaken_worker_is_told_so_before_it_writes(tmp_path: Path) -> None:
    """A worker whose lane was taken over, and who commits what the new owner has, is fenced; nothing is broken."""
    center = Center()
    first = await Hq.open(tmp_path, center)
    second = Hq(first.store, first.headquarters, {})
    records = center.opened(3)
    await first.claim("uz")
    await second.feed("uz", records)
    with pytest.raises(FencedError):
        await first.feed("uz", records)
    await first.store.close()
    assert check(tmp_path / "hub.sqlite3", trust_of(IDENTITY)) == []


async def test_late_record_of_a_lane_does_not_open_it_again(tmp_path: Path) -> None:
    """The fetch that closes a lane also brings its first record again: a duplicate, whatever stands around it."""
    old = Center(epoch="00000001")
    hq = await Hq.open(tmp_path, old)
    first = old.opened(2)
    await hq.feed("uz", first)
    new = old.next_epoch("00000002")
    opened = new.opened()
    late = replace(first[0], offset=next(new.offsets))
    step = await hq.feed("uz", [*opened, late, *new.offers(1)])
    assert [commit.lane.origin for commit in step.commits] == [new.origin]
    assert (step.heard.duplicates, step.quarantine) == (1, ())
    await hq.store.close()
