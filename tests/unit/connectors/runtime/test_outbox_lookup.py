"""What is looked up of rows is of the reading that is shown, however many others lie in the outbox, and grows as it."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.runtime.outbox.lookup import _STANDINGS, standings
from connectors.runtime.outbox.rows import _VERDICTS, StoredRow, put_rows
from tests.support.sheets_office import SheetsOffice

FILE = "offers.csv"


def test_reading_that_was_cut_off_says_nothing_of_the_rows_that_are_shown(tmp_path: Path) -> None:
    """A process that died while it read leaves rows of another reading: the sheet says when HQ took the old ones."""
    office = SheetsOffice(tmp_path / "office")
    office.write(FILE, "1,Pump", "2,Kiln")
    office.settle()
    told, before = office.said(FILE), list(standings(office.outbox.database, FILE))
    assert "accepted" in told
    assert [(number, is_planned) for number, is_planned, _ in before] == [(2, True), (3, True)]
    generation = office.outbox.rows.begin(FILE)
    with office.outbox.database.transaction() as connection:
        cut_off = [StoredRow(number, str(number), f"offer/uz:{number}", b"\0", "") for number in (2, 3, 4)]
        put_rows(connection, FILE, generation, cut_off)
    assert list(standings(office.outbox.database, FILE)) == before
    office.sheets._written.clear()
    office.sheets.write()
    assert office.said(FILE) == told


@pytest.mark.parametrize("sql", [_VERDICTS, _STANDINGS])
def test_page_of_rows_is_found_without_going_through_all_of_them(tmp_path: Path, sql: str) -> None:
    """A sheet of n rows is read in n/500 pages: a page that sorts all rows would make it quadratic."""
    office = SheetsOffice(tmp_path / "office")
    plan = office.outbox.database.read(f"EXPLAIN QUERY PLAN {sql}", (FILE, 1000, 500))
    steps = [str(step[-1]) for step in plan]
    assert not [step for step in steps if "TEMP B-TREE" in step or step.startswith("SCAN")], steps
    assert any("number>?" in step for step in steps), steps
