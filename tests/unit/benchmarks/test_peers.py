"""The benchmark's peers are pinned, told with what they guarantee, and measured only where their result is right."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.__main__ import KINDS
from benchmarks.lanes import BenchLane, decoded, require_latest
from benchmarks.meter import spare_the_collector
from benchmarks.peers import PEERS
from benchmarks.peers.guarantees import GUARANTEES, table
from hub.broker.jars import locked_jars
from hub.worker import service

ROOT = Path(__file__).parents[3]


@pytest.fixture
def lane() -> BenchLane:
    """A lane of an opening and seven events of three offers, as it is written."""
    lane = BenchLane("uz-1")
    assert len(list(lane.records(7, 3))) == 8
    return lane


def _kept(lane: BenchLane) -> dict[str, object]:
    return {key: decoded(value) for key, value in lane.latest.items()}


def test_page_has_the_table_of_guarantees() -> None:
    """What a figure stands for is read beside it."""
    assert table() in (ROOT / "docs/performance.md").read_text("utf-8")


def test_every_contender_has_its_guarantees() -> None:
    """No figure is told without what it buys."""
    assert {row.contender for row in GUARANTEES} == {*KINDS, *PEERS}


def test_latest_event_of_every_entity_is_accepted(lane: BenchLane) -> None:
    """The lane remembers what was written last: of seven events over three offers the 5th, 6th and 7th."""
    kept = _kept(lane)
    assert [kept[f"uz-1:K-{n}"]["title"][-1] for n in (1, 2, 0)] == ["1", "2", "0"]  # type: ignore[index]
    assert len(kept) == 4  # and the opening
    require_latest(kept.items(), [lane])


def test_older_event_of_one_entity_is_refused(lane: BenchLane) -> None:
    """A peer that has kept another event has done another work than is told."""
    kept = _kept(lane)
    kept["uz-1:K-1"] = kept["uz-1:K-2"]
    with pytest.raises(RuntimeError, match="kept 4 entities of 4, 1 of them wrong; of uz-1:K-1 it kept"):
        require_latest(kept.items(), [lane])


def test_entity_that_is_not_kept_is_refused(lane: BenchLane) -> None:
    """Nor is it enough to have counted every event."""
    kept = _kept(lane)
    del kept["uz-1:K-0"]
    with pytest.raises(RuntimeError, match="kept 3 entities of 4, 1 of them wrong"):
        require_latest(kept.items(), [lane])


def test_entity_that_nobody_wrote_is_refused(lane: BenchLane) -> None:
    """Keys that a peer has made up are found too."""
    with pytest.raises(RuntimeError, match="kept 5 entities of 4, 0 of them wrong"):
        require_latest((_kept(lane) | {"uz-1:K-9": {}}).items(), [lane])


def test_peers_are_pinned_by_hash_and_no_address() -> None:
    """What is fetched for the benchmark is what was looked at, from wherever this machine fetches."""
    jars = locked_jars("benchmarks.peers")
    assert {"kafka-streams", "rocksdbjni", "avro", "ecj"} <= {jar.path.split("/")[-3] for jar in jars}
    for lock in ("jars.lock", "requirements.lock"):
        assert "://" not in (ROOT / "benchmarks/peers" / lock).read_text("utf-8")
    requirements = (ROOT / "benchmarks/peers/requirements.lock").read_text("utf-8")
    pinned = [line for line in requirements.splitlines() if "==" in line]
    assert all(line.endswith("\\") for line in pinned)  # each goes on with its hashes


def test_kafka_streams_is_of_the_brokers_version() -> None:
    """Client and broker are of one release, as ours are."""
    assert {jar.path for jar in locked_jars("benchmarks.peers")} & {
        jar.path for jar in locked_jars() if "/kafka-clients/" in jar.path
    }


@pytest.fixture
def collector() -> Iterator[tuple[int, int, int]]:
    """The thresholds of a new process, whatever was done to this one; afterwards all is as it was found."""
    before, of_a_new_process = gc.get_threshold(), (700, 10, 10)
    gc.set_threshold(*of_a_new_process)
    yield of_a_new_process
    gc.set_threshold(*before)
    gc.unfreeze()


def test_contenders_have_the_workers_collector(collector: tuple[int, int, int]) -> None:
    """The garbage collector is frozen for all of them alike."""
    found = []
    for spare in (service.spare_the_collector, spare_the_collector):
        gc.set_threshold(*collector)
        gc.unfreeze()
        spare()
        assert gc.get_freeze_count()
        found.append(gc.get_threshold())
    assert found[0] == found[1] != collector
