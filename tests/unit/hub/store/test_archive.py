"""Old commits leave the database only for a place that gave them back, and everything still reads them."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import orjson
import pytest

from hub.base.faulty import Fault, Faults
from hub.cli.main import run_command
from hub.cli.options import Settings
from hub.ledger.segment import SUFFIX
from hub.protocol.errors import Fatal, Retriable, UsageError
from hub.protocol.tree import leaf_hash
from hub.replay.source import Ledger
from hub.store.archive import Archiver, ArchiveWriter
from hub.store.depot import fetch, open_depot
from hub.store.opener import open_archiver
from hub.store.rows import StoredSegment
from hub.store.sqlite_archive import SqliteArchiveWriter
from tests.support.archived import LATER, archive, held, make_hub, rows, settle
from tests.support.center import Center
from tests.support.hq import Hq

T = TypeVar("T")
WITHDRAWN = "net.cohub.offer.withdrawn.v1"
UZ = "(SELECT id FROM lane WHERE center = 'uz')"


@pytest.fixture
async def hub(tmp_path: Path) -> Path:
    return await make_hub(tmp_path)


def test_what_is_old_moves_and_everything_reads_as_before(hub: Path, tmp_path: Path) -> None:
    """The rows are the same, byte for byte; the newest commits and HQ's lane stay where they were."""
    before, held_before = rows(hub), held(hub)
    found = archive(hub, open_depot(str(tmp_path / "archive")))
    assert [(each.origin.split("/")[1], each.first, each.last) for each in found] == [("uz", 1, 34), ("kz", 1, 34)]
    assert rows(hub) == before
    after = held(hub)
    assert after["hq"] == held_before["hq"]
    for center in ("uz", "kz"):
        (last,) = (lane[-1] for origin, lane in before.items() if f"/{center}/" in origin)
        assert after[center] == len(last.data), "only the commit that is not old is left"
    assert archive(hub, open_depot(str(tmp_path / "archive"))) == []


def test_segments_are_named_by_their_digest_and_linked(hub: Path, tmp_path: Path) -> None:
    """Each file's name is its SHA-256, its header names the one before, and its events are those of the seal."""
    folder = tmp_path / "archive"
    archive(hub, open_depot(str(folder)))
    with Ledger.open(hub) as ledger:
        stored = ledger.reader.segments()
        segments = [ledger.segment(each) for each in stored]
    assert sorted(path.name for path in folder.iterdir()) == sorted(each.digest.hex() + SUFFIX for each in stored)
    assert [segment.previous for segment in segments] == [None, stored[0].digest]
    for each, segment in zip(stored, segments, strict=True):
        assert all(leaf_hash(event["data"]) == event["digest"] for event in segment.events)
        assert segment.to_bytes() == (folder / f"{each.digest.hex()}{SUFFIX}").read_bytes()


def test_large_ranges_become_several_segments(hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A segment is whole commits up to its limit."""
    before = rows(hub)
    monkeypatch.setattr("hub.store.archive.SEGMENT_EVENTS_MAX", 12)
    found = archive(hub, open_depot(str(tmp_path / "archive")))
    assert [(each.first, each.last) for each in found[: len(found) // 2]] == [(1, 9), (10, 19), (20, 29), (30, 34)]
    assert rows(hub) == before


def test_nothing_moves_before_it_is_logged_and_published(hub: Path, tmp_path: Path) -> None:
    """What the notary or the publisher still needs stays."""
    with closing(sqlite3.connect(hub)) as db:
        db.execute("UPDATE logged SET upto = 9 WHERE lane_id IN (SELECT id FROM lane WHERE center = 'uz')")
        db.execute("UPDATE published SET upto = 0 WHERE lane_id IN (SELECT id FROM lane WHERE center = 'kz')")
        db.commit()
    found = archive(hub, open_depot(str(tmp_path / "archive")))
    assert [(each.first, each.last) for each in found] == [(1, 9)]


class Forgetful:
    """A place that loses what it is given, or changes it."""

    location = "forgetful"

    def __init__(self, change: bytes | None) -> None:
        self.change = change

    def put(self, name: str, data: bytes) -> None:
        self.data = data

    def get(self, name: str) -> bytes:
        if self.change is None:
            raise Fatal("gone")
        return self.data[:-1] + self.change


@pytest.mark.parametrize("change", [None, b"", b"\x00\x00"])
def test_nothing_is_deleted_that_was_not_read_back(hub: Path, change: bytes | None) -> None:
    """A place that does not give back the same bytes gets nothing, and the database keeps everything."""
    before = held(hub)
    with pytest.raises(Fatal):
        archive(hub, Forgetful(change))
    assert held(hub) == before
    with Ledger.open(hub) as ledger:
        assert ledger.reader.segments() == []


def test_damaged_ledger_is_not_moved(hub: Path, tmp_path: Path) -> None:
    """An event that is not what its digest says, or is missing, is left for the audit to find."""
    with closing(sqlite3.connect(hub)) as db:
        db.execute(f"UPDATE ledger SET data = x'00ff' WHERE sequence = 5 AND lane_id = {UZ}")
        db.commit()
    with pytest.raises(Fatal, match="sequence 5: the ledger is damaged"):
        archive(hub, open_depot(str(tmp_path / "archive")))
    with closing(sqlite3.connect(hub)) as db:
        db.execute(f"DELETE FROM ledger WHERE sequence = 5 AND lane_id = {UZ}")
        db.commit()
    with pytest.raises(Fatal, match="sequence 5: the ledger is damaged"):
        archive(hub, open_depot(str(tmp_path / "archive")))
    with Ledger.open(hub) as ledger:
        assert ledger.reader.segments() == []


def test_damaged_or_missing_segment_is_told_with_its_name(hub: Path, tmp_path: Path) -> None:
    """A flipped byte anywhere, and a file that is gone."""
    folder = tmp_path / "archive"
    archive(hub, open_depot(str(folder)))
    with Ledger.open(hub) as ledger:
        stored = ledger.reader.segments()[0]
        path = folder / (stored.digest.hex() + SUFFIX)
        whole = path.read_bytes()
        for at in range(0, len(whole), 97):
            path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
            with pytest.raises(Fatal, match=f"{path.name} is damaged"):
                ledger.events(stored.lane_id, 1, 3)
        path.unlink()
        with pytest.raises(Fatal, match="is missing"):
            ledger.events(stored.lane_id, 1, 3)


KILLED = """
import os, signal, sys
from datetime import datetime
from pathlib import Path
from hub.store import sqlite_archive
from hub.store.archive import Archiver
from hub.store.depot import open_depot
from hub.store.opener import open_archiver
steps = int(sys.argv[3])
def counted(of, name):
    inner = getattr(of, name)
    def step(self, *args):
        global steps
        steps -= 1
        if steps == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return inner(self, *args)
    setattr(of, name, step)
counted(Archiver, "_newest")
counted(Archiver, "_see_that_it_is_there")
counted(sqlite_archive.SqliteArchiveWriter, "_writing")
sqlite_archive.EMPTIED_AT_ONCE = 10
with open_archiver(Path(sys.argv[1])) as archiver:
    moment = datetime.fromisoformat(sys.argv[4])
    list(archiver.archive(open_depot(sys.argv[2]), moment, moment))
"""


def test_killed_at_any_step_it_loses_nothing_and_ends_the_same(hub: Path, tmp_path: Path) -> None:
    """After a SIGKILL between any two steps the rows read the same, and the next run finishes."""
    before = rows(hub)
    folder = tmp_path / "archive"
    moment = LATER - timedelta(days=30)
    steps, status = 0, -signal.SIGKILL
    while status == -signal.SIGKILL:
        steps += 1
        arguments = [str(hub), str(folder), str(steps), moment.isoformat()]
        status = subprocess.run([sys.executable, "-c", KILLED, *arguments], check=False).returncode
        assert rows(hub) == before
    assert (status, steps > 6) == (0, True)
    assert archive(hub, open_depot(str(folder))) == []
    assert held(hub)["uz"] < 2000
    names = {path.name for path in folder.iterdir()}
    with Ledger.open(hub) as ledger:
        assert names == {each.digest.hex() + SUFFIX for each in ledger.reader.segments()}


async def test_state_of_an_archived_record_is_still_published(tmp_path: Path) -> None:
    """A withdrawal whose offer is in the archive is published from SQL, without reading the archive."""
    center = Center()
    hq = await Hq.open(tmp_path, center)
    await hq.feed("uz", center.opened(2))
    published = await hq.store.publication(center.origin, 0, 100)
    assert published is not None
    path = tmp_path / "hub.sqlite3"
    settle(path)
    archive(path, open_depot(str(tmp_path / "archive")))
    (tmp_path / "archive").rename(tmp_path / "unplugged")
    await hq.feed("uz", [center.sealed(center.append(center.event(WITHDRAWN, "K-1", {"reason": "sold"})))])
    later = await hq.store.publication(center.origin, 3, 100)
    assert later is not None
    (known,) = later.entities
    (first,) = (k for k in published.entities if k.entity.id == known.entity.id)
    assert (known.entity.status, known.value) == ("withdrawn", first.value)
    await hq.store.close()


def test_moved_archive_is_read_whole_before_it_counts(hub: Path, tmp_path: Path) -> None:
    """What is missing at the new place keeps the old one."""
    before = rows(hub)
    old, new = tmp_path / "archive", tmp_path / "elsewhere"
    found = archive(hub, open_depot(str(old)))
    old.rename(new)
    lost = new / f"{found[1].digest}{SUFFIX}"
    data = lost.read_bytes()
    lost.unlink()
    with open_archiver(hub) as archiver:
        with pytest.raises(Fatal, match="is missing"):
            archiver.moved(str(old), str(new))
        lost.write_bytes(data)
        assert archiver.moved(str(old), str(new)) == 2
        with pytest.raises(UsageError, match="no segment is noted"):
            archiver.moved(str(old), str(new))
    assert rows(hub) == before


class FaultyWriter:
    """An ArchiveWriter whose writes fail when they are told to; the rest is the one's behind it."""

    def __init__(self, writer: ArchiveWriter) -> None:
        self._writer = writer
        self.reader = writer.reader
        self.faults = Faults()

    def note(self, segment: StoredSegment) -> None:
        self._write("note", lambda: self._writer.note(segment))

    def empty(self, lane_id: int, first: int, last: int) -> int:
        return self._write("empty", lambda: self._writer.empty(lane_id, first, last))

    def move(self, old: str, new: str) -> None:
        self._write("move", lambda: self._writer.move(old, new))

    def compact(self) -> None:
        self._write("compact", self._writer.compact)

    def close(self) -> None:
        self._writer.close()

    def _write(self, name: str, call: Callable[[], T]) -> T:
        fault = self.faults.next(name)
        if fault is Fault.REFUSED:
            raise Retriable(f"{name} was refused")
        found = call()
        if fault is Fault.APPLIED:
            raise Retriable(f"{name} was done, and its answer was lost")
        return found


@pytest.mark.parametrize("fault", Fault)
@pytest.mark.parametrize(("place", "nth"), [("note", 1), ("note", 2), ("empty", 1), ("empty", 2)])
def test_archive_whose_write_failed_is_gone_on_with(
    hub: Path, tmp_path: Path, fault: Fault, place: str, nth: int
) -> None:
    """Refused, or done though its answer was lost: the rows read the same, and the next run ends what this began."""
    before, depot = rows(hub), open_depot(str(tmp_path / "archive"))
    writer = FaultyWriter(SqliteArchiveWriter.open(hub))
    writer.faults.plan(fault, nth, place)
    moment = LATER - timedelta(days=30)
    with Archiver(writer) as archiver:
        with pytest.raises(Retriable):
            list(archiver.archive(depot, moment, LATER))
        assert rows(hub) == before
        list(archiver.archive(depot, moment, LATER))
        assert list(archiver.archive(depot, moment, LATER)) == []
    assert rows(hub) == before
    with Ledger.open(hub) as ledger:
        assert [(each.first, each.last) for each in ledger.reader.segments()] == [(1, 34)] * 2
    assert max(held(hub)[center] for center in ("uz", "kz")) < 2000


@pytest.mark.parametrize("fault", Fault)
def test_moved_archive_whose_note_failed_is_moved_or_not(hub: Path, tmp_path: Path, fault: Fault) -> None:
    """All of the segments are noted at one place; asked again, it is done or says that it was."""
    before, old, new = rows(hub), tmp_path / "archive", tmp_path / "elsewhere"
    archive(hub, open_depot(str(old)))
    shutil.copytree(old, new)
    writer = FaultyWriter(SqliteArchiveWriter.open(hub))
    writer.faults.plan(fault, 1, "move")
    with Archiver(writer) as archiver:
        with pytest.raises(Retriable):
            archiver.moved(str(old), str(new))
        if fault is Fault.REFUSED:
            assert archiver.moved(str(old), str(new)) == 2
        else:
            with pytest.raises(UsageError, match="no segment is noted"):
                archiver.moved(str(old), str(new))
    assert rows(hub) == before


def test_full_disk_is_fatal_and_the_next_run_goes_on(hub: Path, tmp_path: Path) -> None:
    """No error of the database's leaves the store, and nothing half is left."""
    before = rows(hub)
    writer = SqliteArchiveWriter.open(hub)
    writer._db.execute("CREATE TEMP TRIGGER full BEFORE INSERT ON main.segment BEGIN SELECT raise(ABORT, 'full'); END")
    with Archiver(writer) as archiver, pytest.raises(Fatal, match="cannot be written: full; run it again"):
        list(archiver.archive(open_depot(str(tmp_path / "archive")), LATER - timedelta(days=30), LATER))
    assert rows(hub) == before
    assert len(archive(hub, open_depot(str(tmp_path / "archive")))) == 2


def test_two_archivers_do_not_tear_the_chain(hub: Path, tmp_path: Path) -> None:
    """The slower one is told, and nothing is lost."""
    before = rows(hub)
    depot = open_depot(str(tmp_path / "archive"))
    with open_archiver(hub) as one, open_archiver(hub) as two:
        moment = LATER - timedelta(days=30)
        first = one.archive(depot, moment, LATER)
        next(first)

        class Interrupted:
            location = depot.location
            get = staticmethod(depot.get)

            @staticmethod
            def put(name: str, data: bytes) -> None:
                depot.put(name, data)
                list(first)

        with pytest.raises(Retriable, match="another process"):
            list(two.archive(Interrupted(), moment, LATER))
    assert rows(hub) == before


def test_command_line(hub: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Dry run, archive, list, and the sizes that they tell."""
    settings = Settings(data_dir=tmp_path)
    assert run_command(["ledger", "archive", "--older-than", "0", "--dry-run", "--json"], settings) == 0
    planned = orjson.loads(capsys.readouterr().out)
    assert (planned["segments"], planned["events"], planned["dry_run"]) == (2, 68, True)
    assert not (tmp_path / "archive").exists()
    assert run_command(["ledger", "archive", "--older-than", "0", "--compact"], settings) == 0
    out = capsys.readouterr().out
    assert "moved 68 events" in out
    assert str(tmp_path / "archive") in out
    assert run_command(["ledger", "segments", "--json"], settings) == 0
    listed = orjson.loads(capsys.readouterr().out)
    assert [(row["first"], row["last"]) for row in listed] == [(1, 34), (1, 34)]
    assert listed[1]["previous"] == listed[0]["digest"]
    assert run_command(["ledger", "archive", "--older-than", "0"], settings) == 0
    assert "nothing to move" in capsys.readouterr().out
    assert run_command(["ledger", "archive", "--to", "ftp://example/"], settings) == 2
    assert "expected a directory or a URL" in capsys.readouterr().err


def test_depot_refuses_what_it_can_not_keep(tmp_path: Path) -> None:
    """A file where the folder should be, and a name that is not its content."""
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match="can't be written"):
        open_depot(str(tmp_path / "file")).put("a", b"x")
    depot = open_depot(str(tmp_path / "d"))
    depot.put("00" * 32 + SUFFIX, b"x")
    with pytest.raises(Fatal, match="is damaged"):
        fetch(depot, bytes(32), SUFFIX)


def test_depot_leaves_no_half_written_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What could not be made durable has not its name."""

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Fatal, match="No space left"):
        open_depot(str(tmp_path / "d")).put("a", b"x")
    assert not (tmp_path / "d" / "a").exists()
