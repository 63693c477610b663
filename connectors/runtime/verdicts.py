"""`cohub/<file>.verdicts.xlsx`: what became of each row, for an office that only knows Excel.

The file is made anew beside its source and put in place by renaming, so nobody ever opens half of one. Its content's
digest stands in the workbook's own properties: the file is left alone, open or not, while nothing has changed.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from connectors.mapping.problem import Problem
from connectors.reconcile.belief import RowState
from connectors.runtime.explanation import explain, remedy
from connectors.runtime.notice import NOTICE_HEADERS, Notice
from connectors.runtime.told import OfficeWaits, os_reason
from hub.base import durable, files
from hub.base.text import visible
from hub.base.zips import BROKEN, open_zip
from hub.domain.key import show_key
from schemas.words import Language, words

T = TypeVar("T")

FOLDER: Final = "cohub"
SUFFIX: Final = ".verdicts.xlsx"
_NAME_BYTES_MAX: Final = 255
STATES: Final[tuple[RowState, ...]] = ("rejected", "refused", "pending", "accepted", "unchanged", "blank")

_FORM: Final = 1  # raise it when the same rows are shown in another way
_ROWS_A_TURN: Final = 200  # a hundredth of a second
_ROWS_MAX: Final = 1_048_575  # a sheet holds 1,048,576 and the header is one
_CELL_CHARS_MAX: Final = 32_767
_FORMULA_STARTS: Final = tuple("=+-@\t\r＝＋－＠")
_UNWRITABLE: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_IDENTIFIER: Final = re.compile(rb"<dc:identifier>([^<]*)</dc:identifier>")
_PROPERTIES: Final = "docProps/core.xml"
_PROPERTIES_BYTES_MAX: Final = 1 << 16
_WIDTHS: Final = (8, 24, 14, 62, 62)
_FILLS: Final[dict[RowState, str]] = {
    "rejected": "F8CBAD",
    "refused": "FFE699",
    "pending": "DDEBF7",
    "accepted": "E2EFDA",
    "unchanged": "FFFFFF",
    "blank": "FFFFFF",
}

TITLE: Final = "cohub"
_TITLE_CHARS_MAX: Final = 31
_NO_TITLE: Final = re.compile(r"[\\/*?:\[\]]")
HEADERS: Final = ("row", "number", "verdict", "message", "remedy")


@dataclass(frozen=True, slots=True)
class VerdictRow:
    """What became of one row of a source; problems are the connector's own or HQ's verdict, in `stream`'s words."""

    number: int
    key: str
    state: RowState
    problems: Sequence[Problem] = ()
    stream: str = ""
    note: str = ""  # what is said of it besides: when HQ took it, or what it waits for


def verdicts_path(source: Path) -> Path:
    """Return where the verdicts of a source file belong."""
    name = source.name
    if len(os.fsencode(name + SUFFIX)) > _NAME_BYTES_MAX:  # the sheet's own name has all that a name may have
        cut = os.fsencode(name)[: _NAME_BYTES_MAX - len(SUFFIX) - 9].decode("utf-8", "ignore")
        name = f"{cut}~{hashlib.sha256(os.fsencode(name)).hexdigest()[:8]}"
    return source.parent / FOLDER / f"{name}{SUFFIX}"


@dataclass(frozen=True, slots=True)
class Page:
    """One worksheet of verdicts: what is told of the source as a whole, above what is told of its rows."""

    rows: Iterable[VerdictRow]
    notices: Sequence[Notice] = ()
    title: str = TITLE


@dataclass(frozen=True, slots=True)
class _Filled:
    """A page in words."""

    title: str
    block: list[tuple[str, ...]]
    lines: list[tuple[int, str, RowState, str, str]]


def write_pages(
    path: Path,
    pages: Sequence[Page],
    language: Language,
    write: Callable[[Path, bytes], None] = durable.write,
    give_way: Callable[[], None] = lambda: None,
    under: Path | None = None,
) -> bool:
    """Write the verdicts to `path`, a worksheet each, unless they are there already; return whether any was written.

    Shapes: notices on the source as a whole stand above the rows, in a block of their own;
            rows with problems come first, then those that wait, then the others, each group in the sheet's order;
            `write` puts bytes at a path durably, in place of what is there; `give_way` is called every few hundred
            rows, and may wait; no link is followed beneath `under`.
    Errors: Retriable while the file is open elsewhere or the folder cannot be written; nothing is lost, call again.
    """
    filled = [
        _Filled(
            title,
            [tuple(map(escape, (n.file, n.state, n.said, n.todo))) for n in page.notices],
            list(_lines(page.rows, language, give_way)),
        )
        for page, title in zip(pages, _titles(page.title for page in pages), strict=True)
    ]
    lines = [line for page in filled for line in (*page.block, *page.lines, *([(page.title,)] if pages[1:] else []))]
    mark = _mark(lines, language)
    if _written_mark(path, under) == mark:
        return False
    try:
        files.make_folder(path.parent, under=under)
        write(path, _workbook(filled, language, mark, give_way))
    except OSError as exc:
        raise OfficeWaits("errors.verdicts_unwritable", path=path, reason=os_reason(exc)) from exc
    return True


def _titles(wanted: Iterable[str]) -> Iterator[str]:
    """Yield titles that a workbook may have, each once."""
    taken: set[str] = set()
    for title in wanted:
        made = base = _NO_TITLE.sub("_", escape(title)).strip("'")[:_TITLE_CHARS_MAX] or TITLE
        number = 1
        while made.casefold() in taken:
            number += 1
            made = f"{base[: _TITLE_CHARS_MAX - 4]} {number}"
        taken.add(made.casefold())
        yield made


def escape(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula, nor chokes on."""
    shown = visible(_UNWRITABLE.sub("\N{REPLACEMENT CHARACTER}", text))
    if text.startswith(_FORMULA_STARTS) or shown.startswith(_FORMULA_STARTS):
        shown = f"'{shown}"
    return shown[:_CELL_CHARS_MAX]


def paced(items: Iterable[T], give_way: Callable[[], None]) -> Iterator[T]:
    """Yield all items, and give way before each few hundred of them."""
    for number, item in enumerate(items):
        if number % _ROWS_A_TURN == 0:
            give_way()
        yield item


def _lines(
    rows: Iterable[VerdictRow], language: Language, give_way: Callable[[], None]
) -> Iterator[tuple[int, str, RowState, str, str]]:
    places = {state: index for index, state in enumerate(STATES)}
    first_good = places["accepted"]
    ordered = sorted(rows, key=lambda row: (min(places[row.state], first_good - bool(row.problems)), row.number))
    for row in paced(ordered[:_ROWS_MAX], give_way):
        told = [explain(problem, language, row.stream) for problem in row.problems]
        said = "; ".join(dict.fromkeys((*told, row.note) if row.note else told))
        todo = " ".join(dict.fromkeys(remedy(problem.code, language) for problem in row.problems))
        yield row.number, escape(show_key(row.key)), row.state, escape(said), escape(todo)


def _mark(lines: Sequence[tuple[Any, ...]], language: Language) -> str:
    digest = hashlib.sha256(f"{_FORM} {language}".encode())
    for line in lines:
        digest.update(repr(line).encode("utf-8", "surrogatepass"))
    return f"cohub:{digest.hexdigest()}"


def _written_mark(path: Path, under: Path | None) -> str | None:
    """Return the mark of the file that is there; None if there is none, or another program wrote it since."""
    try:
        with files.opened(path, under) as file, open_zip(file) as parts, parts.open(_PROPERTIES) as part:
            found = _IDENTIFIER.search(part.read(_PROPERTIES_BYTES_MAX))
    except BROKEN:
        return None
    return found[1].decode("ascii", "replace") if found else None


def _workbook(pages: Sequence[_Filled], language: Language, mark: str, give_way: Callable[[], None]) -> bytes:
    # Imported here: a connector that has nothing to report does not pay for it in memory.
    from openpyxl import Workbook  # noqa: PLC0415

    book = Workbook(write_only=True)
    book.properties.identifier = mark
    book.properties.creator = "cohub"
    for page in pages:
        _fill(book.create_sheet(page.title), page.block, paced(page.lines, give_way), len(page.lines), language)
    output = io.BytesIO()
    book.save(output)
    return output.getvalue()


def _fill(
    sheet: Any,
    block: Sequence[tuple[str, ...]],
    lines: Iterable[tuple[int, str, RowState, str, str]],
    count: int,
    language: Language,
) -> None:
    from openpyxl.cell import WriteOnlyCell  # noqa: PLC0415
    from openpyxl.styles import Alignment, Font, PatternFill  # noqa: PLC0415

    for letter, width in zip("ABCDE", _WIDTHS, strict=True):
        sheet.column_dimensions[letter].width = width
    top = len(block) + 3 if block else 1  # the row of the header: the block has its own header and ends in a blank row
    sheet.freeze_panes = f"A{top + 1}"
    sheet.auto_filter.ref = f"A{top}:E{count + top}"
    bold, wrap = Font(bold=True), Alignment(wrap_text=True, vertical="top")
    fills = {state: PatternFill("solid", start_color=colour) for state, colour in _FILLS.items()}

    def cell(value: int | str) -> Any:
        made = WriteOnlyCell(sheet, value=value)
        if isinstance(value, str):
            made.data_type = "s"  # never a formula, whatever it begins with
        return made

    def styled(value: int | str, state: RowState) -> Any:
        made = cell(value)
        made.fill = fills[state]
        return made

    def wrapped(value: str) -> Any:
        made = cell(value)
        made.alignment = wrap
        return made

    def header(names: Sequence[str]) -> list[Any]:
        made = [cell(name) for name in names]
        for one in made:
            one.font = bold
        return made

    if block:
        sheet.append(["", *header([words("notices").say(f"headers.{name}", language) for name in NOTICE_HEADERS])])
        for file, state, said, todo in block:
            sheet.append(["", cell(file), styled(state, "rejected"), wrapped(said), wrapped(todo)])
        sheet.append([])
    sheet.append(header([words("sheets").say(f"headers.{name}", language) for name in HEADERS]))
    # One cell for all rows of a state: a row is written when it is appended, and a style costs more than its text.
    verdicts = {state: styled(words("sheets").say(f"states.{state}", language), state) for state in STATES}
    for number, key, state, said, todo in lines:
        row = [number, cell(key), verdicts[state]]
        if todo:
            row += [wrapped(said), wrapped(todo)]
        elif said:  # when HQ took it, or what it waits for: a line, and nothing to be done
            row.append(cell(said))
        sheet.append(row)
