"""A template as a workbook: the sheet to fill in, how to fill it in, and the choices of its drop-downs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from connectors.propose.template import KEY, PERSON_ID, STATUS, TemplateColumn, TemplateWords, capital
from hub.base import durable
from schemas.fields import code_words, explanation, form_text
from schemas.words import Language, stream_words, words

if TYPE_CHECKING:
    from openpyxl import Workbook
    from openpyxl.worksheet.datavalidation import DataValidation
    from openpyxl.worksheet.worksheet import Worksheet

    from connectors.propose.facts import StreamFacts

_ROWS_MAX: Final = 1_048_576
_SHEET_NAME_MAX: Final = 31
_CHOICES: Final = "choices"
_DATES: Final[dict[Language, tuple[str, str, str]]] = {
    "zh": ("ymd", "yyyy-mm-dd", "2026-05-31"),
    "en": ("ymd", "yyyy-mm-dd", "2026-05-31"),
    "ru": ("dmy", "dd.mm.yyyy", "31.05.2026"),
}
_DECIMALS: Final[dict[Language, str]] = {"zh": ".", "en": ".", "ru": ","}
_EXAMPLES: Final = {
    KEY: "007",
    "center": "kz",
    "listed": "ENERGY",
    "web": "https://example.org",
    "ipc": "H02S",
    "lei": "506700GE1G29325QX363",
    "latin": "Example LLC",
    "email": "name@example.org",
    "phone": "+998 71 123 45 67",
}
_EXAMPLE_CODES: Final = {"country": "UZ", "currency": "USD", "office": "EA", "timezone": "Asia/Tashkent"}
_REQUIRED, _OPTIONAL = "1F4E79", "D9E2F3"


def template_words(facts: StreamFacts, language: Language) -> TemplateWords:
    """Return what the template of a stream says in a language."""
    said, here = stream_words()[facts.name], words("template")
    paths = [field.path for field in (*facts.fields, *facts.changes)]
    return TemplateWords(
        names={path: said.say(f"fields.{path}", language) for path in paths}
        | {name: here.say(name, language) for name in (KEY, STATUS)},
        codes={field.path: codes for field in facts.fields if (codes := code_words(facts.name, field, language))},
        statuses=said.group("statuses", language),
        parts=here.group("parts", language),
        decimal=_DECIMALS[language],
        date_order=_DATES[language][0],
    )


def sheet_name(facts: StreamFacts, language: Language) -> str:
    """Return the name of the worksheet that is filled in."""
    return capital(stream_words()[facts.name].say("title", language))[:_SHEET_NAME_MAX]


def write_book(
    path: Path, facts: StreamFacts, made: Sequence[TemplateColumn], language: Language, file_name: str
) -> None:
    """Write the template. Errors: OSError."""
    from openpyxl import Workbook

    book = Workbook()
    sheet = book.worksheets[0]
    sheet.title = sheet_name(facts, language)
    choices = book.create_sheet(_CHOICES)
    choices.sheet_state = "hidden"
    for number, column in enumerate(made, 1):
        _write_column(sheet, choices, number, column, facts.name, language)
    sheet.freeze_panes = "B2"
    sheet.row_dimensions[1].height = 45
    _write_help(book, facts, made, language, file_name)
    book.move_sheet(choices, 1)
    with durable.replacing(path) as file:
        book.save(file)


def _write_column(
    sheet: Worksheet, choices: Worksheet, number: int, column: TemplateColumn, stream: str, language: Language
) -> None:
    from openpyxl.comments import Comment
    from openpyxl.styles import Alignment, Font, PatternFill
    from openpyxl.utils import get_column_letter

    letter = get_column_letter(number)
    head = sheet.cell(1, number, column.header)
    head.number_format = "@"
    head.font = Font(bold=True, color="FFFFFF" if column.required else "000000")
    head.fill = PatternFill("solid", fgColor=_REQUIRED if column.required else _OPTIONAL)
    head.alignment = Alignment(wrap_text=True, vertical="center")
    note = Comment("\n".join(_notes(column, stream, language)), "connector", height=160, width=320)
    head.comment = note
    dimension = sheet.column_dimensions[letter]
    dimension.width = 40 if column.facts is not None and column.facts.form in ("line", "lines") else 20
    dimension.number_format = _number_format(column, language)
    validation = _validation(choices, number, column)
    if validation is not None:
        validation.promptTitle = column.header[:32]
        validation.prompt = _meaning(column, stream, language)[:255]
        validation.showInputMessage = True
        sheet.add_data_validation(validation)
        validation.add(f"{letter}2:{letter}{_ROWS_MAX}")


def _validation(choices: Worksheet, number: int, column: TemplateColumn) -> DataValidation | None:
    """Return what Excel checks in this column; a list's drop-down helps, and forbids nothing."""
    from openpyxl.utils import get_column_letter
    from openpyxl.worksheet.datavalidation import DataValidation

    if column.choices:
        letter = get_column_letter(number)
        for row, choice in enumerate(column.choices, 1):
            choices.cell(row, number, choice).number_format = "@"
        area = f"{_CHOICES}!${letter}$1:${letter}${len(column.choices)}"
        return DataValidation(type="list", formula1=area, allow_blank=True, showErrorMessage=column.only_choices)
    facts = column.facts
    if facts is None or column.part is not None:
        return None
    kind: Literal["date", "whole", "decimal", "textLength"]
    operator: Literal["between", "greaterThan", "greaterThanOrEqual", "lessThanOrEqual"] = "between"
    second: str | None = None
    if column.kind == "date":
        kind, first, second = "date", _day(facts.least), _day(facts.most)
    elif column.kind == "whole":
        kind, first, second = "whole", str(facts.least), str(facts.most)
    elif column.kind == "number" and facts.above is None:
        kind, first, operator = "decimal", str(facts.least), "greaterThanOrEqual"
    elif column.kind == "number":
        kind, first, operator = "decimal", str(facts.above), "greaterThan"
    elif facts.chars_max is not None and facts.items_max is None:
        kind, first, operator = "textLength", str(facts.chars_max), "lessThanOrEqual"
    else:
        return None
    return DataValidation(
        type=kind, operator=operator, formula1=first, formula2=second, allow_blank=True, showErrorMessage=True
    )


def _day(day: date) -> str:
    return f"DATE({day.year},{day.month},{day.day})"


def _number_format(column: TemplateColumn, language: Language) -> str:
    if column.kind == "date":
        return _DATES[language][1]
    if column.kind == "number" and column.facts is not None:
        return "#,##0.00" + "#" * max((column.facts.decimals or 2) - 2, 0)
    return "0" if column.kind == "whole" else "@"  # a text stays as it was typed: 007, 1/2, 3E5


def _meaning(column: TemplateColumn, stream: str, language: Language) -> str:
    said = words("template")
    if column.facts is None:
        return said.say(f"notes.{column.place}", language)
    meaning = explanation(stream, column.facts.path, language)
    if column.part is None:
        return meaning
    more = [said.say("person", language)]
    if column.part == PERSON_ID:
        more.append(said.say("notes.person_id", language))
    return "; ".join([meaning, *more])


def _notes(column: TemplateColumn, stream: str, language: Language) -> Iterator[str]:
    yield words("fields").say("required" if column.required else "optional", language)
    yield _meaning(column, stream, language)
    yield from _how(column, language)


def _how(column: TemplateColumn, language: Language) -> Iterator[str]:
    facts, said = column.facts, words("template")
    if facts is not None and column.part is None and not (facts.codes and facts.standard is None):
        yield form_text(facts, language)
    if column.only_choices:
        yield said.say("choose", language)
    if facts is not None and facts.items_max is not None:
        yield said.say("several", language)


def _write_help(
    book: Workbook, facts: StreamFacts, made: Sequence[TemplateColumn], language: Language, file_name: str
) -> None:
    from openpyxl.styles import Alignment, Font

    said = words("template")
    sheet = book.create_sheet(said.say("sheet", language)[:_SHEET_NAME_MAX])
    for name in ("fill", "needed", "saved", "answer"):
        sheet.append([said.say(f"intro.{name}", language, sheet=sheet_name(facts, language), file=file_name)])
    sheet.append([])
    sheet.append([said.say(f"headers.{name}", language) for name in ("column", "needed", "meaning", "form", "example")])
    for cell in sheet[sheet.max_row]:
        cell.font = Font(bold=True)
    for column in made:
        needed = words("fields").say("required", language) if column.required else ""
        listed = column.choices if column.facts is None or column.facts.standard is None else ()
        how = "; ".join([*_how(column, language), *([" | ".join(listed)] if listed else [])])
        sheet.append([column.header, needed, _meaning(column, facts.name, language), how, _example(column, language)])
        for cell in sheet[sheet.max_row]:
            cell.alignment = Alignment(wrap_text=True, vertical="top")
            cell.number_format = "@"
    for letter, width in zip("ABCDE", (30, 14, 50, 60, 24), strict=True):
        sheet.column_dimensions[letter].width = width


def _example(column: TemplateColumn, language: Language) -> str:
    facts = column.facts
    if facts is None:
        return _EXAMPLES[KEY] if column.place == KEY else column.choices[0]
    if column.part is not None:
        return _EXAMPLES.get(column.part, "")
    if facts.standard is not None:
        return _EXAMPLE_CODES[facts.standard]
    if column.choices:
        return column.choices[0]
    made = {
        "date": _DATES[language][2],
        "number": f"1500{_DECIMALS[language]}50",
        "whole": str(facts.least),
        "entity": "kz:7" if facts.foreign else "P-12",
    }
    return made.get(facts.form) or _EXAMPLES.get(facts.form, "")
