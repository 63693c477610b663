from __future__ import annotations

from pathlib import Path
from typing import Any

import openpyxl
import pytest

from connectors.mapping import LocalCode
from connectors.mapping.problem import Problem
from connectors.runtime.explanation import remedy
from connectors.runtime.verdicts import (
    VerdictRow,
    escape,
    verdicts_path,
)
from hub.base.faulty import Fault, FaultyFiles
from hub.protocol.errors import Retriable
from hub.protocol.verdict import Code
from tests.support.verdict_sheets import write_verdicts

ROWS = [
    VerdictRow(2, "K-1", "accepted"),
    VerdictRow(3, "=1+1", "refused", [Problem("Подписан", "signed_on", LocalCode.BAD_DATE, "value=31.02.2024")]),
    VerdictRow(4, "K-3", "pending"),
    VerdictRow(5, "K-4", "rejected", [Problem("", "counterpart_center", Code.UNKNOWN_CENTER, "value=xx")]),
    VerdictRow(6, "", "blank"),
]


def read(path: Path) -> list[list[Any]]:
    book = openpyxl.load_workbook(path)
    rows = [[cell.value for cell in row] for row in book["cohub"].iter_rows()]
    book.close()
    return rows


def test_problem_rows_come_first_and_say_what_to_do(tmp_path: Path) -> None:
    """A person opens the file and sees at once what to mend, in their own language."""
    path = verdicts_path(tmp_path / "сделки.csv")
    assert write_verdicts(path, ROWS, "ru")
    assert path == tmp_path / "cohub" / "сделки.csv.verdicts.xlsx"
    rows = read(path)
    assert rows[0] == ["Строка", "Номер", "Итог", "Пояснение", "Что делать"]
    assert [row[0] for row in rows[1:]] == [5, 3, 4, 2, 6]
    assert rows[2][1:4] == ["'=1+1", "не отправлено", "Подписан: это не дата (здесь: 31.02.2024)"]
    assert rows[2][4] == remedy(LocalCode.BAD_DATE, "ru")
    assert not list(path.parent.glob("*.part"))


@pytest.mark.parametrize("fault", Fault)
def test_file_is_whole_though_writing_it_failed_and_is_written_once(tmp_path: Path, fault: Fault) -> None:
    """The old one stands until the new one does; one that was written all the same is not written again."""
    path, files = verdicts_path(tmp_path / "deals.csv"), FaultyFiles()
    assert write_verdicts(path, ROWS[:1], "en", write=files.write)
    before = path.read_bytes()
    files.faults.plan(fault)
    with pytest.raises(Retriable, match="it is tried again"):
        write_verdicts(path, ROWS, "en", write=files.write)
    assert (path.read_bytes() == before) is (fault is Fault.REFUSED)
    assert write_verdicts(path, ROWS, "en", write=files.write) is (fault is Fault.REFUSED)
    assert len(read(path)) == len(ROWS) + 1
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_file_is_frozen_filtered_and_coloured(tmp_path: Path) -> None:
    """The header stays in sight, a filter is one click away, and a problem has a colour."""
    path = tmp_path / "a.xlsx"
    write_verdicts(path, ROWS, "en")
    book = openpyxl.load_workbook(path)
    sheet = book["cohub"]
    assert sheet.freeze_panes == "A2"
    assert sheet.auto_filter.ref == "A1:E6"
    assert sheet["C2"].fill.start_color.rgb != sheet["C5"].fill.start_color.rgb
    book.close()


def written(path: Path) -> tuple[int, ...]:
    """Return what changes when a file is written, or another is put in its place; looking into it changes atime."""
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def test_same_rows_are_not_written_again(tmp_path: Path) -> None:
    """A file that is open in Excel is not disturbed while nothing has changed."""
    path = tmp_path / "a.xlsx"
    assert write_verdicts(path, ROWS, "zh")
    before = written(path)
    assert not write_verdicts(path, list(reversed(ROWS)), "zh")
    assert written(path) == before
    assert write_verdicts(path, ROWS, "en")
    assert write_verdicts(path, ROWS[:-1], "en")


def test_locked_file_is_tried_again_and_leaves_nothing_behind(tmp_path: Path) -> None:
    """While the place of the file is taken the caller is told to come back, and the old file stays."""
    path = tmp_path / "cohub" / "a.xlsx"
    path.mkdir(parents=True)  # what refuses the renaming here is what an open file does on Windows
    (path / "x").touch()
    with pytest.raises(Retriable, match="close it in Excel"):
        write_verdicts(path, ROWS, "en")
    assert [entry.name for entry in path.parent.iterdir()] == ["a.xlsx"]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "＝"])
def test_cells_that_begin_like_formulas_are_escaped(start: str, tmp_path: Path) -> None:
    """What stands in a source never runs as a formula in the verdicts."""
    assert escape(f"{start}HYPERLINK()").startswith("'")
    path = tmp_path / "a.xlsx"
    write_verdicts(path, [VerdictRow(2, "k", "refused", [Problem(f"{start}x", "", "NEW", "\x00\ud800")])], "en")
    assert str(read(path)[1][3]).startswith("'")


def test_field_without_a_column_is_said_by_the_words_of_its_stream(tmp_path: Path) -> None:
    """What HQ names that stands in no column of the sheet has a word all the same."""
    path = verdicts_path(tmp_path / "deals.csv")
    problem = Problem("", "counterpart_center", Code.UNKNOWN_CENTER, "value=xx")
    write_verdicts(path, [VerdictRow(5, "K-4", "rejected", [problem], "deal")], "ru")
    assert read(path)[1][3] == "центр второй стороны: в сети нет такого центра (здесь: xx)"
