"""What the cells of a column are told as, whatever a workbook keeps them as."""

from __future__ import annotations

import io
from datetime import date, datetime

from openpyxl import Workbook

from connectors.propose.profile import profiles
from connectors.source import read_table


def test_cells_of_every_kind_count_as_filled() -> None:
    """Dates, numbers with a format, truth and texts: each has a text to show and to compare."""
    book = Workbook()
    sheet = book.worksheets[0]
    sheet.append(["Day", "Moment", "Number", "Shown", "Truth", "Text"])
    for number in (1, 2):
        sheet.append([date(2026, 1, number), datetime(2026, 1, number, 10, 30), 1.5, 7, True, "x"])  # noqa: DTZ001
        sheet.cell(number + 1, 4).number_format = "000"
    data = io.BytesIO()
    book.save(data)
    found = {column.name: column for column in profiles(read_table("x.xlsx", data.getvalue()))}
    assert {column.filled for column in found.values()} == {2}
    assert found["Day"].samples == ("2026-01-01", "2026-01-02")
    assert found["Day"].dates == 2
    assert found["Number"].numbers == 2
    assert found["Shown"].samples == ("007",)
    assert found["Text"].written == ("x",)
    assert found["Number"].written == ()
