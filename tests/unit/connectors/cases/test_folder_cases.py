"""The cases in which it is the folder that counts, and when things happen in it, not one sheet alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from connectors.cli.main import run_command
from tests.support.sheets_office import SheetsOffice

CASES = Path(__file__).parents[3] / "data" / "cases"
NOT_SHEETS = ("CASE.txt", "mapping.yaml", "expected.yaml")
REMEDIES = {
    "offers.xls": "is in the old .xls format; save it as .xlsx",
    "offers2.ods": "rename it to .xlsx",
    "offers3.json": "export it as JSON lines (.jsonl), one row a line, or as .csv",
    "offers4.xlsb": "open it in Excel or LibreOffice and save it as .xlsx",
}


def begin(case: str, path: Path) -> SheetsOffice:
    """Return an office with the mapping of a case, and nothing in its folder yet."""
    return SheetsOffice(path / "office", {"mapping.yaml": (CASES / case / "mapping.yaml").read_text("utf-8")})


def put(office: SheetsOffice, case: str) -> None:
    """Put a case's sheets into the folder."""
    for path in (CASES / case).iterdir():
        if path.name not in NOT_SHEETS:
            shutil.copy(path, office.path / path.name)


def command(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    """Return what a command prints as JSON."""
    capsys.readouterr()
    run_command([*arguments, "--json"])
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("restarts", [False, True])
def test_35_copy_after_a_rename_is_refused(tmp_path: Path, restarts: bool) -> None:
    """As without the rename: the copy's row is a duplicate, with the file named, and HQ keeps what it has."""
    case = "35-copy-after-rename"
    office = begin(case, tmp_path)
    put(office, case)
    office.settle()
    before = office.held()
    (office.path / "z62.csv").rename(office.path / "z62 2025.csv")
    office.settle()
    if restarts:
        office.restart()
    text = (office.path / "z62 2025.csv").read_text("utf-8")
    assert "Печь" in text
    copy = "z62 2025 (copy).csv"
    (office.path / copy).write_text(text.replace("Печь", "Печь 2"), "utf-8")
    office.settle()
    assert office.rows(copy)["Z62-T-2"] == "DUPLICATE_KEY"
    assert set(office.rows("z62 2025.csv").values()) == {"accepted"}
    assert office.held() == before
    assert "see file: z62 2025.csv" in office.said(copy)


def test_36_web_page_under_a_workbooks_name_is_told_everywhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the log, in `status`, in `check` and in the verdict sheet: what it is, and what to do."""
    case = "36-xls-that-is-html"
    office = begin(case, tmp_path)
    put(office, case)
    with capture_logs() as logs:
        office.look()
    said = "is a web page (HTML), and no workbook; open it in Excel or LibreOffice and save it as .xlsx"
    assert [said in entry["reason"] for entry in logs if entry["event"] == "file_refused"] == [True]
    files = command(capsys, "status", "--office", str(office.path))["files"]
    assert (files["offers.xls"]["state"], said in files["offers.xls"]["message"]) == ("refused", True)
    (sheet,) = [one for one in command(capsys, "check", "--office", str(office.path)) if one["name"] == "sheet"]
    assert (sheet["ok"], said in sheet["said"]) == (False, True)
    assert "this is a web page (HTML)" in office.said("offers.xls")


def test_37_files_of_other_kinds_are_named_with_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In `check`, in `status` and in the log, each with the remedy that `preview` has of it."""
    case = "37-other-kinds-in-folder"
    office = begin(case, tmp_path)
    put(office, case)
    with capture_logs() as logs:
        office.look()
    logged = {entry["file"]: entry["reason"] for entry in logs if entry["event"] == "file_refused"}
    files = command(capsys, "status", "--office", str(office.path))["files"]
    checked = [one for one in command(capsys, "check", "--office", str(office.path)) if one["name"] == "sheet"]
    for name, remedy in REMEDIES.items():
        capsys.readouterr()
        assert run_command(["preview", name, "--office", str(office.path)]) == 1
        assert remedy in capsys.readouterr().err
        assert remedy in logged[name]
        assert remedy in files[name]["message"]
        assert [remedy in one["said"] for one in checked if name in one["said"]] == [True]
    assert [one["ok"] for one in checked] == [False] * 4
