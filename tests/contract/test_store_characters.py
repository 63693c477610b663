"""What every store keeps of texts that no program of ours writes: a header holds any bytes, and a verdict quotes it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from sqlalchemy import text

from hub.store.copying import fill, mirror, postgres_proofs, sqlite_proofs
from hub.store.postgres_open import engine_of
from tests.contract.conftest import position, prepared
from tests.support.center import Center, Sent, offer
from tests.support.engines import POSTGRES, SQLITE, Engine
from tests.support.hq import Hq

CHARACTERS = ["\0", "\x01", "\x01\x01", "\x01\x02\0", "\x02", "\x1f", "\x7f", "\x85", "\\u0000", "\ufffd"]


def odd_events(center: Center) -> list[Sent]:
    """Return events of an open lane with each signed header holding each of the characters, one an event."""
    records: list[Sent] = []
    names = [name for name, _ in center.event("net.cohub.offer.published.v1", "K", offer()).headers]
    odd = [(name, each) for name in names if name not in {"ce_sequence", "ce_epoch"} for each in CHARACTERS]
    for number, (name, character) in enumerate(odd, 100):
        event = center.event("net.cohub.offer.published.v1", f"K-{number}", offer())
        said = dict(event.headers)[name] or b""
        records.append(center.append(event.header(name, said[:9] + character.encode() + said[9:])))
    return [*records[:-1], center.sealed(records[-1])]


def judged(path: Path) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as db:
        return db.execute("SELECT * FROM ledger WHERE lane_id = (SELECT id FROM lane WHERE center = 'uz')").fetchall()


async def test_header_with_any_character_gets_its_verdict_and_stops_nothing(
    hq: Hq, engine: Engine, tmp_path: Path
) -> None:
    """What is kept of it is read as it was said, by the worker's and by a tool's connection, and from a mirror."""
    center = Center("uz")
    opened = await hq.feed("uz", center.opened(1))
    step = await hq.feed("uz", odd_events(center))
    rows = [row for commit in (*opened.commits, *step.commits) for row in commit.rows]
    assert len(rows) == center.edge.size
    assert any("\0" in row.subject for row in rows)
    assert any("\0" in row.type for row in rows)
    assert {row.code for row in rows[2:]} >= {"BAD_HEADERS", "WRONG_CENTER", "UNKNOWN_TYPE"}
    said = [(row.sequence, row.code, row.field, row.params, row.type, row.subject) for row in rows]
    for reader in (engine.read(tmp_path), engine.mirrored(tmp_path)):
        (lane,) = [lane for lane in reader.lanes() if lane.origin == center.origin]
        kept = list(reader.events(lane.id, 1, len(rows)))
        assert [(row.sequence, row.code, row.field, row.params, row.type, row.subject) for row in kept] == said
        reader.close()
    again = await hq.feed("uz", center.offers(3, first=1000))
    assert [row.code for commit in again.commits for row in commit.rows] == ["ACCEPTED"] * 3
    assert (await position(hq.store, "uz"))[1] == "reading"


async def test_quarantine_keeps_any_character_of_a_detail(hq: Hq, engine: Engine, tmp_path: Path) -> None:
    step = await hq.feed("uz", [Sent(b"x", b"\0", (), offset=1)])
    _, term = hq.readings["uz"]
    odd = [
        replace(step.quarantine[0], detail=f"got {character}", record=Sent(b"\0x", b"\0", (), offset=number))
        for number, character in enumerate(CHARACTERS, 100)
    ]
    await hq.store.commit(replace(step, quarantine=tuple(odd)), term)
    engine.mirrored(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / "mirror.sqlite3")) as db:
        found = dict(db.execute("SELECT kafka_offset, detail FROM quarantine"))
    assert [found[number] for number, _ in enumerate(CHARACTERS, 100)] == [f"got {each}" for each in CHARACTERS]


async def test_entity_of_an_id_that_none_can_have_is_not_there(hq: Hq) -> None:
    step, term = await prepared(hq, Center("uz"), Center("uz").opened(1))
    await hq.store.commit(step, term)
    keys = [("offer", f"uz:{character}") for character in CHARACTERS]
    assert set(await hq.store.entities([("offer", "uz:K-1"), *keys])) == {("offer", "uz:K-1")}


async def test_both_engines_have_the_same_rows_and_a_move_keeps_them(tmp_path: Path) -> None:
    """Byte for byte, there and back."""
    for engine in (SQLITE, POSTGRES):
        hq = await Hq.open(tmp_path / engine.name, Center("uz"), engine=engine)
        center = Center("uz")
        await hq.feed("uz", center.opened(1))
        await hq.feed("uz", odd_events(center))
        await hq.store.close()
    here, there = tmp_path / "sqlite" / "hub.sqlite3", POSTGRES.server(tmp_path / "postgres")
    await mirror(there, tmp_path / "there.sqlite3")
    assert await postgres_proofs(there) == sqlite_proofs(tmp_path / "there.sqlite3")
    assert judged(here) == judged(tmp_path / "there.sqlite3")
    before = sqlite_proofs(here)
    moved = POSTGRES.server(tmp_path / "moved")
    await fill(here, moved)
    assert await postgres_proofs(moved) == before
    await mirror(moved, tmp_path / "back.sqlite3")
    assert sqlite_proofs(tmp_path / "back.sqlite3") == before


async def test_tools_read_any_character_at_a_server(tmp_path: Path) -> None:
    """By SQLAlchemy, too: what is asked for, and what comes."""
    engine = engine_of(POSTGRES.server(tmp_path))
    with engine.begin() as db:
        for each in CHARACTERS:
            db.execute(text("INSERT INTO lease VALUES (:name, :owner, 0)"), {"name": f"a{each}", "owner": each})
        for each in CHARACTERS:
            found = db.execute(text("SELECT owner FROM lease WHERE name = :name"), {"name": f"a{each}"})
            assert found.scalars().all() == [each]
    engine.dispose()
