"""What is not taken is told: in `connector status`, in the log once, and in the office's verdict sheet."""

from __future__ import annotations

import contextlib
import json
import os
import time
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from structlog.testing import capture_logs

from connectors.cli.main import run_command
from connectors.cli.run import find_undecided
from connectors.runtime.codecs import Codecs
from connectors.runtime.folder import Folder
from connectors.runtime.gather import CHUNK_ROWS, Gatherer
from connectors.runtime.ids import EventIds
from connectors.runtime.notice import UNFIT, notices_for
from connectors.runtime.office import Office, read_office
from connectors.runtime.outbox import Outbox
from connectors.runtime.outbox.database import Database
from connectors.runtime.outbox.faulty import FaultyDatabase
from connectors.runtime.outbox.rows import FileState, FileSummary, Reason
from connectors.runtime.sheets import VerdictSheets, sheet_of
from connectors.runtime.signals import Replans, Signal
from connectors.source.problem import FileCode
from hub.base.faulty import Fault
from hub.protocol.errors import Retriable
from schemas.words import LANGUAGES, words
from tests.support.sheets_office import MAPPING, lay_out

MORE = "guard: {percent: 10, rows_min: 2}\nlimits: {file_bytes_max: 4000}\n"


class Bench:
    """An office on disk whose folder is looked at when the test says so, with no broker behind it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        lay_out(path, {"offers.yaml": MAPPING.replace("offers*", "offers*.csv")}, MORE)
        self.office: Office = read_office(path)
        self.database = FaultyDatabase(self.office.outbox)
        self.outbox = Outbox(self.office.outbox, database=self.database)
        gatherer = Gatherer(
            self.outbox, Codecs(), EventIds(), settle_s=0, guard=self.office.settings.guard, clock=time.monotonic
        )
        self.folder = Folder(self.office, self.outbox, gatherer, Replans(), Signal())
        self.sheets = VerdictSheets(self.office, self.outbox, lambda: self.folder.mappings, Signal())

    def write(self, name: str, *rows: str, head: str = "Number,Title") -> Path:
        path = self.path / name
        path.write_text("\n".join([head, *rows, ""]), "utf-8")
        return path

    def look(self) -> None:
        for _ in range(3):  # a file is seen, has stood still, and is read
            self.folder._pass()
        self.sheets.write()

    def block(self, name: str) -> list[list[Any]]:
        """The rows of a verdict sheet as they are read, top to bottom."""
        book = openpyxl.load_workbook(sheet_of(self.office, name))
        rows = [[cell.value for cell in row] for row in book["cohub"].iter_rows()]
        book.close()
        return rows


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "office")


def status(bench: Bench, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    capsys.readouterr()
    assert run_command(["status", "--json", "--office", str(bench.path)]) in (0, 1)  # 1: a file needs a person
    files: dict[str, Any] = json.loads(capsys.readouterr().out)["files"]
    return files


def test_file_that_is_too_large_is_shown_logged_once_and_taken_when_it_fits(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    """A limit is no silence: status and the verdict sheet say it, and the file is taken once it is smaller."""
    bench.write("offers.csv", "1," + "x" * 5000)
    with capture_logs() as logs:
        bench.look()
        bench.look()
    assert [entry["state"] for entry in logs if entry["event"] == "file_set_aside"] == ["too_large"]
    shown = status(bench, capsys)["offers.csv"]
    assert shown["state"] == "too_large"
    assert "at most 4000 are read; split the file" in shown["message"]
    assert bench.block("offers.csv")[1][2] == "not taken"
    bench.write("offers.csv", "1,Pump")
    bench.look()
    shown = status(bench, capsys)["offers.csv"]
    assert (shown["state"], shown["message"], shown["pending"]) == ("taken", "", 1)
    assert bench.block("offers.csv")[0] == ["Row", "Number", "Verdict", "Message", "What to do"]


def test_locked_file_is_shown_until_it_can_be_read(
    bench: Bench, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that another program holds is named, its rows stay, and it is read again by itself."""
    path = bench.write("offers.csv", "1,Pump")
    bench.look()
    assert status(bench, capsys)["offers.csv"]["state"] == "taken"
    opened = os.open

    def locked(name: str, *args: Any, **kwargs: Any) -> int:
        if Path(name).name == path.name:
            raise PermissionError(13, "Permission denied", name)
        return opened(name, *args, **kwargs)

    with capture_logs() as logs, monkeypatch.context() as patch:
        bench.write("offers.csv", "1,Pump of steel")
        patch.setattr(os, "open", locked)  # root reads whatever its mode says
        bench.look()
        bench.look()
    assert [entry["state"] for entry in logs if entry["event"] == "file_set_aside"] == ["locked"]
    shown = status(bench, capsys)["offers.csv"]
    assert (shown["state"], shown["rows"]) == ("locked", 1)
    assert "close it elsewhere" in shown["message"]
    with capture_logs() as logs:
        bench.look()
    assert [entry["file"] for entry in logs if entry["event"] == "file_readable"] == ["offers.csv"]
    assert status(bench, capsys)["offers.csv"]["state"] == "taken"


def test_file_without_mapping_is_shown_with_its_remedy_and_forgotten_when_gone(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    """A misspelt name is found by looking at status, not by missing rows at HQ."""
    path = bench.write("ofers.csv", "1,Pump")
    with capture_logs() as logs:
        bench.look()
        bench.look()
    assert [entry["state"] for entry in logs if entry["event"] == "file_set_aside"] == ["unmapped"]
    shown = status(bench, capsys)["ofers.csv"]
    assert shown["state"] == "unmapped"
    assert shown["message"].startswith("no mapping is for this name: rename the file")
    path.unlink()
    bench.folder._aside.again()
    bench.look()
    assert status(bench, capsys) == {}


def test_refused_file_stands_above_its_old_verdicts(bench: Bench) -> None:
    """Nobody takes last week's green sheet for today's answer: what is wrong with the file comes first."""
    bench.write("offers.csv", "1,Pump")
    bench.look()
    bench.write("offers.csv", "1,Pump", head="Number,Name")
    bench.look()
    rows = bench.block("offers.csv")
    assert rows[0] == [None, "File", "State", "Message", "What to do"]
    assert rows[1][1:3] == ["offers.csv", "not taken"]
    assert "(column: Title)" in rows[1][3]
    assert "the last time it was taken" in rows[1][3]
    assert rows[1][4].startswith("Restore the column names")
    assert rows[3] == ["Row", "Number", "Verdict", "Message", "What to do"]
    assert rows[4][:2] == [2, "1"]


@pytest.mark.parametrize("fault", Fault)
@pytest.mark.parametrize("nth", range(1, 6))
def test_file_that_vanishes_is_noted_though_a_commit_failed(bench: Bench, nth: int, fault: Fault) -> None:
    """The source tells once that it is gone; whatever fails after that, it is not forgotten."""
    bench.write("offers.csv", "1,One")
    bench.look()
    bench.path.joinpath("offers.csv").unlink()
    bench.database.faults.plan(fault, nth)
    for _ in range(4):
        with contextlib.suppress(Retriable):
            bench.look()
    assert [(file.name, file.state) for file in bench.outbox.rows.summaries()] == [("offers.csv", "vanished")]


@pytest.mark.parametrize("fault", Fault)
@pytest.mark.parametrize("nth", range(1, 8))
def test_file_that_is_set_aside_and_freed_is_taken_though_a_commit_failed(bench: Bench, nth: int, fault: Fault) -> None:
    """What stands in the outbox of a file is in the end what it is."""
    bench.write("strange.csv", "1,One")
    bench.database.faults.plan(fault, nth)
    bench.write("offers.csv", "1," + "x" * 5000)
    for _ in range(2):
        with contextlib.suppress(Retriable):
            bench.look()
    bench.write("offers.csv", "1,One")
    for _ in range(4):
        with contextlib.suppress(Retriable):
            bench.look()
    found = {file.name: file.state for file in bench.outbox.rows.summaries()}
    assert found["offers.csv"] == "taken"
    assert [row.state for row in bench.outbox.rows.verdicts("offers.csv")] == ["pending"]


def test_waiting_and_vanished_rows_are_told_in_the_sheet(bench: Bench) -> None:
    """What a person has to approve, and what is missing from the sheet, stands in the file they look at."""
    bench.write("offers.csv", *(f"{n},Pump" for n in range(20)))
    bench.look()
    bench.write("offers.csv", *(f"{n},Pump" for n in range(19)))
    bench.look()
    (notice,) = bench.block("offers.csv")[1:2]
    assert notice[2:4] == [
        "rows are gone",
        "these rows are no longer in the sheet; HQ still has them, and nothing was withdrawn: 19",
    ]
    bench.write("offers.csv", *(f"{n},Crane" for n in range(19)))
    bench.look()
    states = [row[2] for row in bench.block("offers.csv")[1:3]]
    assert states == ["waits for approval", "rows are gone"]
    assert "(rows known: 19, changed: 19, gone: 0)" in bench.block("offers.csv")[1][3]
    assert "connector approve" in bench.block("offers.csv")[1][4]
    (bench.path / "offers.csv").unlink()
    bench.look()
    assert bench.block("offers.csv")[1][2] == "file is gone"


@pytest.mark.parametrize("nth", range(1, 5))
def test_file_is_dealt_with_when_its_last_row_is_taken(bench: Bench, nth: int) -> None:
    """A file of which the outbox has some rows, or none yet, is not taken for one that is decided."""
    bench.write("offers.csv", *(f"{n},P" for n in range(CHUNK_ROWS + 1)))
    bench.database.faults.plan(Fault.REFUSED, nth)  # the file, each chunk of its rows, its end
    with pytest.raises(Retriable):
        bench.look()
    assert bench.folder.dealt_with == frozenset()
    told = find_undecided(bench.outbox.status(), {"offers.csv"}, bench.folder.dealt_with)
    assert "not read yet: offers.csv" in map(str, told)
    bench.look()
    assert bench.folder.dealt_with == {"offers.csv"}
    told = find_undecided(bench.outbox.status(), {"offers.csv"}, bench.folder.dealt_with)
    assert str(told[0]).startswith(f"{CHUNK_ROWS + 1} rows, ")


def test_file_that_has_changed_is_dealt_with_when_it_is_read_again(bench: Bench) -> None:
    """Its rows of before are no reason to think that nothing is left to do; so it is after a restart."""
    assert bench.folder.dealt_with == frozenset()
    bench.write("offers.csv", "1,Pump")
    bench.look()
    assert bench.folder.dealt_with == {"offers.csv"}
    bench.write("offers.csv", "1,Pump of steel")
    bench.folder._pass()
    assert bench.folder.dealt_with == frozenset()
    bench.look()
    assert bench.folder.dealt_with == {"offers.csv"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_file_state_has_its_words(language: Any) -> None:
    """No code of a refused file is told as a bare code, in any language."""
    codes_of_rows = {name.partition(".")[0] for file in ("verdicts", "problems") for name in words(file).texts}
    assert not set(FileCode) & codes_of_rows
    said = set()
    for code in FileCode:
        summary = FileSummary("a.csv", FileState.REFUSED, Reason("detail", code), {})
        (notice,) = notices_for(summary, [], language)
        assert notice.todo
        said.add(notice.said)
    assert len(said) == len(FileCode)


def test_outbox_of_an_earlier_form_gets_the_new_column(tmp_path: Path) -> None:
    """An office that updates keeps its outbox."""
    path = tmp_path / "outbox.sqlite3"
    with Outbox(path) as outbox:
        outbox.database._connection.execute("ALTER TABLE file DROP COLUMN code")
        outbox.database._connection.execute("PRAGMA user_version=1")
    database = Database(path)
    assert database.read("SELECT code FROM file") == []
    database.close()


@pytest.mark.parametrize(("language", "said"), [("zh", "已改动：19"), ("ru", "изменено: 19")])
def test_notice_has_no_sentence_of_the_log(language: Any, said: str) -> None:
    """The log's sentence is English; a reader of Chinese or Russian is told the same values in their own words."""
    params = {"known": "20", "changed": "19", "vanished": "1"}
    reason = Reason("19 of 20 known rows changed and 1 vanished at once: look at the file", params=params)
    summary = FileSummary("a.csv", FileState.WAITING, reason, {})
    (notice,) = notices_for(summary, [], language)
    assert said in notice.said
    assert "look at the file" not in notice.said


def test_reason_is_kept_with_its_values_until_the_file_is_taken(bench: Bench) -> None:
    """What is told of a file outlives a restart, and is forgotten when the file is taken."""
    bench.write("offers.csv", "1,Pump", head="Number,Name")
    bench.look()
    (file,) = bench.outbox.rows.summaries()
    assert (file.reason.code, file.reason.params) == (UNFIT, {"column": "Title"})
    assert "the sheet has no column 'Title'" in file.reason.message  # for the log and for `status`
    bench.write("offers.csv", "1,Pump")
    bench.look()
    (file,) = bench.outbox.rows.summaries()
    assert file.reason == Reason("")


@pytest.mark.parametrize("code", ["", FileCode.FILE_TOO_LARGE])
def test_file_that_is_too_large_is_told_though_an_older_release_kept_no_code(code: str) -> None:
    """Its words stand once, under its code."""
    (notice,) = notices_for(FileSummary("a.csv", FileState.TOO_LARGE, Reason("9 bytes", code), {}), [], "ru")
    assert notice.said.startswith("файл слишком велик. ")
    assert notice.todo == "Разделите его на несколько файлов."


def test_row_is_told_in_the_words_of_its_mappings_stream(bench: Bench) -> None:
    """The sheet knows of each row whose fields and statuses it tells."""
    bench.write("offers.csv", "1,Pump")
    bench.look()
    told = json.dumps([["", "trl", "ILLEGAL_TRANSITION", "status=withdrawn"]])
    with bench.database.transaction() as connection:
        connection.execute("UPDATE row SET state='refused', code='ILLEGAL_TRANSITION', problems=?", (told,))
    bench.sheets.write()
    assert bench.block("offers.csv")[1][3] == "readiness (TRL): not possible in the present status (status: withdrawn)"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "another kind"),
        (b"Number,Title,Number\n1,Pump,2\n", "a repeated column"),
        (b"\x00\x01\x02\x03" * 100, "no text"),
        ("Number,Title\n1,Üöä Pumpe\n".encode("cp1252"), "an uncertain encoding"),
    ],
)
def test_file_that_was_refused_is_taken_once_it_is_mended(
    bench: Bench, capsys: pytest.CaptureFixture[str], content: bytes, code: str
) -> None:
    """Whatever it was refused for: saving it right is all that is needed."""
    path = bench.path / "offers.csv"
    path.write_bytes(content)
    bench.look()
    shown = status(bench, capsys)["offers.csv"]
    assert (shown["state"], bool(shown["message"])) == ("refused", True), code
    bench.write("offers.csv", "1,Pump")
    bench.look()
    shown = status(bench, capsys)["offers.csv"]
    assert (shown["state"], shown["message"], shown["pending"]) == ("taken", "", 1)
