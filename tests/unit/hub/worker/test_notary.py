"""The notary on a real database: each receipt once, one root a size, the same bytes always."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from hub.worker.lease import LEASE_S
from hub.worker.notary import SAY_AGAIN_S, STEP_LEAVES_MAX
from tests.support.center import Center
from tests.support.halts import told
from tests.support.hq import Hq
from tests.support.notaries import (
    REST_S,
    Board,
    Clock,
    every_receipt_is_a_leaf,
    notary,
    reader,
    witness,
)
from tests.support.peek import ask, edit, peek


async def test_receipts_become_leaves_and_a_checkpoint_says_so(staffed: Hq, clock: Clock) -> None:
    """What a witness reads on the topic leads from nothing to the newest checkpoint, and every receipt is in it."""
    topic, uz, kz = Board(), Center("uz"), Center("kz")
    working = notary(staffed.store, topic, clock)
    await working.round()
    assert witness(topic) == every_receipt_is_a_leaf(staffed) > 0
    for n in range(3):
        await staffed.feed("uz", uz.offers(2, first=10 * n) if n else uz.opened(2))
        await staffed.feed("kz", kz.offers(1, first=10 * n) if n else kz.opened(1))
        clock.move(REST_S)
        await working.round()
    assert witness(topic) == every_receipt_is_a_leaf(staffed)
    assert len(topic.records) == 4


async def test_nothing_new_says_the_newest_again_byte_for_byte_every_minute(staffed: Hq, clock: Clock) -> None:
    """Who listens hears HQ at least every minute, and never two versions of one checkpoint."""
    topic = Board()
    working = notary(staffed.store, topic, clock)
    for _ in range(130):
        await working.round()
        clock.move(1.0)
    assert len(topic.records) == 1 + 130 // int(SAY_AGAIN_S)
    assert topic.records == [topic.records[0]] * len(topic.records)


async def test_checkpoints_are_spaced_and_the_first_after_a_rest_comes_at_once(staffed: Hq, clock: Clock) -> None:
    """Many commits in one interval share a checkpoint; a commit after a quiet time waits for nothing."""
    topic, uz = Board(), Center("uz")
    working = notary(staffed.store, topic, clock)
    await working.round()
    await staffed.feed("uz", uz.opened(1))
    clock.move(0.5)
    await working.round()
    await staffed.feed("uz", uz.offers(1, first=2))
    assert len(topic.records) == 1
    clock.move(0.5)
    await working.round()
    assert len(topic.records) == 2
    clock.move(5)
    await staffed.feed("uz", uz.offers(1, first=3))
    await working.round()
    assert len(topic.records) == 3
    assert witness(topic) == every_receipt_is_a_leaf(staffed)


async def test_steady_load_has_rarer_checkpoints_and_a_rest_ends_it(staffed: Hq, clock: Clock) -> None:
    """While commits never rest, centers have four seconds to cosign each; afterwards the first comes at once again."""
    topic, uz = Board(), Center("uz")
    working = notary(staffed.store, topic, clock)
    for n in range(4 * 31):  # every quarter second
        await staffed.feed("uz", uz.offers(1, first=n) if n else uz.opened())
        await working.round()
        clock.move(0.25)
    assert len(topic.records) == 3 + 6  # at 0, 1, 3 s, then every four
    clock.move(8)
    await staffed.feed("uz", uz.offers(1, first=500))
    await working.round()
    clock.move(1.0)
    await staffed.feed("uz", uz.offers(1, first=501))
    await working.round()
    assert len(topic.records) == 3 + 6 + 2
    assert witness(topic) == every_receipt_is_a_leaf(staffed)


async def test_restarted_notary_says_the_stored_bytes_and_goes_on(staffed: Hq, clock: Clock) -> None:
    """A new process signs nothing that is signed already: ML-DSA-44 would sign it with other bytes."""
    topic, uz = Board(), Center("uz")
    await notary(staffed.store, topic, clock).round()
    stored = reader(staffed).newest()
    assert stored is not None
    clock.move(LEASE_S)
    second = notary(staffed.store, topic, clock, "second")
    await second.round()
    clock.move(SAY_AGAIN_S)
    await second.round()
    assert topic.records[-1][0] == stored.note
    await staffed.feed("uz", uz.opened(1))
    await second.round()
    assert witness(topic) == every_receipt_is_a_leaf(staffed)


async def test_only_the_leader_works_and_another_takes_over_when_its_lease_is_over(staffed: Hq, clock: Clock) -> None:
    """Of several workers one signs; when it is gone without a word, another does within seconds."""
    topic = Board()
    one, two = notary(staffed.store, topic, clock, "one"), notary(staffed.store, topic, clock, "two")
    await one.round()
    uz = Center("uz")
    await staffed.feed("uz", uz.opened(1))
    clock.move(2)
    await two.round()
    assert len(topic.records) == 1
    clock.move(LEASE_S)
    await two.round()
    assert witness(topic) == every_receipt_is_a_leaf(staffed)
    await one.round()
    assert len(topic.records) == 2
    await staffed.store.log.follow("two")
    assert await staffed.store.log.lead("one", clock.now, clock.now)


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        ("UPDATE log_leaf SET hash = zeroblob(32) WHERE leaf_index = 2", "leaves and tiles"),
        ("DELETE FROM log_leaf WHERE leaf_index = 1", "tile level 0"),
        ("UPDATE checkpoint SET edge = zeroblob(length(edge))", "stored edge"),
        ("UPDATE checkpoint SET note = replace(note, 'log', 'lag')", "none of the expected keys"),
        ("DELETE FROM log_leaf WHERE leaf_index > 0; DELETE FROM checkpoint", "1 leaves of the log, and its newest"),
        ("DELETE FROM logged", "contradicts"),
        ("UPDATE checkpoint SET size = 'x'", "a row of the log cannot be read"),
        ("UPDATE receipt SET note = x'00' WHERE lane_id = (SELECT id FROM lane WHERE center = 'uz')", "stored receipt"),
    ],
)
async def test_log_that_somebody_edited_is_not_built_on(staffed: Hq, clock: Clock, damage: str, why: str) -> None:
    """A notary that starts on leaves, edge or checkpoint that do not fit each other signs nothing."""
    topic, uz, kz = Board(), Center("uz"), Center("kz")
    await staffed.feed("kz", kz.opened(1))
    await notary(staffed.store, topic, clock).round()
    await staffed.feed("uz", uz.opened(5))
    size, said = reader(staffed).size, list(topic.records)
    for statement in damage.split("; "):
        edit(staffed.database, statement)
    clock.move(LEASE_S)
    if "DELETE FROM checkpoint" in damage:
        topic.records = []
    working = notary(staffed.store, topic, clock, "second")
    await working.round()
    assert working.stopped is not None
    assert why in told(working.stopped)
    if why != "none of the expected keys":  # who reads the log alone has no keys
        assert reader(staffed).damaged() or why == "contradicts"
    if "DELETE FROM checkpoint" not in damage and "SET size" not in damage:
        assert (reader(staffed).size, topic.records) == (size, said)


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE log_leaf SET hash = zeroblob(32) WHERE leaf_index = 2",  # TILES
        "UPDATE checkpoint SET edge = zeroblob(length(edge))",  # EDGE
        "UPDATE checkpoint SET note = replace(note, 'log', 'lag')",  # CHECKPOINT
        "DELETE FROM log_leaf WHERE leaf_index > 0",  # LEAVES
        "UPDATE receipt SET note = x'00' WHERE lane_id = (SELECT id FROM lane WHERE center = 'uz')",  # ROW
        "UPDATE checkpoint SET size = 'x'",  # FAULT
    ],
)
async def test_log_whose_rows_were_put_back_goes_on(staffed: Hq, clock: Clock, tmp_path: Path, damage: str) -> None:
    """The newest copy stands where the damaged database was: the next notary signs what waited meanwhile."""
    topic, uz, kz = Board(), Center("uz"), Center("kz")
    await staffed.feed("kz", kz.opened(1))
    await notary(staffed.store, topic, clock).round()
    await staffed.feed("uz", uz.opened(5))
    kept = tmp_path / "kept"
    with closing(sqlite3.connect(staffed.database)) as db, closing(sqlite3.connect(kept)) as copy:
        db.backup(copy)
    edit(staffed.database, damage)
    clock.move(LEASE_S)
    stopped = notary(staffed.store, topic, clock, "second")
    await stopped.round()
    assert stopped.stopped is not None
    with closing(sqlite3.connect(kept)) as copy, closing(sqlite3.connect(staffed.database)) as db:
        copy.backup(db)
    clock.move(LEASE_S)
    again = notary(staffed.store, topic, clock, "third")
    await again.round()
    assert again.stopped is None
    assert witness(topic) == every_receipt_is_a_leaf(staffed)


async def test_backlog_of_an_older_release_is_logged_in_steps(staffed: Hq, clock: Clock) -> None:
    """A database full of receipts that nobody logged becomes a log in bounded steps, lane after lane fairly."""
    topic, uz, kz = Board(), Center("uz"), Center("kz")
    await staffed.feed("uz", uz.opened())
    await staffed.feed("kz", kz.opened())
    lane = ask(staffed.database, "SELECT id FROM lane WHERE center = 'uz'")
    columns = "lane_id, first, seal, edge, note, recorded_at_us, basis"
    edit(
        staffed.database,
        "WITH RECURSIVE n(last) AS (SELECT 2 UNION ALL SELECT last + 1 FROM n WHERE last < 10000)"
        f" INSERT INTO receipt({columns}, last) SELECT {columns}, n.last FROM receipt, n WHERE lane_id = ?",
        lane,
    )
    edit(staffed.database, "UPDATE lane SET size = 10000 WHERE id = ?", lane)
    working = notary(staffed.store, topic, clock)
    steps = 0
    while reader(staffed).behind():
        await working.round()
        steps += 1
        assert reader(staffed).behind() == 0 or reader(staffed).size == steps * STEP_LEAVES_MAX
    assert steps == 10
    # The short lanes did not wait for the long one.
    first = {leaf.lane_id for leaf in reader(staffed).leaves(0, STEP_LEAVES_MAX)}
    assert first == {row[0] for row in peek(staffed.database, "SELECT id FROM lane")}
    assert witness(topic) == every_receipt_is_a_leaf(staffed)
