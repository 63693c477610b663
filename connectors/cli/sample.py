"""The sample that `connector init` leaves: a sheet of offers in the office's language, and the mapping for it."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO, Final

from hub.base import durable, files
from schemas.words import LANGUAGES, Language, words
from schemas.words.said import said

COLUMNS: Final = ("number", "title", "summary", "export_control", "licence", "status", "published", "expires")
EXAMPLES: Final = ("pump", "pump_summary", "sorter")


def write_sample(office: Path, language: Language) -> None:
    """Write `sample/offers.xlsx`, where the connector does not look, and `mappings/offers.yaml` for it."""
    mapping = office / "mappings" / "offers.yaml"
    if files.kind_at(mapping) is None:
        durable.write(mapping, sample_mapping(language).encode(), under=office)
    folder = office / "sample"
    files.make_folder(folder, under=office)
    with durable.replacing(folder / "offers.xlsx", under=office) as file:
        _write_sheet(file, language)


def is_sample(path: Path) -> bool:
    """Return whether a mapping is the sample's, as it was written: nobody has made it their own."""
    try:
        text = files.read_text(path)
    except (OSError, UnicodeDecodeError):
        return False
    return any(text == sample_mapping(language) for language in LANGUAGES)


def sample_mapping(language: Language) -> str:
    """Return the mapping of the sample sheet."""
    number, title, summary, control, licence, status, published, expires = _columns(language)
    return f"""\
# {said("init.sample_mapping").text(language)}
files: ["offers*.xlsx", "offers*.csv"]
stream: offer
key: {number}           # {said("init.sample_key").text(language)}
fields:
  title: {{column: {title}}}
  summary: {{column: {summary}}}
  language: {{value: {language}}}
  export_control: {{column: {control}, table: {_table("export_control", language)}}}
  export_licence: {{column: {licence}}}
  published_on: {{column: {published}}}
  expires_on: {{column: {expires}}}
status: {{column: {status}, table: {_table("status", language)}}}
"""


def _columns(language: Language) -> list[str]:
    return [words("sample").say(f"columns.{name}", language) for name in COLUMNS]


def _table(field: str, language: Language) -> str:
    """Return a table of values as the mapping has it: what the sheet says, and which code that means."""
    said = words("sample").group(field, language)
    return "{" + ", ".join(f"{text}: {code}" for code, text in said.items()) + "}"


def _write_sheet(file: BinaryIO, language: Language) -> None:
    from datetime import date

    from openpyxl import Workbook

    book = Workbook()
    sheet = book.worksheets[0]
    sheet.append(_columns(language))

    def say(name: str) -> str:
        return words("sample").say(name, language)

    pump, pump_summary, sorter = (say(f"examples.{name}") for name in EXAMPLES)
    control, status = say("export_control.free"), say("status.published")
    for number, (title, summary) in enumerate(((pump, pump_summary), (sorter, "")), 1):
        sheet.append([f"T-{number}", title, summary, control, None, status, date(2026, 1, 15), date(2027, 1, 15)])
    sheet.freeze_panes = "A2"
    for letter, width in zip("ABCDEFGH", (8, 40, 50, 18, 14, 14, 14, 14), strict=True):
        sheet.column_dimensions[letter].width = width
    book.save(file)
