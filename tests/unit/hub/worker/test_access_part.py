"""How much the keeper of access looks at: the few centers of which something else is said, and seldom all."""

from __future__ import annotations

import sys
from collections.abc import Awaitable
from typing import Any

from hub.hq.access import mark
from hub.hq.access_key import AccessKey
from hub.kafka.administration import administration
from hub.kafka.desired import Invited, Member, invited_rights, office_rights
from hub.kafka.rights import quota_entity
from hub.worker.access import AccessKeeper, Invitation
from tests.support.access import SECOND, Bench


def many(bench: Bench, count: int) -> AccessKeeper:
    """Have so many centers, and a keeper that compares all but once."""
    bench.statuses = {f"c{number:03}": "active" for number in range(count)}
    return AccessKeeper(
        bench.store, bench.cluster, lambda: bench.statuses, lambda: AccessKey.load(bench.keys), "me", look_every_s=1e6
    )


async def calls_of(work: Awaitable[object]) -> int:
    """Return how many functions were called, ours and others', until it was done."""
    count = 0

    def called(_frame: object, event: str, _arg: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(called)
    try:
        await work
    finally:
        sys.setprofile(None)
    return count


async def test_work_of_a_look_grows_with_the_centers_and_no_faster(bench: Bench) -> None:
    """Bringing all about, and comparing all: four times as many centers take four times as much."""
    found = []
    for count in (50, 200):
        keeper = many(bench, count)
        found.append([await calls_of(keeper.look()), await calls_of(keeper.look())])
    for few, more in zip(*found, strict=True):
        assert more < few * 5


async def test_change_of_a_few_centers_is_brought_about_without_comparing_all(bench: Bench) -> None:
    """Kafka is asked for these alone: what it takes does not grow with the others, but for reading the database."""
    found = []
    for count in (50, 200):
        keeper = many(bench, count)
        await bench.settle(keeper)
        entries: list[int] = []
        answer = bench.broker.access.answer

        def seen(request: Any, answer: Any = answer, entries: list[int] = entries) -> Any:
            said = answer(request)
            entries.extend(len(acls) for *_, acls in getattr(said, "resources", ()))
            return said

        bench.broker.access.answer = seen  # type: ignore[method-assign]
        bench.statuses |= {"c007": "suspended", "c008": "closed"}
        del bench.statuses["c009"]
        calls = await calls_of(keeper.look()) + await calls_of(keeper.look())
        bench.broker.access.answer = answer  # type: ignore[method-assign]
        assert await bench.rights("c007") == office_rights("c007", may_write=False)
        assert not await bench.rights("c008")
        assert sum(entries) <= 3 * 2 * len(office_rights("c007", may_write=True))
        kept = await bench.kept()
        assert (kept["c007"], kept["c008"]) == (mark(Member("c007", "suspended")), "closed")
        found.append(calls)
    few, more = found
    assert more < few * 1.5


async def test_part_is_tried_again_until_it_is_so_and_all_is_compared_when_it_is_due(bench: Bench) -> None:
    """A broker that fails in between, and strangers who change what nobody has said anything of."""
    keeper = many(bench, 20)
    await bench.settle(keeper)
    bench.statuses["c001"] = "suspended"
    bench.broker.cut()
    await keeper.look()
    bench.broker.mend()
    bench.statuses["c002"] = "suspended"
    await bench.settle(keeper)
    for center in ("c001", "c002"):
        assert await bench.rights(center) == office_rights(center, may_write=False)
    async with administration(bench.cluster) as access:
        await access.revoke(office_rights("c003", may_write=True))
    bench.statuses["c004"] = "suspended"
    await bench.settle(keeper)
    assert not await bench.rights("c003")
    keeper._full_s = 0.0
    bench.statuses["c004"] = "active"
    await bench.settle(keeper)
    assert await bench.rights("c003") == office_rights("c003", may_write=True)


async def test_invitation_is_brought_about_and_ended_as_a_part(bench: Bench) -> None:
    """Who was invited, and who is not any more, beside centers of which nothing else is said."""
    bench.invitations = []
    bench.every_s = 1e6
    keeper = bench.keeper()
    await bench.settle(keeper)
    one = Invitation(Invited("0badcafe", "kz"), SECOND)
    bench.invitations = [one]
    await bench.settle(keeper)
    assert await bench.rights(one.invited.name) == invited_rights(one.invited)
    assert one.invited.topic in bench.broker.topics()
    assert one.invited.name in bench.broker.access.users
    bench.invitations = []
    await bench.settle(keeper)
    assert not await bench.rights(one.invited.name)
    assert one.invited.name not in bench.broker.access.users
    assert quota_entity(one.invited.name) not in bench.broker.access.quotas
