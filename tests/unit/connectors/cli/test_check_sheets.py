"""`check` says of every file in the folder whether its rows are taken, and what to do where they are not."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from connectors.cli.main import run_command
from tests.support.sheets_office import MAPPING, SheetsOffice

OLD_BOOK = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 2000
Found = list[tuple[str, bool | None, str]]


def check(office: SheetsOffice, capsys: pytest.CaptureFixture[str]) -> Found:
    """Return what `check` says of the folder."""
    capsys.readouterr()
    run_command(["check", "--json", "--office", str(office.path)])
    found = json.loads(capsys.readouterr().out)
    return [(one["name"], one["ok"], one["said"]) for one in found if one["name"] in ("sheet", "copy")]


def status(office: SheetsOffice, capsys: pytest.CaptureFixture[str]) -> dict[str, tuple[str, str]]:
    capsys.readouterr()
    assert run_command(["status", "--json", "--office", str(office.path)]) == 0
    files = json.loads(capsys.readouterr().out)["files"]
    return {name: (entry["state"], entry["message"]) for name, entry in files.items()}


@pytest.fixture
def office(tmp_path: Path) -> SheetsOffice:
    return SheetsOffice(tmp_path / "office")


def test_sheet_whose_rows_are_good_is_ok(office: SheetsOffice, capsys: pytest.CaptureFixture[str]) -> None:
    """With how many rows there are, and by which mapping."""
    office.write("offers.csv", "1,Pump", "2,Kiln")
    assert check(office, capsys) == [("sheet", True, "offers.csv: 2 rows by offers.yaml")]


def test_sheet_with_refused_rows_is_not_ok(office: SheetsOffice, capsys: pytest.CaptureFixture[str]) -> None:
    """How many, for which codes, and what these mean."""
    office.write("offers.csv", "1,Pump", f"2,{'x' * 300}", f"3,{'x' * 300}", ",Kiln")
    ((_, ok, said),) = check(office, capsys)
    assert not ok
    assert "4 rows by offers.yaml; 3 refused: 2 TOO_LONG: " in said
    assert "; 1 NO_KEY: " in said


def test_refused_rows_are_told_everywhere(office: SheetsOffice, capsys: pytest.CaptureFixture[str]) -> None:
    """In the verdict sheet, in `status`, and in the log when that has changed: how many, and for what."""
    office.write("offers.csv", "1,Pump", f"2,{'x' * 300}", ",Kiln")
    office.write("offers (1).csv", "1,Crane")
    with capture_logs() as logs:
        office.settle()
        office.settle()
    assert [(one["file"], one["codes"]) for one in logs if one["event"] == "rows_refused"] == [
        ("offers.csv", {"NO_KEY": 1, "TOO_LONG": 1}),
        ("offers (1).csv", {"DUPLICATE_KEY": 1}),
    ]
    capsys.readouterr()
    assert run_command(["status", "--office", str(office.path)]) == 0
    said = capsys.readouterr().out
    for told in ("offers.csv: 1 TOO_LONG: ", "offers.csv: 1 NO_KEY: ", "offers (1).csv: 1 DUPLICATE_KEY: "):
        assert told in said
    assert "too long" in office.said("offers.csv")
    assert "see file: offers.csv" in office.said("offers (1).csv")


def test_sheet_that_is_refused_is_not_ok(office: SheetsOffice, capsys: pytest.CaptureFixture[str]) -> None:
    """The sentence is that of the log; the verdict sheet and `status` have it too."""
    office.write("offers.csv", "1,Pump", head="Number,Name")
    with capture_logs() as logs:
        office.look()
    ((_, ok, said),) = check(office, capsys)
    assert not ok
    assert "the sheet has no column 'Title'" in said
    assert "the sheet has no column 'Title'" in status(office, capsys)["offers.csv"][1]
    assert any("the sheet has no column 'Title'" in str(entry.get("reason")) for entry in logs)
    assert "the file does not fit its mapping" in office.said("offers.csv")


def test_two_sheets_that_contradict_each_other_are_not_ok(
    office: SheetsOffice, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything is sent: which other file has the number."""
    office.write("offers a.csv", "1,Pump", "2,Kiln")
    office.write("offers b.csv", "1,Pump", "2,Kiln 2")
    first, second = check(office, capsys)
    assert first[1]
    assert not second[1]
    assert "1 refused: 1 DUPLICATE_KEY (see offers a.csv)" in second[2]


@pytest.mark.parametrize(
    ("name", "data", "what", "remedy"),
    [
        ("deals.csv", b"a,b\n1,2\n", False, "no mapping is for this name: rename the file"),
        ("deals.xlsx", b"PK\x03\x04", False, "no mapping is for this name: rename the file"),
        ("deals.xls", OLD_BOOK, False, "old .xls format; save it as .xlsx"),
        ("deals.xls", b"<html><table><tr><td>1</td></tr></table></html>", False, "is a web page (HTML)"),
        ("deals.xls", b"Number\tTitle\n1\tPump\n", False, "rename it to .csv"),
        ("deals.ods", b"PK\x03\x04" + b"mimetypeapplication/vnd.oasis.opendocument.spreadsheet", False, "(.ods)"),
        ("deals.xlsb", b"PK\x03\x04...xl/workbook.bin", False, "(.xlsb)"),
        ("deals.numbers", b"PK\x03\x04...Index/Document.iwa", False, "Numbers"),
        ("deals.json", b'[{"a": 1}]', False, "JSON lines"),
        ("deals.xml", b'<?xml version="1.0"?><a/>', False, "is XML"),
        ("deals.pdf", b"%PDF-1.7", None, "is a PDF document"),
        ("deals.docx", b"PK\x03\x04...word/document.xml", None, "is a text document"),
        ("deals.csv.gz", b"\x1f\x8b\x08", None, "is a compressed file"),
        ("~$offers.xlsx", b"\x04Anna", None, "a program has the workbook open"),
        (".~lock.offers.xlsx#", b",anna,pc", None, "a program has the workbook open"),
        ("~WRL0001.tmp", b"x", None, "temporary file"),
        ("offers.xlsx.part", b"x", None, "temporary file"),
        ("offers.csv.bak", b"x", None, "temporary file"),
    ],
)
def test_file_that_nobody_reads_is_named_everywhere(
    office: SheetsOffice, capsys: pytest.CaptureFixture[str], name: str, data: bytes, what: bool | None, remedy: str
) -> None:
    """In `check`, in `status` and once in the log, with what to do; what holds rows for people makes `check` fail."""
    (office.path / name).write_bytes(data)
    with capture_logs() as logs:
        office.look()
        office.look()
    ((_, ok, said),) = check(office, capsys)
    assert (ok, said.startswith(f"{name}: "), remedy in said) == (what, True, True), said
    state, message = status(office, capsys)[name]
    assert (state, remedy in message) == ("unmapped", True)
    assert [remedy in entry["reason"] for entry in logs if entry["event"] == "file_set_aside"] == [True]
    (office.path / name).unlink()
    office.look()
    assert status(office, capsys) == {}


@pytest.mark.parametrize("name", [".DS_Store", "Thumbs.db", "desktop.ini", "notes.txt", ".offers.csv.swp", "a.yaml"])
def test_file_that_is_nobodys_sheet_is_not_named(
    office: SheetsOffice, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """Neither ours nor the system's, nor a note."""
    (office.path / name).write_bytes(b"x")
    office.look()
    ((_, ok, said),) = check(office, capsys)
    assert (ok, said.startswith("none in ")) == (None, True)
    assert status(office, capsys) == {}


@pytest.mark.parametrize("language", ["en", "ru", "zh"])
def test_copy_is_named_with_what_to_do(office: SheetsOffice, capsys: pytest.CaptureFixture[str], language: str) -> None:
    """In `check`, `status`, once in the log and in its verdict sheet; it is read all the same."""
    office.write("offers.csv", "1,Pump")
    office.write("offers (conflicted copy).csv", "1,Pump")
    settings = office.path / "connector.yaml"
    settings.write_text(settings.read_text("utf-8").replace("language: en", f"language: {language}"), "utf-8")
    with capture_logs() as logs:
        office.look()
        office.look()
    assert [(one["file"], one["of"]) for one in logs if one["event"] == "file_is_a_copy"] == [
        ("offers (conflicted copy).csv", "offers.csv")
    ]
    found = check(office, capsys)
    assert [ok for name, ok, _ in found if name == "sheet"] == [True, True]
    ((_, ok, said),) = [one for one in found if one[0] == "copy"]
    assert (ok, "copy of offers.csv" in said) == (None, True)
    files = status(office, capsys)
    assert files["offers.csv"] == ("taken", "")
    copied = {"en": "a copy of offers.csv", "ru": "копию другого файла (файла: offers.csv)", "zh": "副本（"}
    state, message = files["offers (conflicted copy).csv"]
    assert (state, copied[language].rstrip("（") in message) == ("taken", True)


def test_named_copy_without_original_is_a_sheet(office: SheetsOffice, capsys: pytest.CaptureFixture[str]) -> None:
    """A browser's second download is no copy of anything that is there."""
    office.write("offers (1).csv", "1,Pump")
    office.settle()
    assert office.rows("offers (1).csv") == {"1": "accepted"}
    assert check(office, capsys) == [("sheet", True, "offers (1).csv: 1 rows by offers.yaml")]


def test_file_that_a_pattern_names_is_read_as_the_mapping_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An export of an odd suffix is named by the mapping, with its kind; without that it is refused, and said."""
    office = SheetsOffice(tmp_path / "office", {"o.yaml": MAPPING.replace("offers*", "offers*.dat")})
    office.write("offers.dat", "1,Pump")
    office.settle()
    assert office.files() == {"offers.dat": "refused"}
    ((_, ok, said),) = check(office, capsys)
    assert (ok, "save it as .xlsx or .csv" in said) == (False, True)
    (office.path / "mappings" / "o.yaml").write_text(
        MAPPING.replace("offers*", "offers*.dat") + "format: {kind: csv}\n", "utf-8"
    )
    office.settle()
    assert office.rows("offers.dat") == {"1": "accepted"}


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="there a file's name is always text")
def test_file_whose_name_is_no_text_is_named(office: SheetsOffice, capsys: pytest.CaptureFixture[str]) -> None:
    """It stops nothing, and is told with what can be shown of its name."""
    office.write("offers.csv", "1,Pump")
    Path(os.fsdecode(os.fsencode(office.path) + b"/offers-\xff.csv")).write_text("Number,Title\n2,Kiln\n", "utf-8")
    office.settle()
    assert office.rows("offers.csv") == {"1": "accepted"}
    found = check(office, capsys)
    assert [ok for _, ok, said in found if "its name is no text" in said] == [False]
    assert "rename the file" in status(office, capsys)["offers-?.csv"][1]
