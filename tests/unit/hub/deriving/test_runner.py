"""Views equal a recount from the ledger, whatever order lanes came in, and wherever the runner was stopped."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest

from hub.deriving.changes import Changes
from hub.deriving.runner import Runner
from hub.domain.entity import Entity
from hub.protocol.errors import Fatal
from hub.protocol.moment import to_us
from hub.replay.source import Ledger
from hub.store.opener import Place
from hub.store.view_store import Overtaken, ViewStore, Work, open_views
from hub.views.catalogue import VIEWS
from hub.views.deals import CONTRACTS, DEALS
from hub.views.references import REFERENCE, REFERENCES
from hub.views.table import Held
from hub.views.view import View, derived, key_of
from tests.support.center import NOW, Center, Sent, filled, offer
from tests.support.engines import POSTGRES, SQLITE, Engine
from tests.support.hq import Hq

CENTERS = ("uz", "kz", "tj")


@pytest.fixture(params=["sqlite", "postgres"])
def engine(request: pytest.FixtureRequest) -> Engine:
    return SQLITE if request.param == "sqlite" else POSTGRES


def place_of(engine: Engine, folder: Path) -> Place:
    """Return where the database of a folder is."""
    return folder / "hub.sqlite3" if engine is SQLITE else POSTGRES.server(folder)


def event(center: Center, name: str, key: str, **fields: Any) -> Sent:
    """Append an event."""
    kind = f"net.cohub.{name}.v1"
    return center.append(center.event(kind, key, filled(kind, fields)))


def batches(center: Center, draw: Random, count: int) -> Iterator[list[Sent]]:
    """Yield a life: offers that name partners, deals that name offers, words on others' deals; sealed batches."""
    yield center.opened()
    deals: dict[str, str] = {}
    others = [other for other in CENTERS if other != center.id]
    for _ in range(count):
        records = []
        for _ in range(draw.randint(1, 4)):
            key = f"D-{draw.randint(1, 4)}"
            number = draw.choice([None, "12", "13"])
            told = {
                "title": "A press",
                "language": "en",
                "kind": "licence",
                "offer": draw.choice([None, f"{center.id}:K-1", f"{center.id}:K-2"]),
                "counterpart_center": draw.choice([None, *others]),
                "registration_number": number,
                "amount": draw.choice([None, Decimal("100.50")]),
            }
            told["currency"] = None if told["amount"] is None else "CNY"
            choice = draw.random()
            if choice < 0.2:
                fields = offer(partner=draw.choice([None, f"{center.id}:P-1"]))
                kind = "net.cohub.offer.published.v1"
                records.append(center.append(center.event(kind, f"K-{draw.randint(1, 2)}", fields)))
            elif choice < 0.4:
                word = draw.choice(["given", "disputed"])
                of = f"{draw.choice(others)}:D-{draw.randint(1, 4)}"
                records.append(event(center, f"deal_confirmation.{word}", f"W-{draw.randint(1, 2)}", deal=of))
            elif key not in deals:
                deals[key] = "opened"
                records.append(event(center, "deal.opened", key, **told))
            elif deals[key] == "opened" and choice < 0.6:
                deals[key] = "signed"
                records.append(event(center, "deal.signed", key, **told, signed_on=NOW.date()))
            elif deals[key] == "opened":
                records.append(event(center, "deal.amended", key, **told))
            else:
                records.append(event(center, "deal.terminated", key, **told))
        yield [*records[:-1], center.sealed(records[-1])]


async def recount(place: Place, view: View) -> tuple[str, ViewStore]:
    """Return what a view comes to that is built in one go."""
    store = open_views(place)
    runner = Runner(place, store, [view])
    await runner.rebuild([view.name])
    await runner.catch_up()
    runner.close()
    (build,) = await store.builds([view])
    return await store.digest(build), store


def counted_at(place: Place, view: View, at_us: int) -> dict[str, list[Held]]:
    """Return all facts as known at a moment, counted from the ledger's entities with nothing kept in between."""
    newest: dict[str, Entity] = {}
    with Ledger.open(place) as ledger:
        changes = Changes(ledger, view.streams)
        for lane in ledger.lanes:
            for change in changes.of(lane, 1, lane.size):
                if change.at_us <= at_us:
                    newest[key_of(change.after.stream, change.after.id)] = change.after
    found: dict[str, list[Held]] = {table.name: [] for table in view.facts}
    for key, entity in newest.items():
        for table, facts in view.facts_of(entity).items():
            found[table.name] += [Held(key, tuple(fact)) for fact in facts]
    return {name: sorted(each, key=str) for name, each in found.items()}


async def digests(store: ViewStore) -> dict[str, str]:
    """Return the digests of the views that are asked."""
    return {build.view.name: await store.digest(build) for build in await store.builds(VIEWS) if build.is_live}


@pytest.mark.parametrize("seed", range(4))
async def test_views_are_what_a_recount_gives(engine: Engine, tmp_path: Path, seed: int) -> None:
    """While lanes come in any order, the runner is stopped, and views are rebuilt beside those that are asked."""
    draw, centers = Random(seed), [Center(name) for name in CENTERS]
    hq = await Hq.open(tmp_path, *centers, engine=engine)
    place, now = place_of(engine, tmp_path), NOW
    store = open_views(place)
    runner = Runner(place, store, VIEWS)
    lives = {center.id: batches(center, draw, 12) for center in centers}
    while lives:
        name = draw.choice(list(lives))
        records = next(lives[name], None)
        if records is None:
            del lives[name]
            continue
        now += timedelta(seconds=draw.randint(0, 2))
        await hq.feed(name, records, now)
        done = draw.random()
        if done < 0.3:
            await runner.step()
        if done < 0.1:
            runner.close()
            await store.close()
            store = open_views(place)
            runner = Runner(place, store, VIEWS)
        if 0.1 < done < 0.2:
            await runner.rebuild([draw.choice(VIEWS).name])
    await runner.catch_up()
    found = await digests(store)
    assert sorted(found) == ["deals", "measures", "references"]
    (deals,) = list(await store.builds([DEALS]))
    assert len(await store.page(deals, CONTRACTS)) > 3
    for view in VIEWS:
        digest, other = await recount(place, view)
        assert digest == found[view.name]
        await other.close()
    for at_us in [to_us(NOW + timedelta(seconds=seconds)) for seconds in range(-1, 40, 3)]:
        for build in await store.builds(VIEWS):
            facts = {table.name: await store.known_at(build, table, at_us) for table in build.view.facts}
            counted = counted_at(place, build.view, at_us)
            assert {name: sorted(each, key=str) for name, each in facts.items()} == counted
            assert derived(build.view, facts) == derived(build.view, counted)
    runner.close()
    await store.close()
    await hq.store.close()


async def test_references_are_told_both_ways_and_as_known_at_any_time(engine: Engine, tmp_path: Path) -> None:
    uz = Center("uz")
    hq = await Hq.open(tmp_path, uz, engine=engine)
    place = place_of(engine, tmp_path)
    await hq.feed("uz", uz.opened())
    for hours, partner in enumerate(["uz:P-1", "uz:P-2", None]):
        records = (
            uz.offers(1, partner=partner)
            if not hours
            else [uz.sealed(uz.append(uz.event("net.cohub.offer.revised.v1", "K-1", offer(partner=partner))))]
        )
        await hq.feed("uz", records, NOW + timedelta(hours=hours))
    store = open_views(place)
    runner = Runner(place, store, [REFERENCES])
    await runner.catch_up()
    (build,) = await store.builds([REFERENCES])

    async def naming(partner: str, hours: float | None = None) -> list[str]:
        at_us = None if hours is None else int((NOW + timedelta(hours=hours)).timestamp() * 1_000_000)
        return [held.entity for held in await store.holding(build, REFERENCE, "target", [f"partner/{partner}"], at_us)]

    assert await naming("uz:P-1") == await naming("uz:P-2") == []
    assert await naming("uz:P-1", 0) == await naming("uz:P-1", 0.9) == ["offer/uz:K-1"]
    assert await naming("uz:P-1", 1) == await naming("uz:P-1", -1) == []
    assert await naming("uz:P-2", 1.5) == ["offer/uz:K-1"]
    runner.close()
    await store.close()
    await hq.store.close()


async def test_two_runners_take_nothing_twice(engine: Engine, tmp_path: Path) -> None:
    """The second one is told that it was overtaken, and goes on from the cursors."""
    uz = Center("uz")
    hq = await Hq.open(tmp_path, uz, engine=engine)
    place = place_of(engine, tmp_path)
    await hq.feed("uz", uz.opened(3))
    one, other = open_views(place), open_views(place)
    first, second = Runner(place, one, VIEWS), Runner(place, other, VIEWS)
    await first.catch_up()
    await second.catch_up()
    await hq.feed("uz", uz.offers(2, first=10))
    await first.catch_up()
    with pytest.raises(Overtaken):
        await second.catch_up()
    await second.catch_up()
    assert await digests(one) == await digests(other)
    (build,) = await one.builds([REFERENCES])
    with pytest.raises(Overtaken):
        await one.take(build, Work({}, {1: (0, 1)}))
    for runner in (first, second):
        runner.close()
    for store in (one, other):
        await store.close()
    await hq.store.close()


def test_damaged_file_is_told_with_the_remedy(tmp_path: Path) -> None:
    """Nothing of the hub's is in it."""
    (tmp_path / "views.sqlite3").write_bytes(b"a letter, and no database of any kind" * 200)
    with pytest.raises(Fatal, match="it may be removed, and is built again"):
        open_views(tmp_path / "hub.sqlite3")
