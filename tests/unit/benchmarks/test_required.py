"""A figure is told only of a run in which every event was taken, judged as it is to be, and kept."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest

from benchmarks.contender import TAKEN, took_all
from benchmarks.lanes import BenchLane, decoded
from benchmarks.meter import read_latest, write_latest
from benchmarks.mixed import STREAMS, MixedLane
from benchmarks.required import require_accepted, require_latest, require_taken
from benchmarks.throughput import make_hub
from hub.hq.folder import HubFolder
from hub.hq.headquarters import Headquarters
from hub.hq.identity import load_identity
from hub.ledger.reading import Reading
from hub.protocol.plain_record import PlainRecord
from hub.store.consolidate import Driver, Instant
from hub.store.released import released_schemas
from hub.store.sqlite import SqliteStore

EVENTS = 400
QUARANTINED = """
INSERT INTO quarantine(center, kafka_offset, digest, reason, detail, data, size_bytes, recorded_at_us)
VALUES ('uz-1', 9, x'00', 'BAD_HEADER', '', x'00', 1, 0)"""
OF_ANOTHER = """
INSERT INTO lane(origin, center, epoch, size, edge, state_digest, recorded_at_us, missing)
VALUES ('hub.example/uz-9/0', 'uz-9', '0', 0, x'', x'', 0, 0)"""


@pytest.fixture
def lane() -> BenchLane:
    """A lane of an opening and seven events of three offers, as it is written."""
    lane = BenchLane("uz-1")
    assert len(list(lane.records(7, 3))) == 8
    return lane


def _kept(lane: BenchLane) -> dict[str, object]:
    return {key: decoded(value) for key, value in lane.latest.items()}


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


def test_latest_events_are_handed_over_as_they_were_kept(lane: BenchLane, tmp_path: Path) -> None:
    """What a contender of ours writes is compared as what a peer writes."""
    write_latest(tmp_path, _kept(lane).items())
    require_latest(read_latest(tmp_path), [lane])


@dataclass
class Run:
    """What was written to two lanes, and the database of a hub that has judged it."""

    database: Path
    lanes: list[BenchLane]

    def change(self, statement: str) -> None:
        """Change what HQ has kept, in one row at least."""
        with closing(sqlite3.connect(self.database)) as db, db:
            assert db.execute(statement).rowcount > 0


async def _run(folder: Path) -> Run:
    lanes = [BenchLane("uz-1"), MixedLane("uz-2")]
    await make_hub(folder, lanes)
    identity = load_identity(HubFolder(folder).keys)
    store = SqliteStore.open(HubFolder(folder).database)
    try:
        basis = await Headquarters(store, identity, released_schemas()).basis()
        for lane in lanes:
            claimed = (await store.claim([lane.center], "test"))[lane.center]
            written = [PlainRecord(k, v, [*h], n) for n, (k, v, h) in enumerate(lane.records(EVENTS, EVENTS // 4))]
            at = Instant(datetime.now(UTC), 0.0)
            await Driver(store, store, identity).consolidate(
                Reading.of(claimed.intake), claimed.term, written, basis, at
            )
    finally:
        await store.close()
    return Run(HubFolder(folder).database, lanes)


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """One run for all that only look at it, or that change a copy."""
    return asyncio.run(_run(tmp_path_factory.mktemp("run")))


@pytest.fixture
def run(judged: Run, tmp_path: Path) -> Run:
    """A copy of the run."""
    with closing(sqlite3.connect(judged.database)) as db, closing(sqlite3.connect(tmp_path / "hub.db")) as copy:
        db.backup(copy)
    return Run(tmp_path / "hub.db", judged.lanes)


def test_run_that_has_everything_is_told(run: Run) -> None:
    """HQ has judged both lanes as their writers say, the rejected events among them."""
    require_taken(run.database, run.lanes)
    with closing(sqlite3.connect(run.database)) as db:
        refused = dict(db.execute("SELECT code, count(*) FROM ledger WHERE code <> 'ACCEPTED' GROUP BY code"))
    assert refused.keys() == {"OUT_OF_RANGE", "UNKNOWN_CODE"}
    assert sum(refused.values()) == EVENTS // 50


def test_mixed_lane_is_what_it_says(judged: Run) -> None:
    """Kinds of three streams in runs of 1 to 8; 2 % are rejected, a third are linked; the other lane has neither."""
    plain, mixed = judged.lanes
    assert (len(plain.rejected), len(mixed.rejected)) == (0, EVENTS // 50)
    said = list(MixedLane("uz-2").said(EVENTS, EVENTS // 4))
    assert {one.kind for one in said} == {kind for first, further, _ in STREAMS.values() for kind in (first, further)}
    ends = [n for n, (one, after) in enumerate(pairwise(said)) if one.kind != after.kind]
    assert len(ends) > EVENTS / 16
    assert sum(one.correlation_id is not None for one in said) == pytest.approx(EVENTS / 3, abs=1)
    assert sum(one.causation_id is not None for one in said) == pytest.approx(EVENTS / 6, abs=1)
    assert all(one.correlation_id is not None for one in said if one.causation_id is not None)
    assert [one.is_rejected for one in said].count(True) == EVENTS // 50


@pytest.mark.parametrize(
    ("statement", "match"),
    [
        (
            "UPDATE ledger SET code = 'BAD_FIELD' WHERE lane_id = (SELECT max(id) FROM lane) AND sequence = 7",
            "has rejected events",
        ),
        ("UPDATE ledger SET code = 'ACCEPTED' WHERE code <> 'ACCEPTED'", "has not rejected 8 events"),
        ("DELETE FROM ledger WHERE sequence = 77 AND lane_id = (SELECT max(id) FROM lane)", "HQ has accepted 392"),
        ("UPDATE lane SET size = size - 1 WHERE center = 'uz-1'", "calls the lane 400 long"),
        ("DELETE FROM entity WHERE id = 'uz-1:K-5'", "kept 100 entities of 101, 1 of them wrong; of uz-1:K-5"),
        ("UPDATE entity SET record_sequence = record_sequence - 1 WHERE id = 'uz-1:K-5'", "1 of them wrong"),
        ("UPDATE entity SET sequence = 6, record_sequence = 6 WHERE id = 'uz-1:K-5'", "1 of them wrong"),
        ("UPDATE ledger SET data = (SELECT data FROM ledger ORDER BY sequence DESC LIMIT 1)", "of them wrong"),
        (
            QUARANTINED,
            r"in quarantine: \[\('BAD_HEADER', 1\)\]",
        ),
        (
            "INSERT INTO unkept VALUES ('uz-1', 'BAD_HEADER', 3, 1, 0, 0)",
            r"in quarantine: \[\('BAD_HEADER', 3\)\]",
        ),
        (
            OF_ANOTHER,
            "HQ has 3 lanes of centers; 2 were written",
        ),
    ],
)
def test_run_in_which_one_thing_is_wrong_is_not_told(run: Run, statement: str, match: str) -> None:
    """Each of what could be missing or wrong, changed in what HQ has kept."""
    run.change(statement)
    with pytest.raises(RuntimeError, match=match):
        require_taken(run.database, run.lanes)


def test_empty_ledger_is_not_told(judged: Run, tmp_path: Path) -> None:
    """That nothing was rejected is not enough: nothing was taken either."""
    asyncio.run(make_hub(tmp_path, judged.lanes))
    require_accepted(HubFolder(tmp_path).database)  # nothing was rejected
    with pytest.raises(RuntimeError, match="has 401 events; HQ has accepted 0"):
        require_taken(HubFolder(tmp_path).database, judged.lanes[:1])


def test_clock_stops_only_when_the_ledger_has_everything(run: Run) -> None:
    """What was handed to the worker may have come twice, or be none."""
    total = sum(lane.edge.size for lane in run.lanes)
    with closing(sqlite3.connect(run.database)) as look:
        assert took_all(look.execute(TAKEN).fetchone(), total)
        assert not took_all(look.execute(TAKEN).fetchone(), total + 1)
        look.execute(QUARANTINED)
        with pytest.raises(RuntimeError, match="1 records of the benchmark in quarantine"):
            took_all(look.execute(TAKEN).fetchone(), total + 1)
