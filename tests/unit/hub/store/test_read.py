"""What people read of a hub: one moment of it, described for an API, and refused where somebody edited it."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from sqlalchemy import Connection, create_engine
from sqlalchemy.exc import OperationalError

from hub.protocol.errors import Fatal, NotFound, Retriable, UsageError
from hub.store.log_rows import LogRows
from hub.store.read.centers import RegisteredCenter
from hub.store.read.entities import TracedEntity
from hub.store.read.intakes import IntakeStanding
from hub.store.read.lanes import LaneReport
from hub.store.read.quarantine import QuarantinedContent
from hub.store.read.reads import Reads
from hub.store.read.totals import Totals
from hub.store.read.witnesses import WitnessStanding
from hub.store.sql_log_rows import SqlLogRows
from hub.store.sqlite_open import open_database
from hub.store.sqlite_query import Query
from tests.support.center import Center
from tests.support.hq import Hq, sealed

MODELS = (RegisteredCenter, TracedEntity, IntakeStanding, LaneReport, QuarantinedContent, Totals, WitnessStanding)


@pytest.fixture
async def database(tmp_path: Path) -> Path:
    """Return the database of a hub that has taken three events of uz."""
    uz = Center("uz")
    hq = await Hq.open(tmp_path, uz)
    await hq.feed("uz", uz.opened(2))
    await hq.store.close()
    return tmp_path / "hub.sqlite3"


async def test_snapshot_does_not_move_while_somebody_writes(database: Path) -> None:
    """Sums and what they are the sums of are read one after the other, and agree."""
    reads = Reads.open(database, sealed)
    with reads.snapshot() as now:
        before = now.totals()
        uz = Center("kz")
        hq = await Hq.open(database.parent, uz)
        await hq.feed("kz", uz.opened(5))
        await hq.store.close()
        assert now.totals() == before
        assert [intake.center for intake in now.intakes()] == ["uz"]
    with reads.snapshot() as now:
        assert (now.totals().events, len(now.intakes())) == (before.events + 6, 2)
    reads.close()


def test_any_engine_of_sqlalchemy_is_read(database: Path) -> None:
    """Nothing but the opener and its LogRows know the database, so another engine's answers are the same."""
    engine = create_engine(f"sqlite:///{database}")

    def log_rows(db: Connection) -> LogRows:
        driver: Any = db.connection.driver_connection
        return SqlLogRows(Query("theirs", driver))

    ours, theirs = Reads.open(database, sealed), Reads(engine, log_rows, sealed)
    with ours.snapshot() as one, theirs.snapshot() as other:
        for read in ("centers", "intakes", "totals", "lanes", "witnesses", "strange_cosignatures", "log_standing"):
            assert getattr(one, read)() == getattr(other, read)(), read
    ours.close()
    theirs.close()


async def test_lane_that_another_one_has_followed_is_told_as_state_lane_tells_it(tmp_path: Path) -> None:
    """Its entity stays as its opening left it: no event says that it is closed."""
    first = Center("uz")
    second = first.next_epoch("0000beef")
    hq = await Hq.open(tmp_path, first)
    await hq.feed("uz", first.opened(2))
    await hq.feed("uz", second.opened(1))
    published = {key.id: key for key in (k.entity for k in (await hq.store.topics.states("lane", "", 100)).found)}
    await hq.store.close()
    reads = Reads.open(tmp_path / "hub.sqlite3", sealed)
    with reads.snapshot() as now:
        told = {lane.id: (lane.status, lane.version) for lane in now.entities("lane", None) if lane.center == "uz"}
        assert told == {f"uz:{first.epoch}": ("closed", 2), "uz:0000beef": ("open", 1)}
        assert told == {name: (published[name].status, published[name].version) for name in told}
        closed = now.entity("lane", f"uz:{first.epoch}")
        assert closed is not None
        assert (closed.status, closed.version, closed.origin, closed.at) == ("closed", 2, second.origin, 1)
    reads.close()


def test_reading_writes_nothing(database: Path) -> None:
    reads = Reads.open(database, sealed)
    with reads._engine.connect() as db, pytest.raises(OperationalError, match="readonly"):
        db.exec_driver_sql("DELETE FROM lane")
    reads.close()


def test_name_of_the_folder_may_hold_what_a_url_does_not(tmp_path: Path) -> None:
    folder = tmp_path / "50% of a?hub#1"
    folder.mkdir()
    open_database(folder / "hub.sqlite3").close()
    reads = Reads.open(folder / "hub.sqlite3", sealed)
    with reads.snapshot() as now:
        assert now.totals().events == 0
    reads.close()


def test_every_field_is_described_for_an_api() -> None:
    """The schema says of each field what it means, also of what is in it."""

    def described(model: type[BaseModel]) -> None:
        schema = model.model_json_schema()
        for part in (schema, *schema.get("$defs", {}).values()):
            assert part["description"], model
            for name, field in part["properties"].items():
                assert field.get("description"), f"{part['title']}.{name}"

    for model in MODELS:
        described(model)


def test_row_that_no_release_wrote_is_told_with_its_field(database: Path) -> None:
    """An edited database is no reason for a traceback, nor for a wrong answer."""
    db = sqlite3.connect(database)
    db.execute("UPDATE intake SET duplicates = 'many'")
    db.commit()
    db.close()
    reads = Reads.open(database, sealed)
    with (
        pytest.raises(
            Fatal, match=r"IntakeStanding whose duplicates no release of cohub has written.*hub audit verify"
        ),
        reads.snapshot() as now,
    ):
        now.intakes()
    reads.close()


def test_file_that_is_no_database_of_this_release_is_refused(tmp_path: Path, database: Path) -> None:
    with pytest.raises(NotFound, match="there is no hub here yet"):
        Reads.open(tmp_path / "none.sqlite3")
    other = tmp_path / "other.sqlite3"
    other.write_bytes(b"no database at all, but long enough to be read as one" * 40)
    with pytest.raises(Fatal, match="can't be read as HQ's database"):
        Reads.open(other)
    db = sqlite3.connect(database)
    db.execute("UPDATE alembic_version SET version_num = '0000'")
    db.commit()
    db.close()
    with pytest.raises(UsageError, match="`hub migrate` brings it up to date"):
        Reads.open(database, sealed)


def test_database_that_is_locked_is_tried_again(database: Path) -> None:
    """Who reads is told to come back; with a journal of the old kind whoever writes keeps readers out."""
    db = sqlite3.connect(database, isolation_level=None)
    db.execute("PRAGMA journal_mode=DELETE")
    reads = Reads.open(database, busy_ms=1)
    db.execute("BEGIN EXCLUSIVE")
    with pytest.raises(Retriable, match="can't be read at this moment"), reads.snapshot() as now:
        now.totals()
    db.execute("ROLLBACK")
    db.close()
    with reads.snapshot() as now:
        assert now.totals().events == 3
    reads.close()
