"""Says on top of every verdict sheet that the connector has stopped: who only knows Excel learns it there.

What is written over is made anew at the next start, for it no longer has the mark that the connector leaves.
"""

from __future__ import annotations

import contextlib
import io
import zipfile
from pathlib import Path
from typing import Final

import structlog

from connectors.runtime.life import Ended
from connectors.runtime.verdicts import FOLDER, SUFFIX, escape
from hub.base import durable
from schemas.words import Language, words
from schemas.words.said import said

LINES: Final = 3  # a header, the notice, a blank line
SHEETS_MAX: Final = 200

log = structlog.get_logger(__name__)


def tell_end(sources: Path, ended: Ended, language: Language) -> int:
    """Write on top of the verdict sheets beneath a folder how the connector ended; return on how many.

    A sheet that is open elsewhere, or damaged, is passed over.
    """
    done = 0
    try:
        paths = sorted(sources.rglob(f"{FOLDER}/*{SUFFIX}"))[:SHEETS_MAX]
    except OSError:
        return 0
    for path in paths:
        with contextlib.suppress(OSError, ValueError, LookupError, SyntaxError, zipfile.BadZipFile):
            durable.write(path, _topped(path.read_bytes(), ended, language))
            done += 1
    return done


def end_text(ended: Ended, language: Language) -> str:
    """Return in one sentence that the connector ended, when and why."""
    return said("ends.at", at=ended.at.astimezone().strftime("%Y-%m-%d %H:%M:%S"), why=ended.why).text(language)


def _topped(data: bytes, ended: Ended, language: Language) -> bytes:
    from openpyxl import load_workbook  # noqa: PLC0415  a connector that goes on doesn't pay for it in memory
    from openpyxl.styles import Alignment, Font, PatternFill  # noqa: PLC0415

    book = load_workbook(io.BytesIO(data))
    sheet = book.worksheets[0]
    freeze, filtered = sheet.freeze_panes, sheet.auto_filter.ref
    if book.properties.identifier != MARK:  # a second end without a start between replaces the first one's notice
        sheet.insert_rows(1, LINES)
        sheet.freeze_panes = _lower(freeze)
        sheet.auto_filter.ref = _lower(filtered)
    book.properties.identifier = MARK
    headers = words("notices")
    for column, name in ((3, "state"), (4, "message"), (5, "remedy")):
        sheet.cell(1, column, headers.say(f"headers.{name}", language)).font = Font(bold=True)
    todo = said("ends.remedy").text(language)
    for column, text in ((3, said("ends.state").text(language)), (4, end_text(ended, language)), (5, todo)):
        cell = sheet.cell(2, column, escape(text))
        cell.data_type = "s"
        cell.alignment = Alignment(wrap_text=True, vertical="top")
    sheet.cell(2, 3).fill = PatternFill("solid", start_color="F8CBAD")
    output = io.BytesIO()
    book.save(output)
    return output.getvalue()


MARK: Final = "cohub:ended"


def _lower(reference: str | None) -> str | None:
    """Return a reference such as `A2` or `A1:E9`, so many rows further down."""
    from openpyxl.utils.cell import coordinate_from_string  # noqa: PLC0415

    if not reference:
        return reference
    ends = [coordinate_from_string(end) for end in reference.split(":")]
    return ":".join(f"{column}{row + LINES}" for column, row in ends)
