"""Which file owns an entity, and which are orphans, is right after any story of files, and in outboxes of old."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest

from connectors.mapping.outcome import RowOutcome
from connectors.mapping.problem import Problem, Wanted
from connectors.runtime.gather import CHUNK_ROWS, Gatherer
from connectors.runtime.outbox import Outbox
from connectors.runtime.outbox.database import OutboxFull
from connectors.runtime.outbox.faulty import FaultyDatabase
from connectors.runtime.outbox.orphans import Orphan
from connectors.runtime.settings import Guard
from hub.base.faulty import Fault
from hub.protocol.errors import Retriable
from tests.support.office import CENTER, NOW, Office
from tests.support.releases import old_schema

ENTITIES = f"offer/{CENTER}:"
FILE = "offers.csv"
BAD = "bad"
Sheet = list[tuple[str, str]]  # keys and titles


def outcomes(sheet: Sheet) -> list[RowOutcome]:
    found = []
    for number, (key, title) in enumerate(sheet, 2):
        if title == BAD:
            problem = Problem("Title", "title", "TOO_LONG", "max=256")
            found.append(RowOutcome(number, key, None, (problem,), False, b""))
            continue
        wanted = Wanted(
            "offer",
            f"{CENTER}:{key}",
            "published",
            {"title": title, "language": "en", "export_control": "free"},
            NOW,
            None,
        )
        found.append(RowOutcome(number, key, wanted, (), False, sha256(f"{key} {title}".encode()).digest()))
    return found


class Story:
    """Files that people change at random, and a gatherer that takes them as a folder has it, in any order."""

    def __init__(self, office: Office, seed: int) -> None:
        self.office = office
        self.random = random.Random(seed)
        self.files: dict[str, Sheet] = {"a": [("1", "A"), ("2", "B"), ("3", "C")], "b": [("4", "D")]}
        self.taken: dict[str, Sheet] = {}
        self.start()

    def start(self) -> None:
        self.gatherer = Gatherer(
            self.office.outbox,
            self.office.codecs,
            self.office.ids,
            settle_s=0,
            guard=Guard(percent=100),
            clock=lambda: 0.0,
        )

    def change(self) -> None:
        names = sorted(self.files)
        one = self.random.choice(names) if names else ""
        other = self.random.choice("abcde")
        match self.random.randrange(8):
            case 0 if one:  # renamed, perhaps over another
                self.files[other] = self.files.pop(one)
            case 1 if one:
                self.files[other] = list(self.files[one])
            case 2 if one:
                del self.files[one]
            case 3 if other in self.files:
                self.files[one], self.files[other] = self.files[other], self.files[one]
            case 4 if one and self.files[one]:
                del self.files[one][self.random.randrange(len(self.files[one]))]
            case 5 if one and self.files[one]:
                row = self.random.randrange(len(self.files[one]))
                key = self.files[one][row][0]
                self.files[one][row] = (key, self.random.choice(["A", "B", "C", BAD]))
            case _:
                sheet = self.files.setdefault(one or other, [])
                key = str(self.random.randrange(1, 8))
                if key not in dict(sheet):
                    sheet.insert(self.random.randrange(len(sheet) + 1), (key, self.random.choice("ABC")))

    def look(self, again: frozenset[str] = frozenset()) -> None:
        """Take what has changed, as the folder does: what is gone first, and what is asked for until nothing is."""
        due = {name for name, sheet in self.files.items() if self.taken.get(name) != sheet} | set(again)
        due &= self.files.keys()
        asked: set[str] = set()
        for name in self.taken.keys() - self.files.keys():
            asked |= self.gatherer.vanish(name)
            del self.taken[name]
        for name in self.random.sample(sorted(due), len(due)):
            asked |= self.gatherer.take(name, outcomes(self.files[name]), entities=ENTITIES).again
            self.taken[name] = list(self.files[name])
        if asked:
            self.look(frozenset(asked))

    def answer(self) -> None:
        if self.office.outbox.lane.epoch is None:
            self.office.open()
        while (batch := self.office.outbox.lane.seal(self.office.key)) is not None:
            self.office.answer(batch.first, batch.last)

    def check(self) -> None:
        """All is told as it is: owners, orphans, rows, and no row waits."""
        database = self.office.outbox.database
        named = {key for sheet in self.files.values() for key, _ in sheet}
        held = {entity.partition(":")[2] for (entity,) in database.read("SELECT id FROM entity WHERE status NOT NULL")}
        assert {orphan.key for orphan in self.office.outbox.orphans.all()} == held - named
        owners = dict(database.read("SELECT id, file FROM entity"))
        for name, sheet in self.files.items():
            for verdict, (key, title) in zip(self.office.outbox.rows.verdicts(name), sheet, strict=True):
                owner = owners[ENTITIES + key]
                assert owner in self.files
                assert key in dict(self.files[owner])
                if title == BAD:
                    assert (verdict.state, verdict.code) == ("refused", "TOO_LONG")
                elif owner == name:
                    assert verdict.state == "accepted"
                elif dict(self.files[owner])[key] == title:
                    assert verdict.state == "unchanged"
                elif dict(self.files[owner])[key] != BAD:
                    assert (verdict.state, verdict.params) == ("refused", f"file={owner}")
        counted = self.office.outbox.status()
        assert set(counted["files"]) == set(self.files)
        assert counted["totals"]["orphans"] == len(held - named)


@pytest.mark.parametrize("seed", range(40))
def test_any_story_of_files_ends_with_every_entity_where_it_is_named(office: Office, seed: int) -> None:
    """Renamed, copied, exchanged, deleted, put back, row by row or many at once, with restarts between."""
    story = Story(office, seed)
    for _ in range(25):
        for _ in range(story.random.randrange(1, 4)):
            story.change()
        story.look()
        story.answer()
        story.check()
        if story.random.random() < 0.1:
            office.reopen()
            story.start()


@pytest.mark.parametrize("fault", list(Fault))
@pytest.mark.parametrize("nth", range(1, 6))
def test_row_is_told_as_gone_though_the_reading_without_it_was_cut_off(
    tmp_path: Path, office: Office, fault: Fault, nth: int
) -> None:
    """Whichever commit fails: what an unfinished reading did not have is found by the next one that is finished."""
    path = tmp_path / "faulty.sqlite3"
    database = FaultyDatabase(path)
    outbox = Outbox(path, database=database)
    gatherer = Gatherer(outbox, office.codecs, office.ids, settle_s=0, guard=Guard(percent=100), clock=lambda: 0.0)
    whole = [(str(n), "A") for n in range(CHUNK_ROWS + 10)]
    gatherer.take(FILE, outcomes(whole), entities=ENTITIES)
    database.faults.plan(fault, nth)
    turned = list(reversed(whole[1:]))
    try:
        gatherer.take(FILE, outcomes(turned), entities=ENTITIES)
    except (OutboxFull, Retriable):
        gatherer.take(FILE, outcomes(turned[:-1]), entities=ENTITIES)
        assert {orphan.key for orphan in outbox.orphans.all()} == {"0", "1"}
    else:
        assert {orphan.key for orphan in outbox.orphans.all()} == {"0"}
    assert [row.key for row in outbox.rows.verdicts(FILE)][:1] == [str(CHUNK_ROWS + 9)]
    outbox.close()


def test_rows_that_an_older_release_wrote_over_are_found(tmp_path: Path, office: Office) -> None:
    """Its outbox knew rows by their numbers: what later rows had taken is an orphan, with the file that it was of."""
    path = tmp_path / "old.sqlite3"
    with closing(sqlite3.connect(path)) as db:
        db.executescript(old_schema(5))
        entity = (
            "INSERT INTO entity (id, status, digest, decided, presumed_status, presumed_digest, inflight, plan, "
            "shaken, fingerprint, file, state, code, field, params) "
            "VALUES (?, 'published', x'01', 1, 'published', x'01', 0, 1, 0, x'02', ?, 'accepted', '', '', '')"
        )
        for key, file in (("1", FILE), ("2", FILE), ("3", FILE), ("4", "gone.csv"), ("5", FILE)):
            db.execute(entity, (ENTITIES + key, file))
        db.execute(entity, (ENTITIES + "6", None))
        db.execute("INSERT INTO file VALUES (?, 'taken', '', 7, 0, NULL, NULL, '', '')", (FILE,))
        db.execute("INSERT INTO file VALUES ('gone.csv', 'vanished', '', 2, 0, NULL, NULL, '', '')")
        row = "INSERT INTO row VALUES (?, ?, ?, ?, ?, ?, ?, '', '', '', '')"
        db.execute(row, (FILE, 2, 7, "1", ENTITIES + "1", b"\2", ""))
        db.execute(row, (FILE, 3, 6, "2", ENTITIES + "2", b"\2", ""))  # of a reading before, cut off
        db.execute(row, (FILE, 4, 7, "5", None, None, "refused"))
        db.execute(row, ("gone.csv", 2, 2, "4", ENTITIES + "4", b"\2", ""))
        db.execute("INSERT INTO vanished VALUES (?, '3')", (FILE,))
        db.commit()
    with Outbox(path) as outbox:
        assert outbox.orphans.all() == [
            Orphan(ENTITIES + "4", "published", "gone.csv", None, None, "vanished"),
            Orphan(ENTITIES + "3", "published", FILE, None, None, "taken"),
        ]
        assert [(row.key, row.state) for row in outbox.rows.verdicts(FILE)] == [
            ("1", "accepted"),
            ("2", "accepted"),
            ("5", "refused"),
        ]
        assert outbox.rows.known(FILE) == {"1": b"\2", "2": b"\2", "5": b"\2"}
        gatherer = Gatherer(outbox, office.codecs, office.ids, settle_s=0, guard=Guard(percent=100), clock=lambda: 0.0)
        gatherer.take(FILE, outcomes([("1", "A"), ("3", "A"), ("5", "A")]), entities=ENTITIES)
        assert {(orphan.key, orphan.number) for orphan in outbox.orphans.all()} == {("4", None), ("2", 3)}
