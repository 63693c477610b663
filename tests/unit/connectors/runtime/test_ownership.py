"""What becomes of an entity is said by the file that names it, however files are renamed, copied, removed, put back.

Real folders, real files, a real outbox; HQ's answers come from a stub.
"""

from __future__ import annotations

import os
import shutil
import unicodedata
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.support.sheets_office import MAPPING, SheetsOffice

A, B = "offers.csv", "offers 2025.csv"


@pytest.fixture
def office(tmp_path: Path) -> SheetsOffice:
    made = SheetsOffice(tmp_path / "office", more="depth_max: 1\n")
    made.write(A, "1,Pump", "2,Kiln")
    made.settle()
    assert made.rows(A) == {"1": "accepted", "2": "accepted"}
    return made


def test_renamed_file_keeps_its_rows_and_a_later_copy_is_refused(office: SheetsOffice) -> None:
    """The new name owns the rows; what a copy wants otherwise is refused, with the file named, and HQ keeps its own."""
    (office.path / A).rename(office.path / B)
    office.settle()
    assert office.rows(B) == {"1": "accepted", "2": "accepted"}
    assert office.orphans() == {}
    office.write("offers 2025 (copy).csv", "1,Pump", "2,Kiln 2")
    office.settle()
    assert office.rows("offers 2025 (copy).csv") == {"1": "unchanged", "2": "DUPLICATE_KEY"}
    assert office.rows(B) == {"1": "accepted", "2": "accepted"}
    assert f"see file: {B}" in office.said("offers 2025 (copy).csv")
    assert office.held()["2"] == ("Kiln", "published")


@pytest.mark.parametrize("restarts", [False, True])
def test_file_that_is_renamed_and_changed_at_once_keeps_its_rows(office: SheetsOffice, restarts: bool) -> None:
    """Also while the connector is down: what is told otherwise is revised, nothing is published anew or orphaned."""
    if restarts:
        office.outbox.close()
    (office.path / A).rename(office.path / B)
    office.write(B, "1,Pump of steel", "2,Kiln", "3,Crane")
    if restarts:
        office.start()
    office.settle()
    assert office.rows(B) == {"1": "accepted", "2": "accepted", "3": "accepted"}
    assert office.held() == {
        "1": ("Pump of steel", "published"),
        "2": ("Kiln", "published"),
        "3": ("Crane", "published"),
    }
    assert (office.orphans(), office.files()) == ({}, {B: "taken"})


def test_renamed_file_whose_rows_are_fewer_leaves_orphans(office: SheetsOffice) -> None:
    """What the new name does not name is told with the old one's name and row, and what it names is not."""
    (office.path / A).unlink()
    office.write(B, "1,Pump")
    office.settle()
    assert office.orphans() == {"2": (A, 3)}
    assert "not" in office.said(B)
    assert A in office.said(B)
    assert office.files() == {B: "taken"}


def test_copy_that_is_there_before_the_original_goes_takes_over(office: SheetsOffice) -> None:
    """Copied and then deleted, as some programs move: the copy owns the rows, and what it wants is sent."""
    shutil.copy(office.path / A, office.path / B)
    office.settle()
    assert office.rows(B) == {"1": "unchanged", "2": "unchanged"}
    office.write(B, "1,Pump", "2,Kiln 2")
    office.settle()
    assert office.rows(B) == {"1": "unchanged", "2": "DUPLICATE_KEY"}
    (office.path / A).unlink()
    office.settle()
    assert office.rows(B) == {"1": "accepted", "2": "accepted"}
    assert office.held()["2"] == ("Kiln 2", "published")


def test_copy_is_told_when_the_original_changes(office: SheetsOffice) -> None:
    """Its rows don't wait for good: they say something else than their owner, and so they are refused."""
    shutil.copy(office.path / A, office.path / "offers (1).csv")
    office.settle()
    office.write(A, "1,Pump of steel", "2,Kiln")
    office.settle()
    assert office.rows("offers (1).csv") == {"1": "DUPLICATE_KEY", "2": "unchanged"}
    assert office.rows(A) == {"1": "accepted", "2": "accepted"}
    assert "DUPLICATE_KEY" not in office.said("offers (1).csv")
    assert "this looks like a copy" in office.said("offers (1).csv")


@pytest.mark.parametrize("restarts", [False, True])
def test_files_that_change_places_keep_what_they_say(office: SheetsOffice, restarts: bool) -> None:
    """Each row follows the file that has it now; nothing is said anew, nothing waits, nothing is an orphan."""
    office.write(B, "3,Crane", "4,Mill")
    office.settle()
    before = office.held()
    if restarts:
        office.outbox.close()
    (office.path / A).rename(office.path / "x")
    (office.path / B).rename(office.path / A)
    (office.path / "x").rename(office.path / B)
    if restarts:
        office.start()
    office.settle()
    assert office.rows(A) == {"3": "accepted", "4": "accepted"}
    assert office.rows(B) == {"1": "accepted", "2": "accepted"}
    assert (office.held(), office.orphans()) == (before, {})
    office.write(A, "3,Crane of steel", "4,Mill")
    office.write(B, "1,Pump of steel", "2,Kiln")
    office.settle()
    assert (office.held()["1"][0], office.held()["3"][0]) == ("Pump of steel", "Crane of steel")


def test_row_that_moves_to_another_sheet_is_that_ones(office: SheetsOffice) -> None:
    """While both name it the second is a duplicate; once the first does not, the second says what becomes of it."""
    office.write(B, "2,Kiln 2", "3,Crane")
    office.settle()
    assert office.rows(B) == {"2": "DUPLICATE_KEY", "3": "accepted"}
    office.write(A, "1,Pump")
    office.settle()
    assert office.rows(B) == {"2": "accepted", "3": "accepted"}
    assert office.held()["2"] == ("Kiln 2", "published")
    assert office.orphans() == {}


def test_row_that_two_sheets_pass_to_each_other_is_whose_turn_it_is(office: SheetsOffice) -> None:
    """Two rows change places at once, and both say something new."""
    office.write(B, "3,Crane")
    office.settle()
    office.write(A, "1,Pump", "3,Crane of steel")
    office.write(B, "2,Kiln of steel")
    office.settle()
    assert office.rows(A) == {"1": "accepted", "3": "accepted"}
    assert office.rows(B) == {"2": "accepted"}
    assert (office.held()["2"][0], office.held()["3"][0]) == ("Kiln of steel", "Crane of steel")


def test_file_that_moves_into_a_folder_and_back_keeps_its_rows(office: SheetsOffice) -> None:
    """Where folders are looked into, a file in one is the file that it was."""
    (office.path / "old").mkdir()
    (office.path / A).rename(office.path / "old" / A)
    office.settle()
    assert office.rows(f"old/{A}") == {"1": "accepted", "2": "accepted"}
    (office.path / "old" / A).rename(office.path / A)
    office.write(A, "1,Pump", "2,Kiln 2")
    office.settle()
    assert office.rows(A) == {"1": "accepted", "2": "accepted"}
    assert office.orphans() == {}


def test_deleted_file_that_comes_back_has_its_rows_again(office: SheetsOffice) -> None:
    """Meanwhile what HQ has of it is told; afterwards nothing is left of that, also if others were there before."""
    data = (office.path / A).read_bytes()
    (office.path / A).unlink()
    office.settle()
    assert office.orphans() == {"1": (A, 2), "2": (A, 3)}
    assert office.files() == {}
    assert office.outbox.status()["totals"]["orphans"] == 2
    assert "file is gone" in office.said(A)
    office.restart()
    office.settle()
    assert len(office.orphans()) == 2
    (office.path / A).write_bytes(data)
    office.settle()
    assert (office.orphans(), office.rows(A)) == ({}, {"1": "accepted", "2": "accepted"})


def test_file_that_comes_back_beside_its_heir_is_a_copy(office: SheetsOffice) -> None:
    """A restored old file does not take back what another file names by now."""
    data = (office.path / A).read_bytes()
    (office.path / A).rename(office.path / B)
    office.settle()
    office.write(B, "1,Pump", "2,Kiln of steel")
    office.settle()
    (office.path / A).write_bytes(data)
    office.settle()
    assert office.rows(A) == {"1": "unchanged", "2": "DUPLICATE_KEY"}
    assert office.held()["2"] == ("Kiln of steel", "published")


def test_key_that_was_changed_and_changed_back_leaves_no_silence(office: SheetsOffice) -> None:
    """Number 015 became 115 and 015 again: HQ has 115, no sheet names it, and the office is told, also after others."""
    office.write(A, "015,Pump", "2,Kiln", "3,Crane")
    office.settle()
    office.write(A, "115,Pump", "2,Kiln", "3,Crane")
    office.settle()
    assert office.orphans() == {"015": (A, 2), "1": (A, 2)}
    office.write(A, "015,Pump", "2,Kiln", "3,Crane", "4,Mill")
    office.settle()
    assert office.orphans() == {"1": (A, 2), "115": (A, 2)}
    assert "1, 115" in office.said(A)
    assert office.outbox.status()["files"][A]["vanished"] == 2
    office.restart()
    office.settle()
    assert set(office.orphans()) == {"1", "115"}


@pytest.mark.parametrize(
    "rows", [("2,Kiln", "3,Crane"), ("2,Kiln",), ("9,New", "2,Kiln", "3,Crane"), ("3,Crane", "2,Kiln")]
)
def test_deleted_row_is_told_wherever_it_stood(office: SheetsOffice, rows: tuple[str, ...]) -> None:
    """Its number is another row's by now."""
    office.write(A, *rows)
    office.settle()
    assert set(office.orphans()) == {"1"}
    assert office.orphans()["1"] == (A, 2)


def test_row_that_is_refused_is_named_all_the_same(office: SheetsOffice) -> None:
    """A row with an error in it is no row that is gone; and a copy does not win by having none."""
    office.write(A, "1,Pump", f"2,{'x' * 300}")
    office.settle()
    assert office.rows(A) == {"1": "accepted", "2": "TOO_LONG"}
    assert office.orphans() == {}
    office.write(B, "2,Kiln 2")
    office.settle()
    assert office.rows(B) == {"2": "DUPLICATE_KEY"}
    assert office.held()["2"] == ("Kiln", "published")


def test_row_that_was_refused_from_the_first_is_its_sheets(office: SheetsOffice) -> None:
    """HQ has nothing of it yet, and still no copy says it in its place."""
    office.write(A, "1,Pump", "2,Kiln", f"7,{'x' * 300}")
    office.settle()
    office.write(B, "7,Tower")
    office.settle()
    assert office.rows(B) == {"7": "DUPLICATE_KEY"}
    assert "7" not in office.held()


def test_sheet_and_its_copy_that_are_new_at_once_are_read_in_that_order(office: SheetsOffice) -> None:
    """By name the copy would be the first, and its rows would win."""
    office.write("offers new.csv", "8,Tower")
    office.write("offers new (Anna's conflicted copy 2026-01-02).csv", "8,Tower 2")
    office.settle()
    assert office.rows("offers new.csv") == {"8": "accepted"}
    assert office.rows("offers new (Anna's conflicted copy 2026-01-02).csv") == {"8": "DUPLICATE_KEY"}


@pytest.mark.parametrize("restarts", [False, True])
def test_sheet_that_gets_another_name_keeps_its_rows_from_a_younger_one(office: SheetsOffice, restarts: bool) -> None:
    """Renamed while somebody's edited version of it appears under a name that no copy has, and that sorts before it."""
    if restarts:
        office.outbox.close()
    (office.path / A).rename(office.path / "offers z.csv")
    office.write("offers anna.csv", "1,Pump", "2,Kiln 2")
    os.utime(office.path / "offers z.csv", (1_700_000_000, 1_700_000_000))
    if restarts:
        office.start()
    office.settle()
    assert office.rows("offers z.csv") == {"1": "accepted", "2": "accepted"}
    assert office.rows("offers anna.csv") == {"1": "unchanged", "2": "DUPLICATE_KEY"}
    assert office.held()["2"] == ("Kiln", "published")


def test_withdrawn_row_may_leave_the_sheet(office: SheetsOffice) -> None:
    """What has ended at HQ needs nobody: it is no orphan, and a file of such rows leaves nothing behind."""
    mapping = MAPPING + "status: {column: Status}\n"
    (office.path / "mappings" / "offers.yaml").write_text(mapping, "utf-8")
    office.write(A, "1,Pump,withdrawn", "2,Kiln,published", head="Number,Title,Status")
    office.settle()
    assert office.held()["1"][1] == "withdrawn"
    office.write(A, "2,Kiln,published", head="Number,Title,Status")
    office.settle()
    assert office.orphans() == {}
    office.write(A, "2,Kiln,withdrawn", head="Number,Title,Status")
    office.settle()
    (office.path / A).unlink()
    office.settle()
    assert (office.orphans(), office.files()) == ({}, {})


def test_file_that_no_mapping_is_for_any_more_names_nothing(office: SheetsOffice) -> None:
    """Its rows at HQ are told as long as nobody reads it, and are its own again when somebody does."""
    (office.path / A).rename(office.path / "ofers.csv")
    office.settle()
    assert set(office.orphans()) == {"1", "2"}
    assert office.files() == {"ofers.csv": "unmapped"}
    (office.path / "ofers.csv").rename(office.path / A)
    office.settle()
    assert office.orphans() == {}
    (office.path / "mappings" / "offers.yaml").write_text(MAPPING.replace("offers*", "requests*"), "utf-8")
    office.settle()
    assert set(office.orphans()) == {"1", "2"}
    assert office.files() == {A: "unmapped"}
    (office.path / "mappings" / "offers.yaml").write_text(MAPPING, "utf-8")
    office.settle()
    assert (office.orphans(), office.files()) == ({}, {A: "taken"})


def test_file_that_is_read_no_more_and_that_nobody_looks_for_names_nothing(office: SheetsOffice) -> None:
    """A folder that is not gone into any more, and a kind that is told of nobody: status would call them taken."""
    office.write("sub/offers.csv", "3,Crane")
    office.write("offers note.txt", "4,Mill")
    office.settle()
    assert office.rows("sub/offers.csv") == {"3": "accepted"}
    assert office.rows("offers note.txt") == {"4": "accepted"}
    settings, mapping = office.path / "connector.yaml", office.path / "mappings" / "offers.yaml"
    settings.write_text(settings.read_text().replace("depth_max: 1", "depth_max: 0"))
    mapping.write_text(MAPPING.replace("offers*", "offers*.csv"))
    office.restart()
    office.settle()
    assert office.files() == {A: "taken"}
    assert office.orphans() == {"3": ("sub/offers.csv", 2), "4": ("offers note.txt", 2)}


def test_prefix_of_keys_that_changes_leaves_the_old_ones_as_orphans(office: SheetsOffice) -> None:
    """The same rows name other entities now."""
    (office.path / "mappings" / "offers.yaml").write_text(MAPPING + "key_prefix: N-\n", "utf-8")
    office.settle()
    assert office.rows(A) == {"N-1": "accepted", "N-2": "accepted"}
    assert set(office.orphans()) == {"1", "2"}


def test_renamed_file_with_very_many_changes_waits(tmp_path: Path) -> None:
    """A new name is no way around the guard: what it takes over is what counts."""
    office = SheetsOffice(tmp_path / "office")
    office.write(A, *(f"{n},Pump" for n in range(50)))
    office.settle()
    (office.path / A).unlink()
    office.write(B, *(f"{n},Crane" for n in range(50)))
    with capture_logs() as logs:
        office.settle()
    assert [entry["file"] for entry in logs if entry["event"] == "file_waits_for_approval"][:1] == [B]
    assert office.held()["7"] == ("Pump", "published")
    assert office.outbox.rows.approve(B)
    office.settle()
    assert office.held()["7"] == ("Crane", "published")
    assert office.orphans() == {}


def test_large_files_that_change_places_wait_and_are_right_once_approved(tmp_path: Path) -> None:
    """All rows of each are gone from it at once: a person looks, and nothing is said anew."""
    office = SheetsOffice(tmp_path / "office")
    office.write(A, *(f"{n},Pump" for n in range(50)))
    office.write(B, *(f"{n},Kiln" for n in range(50, 100)))
    office.settle()
    events = office.outbox.status()["totals"]["events"]
    (office.path / A).rename(office.path / "x")
    (office.path / B).rename(office.path / A)
    (office.path / "x").rename(office.path / B)
    office.settle()
    assert office.files() == {A: "waiting", B: "waiting"}
    for name in (A, B):
        assert office.outbox.rows.approve(name)
        office.settle()
    assert office.files() == {A: "taken", B: "taken"}
    assert set(office.rows(A).values()) | set(office.rows(B).values()) == {"accepted"}
    assert (office.orphans(), office.outbox.status()["totals"]["events"]) == ({}, events)


def test_name_that_a_mac_writes_otherwise_is_the_same_file(tmp_path: Path) -> None:
    """Composed or not, and in other capitals: the rows stay with the file."""
    composed = "Мой список.csv"
    decomposed = unicodedata.normalize("NFD", composed)
    office = SheetsOffice(tmp_path / "office", {"o.yaml": MAPPING.replace("offers*", "Мой список*")})
    office.write(composed, "1,Pump")
    office.settle()
    (office.path / composed).rename(office.path / decomposed)
    office.write(decomposed, "1,Pump of steel")
    office.settle()
    assert office.rows(decomposed) == {"1": "accepted"}
    (office.path / decomposed).rename(office.path / composed.upper())
    office.settle()
    assert office.rows(composed.upper()) == {"1": "accepted"}
    assert (office.orphans(), office.held()["1"][0]) == ({}, "Pump of steel")
