"""Whatever an older release, a crash or another program has left of an outbox, it opens, and has lost nothing."""

from __future__ import annotations

import multiprocessing
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from connectors.reconcile.belief import Belief
from connectors.runtime.codecs import Codecs
from connectors.runtime.epoch import reason_for_epoch
from connectors.runtime.outbox import IN_MEMORY, Outbox
from connectors.runtime.outbox.beliefs import load_all, presumed
from connectors.runtime.outbox.database import OutboxBusy
from connectors.runtime.outbox.meta import NEVER_LINKED, Foreign, LinkState
from connectors.runtime.outbox.schema import FIRST_BELIEVED, FIRST_WITNESSED, VERSION, bring_up_to_date, read_version
from hub.protocol.errors import Fatal, Malformed, UsageError
from hub.protocol.moment import write_time
from hub.protocol.receipt import Decision
from tests.support.office import CENTER, HUB, NOW, Office
from tests.support.power import cut_at_each_statement
from tests.support.releases import FORMS, old_schema, turn_back

FOREIGN = f"{HUB}/{CENTER}/ffffffff"
PROGRAMS = 4
BESIDE: Final = (partial(Outbox, read_only=True), partial(Outbox, beside=True))
FIRST_NAMED = 4  # rejected events are kept since


def beliefs(outbox: Outbox) -> dict[str, Belief]:
    with outbox.database.transaction() as connection:
        return {entity: belief for some in load_all(connection, "1") for entity, belief in some.items()}


def tables(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """Return every table and view with its columns, in the order of their names."""
    with closing(sqlite3.connect(path)) as db:
        names = db.execute("SELECT name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'").fetchall()
        return {name: sorted(row[1:] for row in db.execute(f"PRAGMA table_info({name})")) for (name,) in names}


def lived(office: Office) -> None:
    """Fill an outbox with something of every kind: accepted, rejected, planned again, on its way, a foreign lane."""
    office.open()
    office.queue("A", "B", "C", "D")
    office.seal()
    office.answer(1, 4, Decision(3, "BAD_FIELD", "title", "value=x"), Decision(4, "STREAM_NOT_ALLOWED"))
    office.queue("A", name="withdrawn")
    office.queue("B", title="Other")
    with office.outbox.database.transaction() as connection:
        connection.execute("UPDATE entity SET fingerprint=x'01', file='offers.csv' WHERE id LIKE '%:_'")
    office.answer(1, 9, origin=FOREIGN, at=NOW + timedelta(seconds=1))  # newer than what HQ says of our own lane


def kept(foreign: Foreign, form: int) -> str:
    """Return what the release that wrote a form of the file kept of a foreign lane."""
    if form >= FIRST_BELIEVED:
        return foreign.to_text()
    said = f"{foreign.origin} recorded {write_time(foreign.recorded_at)}"
    return f"{said}, opened as {foreign.opened_as!r}" if foreign.opened_as else said


@pytest.fixture
def old(tmp_path: Path, codecs: Codecs) -> Callable[[int], Path]:
    """Return what makes an outbox that an older release has written, full of content."""

    def make(form: int) -> Path:
        office = Office(tmp_path / "office" / f"{form}.sqlite3", codecs)
        lived(office)
        office.outbox.close()
        turn_back(office.path, form)
        with sqlite3.connect(office.path) as db:
            db.execute("UPDATE meta SET value=? WHERE name='foreign'", (kept(Foreign(FOREIGN, NOW), form),))
        db.close()
        return office.path

    (tmp_path / "office").mkdir()
    return make


@pytest.mark.parametrize("form", FORMS)
def test_outbox_of_an_older_release_has_the_tables_of_a_new_one(old: Callable[[int], Path], form: int) -> None:
    """An office that updates goes on with one form of the file, whichever it came from."""
    path = old(form)
    Outbox(path).close()
    Outbox(path.with_name("new.sqlite3")).close()
    assert tables(path) == tables(path.with_name("new.sqlite3"))


@pytest.mark.parametrize("form", FORMS)
def test_outbox_of_an_older_release_keeps_what_it_believed(
    old: Callable[[int], Path], form: int, tmp_path: Path, codecs: Codecs
) -> None:
    """What HQ holds, what is in flight and what was rejected are as they were, as far as the release wrote it down."""
    office = Office(tmp_path / "now.sqlite3", codecs)
    lived(office)
    now = beliefs(office.outbox)
    office.outbox.close()
    path = old(form)
    with Outbox(path, read_only=True) as beside, beside.database.transaction() as connection:
        assert presumed(connection, list(now)) == {
            entity: belief.presumed for entity, belief in now.items() if belief.presumed is not None
        }  # whoever only looks understands it
    with Outbox(path) as outbox:
        found = beliefs(outbox)
    named = form >= FIRST_NAMED
    for entity, belief in now.items():
        # Before, it was not noted apart.
        assert found[entity].record_decided == (belief.record_decided if form >= FIRST_BELIEVED else belief.decided)
        assert (found[entity].rejected is not None) == (belief.rejected is not None and named)
        for name in ("held", "presumed", "decided", "inflight", "plan", "fingerprint", "file", "state", "verdict"):
            assert getattr(found[entity], name) == getattr(belief, name), name


@pytest.mark.parametrize("form", FORMS)
def test_outbox_of_an_older_release_is_left_to_its_daemon(old: Callable[[int], Path], form: int) -> None:
    """A command that writes beside the daemon changes no table: a daemon of that release may have the file open."""
    path = old(form)
    before = tables(path)
    with pytest.raises(UsageError, match="earlier release of cohub: start the connector"):
        Outbox(path, beside=True)
    assert tables(path) == before
    Outbox(path).close()
    with Outbox(path, beside=True) as outbox:
        assert not outbox.rows.approve("offers.csv")


@pytest.mark.parametrize("form", FORMS)
def test_witness_that_stopped_under_an_older_release_is_seen_before_the_first_start(
    old: Callable[[int], Path], form: int
) -> None:
    """Its tables are there since form 3: whoever looks after an update is told of the break, and has its notes."""
    path = old(form)
    if form >= FIRST_WITNESSED:
        with closing(sqlite3.connect(path)) as db:
            db.execute("INSERT INTO log_break VALUES (1, '2026-01-02T03:04:05Z', 'two roots', x'01', x'02', NULL)")
            db.commit()
    with Outbox(path, read_only=True) as outbox:
        breaks, told = outbox.witnessed.breaks(), outbox.status()["witness"]
    if form >= FIRST_WITNESSED:
        assert [(kept.reason, kept.ours, kept.theirs) for kept in breaks] == [("two roots", b"\1", b"\2")]
        assert told["stopped"] == {"at": "2026-01-02T03:04:05Z", "reason": "two roots"}
    else:
        assert not breaks
        assert told["state"].startswith("not yet")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("opened_as", ["", 'moved, opened as "Bob\'s" (machine pc-7)'])
def test_sentence_of_a_foreign_lane_becomes_a_record(old: Callable[[int], Path], form: int, opened_as: str) -> None:
    """What an older release noted of another machine is understood, and told in the reader's language."""
    path, foreign = old(form), Foreign(FOREIGN, NOW, opened_as)
    with sqlite3.connect(path) as db:
        db.execute("UPDATE meta SET value=? WHERE name='foreign'", (kept(foreign, form),))
    db.close()
    with Outbox(path, read_only=True) as beside:
        assert foreign.origin in beside.status()["alarms"]["foreign"]  # a sentence stays one for those who only look
    with Outbox(path) as outbox:
        assert outbox.database.foreign() == foreign
        said = outbox.status("ru")["alarms"]["foreign"]
        assert said.startswith(f"за этот центр пишет другая машина: штаб-квартира ответила каналу {FOREIGN}")
        assert opened_as in said
        with pytest.raises(Fatal, match=f"HQ has answered the lane {FOREIGN} .recorded 2026-01-02T03:04:05.000000Z"):
            reason_for_epoch(outbox)
        outbox.epoch_new("this machine goes on")
        assert outbox.database.foreign() is None


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("sentence", "link"),
    [("up", LinkState("up")), ("down: no: route", LinkState("down", reason="no: route")), (None, NEVER_LINKED)],
)
def test_sentence_of_the_link_becomes_a_record(
    old: Callable[[int], Path], form: int, sentence: str | None, link: LinkState
) -> None:
    """What an older release noted of the link is told as it was, and that nobody knows since when."""
    path = old(form)
    if sentence is not None:
        with closing(sqlite3.connect(path)) as db:
            db.execute("INSERT INTO meta VALUES ('link_state', ?)", (sentence,))
            db.commit()
    with Outbox(path, read_only=True) as beside:
        assert beside.status()["link"] == link.plain()
    with Outbox(path) as outbox:
        assert outbox.database.link() == link
        assert outbox.status()["link"] == link.plain()


def test_sentence_of_a_foreign_lane_that_no_release_wrote_is_malformed(old: Callable[[int], Path]) -> None:
    """The file is left as it is, and the message shows what is in it."""
    path = old(FIRST_BELIEVED - 1)
    with closing(sqlite3.connect(path)) as db:
        db.execute("UPDATE meta SET value='another machine' WHERE name='foreign'")
        db.commit()
    with pytest.raises(Malformed, match="'another machine'"):
        Outbox(path)
    with closing(sqlite3.connect(path)) as db:
        assert read_version(db) == FIRST_BELIEVED - 1


@pytest.mark.parametrize("form", FORMS)
def test_power_cut_while_an_outbox_is_brought_up_to_date_leaves_one_that_starts(
    old: Callable[[int], Path], form: int, tmp_path: Path
) -> None:
    """At any statement: the file is the old one or the new one, and the next start has all that was in it."""
    path = old(form)
    cuts = cut_at_each_statement(lambda: Outbox(path).close(), path.parent, tmp_path / "cuts")
    with Outbox(path) as outbox:
        whole = beliefs(outbox)
    versions = set()
    for cut in cuts:
        with closing(sqlite3.connect(cut / path.name)) as db:
            versions.add(read_version(db))
        with Outbox(cut / path.name) as outbox:
            assert beliefs(outbox) == whole
            assert outbox.database.foreign() == Foreign(FOREIGN, NOW)
        assert tables(cut / path.name) == tables(path)
    assert len(cuts) > 20
    assert versions == {form, VERSION}


def test_power_cut_while_an_outbox_is_made_leaves_one_that_starts(tmp_path: Path) -> None:
    """At any statement: there is no table, or there is every one."""
    path = tmp_path / "office" / "outbox.sqlite3"
    path.parent.mkdir()
    cuts = cut_at_each_statement(lambda: Outbox(path).close(), path.parent, tmp_path / "cuts")
    for cut in cuts:
        found = tables(cut / path.name) if (cut / path.name).exists() else {}
        assert found in ({}, tables(path))
        with Outbox(cut / path.name) as outbox:
            assert outbox.status()["totals"]["events"] == 0
    assert len(cuts) > 20


class Refusing:
    """A connection that refuses one statement, as a full disk does, and passes all others on."""

    def __init__(self, connection: sqlite3.Connection, number: int) -> None:
        self._connection = connection
        self._left = number

    @property
    def in_transaction(self) -> bool:
        return self._connection.in_transaction

    def execute(self, sql: str, values: tuple[object, ...] = ()) -> sqlite3.Cursor:
        self._left -= 1
        if self._left == 0:
            raise sqlite3.OperationalError("database or disk is full")
        return self._connection.execute(sql, values)

    def executemany(self, sql: str, values: Iterator[tuple[object, ...]]) -> sqlite3.Cursor:
        return self._connection.executemany(sql, values)


@pytest.mark.parametrize("form", FORMS)
def test_refused_statement_leaves_the_outbox_as_it_was(old: Callable[[int], Path], form: int) -> None:
    """A full disk, at whichever statement, changes nothing; with room again all of it is done."""
    path = old(form)
    before = tables(path)
    for number in range(1, 200):
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            try:
                bring_up_to_date(Refusing(db, number))  # type: ignore[arg-type]
            except sqlite3.OperationalError:
                assert not db.in_transaction
                assert (read_version(db), tables(path)) == (form, before)
                continue
            break
    assert number > 20
    with Outbox(path) as outbox:
        assert len(beliefs(outbox)) == 4


@pytest.mark.parametrize("form", [None, *FORMS])
def test_programs_that_open_an_outbox_at_once_all_have_it(
    old: Callable[[int], Path], form: int | None, tmp_path: Path
) -> None:
    """One of them makes it, or brings it up to date; the others wait and find it done."""
    path = tmp_path / "outbox.sqlite3" if form is None else old(form)
    fork = multiprocessing.get_context("fork")
    together = fork.Barrier(PROGRAMS)

    def start() -> None:
        together.wait()
        with Outbox(path) as outbox:
            outbox.claim(HUB, CENTER)
            outbox.status()

    programs = [fork.Process(target=start) for _ in range(PROGRAMS)]
    for program in programs:
        program.start()
    for program in programs:
        program.join()
    assert [program.exitcode for program in programs] == [0] * PROGRAMS
    with Outbox(path) as outbox:
        assert len(beliefs(outbox)) == (0 if form is None else 4)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("count", [1, 5, 8, 11])
def test_half_made_outbox_is_completed(tmp_path: Path, form: int, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some tables are there, and nobody has said that they are all: nothing is in them, and the rest is made."""
    path = tmp_path / "outbox.sqlite3"
    with closing(sqlite3.connect(path)) as db:
        for statement in old_schema(form).split(";")[:count]:
            db.execute(statement)
        db.commit()
    monkeypatch.setattr("connectors.runtime.outbox.database.BUSY_MS", 1)
    for open_beside in BESIDE:
        with pytest.raises(OutboxBusy, match=r"is being made.*start the connector"):
            open_beside(path)
    with Outbox(path) as outbox:
        outbox.claim(HUB, CENTER)
        assert outbox.status()["totals"]["events"] == 0
    Outbox(tmp_path / "new.sqlite3").close()
    assert tables(path) == tables(tmp_path / "new.sqlite3")


def test_command_beside_waits_until_the_outbox_is_made(tmp_path: Path) -> None:
    """The daemon was started a moment ago: its file is there and its tables are not, which is nobody's mistake."""
    path = tmp_path / "outbox.sqlite3"
    path.touch()
    with ThreadPoolExecutor(2) as pool:
        opened = [pool.submit(open_beside, path) for open_beside in BESIDE]
        assert not wait(opened, timeout=0.2).done
        Outbox(path).close()
        for future in opened:
            assert future.result(timeout=10).status()["totals"]["events"] == 0
            future.result().close()


def test_outbox_in_memory_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `connector check` asks with is nowhere, whatever folder it is asked from."""
    monkeypatch.chdir(tmp_path)
    with Outbox(IN_MEMORY) as nowhere:
        nowhere.claim("hub.example", "tashkent")
        nowhere.claim("hub.example", "tashkent")
    assert list(tmp_path.iterdir()) == []
