"""Verdict sheets are written beside everything else that the connector does."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.runtime import sheets
from connectors.runtime.sheets import VerdictSheets, sheet_of
from connectors.runtime.signals import Signal
from tests.support.sheets_office import SheetsOffice


class Sending:
    """A lane that goes out until it was asked for it `for_looks` times."""

    def __init__(self, for_looks: float) -> None:
        self.left = for_looks
        self.looks = 0

    def __call__(self) -> bool:
        self.looks += 1
        self.left -= 1
        return self.left > 0


def _sheets(office: SheetsOffice, sending: Sending) -> VerdictSheets:
    office.write("offers.csv", *(f"K-{number},Pump {number}" for number in range(500)))
    office.folder._pass()
    office.folder._pass()
    return VerdictSheets(office.office, office.outbox, lambda: office.folder.mappings, Signal(), sending)


def test_a_sheet_gives_way_while_the_lane_goes_out(tmp_path: Path) -> None:
    """Nothing is written before the lane stands still, and then all of it."""
    office, sending = SheetsOffice(tmp_path), Sending(5)
    _sheets(office, sending).write()
    assert sending.looks >= 5 + 500 // 200
    assert sheet_of(office.office, "offers.csv").exists()


def test_an_office_that_never_stops_sending_has_its_sheets_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sheet gives way for a while in all, not at each of its parts."""
    monkeypatch.setattr(sheets, "GIVES_WAY_S", 10 * sheets.LOOK_S)
    office, sending = SheetsOffice(tmp_path), Sending(float("inf"))
    _sheets(office, sending).write()
    assert sheet_of(office.office, "offers.csv").exists()
    assert sending.looks <= 10 + 1
