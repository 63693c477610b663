"""A template that is filled in needs no mapping work: every stream, every language, every status."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from openpyxl.utils import get_column_letter

from connectors.cli.main import run_command
from connectors.cli.template_book import template_words
from connectors.mapping import Instead, PersonField, PersonSaid, outcomes, read_mapping
from connectors.mapping.path import mapped_streams
from connectors.propose.facts import FieldFacts, facts_of
from connectors.propose.template import TemplateColumn, columns
from connectors.source import load
from hub.domain.catalogue import STREAMS
from schemas.words import LANGUAGES, Language

SEALED = "sealed.v1." + "A" * 22 + "." + "B" * 64
STREAMS_NAMED = [stream.name for stream in mapped_streams()]


@pytest.fixture
def office(tmp_path: Path) -> Path:
    (tmp_path / "connector.yaml").write_text("hub: hub.example\ncenter: uz\nbootstrap: [h:1]\nlanguage: ru\n", "utf-8")
    return tmp_path


def seal(place: PersonField, person: PersonSaid) -> Instead:
    return Instead(SEALED)


def cell(column: TemplateColumn, number: int) -> Any:
    """Return something good for a column, as a person types it."""
    facts = column.facts
    if facts is None:
        return f"0{number}" if column.place == "key" else column.choices[number % len(column.choices)]
    if column.part is not None:
        return {"email": f"a{number}@example.org", "phone": "+998 71 1", "name": "Нигора", "role": "директор"}[
            column.part
        ]
    if facts.path == "export_control":
        return column.choices[0]
    if facts.items_max is not None and column.choices:
        return f"{column.choices[0]}; {column.choices[1]}"
    if column.choices:
        return column.choices[number % len(column.choices)]
    return plain(facts)


def plain(facts: FieldFacts) -> Any:
    day = {"published_on": 1, "expires_on": 2, "signed_on": 1, "closed_on": 2}.get(facts.path, 3)
    return {
        "date": dt.date(2025, 1, day),
        "number": Decimal("1234.5"),
        "whole": facts.most,
        "entity": "kz:7" if facts.foreign else "007",
        "center": "kz",
        "listed": "A1;B2",
        "web": "https://example.org/x",
        "ipc": "H02S; A01B 1/00",
        "lei": "506700GE1G29325QX363",
        "latin": "Example LLC",
        "line": "Насос 3E5",
        "lines": "одна строка\nи ещё одна",
    }[facts.form]


# Columns that may not be filled beside others, and those of which a row needs one though none is required.
INSTEAD = {"revenue": ("earned_on",), "output": ("partner",)}
BESIDES = {"revenue": ("earned_on",), "output": ("partner", "people"), "activity": ("country",)}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", STREAMS_NAMED)
def test_filled_in_template_gives_accepted_rows(office: Path, name: str, language: Language) -> None:
    """Every column filled, a row for each status, and one with nothing but what is required: all of them are good."""
    assert run_command(["template", name, "--language", language, "--office", str(office)]) == 0
    path, facts = office / f"{name}.xlsx", facts_of(STREAMS[name])
    made = columns(facts, template_words(facts, language))
    book = openpyxl.load_workbook(path)
    sheet = book.worksheets[0]
    assert [head.value for head in sheet[1]] == [column.header for column in made]
    assert len({column.header for column in made}) == len(made)
    rows = len(facts.statuses)
    left_out, besides = INSTEAD.get(name, ()), BESIDES.get(name, ())
    for number in range(rows):
        sheet.append([None if column.place in left_out else cell(column, number) for column in made])
    sheet.append([cell(column, rows) if column.required or column.place in besides else None for column in made])
    book.save(path)

    mapping = read_mapping((office / "mappings" / f"{name}.yaml").read_text("utf-8"), f"{name}.yaml")
    assert mapping.matches(path.name)
    table = load(path, mapping.format_options())
    found = outcomes(mapping, table, "uz", seal)
    assert [(o.row, o.problems) for o in found if o.problems and not is_about_signing(o.problems)] == []
    good = [outcome.wanted for outcome in found if outcome.wanted is not None]
    assert {wanted.status for wanted in good} >= set(facts.statuses)
    assert [wanted.subject for wanted in good][:rows] == [f"uz:0{number}" for number in range(rows)]
    whole = good[0].record
    assert all(whole[field.path] not in (None, []) for field in facts.fields if field.path not in left_out)
    assert table.warnings == ()


def is_about_signing(problems: Any) -> bool:
    """Return whether a row with nothing but the required columns lacks what its status asks for."""
    return all(problem.params in ("deal.signed", "deal.closed") for problem in problems)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", STREAMS_NAMED)
def test_template_keeps_ids_as_text_and_helps_with_every_column(office: Path, name: str, language: Language) -> None:
    """A column of texts has the format @, one of dates a format of dates; codes have a drop-down; all have a note."""
    assert run_command(["template", name, "--language", language, "--office", str(office)]) == 0
    facts = facts_of(STREAMS[name])
    made = columns(facts, template_words(facts, language))
    book = openpyxl.load_workbook(office / f"{name}.xlsx")
    sheet, choices = book.worksheets[0], book["choices"]
    checked = {str(found.sqref).split("2:")[0]: found for found in sheet.data_validations.dataValidation}
    assert choices.sheet_state == "hidden"
    for number, column in enumerate(made, 1):
        head = sheet.cell(1, number)
        letter = get_column_letter(number)
        assert head.comment is not None
        assert head.comment.text.strip()
        shown = sheet.column_dimensions[letter].number_format
        assert (shown == "@") is (column.kind == "text")
        assert ("yy" in shown) is (column.kind == "date")
        if column.choices:
            area = checked[letter].formula1.replace("$", "").removeprefix("choices!")
            assert tuple(found.value for (found,) in choices[area]) == column.choices
            assert checked[letter].showErrorMessage is column.only_choices
    assert len(book.worksheets) == 3
    help_sheet = book.worksheets[2 if book.worksheets[1].title == "choices" else 1]
    told = {row[0] for row in help_sheet.iter_rows(values_only=True)}
    assert {column.header for column in made} <= told


def test_template_speaks_the_offices_language_and_overwrites_nothing(
    office: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What somebody filled in is not lost by asking for a template again."""
    options = ["template", "offer", "--office", str(office)]
    assert run_command(options) == 0
    assert openpyxl.load_workbook(office / "offer.xlsx").worksheets[0].title == "Предложение"
    capsys.readouterr()
    assert run_command(options) == 2
    assert "--force" in capsys.readouterr().err
    assert run_command([*options, "--force", "--language", "en"]) == 0
    assert openpyxl.load_workbook(office / "offer.xlsx").worksheets[0].title == "Offer"


def test_template_elsewhere_is_told_where_to_go(
    office: Path, tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    """The mapping lies in the office whatever folder the workbook was written to."""
    out = tmp_path_factory.mktemp("elsewhere") / "our deals.xlsx"
    assert run_command(["template", "deal", "--out", str(out), "--office", str(office)]) == 0
    assert "положите our deals.xlsx туда" in capsys.readouterr().out
    assert (office / "mappings" / "our deals.yaml").exists()
    assert run_command(["template", "deal", "--out", "x.csv", "--office", str(office)]) == 2
    assert "должно оканчиваться на .xlsx" in capsys.readouterr().err


def test_template_whose_name_another_mapping_takes_is_refused(office: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Otherwise the sheet would be read by the other mapping, and its columns would not be found."""
    (office / "mappings").mkdir()
    (office / "mappings" / "a.yaml").write_text(
        "files: 'off*.xlsx'\nstream: offer\nkey: a\nfields: {title: {column: b}}\n", "utf-8"
    )
    assert run_command(["template", "offer", "--office", str(office)]) == 2
    said = capsys.readouterr().err
    assert "offer.xlsx уже читается по" in said
    assert "mappings/a.yaml" in said
    assert not (office / "offer.xlsx").exists()
