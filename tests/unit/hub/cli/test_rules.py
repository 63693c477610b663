"""`hub rules`: which are in force, and how newer ones are adopted."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hub.hq.folder import HubFolder
from hub.hq.headquarters import Headquarters
from hub.hq.identity import load_identity
from hub.protocol.rules import FIRST
from hub.store.released import released_schemas
from hub.store.sqlite import SqliteStore
from hub.store.workers import LivingWorker
from tests.unit.hub.cli.conftest import Run


@pytest.fixture
def old(hub: Run, tmp_path: Path) -> HubFolder:
    """Return a hub that was made by release 0.2: nobody has adopted rules there."""
    assert hub("init", "--hub", "hub.example").status == 0
    where = HubFolder(tmp_path / "data")

    async def prepare() -> None:
        store = SqliteStore.open(where.database)
        await Headquarters(store, load_identity(where.keys), released_schemas()).prepare(FIRST)
        await store.close()

    asyncio.run(prepare())
    return where


def lives(where: HubFolder, *rules: int) -> None:
    async def say() -> None:
        until = datetime.now(UTC) + timedelta(minutes=1)
        async with where.store() as store:
            await store.say_alive(LivingWorker("elsewhere:7", "cohub 0.3.0", rules, until))

    asyncio.run(say())


def test_rules_are_shown_and_adopted(hub: Run, old: HubFolder) -> None:
    """What is in force, what could be, and by which command."""
    shown = hub("rules")
    assert shown.status == 0
    assert "rules 1 are in force; this release knows the rules 1, 2" in shown.out
    assert "rules 2 can be adopted: `hub rules adopt 2`" in shown.out
    assert "rules 1 are in force; this release has the rules 2: `hub rules` says more" in hub("status").out
    assert hub("rules", "adopt", "2", "--yes", "--reason", "all is ready").out.startswith("rules 2 are in force")
    assert json.loads(hub("rules", "--json").out) == {"in_force": 2, "known": [1, 2], "workers": []}
    assert json.loads(hub("status", "--json").out)["rules"] == 2
    assert '"number": 2' in hub("show", "rules", "hq:rules", "--json").out


def test_rules_are_not_adopted_by_a_script_without_yes(hub: Run, old: HubFolder) -> None:
    """It can't be taken back, so somebody has to mean it."""
    refused = hub("rules", "adopt", "2")
    assert (refused.status, refused.out) == (2, "")
    assert "--yes says that you mean it" in refused.err
    assert hub("rules", "adopt", "2", "--json").status == 2
    assert json.loads(hub("rules", "adopt", "2", "--yes", "--json").out) == {"before": 1, "in_force": 2}
    again = hub("rules", "adopt", "2", "--yes")
    assert again.status == 2
    assert "rules 2 are in force" in again.err


def test_rules_that_this_release_lacks_are_refused_before_anything_is_asked(hub: Run, old: HubFolder) -> None:
    """Nobody confirms what can't be done."""
    for number in ("3", "9999"):
        refused = hub("rules", "adopt", number)
        assert refused.status == 2
        assert f"rules {number}: this release knows the rules 1, 2" in refused.err
    assert hub("rules", "adopt", "1").status == 2


def test_worker_that_does_not_know_them_is_shown_with_the_remedy(hub: Run, old: HubFolder) -> None:
    """It is named where the rules are shown, and where they are refused."""
    lives(old, 1)
    shown = hub("rules").out
    assert "elsewhere:7  cohub 0.3.0" in shown
    assert "rules 2 can be adopted when every worker knows them: elsewhere:7 not yet" in shown
    refused = hub("rules", "adopt", "2", "--yes")
    assert refused.status == 2
    assert "a worker lives that does not know them: elsewhere:7 (cohub 0.3.0). Stop it" in refused.err
    lives(old, 1, 2)
    assert hub("rules", "adopt", "2", "--yes").status == 0


def test_new_hub_has_the_newest_from_its_first_event_on(hub: Run) -> None:
    """Whatever makes its database: here the first code list."""
    hub("init", "--hub", "hub.example")
    hub("code-list", "publish", "market", "--code", "food")
    assert "rules 2 are in force" in hub("rules").out


def test_status_names_several_workers_their_releases_and_what_each_knows(hub: Run, old: HubFolder) -> None:
    """One alone is no news; of two it is seen which one the others wait for."""
    until = datetime.now(UTC) + timedelta(minutes=1)
    schemas = frozenset(schema.id for schema in released_schemas().values())

    async def say() -> None:
        async with old.store() as store:
            await store.say_alive(LivingWorker("one:7", "cohub 0.3.0", (1, 2), until, schemas))

    asyncio.run(say())
    assert "worker one:7" not in hub("status").out
    lives(old, 1)
    shown = hub("status").out
    assert "worker elsewhere:7: cohub 0.3.0, knows the rules 1\n" in shown
    assert f"worker one:7: cohub 0.3.0, knows the rules 1, 2 and {len(schemas)} schemas\n" in shown
    told = json.loads(hub("status", "--json").out)["workers"]
    assert [(one["owner"], one["rules"], one["schemas"]) for one in told] == [
        ("elsewhere:7", [1], None),
        ("one:7", [1, 2], len(schemas)),
    ]
