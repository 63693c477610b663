"""Asking for topics to be said again."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from hub.hq.republishing import ask, sayable, standing, unfinished
from hub.protocol.errors import NotFound
from tests.support.center import NOW, Center
from tests.support.hq import Hq


async def test_topics_that_are_asked_for_go_on_where_they_are_and_begin_again_when_they_are_done(
    tmp_path: Path,
) -> None:
    """Who asks twice does no harm: the first asking's place stays, until it came to its end."""
    hq = await Hq.open(tmp_path, Center("uz"))
    topics = hq.store.topics
    assert await ask(hq.store, ["events", "events", "out.uz"], ["uz"], NOW) == ["events", "out.uz"]
    first = next(again for again in await topics.agains() if again.topic == "events")
    assert await topics.advance(replace(first, place="2:17", done=16))
    await ask(hq.store, ["events"], ["uz"], NOW + timedelta(hours=1))
    (again,) = await standing(hq.store, ["events"])
    assert (again.place, again.done, again.asked_at) == ("2:17", 16, NOW)
    assert await topics.advance(replace(again, finished_at=NOW + timedelta(hours=2)))
    assert [left.topic for left in await unfinished(hq.store, ["events", "out.uz"])] == ["out.uz"]
    await ask(hq.store, ["events"], ["uz"], NOW + timedelta(hours=3))
    (again,) = await standing(hq.store, ["events"])
    assert (again.place, again.done, again.finished_at) == ("", 0, None)
    assert not await topics.advance(replace(first, place="2:18"))  # of the asking before
    await hq.store.close()


async def test_partitions_that_are_lost_while_a_topic_is_said_again_join_it(tmp_path: Path) -> None:
    """It begins anew with those of both; all of them is all."""
    hq = await Hq.open(tmp_path)
    topics = hq.store.topics
    for number, (asked, expected) in enumerate([({3}, {3}), ({5}, {3, 5}), (set[int](), set[int]()), ({1}, set())]):
        await topics.ask({"events": asked}, "lost", NOW + timedelta(seconds=number))
        (again,) = await topics.agains()
        assert (set(again.partitions), again.place) == (expected, "")
    assert again.covers(7)
    await hq.store.close()


async def test_only_what_hq_fills_can_be_said_again(tmp_path: Path) -> None:
    """What centers write is theirs; nothing is asked for where one name is wrong."""
    hq = await Hq.open(tmp_path)
    assert {"events", "hub.lane", "hub.schemas", "hub.trust", "hub.checkpoints", "out.uz", "state.offer"} < set(
        sayable(["uz"])
    )
    for strange in ("in.uz", "out.kz", "state.moon", ""):
        with pytest.raises(NotFound, match="that HQ fills"):
            await ask(hq.store, ["events", strange], ["uz"], NOW)
    assert await hq.store.topics.agains() == []
    assert await ask(hq.store, [], ["uz"], NOW) == sayable(["uz"])
    await hq.store.close()
