"""Schemas are announced when every worker that lives can read them: one that can't would reject what comes by them."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from hub.domain.catalogue import KINDS
from hub.hq.headquarters import Headquarters
from hub.store.store import Store
from hub.store.workers import LivingWorker
from tests.support.center import RELEASED
from tests.support.engines import SQLITE
from tests.support.hq import IDENTITY

NEW = KINDS["net.cohub.offer.withdrawn.v1"].schema_path
OLDER = {path: schema for path, schema in RELEASED.items() if path != NEW}
ALL = frozenset(schema.id for schema in RELEASED.values())
ENDED = f"{socket.gethostname()}:{2**22 + 1}"
CASES = {
    "nobody lives": True,
    "all can read it": True,
    "one lacks it": False,
    "one does not say": False,
    "who lacks it lives no more": True,
    "who lacks it has ended on this machine": True,
}


def soon() -> datetime:
    """Return when a worker's word of itself, said now, ends."""
    return datetime.now(UTC) + timedelta(minutes=5)


def knows() -> LivingWorker:
    return LivingWorker("a:1", "cohub 0.4.0", (1,), soon(), ALL)


def lacks() -> LivingWorker:
    return LivingWorker("b:1", "cohub 0.3.0", (1,), soon(), ALL - {RELEASED[NEW].id})


def said(case: str) -> list[LivingWorker]:
    """Return what the workers of a case say."""
    before = datetime.now(UTC) - timedelta(seconds=1)
    others = {
        "one lacks it": lacks(),
        "one does not say": LivingWorker("b:1", "cohub 0.3.0", (1,), soon()),
        "who lacks it lives no more": LivingWorker("b:1", "cohub 0.3.0", (1,), before),
        "who lacks it has ended on this machine": LivingWorker(ENDED, "cohub 0.3.0", (1,), soon()),
    }
    return [] if case == "nobody lives" else [knows(), *([others[case]] if case in others else [])]


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """Yield the store of a hub whose release lacked one schema."""
    opened = await SQLITE.open(tmp_path)
    await Headquarters(opened, IDENTITY, OLDER).prepare()
    yield opened
    await opened.close()


async def is_announced(store: Store) -> bool:
    return RELEASED[NEW].id in (await Headquarters(store, IDENTITY, RELEASED).basis()).registry.schemas


@pytest.mark.parametrize("case", CASES)
async def test_new_schema_is_announced_by_a_start_when_every_living_worker_can_read_it(store: Store, case: str) -> None:
    """A start by any process, a command's too: the workers that live are asked, not the process that starts."""
    expected = CASES[case]
    for worker in said(case):
        await store.say_alive(worker)
    with capture_logs() as logs:
        await Headquarters(store, IDENTITY, RELEASED).prepare()
    assert await is_announced(store) == expected
    told = [entry["lacking"] for entry in logs if entry["event"] == "schemas_not_announced"]
    assert told == ([] if expected else [["b:1 (cohub 0.3.0)"]])


async def test_it_is_announced_once_the_last_worker_that_lacked_it_is_another_release(store: Store) -> None:
    """Until then whoever asks is told who that is."""
    for worker in (knows(), lacks()):
        await store.say_alive(worker)
    headquarters = Headquarters(store, IDENTITY, RELEASED)
    assert [one.owner for one in await headquarters.announce()] == ["b:1"]
    await store.say_alive(LivingWorker("b:1", "cohub 0.4.0", (1,), soon(), ALL))
    assert await headquarters.announce() == ()
    assert await is_announced(store)
    size = (await store.changes()).basis
    assert await headquarters.announce() == ()
    assert (await store.changes()).basis == size


def test_word_of_schemas_is_read_back_and_passed_over_by_who_knows_of_none() -> None:
    """What an older release finds in it are the rules, as before."""
    text = knows().to_text()
    assert LivingWorker.of(knows().name, text, None).schemas == ALL
    numbers = [word for word in text.partition(" knows the rules ")[2].split() if word.isdecimal()]
    assert numbers == ["1"]
