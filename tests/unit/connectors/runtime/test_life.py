"""A connector leaves behind that it lived, and how it ended; whoever looks tells the present from the past."""

from __future__ import annotations

import asyncio
import os
import sys
from datetime import timedelta
from pathlib import Path

import openpyxl
import pytest
from structlog.testing import capture_logs

from connectors.runtime.daemon import leave_word_of_force
from connectors.runtime.last_words import tell_end
from connectors.runtime.life import FILE, Ended, Life, LifeFile, look
from connectors.runtime.lock import FolderLock
from connectors.runtime.outbox.database import OutboxBroken
from connectors.runtime.told import OfficeFatal
from connectors.runtime.verdicts import VerdictRow, verdicts_path
from hub.protocol.errors import Fatal, Malformed
from schemas.words import LANGUAGES, Language
from tests.support.office import NOW
from tests.support.sheets_office import SheetsOffice
from tests.support.verdict_sheets import write_verdicts

FOREIGN = OfficeFatal("errors.foreign", lane="hub.example/uz/ffffffff", path="outbox.sqlite3")


@pytest.mark.parametrize(
    ("exc", "standing", "code"),
    [
        (None, "stopped", "stopped"),
        (asyncio.CancelledError(), "stopped", "stopped"),
        (KeyboardInterrupt(), "stopped", "stopped"),
        (FOREIGN, "ended", "foreign"),
        (OutboxBroken("errors.outbox_broken", path="outbox.sqlite3"), "ended", "outbox_broken"),
        (Fatal("mapping.yaml: no"), "ended", "other"),
        (ZeroDivisionError("division by zero"), "ended", "crashed"),
        (OSError(28, "No space left on device", "outbox.sqlite3"), "ended", "os"),
    ],
)
def test_every_end_is_known_by_its_name(tmp_path: Path, exc: BaseException | None, standing: str, code: str) -> None:
    """Who stopped it on purpose is told so; every other end says what happened, in every language."""
    life = LifeFile(tmp_path, lambda: NOW)
    life.begin()
    life.end(exc)
    vital = look(tmp_path, tmp_path / "outbox.sqlite3")
    assert vital.life is not None
    assert vital.life.ended is not None
    assert (vital.standing, vital.life.ended.code) == (standing, code)
    assert len({vital.life.ended.why.text(language) for language in LANGUAGES}) == len(LANGUAGES)
    assert Life.from_bytes(vital.life.to_bytes()) == vital.life


def test_connector_that_was_killed_left_no_word_but_when_it_was_last_seen(tmp_path: Path) -> None:
    """A record without an end, and a lock that nobody holds: it did not stop by itself."""
    outbox = tmp_path / "outbox.sqlite3"
    assert look(tmp_path, outbox).standing == "never"
    with FolderLock(outbox):
        LifeFile(tmp_path, lambda: NOW).begin()
        assert look(tmp_path, outbox).standing == "running"
        assert look(tmp_path, outbox).plain()["process"] is not None
    vital = look(tmp_path, outbox)
    assert vital.standing == "killed"
    assert (vital.plain()["last_true"], vital.plain()["process"]) == ("2026-01-02T03:04:05.000000Z", None)


@pytest.mark.parametrize(("exc", "code"), [(None, "stopped"), (FOREIGN, "foreign")])
def test_end_by_force_leaves_the_word_of_who_has_ended_at_the_last_moment(
    tmp_path: Path, exc: BaseException | None, code: str
) -> None:
    """Its deadline is over while it ends by itself: what it was ended by is not what its record says."""
    office = SheetsOffice(tmp_path).office
    life = LifeFile(tmp_path)
    life.begin()
    life.end(exc)
    leave_word_of_force(office)
    vital = look(tmp_path, tmp_path / "outbox.sqlite3")
    assert vital.life is not None
    assert vital.life.ended is not None
    assert vital.life.ended.code == code
    life.begin()
    leave_word_of_force(office)
    vital = look(tmp_path, tmp_path / "outbox.sqlite3")
    assert vital.life is not None
    assert vital.life.ended is not None
    assert vital.life.ended.code == "ended_by_force"


def test_looking_takes_no_lock_from_who_starts(tmp_path: Path) -> None:
    """A connector that starts while somebody looks is not refused, and one that runs is not disturbed."""
    outbox = tmp_path / "outbox.sqlite3"
    for _ in range(3):
        look(tmp_path, outbox)
        with FolderLock(outbox):
            assert look(tmp_path, outbox).standing == "running"


def test_next_good_start_forgets_how_the_last_one_ended(tmp_path: Path) -> None:
    life = LifeFile(tmp_path, lambda: NOW)
    life.end(FOREIGN)  # before it began: the settings could not be read, say
    assert look(tmp_path, tmp_path / "outbox.sqlite3").standing == "ended"
    life.begin()
    found = look(tmp_path, tmp_path / "outbox.sqlite3").life
    assert found is not None
    assert found.ended is None


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"process": 1}', b"\xff", b'{"ended": 3}'])
def test_record_that_is_damaged_is_none(tmp_path: Path, data: bytes) -> None:
    """A half-written file stops nobody who looks."""
    with pytest.raises(Malformed):
        Life.from_bytes(data)
    path = tmp_path / FILE
    path.parent.mkdir()
    path.write_bytes(data)
    assert look(tmp_path, tmp_path / "outbox.sqlite3").standing == "never"


@pytest.mark.parametrize("language", LANGUAGES)
def test_end_stands_on_top_of_every_verdict_sheet(tmp_path: Path, language: Language) -> None:
    """Once, however often it ends; the rows stay below, and the next start writes the sheet anew."""
    source, other = tmp_path / "offers.xlsx", tmp_path / "far" / "deals.csv"
    rows = [VerdictRow(2, "T-1", "accepted"), VerdictRow(3, "=T-2", "refused")]
    for path in (source, other):
        assert write_verdicts(verdicts_path(path), rows, language)
    ended = Ended.by(FOREIGN, NOW)
    assert tell_end(tmp_path, ended, language) == 2
    assert tell_end(tmp_path, Ended.by(FOREIGN, NOW + timedelta(hours=1)), language) == 2
    sheet = openpyxl.load_workbook(verdicts_path(source)).worksheets[0]
    lines = list(sheet.iter_rows(values_only=True))
    assert len(lines) == 6
    assert "hub.example/uz/ffffffff" in str(lines[1][3])
    assert [line[1] for line in lines[4:]] == ["'=T-2", "T-1"]
    assert (sheet.freeze_panes, sheet.auto_filter.ref) == ("A5", "A4:E6")
    assert write_verdicts(verdicts_path(source), rows, language)
    assert not write_verdicts(verdicts_path(source), rows, language)


def test_verdict_sheet_that_is_damaged_is_passed_over(tmp_path: Path) -> None:
    """The end is told wherever it can be."""
    good, bad = verdicts_path(tmp_path / "a.csv"), verdicts_path(tmp_path / "b.csv")
    write_verdicts(good, [VerdictRow(2, "1", "accepted")], "en")
    bad.write_bytes(b"PK no workbook")
    assert tell_end(tmp_path, Ended.by(FOREIGN, NOW), "en") == 1


@pytest.mark.skipif(sys.platform == "win32", reason="pipes and links in a folder")
@pytest.mark.timeout(10)
def test_what_is_no_file_holds_up_no_end(tmp_path: Path) -> None:
    """A pipe that has the name of a verdict sheet would be read for ever; a link is not followed out of the folder."""
    good = verdicts_path(tmp_path / "offers.csv")
    write_verdicts(good, [VerdictRow(2, "1", "accepted")], "en")
    os.mkfifo(good.with_name("a.csv.verdicts.xlsx"))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(good.read_bytes())
    good.with_name("b.csv.verdicts.xlsx").symlink_to(elsewhere)
    before = elsewhere.read_bytes()
    assert tell_end(tmp_path, Ended.by(FOREIGN, NOW), "en") == 1
    assert elsewhere.read_bytes() == before
    assert good.with_name("b.csv.verdicts.xlsx").is_symlink()


def test_end_is_told_for_so_long_and_no_longer(tmp_path: Path) -> None:
    """The process is to end: what is left has no notice, and the log says so."""
    for name in ("a.csv", "b.csv"):
        write_verdicts(verdicts_path(tmp_path / name), [VerdictRow(2, "1", "accepted")], "en")
    with capture_logs() as logs:
        assert tell_end(tmp_path, Ended.by(FOREIGN, NOW), "en", 0.0) == 0
    assert [entry["event"] for entry in logs] == ["end_not_told"]
