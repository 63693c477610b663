"""The rules in force: who knows them, and when HQ may adopt newer ones."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hub.hq.folder import HubFolder
from hub.hq.headquarters import Headquarters
from hub.hq.identity import load_identity
from hub.hq.pulse import WorkerStanding
from hub.hq.rules import WorkerRules, adopt, living, read_rules
from hub.protocol.errors import Conflict, UsageError
from hub.protocol.rules import NEWEST, RULES
from hub.store.read.intakes import IntakeStanding
from hub.store.released import released_schemas
from hub.store.sqlite import SqliteStore
from hub.store.workers import LivingWorker

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SOON = NOW + timedelta(seconds=15)
GONE = WorkerStanding(state="stopped", pid=None)


async def hub(tmp_path: Path, rules: int) -> HubFolder:
    """Return a hub that was born under rules of that number."""
    where = HubFolder(tmp_path)
    where.ensure_identity("hub.example")
    store = SqliteStore.open(where.database)
    await Headquarters(store, load_identity(where.keys), released_schemas()).prepare(RULES[rules])
    await store.close()
    return where


async def say(where: HubFolder, *workers: LivingWorker) -> None:
    async with where.store() as store:
        for worker in workers:
            await store.say_alive(worker)


async def test_new_hub_begins_with_the_newest_rules(tmp_path: Path) -> None:
    """Nobody has judged by others there."""
    where = HubFolder(tmp_path)
    where.ensure_identity("hub.example")
    async with where.headquarters() as (_, headquarters):
        assert (await headquarters.basis()).rules is NEWEST
    assert read_rules(where).in_force == NEWEST.number


async def test_hub_that_is_there_keeps_its_rules_until_somebody_adopts_others(tmp_path: Path) -> None:
    """A new release changes no verdict by being installed."""
    where = await hub(tmp_path, 1)
    async with where.headquarters() as (_, headquarters):
        assert (await headquarters.basis()).rules.number == 1
    standing = read_rules(where)
    assert (standing.in_force, standing.adoptable, standing.workers) == (1, 2, ())
    assert (await adopt(where, 2, "all is ready")).before == 1
    assert read_rules(where).in_force == 2
    async with where.headquarters() as (_, headquarters):
        assert (await headquarters.basis()).rules.number == 2


async def test_rules_are_adopted_once_and_never_taken_back(tmp_path: Path) -> None:
    """What stands against it is said; nothing is written."""
    where = await hub(tmp_path, 2)
    with pytest.raises(Conflict, match="rules 2 are in force"):
        await adopt(where, 2)
    with pytest.raises(UsageError, match="rules 3: this release knows the rules 1, 2"):
        await adopt(where, 3)
    with pytest.raises(Conflict, match="never goes back"):
        await adopt(where, 1)


async def test_worker_that_lives_and_does_not_know_them_is_named_with_what_to_do(tmp_path: Path) -> None:
    """It would go on judging by the old rules under a basis that names the new ones."""
    where = await hub(tmp_path, 1)
    until = datetime.now(UTC) + timedelta(minutes=1)
    old = LivingWorker(f"{socket.gethostname()}:{os.getpid()}", "cohub 0.3.0", (1,), until)
    await say(where, old, LivingWorker("elsewhere:7", "cohub 0.4.0", (1, 2, 3), until))
    standing = read_rules(where)
    assert [worker.owner for worker in standing.lacking(2)] == [old.owner]
    with pytest.raises(Conflict, match=rf"{old.owner} \(cohub 0.3.0\)\. Stop it, start this release"):
        await adopt(where, 2)
    assert read_rules(where).in_force == 1
    await say(where, LivingWorker(old.owner, "cohub 0.3.0", (1, 2), until))
    assert (await adopt(where, 2)).number == 2


async def test_worker_of_an_older_release_that_says_nothing_is_found_by_its_file(tmp_path: Path) -> None:
    """Release 0.2 knows no word for it: that it lives is known by worker.json alone."""
    where = await hub(tmp_path, 1)
    where.worker_file.write_text(json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "bootstrap": "x:1"}))
    with pytest.raises(Conflict, match=r"a release before 0\.3"):
        await adopt(where, 2)
    where.worker_file.unlink()
    assert (await adopt(where, 2)).number == 2


def test_worker_lives_until_its_word_is_over() -> None:
    """What a worker said of itself holds for some seconds; a process of this machine that ended counts no more."""
    ended = LivingWorker(f"{socket.gethostname()}:{2**22 + 1}", "cohub 0.3.0", (1,), SOON)
    late = LivingWorker("elsewhere:1", "cohub 0.3.0", (1,), NOW)
    alive = LivingWorker("elsewhere:2", "cohub 0.3.0", (1, 2), SOON)
    assert living((ended, late, alive), (), GONE, NOW) == (
        WorkerRules(owner="elsewhere:2", release="cohub 0.3.0", rules=(1, 2)),
    )


def test_worker_elsewhere_that_never_said_anything_may_live() -> None:
    """It read a lane last, on another machine: a worker of this release that takes the lane over ends the doubt."""
    intakes = (
        IntakeStanding(center="uz", owner="elsewhere:9"),
        IntakeStanding(center="kz", owner="elsewhere:1"),
        IntakeStanding(center="cn", owner=f"{socket.gethostname()}:{2**22 + 1}"),
        IntakeStanding(center="hq", owner="headquarters"),
    )
    said = (LivingWorker("elsewhere:1", "cohub 0.3.0", (1, 2), NOW),)
    assert living(said, intakes, GONE, NOW) == (WorkerRules(owner="elsewhere:9", release="", rules=(1,)),)


@pytest.mark.parametrize("text", ["", "nonsense", "cohub 9 knows the rules x ² -1", " knows the rules "])
def test_word_that_no_release_has_written_knows_no_rules(text: str) -> None:
    """Nothing is taken for granted of a worker that can't be read."""
    assert LivingWorker.of("worker a:1", text, 0).rules == ()


def test_word_of_a_worker_goes_round() -> None:
    """What is kept is what was said."""
    worker = LivingWorker("host:12", "cohub 0.3.0", (1, 2), SOON)
    until_us = int(SOON.timestamp() * 1_000_000)
    assert LivingWorker.of(worker.name, worker.to_text(), until_us) == worker


async def test_words_of_long_ago_are_forgotten(tmp_path: Path) -> None:
    """The table does not grow with every start of a worker."""
    where = await hub(tmp_path, 1)
    await say(
        where,
        LivingWorker("a:1", "cohub 0.3.0", (1,), NOW - timedelta(days=40)),
        LivingWorker("a:2", "cohub 0.3.0", (1,), NOW - timedelta(days=10)),
        LivingWorker("a:3", "cohub 0.3.0", (1,), NOW),
    )
    async with where.store() as store:
        assert [worker.owner for worker in await store.workers()] == ["a:2", "a:3"]


async def test_word_by_a_clock_that_was_ahead_is_forgotten_when_a_worker_speaks(tmp_path: Path) -> None:
    """It would keep HQ from newer rules for a year; so would a row that somebody has written into the table."""
    where = await hub(tmp_path, 1)
    now = datetime.now(UTC)
    await say(where, LivingWorker("elsewhere:1", "cohub 0.3.0", (1,), now + timedelta(days=365)))
    with sqlite3.connect(where.database) as db:
        for name, until in (("worker a:1", 2**62), ("worker b:1", "never"), ("worker c:1", -(2**62)), ("worker d", 1)):
            db.execute("INSERT INTO lease(name, owner, until_us) VALUES (?, 5, ?)", (name, until))
    db.close()
    with pytest.raises(Conflict, match="start this release in its place"):
        await adopt(where, 2)
    await say(where, LivingWorker("elsewhere:2", "cohub 0.3.0", (1, 2), now + timedelta(seconds=15)))
    assert [worker.owner for worker in read_rules(where).workers] == ["elsewhere:2"]
    assert (await adopt(where, 2)).number == 2
