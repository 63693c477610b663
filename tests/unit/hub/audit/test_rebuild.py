"""Rebuild equals live: at any point of a run, however often it is stopped, beside a worker that goes on."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest

from hub.audit.rebuild import CenterState, rebuild
from hub.audit.verify import verify
from hub.protocol.errors import UsageError
from hub.replay.fold import read_bases
from hub.replay.source import Ledger
from hub.store.released import released_schemas
from hub.store.state import open_state
from schemas.vectors.samples import sample_of
from tests.support.audited import CENTERS, DEAL, TRUST, Audited
from tests.support.hq import Hq
from tests.support.peek import edit, peek
from tests.support.tampering import change

POINTS = 100


class StoppedError(Exception):
    """The rebuild ends here, as by a kill: nothing is written any more."""


@dataclass(frozen=True)
class Point:
    """The live state at one moment."""

    sizes: dict[int, int]
    digests: dict[int, bytes]
    entities: dict[tuple[str, str], tuple[Any, ...]]
    measures: dict[tuple[str, str], str]


def point(path: Path) -> Point:
    """Return a copy of the live state."""
    with closing(sqlite3.connect(path)) as db:
        lanes = db.execute("SELECT id, size, state_digest FROM lane").fetchall()
        entities = db.execute("SELECT stream, id, version, status, digest, document, sequence FROM entity").fetchall()
        measures = db.execute("SELECT origin, key, value FROM measure JOIN lane ON id = lane_id").fetchall()
    return Point(
        {lane: size for lane, size, _ in lanes},
        {lane: digest for lane, _, digest in lanes},
        {(stream, entity_id): tuple(rest) for stream, entity_id, *rest in entities},
        {(origin, key): value for origin, key, value in measures},
    )


async def restart(made: Audited) -> None:
    """Let HQ's process die between two commits and another take over."""
    await made.hq.store.close()
    made.hq = await Hq.open(made.database.parent)
    made.hq.now = made.now


async def lived_points(folder: Path, seed: int) -> list[Point]:
    """Run a hub for a hundred steps, with restarts, lost tails, new lanes and a new key; return its state at each."""
    made = await Audited.open(folder, seed)
    rng, points, epochs = Random(seed), [], 0
    changed = False
    for number in range(POINTS):
        center = rng.choice(CENTERS)
        chance = rng.random()
        if chance < 0.1:
            await restart(made)
        elif chance < 0.15:
            # A tail without a seal is nobody's word; a restart forgets it, and the center sends it again, sealed.
            lane = made.lanes[center]
            tail = [
                lane.append(
                    made.event(center, DEAL, f"T-{number}-{n}", {"title": "T", "language": "en", "kind": "licence"})
                )
                for n in range(3)
            ]
            await made.hq.feed(center, tail, made.now)
            await restart(made)
            await made.take(center, tail)
        elif number % 20 == 15:
            epochs += 1
            await made.new_epoch(center, f"e{epochs:07x}", missing=rng.randrange(3))
        elif number > 40 and not changed:
            changed = True
            await made.change_key(center)
        await made.batch(center, rng.randint(1, 9))
        if number % 7 == 6:
            await made.notarize()
        points.append(point(made.database))
    await made.hq.store.close()
    return points


@pytest.mark.parametrize("seed", [3, 4])
async def test_rebuilt_state_equals_live_at_a_hundred_points(tmp_path: Path, seed: int) -> None:
    """One fold of the final ledger passes through every state that ever was live."""
    points = await lived_points(tmp_path, seed)
    assert len({tuple(p.sizes.items()) for p in points}) == POINTS
    with Ledger.open(tmp_path / "hub.sqlite3") as ledger:
        assert len(ledger.lanes) > len(CENTERS) + 1
        bases = read_bases(ledger, TRUST.hqs, released_schemas())
        states = {center: CenterState(ledger, bases, center, open_state()) for center in ("hq", *CENTERS)}
        for live in points:
            lanes = [lane._replace(size=live.sizes[lane.id]) for lane in ledger.lanes if lane.id in live.sizes]
            entities: dict[tuple[str, str], tuple[Any, ...]] = {}
            measures: dict[tuple[str, str], str] = {}
            for center, state in states.items():
                state.fold(lanes)
                for known in state.book.all():
                    e = known.entity
                    entities[e.stream, e.id] = (
                        e.version, e.status, known.digest, known.document.decode(), known.sequence,
                    )  # fmt: skip
                measures |= {key: format(value, "f") for key, value in state.measures.items()}
                own = {lane.id for lane in lanes if lane.center == center}
                assert {i: p.state_digest for i, p in state.places.items()} == {i: live.digests[i] for i in own}
            assert entities == live.entities
            assert measures == live.measures
            assert all(not state.findings for state in states.values())


def test_stopped_rebuild_goes_on_where_it_was(whole: Path, tmp_path: Path) -> None:
    """Stopped again and again at random, it ends with the same, and folds little twice."""
    rng, folder = Random(5), tmp_path / "state"
    once = rebuild(whole, TRUST, tmp_path / "once")
    folded = stops = 0
    resume = False
    while True:
        left = rng.randint(50, 300)

        def tick(events: int) -> None:
            nonlocal folded, left
            folded, left = folded + events, left - events
            if left < 0:
                raise StoppedError

        try:
            again = rebuild(whole, TRUST, folder, resume=resume, commit_events=20, tick=tick)
            break
        except StoppedError:
            resume, stops = True, stops + 1
    assert stops > 3
    assert again == once
    assert folded < once.events + stops * 40
    assert not folder.exists()


def test_earlier_rebuild_is_neither_overwritten_nor_mixed_up(whole: Path, tmp_path: Path) -> None:
    """A folder with a second state is gone on with when asked, and only for its own ledger."""
    folder = tmp_path / "state"
    rebuild(whole, TRUST, folder, keep=True)
    with pytest.raises(UsageError, match="--resume"):
        rebuild(whole, TRUST, folder)
    assert rebuild(whole, TRUST, folder, resume=True, keep=True).is_equal
    other = Path(shutil.copy(whole, tmp_path / "other.sqlite3"))
    change(other, "UPDATE lane SET origin = 'hub.example/uz/12345678' WHERE origin = 'hub.example/uz/00000001'")
    with pytest.raises(UsageError, match="another ledger"):
        rebuild(other, TRUST, folder, resume=True)
    with pytest.raises(UsageError, match="no rebuild"):
        rebuild(whole, TRUST, tmp_path / "nowhere", resume=True)


@pytest.mark.parametrize(
    ("sql", "what", "key"),
    [
        ("UPDATE entity SET status = 'withdrawn' WHERE stream = 'deal' AND id = ?", "ENTITY", "deal"),
        ("DELETE FROM entity WHERE stream = 'deal' AND id = ?", "ENTITY", "deal"),
        ("UPDATE entity SET document = replace(document, 'Deal', 'Dear') WHERE id = ?", "ENTITY", "deal"),
    ],
)
def test_entity_that_differs_is_listed(copy: Path, tmp_path: Path, sql: str, what: str, key: str) -> None:
    """Only that one, by its id."""
    with closing(sqlite3.connect(copy)) as db:
        (entity,) = db.execute("SELECT id FROM entity WHERE stream = 'deal' ORDER BY id LIMIT 1 OFFSET 9").fetchone()
    change(copy, (sql, (entity,)))
    found = rebuild(copy, TRUST, tmp_path / "state").differences
    assert [(f.what, f.key) for f in found] == [(what, f"{key} {entity}")]


def test_changed_event_differs_at_its_receipt_and_its_entity(copy: Path, tmp_path: Path) -> None:
    """Rebuild does not check bytes, and still sees where the state leaves what the receipts' digests say."""
    with closing(sqlite3.connect(copy)) as db:
        lane, sequence, subject = db.execute(
            "SELECT lane_id, sequence, subject FROM ledger JOIN entity USING (lane_id, sequence)"
            " WHERE ledger.type LIKE '%offer.published%' LIMIT 1 OFFSET 5"
        ).fetchone()
    change(
        copy,
        ("UPDATE ledger SET data = CAST(replace(data, 'Offer', 'Fraud') AS BLOB) WHERE lane_id = ? AND sequence = ?",
         (lane, sequence)),
    )  # fmt: skip
    found = rebuild(copy, TRUST, tmp_path / "state").differences
    assert {(f.what, f.table) for f in found} == {("STATE_DIGEST", "receipt"), ("ENTITY", "entity")}
    assert {f.key for f in found if f.what == "ENTITY"} == {f"offer {subject}"}


async def test_worker_that_goes_on_raises_no_alarm(tmp_path: Path) -> None:
    """Verify and rebuild run beside a worker, the notary and the witnesses; both compare as of one moment."""
    made = await Audited.open(tmp_path)
    await made.live(40)
    for number in range(4):
        work = (
            asyncio.to_thread(verify, made.database, TRUST)
            if number % 2
            else asyncio.to_thread(rebuild, made.database, TRUST, tmp_path / f"state{number}")
        )
        running = asyncio.ensure_future(work)
        rounds = 0
        while not running.done():
            await made.live(1)
            if rounds % 3 == 0:
                await made.notarize()
                await made.cosign("uz")
            rounds += 1
            await asyncio.sleep(0)
        found = await running
        assert (found.findings if number % 2 else found.differences) == []  # type: ignore[attr-defined]
        assert rounds > 1
    await made.hq.headquarters.basis()
    await made.hq.store.close()


@pytest.mark.parametrize("written", ["-1200000.5000", "-1200000.5"])
async def test_money_that_a_later_lane_takes_back_is_no_difference(tmp_path: Path, written: str) -> None:
    """A deal is signed in one lane and closed in the next, by who has it from SQL: as any release has written it."""
    made = await Audited.open(tmp_path)
    deal = sample_of("net.cohub.deal.closed.v1") | {"counterpart_center": None, "offer": None}
    for kind in ("opened", "signed", "closed"):
        if kind == "closed":
            await made.new_epoch("uz", "0000beef", 0)
        event = made.event("uz", f"net.cohub.deal.{kind}.v1", "D-1", deal)
        await made.take("uz", [made.lanes["uz"].append(event)])
    await made.hq.store.close()
    (found,) = peek(made.database, "SELECT lane_id, key, value FROM measure WHERE value LIKE '-1200000%'")
    assert found[2] == "-1200000.5000"
    edit(made.database, "UPDATE measure SET value = ? WHERE lane_id = ? AND key = ?", written, *found[:2])
    assert not rebuild(made.database, TRUST, tmp_path / "state").differences


@pytest.mark.parametrize("at_once", [1, 13], ids=["one by one", "all at once"])
async def test_sum_of_more_digits_than_python_keeps_is_exact(tmp_path: Path, at_once: int) -> None:
    """Thirteen deals of nearly the most money: 29 digits, which HQ, audit and rebuild add up alike."""
    made = await Audited.open(tmp_path)
    rate = {"rate": Decimal("98765432.12345678"), "rate_currency": "RUB", "rate_on": date(2026, 1, 1)}
    deal = sample_of("net.cohub.deal.signed.v1") | {"counterpart_center": None, "offer": None, "currency": "UZS"}
    deal |= {**rate, "amount": Decimal("999999999999999.9999")}
    records = []
    for number in range(13):
        for kind in ("opened", "signed"):
            event = made.event("uz", f"net.cohub.deal.{kind}.v1", f"D-{number}", deal)
            records.append(made.lanes["uz"].append(event))
        if (number + 1) % at_once == 0:
            await made.take("uz", records)
            records = []
    await made.hq.store.close()
    (found,) = peek(made.database, "SELECT value FROM measure WHERE key = 'deal.signed.converted.RUB'")
    assert found == ("1283950617604938139871604.9384",)
    assert not rebuild(made.database, TRUST, tmp_path / "state").differences
    assert not verify(made.database, TRUST).findings
