"""Whatever convention a sheet is written in, each cell comes back as the value that it was made from, or is refused."""

from __future__ import annotations

from collections import Counter

import pytest

from connectors.mapping import outcomes, read_mapping
from connectors.source import read_table
from tests.support.written_sheets import Known, Sheet, make_sheet

CELLS_A_ROW = 3


def read_back(sheet: Sheet) -> Counter[str]:
    """Return how many cells came back equal, and how many were refused with which code; any other value fails."""
    mapping = read_mapping(sheet.mapping, "a.yaml")
    table = read_table(sheet.name, sheet.data, mapping.format_options())
    found = outcomes(mapping, table, "uz")
    assert [outcome.row for outcome in found] == list(sheet.known), "every row is read or refused"
    told: Counter[str] = Counter()
    for outcome in found:
        if outcome.wanted is None:
            assert outcome.problems, "a row that is not taken says why"
            told.update(str(problem.code) for problem in outcome.problems)
            continue
        known = sheet.known[outcome.row]
        record = outcome.wanted.record
        assert outcome.wanted.occurred_at is not None
        came = Known(record["amount"], record["currency"], record["signed_on"], outcome.wanted.occurred_at)
        assert came == known, f"row {outcome.row} of {sheet.mapping}"
        told["equal"] += CELLS_A_ROW
    return told


def read_cells(first_seed: int, cells_min: int) -> Counter[str]:
    told: Counter[str] = Counter()
    seed = first_seed
    cells = 0
    while cells < cells_min:
        sheet = make_sheet(seed)
        try:
            told += read_back(sheet)
        except AssertionError as exc:
            raise AssertionError(f"seed {seed}: {exc}") from exc
        cells += CELLS_A_ROW * len(sheet.known)
        seed += 1
    return told


def test_every_cell_is_read_right_or_refused() -> None:
    """Of 20,000 cells in sixty locales none comes back as another value, and a good part comes back at all."""
    told = read_cells(0, 20_000)
    assert told["equal"] > 20_000 * 0.2
    assert {"AMBIGUOUS_NUMBER", "AMBIGUOUS_DATE", "UNIT_IN_NUMBER", "OTHER_CURRENCY", "SHORT_YEAR"} <= set(told)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_every_cell_of_a_million_is_read_right_or_refused() -> None:
    """The same, fifty times as long."""
    read_cells(1_000_000, 1_000_000)
