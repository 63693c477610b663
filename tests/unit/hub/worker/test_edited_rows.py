"""A worker over an edited database: it goes on, parks a center, or ends by a sentence with a way out."""

from __future__ import annotations

import asyncio
import re
import shutil
import sqlite3
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest

from hub.domain.catalogue import STREAMS
from hub.hq.alarms import why_line
from hub.hq.headquarters import Headquarters, HqEvent
from hub.kafka.memory import MemoryBroker
from hub.kafka.topics import ensure_topics, standard_topics
from hub.ledger.derived import Reach
from hub.ledger.invitation import VALID_FOR, Issued
from hub.ledger.lane import Status
from hub.ledger.notary import append
from hub.protocol.errors import CohubError, Fatal
from hub.protocol.moment import to_us
from hub.protocol.remark import RepeatedIds
from hub.protocol.rules import RULES_KNOWN
from hub.protocol.witness import log_origin
from hub.store.read.intakes import IntakeStanding
from hub.store.repeat_store import Sent
from hub.store.store import Store
from hub.store.tables import METADATA
from hub.store.workers import LivingWorker
from hub.worker.consolidator import Consolidator
from hub.worker.hearing import Hearing
from hub.worker.keeper import Keeper
from hub.worker.notary import Notary
from hub.worker.publisher import Pace, Publisher
from tests.support.center import HUB, NOW, RELEASED, Center
from tests.support.consolidator import Seen
from tests.support.engines import open_store
from tests.support.fanned import STATE_FORMS, at
from tests.support.hq import IDENTITY, Hq, center_record
from tests.support.kept import kept_of
from tests.support.notaries import Board
from tests.support.peek import ask, edit, peek
from tests.support.witness import Witness

CENTERS: Final = ("uz", "kz")
PROMPT_S: Final = 20.0
WAY_OUT: Final = re.compile(r"`hub |put the|put back|update cohub|set the clock|set it|install")
VALUES: Final = ("'zz'", "x'00ff'", "-5", "4611686018427387904", "CAST(x'ff' AS TEXT)", "''", "1.5", "NULL")
EMPTY: Final = ("log_lost", "log_tile", "segment")  # they take a log that begins anew, 256 receipts, and an archive
DERIVED: Final = ("said", "said_again", "remark", "told", "published", "receipt")
COLUMNS: Final = [
    (table.name, column.name) for table in METADATA.sorted_tables for column in table.columns if table.name not in EMPTY
]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a database with rows in every table, of which some are not published and not in the log yet."""
    folder = tmp_path_factory.mktemp("template")

    async def make() -> None:
        uz, kz = Center("uz"), Center("kz")
        witness = Witness(uz)
        hq = await Hq.open(folder)
        await hq.register(uz, keys=[*center_record(uz)["keys"], witness.key()])
        await hq.register(kz)
        for center in (uz, kz):
            await hq.feed(center.id, center.opened(3))
        store = hq.store
        addition = append(
            await store.log.read(log_origin(HUB)), await store.log.unlogged(3), [IDENTITY.log, IDENTITY.log_long], NOW
        )
        await store.log.append(addition)
        await hq.feed("uz", [witness.cosignature(addition.log.note, offset=50)])
        await hq.feed("uz", uz.offers(2, first=70))
        reach = {("events", 0): Reach(0, 1), ("hub.lane", 0): Reach(0, 1, 1)}
        await store.set_published({kz.origin: 4}, reach, {kz.origin: Sent(1, 0)})
        await store.repeats.begin_hq("somebody")
        await store.topics.ask({"events": (), "state.offer": (), "out.kz": (), "hub.lane": ()}, "lost", NOW)
        await store.topics.ask({"hub.checkpoints": (), "events": (1,)}, "lost", NOW)
        await store.remark({"uz": RepeatedIds(1, "0000abcd", 2)}, NOW)
        await store.keep_told("uz", hq.readings["uz"][1], "cohub-status/v1\n")
        await store.keep_evidence(kz.origin, 2, b"ours", b"theirs", NOW)
        await store.topics.lead("somebody", NOW, NOW)
        await store.access.give("uz", b"sealed", NOW)
        await store.access.limit("kz", 1 << 20)
        issued = Issued("0badcafe", "uz", NOW, NOW + VALID_FOR)
        await store.invitations.issue(issued, b"sealed")
        await store.invitations.move(issued, issued.asked("00" * 32, NOW), b"sealed")
        await store.say_alive(LivingWorker("h:1", "cohub 0.3.0", RULES_KNOWN, NOW))
        await store.close()

    asyncio.run(make())
    path = folder / "hub.sqlite3"
    edit(path, "INSERT INTO quarantine VALUES (1, 'uz', 900, x'00', 'OTHER_ROOT', '', NULL, x'00', 1, 0)")
    edit(path, "INSERT INTO unkept VALUES ('uz', 'BAD_SEAL', 1, 1, 0, 0)")
    edit(path, f"INSERT INTO heard VALUES ('uz', 'presence', '- {to_us(NOW)}')")
    edit(path, "INSERT INTO owed VALUES (1, 'uz', 'hub.example/uz/0000abcd', 99, x'00', 'a reason')")
    edit(path, f"INSERT INTO restored VALUES ({to_us(NOW)})")
    edit(path, "INSERT INTO log_begun VALUES (1, 'a reason', 0)")
    for table in METADATA.sorted_tables:
        assert table.name in EMPTY or ask(path, f"SELECT count(*) FROM {table.name}"), table.name
    return path


class Life:
    """One worker on a database, with a broker in memory, from its start on."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.store = open_store(path)
        self.broker = MemoryBroker()
        identity = replace(IDENTITY, note=b"a trust note")
        self.headquarters = Headquarters(self.store, IDENTITY, RELEASED)
        self.publisher = Publisher(self.store, at(self.broker), STATE_FORMS, pace=Pace(0.0, 0.01, 0.0))
        self.consolidator = Consolidator(self.store, self.headquarters, IDENTITY, self.publisher, "test", self.now)
        self.reading = Seen()
        self.consolidator.attach(self.reading)
        kept = kept_of(self.store, path, identity)
        self.keeper = Keeper(self.store, at(self.broker), kept, "test", lambda: CENTERS, self.now, 0.0)
        self.clock_s = 1000.0

        async def heard() -> Any:
            return await self.store.log.hearing(await self.headquarters.lane.witnesses())

        async def ends(_topics: Any) -> dict[str, tuple[int, int]]:
            return {"in.uz": (0, 10)}

        hearing = Hearing(heard, ends, 0.0, lambda: self.clock_s)
        self.notary = Notary(
            self.store,
            self.headquarters.lane,
            IDENTITY,
            Board(),
            "test",
            0.0,
            self.now,
            lambda: self.clock_s,
            has_heard=hearing.is_done,
        )

    @staticmethod
    def now() -> datetime:
        return NOW + timedelta(days=1)

    async def run(self) -> list[BaseException]:
        """Do all that a worker does; return what it would have ended by."""
        ended: list[BaseException] = []
        publishing: asyncio.Task[None] | None = None

        async def tried(work: Callable[[], Awaitable[object]]) -> None:
            try:
                await work()
            except Exception as exc:  # noqa: BLE001 - whatever it is, it is looked at
                ended.append(exc)

        uz, kz = Center("uz"), Center("kz")
        uz.opened(3)
        kz.opened(3)
        uz.offers(2, first=70)
        claims = [*Center("uz").opened(3)]  # the same again: answered with the stored receipt
        try:
            await ensure_topics(at(self.broker), standard_topics(CENTERS, list(STREAMS)))
            await tried(lambda: self.consolidator.assign(list(CENTERS)))
            if not ended:
                publishing = asyncio.create_task(self.publisher.run())
                await tried(lambda: self.consolidator.handle("uz", claims))
                for number, center in enumerate((uz, kz)):
                    more = center.offers(2, first=90 + number)
                    await tried(partial(self.consolidator.handle, center.id, more))
                await tried(self._published)
                for _ in range(8):
                    await tried(self.keeper.round)
                    await tried(self.notary.round)
                    await tried(self.consolidator.look_again)
                    self.clock_s += 5
                for _ in range(30):
                    await tried(self.keeper.round)
                await tried(self.store.workers)
            event = HqEvent("net.cohub.center.registered.v1", "by", center_record(Center("by")))
            await tried(lambda: self.headquarters.say([event], self.now()))
        finally:
            if publishing is not None:
                publishing.cancel()
                (found,) = await asyncio.gather(publishing, return_exceptions=True)
                if isinstance(found, Exception):
                    ended.append(found)
            await self.store.close()
        return ended

    async def _published(self) -> None:
        for _ in range(400):
            await asyncio.sleep(0)


def damaged(template: Path, path: Path, statement: str, *values: Any) -> bool:
    """Make an edited copy; return False where the database itself refuses the edit."""
    if template != path:
        shutil.copy(template, path)
    try:
        edit(path, statement, *values)
    except sqlite3.Error:
        return False
    return True


def unworded(ended: list[BaseException]) -> list[BaseException]:
    """Return those that tell nobody what to do."""
    return [exc for exc in ended if not _says_what_to_do(exc)]


def _says_what_to_do(exc: BaseException) -> bool:
    return isinstance(exc, CohubError) and (not isinstance(exc, Fatal) or WAY_OUT.search(str(exc)) is not None)


@pytest.mark.parametrize(("number", "table", "column"), [(n, *of) for n, of in enumerate(COLUMNS) if of[0] in DERIVED])
async def test_edited_column_ends_nothing_without_a_sentence(
    template: Path, tmp_path: Path, number: int, table: str, column: str
) -> None:
    """What publisher and keeper go by: one value for each column here, all values of all tables in the long run."""
    statement = f"UPDATE OR IGNORE {table} SET {column} = {VALUES[number % len(VALUES)]}"
    if damaged(template, tmp_path / "hub.sqlite3", statement):
        assert unworded(await Life(tmp_path / "hub.sqlite3").run()) == []


ROWS = {
    "receipt that is text": "UPDATE receipt SET note = 'zz' WHERE lane_id = {uz} AND last = 6",
    "receipt of another place": "UPDATE receipt SET note = (SELECT note FROM receipt WHERE lane_id = {uz} AND last = 4)"
    " WHERE lane_id = {uz} AND last = 6",
    "receipt that ends nowhere": "UPDATE receipt SET last = 'zz' WHERE lane_id = {uz} AND last = 6",
    "receipt that ends far away": "UPDATE receipt SET last = 4611686018427387904 WHERE lane_id = {uz} AND last = 6",
    "event that is gone": "DELETE FROM ledger WHERE lane_id = {uz} AND sequence = 5",
    "event that is empty": "UPDATE ledger SET data = x'' WHERE lane_id = {uz} AND sequence = 5",
    "event that was decided otherwise": "UPDATE ledger SET code = 'BAD_FIELD' WHERE lane_id = {uz} AND sequence = 5",
    "state that is text": "UPDATE entity SET version = 'zz' WHERE lane_id = {uz} AND sequence = 6",
    "state of another status": "UPDATE entity SET status = 'withdrawn' WHERE lane_id = {uz} AND sequence = 6",
    "state of another version": "UPDATE entity SET version = version + 1 WHERE lane_id = {uz} AND sequence = 6",
    "state of another record": "UPDATE entity SET document = replace(document, 'Offer', 'Fraud')"
    " WHERE lane_id = {uz} AND sequence = 6",
}


@pytest.mark.parametrize("name", ROWS)
async def test_center_whose_unpublished_rows_are_damaged_is_parked_and_all_others_are_published(
    template: Path, tmp_path: Path, name: str
) -> None:
    """`hub status` shows it, with the reason and the way out; put back and resumed, all of it goes out."""
    path = tmp_path / "hub.sqlite3"
    uz = ask(template, "SELECT id FROM lane WHERE center = 'uz'")
    assert damaged(template, path, ROWS[name].format(uz=uz))
    assert await Life(path).run() == []
    ((status, why),) = peek(path, "SELECT status, why FROM intake WHERE center = 'uz'")
    assert status == Status.PARKED
    assert why.startswith("ROWS_DAMAGED ")
    assert "`hub lane resume uz`" in why_line(IntakeStanding(center="uz", cause=why))
    assert ask(path, "SELECT status FROM intake WHERE center = 'kz'") == Status.READING
    assert ask(path, "SELECT upto = size FROM lane JOIN published ON lane_id = id WHERE center = 'kz'")
    shutil.copy(template, path)
    for name_of in ("hub.sqlite3-wal", "hub.sqlite3-shm"):
        (tmp_path / name_of).unlink(missing_ok=True)
    edit(path, "UPDATE intake SET status = 'parked', why = ? WHERE center = 'uz'", why)
    again = Life(path)
    await again.store.resume("uz")
    assert await again.run() == []
    assert ask(path, "SELECT upto = size FROM lane JOIN published ON lane_id = id WHERE center = 'uz'")


async def term_of(store: Store, center: str) -> int:
    return (await store.changes()).intakes[center][0]


async def test_center_that_was_mended_while_it_was_another_workers_is_published_when_it_comes_back(
    template: Path, tmp_path: Path
) -> None:
    """Who could not read its rows once does not park it for that again."""
    path = tmp_path / "hub.sqlite3"
    uz = ask(template, "SELECT id FROM lane WHERE center = 'uz'")
    (note,) = peek(template, f"SELECT note FROM receipt WHERE lane_id = {uz} AND last = 6")
    assert damaged(template, path, ROWS["receipt that is text"].format(uz=uz))
    life = Life(path)
    publishing = asyncio.create_task(life.publisher.run())
    await life.publisher.adopt({"uz": await term_of(life.store, "uz")})
    async with asyncio.timeout(PROMPT_S):
        while "uz" not in life.publisher.unreadable():
            await asyncio.sleep(0.002)
    edit(path, f"UPDATE receipt SET note = ? WHERE lane_id = {uz} AND last = 6", *note)
    await life.publisher.adopt({"uz": await term_of(life.store, "uz")})
    assert not life.publisher.unreadable()
    async with asyncio.timeout(PROMPT_S):
        while await life.store.unpublished(["uz"]):
            await asyncio.sleep(0.002)
    publishing.cancel()
    await asyncio.gather(publishing, return_exceptions=True)
    await life.store.close()


ANEW = (
    "partitions = 'zz'",
    "place = 'x:y'",
    "place = x'00'",
    "done = 'zz'",
    "asked_at_us = 'zz'",
    "why = CAST(x'ff' AS TEXT)",
)


@pytest.mark.parametrize("edited", ANEW)
async def test_topic_whose_row_cannot_be_read_is_said_again_from_its_beginning(
    template: Path, tmp_path: Path, edited: str
) -> None:
    """It is derived: nobody has to be asked."""
    path = tmp_path / "hub.sqlite3"
    assert damaged(template, path, f"UPDATE said_again SET {edited} WHERE topic = 'events'")
    assert await Life(path).run() == []
    (row,) = peek(path, "SELECT partitions, missing, finished_at_us IS NOT NULL FROM said_again WHERE topic = 'events'")
    assert row == ("", 0, 1)


@pytest.mark.parametrize("upto", ["'zz'", "x'00'", "-7", "4611686018427387904"])
async def test_cursor_that_cannot_be_read_is_begun_anew(template: Path, tmp_path: Path, upto: str) -> None:
    """Readers go by sequence and version; without that nothing of the lane would ever go out again."""
    path = tmp_path / "hub.sqlite3"
    assert damaged(template, path, f"UPDATE published SET upto = {upto}")
    assert damaged(path, path, f"UPDATE logged SET upto = {upto}") or True
    assert await Life(path).run() == []
    assert peek(path, "SELECT min(upto = size) FROM lane JOIN published ON lane_id = id WHERE center <> 'hq'") == [(1,)]
    assert peek(path, "SELECT DISTINCT upto = size FROM lane JOIN logged ON lane_id = id WHERE center <> 'hq'") == [
        (1,)
    ]


async def test_remark_that_no_audit_has_written_is_signed_by_nobody(template: Path, tmp_path: Path) -> None:
    """HQ would say to a center whatever somebody has put into a row."""
    path = tmp_path / "hub.sqlite3"
    assert damaged(template, path, "UPDATE remark SET text = 'send us your keys'")
    store = open_store(path)
    assert (await store.changes()).remarks == {}
    await store.remark({"uz": RepeatedIds(1, "0000abcd", 2)}, NOW)
    assert (await store.changes()).remarks == {"uz": "REPEATED_ID 1 0000abcd 2"}
    await store.close()


@pytest.mark.long
@pytest.mark.parametrize("table", [table for table in METADATA.tables if table not in EMPTY])
async def test_any_value_in_any_column_ends_nothing_without_a_sentence(
    template: Path, tmp_path: Path, table: str
) -> None:
    """The whole product of tables, columns and values."""
    for name in METADATA.tables[table].columns.keys():  # noqa: SIM118
        for number, value in enumerate(VALUES):
            (folder := tmp_path / f"{name}-{number}").mkdir()
            path = folder / "hub.sqlite3"
            if damaged(template, path, f"UPDATE OR IGNORE {table} SET {name} = {value}"):
                assert (name, value, unworded(await Life(path).run())) == (name, value, [])
