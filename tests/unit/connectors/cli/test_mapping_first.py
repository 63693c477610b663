"""`connector mapping propose` in an office's first hour: the sample's mapping in the way, a header of two rows."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest
from openpyxl import Workbook

from connectors.cli.sample import is_sample, write_sample
from connectors.mapping import outcomes, read_mapping
from connectors.source import load
from tests.unit.connectors.cli.test_mapping import SETTINGS, propose, workbook


@pytest.fixture
def office(tmp_path: Path) -> Path:
    (tmp_path / "connector.yaml").write_text(SETTINGS, "utf-8")
    return tmp_path


def test_mapping_of_the_sample_gives_way_to_an_own_sheet(office: Path) -> None:
    """`connector init` leaves one that takes offers.xlsx: whoever has a sheet of that name is asked."""
    (office / "mappings").mkdir()
    write_sample(office, "ru")
    workbook(office / "offers.xlsx")
    done = propose(office, "offers.xlsx", "--ask", typed="2\n")
    assert done.returncode == 2
    assert "--force" in done.stderr
    assert is_sample(office / "mappings" / "offers.yaml")
    done = propose(office, "offers.xlsx", "--ask", typed="\n\n2\n\n1\n1\n")
    assert done.returncode == 0, done.stderr
    assert not is_sample(office / "mappings" / "offers.yaml")
    other = office / "offers-2026.xlsx"
    workbook(other)
    for path in (office / "mappings").iterdir():
        path.unlink()
    write_sample(office, "zh")
    assert propose(office, other.name, "--ask", typed="\n\n2\n\n1\n1\n").returncode == 0
    assert sorted(path.name for path in (office / "mappings").iterdir()) == ["offers-2026-2.yaml", "offers-2026.yaml"]


def test_mapping_that_was_the_sample_and_was_changed_is_kept(office: Path) -> None:
    """It is somebody's work: it is named, and overwritten by --force alone."""
    (office / "mappings").mkdir()
    write_sample(office, "ru")
    mapping = office / "mappings" / "offers.yaml"
    mapping.write_text(mapping.read_text("utf-8") + "# ours\n", "utf-8")
    workbook(office / "offers.xlsx")
    done = propose(office, "offers.xlsx", "--ask", typed="\n\n2\n\n1\n1\n")
    assert done.returncode == 2
    assert "уже есть" in done.stderr


def two_rows(path: Path) -> None:
    """Write a sheet whose header has two rows and no merged cells: a group stands over the columns behind it."""
    book = Workbook()
    sheet = book.worksheets[0]
    sheet.append(["Реестр предложений"])
    sheet.append(["Код", "Предложение", None, "Организация", "Даты", None, "Статус"])
    sheet.append([None, "Название", "Описание", None, "Дата публикации", "Действует до", None])
    for number, title in enumerate(("Насос", "Сортировщик", "Сушилка"), 1):
        day = date(2026, 1, number)
        sheet.append([f"00{number}", title, f"{title}, образец", "0101", day, None, "снято"])
    book.save(path)


def test_header_of_two_rows_without_merged_cells_loses_no_name(office: Path) -> None:
    """Proposed with both rows, and read so by the mapping that was written."""
    two_rows(office / "x.xlsx")
    done = propose(office, "x.xlsx", "--json")
    found = json.loads(done.stdout)[0]
    sources = {guess["place"]: guess["from"] for guess in found["guesses"]}
    assert sources["fields.title"] == "Предложение / Название"
    assert sources["fields.published_on"] == "Даты / Дата публикации"
    assert "header_row: 2" in found["mapping"]
    mapping = read_mapping(
        """
files: [x.xlsx]
stream: offer
key: Код
fields:
  title: {column: Предложение / Название}
  description: {column: Предложение / Описание}
  language: {value: ru}
  export_control: {value: free}
  published_on: {column: Даты / Дата публикации}
status: {column: Статус, table: {снято: withdrawn}}
""",
        "m",
    )
    for options in (mapping.format_options(), mapping.format_options().model_copy(update={"header_row": 2})):
        rows = outcomes(mapping, load(office / "x.xlsx", options), "uz")
        assert [row.wanted.subject for row in rows if row.wanted is not None] == ["uz:001", "uz:002", "uz:003"]
        assert [row.row for row in rows] == [4, 5, 6]


def test_first_row_of_a_table_is_no_second_row_of_its_header(office: Path) -> None:
    """Though a column has no name: a row whose cells are called as nothing that a mapping says is data."""
    book = Workbook()
    sheet = book.worksheets[0]
    sheet.append(["Код", "Название", None, "Статус"])
    sheet.append(["A-1", "Насос", "синий", "снято"])
    sheet.append(["A-2", "Сушилка", "белый", "снято"])
    book.save(office / "x.xlsx")
    (found,) = json.loads(propose(office, "x.xlsx", "--json").stdout)
    assert found["rows"] == 2
    assert "header_row" not in found["mapping"]
