"""Databases made and brought up to date: all the way or not at all, by however many programs, from every release."""

from __future__ import annotations

import itertools
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from hub.protocol.errors import Fatal, Retriable
from hub.store import migrate as migrations
from hub.store.sqlite_open import open_database
from hub.store.tables import METADATA
from hub.store.version import HEAD
from tests.support.cut import killed, raised, together
from tests.support.peek import ask, dump, edit, peek

RELEASES: Final = {"0.1": "0001", "0.2": "0002"}
needs_fork: Final = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
# How a start is cut off, and at which statements: by an error at all, by the end of the process at every fourth.
CUTS: Final = [
    pytest.param(raised, 1, id="raised"),
    pytest.param(killed, 4, id="killed", marks=needs_fork),
    pytest.param(killed, 1, id="killed-anywhere", marks=[needs_fork, pytest.mark.long]),
]
Cut = Callable[[int, Callable[[], None]], bool]


def make_as(release: str, path: Path) -> None:
    """Make a database, or bring one up to date, as this release did: every table for good as soon as it is made."""
    first = sqlite3.connect(path)
    first.execute("PRAGMA page_size=8192")
    first.execute("PRAGMA journal_mode=WAL")
    first.close()
    engine = create_engine(f"sqlite:///{path}")
    try:
        with engine.begin() as connection:
            config = Config()
            config.set_main_option("script_location", str(Path(migrations.__file__).parent / "migrations"))
            config.attributes["connection"] = connection
            command.upgrade(config, RELEASES[release])
    finally:
        engine.dispose()


def fill(path: Path) -> None:
    """Write a lane with three events and a receipt, and its cursors, in the columns that are there."""
    is_first = "logged" not in [name for _, name, *_ in peek(path, "PRAGMA table_info(lane)")]
    edit(
        path,
        "INSERT INTO intake(center, next_offset, term, owner, status, why, duplicates, quarantined_bytes)"
        " VALUES ('uz', 7, 1, 'me', 'reading', '', 1, 0)",
    )
    edit(
        path,
        "INSERT INTO lane(id, origin, center, epoch, size, edge, state_digest, recorded_at_us, missing, published)"
        " VALUES (1, 'h/uz/1', 'uz', '1', 3, x'01', x'02', 5, 0, 2)",
    )
    for n in range(1, 4):
        edit(
            path,
            "INSERT INTO ledger(lane_id, sequence, data, digest, code, field, params, type, subject, version)"
            " VALUES (1, ?, x'00', x'00', 'ACCEPTED', '', '', 'net.cohub.offer.revised.v1', 'uz:A', ?)",
            n,
            n,
        )
    edit(
        path,
        "INSERT INTO receipt(lane_id, last, first, seal, edge, note, recorded_at_us, basis)"
        " VALUES (1, 3, 1, x'', x'01', x'05', 5, 1)",
    )
    if not is_first:
        edit(path, "UPDATE lane SET logged = 3")
        edit(path, "UPDATE ledger SET previous_lane_id = 1, previous = sequence - 1 WHERE sequence > 1")


def opened(path: Path) -> None:
    open_database(path).close()


def tables(path: Path) -> list[tuple[Any, ...]]:
    """Return all that SQLite knows of the tables, but for how the statements were spelled that made them."""
    of_ours = "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' ORDER BY 1, 2"
    listed = peek(path, of_ours)
    return [(kind, name, _parts(path, name) if kind == "table" else (of, sql)) for kind, name, of, sql in listed]


def _parts(path: Path, table: str) -> tuple[Any, ...]:
    """Return a table's columns in their order, its keys and its indexes."""
    indexes = peek(path, "SELECT * FROM pragma_index_list(?) ORDER BY name", table)
    return (
        peek(path, "SELECT * FROM pragma_table_xinfo(?)", table),
        peek(path, "SELECT * FROM pragma_foreign_key_list(?)", table),
        [(row[1:], peek(path, "SELECT * FROM pragma_index_xinfo(?)", row[1])) for row in indexes],
        peek(path, "SELECT wr, strict FROM pragma_table_list(?)", table),
    )


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an empty database of this release."""
    path = tmp_path_factory.mktemp("fresh") / "hub.sqlite3"
    opened(path)
    return path


def is_whole(path: Path, fresh: Path) -> bool:
    """Return whether this release would find nothing to do in it, nor anything wrong."""
    return (
        tables(path) == tables(fresh)
        and peek(path, "SELECT version_num FROM alembic_version") == [(HEAD,)]
        and peek(path, "PRAGMA integrity_check") == [("ok",)]
        and (ask(path, "PRAGMA page_size"), ask(path, "PRAGMA journal_mode")) == (8192, "wal")
    )


def is_as_filled(path: Path, release: str) -> bool:
    """Return whether all is there that `fill` wrote for this release, the cursors in their own tables."""
    logged = 0 if release == "0.1" else 3
    return (
        peek(path, "SELECT sequence, previous FROM ledger ORDER BY 1") == [(1, None), (2, 1), (3, 2)]
        and peek(path, "SELECT id, origin, size, edge, state_digest, missing FROM lane")
        == [(1, "h/uz/1", 3, b"\1", b"\2", 0)]
        and peek(path, "SELECT * FROM published") == [(1, 2)]
        and peek(path, "SELECT * FROM logged") == [(1, logged)]
        and peek(path, "SELECT center, next_offset FROM intake") == [("uz", 7)]
        and peek(path, "SELECT lane_id, last, note FROM receipt") == [(1, 3, b"\5")]
    )


@pytest.mark.parametrize("release", RELEASES)
def test_tables_are_those_that_the_release_names(tmp_path: Path, fresh: Path, release: str) -> None:
    """The migrations, one after the other, come to what a new database has, column by column in the same order."""
    path = tmp_path / "hub.sqlite3"
    make_as(release, path)
    opened(path)
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
    engine.dispose()
    assert is_whole(path, fresh)


@pytest.mark.parametrize(("cut", "step"), CUTS)
def test_database_whose_making_is_cut_off_is_made_by_the_next(tmp_path: Path, fresh: Path, cut: Cut, step: int) -> None:
    """After every statement the database has no table or all of them; each opening goes on behind the one before."""
    path = tmp_path / "hub.sqlite3"
    cuts = 0
    while cut(cuts + 1, lambda: opened(path)):
        cuts += step
        assert not tables(path) or is_whole(path, fresh), cuts
    assert cuts > 40
    assert is_whole(path, fresh)


@pytest.mark.parametrize(("cut", "step"), CUTS)
@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.long
def test_migration_that_is_cut_off_is_done_by_the_next(
    tmp_path: Path, fresh: Path, release: str, cut: Cut, step: int
) -> None:
    """After every statement the database is the older release's or this one's, and has every row."""
    path = tmp_path / "hub.sqlite3"
    make_as(release, path)
    fill(path)
    before, rows = tables(path), dump(path)
    cuts = 0
    while cut(cuts + 1, lambda: opened(path)):
        cuts += step
        assert (tables(path), dump(path)) == (before, rows) or is_whole(path, fresh), cuts
    assert cuts > 20
    assert is_whole(path, fresh)
    assert is_as_filled(path, release)


@needs_fork
@pytest.mark.long
def test_database_that_an_older_release_left_half_made_is_made_again(tmp_path: Path, fresh: Path) -> None:
    """Some of its tables were there, for good, and no version: the old one never started on it again. This one does."""
    halves = set()
    for nth in itertools.count(1):
        path = tmp_path / f"{nth}.sqlite3"
        if not killed(nth, lambda path=path: make_as("0.2", path)):  # type: ignore[misc]
            break
        half = tables(path)
        if str(half) not in halves:  # release 0.1 wrote the same tables in the same order
            halves.add(str(half))
            opened(path)
            assert is_whole(path, fresh), nth
    assert len(halves) > 10


@needs_fork
@pytest.mark.long
def test_migration_that_release_0_2_left_half_done_is_completed(tmp_path: Path, fresh: Path) -> None:
    """It added tables and columns one by one to a ledger with rows: what it had not come to is done, no row is lost."""
    old = tmp_path / "old.sqlite3"
    make_as("0.1", old)
    fill(old)
    halves = set()
    for nth in itertools.count(1):
        path = Path(shutil.copy(old, tmp_path / f"{nth}.sqlite3"))
        if not killed(nth, lambda path=path: make_as("0.2", path)):  # type: ignore[misc]
            break
        half = tables(path)
        if str(half) not in halves:
            halves.add(str(half))
            opened(path)
            assert is_as_filled(path, "0.1"), nth
            assert is_whole(path, fresh), nth
    assert len(halves) > 10


def test_rows_without_a_version_are_left_as_they_are(tmp_path: Path) -> None:
    """No release of ours leaves that: it is told with its remedy, and nothing is touched."""
    path = tmp_path / "hub.sqlite3"
    make_as("0.1", path)
    fill(path)
    edit(path, "DELETE FROM alembic_version")
    before = dump(path)
    with pytest.raises(
        Fatal, match=r"hub\.sqlite3: the database has rows \(intake, lane, ledger, receipt\).*whole copy"
    ):
        open_database(path)
    assert dump(path) == before
    edit(path, "DROP TABLE alembic_version")
    with pytest.raises(Fatal, match="no version"):
        open_database(path)
    assert peek(path, "SELECT sequence FROM ledger") == [(1,), (2,), (3,)]


def test_database_of_somebody_else_is_refused(tmp_path: Path) -> None:
    """A database that has other tables, and none of ours, stays as it is, byte for byte; also one with a version."""
    path = tmp_path / "hub.sqlite3"
    for more in ("CREATE TABLE bookmarks(url TEXT)", "CREATE TABLE alembic_version(version_num TEXT)"):
        with closing(sqlite3.connect(path)) as db:
            db.execute(more)
        before = path.read_bytes()
        with pytest.raises(Fatal, match="not HQ's database: it has the tables bookmarks;"):
            open_database(path)
        assert path.read_bytes() == before
        assert list(tmp_path.iterdir()) == [path]


def test_database_that_lost_its_version_is_not_taken_for_somebody_elses(tmp_path: Path) -> None:
    """It has our tables, with rows or without: the remedy is the newest whole copy, and nothing is changed."""
    path = tmp_path / "hub.sqlite3"
    opened(path)
    for row, what in (
        ("", r"tables \(access, .*segment, tenure, told, unkept\)"),
        ("INSERT INTO lease VALUES ('notary', 'a', 1)", r"rows \(lease\)"),
    ):
        with closing(sqlite3.connect(path)) as db, db:
            db.execute("DELETE FROM alembic_version")
            db.execute(row)
        before = tables(path)
        with pytest.raises(Fatal, match=f"the database has {what}.* and no version.*put the newest whole copy back"):
            open_database(path)
        assert tables(path) == before


def test_database_whose_writer_was_stopped_in_its_journal_is_opened(tmp_path: Path) -> None:
    """What it had begun has to be undone before anybody can read what is there; then it is opened as ever."""
    path, left = tmp_path / "hub.sqlite3", tmp_path / "left.sqlite3"
    opened(left)
    with closing(sqlite3.connect(left, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode=DELETE")
        db.execute("PRAGMA cache_size=1")  # so that pages are written before the commit
        db.execute("BEGIN IMMEDIATE")
        db.executemany("INSERT INTO lease VALUES (?, ?, 1)", [(str(n), "x" * 4000) for n in range(100)])
        for suffix in ("", "-journal"):
            shutil.copy(f"{left}{suffix}", f"{path}{suffix}")
        db.execute("ROLLBACK")
    opened(path)
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT count(*) FROM lease").fetchone() == (0,)


def test_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    """What is not ours is named and left alone."""
    path = tmp_path / "hub.sqlite3"
    path.write_bytes(b"something else" * 100)
    with pytest.raises(Fatal, match=r"hub\.sqlite3"):
        open_database(path)
    assert path.read_bytes() == b"something else" * 100


def test_database_that_another_program_is_making_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who comes while somebody writes waits; past its patience it is told to try again, and has changed nothing."""
    path = tmp_path / "hub.sqlite3"
    monkeypatch.setattr("hub.store.sqlite_open.BUSY_MS", 50)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("BEGIN IMMEDIATE")
        with pytest.raises(Retriable, match="try again"):
            open_database(path)
        db.execute("ROLLBACK")
    opened(path)


@needs_fork
@pytest.mark.parametrize("release", [None, *RELEASES])
def test_programs_that_open_one_path_at_once_all_find_it_whole(
    tmp_path: Path, fresh: Path, release: str | None
) -> None:
    """One makes it, or brings it up to date; the others wait for it. None of them fails."""
    for number in range(5 if release is None else 2):
        path = tmp_path / f"{number}.sqlite3"
        if release is not None:
            make_as(release, path)
            fill(path)
        assert together(6, lambda path=path: peeked(path)) == [0] * 6  # type: ignore[misc]
        assert is_whole(path, fresh)
        assert release is None or is_as_filled(path, release)


def peeked(path: Path) -> None:
    """Open the database, and find its tables there."""
    with closing(open_database(path)) as db:
        db.execute("SELECT count(*) FROM published, logged, segment")


def test_ledger_of_the_first_release_is_linked_when_it_is_brought_up_to_date(tmp_path: Path) -> None:
    """Each stream's and subject's accepted events, over the lanes in their order; the rejected are passed over."""
    path = tmp_path / "hub.sqlite3"
    make_as("0.1", path)
    rows = [
        (1, 1, "ACCEPTED", "net.cohub.offer.published.v1", "uz:A"),
        (1, 2, "ACCEPTED", "net.cohub.request.published.v1", "uz:A"),
        (1, 3, "BAD_VALUE", "net.cohub.offer.revised.v1", "uz:A"),
        (1, 4, "ACCEPTED", "net.cohub.offer.revised.v1", "uz:A"),
        (2, 1, "ACCEPTED", "net.cohub.offer.withdrawn.v1", "uz:A"),
        (2, 2, "ACCEPTED", "net.cohub.request.revised.v1", "uz:A"),
    ]
    with closing(sqlite3.connect(path)) as db:
        db.executemany(
            "INSERT INTO ledger(lane_id, sequence, data, digest, code, field, params, type, subject, version)"
            " VALUES (?, ?, x'00', x'00', ?, '', '', ?, ?, 1)",
            rows,
        )
        db.commit()
    opened(path)
    linked = peek(path, "SELECT lane_id, sequence, previous_lane_id, previous FROM ledger")
    assert linked == [
        (1, 1, None, None), (1, 2, None, None), (1, 3, None, None), (1, 4, 1, 1), (2, 1, 1, 4), (2, 2, 1, 2),
    ]  # fmt: skip
