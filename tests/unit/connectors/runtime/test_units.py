"""Several mappings may each take a worksheet of a workbook; what two would take is taken by none, and that is said."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from connectors.cli.main import run_command
from connectors.mapping import read_mapping
from connectors.runtime.units import SeveralMappings, approve_command, file_of, mapping_of, sheet_of_unit, units_of
from tests.support.sheets_office import MAPPING, SheetsOffice

FIRST = MAPPING + "key_prefix: A-\nformat: {sheet: First}\n"
SECOND = MAPPING + "key_prefix: B-\nformat: {sheet: Второй лист}\n"
BOOK = "offers.xlsx"


def checked(office: SheetsOffice, capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    capsys.readouterr()
    run_command(["check", "--json", "--office", str(office.path)])
    return [one for one in json.loads(capsys.readouterr().out) if one["name"] == "sheet"]


def fill(office: SheetsOffice, second: str = "Kiln") -> None:
    office.book(BOOK, **{"First": [("1", "Pump")], "Второй лист": [("1", second), ("2", "Mill")]})


@pytest.fixture
def office(tmp_path: Path) -> SheetsOffice:
    made = SheetsOffice(tmp_path / "office", {"a.yaml": FIRST, "b.yaml": SECOND})
    fill(made)
    made.settle()
    return made


def test_each_mapping_takes_its_worksheet(office: SheetsOffice, capsys: pytest.CaptureFixture[str]) -> None:
    """Both are read, each under a name of its own; their verdicts stand in one file, a worksheet each."""
    assert office.rows(f"{BOOK}#First") == {"A-1": "accepted"}
    assert office.rows(f"{BOOK}#Второй лист") == {"B-1": "accepted", "B-2": "accepted"}
    assert office.files() == {f"{BOOK}#First": "taken", f"{BOOK}#Второй лист": "taken"}
    assert [row[1] for row in office.block(BOOK, "First")] == ["Number", "A-1"]
    assert [row[1] for row in office.block(BOOK, "Второй лист")] == ["Number", "B-1", "B-2"]
    assert [(one["ok"], one["said"].split(":")[0]) for one in checked(office, capsys)] == [
        (True, f"{BOOK}#First"),
        (True, f"{BOOK}#Второй лист"),
    ]


def test_worksheets_are_previewed_each_by_its_mapping(office: SheetsOffice, capsys: pytest.CaptureFixture[str]) -> None:
    """One file given, both shown."""
    capsys.readouterr()
    assert run_command(["preview", BOOK, "--json", "--office", str(office.path)]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert [(one["file"], one["mapping"]) for one in shown] == [
        (f"{BOOK}#First", "a.yaml"),
        (f"{BOOK}#Второй лист", "b.yaml"),
    ]


def test_worksheet_that_is_refused_leaves_the_other(office: SheetsOffice) -> None:
    """Somebody renames one; the other is read on, and the lost one keeps its rows and is told."""
    office.book(BOOK, First=[("1", "Pump of steel")], Other=[("1", "Kiln")])
    office.settle()
    assert office.held()["A-1"][0] == "Pump of steel"
    assert office.files()[f"{BOOK}#Второй лист"] == "refused"
    assert office.orphans() == {}
    assert "the worksheet that the mapping names is not there" in office.said(BOOK, "Второй лист")


def test_changed_worksheet_is_revised(office: SheetsOffice) -> None:
    """The workbook is read whole, and only what is new is said."""
    fill(office, "Kiln of steel")
    office.settle()
    assert office.held() == {
        "A-1": ("Pump", "published"),
        "B-1": ("Kiln of steel", "published"),
        "B-2": ("Mill", "published"),
    }


def test_second_mapping_that_comes_or_goes_leaves_rows_where_they_are(tmp_path: Path) -> None:
    """The unit gets another name; nothing is said anew, nothing is an orphan that a sheet names."""
    office = SheetsOffice(tmp_path / "office", {"a.yaml": FIRST})
    fill(office)
    office.settle()
    assert office.files() == {BOOK: "taken"}
    events = office.outbox.status()["totals"]["events"]
    (office.path / "mappings" / "b.yaml").write_text(SECOND, "utf-8")
    office.settle()
    assert office.rows(f"{BOOK}#First") == {"A-1": "accepted"}
    assert office.outbox.status()["totals"]["events"] == events + 2
    assert office.orphans() == {}
    (office.path / "mappings" / "b.yaml").unlink()
    office.settle()
    assert office.files() == {BOOK: "taken"}
    assert set(office.orphans()) == {"B-1", "B-2"}


@pytest.mark.parametrize(
    "other",
    [
        MAPPING,
        MAPPING + "format: {sheet: First}\n",
        MAPPING + "format: {sheet: ' first '}\n",
        MAPPING.replace("offers*", "*.xlsx") + "key_prefix: C-\n",
    ],
)
def test_mappings_that_would_take_the_same_are_both_refused(
    tmp_path: Path, other: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """In `check`, `status`, log and verdict sheet; never is one of them silently not used."""
    office = SheetsOffice(tmp_path / "office", {"a.yaml": FIRST, "b.yaml": other})
    fill(office)
    office.settle()
    assert office.held() == {}
    entry = office.outbox.status()["files"][BOOK]
    assert (entry["state"], "a.yaml, b.yaml" in entry["message"]) == ("refused", True)
    assert "more than one mapping is for this file (mappings: a.yaml, b.yaml)" in office.said(BOOK)
    assert [(one["ok"], "a.yaml, b.yaml" in one["said"]) for one in checked(office, capsys)] == [(False, True)]
    (office.path / "mappings" / "b.yaml").write_text(SECOND, "utf-8")
    office.settle()
    assert len(office.held()) == 3
    assert office.files() == {f"{BOOK}#First": "taken", f"{BOOK}#Второй лист": "taken"}


def test_mappings_for_one_csv_are_both_refused(tmp_path: Path) -> None:
    """A text has no worksheets; rows that were taken before stay as they are."""
    office = SheetsOffice(tmp_path / "office")
    office.write("offers.csv", "1,Pump")
    office.settle()
    (office.path / "mappings" / "second.yaml").write_text(SECOND, "utf-8")
    (office.path / "mappings" / "third.yaml").write_text(FIRST, "utf-8")
    office.settle()
    assert office.files() == {"offers.csv": "refused"}
    assert (office.rows("offers.csv"), office.orphans()) == ({"1": "accepted"}, {})


@pytest.mark.parametrize(
    ("unit", "file", "sheet"),
    [
        ("offers.xlsx", "offers.xlsx", ""),
        ("offers.xlsx#A", "offers.xlsx", "A"),
        ("old/Offers #2.XLSM#a#b.xlsx#c", "old/Offers #2.XLSM", "a#b.xlsx#c"),
        ("offers #1.csv", "offers #1.csv", ""),
        ("offers.xlsx#", "offers.xlsx#", ""),
    ],
)
def test_unit_names_its_file_and_its_worksheet(unit: str, file: str, sheet: str) -> None:
    """Whatever else has the sign in its name."""
    assert (file_of(unit), sheet_of_unit(unit)) == (file, sheet)


@pytest.mark.parametrize(
    ("unit", "typed"),
    [
        ("offers.csv", "offers.csv"),
        ("old/предложения-1.xlsx#Лист1", '"old/предложения-1.xlsx#Лист1"'),
        ("offers 2025 (copy).csv", '"offers 2025 (copy).csv"'),
        ("Anna's offers.csv", '"Anna\'s offers.csv"'),
        ('the "best" $HOME.csv', "'the \"best\" $HOME.csv'"),
        ("#1.csv", '"#1.csv"'),
        ("-1.csv", "-- -1.csv"),
    ],
)
def test_name_in_a_command_can_be_typed(unit: str, typed: str) -> None:
    """What a message tells to run is run as it stands."""
    assert approve_command(unit) == f"connector approve {typed}"
    *start, last = shlex.split(approve_command(unit))
    assert (start[:2], start[2:], last) == (["connector", "approve"], ["--"] if unit.startswith("-") else [], unit)


def test_mapping_of_a_unit_is_the_one_that_takes_it() -> None:
    """By the file alone where there is one, by the worksheet where there are several."""
    first, second = read_mapping(FIRST, "a.yaml"), read_mapping(SECOND, "b.yaml")
    assert mapping_of([first], "deep/Offers.XLSX") is first
    assert mapping_of([first, second], "Offers.XLSX#Второй лист") is second
    assert mapping_of([first, second], "Offers.XLSX") is None
    assert mapping_of([first], "deals.csv") is None
    assert [unit.name for unit in units_of([first, second], BOOK)] == [f"{BOOK}#First", f"{BOOK}#Второй лист"]
    assert units_of([first, second], "deals.xlsx") == []
    with pytest.raises(SeveralMappings, match="name another worksheet"):
        units_of([first, second], "offers.csv")
