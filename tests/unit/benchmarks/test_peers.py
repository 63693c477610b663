"""The benchmark's peers are pinned, told with what they guarantee, and leave nothing behind."""

from __future__ import annotations

import ast
import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.__main__ import KINDS
from benchmarks.meter import spare_the_collector
from benchmarks.peers import PEERS
from benchmarks.peers.guarantees import GUARANTEES, table
from hub.broker.jars import locked_jars
from hub.worker import collector as collector_of_the_worker

ROOT = Path(__file__).parents[3]


def test_page_has_the_table_of_guarantees() -> None:
    """What a figure stands for is read beside it."""
    assert table() in (ROOT / "docs/performance.md").read_text("utf-8")


def test_every_contender_has_its_guarantees() -> None:
    """No figure is told without what it buys."""
    assert {row.contender for row in GUARANTEES} == {*KINDS, *PEERS}


def test_nobody_leaves_folders_where_the_benchmark_was_started() -> None:
    """Faust makes a folder in the working directory, unless it is told another place."""
    sources = [path.read_text("utf-8") for path in (ROOT / "benchmarks").rglob("*.py")]
    apps = [
        {keyword.arg for keyword in call.keywords}
        for source in sources
        for call in ast.walk(ast.parse(source))
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "faust.App"
    ]
    assert len(apps) == 2
    assert all("datadir" in given for given in apps)


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
    for spare in (collector_of_the_worker.spare_the_collector, spare_the_collector):
        gc.set_threshold(*collector)
        gc.unfreeze()
        spare()
        assert gc.get_freeze_count()
        found.append(gc.get_threshold())
    assert found[0] == found[1] != collector
