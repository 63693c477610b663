"""The sample that `connector init` leaves: a sheet of offers in the office's language, and the mapping for it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from hub.protocol.verdict import Language

_Words = dict[str, str]

_COLUMNS: Final[dict[Language, tuple[str, ...]]] = {
    "en": ("No.", "Title", "Summary", "Export control", "Licence", "Status", "Published", "Expires"),
    "ru": ("№", "Название", "Кратко", "Экспортный контроль", "Лицензия", "Состояние", "Опубликовано", "Действует до"),
    "zh": ("编号", "名称", "摘要", "出口管制", "许可证号", "状态", "发布日期", "有效期至"),
}
_CONTROL: Final[dict[Language, _Words]] = {
    "en": {"free": "free", "restricted": "restricted", "prohibited": "prohibited"},
    "ru": {"свободно": "free", "ограничено": "restricted", "запрещено": "prohibited"},
    "zh": {"自由类": "free", "限制类": "restricted", "禁止类": "prohibited"},
}
_STATUS: Final[dict[Language, _Words]] = {
    "en": {"on offer": "published", "withdrawn": "withdrawn"},
    "ru": {"действует": "published", "снято": "withdrawn"},
    "zh": {"已发布": "published", "已撤回": "withdrawn"},
}
_EXAMPLES: Final[dict[Language, tuple[tuple[str, str], ...]]] = {
    "en": (("Solar pump for mountain villages", "Lifts 20 m³ a day without a grid."), ("Apricot stone sorter", "")),
    "ru": (("Солнечный насос для горных посёлков", "Поднимает 20 м³ в сутки без сети."), ("Сортировка косточек", "")),
    "zh": (("山区太阳能水泵", "无需电网，每日提水20立方米。"), ("杏核分选机", "")),
}


def write_sample(office: Path, language: Language) -> None:
    """Write `sample/offers.xlsx`, where the connector does not look, and `mappings/offers.yaml` for it."""
    mapping = office / "mappings" / "offers.yaml"
    if not mapping.exists():
        mapping.write_text(sample_mapping(language), "utf-8")
    folder = office / "sample"
    folder.mkdir(exist_ok=True)
    _write_sheet(folder / "offers.xlsx", language)


def sample_mapping(language: Language) -> str:
    """Return the mapping of the sample sheet."""
    number, title, summary, control, licence, status, published, expires = _COLUMNS[language]
    return f"""\
# How rows of the sheets named offers….xlsx become technologies on offer. Try it: connector preview sample/offers.xlsx
files: ["offers*.xlsx", "offers*.csv"]
stream: offer
key: {number}           # the row's own number: never change it, never use it twice
fields:
  title: {{column: {title}}}
  summary: {{column: {summary}}}
  language: {{value: {language}}}
  export_control: {{column: {control}, table: {_flow(_CONTROL[language])}}}
  export_licence: {{column: {licence}}}
  published_on: {{column: {published}}}
  expires_on: {{column: {expires}}}
status: {{column: {status}, table: {_flow(_STATUS[language])}}}
"""


def _flow(words: _Words) -> str:
    return "{" + ", ".join(f"{said}: {meant}" for said, meant in words.items()) + "}"


def _write_sheet(path: Path, language: Language) -> None:
    from datetime import date

    from openpyxl import Workbook

    book = Workbook()
    sheet = book.worksheets[0]
    sheet.append(_COLUMNS[language])
    free, on_offer = next(iter(_CONTROL[language])), next(iter(_STATUS[language]))
    for number, (title, summary) in enumerate(_EXAMPLES[language], 1):
        sheet.append([f"T-{number}", title, summary, free, None, on_offer, date(2026, 1, 15), date(2027, 1, 15)])
    sheet.freeze_panes = "A2"
    for letter, width in zip("ABCDEFGH", (8, 40, 50, 18, 14, 14, 14, 14), strict=True):
        sheet.column_dimensions[letter].width = width
    book.save(path)
