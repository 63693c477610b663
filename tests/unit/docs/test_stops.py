"""The table of all stops is that of the code: nothing stops without a row, and every way out has a test."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from tests.support.stops import ROOT, named, raised

PAGE = ROOT / "docs" / "stops.md"
COLUMNS = 5


def rows() -> list[list[str]]:
    """Return the cells of every row but the headers."""
    lines = [line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("|")]
    found = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines if not line.startswith("|---")]
    return [cells for cells in found if cells[0].strip("| ") != "what stops"]


def quoted(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


@cache
def known_tests() -> frozenset[str]:
    """Return the names of all tests."""
    found: set[str] = set()
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        found.update(re.findall(r"^(?:async )?def (test_\w+)", Path(path).read_text("utf-8"), re.MULTILINE))
    return frozenset(found)


def test_every_stop_of_the_code_has_a_row_and_every_row_is_one() -> None:
    """A new status, alarm, halt, refusal or fatal error belongs into docs/stops.md, with what ends it."""
    told = {name for cells in rows() for name in quoted(cells[3])}
    assert told == named() | raised()


def test_every_row_says_why_and_what_ends_it() -> None:
    for cells in rows():
        assert len(cells) == COLUMNS, cells
        assert all(cells), cells


def test_every_way_out_is_tested() -> None:
    """By a test that is there."""
    for cells in rows():
        names = quoted(cells[4])
        assert names, cells[0]
        assert set(names) <= known_tests(), (cells[0], set(names) - known_tests())
