"""What an operator has HQ say, over a store whose commit fails: it stands once, and is answered as it stands."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from hub.base.faulty import Fault
from hub.hq import centers
from hub.hq.code_lists import Term, publish
from hub.hq.folder import HubFolder
from hub.hq.headquarters import Headquarters
from hub.hq.identity import load_identity
from hub.hq.profile import Profile, Revision
from hub.store.faulty import FaultyStore
from hub.store.released import released_schemas
from hub.store.store import Store

UZ = Profile(name="Ташкент", country="UZ", direction="north", languages=("ru",), streams=("offer",))
TERMS = [Term("FOOD", en="food")]


class Failing(HubFolder):
    """A hub's directory whose commits fail the way `fault` says: the first one of every command."""

    fault: Fault

    @asynccontextmanager
    async def headquarters(self) -> AsyncIterator[tuple[Store, Headquarters]]:
        async with super().headquarters() as (store, _):
            failing = FaultyStore(store)
            failing.fail(self.fault, "commit")
            yield failing, Headquarters(failing, load_identity(self.keys), released_schemas())


async def register(where: HubFolder) -> object:
    return (await centers.register(where, "kz", UZ, [])).center.status


async def suspend(where: HubFolder) -> object:
    return (await centers.suspend(where, "uz", "audit")).center.status


async def revise(where: HubFolder) -> object:
    return (await centers.revise(where, "uz", Revision(name="Toshkent"))).center.name


async def publish_first(where: HubFolder) -> object:
    return (await publish(where, "market", TERMS)).is_new


async def publish_anew(where: HubFolder) -> object:
    return (await publish(where, "keywords", TERMS)).is_new


@pytest.mark.parametrize("fault", Fault)
@pytest.mark.parametrize(
    ("command", "answer"),
    [(register, "active"), (suspend, "suspended"), (revise, "Toshkent"), (publish_first, True), (publish_anew, False)],
)
async def test_command_over_a_failing_commit_says_its_event_once_and_succeeds(
    where: HubFolder, command: Callable[[HubFolder], Awaitable[object]], answer: object, fault: Fault
) -> None:
    """Refused, it is tried again; written though the answer was lost, it is found in the lane."""
    await centers.register(where, "uz", UZ, [])
    await publish(where, "keywords", TERMS)
    before = await size(where)
    failing = Failing(where.data_dir)
    object.__setattr__(failing, "fault", fault)
    assert await command(failing) == answer
    assert await size(where) == before + 1


async def size(where: HubFolder) -> int:
    async with where.headquarters() as (_, headquarters):
        return (await headquarters.basis()).size
