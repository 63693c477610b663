"""Reading a damaged file: what can be read is read, what can't is named, and nothing is left as it was not before."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from hub.protocol.errors import Fatal
from hub.store.reader import Unreadable
from hub.store.sqlite_query import Query

ROWS = 3_000
PAGE_BYTES = 4_096
NOT_UTF8 = "SELECT CAST(x'ff41' AS TEXT)"


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Return a database of one table with two columns as its key."""
    path = tmp_path / "hub.sqlite3"
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(f"PRAGMA page_size={PAGE_BYTES}")
        db.execute("CREATE TABLE row(lane INTEGER, number INTEGER, text TEXT, PRIMARY KEY(lane, number))")
        rows = [(lane, n, f"{lane} {n} {'x' * 80}") for lane in (1, 2) for n in range(ROWS // 2)]
        db.executemany("INSERT INTO row VALUES (?, ?, ?)", rows)
    return path


@pytest.fixture
def opened(database: Path) -> Iterator[Callable[[], Query]]:
    """Return what opens the database as it is by then."""
    connections: list[sqlite3.Connection] = []

    def query() -> Query:
        connections.append(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True))
        return Query("the database", connections[-1])

    yield query
    for connection in connections:
        connection.close()


def walked(query: Query, told: list[tuple[str, str, str]], where: str = "", ahead: int = 100) -> list[tuple[int, int]]:
    values = () if not where else (1,)
    rows = query.walk(
        "row", "lane, number", ("lane", "number"), lambda *each: told.append(each), where, values, ahead=ahead
    )
    return [(lane, number) for lane, number in rows]


def test_text_that_is_no_utf8_is_unreadable_but_to_the_lenient(opened: Callable[[], Query]) -> None:
    """The lenient get lone surrogates, which equal nothing of ours; the next question is as strict as before."""
    query = opened()
    for ask in (query.all, query.one, lambda sql: list(query.each(sql))):
        with pytest.raises(Unreadable, match=r"^the database: cannot be read: Could not decode .*`hub audit verify`"):
            ask(NOT_UTF8)
        assert query.lenient(NOT_UTF8) == [("\udcffA",)]
    assert issubclass(Unreadable, Fatal)


def test_question_that_cannot_be_asked_is_unreadable(opened: Callable[[], Query]) -> None:
    """To the lenient too; `why` is the engine's text alone."""
    query = opened()
    for ask in (query.all, query.one, query.lenient):
        with pytest.raises(Unreadable) as told:
            ask("SELECT * FROM nowhere")
        assert told.value.why == "no such table: nowhere"


@pytest.mark.parametrize("ahead", [1, 7, 1_500, 10_000])
@pytest.mark.parametrize("where", ["", "lane = ?"])
def test_walk_has_every_row_once_in_the_order_of_the_key(opened: Callable[[], Query], where: str, ahead: int) -> None:
    """However many are read at once, and of a part of the table too."""
    told: list[tuple[str, str, str]] = []
    found = walked(opened(), told, where, ahead)
    assert found == [(lane, n) for lane in ((1,) if where else (1, 2)) for n in range(ROWS // 2)]
    assert told == []


def test_walk_names_the_rows_of_a_broken_page_and_yields_all_others(
    database: Path, opened: Callable[[], Query]
) -> None:
    """One page of the table is no page any more: its rows are told by their key, each with the reason."""
    data = bytearray(database.read_bytes())
    at = data.index(b"1 700 xxx") // PAGE_BYTES * PAGE_BYTES
    lost = {(1, n) for n in range(ROWS // 2) if data.find(b"1 %d xxx" % n, at, at + PAGE_BYTES) >= 0}
    data[at : at + PAGE_BYTES] = b"\xaa" * PAGE_BYTES
    database.write_bytes(data)
    query = opened()
    told: list[tuple[str, str, str]] = []
    names = "lane, number, text"  # the key's index alone would give the others
    rows = list(query.walk("row", names, ("lane", "number"), lambda *each: told.append(each), ahead=100))
    assert len(lost) > 10
    assert {row[:2] for row in rows} == {(lane, n) for lane in (1, 2) for n in range(ROWS // 2)} - lost
    assert [row[:2] for row in rows] == sorted(row[:2] for row in rows)
    assert {key for _, key, _ in told} == {f"lane {lane}, number {n}" for lane, n in lost}
    assert {(table, why) for table, _, why in told} == {("row", "database disk image is malformed")}


def test_walk_of_a_table_that_is_not_there_tells_it_once(opened: Callable[[], Query]) -> None:
    """With the part that was asked for."""
    told: list[tuple[str, str, str]] = []
    rows = opened().walk("nowhere", "a", ("a",), lambda *each: told.append(each), "a = ?", (5,))
    assert list(rows) == []
    assert told == [("nowhere", "WHERE a = ? 5", "no such table: nowhere")]


def test_snapshot_is_of_one_moment_and_ends_with_what_began_it(database: Path, opened: Callable[[], Query]) -> None:
    """An inner one ends nothing; behind it, after an error too, the next question sees what was written since."""
    with closing(sqlite3.connect(database)) as db:
        db.execute("PRAGMA journal_mode=WAL")
        query, count = opened(), "SELECT count(*) FROM row"
        with pytest.raises(RuntimeError), query.snapshot():  # noqa: PT012 - all of it goes on inside the snapshot
            assert query.one(count) == (ROWS,)
            with query.snapshot(), db:
                db.execute("DELETE FROM row WHERE number = 0")
            assert query.one(count) == (ROWS,)
            raise RuntimeError
        assert query.one(count) == (ROWS - 2,)
