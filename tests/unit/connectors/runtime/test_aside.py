"""What is not taken is told: in `connector status`, in the log once, and in the office's verdict sheet."""

from __future__ import annotations

import contextlib
import json
import time
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from structlog.testing import capture_logs

from connectors.cli.main import run_command
from connectors.runtime.codecs import Codecs
from connectors.runtime.folder import Folder
from connectors.runtime.gather import Gatherer
from connectors.runtime.ids import EventIds
from connectors.runtime.notice import notices_for
from connectors.runtime.office import Office, read_office
from connectors.runtime.outbox import Outbox
from connectors.runtime.outbox.database import Database
from connectors.runtime.outbox.faulty import FaultyDatabase
from connectors.runtime.outbox.rows import FileState, FileSummary
from connectors.runtime.sheets import VerdictSheets, sheet_of
from connectors.runtime.signals import Replans, Signal
from connectors.source.problem import FileCode
from hub.base.faulty import Fault
from hub.protocol.errors import Retriable
from hub.protocol.note import Signer, sign_note
from hub.protocol.trust import Trust
from schemas.words import LANGUAGES, words

HUB = "hub.example"
MAPPING = """\
files: ["offers*.csv"]
stream: offer
key: Number
fields:
  title: {column: Title}
  language: {value: en}
  export_control: {value: free}
"""
SETTINGS = """\
hub: hub.example
center: uz
bootstrap: 127.0.0.1:1
language: en
settle_s: 0
file_settle_s: 0
guard: {percent: 10, rows_min: 2}
limits: {file_bytes_max: 4000}
"""


class Desk:
    """An office on disk whose folder is looked at when the test says so, with no broker behind it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        (path / "mappings").mkdir(parents=True)
        (path / "keys").mkdir()
        (path / "mappings" / "offers.yaml").write_text(MAPPING, "utf-8")
        (path / "connector.yaml").write_text(SETTINGS, "utf-8")
        root, receipts = Signer(f"{HUB}/root", b"r" * 32), Signer(f"{HUB}/receipts", b"x" * 32)
        (path / "trust.note").write_bytes(
            sign_note(Trust(HUB, root.verifier, (receipts.verifier,)).to_text(), [root]).to_bytes()
        )
        key = path / "keys" / "seal.key"
        key.write_text(Signer(f"{HUB}/uz", b"k" * 32).to_text(), "ascii")
        key.chmod(0o600)
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
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "office")


def status(desk: Desk, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    capsys.readouterr()
    assert run_command(["status", "--json", "--office", str(desk.path)]) == 0
    files: dict[str, Any] = json.loads(capsys.readouterr().out)["files"]
    return files


def test_file_that_is_too_large_is_shown_logged_once_and_taken_when_it_fits(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    """A limit is no silence: status and the verdict sheet say it, and the file is taken once it is smaller."""
    desk.write("offers.csv", "1," + "x" * 5000)
    with capture_logs() as logs:
        desk.look()
        desk.look()
    assert [entry["state"] for entry in logs if entry["event"] == "file_set_aside"] == ["too_large"]
    shown = status(desk, capsys)["offers.csv"]
    assert shown["state"] == "too_large"
    assert "at most 4000 are read; split the file" in shown["message"]
    assert desk.block("offers.csv")[1][2] == "not taken"
    desk.write("offers.csv", "1,Pump")
    desk.look()
    shown = status(desk, capsys)["offers.csv"]
    assert (shown["state"], shown["message"], shown["pending"]) == ("taken", "", 1)
    assert desk.block("offers.csv")[0] == ["Row", "Number", "Verdict", "Message", "What to do"]


def test_locked_file_is_shown_until_it_can_be_read(
    desk: Desk, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that another program holds is named, its rows stay, and it is read again by itself."""
    path = desk.write("offers.csv", "1,Pump")
    desk.look()
    assert status(desk, capsys)["offers.csv"]["state"] == "taken"
    opened = Path.open

    def locked(file: Path, *args: Any, **kwargs: Any) -> Any:
        if file == path:
            raise PermissionError(13, "Permission denied", str(file))
        return opened(file, *args, **kwargs)

    with capture_logs() as logs, monkeypatch.context() as patch:
        desk.write("offers.csv", "1,Pump of steel")
        patch.setattr(Path, "open", locked)  # root reads whatever its mode says
        desk.look()
        desk.look()
    assert [entry["state"] for entry in logs if entry["event"] == "file_set_aside"] == ["locked"]
    shown = status(desk, capsys)["offers.csv"]
    assert (shown["state"], shown["rows"]) == ("locked", 1)
    assert "close it elsewhere" in shown["message"]
    with capture_logs() as logs:
        desk.look()
    assert [entry["file"] for entry in logs if entry["event"] == "file_readable"] == ["offers.csv"]
    assert status(desk, capsys)["offers.csv"]["state"] == "taken"


def test_file_without_mapping_is_shown_with_its_remedy_and_forgotten_when_gone(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    """A misspelt name is found by looking at status, not by missing rows at HQ."""
    path = desk.write("ofers.csv", "1,Pump")
    with capture_logs() as logs:
        desk.look()
        desk.look()
    assert [entry["state"] for entry in logs if entry["event"] == "file_set_aside"] == ["unmapped"]
    shown = status(desk, capsys)["ofers.csv"]
    assert shown["state"] == "unmapped"
    assert shown["message"].startswith("no mapping is for this name: rename the file")
    path.unlink()
    desk.folder._aside.again()
    desk.look()
    assert status(desk, capsys) == {}


def test_refused_file_stands_above_its_old_verdicts(desk: Desk) -> None:
    """Nobody takes last week's green sheet for today's answer: what is wrong with the file comes first."""
    desk.write("offers.csv", "1,Pump")
    desk.look()
    desk.write("offers.csv", "1,Pump", head="Number,Name")
    desk.look()
    rows = desk.block("offers.csv")
    assert rows[0] == [None, "File", "State", "Message", "What to do"]
    assert rows[1][1:3] == ["offers.csv", "not taken"]
    assert "Title" in rows[1][3]
    assert "the last time it was taken" in rows[1][3]
    assert rows[1][4].startswith("Restore the column names")
    assert rows[3] == ["Row", "Number", "Verdict", "Message", "What to do"]
    assert rows[4][:2] == [2, "1"]


@pytest.mark.parametrize("fault", Fault)
@pytest.mark.parametrize("nth", range(1, 6))
def test_file_that_vanishes_is_noted_though_a_commit_failed(desk: Desk, nth: int, fault: Fault) -> None:
    """The source tells once that it is gone; whatever fails after that, it is not forgotten."""
    desk.write("offers.csv", "1,One")
    desk.look()
    desk.path.joinpath("offers.csv").unlink()
    desk.database.faults.plan(fault, nth)
    for _ in range(4):
        with contextlib.suppress(Retriable):
            desk.look()
    assert [(file.name, file.state) for file in desk.outbox.rows.summaries()] == [("offers.csv", "vanished")]


@pytest.mark.parametrize("fault", Fault)
@pytest.mark.parametrize("nth", range(1, 8))
def test_file_that_is_set_aside_and_freed_is_taken_though_a_commit_failed(desk: Desk, nth: int, fault: Fault) -> None:
    """What stands in the outbox of a file is in the end what it is."""
    desk.write("strange.csv", "1,One")
    desk.database.faults.plan(fault, nth)
    desk.write("offers.csv", "1," + "x" * 5000)
    for _ in range(2):
        with contextlib.suppress(Retriable):
            desk.look()
    desk.write("offers.csv", "1,One")
    for _ in range(4):
        with contextlib.suppress(Retriable):
            desk.look()
    found = {file.name: file.state for file in desk.outbox.rows.summaries()}
    assert found["offers.csv"] == "taken"
    assert [row.state for row in desk.outbox.rows.verdicts("offers.csv")] == ["pending"]


def test_waiting_and_vanished_rows_are_told_in_the_sheet(desk: Desk) -> None:
    """What a person has to approve, and what is missing from the sheet, stands in the file they look at."""
    desk.write("offers.csv", *(f"{n},Pump" for n in range(20)))
    desk.look()
    desk.write("offers.csv", *(f"{n},Pump" for n in range(19)))
    desk.look()
    (notice,) = desk.block("offers.csv")[1:2]
    assert notice[2:4] == [
        "rows are gone",
        "these rows are no longer in the sheet; HQ still has them, and nothing was withdrawn: 19",
    ]
    desk.write("offers.csv", *(f"{n},Crane" for n in range(19)))
    desk.look()
    states = [row[2] for row in desk.block("offers.csv")[1:3]]
    assert states == ["waits for approval", "rows are gone"]
    assert "connector approve" in desk.block("offers.csv")[1][4]
    (desk.path / "offers.csv").unlink()
    desk.look()
    assert desk.block("offers.csv")[1][2] == "file is gone"


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_file_state_has_its_words(language: Any) -> None:
    """No code of a refused file is told as a bare code, in any language."""
    codes_of_rows = {name.partition(".")[0] for file in ("verdicts", "problems") for name in words(file).texts}
    assert not set(FileCode) & codes_of_rows
    said = set()
    for code in FileCode:
        summary = FileSummary("a.csv", FileState.REFUSED, "detail", code, {})
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
